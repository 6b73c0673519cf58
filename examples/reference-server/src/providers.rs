//! The ways to sign in, as an operator sets them.

use std::path::PathBuf;
use std::sync::Arc;

use hexabase_auth::upstream::{AllowedDomains, GithubProvider, GithubSettings, OidcProvider, OidcSettings};
use hexabase_core::clock::SystemClock;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::identity::IdentityProvider;
use hexabase_core::name::ProviderName;
use hexabase_core::secret::SecretString;
use serde::Deserialize;

use crate::certificate;
use crate::named::list;

/// Whose conventions a provider follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Google,
    Microsoft,
    Github,
    Oidc,
}

/// A way to sign in: the table `[providers.NAME]`, or variables `HEXABASE_PROVIDERS__NAME__…`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProviderOptions {
    /// `google`, `microsoft`, `github` or `oidc`; what the name says if not said.
    kind: Option<Kind>,
    /// What people call it.
    title: Option<String>,
    /// Of `oidc`: its issuer, exactly as in its tokens.
    issuer: Option<String>,
    /// Of `microsoft`: the id of the tenant.
    tenant: Option<String>,
    /// What the provider calls this installation.
    client_id: Option<String>,
    /// What this installation proves itself with.
    client_secret: Option<SecretString>,
    /// What is asked for besides `openid`.
    #[serde(deserialize_with = "list")]
    scopes: Vec<String>,
    /// If any are named: only people with a verified address in them are let in.
    #[serde(deserialize_with = "list")]
    allowed_domains: Vec<String>,
    /// Of `github`, if any are named: only their members are let in.
    #[serde(deserialize_with = "list")]
    organizations: Vec<String>,
    /// Of `github`: where a GitHub Enterprise Server is reached.
    url: Option<String>,
    /// Who has signed what the provider shows, in PEM, where it is none that everybody trusts.
    ca: Option<PathBuf>,
}

impl ProviderOptions {
    /// The provider that is set here.
    ///
    /// # Errors
    /// `Invalid`, naming everything that is missing or wrong.
    pub(crate) fn provider(self, name: &str) -> Result<Arc<dyn IdentityProvider>> {
        let mut check = Check::default();
        let at = |key: &str| format!("providers.{name}.{key}");
        let kind = self.kind.or(match name {
            "google" => Some(Kind::Google),
            "microsoft" => Some(Kind::Microsoft),
            "github" => Some(Kind::Github),
            _ => self.issuer.as_ref().map(|_| Kind::Oidc),
        });
        let needed = "is missing";
        check.require(kind.is_some(), at("kind"), "must be google, microsoft, github or oidc");
        check.require(self.client_id.is_some(), at("client_id"), needed);
        let has_issuer = self.issuer.as_ref().is_some_and(|issuer| issuer.starts_with("http"));
        check.require(kind != Some(Kind::Oidc) || has_issuer, at("issuer"), "must be the URL of an issuer");
        check.require(kind != Some(Kind::Microsoft) || self.tenant.is_some(), at("tenant"), needed);
        check.require(
            kind != Some(Kind::Github) || self.client_secret.is_some(),
            at("client_secret"),
            needed,
        );
        let provider_name = check.field(at("name"), ProviderName::parse(name));
        check.require(name != "dev", at("name"), "is that of the development provider");
        let (provider_name, kind) = check.all((provider_name, kind))?;
        let certificate_authority =
            self.ca.as_deref().map(|file| certificate::authority(&at("ca"), file)).transpose()?;
        let client_id = self.client_id.unwrap_or_default();
        let named = |error: Error| Error::invalid(format!("providers.{name}"), error.to_string());
        let provider: Arc<dyn IdentityProvider> = match kind {
            Kind::Github => {
                let base =
                    GithubSettings::new(provider_name, client_id, self.client_secret.unwrap_or_default());
                let api_url = self.url.as_ref().map(|url| format!("{url}/api/v3"));
                Arc::new(
                    GithubProvider::new(GithubSettings {
                        organizations: self.organizations,
                        url: self.url.unwrap_or(base.url),
                        api_url: api_url.unwrap_or(base.api_url),
                        certificate_authority,
                        ..base
                    })
                    .map_err(named)?,
                )
            }
            kind => {
                let base = match kind {
                    Kind::Google => OidcSettings::google(provider_name, client_id),
                    Kind::Microsoft => {
                        OidcSettings::microsoft(provider_name, &self.tenant.unwrap_or_default(), client_id)
                    }
                    _ => OidcSettings::new(provider_name, self.issuer.unwrap_or_default(), client_id),
                };
                let settings = OidcSettings {
                    title: self.title.unwrap_or(base.title),
                    client_secret: self.client_secret,
                    scopes: if self.scopes.is_empty() { base.scopes } else { self.scopes },
                    certificate_authority,
                    ..base
                };
                Arc::new(OidcProvider::new(settings, Arc::new(SystemClock)).map_err(named)?)
            }
        };
        Ok(match self.allowed_domains.is_empty() {
            true => provider,
            false => Arc::new(AllowedDomains::new(provider, &self.allowed_domains)),
        })
    }
}
