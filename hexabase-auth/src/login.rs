//! Login: sign-in with an identity provider in the browser, by authorization code with PKCE (RFC 7636).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::SessionId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::{AuthorizationRequest, CodeExchange};
use hexabase_core::model::Origin;
use hexabase_core::platform::Caller;
use hexabase_core::secret::SecretString;
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
    /// `true` if the user must authenticate again, although the provider may have a session for the browser.
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

/// Sign-in in progress: the authorization URL, and the cookie value that binds the sign-in to the browser.
#[derive(Clone)]
pub struct StartedLogin {
    /// URL at the provider to redirect the browser to.
    pub authorization_url: String,
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

/// Stored state of a sign-in in progress.
#[derive(Serialize, Deserialize)]
struct PendingLogin {
    provider: String,
    nonce: String,
    code_verifier: String,
    return_to: String,
    binding_hash: String,
    /// Session whose user the account is linked to; `None` for a sign-in.
    #[serde(default)]
    link_to: Option<SessionId>,
}

/// Purpose that sign-ins in progress are encrypted for.
const SEAL_PURPOSE: &str = "login";

impl Auth {
    /// Returns a random text of 256 bits, which cannot be guessed.
    pub(crate) fn random_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.platform.ids().bytes::<32>())
    }

    fn callback_uri(&self, provider: &str) -> String {
        format!("{}/auth/callback/{provider}", self.platform.config().public_url)
    }

    /// Starts a sign-in with a provider.
    ///
    /// # Errors
    /// - `NotFound` if there is no such provider.
    /// - `Invalid` if `return_to` is not a path on this server.
    /// - `Unavailable`.
    pub async fn start_login(&self, provider: &str, request: LoginRequest) -> Result<StartedLogin> {
        self.begin_login(provider, request, None).await
    }

    /// Starts linking an account at a provider to the user of the caller, who can then sign in with either account.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - All errors of [`Self::start_login`].
    pub async fn start_link(
        &self,
        caller: &Caller,
        provider: &str,
        request: LoginRequest,
    ) -> Result<StartedLogin> {
        let session = require_session(caller)?;
        self.begin_login(provider, request, Some(session)).await
    }

    async fn begin_login(
        &self,
        provider: &str,
        request: LoginRequest,
        link_to: Option<SessionId>,
    ) -> Result<StartedLogin> {
        let provider = self.provider(provider)?;
        require_local_path(&request.return_to)?;
        let (state, nonce, code_verifier, binding) =
            (self.random_text(), self.random_text(), self.random_text(), self.random_text());
        let pending = PendingLogin {
            provider: provider.name().as_str().to_owned(),
            nonce: nonce.clone(),
            code_verifier: code_verifier.clone(),
            return_to: request.return_to,
            binding_hash: hash(&binding),
            link_to,
        };
        let authorization_request = AuthorizationRequest {
            redirect_uri: self.callback_uri(provider.name().as_str()),
            state: state.clone(),
            nonce,
            code_challenge: hash(&code_verifier),
            login_hint: request.login_hint,
            reauthenticate: request.reauthenticate,
        };
        let authorization_url = provider.authorization_url(&authorization_request).await?;
        let sealed = self.seal(SEAL_PURPOSE, &pending)?;
        self.platform
            .ephemeral()
            .put(&format!("login:{}", hash(&state)), &sealed, self.config.login_timeout)
            .await?;
        Ok(StartedLogin { authorization_url, binding })
    }

    /// Finishes a sign-in in the browser that started it. Each `state` is accepted once.
    ///
    /// # Errors
    /// - `Unauthenticated` if the state is unknown, used, expired, or of another browser or provider; if the provider
    ///   rejects the code; or if the session to link the account to has ended.
    /// - `Conflict` with code `identity_taken` if the account to link belongs to another user.
    /// - `Unavailable`.
    pub async fn finish_login(
        &self,
        provider: &str,
        callback: LoginCallback,
        binding: &str,
        origin: &Origin,
    ) -> Result<FinishedLogin> {
        let provider = self.provider(provider)?;
        let sealed = self
            .platform
            .ephemeral()
            .take(&format!("login:{}", hash(&callback.state)))
            .await?
            .ok_or_else(invalid_credentials)?;
        let pending: PendingLogin = self.unseal(SEAL_PURPOSE, &sealed).ok_or_else(invalid_credentials)?;
        if pending.provider != provider.name().as_str() || pending.binding_hash != hash(binding) {
            return Err(invalid_credentials());
        }
        let exchange = CodeExchange {
            code: callback.code,
            redirect_uri: self.callback_uri(provider.name().as_str()),
            nonce: pending.nonce,
            code_verifier: pending.code_verifier.into(),
            issuer: callback.issuer,
        };
        let identity = provider.exchange(&exchange).await?;
        let return_to = pending.return_to;
        if let Some(id) = pending.link_to {
            let now = self.platform.clock().now();
            let session = self.platform.store().find_session(id).await?;
            let session = session.filter(|session| session.is_alive(now)).ok_or_else(invalid_credentials)?;
            self.platform.users().link(session.user_id, provider.name(), &identity, origin).await?;
            return Ok(FinishedLogin { session: None, return_to });
        }
        let user = self.platform.users().sign_in(provider.name(), &identity, origin).await?;
        let session = self.begin_browser_session(user.id, provider.name(), origin).await?;
        Ok(FinishedLogin { session: Some(session), return_to })
    }

    /// Starts a session with tokens for the user of a browser session, for scripts and tools of that user. The new
    /// session is independent of the browser session and ends separately.
    ///
    /// # Errors
    /// - `Unauthenticated` if the browser session does not exist.
    /// - `Unavailable`.
    pub async fn tokens_for_browser(&self, session: SessionId, origin: &Origin) -> Result<TokenPair> {
        let session = self.platform.store().find_session(session).await?.ok_or_else(invalid_credentials)?;
        self.begin_token_session(session.user_id, &session.provider, origin).await
    }
}

/// Accepts only paths on this server: `//elsewhere`, `/\elsewhere` and absolute URLs lead to other hosts.
///
/// # Errors
/// `Invalid` for any other value.
pub fn require_local_path(return_to: &str) -> Result<()> {
    let local = return_to.starts_with('/')
        && !return_to.starts_with("//")
        && !return_to.contains(['\\', '\r', '\n', '\t'])
        && return_to.len() <= 2_048
        && return_to.is_ascii();
    if local { Ok(()) } else { Err(Error::invalid("return_to", "must be a path on this server")) }
}
