//! Signing in with a provider, through the browser: authorization code with PKCE (RFC 7636).

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
use crate::refusal::refused;
use crate::sessions::TokenPair;

/// How somebody wants to sign in.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Where they go afterwards: a path on this server.
    pub return_to: String,
    /// Whoever is expected, as they would write it themselves.
    pub login_hint: Option<String>,
    /// Whether they must prove anew who they are, although the provider may know their browser.
    pub reauthenticate: bool,
}

/// What a provider has sent a browser back with.
#[derive(Debug)]
pub struct LoginAnswer {
    /// What the sign-in began with.
    pub state: String,
    /// The code.
    pub code: SecretString,
    /// Who says that they sent it, if they do (`iss`, RFC 9207).
    pub issuer: Option<String>,
}

/// A sign-in under way: where the browser goes, and what binds it to the browser.
#[derive(Clone)]
pub struct StartedLogin {
    /// Where to send the browser.
    pub authorization_url: String,
    /// The value of a cookie that only this browser has: without it nobody finishes this sign-in.
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
    /// The session that began; none when somebody who was signed in has linked an account.
    pub session: Option<BrowserSession>,
    /// Where the browser wanted to go.
    pub return_to: String,
}

/// What is remembered of a sign-in under way.
#[derive(Serialize, Deserialize)]
struct Pending {
    provider: String,
    nonce: String,
    verifier: String,
    return_to: String,
    binding_hash: String,
    /// The session of whoever wants to link the account, if that is what it is for.
    #[serde(default)]
    link_to: Option<SessionId>,
}

/// The purpose under which sign-ins under way are sealed.
const SEALED: &str = "login";

impl Auth {
    /// A text that nobody can guess.
    pub(crate) fn random_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.platform.ids().bytes::<32>())
    }

    fn callback_uri(&self, provider: &str) -> String {
        format!("{}/auth/callback/{provider}", self.platform.settings().public_url)
    }

    /// Begins a sign-in with a provider.
    ///
    /// # Errors
    /// - `NotFound` for a provider that there is not.
    /// - `Invalid` for a `return_to` that leads elsewhere.
    /// - `Unavailable`.
    pub async fn start_login(&self, provider: &str, wanted: LoginRequest) -> Result<StartedLogin> {
        self.start(provider, wanted, None).await
    }

    /// Begins to link an account at a provider to whoever is signed in: afterwards they can sign in with either.
    ///
    /// # Errors
    /// - `Forbidden` for a caller who is not signed in but has a token.
    /// - Otherwise as [`Self::start_login`].
    pub async fn start_link(
        &self,
        caller: &Caller,
        provider: &str,
        wanted: LoginRequest,
    ) -> Result<StartedLogin> {
        let session = require_session(caller)?;
        self.start(provider, wanted, Some(session)).await
    }

    async fn start(
        &self,
        provider: &str,
        wanted: LoginRequest,
        link_to: Option<SessionId>,
    ) -> Result<StartedLogin> {
        let provider = self.provider(provider)?;
        require_local(&wanted.return_to)?;
        let (state, nonce, verifier, binding) =
            (self.random_text(), self.random_text(), self.random_text(), self.random_text());
        let pending = Pending {
            provider: provider.name().as_str().to_owned(),
            nonce: nonce.clone(),
            verifier: verifier.clone(),
            return_to: wanted.return_to,
            binding_hash: hash(&binding),
            link_to,
        };
        let request = AuthorizationRequest {
            redirect_uri: self.callback_uri(provider.name().as_str()),
            state: state.clone(),
            nonce,
            code_challenge: hash(&verifier),
            login_hint: wanted.login_hint,
            reauthenticate: wanted.reauthenticate,
        };
        let authorization_url = provider.authorization_url(&request).await?;
        let sealed = self.sealed(SEALED, &pending)?;
        self.platform.ephemeral().put(&format!("login:{}", hash(&state)), &sealed, self.config.login).await?;
        Ok(StartedLogin { authorization_url, binding })
    }

    /// Finishes a sign-in in the browser that began it. Each state works once.
    ///
    /// # Errors
    /// - `Unauthenticated` for a state that is unknown, used, expired, of another browser or another provider,
    ///   for a code that the provider refuses, and when whoever wants to link an account is signed out by now.
    /// - `Conflict` with code `identity_taken` when the account to link is somebody else's.
    /// - `Unavailable`.
    pub async fn finish_login(
        &self,
        provider: &str,
        answer: LoginAnswer,
        binding: &str,
        origin: &Origin,
    ) -> Result<FinishedLogin> {
        let provider = self.provider(provider)?;
        let sealed = self
            .platform
            .ephemeral()
            .take(&format!("login:{}", hash(&answer.state)))
            .await?
            .ok_or_else(refused)?;
        let pending: Pending = self.opened(SEALED, &sealed).ok_or_else(refused)?;
        if pending.provider != provider.name().as_str() || pending.binding_hash != hash(binding) {
            return Err(refused());
        }
        let exchange = CodeExchange {
            code: answer.code,
            redirect_uri: self.callback_uri(provider.name().as_str()),
            nonce: pending.nonce,
            code_verifier: pending.verifier.into(),
            issuer: answer.issuer,
        };
        let who = provider.exchange(&exchange).await?;
        let return_to = pending.return_to;
        if let Some(id) = pending.link_to {
            let now = self.platform.clock().now();
            let session = self.platform.store().find_session(id).await?;
            let session = session.filter(|session| session.is_alive(now)).ok_or_else(refused)?;
            self.platform.users().link(session.user_id, provider.name(), &who, origin).await?;
            return Ok(FinishedLogin { session: None, return_to });
        }
        let user = self.platform.users().sign_in(provider.name(), &who, origin).await?;
        let session = self.begin_in_browser(user.id, provider.name(), origin).await?;
        Ok(FinishedLogin { session: Some(session), return_to })
    }

    /// Begins a session with tokens for whoever is signed in with a cookie: for scripts and tools that the
    /// person hands them to. It is a session of its own, to be ended by itself.
    ///
    /// # Errors
    /// - `Unauthenticated` when the cookie's session is gone.
    /// - `Unavailable`.
    pub async fn tokens_for_browser(&self, session: SessionId, origin: &Origin) -> Result<TokenPair> {
        let session = self.platform.store().find_session(session).await?.ok_or_else(refused)?;
        self.begin_with_tokens(session.user_id, &session.provider, origin).await
    }
}

/// Only paths on this server: `//elsewhere`, `/\elsewhere` and whole URLs lead away.
///
/// # Errors
/// `Invalid` for everything else.
pub fn require_local(return_to: &str) -> Result<()> {
    let local = return_to.starts_with('/')
        && !return_to.starts_with("//")
        && !return_to.contains(['\\', '\r', '\n', '\t'])
        && return_to.len() <= 2_048
        && return_to.is_ascii();
    if local { Ok(()) } else { Err(Error::invalid("return_to", "must be a path on this server")) }
}
