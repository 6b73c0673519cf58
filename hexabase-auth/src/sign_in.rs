//! Sign-in with an identity provider, in the browser by authorization code with PKCE (RFC 7636).
//!
//! The state of a sign-in in progress is sealed in a cookie of the browser that started it, one per sign-in. A browser
//! can run several sign-ins at the same time, another browser can neither finish nor disturb them, and anonymous
//! callers cost no memory.

use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::SessionId;
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::model::{Identity, Origin};
use hexabase_core::name::ProviderName;
use hexabase_core::platform::Caller;
use hexabase_core::secret::SecretString;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::api_tokens::require_session;
use crate::auth::Auth;
use crate::browser::BrowserSession;
use crate::digest::hash;
use crate::error::invalid_credentials;
use crate::sessions::TokenPair;

/// Options of a sign-in.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Path on this server that the browser returns to afterwards.
    pub return_to: String,
    /// Expected user, as the user would enter it at the provider; `None` if unknown.
    pub login_hint: Option<String>,
    /// `true` if the user must authenticate again, although the provider may have a session for the browser. The
    /// sign-in fails if the provider states that the user did not.
    pub reauthenticate: bool,
}

/// Authorization response that a provider sent to the callback.
#[derive(Debug)]
pub struct LoginCallback {
    /// `state` of the authorization request.
    pub state: String,
    /// Authorization code.
    pub code: SecretString,
    /// Issuer of the response, if the provider names it (`iss`, RFC 9207).
    pub issuer: Option<String>,
}

/// Sign-in in progress: the authorization URL, and the cookie that binds the sign-in to the browser.
#[derive(Clone)]
pub struct StartedLogin {
    /// URL at the provider to redirect the browser to.
    pub authorization_url: String,
    /// Id of the sign-in, which distinguishes its cookie from those of concurrent sign-ins. [`login_id`] derives it
    /// from the `state` of the callback.
    pub id: String,
    /// Value of a cookie for this browser only. The sign-in cannot be finished without it.
    pub binding: String,
}

impl fmt::Debug for StartedLogin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("StartedLogin(…)")
    }
}

/// A finished sign-in.
#[derive(Debug, Clone)]
pub struct FinishedLogin {
    /// New session; `None` if the sign-in linked an account to the user of an existing session.
    pub session: Option<BrowserSession>,
    /// Path that the browser returns to.
    pub return_to: String,
}

/// Sign-in in progress, as the browser keeps it.
#[derive(Serialize, Deserialize)]
struct PendingLogin {
    provider: String,
    nonce: String,
    code_verifier: String,
    return_to: String,
    state_hash: String,
    expires_at: Timestamp,
    /// Time since which the user must have authenticated; `None` for any time.
    reauthenticate_since: Option<Timestamp>,
    /// Session whose user the account is linked to; `None` for a sign-in.
    link_to: Option<SessionId>,
}

/// Purpose that sign-ins in progress are encrypted for.
const SEAL_PURPOSE: &str = "login";
/// Maximum length of a path that a sign-in returns to, in bytes.
pub(crate) const MAX_RETURN_TO_LENGTH: usize = 2_560;
/// Maximum length of a sealed sign-in. With the name of its cookie it must not exceed 4096 bytes
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis>, section 5.7).
const MAX_BINDING_LENGTH: usize = 4_000;
/// Maximum total length of the sign-ins of a browser. It sends them in one header, of which proxies accept 8 KiB.
const MAX_BINDINGS_LENGTH: usize = 6_000;
/// Tolerated difference between the clocks of a provider and of this server.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(60);
/// Length of the id of a sign-in, in characters.
const LOGIN_ID_LENGTH: usize = 16;

/// Returns the id of the sign-in with this `state`.
#[must_use]
pub fn login_id(state: &str) -> String {
    let mut id = hash(state);
    id.truncate(LOGIN_ID_LENGTH);
    id
}

/// Returns the time at which a user authenticated, `Some(None)` if it is unknown; `None` if the user had to
/// authenticate again after `since`, and the provider states that this did not happen. A provider that does not state
/// the time is trusted to have authenticated the user if it was told to.
fn authentication_time(
    stated: Option<Timestamp>,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Option<Option<Timestamp>> {
    let Some(since) = since else { return Some(stated.map(|time| time.min(now))) };
    match stated {
        None => Some(Some(now)),
        Some(time) if time.saturating_add(CLOCK_SKEW).is_ok_and(|latest| latest < since) => None,
        // The clock of the provider may be slow, and its times are whole seconds.
        Some(time) => Some(Some(time.clamp(since, now.max(since)))),
    }
}

/// Returns the sign-ins that a browser gives up for a new one: those that have expired, and the ones that expire first
/// of those that would take more than [`MAX_BINDINGS_LENGTH`] together.
fn surplus_logins(
    mut bindings: Vec<(&str, usize, Option<Timestamp>)>,
    new_length: usize,
    now: Timestamp,
) -> Vec<&str> {
    bindings.sort_by_key(|(_, _, expires_at)| std::cmp::Reverse(*expires_at));
    let mut total = new_length;
    let mut is_surplus = |(_, length, expires_at): &(&str, usize, Option<Timestamp>)| {
        total += length;
        total > MAX_BINDINGS_LENGTH || expires_at.is_none_or(|expires_at| expires_at <= now)
    };
    bindings.retain(|binding| is_surplus(binding));
    bindings.into_iter().map(|(name, ..)| name).collect()
}

/// Sign-in with identity providers.
#[derive(Debug, Clone, Copy)]
pub struct SignIn<'a>(pub(crate) &'a Auth);

impl<'a> SignIn<'a> {
    /// Returns the identity providers that users can sign in with.
    pub fn providers(self) -> impl Iterator<Item = &'a dyn IdentityProvider> {
        self.0.providers.iter().map(|provider| &**provider)
    }

    /// Returns the identity provider with this name.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn provider(self, name: &str) -> Result<&'a dyn IdentityProvider> {
        let found = self.providers().find(|provider| provider.name().as_str() == name);
        found.ok_or_else(|| Error::not_found("sign-in provider"))
    }

    /// Signs in a user whom a provider has authenticated, and starts a session with tokens.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn with_identity(
        &self,
        provider: &ProviderName,
        identity: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<TokenPair> {
        let user = self.0.platform.users().sign_in(provider, identity, origin).await?;
        let now = self.0.platform.clock().now();
        let authenticated_at = identity.auth_time.map(|time| time.min(now));
        self.0.sessions().begin_with_tokens((user.id, authenticated_at), provider, origin).await
    }

    fn callback_uri(&self, provider: &str) -> String {
        format!("{}/auth/callback/{provider}", self.0.platform.config().public_url)
    }

    /// Starts a sign-in with a provider.
    ///
    /// # Errors
    /// - `NotFound` if there is no such provider.
    /// - `Invalid` if `return_to` is not a path on this server.
    /// - `Unavailable`.
    pub async fn start(&self, provider: &str, request: LoginRequest) -> Result<StartedLogin> {
        self.begin(provider, request, None).await
    }

    /// Starts linking an account at a provider to the user of the caller, who can then sign in with either account.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - All errors of [`Self::start`].
    pub async fn start_link(
        &self,
        caller: &Caller,
        provider: &str,
        request: LoginRequest,
    ) -> Result<StartedLogin> {
        let session = require_session(caller)?;
        self.begin(provider, request, Some(session)).await
    }

    /// Lists the accounts at providers that the caller can sign in with.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `Unavailable`.
    pub async fn linked_accounts(&self, caller: &Caller) -> Result<Vec<Identity>> {
        require_session(caller)?;
        self.0.platform.users().identities(caller.principal.user_id).await
    }

    /// Unlinks an account at a provider from the caller, who cannot sign in with it any more. Sessions continue.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `NotFound` if the caller has no such account.
    /// - `Conflict` with code `last_identity` if no account at a provider of this server would remain.
    /// - `Unavailable`.
    pub async fn unlink(&self, caller: &Caller, provider: &str, subject: &str) -> Result<()> {
        require_session(caller)?;
        let is_usable = |identity: &Identity| self.provider(identity.provider.as_str()).is_ok();
        let users = self.0.platform.users();
        users.unlink(caller.principal.user_id, (provider, subject), is_usable, &caller.origin).await
    }

    async fn begin(
        &self,
        provider: &str,
        request: LoginRequest,
        link_to: Option<SessionId>,
    ) -> Result<StartedLogin> {
        let provider = self.provider(provider)?;
        require_local_path(&request.return_to)?;
        let (state, nonce, code_verifier) =
            (self.0.random_text(), self.0.random_text(), self.0.random_text());
        let now = self.0.platform.clock().now();
        let pending = PendingLogin {
            provider: provider.name().as_str().to_owned(),
            nonce: nonce.clone(),
            code_verifier: code_verifier.clone(),
            return_to: request.return_to,
            state_hash: hash(&state),
            expires_at: after(now, self.0.config.login_timeout),
            reauthenticate_since: request.reauthenticate.then_some(now),
            link_to,
        };
        let binding = self.0.seal_text(SEAL_PURPOSE, &pending)?;
        if binding.len() > MAX_BINDING_LENGTH {
            return Err(Error::invalid("return_to", "is too long"));
        }
        let authorization_request = AuthorizationRequest {
            redirect_uri: self.callback_uri(provider.name().as_str()),
            state,
            nonce,
            code_challenge: hash(&code_verifier),
            login_hint: request.login_hint,
            reauthenticate: request.reauthenticate,
        };
        let authorization_url = provider.authorization_url(&authorization_request).await?;
        Ok(StartedLogin { authorization_url, id: login_id(&authorization_request.state), binding })
    }

    /// Returns those sign-ins of a browser that it gives up for a new one, by the names of their cookies: expired ones,
    /// and the oldest ones if the cookies would become longer than proxies accept. `bindings` are names and values of
    /// the cookies of a browser.
    pub fn surplus<'b>(
        &self,
        bindings: impl IntoIterator<Item = (&'b str, &'b str)>,
        new: &StartedLogin,
    ) -> Vec<&'b str> {
        let expiry = |binding: &str| {
            self.0.unseal_text(SEAL_PURPOSE, binding).map(|pending: PendingLogin| pending.expires_at)
        };
        let bindings = bindings.into_iter().map(|(name, value)| (name, value.len(), expiry(value))).collect();
        surplus_logins(bindings, new.binding.len(), self.0.platform.clock().now())
    }

    /// Finishes a sign-in in the browser that started it. Each `state` is accepted once; after an error the same
    /// browser can repeat the callback. The cause of an error is logged: the caller must not learn it.
    ///
    /// # Errors
    /// - `Unauthenticated` if the state is unknown, used, expired, or of another browser or provider; if the provider
    ///   rejects the code, or states that the user did not authenticate again although this was required; or if the
    ///   session to link the account to has ended.
    /// - `Conflict` with code `identity_taken` if the account to link belongs to another user.
    /// - `Unavailable`.
    pub async fn finish(
        &self,
        provider: &str,
        callback: LoginCallback,
        binding: &str,
        origin: &Origin,
    ) -> Result<FinishedLogin> {
        let provider = self.provider(provider)?;
        let finished = self.try_finish(provider, callback, binding, origin).await;
        if let Err(error) = &finished {
            tracing::warn!(provider = %provider.name(), ?error, "sign-in failed");
        }
        finished
    }

    async fn try_finish(
        &self,
        provider: &dyn IdentityProvider,
        callback: LoginCallback,
        binding: &str,
        origin: &Origin,
    ) -> Result<FinishedLogin> {
        let (ephemeral, state_hash) = (self.0.platform.ephemeral(), hash(&callback.state));
        let pending: Option<PendingLogin> = self.0.unseal_text(SEAL_PURPOSE, binding);
        let is_own = |pending: &PendingLogin| {
            pending.provider == provider.name().as_str()
                && pending.state_hash == state_hash
                && self.0.platform.clock().now() < pending.expires_at
        };
        let pending = pending.filter(is_own);
        let pending = pending.ok_or_else(|| {
            invalid_credentials()
                .caused_by("the browser has no cookie of a sign-in with this state, or it has expired")
        })?;
        let used_key = format!("login:{state_hash}");
        let used = || invalid_credentials().caused_by("the sign-in was finished before");
        if ephemeral.get(&used_key).await?.is_some() {
            return Err(used());
        }
        let exchange = CodeExchange {
            code: callback.code,
            redirect_uri: self.callback_uri(provider.name().as_str()),
            nonce: pending.nonce,
            code_verifier: pending.code_verifier.into(),
            issuer: callback.issuer,
        };
        let identity = provider.exchange(&exchange).await?;
        // Only a sign-in that a provider has confirmed is stored as used: strangers cannot fill the store.
        if !ephemeral.put_if_absent(&used_key, b"1", self.0.config.login_timeout).await? {
            return Err(used());
        }
        let now = self.0.platform.clock().now();
        let authenticated_at = authentication_time(identity.auth_time, pending.reauthenticate_since, now);
        let authenticated_at = authenticated_at.ok_or_else(|| {
            Error::unauthenticated(
                "the provider did not ask you to authenticate again; sign out there, then sign in again",
            )
        })?;
        let return_to = pending.return_to;
        if let Some(id) = pending.link_to {
            let session = self.0.platform.store().find_session(id).await?;
            let session = session.filter(|session| session.is_alive(now)).ok_or_else(invalid_credentials)?;
            self.0.platform.users().link(session.user_id, provider.name(), &identity, origin).await?;
            return Ok(FinishedLogin { session: None, return_to });
        }
        let user = self.0.platform.users().sign_in(provider.name(), &identity, origin).await?;
        let session = (user.id, authenticated_at);
        let session = self.0.sessions().begin_in_browser(session, provider.name(), origin).await?;
        Ok(FinishedLogin { session: Some(session), return_to })
    }
}

/// Accepts only paths on this server: `//elsewhere`, `/\elsewhere` and absolute URLs lead to other hosts.
///
/// # Errors
/// `Invalid` for any other value.
pub fn require_local_path(return_to: &str) -> Result<()> {
    let local = return_to.starts_with('/')
        && !return_to.starts_with("//")
        && !return_to.contains('\\')
        && return_to.len() <= MAX_RETURN_TO_LENGTH
        && return_to.bytes().all(|byte| byte.is_ascii_graphic());
    if local { Ok(()) } else { Err(Error::invalid("return_to", "must be a path on this server")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn expires_in(seconds: i64) -> Option<Timestamp> {
        Some(NOW + SignedDuration::from_secs(seconds))
    }

    #[test]
    fn the_stated_time_of_an_authentication_counts_and_is_never_in_the_future() {
        let at = |seconds| NOW + SignedDuration::from_secs(seconds);
        assert_eq!(authentication_time(None, None, NOW), Some(None));
        assert_eq!(authentication_time(Some(at(-3_600)), None, NOW), Some(Some(at(-3_600))));
        assert_eq!(authentication_time(Some(at(30)), None, NOW), Some(Some(NOW)));
    }

    #[test]
    fn a_required_authentication_must_not_be_older_than_the_sign_in() {
        let at = |seconds| NOW + SignedDuration::from_secs(seconds);
        let since = Some(at(-20));
        assert_eq!(authentication_time(Some(at(-81)), since, NOW), None);
        assert_eq!(authentication_time(Some(at(-80)), since, NOW), Some(since), "the clocks differ");
        assert_eq!(authentication_time(Some(at(-5)), since, NOW), Some(Some(at(-5))));
        assert_eq!(authentication_time(Some(at(60)), since, NOW), Some(Some(NOW)));
        assert_eq!(authentication_time(None, since, NOW), Some(Some(NOW)), "the provider is trusted");
    }

    #[test]
    fn a_browser_gives_up_expired_and_unreadable_sign_ins() {
        let bindings =
            vec![("alive", 500, expires_in(1)), ("expired", 500, expires_in(0)), ("junk", 5, None)];
        assert_eq!(surplus_logins(bindings, 500, NOW), ["expired", "junk"]);
    }

    #[test]
    fn a_browser_gives_up_the_oldest_sign_ins_that_do_not_fit() {
        let bindings = vec![
            ("oldest", 2_000, expires_in(10)),
            ("newest", 2_000, expires_in(30)),
            ("old", 2_000, expires_in(20)),
        ];
        assert_eq!(surplus_logins(bindings.clone(), 500, NOW), ["oldest"]);
        assert_eq!(surplus_logins(bindings, MAX_BINDING_LENGTH, NOW), ["old", "oldest"]);
    }
}
