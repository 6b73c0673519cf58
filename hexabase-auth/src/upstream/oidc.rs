//! Any OpenID Connect provider.

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

use super::http::{Http, NoAnswer};
use super::issuer::{Metadata, RemoteIssuer};

/// How a provider says that it has verified an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifiedBy {
    /// By the claim `email_verified` (OpenID Connect Core 1.0 section 5.1).
    EmailVerified,
    /// By the claim `xms_edov`, as Microsoft Entra does: other addresses there can be made up by whoever administers
    /// a tenant (<https://learn.microsoft.com/entra/identity-platform/migrate-off-email-claim-authorization>).
    XmsEdov,
}

/// What an OpenID Connect provider needs to know us by.
#[derive(Debug, Clone)]
pub struct OidcSettings {
    /// What this installation calls it.
    pub name: ProviderName,
    /// What people call it.
    pub title: String,
    /// Its issuer, exactly as in its tokens.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What we prove that with; none for a public client.
    pub client_secret: Option<SecretString>,
    /// What is asked for; `openid` always is.
    pub scopes: Vec<String>,
    /// How it says that it has verified an address.
    pub verified_by: VerifiedBy,
    /// Who has signed what it shows, in PEM, if that is nobody whom everybody trusts.
    pub certificate_authority: Option<String>,
}

impl OidcSettings {
    /// Some provider that says `email_verified`.
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

    /// Google (<https://developers.google.com/identity/openid-connect/openid-connect>).
    #[must_use]
    pub fn google(name: ProviderName, client_id: impl Into<String>) -> Self {
        Self { title: "Google".to_owned(), ..Self::new(name, "https://accounts.google.com", client_id) }
    }

    /// One tenant of Microsoft Entra, by its id (<https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc>).
    /// The application must ask for the optional claim `xms_edov`.
    #[must_use]
    pub fn microsoft(name: ProviderName, tenant: &str, client_id: impl Into<String>) -> Self {
        Self {
            title: "Microsoft".to_owned(),
            verified_by: VerifiedBy::XmsEdov,
            ..Self::new(name, format!("https://login.microsoftonline.com/{tenant}/v2.0"), client_id)
        }
    }
}

/// Any OpenID Connect provider: endpoints and keys are those that it says itself (OpenID Connect Discovery 1.0).
pub struct OidcProvider {
    settings: OidcSettings,
    issuer: RemoteIssuer<Metadata>,
    http: Http,
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OidcProvider({} at {})", self.settings.name, self.settings.issuer)
    }
}

/// What can be said about somebody.
struct Profile {
    subject: String,
    email: Option<String>,
    email_verified: Option<bool>,
    name: Option<String>,
}

impl OidcProvider {
    /// The provider with these settings. It is not asked for anything yet, so that a server starts without it.
    ///
    /// # Errors
    /// `Invalid` for an issuer that is no URL, and certificates that are none.
    pub fn new(settings: OidcSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let http = Http::new(settings.certificate_authority.as_deref())?;
        let issuer = RemoteIssuer::new(&settings.issuer, http.clone(), clock)?;
        Ok(Self { settings, issuer, http })
    }

    fn client_id(&self) -> ClientId {
        ClientId::new(self.settings.client_id.clone())
    }

    /// Exchanges the code: answers the identity token and the access token.
    async fn redeem(
        &self,
        metadata: &Metadata,
        exchange: &CodeExchange,
    ) -> Result<(CoreIdToken, AccessToken)> {
        let endpoint = metadata.token_endpoint().cloned().ok_or_else(|| self.useless("token endpoint"))?;
        let client = self.client(metadata, endpoint);
        let redirect = RedirectUrl::new(exchange.redirect_uri.clone())
            .map_err(|error| Error::unexpected("the callback is no URL").caused_by(error))?;
        let answer = client
            .exchange_code(AuthorizationCode::new(exchange.code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(exchange.code_verifier.expose_secret().to_owned()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect))
            .request_async(&self.http)
            .await
            .map_err(|error| self.refusal(error))?;
        let token = answer.id_token().cloned().ok_or_else(|| self.useless("ID token"))?;
        Ok((token, answer.access_token().clone()))
    }

    fn client(&self, metadata: &Metadata, token_endpoint: TokenUrl) -> TokenClient {
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        // Where nothing is said, the secret goes into the header (OpenID Connect Discovery 1.0 section 3).
        let methods = metadata.token_endpoint_auth_methods_supported();
        let in_header =
            methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let client = CoreClient::new(self.client_id(), metadata.issuer().clone(), metadata.jwks().clone())
            .set_token_uri(token_endpoint)
            .set_auth_type(if in_header { AuthType::BasicAuth } else { AuthType::RequestBody });
        match secret {
            Some(secret) => client.set_client_secret(secret),
            None => client,
        }
    }

    /// What the provider tells whoever has an access token, if it tells anything. The subject is compared.
    async fn userinfo(
        &self,
        metadata: &Metadata,
        token: AccessToken,
        claims: &CoreIdTokenClaims,
    ) -> Result<Option<CoreUserInfoClaims>> {
        let Some(endpoint) = metadata.userinfo_endpoint().cloned() else { return Ok(None) };
        let client = CoreClient::new(self.client_id(), metadata.issuer().clone(), metadata.jwks().clone());
        let client = client.set_user_info_url(UserInfoUrl::from_url(endpoint.url().clone()));
        let request = client.user_info(token, Some(claims.subject().clone()));
        let answer: Result<CoreUserInfoClaims, UserInfoError<NoAnswer>> =
            request.require_signed_response(false).request_async(&self.http).await;
        match answer {
            Ok(claims) => Ok(Some(claims)),
            Err(UserInfoError::Request(error)) => Err(self.silent(error)),
            Err(error) => Err(refused().caused_by(error)),
        }
    }

    async fn profile(
        &self,
        metadata: &Metadata,
        (token, access): (CoreIdToken, AccessToken),
        nonce: &Nonce,
    ) -> Result<Profile> {
        let claims = self.issuer.verify(&token, &self.client_id(), Some(nonce)).await?;
        let name = |name: Option<&openidconnect::LocalizedClaim<openidconnect::EndUserName>>| {
            name.and_then(|names| names.get(None)).map(|name| name.as_str().to_owned())
        };
        let verified = match self.settings.verified_by {
            VerifiedBy::EmailVerified => claims.email_verified(),
            VerifiedBy::XmsEdov => Some(is_domain_verified(&token)),
        };
        let mut profile = Profile {
            subject: claims.subject().to_string(),
            email: claims.email().map(|email| email.as_str().to_owned()),
            email_verified: verified,
            name: name(claims.name()),
        };
        // Some say nothing in the ID token that they can say elsewhere (OpenID Connect Core 1.0 section 5.4).
        let incomplete = profile.email.is_none() && self.settings.verified_by == VerifiedBy::EmailVerified;
        if incomplete && let Some(more) = self.userinfo(metadata, access, &claims).await? {
            profile.email = more.email().map(|email| email.as_str().to_owned());
            profile.email_verified = more.email_verified();
            profile.name = profile.name.or(name(more.name()));
        }
        Ok(profile)
    }

    fn useless(&self, what: &str) -> Error {
        refused().caused_by(format!("{} has no {what}", self.settings.name))
    }

    fn silent(&self, error: NoAnswer) -> Error {
        Error::unavailable("the sign-in provider does not answer; try again in a minute")
            .with("provider", &self.settings.name)
            .caused_by(error)
    }

    fn refusal<T>(&self, error: RequestTokenError<NoAnswer, T>) -> Error
    where
        T: openidconnect::ErrorResponse + Send + Sync + 'static,
    {
        match error {
            RequestTokenError::Request(error) => self.silent(error),
            // What else it may be: an answer that is none, or that the code is no good.
            error => refused().caused_by(error.to_string()),
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

fn refused() -> Error {
    Error::unauthenticated("the provider did not confirm who you are; begin to sign in again")
}

/// Whether Microsoft says that the address is of a domain which the person's organization owns. The token was
/// verified before.
fn is_domain_verified(token: &CoreIdToken) -> bool {
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = payload.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let said = claims.and_then(|claims| claims.get("xms_edov").cloned());
    said.is_some_and(|said| said == Value::Bool(true) || said == 1 || said == "1" || said == "true")
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn name(&self) -> &ProviderName {
        &self.settings.name
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        let metadata = self.issuer.statement().await?;
        let mut url: Url = metadata.authorization_endpoint().url().clone();
        let scope = std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str));
        let scope = scope.collect::<Vec<_>>().join(" ");
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", &self.settings.client_id)
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
        let metadata = self.issuer.statement().await?;
        let says_who = metadata.additional_metadata().authorization_response_iss_parameter_supported;
        match &exchange.issuer {
            Some(sender) if sender != self.issuer.url() => return Err(refused()),
            None if says_who => return Err(refused()),
            _ => {}
        }
        let tokens = self.redeem(&metadata, exchange).await?;
        let profile = self.profile(&metadata, tokens, &Nonce::new(exchange.nonce.clone())).await?;
        let verified = profile.email_verified == Some(true);
        Ok(ExternalIdentity {
            subject: profile.subject,
            verified_email: profile.email.filter(|_| verified).and_then(|email| Email::parse(&email).ok()),
            name: profile.name.and_then(|name| DisplayName::parse(&name).ok()),
        })
    }
}
