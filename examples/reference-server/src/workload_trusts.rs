//! Options of trusted issuers of workload tokens.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hexabase_auth::upstream::WorkloadTrust;
use hexabase_core::error::{Check, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::{Scope, Scopes};
use serde::{Deserialize, Deserializer};

use crate::certificate;
use crate::named_tables::string_list;

/// Type of an issuer, which determines its URL and the claims that identify a workload's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    GithubActions,
    Gitlab,
    Oidc,
}

impl Kind {
    /// Issuer of all tokens of this type; `None` if there are several.
    const fn issuer(self) -> Option<&'static str> {
        match self {
            Self::GithubActions => Some("https://token.actions.githubusercontent.com"),
            Self::Gitlab => Some("https://gitlab.com"),
            Self::Oidc => None,
        }
    }

    /// Claims of which at least one must be required; otherwise the tokens of all customers of the issuer are trusted.
    const fn owner_claims(self) -> &'static [&'static str] {
        match self {
            Self::GithubActions => {
                &["sub", "repository", "repository_id", "repository_owner", "repository_owner_id"]
            }
            Self::Gitlab => &["sub", "project_path", "project_id", "namespace_path", "namespace_id"],
            Self::Oidc => &[],
        }
    }
}

/// Trust in workloads that act as a service account: table `[trusts.NAME]`, or variables `HEXABASE_TRUSTS__NAME__…`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrustOptions {
    /// `github-actions`, `gitlab` or `oidc`; `None` for `oidc` if an issuer is set.
    kind: Option<Kind>,
    /// Issuer of the tokens, exactly as in them; `None` for that of the type.
    issuer: Option<String>,
    /// Required audience of the tokens; `None` for the public URL of this server.
    audience: Option<String>,
    /// Required claims of the tokens, each with its allowed values.
    #[serde(deserialize_with = "claims")]
    claims: BTreeMap<String, Vec<String>>,
    /// Id of the service account that the workloads act as.
    service_account: Option<String>,
    /// Scopes of the workloads in the API, as of API tokens; empty for access to clusters only.
    #[serde(deserialize_with = "string_list")]
    api_scopes: Vec<String>,
    /// PEM file with the certificates of the private CA that signed the issuer's certificate; `None` if that
    /// certificate is publicly trusted.
    ca: Option<PathBuf>,
}

impl TrustOptions {
    /// Creates the trust, for a server with this public URL.
    ///
    /// # Errors
    /// `Invalid`, naming every missing or invalid option.
    pub(crate) fn trust(self, name: &str, public_url: Option<&str>) -> Result<WorkloadTrust> {
        let mut check = Check::default();
        let at = |key: &str| format!("trusts.{name}.{key}");
        let kind = self.kind.or(self.issuer.as_ref().map(|_| Kind::Oidc));
        check.require(kind.is_some(), at("kind"), "must be github-actions, gitlab or oidc");
        let issuer = self.issuer.or_else(|| kind.and_then(Kind::issuer).map(str::to_owned));
        let is_url = issuer.as_ref().is_some_and(|issuer| issuer.starts_with("http"));
        check.require(is_url, at("issuer"), "must be the URL of an issuer");
        let audience = self.audience.or_else(|| public_url.map(str::to_owned));
        check.require(audience.is_some(), at("audience"), "is missing, and so is public_url, its default");
        let owner_claims = kind.map_or(&[][..], Kind::owner_claims);
        let identifies_owner = match owner_claims {
            [] => !self.claims.is_empty(),
            names => names.iter().any(|name| self.claims.contains_key(*name)),
        };
        let rule = match owner_claims {
            [] => "must require at least one claim".to_owned(),
            names => format!("must require at least one of {}", names.join(", ")),
        };
        check.require(identifies_owner, at("claims"), rule);
        check.require(
            self.claims.values().all(|values| !values.is_empty()),
            at("claims"),
            "contains a claim without a value",
        );
        let account = self.service_account.as_deref().unwrap_or_default().parse::<UserId>();
        let account = check
            .field(at("service_account"), account.map_err(|_| "must be the id of a service account, usr_…"));
        let scopes = self.api_scopes.iter().map(|scope| scope.parse::<Scope>());
        let scopes = check.field(at("api_scopes"), scopes.collect::<Result<Scopes, _>>());
        let authority =
            self.ca.as_deref().map(|file| certificate::read_authority(&at("ca"), file)).transpose();
        let (service_account, issuer, audience, api_scopes) =
            check.all((account, issuer, audience, scopes))?;
        Ok(WorkloadTrust {
            name: name.to_owned(),
            issuer,
            audience,
            claims: self.claims,
            service_account,
            api_scopes,
            certificate_authority: authority?,
        })
    }
}

/// Deserializes claims with their allowed values: a table in the file, or text such as
/// `repository=acme/shop,ref=refs/heads/main` in a variable.
fn claims<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Values(#[serde(deserialize_with = "string_list")] Vec<String>);
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Claims {
        Table(BTreeMap<String, Values>),
        Text(String),
    }
    match Claims::deserialize(input)? {
        Claims::Table(table) => Ok(table.into_iter().map(|(name, Values(values))| (name, values)).collect()),
        Claims::Text(text) => {
            let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for pair in text.split(',') {
                let (name, value) = pair.split_once('=').ok_or_else(|| {
                    serde::de::Error::custom("claims must be written as NAME=VALUE,NAME=VALUE")
                })?;
                claims.entry(name.trim().to_owned()).or_default().push(value.trim().to_owned());
            }
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hexabase_core::error::Error;

    const ACCOUNT: &str = "service_account = 'usr_01h455vb4pex5vsknk084sn02q'";

    fn trust(text: &str) -> Result<WorkloadTrust> {
        let options = toml::from_str(text).map_err(|error| Error::unexpected(error.to_string()));
        options.and_then(|options: TrustOptions| options.trust("ci", Some("https://hexabase.example")))
    }

    #[test]
    fn claims_can_be_a_table_or_text() {
        let table = format!(
            "kind = 'github-actions'\n{ACCOUNT}\n[claims]\nrepository = 'acme/shop'\nref = ['refs/heads/main', 'refs/heads/next']"
        );
        let line = format!(
            "kind = 'github-actions'\n{ACCOUNT}\nclaims = 'repository=acme/shop, ref=refs/heads/main, ref=refs/heads/next'"
        );
        let (table, line) = (trust(&table).unwrap(), trust(&line).unwrap());
        assert_eq!(table.claims, line.claims);
        assert_eq!(table.claims["ref"], ["refs/heads/main", "refs/heads/next"]);
        assert_eq!(table.issuer, "https://token.actions.githubusercontent.com");
        assert_eq!(table.audience, "https://hexabase.example");
    }

    #[test]
    fn workloads_have_scopes_in_the_api_only_if_the_trust_lists_them() {
        let scopes = |line: &str| {
            trust(&format!("kind = 'gitlab'\n{ACCOUNT}\nclaims = 'project_id=1'\n{line}"))
                .map(|trust| trust.api_scopes)
        };
        assert!(scopes("").unwrap().is_empty());
        let expected = [Scope::WorkspacesWrite, Scope::AccessRead].into_iter().collect();
        assert_eq!(scopes("api_scopes = ['workspaces:write', 'access:read']").unwrap(), expected);
        let error = scopes("api_scopes = 'root'").unwrap_err();
        assert!(error.to_string().contains("trusts.ci.api_scopes"), "{error}");
    }

    #[test]
    fn a_trust_that_admits_all_customers_of_an_issuer_is_rejected() {
        for (text, field) in [
            (format!("kind = 'github-actions'\n{ACCOUNT}"), "trusts.ci.claims"),
            (
                format!("kind = 'github-actions'\n{ACCOUNT}\nclaims = 'ref=refs/heads/main'"),
                "trusts.ci.claims",
            ),
            (format!("kind = 'gitlab'\n{ACCOUNT}\nclaims = 'ref=main'"), "trusts.ci.claims"),
            (format!("issuer = 'https://ci.example'\n{ACCOUNT}"), "trusts.ci.claims"),
            (format!("kind = 'oidc'\n{ACCOUNT}\nclaims = 'sub=1'"), "trusts.ci.issuer"),
            ("kind = 'gitlab'\nclaims = 'project_id=1'".to_owned(), "trusts.ci.service_account"),
            (
                "kind = 'gitlab'\nclaims = 'project_id=1'\nservice_account = 'ann'".to_owned(),
                "trusts.ci.service_account",
            ),
        ] {
            let error = trust(&text).unwrap_err();
            assert!(error.to_string().contains(field), "{text}: {error}");
        }
    }
}
