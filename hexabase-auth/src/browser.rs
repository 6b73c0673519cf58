//! Browser sessions: session cookies and their CSRF tokens.

use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::Result;
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::model::{Origin, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use crate::auth::Auth;
use crate::digest::hash;
use crate::error::invalid_credentials;
use crate::sessions::Sessions;

/// Cookie with the session of a browser, without the prefix for HTTPS; scripts must not be able to read it.
pub const SESSION_COOKIE: &str = "hexabase_session";

/// Prefix of session cookies.
const COOKIE_PREFIX: &str = "hxs";

/// New session of a browser.
#[derive(Clone)]
pub struct BrowserSession {
    /// Value of the session cookie. Scripts must not be able to read the cookie (`HttpOnly`).
    pub cookie: String,
    /// Token that scripts send as `X-CSRF-Token` with every request that does more than read. Scripts may read it.
    pub csrf_token: String,
}

impl std::fmt::Debug for BrowserSession {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BrowserSession(…)")
    }
}

/// Principal of a session cookie.
#[derive(Debug, Clone)]
pub struct CookiePrincipal {
    /// Authenticated user and session id.
    pub principal: Principal,
    /// CSRF token that every request must carry that does more than read.
    pub csrf_token: String,
    /// Session of the cookie.
    pub session: Session,
}

impl CookiePrincipal {
    /// `true` if the CSRF token is the one of this session, which proves that a form was sent from a page of this
    /// session. The comparison takes constant time.
    #[must_use]
    pub fn matches_csrf_token(&self, csrf_token: &str) -> bool {
        self.csrf_token.as_bytes().ct_eq(csrf_token.as_bytes()).into()
    }
}

/// Derives the CSRF token from the cookie. It cannot be computed without the cookie and does not reveal it.
fn csrf_token(cookie: &str) -> String {
    hash(format!("csrf:{cookie}"))
}

impl Auth {
    /// Returns the name of a cookie of this server. If browsers reach it with HTTPS, the name has the prefix `__Host-`,
    /// which binds the cookie to this host
    /// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis>, section 4.1.3.2).
    #[must_use]
    pub fn cookie_name(&self, name: &str) -> String {
        let is_secure = self.platform.config().public_url.starts_with("https://");
        if is_secure { format!("__Host-{name}") } else { name.to_owned() }
    }
}

impl Sessions<'_> {
    /// Starts a browser session of a user who authenticated at a time, if it is known.
    pub(crate) async fn begin_in_browser(
        &self,
        (user, authenticated_at): (UserId, Option<Timestamp>),
        provider: &ProviderName,
        origin: &Origin,
    ) -> Result<BrowserSession> {
        let verifier = Verifier::generate(&**self.0.platform.ids());
        let session = Session {
            cookie_hash: Some(verifier.hash()),
            authenticated_at,
            ..self.new_session(user, provider, origin)
        };
        self.begin(&session, SecurityEventKind::SignIn, origin).await?;
        let cookie = BearerToken::new(COOKIE_PREFIX, &[&session.id], &verifier).expose_secret().to_owned();
        Ok(BrowserSession { csrf_token: csrf_token(&cookie), cookie })
    }

    /// Authenticates a session cookie.
    ///
    /// # Errors
    /// - `Unauthenticated` if it is not the cookie of an active session.
    /// - `Unavailable` if that cannot be checked.
    pub async fn authenticate_cookie(&self, cookie: &str) -> Result<CookiePrincipal> {
        let (id, verifier) =
            BearerToken::split::<SessionId>(COOKIE_PREFIX, cookie).ok_or_else(invalid_credentials)?;
        let session = self.0.platform.store().find_session(id).await?.ok_or_else(invalid_credentials)?;
        let known = session.cookie_hash.is_some_and(|hash| hash.matches(&verifier));
        if !known || !session.is_alive(self.0.platform.clock().now()) {
            return Err(invalid_credentials());
        }
        self.require_not_revoked(id).await?;
        let principal = Principal { user_id: session.user_id, credential: Credential::Session(id) };
        Ok(CookiePrincipal { principal, csrf_token: csrf_token(cookie), session })
    }
}
