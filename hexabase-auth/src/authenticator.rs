//! Authentication of requests: access tokens, API tokens, tokens of workloads, and session cookies.

use async_trait::async_trait;
use cookie::Cookie;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::authenticator::{Authentication, Authenticator, CsrfProtection, RequestCredentials};
use hexabase_core::error::{Error, Result};
use hexabase_core::platform::API_TOKEN_PREFIX;
use hexabase_core::secret::SecretString;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE};

use crate::access_token::Audience;
use crate::auth::Auth;
use crate::browser::SESSION_COOKIE;
use crate::error::invalid_credentials;
use crate::workload_token;

impl Auth {
    /// Authenticates a bearer token: an access token, an API token, or the token of a workload.
    ///
    /// # Errors
    /// - `Unauthenticated` if it is not a valid token of this server; the error does not reveal why.
    /// - `Unavailable` if the token cannot be checked.
    pub async fn authenticate_bearer(&self, bearer: &str) -> Result<Principal> {
        if bearer.starts_with(API_TOKEN_PREFIX) {
            return self.api_tokens().authenticate(bearer).await;
        }
        if let Some(token) = bearer.strip_prefix(workload_token::PREFIX) {
            return self.authenticate_workload(token).await;
        }
        let claims = self.access_tokens.verify(&self.key_ring, bearer, self.platform.clock().now()).await?;
        if claims.audience != Audience::Api {
            return Err(invalid_credentials());
        }
        self.issuer().require_token_not_revoked(&claims).await?;
        Ok(Principal { user_id: claims.user_id, credential: Credential::Session(claims.session_id) })
    }
}

#[async_trait]
impl Authenticator for Auth {
    /// Authenticates a bearer token, or the session cookie if the request has no `Authorization`.
    async fn authenticate<'a>(&self, request: &RequestCredentials<'a>) -> Result<Option<Authentication>> {
        if let Some(value) = request.headers.get(AUTHORIZATION) {
            let text = value.to_str().unwrap_or_default();
            let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let (_, token) = token.ok_or_else(|| {
                Error::unauthenticated("the header Authorization must be: Bearer, a space and a token")
            })?;
            let principal = self.authenticate_bearer(token.trim()).await?;
            return Ok(Some(Authentication { principal, csrf: CsrfProtection::NotAmbient }));
        }
        let Some(cookie) = self.session_cookie(request.headers) else { return Ok(None) };
        let session = self.sessions().authenticate_cookie(&cookie).await?;
        let csrf = CsrfProtection::Token(SecretString::from(session.csrf_token));
        Ok(Some(Authentication { principal: session.principal, csrf }))
    }

    /// Checks that the session or token has not ended.
    async fn require_alive(&self, principal: &Principal) -> Result<()> {
        let (store, now) = (self.platform.store(), self.platform.clock().now());
        let alive = match &principal.credential {
            Credential::Session(id) => {
                self.sessions().require_not_revoked(*id).await?;
                store.find_session(*id).await?.is_some_and(|session| session.is_alive(now))
            }
            Credential::Token(id, _) => {
                store.find_api_token(*id).await?.is_some_and(|token| token.is_alive(now))
            }
            Credential::Workload { expires_at, .. } => {
                self.require_service_account(principal.user_id).await?;
                now < *expires_at
            }
            // Another system vouched for the user; this one cannot tell whether it still does.
            Credential::External(_) => false,
        };
        if alive { Ok(()) } else { Err(invalid_credentials()) }
    }
}

impl Auth {
    /// Returns the session cookie of a request; the last one if there are several.
    #[must_use]
    pub fn session_cookie(&self, headers: &HeaderMap) -> Option<String> {
        let name = self.cookie_name(SESSION_COOKIE);
        let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = values.flat_map(|value| Cookie::split_parse(value.to_owned()).flatten());
        let found = cookies.filter(|cookie| cookie.name() == name).last();
        found.map(|cookie| cookie.value().to_owned())
    }
}
