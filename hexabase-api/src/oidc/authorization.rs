//! OAuth 2.0 endpoints that clients send browsers to: authorization, device code entry and logout.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRef, FromRequestParts, RawQuery};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use hexabase_auth::Auth;
use hexabase_auth::CookiePrincipal;
use hexabase_auth::issuer::{Authorization, LogoutRequest, Parameters, SignInRequired};
use hexabase_core::error::{Error, ErrorKind};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::{Browser, ClientOrigin};
use crate::cookies::{CSRF_COOKIE, SESSION_COOKIE, expired_cookie};
use crate::html_pages::{ConsentPage, DeviceConsentPage, Form, HtmlPages, SignInOption, origin};
use crate::layers::{AlwaysPage, server_path};
use crate::oidc::oauth::{Form as FormBody, pairs};
use crate::oidc::schemas::{
    AuthorizationForm, CodeChallengeMethod, DeviceConsentForm, LogoutForm, ResponseType,
};
use crate::problem::{ApiError, Problems};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(authorize, authorize_by_form))
        .routes(routes!(device, decide_device))
        .routes(routes!(logout, logout_by_form))
}

/// Parts of the state that show pages.
#[derive(Clone)]
struct Issuer {
    auth: Arc<Auth>,
    pages: Arc<dyn HtmlPages>,
}

impl<S> FromRequestParts<S> for Issuer
where
    S: Send + Sync,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self { auth: FromRef::from_ref(state), pages: FromRef::from_ref(state) })
    }
}

/// Error that is shown as a page to all clients.
#[derive(Debug)]
pub struct PageError(ErrorContent);

#[derive(Debug)]
enum ErrorContent {
    /// Error for the common page of errors.
    Error(ApiError),
    /// Page of its own.
    Page(Box<Response>),
}

impl PageError {
    /// Creates an error that has a page of its own, with the status of the error.
    #[must_use]
    pub fn with_page(page: Response) -> Self {
        Self(ErrorContent::Page(Box::new(page)))
    }
}

impl<E: Into<ApiError>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(ErrorContent::Error(error.into()))
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self.0 {
            ErrorContent::Error(error) => (Extension(AlwaysPage), error).into_response(),
            ErrorContent::Page(page) => *page,
        }
    }
}

pub(crate) type PageResult = Result<Response, PageError>;

/// Paths of the forms of pages.
const AUTHORIZE: &str = "/oauth2/authorize";
const DEVICE: &str = "/oauth2/device";
const LOGOUT: &str = "/oauth2/logout";

impl Issuer {
    /// Converts the result of an authorization to the response to the browser.
    async fn page_response(&self, browser: Option<&CookiePrincipal>, outcome: Authorization) -> PageResult {
        match (outcome, browser) {
            (Authorization::Redirect(url), _) => Ok(redirect(url)),
            (Authorization::SignIn(required), _) => Ok(self.sign_in(&required)),
            (Authorization::Consent(consent), Some(browser)) => {
                let hidden = vec![("continue", consent.handle.clone()), ("csrf", browser.csrf_token.clone())];
                let destination = origin(&consent.redirect_uri).to_owned();
                let form = Form { action: server_path(AUTHORIZE), hidden, destination };
                let user = display_name(&self.auth, browser).await?;
                Ok(self.pages.consent(&ConsentPage { form, consent: &consent, user: &user }))
            }
            (Authorization::Consent(_), None) => Err(Error::unauthenticated("sign in first").into()),
        }
    }

    /// Redirects to the only provider, or shows the choice between several.
    fn sign_in(&self, required: &SignInRequired) -> Response {
        let options = sign_in_options(&self.auth, required, None);
        match options.as_slice() {
            [only] => redirect(only.url.clone()),
            options => self.pages.choose_provider(options),
        }
    }

    /// Returns the form to enter the code of a device.
    fn enter_user_code(&self, is_unknown: bool) -> Response {
        let form = Form { action: server_path(DEVICE), hidden: Vec::new(), destination: String::new() };
        let mut page = self.pages.enter_user_code(&form, is_unknown);
        if is_unknown {
            *page.status_mut() = StatusCode::NOT_FOUND;
        }
        page
    }

    /// Returns the consent page for the device with this code.
    async fn ask_device(&self, code: &str, browser: &CookiePrincipal) -> PageResult {
        let request = match self.auth.issuer().device_request(code, browser).await {
            Ok(request) => request,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(self.enter_user_code(true)),
            Err(error) => return Err(error.into()),
        };
        let hidden = vec![("user_code", request.user_code.clone()), ("csrf", browser.csrf_token.clone())];
        let form = Form { action: server_path(DEVICE), hidden, destination: String::new() };
        let user = display_name(&self.auth, browser).await?;
        Ok(self.pages.device_consent(&DeviceConsentPage { form, request: &request, user: &user }))
    }

    /// Returns the response to a browser without a session.
    fn logged_out(&self, jar: CookieJar, request: &LogoutRequest) -> Response {
        let expired = |name| expired_cookie(&self.auth, name);
        let jar = jar.remove(expired(SESSION_COOKIE)).remove(expired(CSRF_COOKIE));
        let response = request.destination().map_or_else(|| self.pages.logged_out(), redirect);
        (jar, response).into_response()
    }
}

/// Returns the choice of a sign-in provider, with URLs on this server. The one that was used last, if it is known, is the
/// first.
#[must_use]
pub fn sign_in_options(
    auth: &Auth,
    required: &SignInRequired,
    last_provider: Option<&str>,
) -> Vec<SignInOption> {
    let option = |provider: &dyn hexabase_core::identity::IdentityProvider| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", &server_path(&required.return_to));
        if let Some(hint) = &required.login_hint {
            query.append_pair("login_hint", hint);
        }
        if required.reauthenticate {
            query.append_pair("prompt", "login");
        }
        let url = server_path(&format!("/auth/login/{}?{}", provider.name(), query.finish()));
        SignInOption { title: provider.title().to_owned(), url }
    };
    let mut providers: Vec<_> = auth.sign_in().providers().collect();
    // The sort is stable: the others keep the order of the configuration.
    providers.sort_by_key(|provider| Some(provider.name().as_str()) != last_provider);
    providers.into_iter().map(option).collect()
}

fn redirect(url: String) -> Response {
    (StatusCode::FOUND, [(LOCATION, url)]).into_response()
}

/// Returns the e-mail address of the signed-in user, or the name if there is none.
pub(crate) async fn display_name(auth: &Auth, browser: &CookiePrincipal) -> Result<String, PageError> {
    let user = auth.platform().users().profile(browser.session.user_id).await?.user;
    Ok(user.email.map_or_else(|| user.name.to_string(), |email| email.to_string()))
}

/// Sender of a form in a signed-in browser.
pub(crate) enum FormSender<'a> {
    /// A page of this server for the current session of the browser.
    Page(&'a CookiePrincipal),
    /// A page for an earlier session, since the user has signed in again in another tab, or another site. The decision
    /// does not count, and the user is asked again.
    Unknown(&'a CookiePrincipal),
}

/// Returns the sender of a form, by the CSRF token of its page.
pub(crate) fn form_sender<'a>(
    browser: &'a Option<CookiePrincipal>,
    form: &Parameters,
) -> Result<FormSender<'a>, PageError> {
    let browser = browser.as_ref().ok_or_else(|| Error::unauthenticated("sign in first"))?;
    Ok(match browser.matches_csrf_token(form.get("csrf").unwrap_or_default()) {
        true => FormSender::Page(browser),
        false => FormSender::Unknown(browser),
    })
}

/// Request an authorization code
///
/// Signs the user in and asks for consent if necessary (RFC 6749 section 4.1). `code_challenge` is required.
#[utoipa::path(get, path = "/oauth2/authorize", tag = "OIDC", security(()),
    params(
        ("client_id" = String, Query), ("redirect_uri" = String, Query), ("response_type" = ResponseType, Query),
        ("scope" = String, Query), ("state" = Option<String>, Query), ("nonce" = Option<String>, Query),
        ("code_challenge" = String, Query), ("code_challenge_method" = CodeChallengeMethod, Query),
        ("prompt" = Option<String>, Query), ("max_age" = Option<u64>, Query),
        ("login_hint" = Option<String>, Query), ("id_token_hint" = Option<String>, Query),
    ),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Page for sign-in or consent."),
        (status = 302, description = "Redirect to the client or to a sign-in provider."),
        Problems,
    ))]
async fn authorize(issuer: Issuer, Browser(browser): Browser, RawQuery(query): RawQuery) -> PageResult {
    let parameters = Parameters::new(pairs(query.unwrap_or_default().as_bytes()));
    let auth = &issuer.auth;
    let outcome = match parameters.get("continue") {
        Some(handle) => auth.issuer().resume_authorization(handle, browser.as_ref()).await?,
        None => auth.issuer().authorize(&parameters, browser.as_ref()).await?,
    };
    issuer.page_response(browser.as_ref(), outcome).await
}

/// Request an authorization code with a form, or submit the consent
///
/// Accepts the parameters of `GET /oauth2/authorize`, or the form of the consent page.
#[utoipa::path(post, path = "/oauth2/authorize", tag = "OIDC", security(()),
    request_body(content = AuthorizationForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Page for sign-in or consent."),
        (status = 302, description = "Redirect to the client or to a sign-in provider."),
        Problems,
    ))]
async fn authorize_by_form(
    issuer: Issuer,
    Browser(browser): Browser,
    FormBody(form): FormBody,
) -> PageResult {
    let auth = &issuer.auth;
    let outcome = match (form.get("continue"), form.get("decision")) {
        (Some(handle), Some(decision)) => match form_sender(&browser, &form)? {
            FormSender::Page(sender) => {
                auth.issuer().submit_consent(handle, decision == "allow", sender).await?
            }
            FormSender::Unknown(browser) => auth.issuer().resume_authorization(handle, Some(browser)).await?,
        },
        _ => auth.issuer().authorize(&form, browser.as_ref()).await?,
    };
    issuer.page_response(browser.as_ref(), outcome).await
}

/// Show the page to connect a device
///
/// The user enters the code of a device without a browser there (RFC 8628 section 3.3).
#[utoipa::path(get, path = "/oauth2/device", tag = "OIDC", security(()),
    params(("user_code" = Option<String>, Query, description = "Code that the device shows.")),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Page to enter the code, or for consent."),
        (status = 302, description = "Redirect to sign-in."),
        Problems,
    ))]
async fn device(issuer: Issuer, Browser(browser): Browser, RawQuery(query): RawQuery) -> PageResult {
    let query = query.unwrap_or_default();
    let parameters = Parameters::new(pairs(query.as_bytes()));
    let Some(browser) = browser else {
        let entered = parameters.get("user_code").map(|code| format!("?user_code={}", sanitize_code(code)));
        let return_to = format!("/oauth2/device{}", entered.unwrap_or_default());
        return Ok(issuer.sign_in(&SignInRequired { return_to, login_hint: None, reauthenticate: false }));
    };
    match parameters.get("user_code") {
        Some(code) => issuer.ask_device(code, &browser).await,
        None => Ok(issuer.enter_user_code(false)),
    }
}

/// Removes all characters that a user code cannot contain, and shortens it to 16 characters.
fn sanitize_code(entered: &str) -> String {
    entered.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(16).collect()
}

/// Submit the consent for a device
#[utoipa::path(post, path = "/oauth2/device", tag = "OIDC", security(()),
    request_body(content = DeviceConsentForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, content_type = "text/html", body = String, description = "The decision is recorded."), Problems))]
async fn decide_device(issuer: Issuer, Browser(browser): Browser, FormBody(form): FormBody) -> PageResult {
    let code = form.get("user_code").unwrap_or_default();
    let sender = match form_sender(&browser, &form)? {
        FormSender::Page(sender) => sender,
        FormSender::Unknown(browser) => return issuer.ask_device(code, browser).await,
    };
    let allowed = form.get("decision") == Some("allow");
    match issuer.auth.issuer().submit_device_consent(code, allowed, sender).await {
        Ok(()) => Ok(issuer.pages.device_decided(allowed)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(issuer.enter_user_code(true)),
        Err(error) => Err(error.into()),
    }
}

/// Sign out on request of a client
///
/// Implements OpenID Connect RP-Initiated Logout 1.0. A signed-in user must confirm the logout.
#[utoipa::path(get, path = "/oauth2/logout", tag = "OIDC", security(()),
    params(
        ("id_token_hint" = Option<String>, Query), ("client_id" = Option<String>, Query),
        ("post_logout_redirect_uri" = Option<String>, Query), ("state" = Option<String>, Query),
    ),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "The user must confirm, or is not signed in."),
        (status = 302, description = "The user is not signed in; redirect to the client."),
        Problems,
    ))]
async fn logout(
    issuer: Issuer,
    Browser(browser): Browser,
    jar: CookieJar,
    RawQuery(query): RawQuery,
) -> PageResult {
    let parameters = Parameters::new(pairs(query.unwrap_or_default().as_bytes()));
    let request = issuer.auth.issuer().logout_request(&parameters).await?;
    Ok(match browser {
        Some(browser) => {
            let parameters = request.parameters().map(|(name, value)| (name, value.to_owned()));
            let hidden = parameters.chain([("csrf", browser.csrf_token.clone())]).collect();
            let destination = request.destination().map(|url| origin(&url).to_owned()).unwrap_or_default();
            issuer.pages.confirm_logout(&Form { action: server_path(LOGOUT), hidden, destination })
        }
        None => issuer.logged_out(jar, &request),
    })
}

/// Sign out on request of a client with a form, or confirm it
///
/// Accepts the parameters of `GET /oauth2/logout`, or the form of the confirmation page.
#[utoipa::path(post, path = "/oauth2/logout", tag = "OIDC", security(()),
    request_body(content = LogoutForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "The user is signed out."),
        (status = 302, description = "The user is signed out; redirect to the client."),
        (status = 303, description = "Redirect to the confirmation page."),
        Problems,
    ))]
async fn logout_by_form(
    issuer: Issuer,
    ClientOrigin(origin): ClientOrigin,
    Browser(browser): Browser,
    jar: CookieJar,
    FormBody(form): FormBody,
) -> PageResult {
    let request = issuer.auth.issuer().logout_request(&form).await?;
    if form.get("csrf").is_none() {
        // Browsers send no session cookie with the form of another site, but with the redirect after it.
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(request.parameters()).finish();
        let location = server_path(&format!("{LOGOUT}?{query}"));
        return Ok((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response());
    }
    if browser.is_some() {
        match form_sender(&browser, &form)? {
            FormSender::Page(sender) => {
                issuer.auth.sessions().revoke(sender.session.user_id, sender.session.id, &origin).await?;
            }
            FormSender::Unknown(_) => return Err(ApiError::csrf().into()),
        }
    }
    Ok(issuer.logged_out(jar, &request))
}
