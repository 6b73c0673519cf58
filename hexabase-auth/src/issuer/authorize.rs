//! Authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core 1.0 section 3.1.2): a client sends the user's
//! browser, which returns to the client with an authorization code.

use std::time::Duration;

use hexabase_core::clock::after;
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::Session;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::OidcIssuer;
use super::client::Client;
use super::error::OAuthError;
use super::grant::{AuthenticatedUser, AuthorizationCode, CodeState};
use super::parameters::Parameters;
use super::{OPENID, SCOPES};
use crate::browser::CookiePrincipal;
use crate::query::with_query;

/// Time that a user has to sign in and to consent.
const CONSENT_TTL: Duration = Duration::from_secs(15 * 60);
/// Maximum length of an encoded authorization request, in bytes. Its handle fits into the path that a sign-in returns
/// to ([`MAX_RETURN_TO_LENGTH`](crate::login::MAX_RETURN_TO_LENGTH)).
const MAX_REQUEST_LENGTH: usize = 1_800;
/// Period of [`AuthConfig::authorizations_per_minute`](crate::AuthConfig::authorizations_per_minute).
const RATE_PERIOD: Duration = Duration::from_secs(60);
/// Purpose that authorization requests are encrypted for.
const SEAL_PURPOSE: &str = "authorization request";

/// Outcome of an authorization request for the browser.
#[derive(Debug)]
pub enum Authorization {
    /// Redirect to the client, with an authorization code or an error.
    Redirect(String),
    /// Sign-in is required first.
    SignIn(SignInRequired),
    /// Consent of the user is required first.
    Consent(Consent),
}

/// Sign-in that is required before a client gets an authorization code.
#[derive(Debug)]
pub struct SignInRequired {
    /// Path on this server that continues the authorization afterwards.
    pub return_to: String,
    /// User that the client expects (`login_hint`).
    pub login_hint: Option<String>,
    /// `true` if the user must authenticate again.
    pub reauthenticate: bool,
}

/// Consent that is required before a client gets an authorization code.
#[derive(Debug)]
pub struct Consent {
    /// Handle of the authorization request, to be submitted with the decision: the request itself, sealed.
    pub handle: String,
    /// Display name of the client.
    pub client_name: String,
    /// Name of the workspace that the client gets access to on behalf of the user; `None` if it is for none.
    pub workspace: Option<String>,
    /// Scopes that the client requests.
    pub scopes: Vec<String>,
    /// Redirect URI of the client. The consent page must allow the browser to go there (`form-action` of its
    /// Content-Security-Policy).
    pub redirect_uri: String,
}

/// Validated authorization request of a client.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AuthorizationRequest {
    /// Random id, by which the request is completed once.
    id: String,
    client_id: String,
    redirect_uri: String,
    state: Option<String>,
    nonce: Option<String>,
    scope: String,
    code_challenge: String,
    prompt: Vec<Prompt>,
    max_age: Option<u64>,
    login_hint: Option<String>,
    /// User that must be signed in according to the client (`id_token_hint`).
    expected_user: Option<UserId>,
    requested_at: Timestamp,
}

/// Value of `prompt` (OpenID Connect Core 1.0 section 3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Prompt {
    None,
    Login,
    Consent,
    SelectAccount,
}

impl Prompt {
    fn parse(text: &str) -> Option<Vec<Self>> {
        let one = |word: &str| {
            Some(match word {
                "none" => Self::None,
                "login" => Self::Login,
                "consent" => Self::Consent,
                "select_account" => Self::SelectAccount,
                _ => return None,
            })
        };
        let prompts: Vec<Self> = text.split_whitespace().map(one).collect::<Option<_>>()?;
        (prompts.len() == 1 || !prompts.contains(&Self::None)).then_some(prompts)
    }
}

/// Stage of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The client sent the request.
    New,
    /// The browser returned from the sign-in.
    Resumed,
    /// The user was asked, and consented.
    Consented,
}

/// User that is signed in with the browser.
#[derive(Debug, Clone, Copy)]
struct BrowserUser<B> {
    browser: B,
    user: UserId,
    /// Time of the authentication; `None` if unknown.
    authenticated_at: Option<Timestamp>,
    /// `true` if the user has consented to the whole scope before, or need not be asked.
    has_consented: bool,
    /// `true` if the user was asked for this request, and consented.
    consented_now: bool,
}

/// Next step of an authorization.
#[derive(Debug, PartialEq, Eq)]
enum Step<B> {
    SignIn { reauthenticate: bool },
    Consent(B),
    Grant(B),
    Reject(&'static str, &'static str),
}

/// Returns the next step of a request. An authentication after the request was made counts as one for it, and one at an
/// unknown time counts as older than any that a request requires.
fn next_step<B: Copy>(request: &AuthorizationRequest, browser_user: Option<BrowserUser<B>>) -> Step<B> {
    let is_silent = request.prompt.contains(&Prompt::None);
    let must_reauthenticate =
        request.prompt.iter().any(|one| matches!(one, Prompt::Login | Prompt::SelectAccount));
    let requires_recent = must_reauthenticate || request.max_age.is_some();
    let is_stale = |authenticated_at: Option<Timestamp>| {
        let Some(authenticated_at) = authenticated_at else { return requires_recent };
        let age = request.requested_at.duration_since(authenticated_at);
        let is_older_than = |most: u64| age > SignedDuration::from_secs(most.try_into().unwrap_or(i64::MAX));
        age.is_positive() && (must_reauthenticate || request.max_age.is_some_and(is_older_than))
    };
    let is_expected_user =
        |user: UserId| request.expected_user.is_none_or(|expected_user| expected_user == user);
    let is_acceptable =
        |user: &BrowserUser<B>| is_expected_user(user.user) && !is_stale(user.authenticated_at);
    let Some(user) = browser_user.filter(is_acceptable) else {
        return match is_silent {
            true => Step::Reject("login_required", "the user is not signed in, or signed in too long ago"),
            false => Step::SignIn { reauthenticate: browser_user.is_some() || requires_recent },
        };
    };
    if user.consented_now || (user.has_consented && !request.prompt.contains(&Prompt::Consent)) {
        return Step::Grant(user.browser);
    }
    match is_silent {
        true => Step::Reject("consent_required", "the user has not consented to this request"),
        false => Step::Consent(user.browser),
    }
}

impl OidcIssuer<'_> {
    /// Handles an authorization request of a client.
    ///
    /// # Errors
    /// - `Invalid` if the client is unknown, or the redirect URI is not registered for it: the browser must not be
    ///   redirected there, not even with an error.
    /// - `Unavailable`.
    pub async fn authorize(
        &self,
        parameters: &Parameters,
        browser: Option<&CookiePrincipal>,
    ) -> Result<Authorization> {
        let (client, redirect_uri) = self.require_client(parameters)?;
        let state = parameters.get("state");
        match self.parse_request(&client, &redirect_uri, parameters).await {
            Ok(request) => self.proceed(client, request, Stage::New, browser).await,
            Err(error) => self.redirect_with_error(&redirect_uri, state, error),
        }
    }

    /// Continues an authorization when the browser returns from the sign-in.
    ///
    /// # Errors
    /// - `NotFound` if the request has expired, or was completed before.
    /// - `Unavailable`.
    pub async fn resume_authorization(
        &self,
        handle: &str,
        browser: Option<&CookiePrincipal>,
    ) -> Result<Authorization> {
        let (client, request) = self.open_request(handle)?;
        self.proceed(client, request, Stage::Resumed, browser).await
    }

    /// Submits the consent decision of the user.
    ///
    /// # Errors
    /// - `NotFound` if the request has expired, or was decided before.
    /// - `Unavailable`.
    pub async fn submit_consent(
        &self,
        handle: &str,
        approved: bool,
        browser: &CookiePrincipal,
    ) -> Result<Authorization> {
        let (client, request) = self.open_request(handle)?;
        if approved {
            return self.proceed(client, request, Stage::Consented, Some(browser)).await;
        }
        let error = match self.take_authorization(browser.session.user_id).await? {
            Err(rate_limited) => rate_limited,
            Ok(()) => {
                self.complete_request(&request, browser.session.user_id).await?;
                OAuthError::new("access_denied", "the user denied the request")
            }
        };
        self.redirect_with_error(&request.redirect_uri, request.state.as_deref(), error)
    }

    /// Returns the client and the redirect URI of a request; nothing is ever sent to unregistered URIs.
    fn require_client(&self, parameters: &Parameters) -> Result<(Client, String)> {
        parameters.reject_duplicates().map_err(|error| Error::invalid("query", error.description))?;
        let id = parameters.get("client_id").ok_or_else(|| Error::invalid("client_id", "is required"))?;
        let client = self.find_client(id);
        let client = client.ok_or_else(|| Error::invalid("client_id", "is unknown"))?;
        let uri = parameters.get("redirect_uri");
        let uri = uri.ok_or_else(|| Error::invalid("redirect_uri", "is required"))?;
        if !client.allows_redirect_uri(uri) {
            return Err(Error::invalid("redirect_uri", "is not registered for this client"));
        }
        Ok((client, uri.to_owned()))
    }

    async fn parse_request(
        &self,
        client: &Client,
        redirect_uri: &str,
        parameters: &Parameters,
    ) -> Result<AuthorizationRequest, OAuthError> {
        for (name, error) in
            [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")]
        {
            if parameters.get(name).is_some() {
                return Err(OAuthError::new(
                    error,
                    "request objects are not supported; send plain parameters",
                ));
            }
        }
        if parameters.require("response_type")? != "code" {
            return Err(OAuthError::new("unsupported_response_type", "response_type must be code"));
        }
        if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(OAuthError::invalid_request("response_mode must be query"));
        }
        let code_challenge = parameters.require("code_challenge")?;
        if parameters.get("code_challenge_method") != Some("S256") {
            return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
        }
        if code_challenge.len() != 43 || !code_challenge.bytes().all(is_base64url) {
            return Err(OAuthError::invalid_request("code_challenge must be a SHA-256 digest in base64url"));
        }
        let prompt = parameters.get("prompt").map_or(Some(Vec::new()), Prompt::parse);
        let prompt = prompt
            .ok_or_else(|| OAuthError::invalid_request("prompt has unknown or contradictory values"))?;
        let max_age = parameters.get("max_age").map(str::parse).transpose();
        let max_age =
            max_age.map_err(|_| OAuthError::invalid_request("max_age must be a number of seconds"))?;
        let expected_user = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.verify_id_token_hint(hint).await?.subject),
            None => None,
        };
        let request = AuthorizationRequest {
            id: self.0.random_text(),
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: parameters.get("state").map(str::to_owned),
            nonce: parameters.get("nonce").map(str::to_owned),
            scope: supported_scope(parameters.get("scope"))?,
            code_challenge: code_challenge.to_owned(),
            prompt,
            max_age,
            login_hint: parameters.get("login_hint").map(str::to_owned),
            expected_user,
            requested_at: self.0.platform.clock().now(),
        };
        match serde_json::to_vec(&request).is_ok_and(|encoded| encoded.len() <= MAX_REQUEST_LENGTH) {
            true => Ok(request),
            false => Err(OAuthError::invalid_request(format!(
                "the request is too long; state, nonce, login_hint and redirect_uri must be shorter than \
                 {MAX_REQUEST_LENGTH} bytes together"
            ))),
        }
    }

    async fn proceed(
        &self,
        client: Client,
        request: AuthorizationRequest,
        stage: Stage,
        browser: Option<&CookiePrincipal>,
    ) -> Result<Authorization> {
        let browser_user = match browser {
            None => None,
            Some(browser) => Some(BrowserUser {
                browser,
                user: browser.session.user_id,
                authenticated_at: browser.session.authenticated_at,
                has_consented: client.is_assured_at(&request.redirect_uri)
                    && (client.trusted
                        || self.has_client_consent(&browser.session, &client, &request.scope).await?),
                consented_now: stage == Stage::Consented,
            }),
        };
        let redirect_with_error =
            |error| self.redirect_with_error(&request.redirect_uri, request.state.as_deref(), error);
        let step = next_step(&request, browser_user);
        let access = match &step {
            Step::Consent(browser) | Step::Grant(browser) => {
                self.cluster_access_of(&client, browser.session.user_id, browser.session.id).await
            }
            Step::SignIn { .. } | Step::Reject(..) => Ok(None),
        };
        let access = match access.map_err(OAuthError::from) {
            Ok(access) => access,
            Err(error) if error.error == "invalid_grant" => return redirect_with_error(access_denied(error)),
            Err(error) => return redirect_with_error(error),
        };
        match step {
            Step::Reject(error, description) => redirect_with_error(OAuthError::new(error, description)),
            Step::SignIn { reauthenticate } => {
                let return_to =
                    format!("/oauth2/authorize?continue={}", self.0.seal_text(SEAL_PURPOSE, &request)?);
                let login_hint = request.login_hint;
                Ok(Authorization::SignIn(SignInRequired { return_to, login_hint, reauthenticate }))
            }
            Step::Consent(_) => Ok(Authorization::Consent(Consent {
                handle: self.0.seal_text(SEAL_PURPOSE, &request)?,
                workspace: access.map(|access| access.workspace.name.to_string()),
                client_name: client.name,
                scopes: request.scope.split(' ').map(str::to_owned).collect(),
                redirect_uri: request.redirect_uri,
            })),
            Step::Grant(browser) => {
                if let Err(rate_limited) = self.take_authorization(browser.session.user_id).await? {
                    return redirect_with_error(rate_limited);
                }
                if stage != Stage::New {
                    self.complete_request(&request, browser.session.user_id).await?;
                }
                self.issue_code(request, &browser.session).await
            }
        }
    }

    /// Counts an authorization against the allowance of its user, which bounds the state that is stored for a user.
    async fn take_authorization(&self, user: UserId) -> Result<Result<(), OAuthError>> {
        let rate = Rate { burst: self.0.config.authorizations_per_minute, period: RATE_PERIOD };
        let allowance =
            self.0.platform.ephemeral().take_token(&format!("authorizations:{user}"), rate).await?;
        Ok(match allowance.allowed {
            true => Ok(()),
            false => Err(Error::rate_limited(allowance.retry_after).into()),
        })
    }

    /// Marks a request of a signed-in user as completed, so that no handle of it is accepted again.
    async fn complete_request(&self, request: &AuthorizationRequest, user: UserId) -> Result<()> {
        let key = format!("authorization:{user}:{}", request.id);
        match self.0.platform.ephemeral().put_if_absent(&key, b"1", CONSENT_TTL).await? {
            true => Ok(()),
            false => Err(request_not_found()),
        }
    }

    /// Redirects the browser to the client with an authorization code.
    async fn issue_code(&self, request: AuthorizationRequest, session: &Session) -> Result<Authorization> {
        let code = AuthorizationCode {
            client_id: request.client_id,
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            nonce: request.nonce,
            user: AuthenticatedUser::of(session),
            scope: request.scope,
            state: CodeState::Unused,
        };
        let code = self.store_code(&code).await?;
        let issuer = self.0.platform.config().issuer.url.as_str();
        let parameters =
            [("code", Some(code.as_str())), ("state", request.state.as_deref()), ("iss", Some(issuer))];
        Ok(Authorization::Redirect(with_query(&request.redirect_uri, &parameters)))
    }

    /// Redirects the browser to the client with an error.
    fn redirect_with_error(
        &self,
        uri: &str,
        state: Option<&str>,
        error: OAuthError,
    ) -> Result<Authorization> {
        let parameters = [
            ("error", Some(error.error)),
            ("error_description", Some(error.description.as_str())),
            ("state", state),
            ("iss", Some(self.0.platform.config().issuer.url.as_str())),
        ];
        if let Some(source) = &error.source {
            tracing::debug!(error = %source, "authorization failed; redirecting the browser with an error");
        }
        Ok(Authorization::Redirect(with_query(uri, &parameters)))
    }

    /// Opens the handle of a request. Nothing is stored for it: requests of anonymous callers cost no memory.
    fn open_request(&self, handle: &str) -> Result<(Client, AuthorizationRequest)> {
        let request: Option<AuthorizationRequest> = self.0.unseal_text(SEAL_PURPOSE, handle);
        let now = self.0.platform.clock().now();
        let request = request.filter(|request| now < after(request.requested_at, CONSENT_TTL));
        let request = request.ok_or_else(request_not_found)?;
        let client = self.find_client(&request.client_id).ok_or_else(request_not_found)?;
        Ok((client, request))
    }
}

/// Converts an error into `access_denied`: this server denied the access, not the user.
fn access_denied(error: OAuthError) -> OAuthError {
    OAuthError { error: "access_denied", ..error }
}

fn request_not_found() -> Error {
    Error::not_found("sign-in request")
}

pub(super) const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Returns the supported part of a requested scope.
pub(super) fn supported_scope(requested: Option<&str>) -> Result<String, OAuthError> {
    let requested: Vec<&str> = requested.unwrap_or_default().split_whitespace().collect();
    let supported: Vec<&str> = SCOPES.into_iter().filter(|scope| requested.contains(scope)).collect();
    match supported.contains(&OPENID) {
        true => Ok(supported.join(" ")),
        false => Err(OAuthError::new("invalid_scope", "scope must contain openid")),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use super::*;

    const REQUESTED_AT: Timestamp = Timestamp::UNIX_EPOCH;

    fn request(prompt: &str, max_age: Option<u64>) -> AuthorizationRequest {
        AuthorizationRequest {
            id: "request".to_owned(),
            client_id: "grafana".to_owned(),
            redirect_uri: "https://grafana.example/login".to_owned(),
            state: None,
            nonce: None,
            scope: "openid".to_owned(),
            code_challenge: String::new(),
            prompt: Prompt::parse(prompt).unwrap(),
            max_age,
            login_hint: None,
            expected_user: None,
            requested_at: REQUESTED_AT,
        }
    }

    /// Ann, who signed in this number of seconds after the request was made, or before it if negative.
    fn ann(seconds: i64, has_consented: bool) -> Option<BrowserUser<()>> {
        let authenticated_at = Some(REQUESTED_AT + SignedDuration::from_secs(seconds));
        let user = id("ann");
        Some(BrowserUser { browser: (), user, authenticated_at, has_consented, consented_now: false })
    }

    #[test]
    fn a_user_who_consented_is_not_asked_again() {
        assert_eq!(next_step(&request("", None), ann(-60, true)), Step::Grant(()));
        assert_eq!(next_step(&request("", None), ann(-60, false)), Step::Consent(()));
        assert_eq!(next_step::<()>(&request("", None), None), Step::SignIn { reauthenticate: false });
    }

    #[test]
    fn a_required_reauthentication_happens_once() {
        for (prompt, max_age) in
            [("login", None), ("select_account", None), ("", Some(0)), ("login consent", None)]
        {
            let request = request(prompt, max_age);
            assert_eq!(
                next_step(&request, ann(-60, true)),
                Step::SignIn { reauthenticate: true },
                "{prompt}"
            );
            assert!(!matches!(next_step(&request, ann(1, true)), Step::SignIn { .. }), "{prompt}");
            assert_eq!(next_step::<()>(&request, None), Step::SignIn { reauthenticate: true }, "{prompt}");
            let unknown = ann(1, true).map(|ann| BrowserUser { authenticated_at: None, ..ann });
            assert_eq!(next_step(&request, unknown), Step::SignIn { reauthenticate: true }, "{prompt}");
        }
        assert_eq!(next_step(&request("", Some(59)), ann(-60, true)), Step::SignIn { reauthenticate: true });
        assert_eq!(next_step(&request("", Some(60)), ann(-60, true)), Step::Grant(()));
        assert_eq!(next_step(&request("", Some(u64::MAX)), ann(-60, true)), Step::Grant(()));
    }

    #[test]
    fn prompt_consent_asks_despite_earlier_consent() {
        assert_eq!(next_step(&request("consent", None), ann(-60, true)), Step::Consent(()));
        let now = ann(-60, true).map(|ann| BrowserUser { consented_now: true, ..ann });
        assert_eq!(next_step(&request("consent", None), now), Step::Grant(()));
    }

    #[test]
    fn prompt_none_never_shows_a_page() {
        let silent_request = request("none", None);
        assert_eq!(next_step(&silent_request, ann(-60, true)), Step::Grant(()));
        assert!(matches!(next_step(&silent_request, ann(-60, false)), Step::Reject("consent_required", _)));
        assert!(matches!(next_step::<()>(&silent_request, None), Step::Reject("login_required", _)));
        assert!(matches!(
            next_step(&request("none", Some(1)), ann(-60, true)),
            Step::Reject("login_required", _)
        ));
    }

    #[test]
    fn another_user_than_the_expected_one_must_sign_in() {
        let request = AuthorizationRequest { expected_user: Some(id("bob")), ..request("", None) };
        assert_eq!(next_step(&request, ann(-60, true)), Step::SignIn { reauthenticate: true });
        let silent_request = AuthorizationRequest { prompt: vec![Prompt::None], ..request };
        assert!(matches!(next_step(&silent_request, ann(-60, true)), Step::Reject("login_required", _)));
    }

    #[test]
    fn contradictory_and_unknown_prompts_are_rejected() {
        for bad in ["none login", "login none", "create", "LOGIN"] {
            assert_eq!(Prompt::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_supported_scopes_are_granted() {
        assert_eq!(supported_scope(Some("profile phone openid openid")).unwrap(), "openid profile");
        assert_eq!(supported_scope(Some("profile")).unwrap_err().error, "invalid_scope");
        assert_eq!(supported_scope(None).unwrap_err().error, "invalid_scope");
    }
}
