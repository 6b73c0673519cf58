//! GitHub as an identity provider: OAuth 2.0 without OpenID Connect
//! (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>).

use std::fmt;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;
use url::form_urlencoded::Serializer;

use super::http::HttpClient;

/// Configuration of GitHub as an identity provider.
#[derive(Debug, Clone)]
pub struct GithubConfig {
    /// Name of the provider in this installation.
    pub name: ProviderName,
    /// Client id, assigned by GitHub.
    pub client_id: String,
    /// Client secret, assigned by GitHub.
    pub client_secret: SecretString,
    /// GitHub organizations whose members may sign in, by name or as `id:` and the numeric id; empty for all GitHub
    /// users. A name can be given up and registered again by another party; an id cannot.
    pub organizations: Vec<String>,
    /// URL of GitHub: `https://github.com`, or a GitHub Enterprise Server.
    pub url: String,
    /// URL of its API: `https://api.github.com`, or that of a GitHub Enterprise Server.
    pub api_url: String,
    /// Certificates of the private authority that signed GitHub's certificate, in PEM; `None` if that certificate is
    /// publicly trusted.
    pub certificate_authority: Option<String>,
}

impl GithubConfig {
    /// Returns the configuration for github.com.
    #[must_use]
    pub fn new(name: ProviderName, client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self {
            name,
            client_id: client_id.into(),
            client_secret,
            organizations: Vec::new(),
            url: "https://github.com".to_owned(),
            api_url: "https://api.github.com".to_owned(),
            certificate_authority: None,
        }
    }
}

/// GitHub as an identity provider. The subject is the numeric user id, which does not change when the user is renamed.
pub struct GithubProvider {
    config: GithubConfig,
    http: HttpClient,
}

impl fmt::Debug for GithubProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "GithubProvider({} at {})", self.config.name, self.config.url)
    }
}

/// Token response of GitHub: a token or an error, both with status 200.
#[derive(Deserialize)]
struct Token {
    access_token: Option<SecretString>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

#[derive(Deserialize)]
struct Organization {
    id: u64,
    login: String,
}

impl GithubProvider {
    /// Creates the identity provider.
    ///
    /// # Errors
    /// `Invalid` if the certificates cannot be parsed.
    pub fn new(config: GithubConfig) -> Result<Self> {
        let http = HttpClient::new(config.certificate_authority.as_deref())?;
        Ok(Self { config, http })
    }

    async fn redeem(&self, exchange: &CodeExchange) -> Result<SecretString> {
        let form = Serializer::new(String::new())
            .append_pair("client_id", &self.config.client_id)
            .append_pair("client_secret", self.config.client_secret.expose_secret())
            .append_pair("code", exchange.code.expose_secret())
            .append_pair("redirect_uri", &exchange.redirect_uri)
            .append_pair("code_verifier", exchange.code_verifier.expose_secret())
            .finish();
        let request = http::Request::post(format!("{}/login/oauth/access_token", self.config.url))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let token: Token = self.send(request, form.into_bytes()).await?;
        match (token.access_token, token.error) {
            (Some(token), None) => Ok(token),
            (_, error) => Err(not_confirmed().caused_by(
                error.unwrap_or_else(|| "the response contains neither a token nor an error".to_owned()),
            )),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, token: &SecretString) -> Result<T> {
        let request = http::Request::get(format!("{}{path}", self.config.api_url))
            .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .header("x-github-api-version", "2022-11-28");
        self.send(request, Vec::new()).await
    }

    async fn send<T: DeserializeOwned>(&self, request: http::request::Builder, body: Vec<u8>) -> Result<T> {
        let request = request
            .header(ACCEPT, "application/json")
            .body(body)
            .map_err(|_| Error::unexpected("building a request to GitHub failed"))?;
        let response = self.http.send(request).await.map_err(|error| {
            Error::unavailable("GitHub does not respond; try again in a minute")
                .with("provider", &self.config.name)
                .caused_by(error)
        })?;
        if !response.status().is_success() {
            return Err(
                not_confirmed().caused_by(format!("GitHub responded with status {}", response.status()))
            );
        }
        serde_json::from_slice(response.body()).map_err(|error| not_confirmed().caused_by(error))
    }

    async fn require_membership(&self, token: &SecretString) -> Result<()> {
        let allowed = &self.config.organizations;
        if allowed.is_empty() {
            return Ok(());
        }
        let memberships: Vec<Organization> = self.get("/user/orgs?per_page=100", token).await?;
        let is_allowed = |one: &Organization| {
            allowed.iter().any(|entry| match entry.strip_prefix("id:") {
                Some(id) => id == one.id.to_string(),
                None => entry.eq_ignore_ascii_case(&one.login),
            })
        };
        if memberships.iter().any(is_allowed) {
            return Ok(());
        }
        let message = format!("only members of {} on GitHub can sign in", allowed.join(", "));
        Err(Error::forbidden(message))
    }
}

fn not_confirmed() -> Error {
    Error::unauthenticated("GitHub did not confirm your identity; sign in again")
}

#[async_trait]
impl IdentityProvider for GithubProvider {
    fn name(&self) -> &ProviderName {
        &self.config.name
    }

    fn title(&self) -> &str {
        "GitHub"
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        let mut url = Url::parse(&format!("{}/login/oauth/authorize", self.config.url))
            .map_err(|error| Error::invalid("url", "must be the URL of GitHub").caused_by(error))?;
        let scope = if self.config.organizations.is_empty() { "user:email" } else { "user:email read:org" };
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("client_id", &self.config.client_id)
                .append_pair("redirect_uri", &request.redirect_uri)
                .append_pair("scope", scope)
                .append_pair("state", &request.state)
                .append_pair("code_challenge", &request.code_challenge)
                .append_pair("code_challenge_method", "S256");
            if let Some(hint) = &request.login_hint {
                query.append_pair("login", hint);
            }
            if request.reauthenticate {
                query.append_pair("prompt", "select_account");
            }
        }
        Ok(url.into())
    }

    async fn exchange(&self, exchange: &CodeExchange) -> Result<ExternalIdentity> {
        let token = self.redeem(exchange).await?;
        let user: User = self.get("/user", &token).await?;
        self.require_membership(&token).await?;
        let addresses: Vec<Address> = self.get("/user/emails?per_page=100", &token).await?;
        let primary = addresses.into_iter().find(|address| address.primary && address.verified);
        Ok(ExternalIdentity {
            subject: user.id.to_string(),
            verified_email: primary.and_then(|address| Email::parse(&address.email).ok()),
            name: DisplayName::parse(user.name.as_deref().unwrap_or(&user.login)).ok(),
            auth_time: None,
        })
    }
}
