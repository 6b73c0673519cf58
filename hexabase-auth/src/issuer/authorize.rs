//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core 1.0 section 3.1.2): somebody's browser comes
//! from a client, and goes back with a code.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::id::UserId;
use hexabase_core::model::Session;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::client::{Client, Purpose};
use super::grant::{Code, Person};
use super::parameters::Parameters;
use super::refusal::OAuthError;
use super::{OPENID, SCOPES};
use crate::auth::Auth;
use crate::browser::CookiePrincipal;
use crate::digest::hash;
use crate::query::with_query;

/// For how long somebody may take to sign in and to agree.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The longest request that is kept.
const LONGEST: usize = 8 * 1024;
/// The purpose under which requests are sealed.
const SEALED: &str = "authorization request";

/// What a browser is told.
#[derive(Debug)]
pub enum Authorization {
    /// To go back to the client, with a code or with what is wrong.
    Redirect(String),
    /// To sign in first.
    SignIn(SignInFirst),
    /// To ask the person whether they agree.
    Consent(Consent),
}

/// Somebody must sign in before a client gets a code.
#[derive(Debug)]
pub struct SignInFirst {
    /// Where to go on afterwards: a path on this server.
    pub return_to: String,
    /// Whoever the client expects.
    pub login_hint: Option<String>,
    /// Whether they must prove anew who they are.
    pub reauthenticate: bool,
}

/// Somebody must agree before a client gets a code.
#[derive(Debug)]
pub struct Consent {
    /// What goes back with the answer.
    pub handle: String,
    /// The client.
    pub client_name: String,
    /// The workspace that the client gets into on their behalf.
    pub workspace: Option<String>,
    /// What the client asks for.
    pub scopes: Vec<String>,
    /// Where the browser goes afterwards: whoever shows the question must allow that.
    pub redirect_uri: String,
}

/// What a client asks for, checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Request {
    client_id: String,
    redirect_uri: String,
    state: Option<String>,
    nonce: Option<String>,
    scope: String,
    code_challenge: String,
    prompt: Vec<Prompt>,
    max_age: Option<u64>,
    login_hint: Option<String>,
    /// Whom the client takes to be signed in.
    expected: Option<UserId>,
    asked_at: Timestamp,
}

/// What the person is to be asked (OpenID Connect Core 1.0 section 3.1.2.1).
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

/// Somebody whose browser is signed in.
#[derive(Debug, Clone, Copy)]
struct Present<B> {
    browser: B,
    user: UserId,
    since: Timestamp,
    /// Whether they agreed to all of this before, or need not be asked.
    agreed: bool,
    /// Whether they were asked just now, and agreed.
    agreed_now: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
enum Step<B> {
    SignIn { reauthenticate: bool },
    Ask(B),
    Grant(B),
    Refuse(&'static str, &'static str),
}

/// What comes next for a request. Whoever signed in after the request was made has signed in for it.
fn next_step<B: Copy>(request: &Request, present: Option<Present<B>>) -> Step<B> {
    let quietly = request.prompt.contains(&Prompt::None);
    let must_prove = request.prompt.iter().any(|one| matches!(one, Prompt::Login | Prompt::SelectAccount));
    let too_old = |since: Timestamp| {
        let age = request.asked_at.duration_since(since);
        let is_older_than = |most: u64| age > SignedDuration::from_secs(most.try_into().unwrap_or(i64::MAX));
        age.is_positive() && (must_prove || request.max_age.is_some_and(is_older_than))
    };
    let is_expected = |user: UserId| request.expected.is_none_or(|expected| expected == user);
    let Some(fresh) = present.filter(|one| is_expected(one.user) && !too_old(one.since)) else {
        return match quietly {
            true => Step::Refuse("login_required", "nobody is signed in, or not recently enough"),
            false => Step::SignIn { reauthenticate: present.is_some() },
        };
    };
    if fresh.agreed_now || (fresh.agreed && !request.prompt.contains(&Prompt::Consent)) {
        return Step::Grant(fresh.browser);
    }
    match quietly {
        true => Step::Refuse("consent_required", "the person has not agreed to this yet"),
        false => Step::Ask(fresh.browser),
    }
}

impl Auth {
    /// A browser comes from a client.
    ///
    /// # Errors
    /// - `Invalid` for a client that there is not, and an address that is none of its: the browser must not be sent
    ///   there, not even with an error.
    /// - `Unavailable`.
    pub async fn authorize(
        &self,
        parameters: &Parameters,
        browser: Option<&CookiePrincipal>,
    ) -> Result<Authorization> {
        let (client, redirect_uri) = self.require_client(parameters).await?;
        let state = parameters.get("state");
        match self.checked(&client, &redirect_uri, parameters).await {
            Ok(request) => self.proceed(client, request, None, browser, false).await,
            Err(error) => self.back(&redirect_uri, state, error),
        }
    }

    /// A browser comes back to a request that it left to sign in.
    ///
    /// # Errors
    /// - `NotFound` when it took too long.
    /// - `Unavailable`.
    pub async fn resume_authorization(
        &self,
        handle: &str,
        browser: Option<&CookiePrincipal>,
    ) -> Result<Authorization> {
        let (client, request) = self.recall(handle, false).await?;
        self.proceed(client, request, Some(handle), browser, false).await
    }

    /// Somebody answers whether they agree.
    ///
    /// # Errors
    /// - `NotFound` when it took too long, or was answered before.
    /// - `Unavailable`.
    pub async fn answer_authorization(
        &self,
        handle: &str,
        agrees: bool,
        browser: &CookiePrincipal,
    ) -> Result<Authorization> {
        let (client, request) = self.recall(handle, true).await?;
        if agrees {
            return self.proceed(client, request, None, Some(browser), true).await;
        }
        let refusal = OAuthError::new("access_denied", "the person did not agree");
        self.back(&request.redirect_uri, request.state.as_deref(), refusal)
    }

    /// The client and where it wants the browser back: nothing is sent to addresses that are not its own.
    async fn require_client(&self, parameters: &Parameters) -> Result<(Client, String)> {
        parameters.require_single().map_err(|error| Error::invalid("query", error.description))?;
        let id = parameters.get("client_id").ok_or_else(|| Error::invalid("client_id", "is missing"))?;
        let client = self.find_client(id).await?;
        let client = client.ok_or_else(|| Error::invalid("client_id", "is that of no client here"))?;
        let uri = parameters.get("redirect_uri");
        let uri = uri.ok_or_else(|| Error::invalid("redirect_uri", "is missing"))?;
        if !client.may_redirect_to(uri) {
            return Err(Error::invalid("redirect_uri", "is not registered for this client"));
        }
        Ok((client, uri.to_owned()))
    }

    async fn checked(
        &self,
        client: &Client,
        redirect_uri: &str,
        parameters: &Parameters,
    ) -> Result<Request, OAuthError> {
        for (name, error) in
            [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")]
        {
            if parameters.get(name).is_some() {
                return Err(OAuthError::new(error, "requests are made of plain parameters here"));
            }
        }
        if parameters.need("response_type")? != "code" {
            return Err(OAuthError::new("unsupported_response_type", "only code is supported"));
        }
        if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(OAuthError::invalid_request("only the response_mode query is supported"));
        }
        let code_challenge = parameters.need("code_challenge")?;
        if parameters.get("code_challenge_method") != Some("S256") {
            return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
        }
        if code_challenge.len() != 43 || !code_challenge.bytes().all(is_base64url) {
            return Err(OAuthError::invalid_request("code_challenge must be a SHA-256 in base64url"));
        }
        let prompt = parameters.get("prompt").map_or(Some(Vec::new()), Prompt::parse);
        let prompt = prompt.ok_or_else(|| OAuthError::invalid_request("prompt makes no sense"))?;
        let max_age = parameters.get("max_age").map(str::parse).transpose();
        let max_age =
            max_age.map_err(|_| OAuthError::invalid_request("max_age must be a number of seconds"))?;
        let expected = match parameters.get("id_token_hint") {
            Some(hint) => Some(self.hinted(hint).await?.subject),
            None => None,
        };
        Ok(Request {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: parameters.get("state").map(str::to_owned),
            nonce: parameters.get("nonce").map(str::to_owned),
            scope: known_scope(parameters.get("scope"))?,
            code_challenge: code_challenge.to_owned(),
            prompt,
            max_age,
            login_hint: parameters.get("login_hint").map(str::to_owned),
            expected,
            asked_at: self.platform.clock().now(),
        })
    }

    async fn proceed(
        &self,
        client: Client,
        request: Request,
        handle: Option<&str>,
        browser: Option<&CookiePrincipal>,
        agreed_now: bool,
    ) -> Result<Authorization> {
        let present = match browser {
            None => None,
            Some(browser) => Some(Present {
                browser,
                user: browser.session.user_id,
                since: browser.session.created_at,
                agreed: client.trusted || self.has_agreed(&browser.session, &client, &request.scope).await?,
                agreed_now,
            }),
        };
        let back = |error| self.back(&request.redirect_uri, request.state.as_deref(), error);
        let step = next_step(&request, present);
        if let Step::Ask(browser) | Step::Grant(browser) = &step
            && let Err(error) = self.access_of(&client, browser.session.user_id, browser.session.id).await
        {
            let error = OAuthError::from(error);
            let error = if error.error == "invalid_grant" { denied(error) } else { error };
            return back(error);
        }
        match step {
            Step::Refuse(error, description) => back(OAuthError::new(error, description)),
            Step::SignIn { reauthenticate } => {
                let login_hint = request.login_hint.clone();
                let handle = self.keep(request, handle).await?;
                let return_to = format!("/oauth2/authorize?continue={handle}");
                Ok(Authorization::SignIn(SignInFirst { return_to, login_hint, reauthenticate }))
            }
            Step::Ask(_) => {
                let (scope, redirect_uri) = (request.scope.clone(), request.redirect_uri.clone());
                Ok(Authorization::Consent(Consent {
                    handle: self.keep(request, handle).await?,
                    workspace: self.workspace_of(&client).await?,
                    client_name: client.name,
                    scopes: scope.split(' ').map(str::to_owned).collect(),
                    redirect_uri,
                }))
            }
            Step::Grant(browser) => {
                if let Some(handle) = handle {
                    self.platform.ephemeral().take(&key(handle)).await?;
                }
                self.grant(request, &browser.session).await
            }
        }
    }

    /// Sends the browser back with a code.
    async fn grant(&self, request: Request, session: &Session) -> Result<Authorization> {
        let code = Code {
            client_id: request.client_id,
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge,
            nonce: request.nonce,
            person: Person {
                user_id: session.user_id,
                provider: session.provider.clone(),
                auth_time: session.created_at,
            },
            scope: request.scope,
        };
        let code = self.keep_code(&code).await?;
        let issuer = self.platform.settings().issuer.url.as_str();
        let parameters =
            [("code", Some(code.as_str())), ("state", request.state.as_deref()), ("iss", Some(issuer))];
        Ok(Authorization::Redirect(with_query(&request.redirect_uri, &parameters)))
    }

    /// Sends the browser back with what is wrong.
    fn back(&self, uri: &str, state: Option<&str>, error: OAuthError) -> Result<Authorization> {
        let parameters = [
            ("error", Some(error.error)),
            ("error_description", Some(error.description.as_str())),
            ("state", state),
            ("iss", Some(self.platform.settings().issuer.url.as_str())),
        ];
        if let Some(source) = &error.source {
            tracing::debug!(error = %source, "a browser is sent back without a code");
        }
        Ok(Authorization::Redirect(with_query(uri, &parameters)))
    }

    /// What the people of a client's workspace call it.
    pub(super) async fn workspace_of(&self, client: &Client) -> Result<Option<String>> {
        let Purpose::Workspace(organization, id) = client.purpose else { return Ok(None) };
        let found = self.platform.store().find_workspace(organization, id).await?;
        Ok(found.map(|workspace| workspace.name.to_string()))
    }

    /// Keeps a request until its browser comes back; answers what it comes back with.
    async fn keep(&self, request: Request, handle: Option<&str>) -> Result<String> {
        if let Some(handle) = handle {
            return Ok(handle.to_owned());
        }
        let handle = self.random_text();
        let sealed = self.sealed(SEALED, &request)?;
        if sealed.len() > LONGEST {
            return Err(Error::invalid("query", "is too long"));
        }
        self.platform.ephemeral().put(&key(&handle), &sealed, PATIENCE).await?;
        Ok(handle)
    }

    async fn recall(&self, handle: &str, for_good: bool) -> Result<(Client, Request)> {
        let ephemeral = self.platform.ephemeral();
        let sealed = match for_good {
            true => ephemeral.take(&key(handle)).await?,
            false => ephemeral.get(&key(handle)).await?,
        };
        let gone = || Error::not_found("sign-in request");
        let request: Option<Request> = sealed.and_then(|sealed| self.opened(SEALED, &sealed));
        let request = request.ok_or_else(gone)?;
        let client = self.find_client(&request.client_id).await?.ok_or_else(gone)?;
        Ok((client, request))
    }
}

/// Whoever may not get in has not been refused by themselves, but by us.
fn denied(error: OAuthError) -> OAuthError {
    OAuthError { error: "access_denied", ..error }
}

fn key(handle: &str) -> String {
    format!("authorization:{}", hash(handle))
}

pub(super) const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// As much of what is asked for as there is.
pub(super) fn known_scope(asked: Option<&str>) -> Result<String, OAuthError> {
    let asked: Vec<&str> = asked.unwrap_or_default().split_whitespace().collect();
    let known: Vec<&str> = SCOPES.into_iter().filter(|scope| asked.contains(scope)).collect();
    match known.contains(&OPENID) {
        true => Ok(known.join(" ")),
        false => Err(OAuthError::new("invalid_scope", "the scope must have openid in it")),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use super::*;

    const ASKED: Timestamp = Timestamp::UNIX_EPOCH;

    fn request(prompt: &str, max_age: Option<u64>) -> Request {
        Request {
            client_id: "grafana".to_owned(),
            redirect_uri: "https://grafana.example/login".to_owned(),
            state: None,
            nonce: None,
            scope: "openid".to_owned(),
            code_challenge: String::new(),
            prompt: Prompt::parse(prompt).unwrap(),
            max_age,
            login_hint: None,
            expected: None,
            asked_at: ASKED,
        }
    }

    /// Ann, who signed in some seconds after the request was made, or before.
    fn ann(seconds: i64, agreed: bool) -> Option<Present<()>> {
        let since = ASKED + SignedDuration::from_secs(seconds);
        Some(Present { browser: (), user: id("ann"), since, agreed, agreed_now: false })
    }

    #[test]
    fn nobody_is_asked_twice() {
        assert_eq!(next_step(&request("", None), ann(-60, true)), Step::Grant(()));
        assert_eq!(next_step(&request("", None), ann(-60, false)), Step::Ask(()));
        assert_eq!(next_step::<()>(&request("", None), None), Step::SignIn { reauthenticate: false });
    }

    #[test]
    fn whoever_must_prove_it_anew_signs_in_once() {
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
        }
        assert_eq!(next_step(&request("", Some(59)), ann(-60, true)), Step::SignIn { reauthenticate: true });
        assert_eq!(next_step(&request("", Some(60)), ann(-60, true)), Step::Grant(()));
        assert_eq!(next_step(&request("", Some(u64::MAX)), ann(-60, true)), Step::Grant(()));
    }

    #[test]
    fn whoever_is_to_be_asked_is_asked_although_they_agreed() {
        assert_eq!(next_step(&request("consent", None), ann(-60, true)), Step::Ask(()));
        let now = ann(-60, true).map(|ann| Present { agreed_now: true, ..ann });
        assert_eq!(next_step(&request("consent", None), now), Step::Grant(()));
    }

    #[test]
    fn nothing_is_shown_where_nothing_may_be_shown() {
        let quietly = request("none", None);
        assert_eq!(next_step(&quietly, ann(-60, true)), Step::Grant(()));
        assert!(matches!(next_step(&quietly, ann(-60, false)), Step::Refuse("consent_required", _)));
        assert!(matches!(next_step::<()>(&quietly, None), Step::Refuse("login_required", _)));
        assert!(matches!(
            next_step(&request("none", Some(1)), ann(-60, true)),
            Step::Refuse("login_required", _)
        ));
    }

    #[test]
    fn somebody_else_than_expected_signs_in() {
        let request = Request { expected: Some(id("bob")), ..request("", None) };
        assert_eq!(next_step(&request, ann(-60, true)), Step::SignIn { reauthenticate: true });
        let quietly = Request { prompt: vec![Prompt::None], ..request };
        assert!(matches!(next_step(&quietly, ann(-60, true)), Step::Refuse("login_required", _)));
    }

    #[test]
    fn prompts_that_contradict_each_other_make_no_sense() {
        for bad in ["none login", "login none", "create", "LOGIN"] {
            assert_eq!(Prompt::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_what_is_known_of_a_scope_is_granted() {
        assert_eq!(known_scope(Some("profile phone openid openid")).unwrap(), "openid profile");
        assert_eq!(known_scope(Some("profile")).unwrap_err().error, "invalid_scope");
        assert_eq!(known_scope(None).unwrap_err().error, "invalid_scope");
    }
}
