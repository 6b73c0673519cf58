//! Sessions that live in a browser's cookie.

use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::Result;
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::model::{Origin, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
use subtle::ConstantTimeEq as _;

use crate::auth::Auth;
use crate::digest::hash;
use crate::refusal::refused;

/// What session cookies begin with.
const COOKIE_PREFIX: &str = "hxs";

/// A session for a browser.
#[derive(Clone)]
pub struct BrowserSession {
    /// The value of the session cookie; scripts must not be able to read it.
    pub cookie: String,
    /// What a script sends as `X-CSRF-Token` with anything but reading; scripts may read it.
    pub csrf_token: String,
}

impl std::fmt::Debug for BrowserSession {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BrowserSession(…)")
    }
}

/// Whoever a cookie stands for.
#[derive(Debug, Clone)]
pub struct CookiePrincipal {
    /// Who.
    pub principal: Principal,
    /// What must come with anything but reading.
    pub csrf_token: String,
    /// The session itself.
    pub session: Session,
}

impl CookiePrincipal {
    /// Whether a form was sent from a page that this session was shown.
    #[must_use]
    pub fn has_sent(&self, csrf_token: &str) -> bool {
        self.csrf_token.as_bytes().ct_eq(csrf_token.as_bytes()).into()
    }
}

/// Follows from the cookie: nobody who cannot read the cookie can know it, and it does not give the cookie
/// away.
fn csrf_token(cookie: &str) -> String {
    hash(format!("csrf:{cookie}"))
}

impl Auth {
    /// Begins a session in a browser.
    pub(crate) async fn begin_in_browser(
        &self,
        user: UserId,
        provider: &ProviderName,
        origin: &Origin,
    ) -> Result<BrowserSession> {
        let verifier = Verifier::generate(&**self.platform.ids());
        let session =
            Session { cookie_hash: Some(verifier.hash()), ..self.new_session(user, provider, origin) };
        self.begin(&session, SecurityEventKind::SignedIn, origin).await?;
        let cookie = BearerToken::new(COOKIE_PREFIX, &[&session.id], &verifier).expose_secret().to_owned();
        Ok(BrowserSession { csrf_token: csrf_token(&cookie), cookie })
    }

    /// Whoever a session cookie stands for.
    ///
    /// # Errors
    /// - `Unauthenticated` for whatever is no cookie of a session that is alive.
    /// - `Unavailable` when that cannot be checked.
    pub async fn authenticate_cookie(&self, cookie: &str) -> Result<CookiePrincipal> {
        let (id, verifier) = BearerToken::split::<SessionId>(COOKIE_PREFIX, cookie).ok_or_else(refused)?;
        let session = self.platform.store().find_session(id).await?.ok_or_else(refused)?;
        let known = session.cookie_hash.is_some_and(|hash| hash.matches(&verifier));
        if !known || !session.is_alive(self.platform.clock().now()) {
            return Err(refused());
        }
        self.require_not_revoked(id).await?;
        let principal = Principal { user_id: session.user_id, credential: Credential::Session(id) };
        Ok(CookiePrincipal { principal, csrf_token: csrf_token(cookie), session })
    }
}
