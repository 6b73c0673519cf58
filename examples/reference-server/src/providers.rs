//! Options of upstream sign-in providers.

use std::path::PathBuf;
use std::sync::Arc;

use hexabase_auth::upstream::{AllowedDomains, GithubConfig, GithubProvider, OidcConfig, OidcProvider};
use hexabase_core::clock::SystemClock;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::identity::IdentityProvider;
use hexabase_core::name::ProviderName;
use hexabase_core::secret::SecretString;
use serde::Deserialize;

use crate::certificate;
use crate::named_tables::string_list;

/// Type of a provider, which determines its defaults and required options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Google,
    Microsoft,
    Github,
    Oidc,
}

/// Options of a sign-in provider: table `[providers.NAME]`, or variables `HEXABASE_PROVIDERS__NAME__…`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProviderOptions {
    /// `google`, `microsoft`, `github` or `oidc`; `None` for the type that the table's name or the issuer implies.
    kind: Option<Kind>,
    /// Label of the sign-in button.
    title: Option<String>,
    /// Issuer of an `oidc` provider, exactly as in its tokens.
    issuer: Option<String>,
    /// Id of the Entra tenant of a `microsoft` provider.
    tenant: Option<String>,
    /// Client id of this installation at the provider.
    client_id: Option<String>,
    /// Client secret of this installation at the provider.
    client_secret: Option<SecretString>,
    /// Requested scopes in addition to `openid`; empty for the default of the provider.
    #[serde(deserialize_with = "string_list")]
    scopes: Vec<String>,
    /// Audiences that ID tokens may have in addition to the client id.
    #[serde(deserialize_with = "string_list")]
    trusted_audiences: Vec<String>,
    /// Domains of the verified addresses that may sign in; empty for all.
    #[serde(deserialize_with = "string_list")]
    allowed_domains: Vec<String>,
    /// GitHub organizations whose members may sign in, by name or as `id:` and the numeric id; empty for all users.
    #[serde(deserialize_with = "string_list")]
    organizations: Vec<String>,
    /// URL of a GitHub Enterprise Server; `None` for github.com.
    url: Option<String>,
    /// PEM file with the certificates of the private CA that signed the provider's certificate; `None` if that
    /// certificate is publicly trusted.
    ca: Option<PathBuf>,
}

impl ProviderOptions {
    /// Creates the provider.
    ///
    /// # Errors
    /// `Invalid`, naming every missing or invalid option.
    pub(crate) fn provider(self, name: &str) -> Result<Arc<dyn IdentityProvider>> {
        let mut check = Check::default();
        let at = |key: &str| format!("providers.{name}.{key}");
        let kind = self.kind.or(match name {
            "google" => Some(Kind::Google),
            "microsoft" => Some(Kind::Microsoft),
            "github" => Some(Kind::Github),
            _ => self.issuer.as_ref().map(|_| Kind::Oidc),
        });
        let missing = "is missing";
        check.require(kind.is_some(), at("kind"), "must be google, microsoft, github or oidc");
        check.require(self.client_id.is_some(), at("client_id"), missing);
        let has_issuer = self.issuer.as_ref().is_some_and(|issuer| issuer.starts_with("http"));
        check.require(kind != Some(Kind::Oidc) || has_issuer, at("issuer"), "must be the URL of an issuer");
        check.require(kind != Some(Kind::Microsoft) || self.tenant.is_some(), at("tenant"), missing);
        check.require(
            kind != Some(Kind::Github) || self.client_secret.is_some(),
            at("client_secret"),
            missing,
        );
        let provider_name = check.field(at("name"), ProviderName::parse(name));
        check.require(name != "dev", at("name"), "is reserved for the development provider");
        let (provider_name, kind) = check.all((provider_name, kind))?;
        let certificate_authority =
            self.ca.as_deref().map(|file| certificate::read_authority(&at("ca"), file)).transpose()?;
        let client_id = self.client_id.unwrap_or_default();
        let in_table = |error: Error| Error::invalid(format!("providers.{name}"), error.to_string());
        let provider: Arc<dyn IdentityProvider> = match kind {
            Kind::Github => {
                let defaults =
                    GithubConfig::new(provider_name, client_id, self.client_secret.unwrap_or_default());
                let api_url = self.url.as_ref().map(|url| format!("{url}/api/v3"));
                Arc::new(
                    GithubProvider::new(GithubConfig {
                        organizations: self.organizations,
                        url: self.url.unwrap_or(defaults.url),
                        api_url: api_url.unwrap_or(defaults.api_url),
                        certificate_authority,
                        ..defaults
                    })
                    .map_err(in_table)?,
                )
            }
            kind => {
                let defaults = match kind {
                    Kind::Google => OidcConfig::google(provider_name, client_id),
                    Kind::Microsoft => {
                        OidcConfig::microsoft(provider_name, &self.tenant.unwrap_or_default(), client_id)
                    }
                    _ => OidcConfig::new(provider_name, self.issuer.unwrap_or_default(), client_id),
                };
                let config = OidcConfig {
                    title: self.title.unwrap_or(defaults.title),
                    client_secret: self.client_secret,
                    scopes: if self.scopes.is_empty() { defaults.scopes } else { self.scopes },
                    trusted_audiences: self.trusted_audiences,
                    certificate_authority,
                    ..defaults
                };
                Arc::new(OidcProvider::new(config, Arc::new(SystemClock)).map_err(in_table)?)
            }
        };
        Ok(match self.allowed_domains.is_empty() {
            true => provider,
            false => Arc::new(AllowedDomains::new(provider, &self.allowed_domains)),
        })
    }
}
