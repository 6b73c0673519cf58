//! OpenID Connect (OIDC) identity providers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::http::HttpClient;
use super::key_set::present;
use super::metadata::{Endpoints, IssuerMetadata};
use super::remote_issuer::RemoteIssuer;
use super::signed_token::{Claims, TokenUse, verify_audience, verify_signature};
use super::token_response::{self, Tokens};

/// Claim by which a provider states that it has verified an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifiedBy {
    /// `email_verified` (OpenID Connect Core 1.0 section 5.1).
    EmailVerified,
    /// `xms_edov`, for Microsoft Entra: without it the administrator of an Entra tenant can make up the address
    /// (<https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization>).
    XmsEdov,
}

/// Configuration of an OpenID Connect provider.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// Name of the provider in this installation.
    pub name: ProviderName,
    /// Display name.
    pub title: String,
    /// Issuer, exactly as in its tokens.
    pub issuer: String,
    /// Client id, assigned by the provider.
    pub client_id: String,
    /// Client secret, assigned by the provider; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// Requested scopes in addition to `openid`.
    pub scopes: Vec<String>,
    /// Claim by which the provider states that it has verified an address.
    pub verified_by: VerifiedBy,
    /// Audiences that ID tokens may have in addition to the client id (OpenID Connect Core 1.0 section 3.1.3.7).
    pub trusted_audiences: Vec<String>,
    /// Certificates of the private authority that signed the provider's certificate, in PEM; `None` if that
    /// certificate is publicly trusted.
    pub certificate_authority: Option<String>,
}

impl OidcConfig {
    /// Returns the configuration of a provider that issues `email_verified`.
    #[must_use]
    pub fn new(name: ProviderName, issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            title: name.to_string(),
            name,
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            scopes: vec!["email".to_owned(), "profile".to_owned()],
            verified_by: VerifiedBy::EmailVerified,
            trusted_audiences: Vec::new(),
            certificate_authority: None,
        }
    }

    /// Returns the configuration of Google (<https://developers.google.com/identity/openid-connect/openid-connect>).
    #[must_use]
    pub fn google(name: ProviderName, client_id: impl Into<String>) -> Self {
        Self { title: "Google".to_owned(), ..Self::new(name, "https://accounts.google.com", client_id) }
    }

    /// Returns the configuration of one Microsoft Entra tenant, by its id
    /// (<https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>). The application must request the
    /// optional claim `xms_edov`.
    #[must_use]
    pub fn microsoft(name: ProviderName, tenant: &str, client_id: impl Into<String>) -> Self {
        Self {
            title: "Microsoft".to_owned(),
            verified_by: VerifiedBy::XmsEdov,
            ..Self::new(name, format!("https://login.microsoftonline.com/{tenant}/v2.0"), client_id)
        }
    }
}

/// OpenID Connect provider. Endpoints and keys are those that it publishes (OpenID Connect Discovery 1.0).
pub struct OidcProvider {
    config: OidcConfig,
    issuer: RemoteIssuer,
    http: HttpClient,
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OidcProvider({} at {})", self.config.name, self.config.issuer)
    }
}

/// Claims about a user, from the ID token or the userinfo endpoint.
struct Profile {
    subject: String,
    email: Option<String>,
    email_verified: bool,
    name: Option<String>,
    auth_time: Option<Timestamp>,
}

impl OidcProvider {
    /// Creates the identity provider. Nothing is requested from it yet, so that a server starts while it is
    /// unavailable.
    ///
    /// # Errors
    /// `Invalid` if the issuer is not a URL, or the certificates cannot be parsed.
    pub fn new(config: OidcConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let http = HttpClient::new(config.certificate_authority.as_deref())?;
        let issuer = RemoteIssuer::new(&config.issuer, http.clone(), clock)?;
        Ok(Self { config, issuer, http })
    }

    /// Redeems the authorization code.
    async fn redeem(&self, endpoints: &Endpoints, exchange: &CodeExchange) -> Result<Tokens> {
        let (request, form) = self.token_request(endpoints, exchange)?;
        let response = self.send(request, form.into_bytes()).await?;
        token_response::parse(response.status(), response.body())
            .map_err(|error| not_confirmed().caused_by(error))
    }

    /// Returns the token request without its body, and the form that is its body.
    fn token_request(
        &self,
        endpoints: &Endpoints,
        exchange: &CodeExchange,
    ) -> Result<(http::request::Builder, String)> {
        let endpoint = endpoints.token.as_ref().ok_or_else(|| self.unavailable("no token endpoint"))?;
        let mut request = http::Request::post(endpoint.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", exchange.code.expose_secret())
            .append_pair("redirect_uri", &exchange.redirect_uri)
            .append_pair("code_verifier", exchange.code_verifier.expose_secret());
        match &self.config.client_secret {
            Some(secret) if endpoints.accepts_basic_authentication => {
                request = request.header(AUTHORIZATION, basic(&self.config.client_id, secret));
            }
            Some(secret) => {
                form.append_pair("client_id", &self.config.client_id)
                    .append_pair("client_secret", secret.expose_secret());
            }
            None => {
                form.append_pair("client_id", &self.config.client_id);
            }
        }
        Ok((request, form.finish()))
    }

    /// Returns the claims of the userinfo endpoint, if the provider has one. The subject must be the ID token's.
    async fn userinfo(
        &self,
        metadata: &IssuerMetadata,
        token: Option<&SecretString>,
        subject: &str,
    ) -> Result<Option<Claims>> {
        let (Some(endpoint), Some(token)) = (&metadata.endpoints.userinfo, token) else { return Ok(None) };
        let request = http::Request::get(endpoint.as_str())
            .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .header(ACCEPT, "application/json");
        let response = self.send(request, Vec::new()).await?;
        let invalid = |reason: String| not_confirmed().caused_by(format!("userinfo: {reason}"));
        if !response.status().is_success() {
            return Err(invalid(format!("the endpoint responded with status {}", response.status())));
        }
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_signed = media_type.is_some_and(|it| it.to_ascii_lowercase().starts_with("application/jwt"));
        let claims: Claims = if is_signed {
            let token = String::from_utf8_lossy(response.body());
            let claims = verify_signature(token.trim(), &metadata.keys);
            let claims = claims.map_err(|error| invalid(error.to_string()))?;
            self.verify_signed_userinfo(&claims).map_err(|error| invalid(error.to_owned()))?;
            claims
        } else {
            serde_json::from_slice(response.body()).map_err(|error| invalid(error.to_string()))?
        };
        match claims.get("sub").and_then(Value::as_str) == Some(subject) {
            true => Ok(Some(claims)),
            false => Err(invalid("the subject is not that of the ID token".to_owned())),
        }
    }

    /// Verifies issuer and audience of a signed userinfo response, which should have them (OpenID Connect Core 1.0
    /// section 5.3.2).
    fn verify_signed_userinfo(&self, claims: &Claims) -> Result<(), &'static str> {
        if present(claims, "iss").is_some_and(|issuer| issuer != self.issuer.url()) {
            return Err("the signed response is of another issuer");
        }
        let trusted = &self.config.trusted_audiences;
        let is_for_us = present(claims, "aud").is_none()
            || verify_audience(claims, &self.config.client_id, trusted).is_ok();
        if is_for_us { Ok(()) } else { Err("the signed response is for another client") }
    }

    async fn profile(&self, metadata: &IssuerMetadata, tokens: &Tokens, nonce: &str) -> Result<Profile> {
        let expected = (self.config.client_id.as_str(), &self.config.trusted_audiences[..]);
        let claims = self.issuer.verify(&tokens.id_token, expected, TokenUse::SignIn { nonce }).await?;
        let mut profile = Profile {
            subject: text(&claims, "sub").unwrap_or_default(),
            email: text(&claims, "email"),
            email_verified: match self.config.verified_by {
                VerifiedBy::EmailVerified => is_email_verified(&claims),
                VerifiedBy::XmsEdov => is_domain_verified(&claims),
            },
            name: text(&claims, "name"),
            auth_time: present(&claims, "auth_time").and_then(|time| {
                let parsed = timestamp(time).ok_or("not a time");
                self.valid("auth_time", parsed)
            }),
        };
        // Some providers return claims from the userinfo endpoint that are not in the ID token (OpenID Connect Core
        // 1.0 section 5.4).
        let incomplete = profile.email.is_none() && self.config.verified_by == VerifiedBy::EmailVerified;
        let access_token = tokens.access_token.as_ref();
        if incomplete && let Some(userinfo) = self.userinfo(metadata, access_token, &profile.subject).await? {
            profile.email = text(&userinfo, "email");
            profile.email_verified = is_email_verified(&userinfo);
            profile.name = profile.name.or(text(&userinfo, "name"));
        }
        Ok(profile)
    }

    async fn send(&self, request: http::request::Builder, body: Vec<u8>) -> Result<http::Response<Vec<u8>>> {
        let request =
            request.body(body).map_err(|_| Error::unexpected("building a request to a provider failed"))?;
        self.http.send(request).await.map_err(|error| self.unavailable(error))
    }

    /// Returns a parsed claim; logs and ignores one that is not valid.
    fn valid<T, E: fmt::Display>(&self, claim: &'static str, parsed: std::result::Result<T, E>) -> Option<T> {
        if let Err(error) = &parsed {
            tracing::warn!(provider = %self.config.name, claim, %error, "claim of a sign-in ignored; it is not valid");
        }
        parsed.ok()
    }

    fn unavailable(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::unavailable("the sign-in provider does not respond; try again in a minute")
            .with("provider", &self.config.name)
            .caused_by(cause)
    }
}

fn not_confirmed() -> Error {
    Error::unauthenticated("the provider did not confirm your identity; sign in again")
}

/// Credentials for HTTP Basic authentication, both parts of which are form-encoded (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &SecretString) -> String {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let credentials = format!("{}:{}", encode(client_id), encode(secret.expose_secret()));
    format!("Basic {}", STANDARD.encode(credentials))
}

/// Returns a claim that is a text; `None` if it is missing or of another type.
fn text(claims: &Claims, name: &str) -> Option<String> {
    claims.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// Parses a time, in seconds since the epoch.
fn timestamp(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

/// `true` if the provider states that it has verified the address. Some state it as a text.
fn is_email_verified(claims: &Claims) -> bool {
    claims.get("email_verified").is_some_and(|claim| *claim == true || claim == "true")
}

/// `true` if Microsoft states that the address is in a domain that the user's organization owns.
fn is_domain_verified(claims: &Claims) -> bool {
    let claim = claims.get("xms_edov");
    claim.is_some_and(|claim| *claim == true || *claim == 1 || claim == "1" || claim == "true")
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn name(&self) -> &ProviderName {
        &self.config.name
    }

    fn title(&self) -> &str {
        &self.config.title
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        let metadata = self.issuer.metadata().await?;
        let endpoint = metadata.endpoints.authorization.as_ref();
        let mut url: Url = endpoint.cloned().ok_or_else(|| self.unavailable("no authorization endpoint"))?;
        let scope = std::iter::once("openid").chain(self.config.scopes.iter().map(String::as_str));
        let scope = scope.collect::<Vec<_>>().join(" ");
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.config.client_id)
                .append_pair("redirect_uri", &request.redirect_uri)
                .append_pair("scope", &scope)
                .append_pair("state", &request.state)
                .append_pair("nonce", &request.nonce)
                .append_pair("code_challenge", &request.code_challenge)
                .append_pair("code_challenge_method", "S256");
            if let Some(hint) = &request.login_hint {
                query.append_pair("login_hint", hint);
            }
            if request.reauthenticate {
                query.append_pair("prompt", "login").append_pair("max_age", "0");
            }
        }
        Ok(url.into())
    }

    async fn exchange(&self, exchange: &CodeExchange) -> Result<ExternalIdentity> {
        let metadata = self.issuer.metadata().await?;
        match &exchange.issuer {
            Some(response_issuer) if response_issuer != self.issuer.url() => {
                return Err(not_confirmed().caused_by("the authorization response is from another issuer"));
            }
            None if metadata.endpoints.sends_issuer => {
                return Err(not_confirmed().caused_by("the authorization response does not name its issuer"));
            }
            _ => {}
        }
        let tokens = self.redeem(&metadata.endpoints, exchange).await?;
        let profile = self.profile(&metadata, &tokens, &exchange.nonce).await?;
        let verified = profile.email_verified;
        if profile.email.is_some() && !verified {
            tracing::info!(provider = %self.config.name, "e-mail address of a sign-in ignored; it is not verified");
        }
        Ok(ExternalIdentity {
            subject: profile.subject,
            verified_email: profile
                .email
                .filter(|_| verified)
                .and_then(|email| self.valid("email", Email::parse(&email))),
            name: profile.name.and_then(|name| self.valid("name", DisplayName::parse(&name))),
            auth_time: profile.auth_time,
        })
    }
}
