//! The systems that vouch for programs, as an operator trusts them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hexabase_auth::upstream::WorkloadTrust;
use hexabase_core::error::{Check, Result};
use hexabase_core::id::UserId;
use serde::{Deserialize, Deserializer};

use crate::certificate;
use crate::named::list;

/// Whose conventions a system follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    GithubActions,
    Gitlab,
    Oidc,
}

impl Kind {
    const fn issuer(self) -> Option<&'static str> {
        match self {
            Self::GithubActions => Some("https://token.actions.githubusercontent.com"),
            Self::Gitlab => Some("https://gitlab.com"),
            Self::Oidc => None,
        }
    }

    /// The claims of which one must be named: without it everybody would be let in who uses the system at all.
    const fn identifying(self) -> &'static [&'static str] {
        match self {
            Self::GithubActions => {
                &["sub", "repository", "repository_id", "repository_owner", "repository_owner_id"]
            }
            Self::Gitlab => &["sub", "project_path", "project_id", "namespace_path", "namespace_id"],
            Self::Oidc => &[],
        }
    }
}

/// Programs that are taken for a service account: the table `[trusts.NAME]`, or variables `HEXABASE_TRUSTS__NAME__…`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TrustOptions {
    /// `github-actions`, `gitlab` or `oidc`, which is what it is if an issuer is named.
    kind: Option<Kind>,
    /// Who signs the tokens, exactly as in them; that of the kind if not said.
    issuer: Option<String>,
    /// For whom they must be made; this server, by its public URL, if not said.
    audience: Option<String>,
    /// What they must say.
    #[serde(deserialize_with = "claims")]
    claims: BTreeMap<String, Vec<String>>,
    /// Whom they then stand for.
    service_account: Option<String>,
    /// Who has signed what the issuer shows, in PEM, where it is none that everybody trusts.
    ca: Option<PathBuf>,
}

impl TrustOptions {
    /// The trust that is set here, on a server of this URL.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is missing or wrong.
    pub(crate) fn trust(self, name: &str, public_url: Option<&str>) -> Result<WorkloadTrust> {
        let mut check = Check::default();
        let at = |key: &str| format!("trusts.{name}.{key}");
        let kind = self.kind.or(self.issuer.as_ref().map(|_| Kind::Oidc));
        check.require(kind.is_some(), at("kind"), "must be github-actions, gitlab or oidc");
        let issuer = self.issuer.or_else(|| kind.and_then(Kind::issuer).map(str::to_owned));
        let is_url = issuer.as_ref().is_some_and(|issuer| issuer.starts_with("http"));
        check.require(is_url, at("issuer"), "must be the URL of an issuer");
        let audience = self.audience.or_else(|| public_url.map(str::to_owned));
        check.require(audience.is_some(), at("audience"), "is missing, as public_url is");
        let identifying = kind.map_or(&[][..], Kind::identifying);
        let says_who = match identifying {
            [] => !self.claims.is_empty(),
            names => names.iter().any(|name| self.claims.contains_key(*name)),
        };
        let advice = match identifying {
            [] => "must say who is trusted".to_owned(),
            names => format!("must say who is trusted, by one of {}", names.join(", ")),
        };
        check.require(says_who, at("claims"), advice);
        check.require(
            self.claims.values().all(|values| !values.is_empty()),
            at("claims"),
            "has one without a value",
        );
        let account = self.service_account.as_deref().unwrap_or_default().parse::<UserId>();
        let account = check.field(at("service_account"), account.map_err(|_| "must be the id of one, usr_…"));
        let authority = self.ca.as_deref().map(|file| certificate::authority(&at("ca"), file)).transpose();
        let (service_account, issuer, audience) = check.all((account, issuer, audience))?;
        Ok(WorkloadTrust {
            name: name.to_owned(),
            issuer,
            audience,
            claims: self.claims,
            service_account,
            certificate_authority: authority?,
        })
    }
}

/// Claims, each with the values that it may have, as the file has them; or, as a variable has them,
/// `repository=acme/shop,ref=refs/heads/main`.
fn claims<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<String, Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    struct Values(#[serde(deserialize_with = "list")] Vec<String>);
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
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| serde::de::Error::custom("claims are written NAME=VALUE,NAME=VALUE"))?;
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
        options.and_then(|set: TrustOptions| set.trust("ci", Some("https://hexabase.example")))
    }

    #[test]
    fn claims_are_written_as_a_table_or_in_one_line() {
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
    fn what_would_let_in_everybody_is_refused() {
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
            let refused = trust(&text).unwrap_err();
            assert!(refused.to_string().contains(field), "{text}: {refused}");
        }
    }
}
