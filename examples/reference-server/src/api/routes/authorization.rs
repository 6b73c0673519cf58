//! Where clients send people's browsers: to sign in, to agree, to connect a device, to sign out.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::CookieJar;
use hexabase_auth::CookiePrincipal;
use hexabase_auth::issuer::{Authorization, Logout, Parameters, SignInFirst};
use hexabase_core::error::{Error, ErrorKind};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::oauth::{Form, pairs};
use super::pages::{self, Failure, Way};
use super::sign_in::gone;
use crate::api::edge::{Browser, CSRF_COOKIE, SESSION_COOKIE, Visitor};
use crate::api::problem::{Problems, Refusal};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(authorize, authorize_by_form))
        .routes(routes!(device, answer_device))
        .routes(routes!(logout, logout_by_form))
}

type Shown = Result<Response, Failure>;

/// The outcome of an authorization, as a browser sees it.
async fn shown(app: &App, browser: Option<&CookiePrincipal>, outcome: Authorization) -> Shown {
    match (outcome, browser) {
        (Authorization::Redirect(place), _) => Ok(go(place)),
        (Authorization::SignIn(first), _) => Ok(sign_in(app, &first)),
        (Authorization::Consent(consent), Some(browser)) => {
            Ok(pages::ask_consent(&consent, &name_of(app, browser).await?, &browser.csrf_token))
        }
        (Authorization::Consent(_), None) => Err(Error::unauthenticated("nobody is signed in").into()),
    }
}

fn go(place: String) -> Response {
    (StatusCode::FOUND, [(LOCATION, place)]).into_response()
}

/// To the only provider, or to the choice between several.
fn sign_in(app: &App, first: &SignInFirst) -> Response {
    let way = |provider: &dyn hexabase_core::identity::IdentityProvider| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("return_to", &first.return_to);
        if let Some(hint) = &first.login_hint {
            query.append_pair("login_hint", hint);
        }
        if first.reauthenticate {
            query.append_pair("prompt", "login");
        }
        let place = format!("/auth/login/{}?{}", provider.name(), query.finish());
        Way { title: provider.title().to_owned(), place }
    };
    let ways: Vec<Way> = app.auth.providers().map(way).collect();
    match ways.as_slice() {
        [only] => go(only.place.clone()),
        ways => pages::choose_provider(ways),
    }
}

/// What somebody is called who is signed in.
async fn name_of(app: &App, browser: &CookiePrincipal) -> Result<String, Failure> {
    let user = app.platform.users().profile(browser.session.user_id).await?.user;
    Ok(user.email.map_or_else(|| user.name.to_string(), |email| email.to_string()))
}

/// Whoever sent a form from a page of ours.
fn sender<'a>(
    browser: &'a Option<CookiePrincipal>,
    form: &Parameters,
) -> Result<&'a CookiePrincipal, Failure> {
    let browser = browser.as_ref().ok_or_else(|| Error::unauthenticated("nobody is signed in"))?;
    match browser.has_sent(form.get("csrf").unwrap_or_default()) {
        true => Ok(browser),
        false => Err(Refusal::csrf().into()),
    }
}

/// Let a client know who somebody is, with a code (RFC 6749 section 4.1). `code_challenge` is required.
#[utoipa::path(get, path = "/oauth2/authorize", tag = "OIDC", security(()),
    params(
        ("client_id" = String, Query), ("redirect_uri" = String, Query), ("response_type" = String, Query),
        ("scope" = String, Query), ("state" = Option<String>, Query), ("nonce" = Option<String>, Query),
        ("code_challenge" = String, Query), ("code_challenge_method" = String, Query),
        ("prompt" = Option<String>, Query), ("max_age" = Option<u64>, Query),
        ("login_hint" = Option<String>, Query), ("id_token_hint" = Option<String>, Query),
    ),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "A page to sign in or to agree."),
        (status = 302, description = "Back to the client, or on to a provider."),
        Problems,
    ))]
async fn authorize(State(app): State<App>, Browser(browser): Browser, RawQuery(query): RawQuery) -> Shown {
    let parameters = Parameters::new(pairs(query.unwrap_or_default().as_bytes()));
    let outcome = match parameters.get("continue") {
        Some(handle) => app.auth.resume_authorization(handle, browser.as_ref()).await?,
        None => app.auth.authorize(&parameters, browser.as_ref()).await?,
    };
    shown(&app, browser.as_ref(), outcome).await
}

/// The same with a form, or the answer of somebody who was asked whether they agree.
#[utoipa::path(post, path = "/oauth2/authorize", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "A page to sign in or to agree."),
        (status = 302, description = "Back to the client, or on to a provider."),
        Problems,
    ))]
async fn authorize_by_form(State(app): State<App>, Browser(browser): Browser, Form(form): Form) -> Shown {
    let outcome = match (form.get("continue"), form.get("decision")) {
        (Some(handle), Some(decision)) => {
            let sender = sender(&browser, &form)?;
            app.auth.answer_authorization(handle, decision == "allow", sender).await?
        }
        _ => app.auth.authorize(&form, browser.as_ref()).await?,
    };
    shown(&app, browser.as_ref(), outcome).await
}

/// Connect a device that has no browser: the page where its code is typed (RFC 8628 section 3.3).
#[utoipa::path(get, path = "/oauth2/device", tag = "OIDC", security(()),
    params(("user_code" = Option<String>, Query, description = "What the device shows.")),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "A page to type or to agree."),
        (status = 302, description = "On to sign in."),
        Problems,
    ))]
async fn device(State(app): State<App>, Browser(browser): Browser, RawQuery(query): RawQuery) -> Shown {
    let query = query.unwrap_or_default();
    let parameters = Parameters::new(pairs(query.as_bytes()));
    let Some(browser) = browser else {
        let typed = parameters.get("user_code").map(|code| format!("?user_code={}", code_of(code)));
        let return_to = format!("/oauth2/device{}", typed.unwrap_or_default());
        return Ok(sign_in(&app, &SignInFirst { return_to, login_hint: None, reauthenticate: false }));
    };
    let Some(code) = parameters.get("user_code") else { return Ok(pages::ask_user_code(false)) };
    match app.auth.device_request(code, browser.session.user_id).await {
        Ok(request) => Ok(pages::ask_device(&request, &name_of(&app, &browser).await?, &browser.csrf_token)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(pages::ask_user_code(true)),
        Err(error) => Err(error.into()),
    }
}

/// As much of a code as can be one.
fn code_of(typed: &str) -> String {
    typed.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(16).collect()
}

/// Answer whether the device may go on.
#[utoipa::path(post, path = "/oauth2/device", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, content_type = "text/html", body = String, description = "It is answered."), Problems))]
async fn answer_device(State(app): State<App>, Browser(browser): Browser, Form(form): Form) -> Shown {
    let sender = sender(&browser, &form)?;
    let agrees = form.get("decision") == Some("allow");
    match app.auth.answer_device(form.get("user_code").unwrap_or_default(), agrees, sender).await {
        Ok(()) => Ok(pages::device_done(agrees)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(pages::ask_user_code(true)),
        Err(error) => Err(error.into()),
    }
}

/// Sign out, as a client asks for it (OpenID Connect RP-Initiated Logout 1.0).
#[utoipa::path(get, path = "/oauth2/logout", tag = "OIDC", security(()),
    params(
        ("id_token_hint" = Option<String>, Query), ("client_id" = Option<String>, Query),
        ("post_logout_redirect_uri" = Option<String>, Query), ("state" = Option<String>, Query),
    ),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Signed out, or asked whether to."),
        (status = 302, description = "Signed out; back to the client."),
        Problems,
    ))]
async fn logout(
    State(app): State<App>,
    visitor: Visitor,
    Browser(browser): Browser,
    jar: CookieJar,
    RawQuery(query): RawQuery,
) -> Shown {
    let parameters = Parameters::new(pairs(query.unwrap_or_default().as_bytes()));
    leave(&app, &visitor, browser, jar, &parameters, false).await
}

/// The same with a form, or the answer of somebody who was asked whether they want to.
#[utoipa::path(post, path = "/oauth2/logout", tag = "OIDC", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Signed out, or asked whether to."),
        (status = 302, description = "Signed out; back to the client."),
        Problems,
    ))]
async fn logout_by_form(
    State(app): State<App>,
    visitor: Visitor,
    Browser(browser): Browser,
    jar: CookieJar,
    Form(form): Form,
) -> Shown {
    let confirmed = form.get("csrf").is_some() && sender(&browser, &form).is_ok();
    leave(&app, &visitor, browser, jar, &form, confirmed).await
}

async fn leave(
    app: &App,
    Visitor(origin): &Visitor,
    browser: Option<CookiePrincipal>,
    jar: CookieJar,
    parameters: &Parameters,
    confirmed: bool,
) -> Shown {
    let outcome = app.auth.log_out(parameters, browser.as_ref(), confirmed, origin).await?;
    let destination = match (outcome, browser) {
        (Logout::Ask, Some(browser)) => {
            let kept = ["client_id", "post_logout_redirect_uri", "state"].into_iter();
            let kept = kept.filter_map(|name| Some((name.to_owned(), parameters.get(name)?.to_owned())));
            return Ok(pages::ask_logout(&kept.collect::<Vec<_>>(), &browser.csrf_token));
        }
        (Logout::Ask, None) => None,
        (Logout::Done(destination), _) => destination,
    };
    let jar = jar.remove(gone(app, SESSION_COOKIE)).remove(gone(app, CSRF_COOKIE));
    Ok((jar, destination.map_or_else(pages::logout_done, go)).into_response())
}
