//! OpenID Connect (OIDC) identity providers.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::Timestamp;
use openidconnect::core::{
    CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenClaims, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClientId, ClientSecret, Nonce, OAuth2TokenResponse as _,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, TokenResponse as _, TokenUrl, UserInfoError,
    UserInfoUrl,
};
use serde_json::Value;
use url::Url;

use super::http::{HttpClient, RequestError};
use super::remote_issuer::{OidcMetadata, RemoteIssuer};

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
    issuer: RemoteIssuer<OidcMetadata>,
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
    email_verified: Option<bool>,
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

    fn client_id(&self) -> ClientId {
        ClientId::new(self.config.client_id.clone())
    }

    /// Redeems the authorization code; returns the ID token and the access token.
    async fn redeem(
        &self,
        metadata: &OidcMetadata,
        exchange: &CodeExchange,
    ) -> Result<(CoreIdToken, AccessToken)> {
        let endpoint = metadata.token_endpoint().cloned().ok_or_else(|| self.missing("token endpoint"))?;
        let client = self.client(metadata, endpoint);
        let redirect = RedirectUrl::new(exchange.redirect_uri.clone())
            .map_err(|error| Error::unexpected("the callback is not a URL").caused_by(error))?;
        let response = client
            .exchange_code(AuthorizationCode::new(exchange.code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(exchange.code_verifier.expose_secret().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .request_async(&self.http)
            .await
            .map_err(|error| self.token_error(error))?;
        let token = response.id_token().cloned().ok_or_else(|| self.missing("ID token"))?;
        Ok((token, response.access_token().clone()))
    }

    fn client(&self, metadata: &OidcMetadata, token_endpoint: TokenUrl) -> TokenClient {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        // By default, the secret is sent in the header (OpenID Connect Discovery 1.0 section 3).
        let methods = metadata.token_endpoint_auth_methods_supported();
        let uses_header =
            methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let client = CoreClient::new(self.client_id(), metadata.issuer().clone(), metadata.jwks().clone())
            .set_token_uri(token_endpoint)
            .set_auth_type(if uses_header { AuthType::BasicAuth } else { AuthType::RequestBody });
        match secret {
            Some(secret) => client.set_client_secret(secret),
            None => client,
        }
    }

    /// Returns the claims of the userinfo endpoint, if the provider has one. The subject is compared with the ID
    /// token's.
    async fn userinfo(
        &self,
        metadata: &OidcMetadata,
        token: AccessToken,
        claims: &CoreIdTokenClaims,
    ) -> Result<Option<CoreUserInfoClaims>> {
        let Some(endpoint) = metadata.userinfo_endpoint().cloned() else { return Ok(None) };
        let client = CoreClient::new(self.client_id(), metadata.issuer().clone(), metadata.jwks().clone());
        let client = client.set_user_info_url(UserInfoUrl::from_url(endpoint.url().clone()));
        let request = client.user_info(token, Some(claims.subject().clone()));
        let response: Result<CoreUserInfoClaims, UserInfoError<RequestError>> =
            request.require_signed_response(false).request_async(&self.http).await;
        match response {
            Ok(claims) => Ok(Some(claims)),
            Err(UserInfoError::Request(error)) => Err(self.unavailable(error)),
            Err(error) => Err(not_confirmed().caused_by(error)),
        }
    }

    async fn profile(
        &self,
        metadata: &OidcMetadata,
        (token, access): (CoreIdToken, AccessToken),
        nonce: &Nonce,
    ) -> Result<Profile> {
        let claims = self.issuer.verify(&token, &self.client_id(), Some(nonce)).await?;
        let name = |name: Option<&openidconnect::LocalizedClaim<openidconnect::EndUserName>>| {
            name.and_then(|names| names.get(None)).map(|name| name.as_str().to_owned())
        };
        let verified = match self.config.verified_by {
            VerifiedBy::EmailVerified => claims.email_verified(),
            VerifiedBy::XmsEdov => Some(is_domain_verified(&token)),
        };
        let mut profile = Profile {
            subject: claims.subject().to_string(),
            email: claims.email().map(|email| email.as_str().to_owned()),
            email_verified: verified,
            name: name(claims.name()),
            auth_time: claims.auth_time().and_then(|time| Timestamp::from_second(time.timestamp()).ok()),
        };
        // Some providers return claims from the userinfo endpoint that are not in the ID token (OpenID Connect Core
        // 1.0 section 5.4).
        let incomplete = profile.email.is_none() && self.config.verified_by == VerifiedBy::EmailVerified;
        if incomplete && let Some(userinfo) = self.userinfo(metadata, access, &claims).await? {
            profile.email = userinfo.email().map(|email| email.as_str().to_owned());
            profile.email_verified = userinfo.email_verified();
            profile.name = profile.name.or(name(userinfo.name()));
        }
        Ok(profile)
    }

    fn missing(&self, what: &str) -> Error {
        not_confirmed().caused_by(format!("{} has no {what}", self.config.name))
    }

    /// Parses a claim; logs and ignores one that is not valid.
    fn readable<T, E: fmt::Display>(
        &self,
        claim: &'static str,
        value: Option<String>,
        parse: impl Fn(&str) -> std::result::Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(&value?);
        if let Err(error) = &parsed {
            tracing::warn!(provider = %self.config.name, claim, %error, "claim of a sign-in ignored; it is not valid");
        }
        parsed.ok()
    }

    fn unavailable(&self, error: RequestError) -> Error {
        Error::unavailable("the sign-in provider does not respond; try again in a minute")
            .with("provider", &self.config.name)
            .caused_by(error)
    }

    fn token_error<T>(&self, error: RequestTokenError<RequestError, T>) -> Error
    where
        T: openidconnect::ErrorResponse + Send + Sync + 'static,
    {
        match error {
            RequestTokenError::Request(error) => self.unavailable(error),
            // The response itself contains tokens, so that only the position of the mistake is named.
            RequestTokenError::Parse(error, _) => {
                not_confirmed().caused_by(format!("the token response is not valid: {error}"))
            }
            // Any other error, such as a rejected code or client secret.
            error => not_confirmed().caused_by(error.to_string()),
        }
    }
}

type TokenClient = CoreClient<
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
>;

fn not_confirmed() -> Error {
    Error::unauthenticated("the provider did not confirm your identity; sign in again")
}

/// `true` if Microsoft states that the address is in a domain that the user's organization owns. The token was
/// verified before.
fn is_domain_verified(token: &CoreIdToken) -> bool {
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let claim = claims.and_then(|claims| claims.get("xms_edov").cloned());
    claim.is_some_and(|claim| claim == Value::Bool(true) || claim == 1 || claim == "1" || claim == "true")
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
        let mut url: Url = metadata.authorization_endpoint().url().clone();
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
        let requires_issuer = metadata.additional_metadata().authorization_response_iss_parameter_supported;
        match &exchange.issuer {
            Some(response_issuer) if response_issuer != self.issuer.url() => {
                return Err(not_confirmed().caused_by("the authorization response is from another issuer"));
            }
            None if requires_issuer => {
                return Err(not_confirmed().caused_by("the authorization response does not name its issuer"));
            }
            _ => {}
        }
        let tokens = self.redeem(&metadata, exchange).await?;
        let profile = self.profile(&metadata, tokens, &Nonce::new(exchange.nonce.clone())).await?;
        let verified = profile.email_verified == Some(true);
        if profile.email.is_some() && !verified {
            tracing::info!(provider = %self.config.name, "e-mail address of a sign-in ignored; it is not verified");
        }
        Ok(ExternalIdentity {
            subject: profile.subject,
            verified_email: self.readable("email", profile.email.filter(|_| verified), Email::parse),
            name: self.readable("name", profile.name, DisplayName::parse),
            auth_time: profile.auth_time,
        })
    }
}
