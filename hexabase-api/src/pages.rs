//! HTML pages of sign-in and consent. They have no scripts and cannot be framed by other sites.

use axum::http::StatusCode;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use hexabase_auth::issuer::{Consent, DeviceRequest, LogoutRequest};
use hexabase_core::error::Error;
use maud::{DOCTYPE, Markup, html};

use crate::problem::ApiError;

const STYLE: &str = "body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem }
input, button, a.button { display: block; width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; \
margin: .5rem 0; text-align: center }
a.button { border: 1px solid #888; border-radius: .25rem; text-decoration: none; color: inherit }
.aside { color: #555; font-size: .9em }";

/// Renders a page. Its forms may lead to this server, and redirect from there to `form_destination`.
fn page(status: StatusCode, title: &str, form_destination: &str, content: &Markup) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {form_destination}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Hexabase" }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { h1 { (title) } (content) }
        }
    };
    (status, [(CONTENT_SECURITY_POLICY, policy.trim_end().to_owned())], Html(document.into_string()))
        .into_response()
}

/// Returns scheme and host of a URL, as a Content-Security-Policy names it.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |index| index + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |index| authority + index);
    &url[..end]
}

/// Page for an error that cannot be reported to a client by a redirect.
#[derive(Debug, Clone)]
pub(crate) struct ErrorPage(ApiError);

impl From<Error> for ErrorPage {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<ApiError> for ErrorPage {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl ErrorPage {
    /// Renders the page for the request with this id, by which the operator finds the cause in the log.
    pub(crate) fn into_page_response(self, request_id: &str) -> Response {
        let content = html! {
            p { (self.0.detail()) "." }
            p.aside {
                "Go back to the application and start again. If this happens again, send the operator of this server \
                 the request id " code { (request_id) } "."
            }
        };
        let mut response = page(self.0.status(), "Request failed", "", &content);
        self.0.set_retry_after(response.headers_mut());
        response
    }
}

impl IntoResponse for ErrorPage {
    /// Passes the error to the edge layer, which knows the request id and writes the page.
    fn into_response(self) -> Response {
        let mut response = self.0.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Sign-in provider to choose.
pub(crate) struct SignInOption {
    /// Display name of the provider.
    pub(crate) title: String,
    /// URL to start the sign-in.
    pub(crate) url: String,
}

/// Renders the choice of a sign-in provider.
pub(crate) fn choose_provider(options: &[SignInOption]) -> Response {
    let content = html! {
        @for option in options { a.button href=(option.url) { "Continue with " (option.title) } }
        @if options.is_empty() { p { "No sign-in provider is configured on this server." } }
    };
    page(StatusCode::OK, "Sign in", "", &content)
}

/// Renders the list of permissions that a client requests.
fn permissions(scopes: &[String], workspace: Option<&str>) -> Markup {
    let meaning = |scope: &str| match scope {
        "profile" => Some("read your name"),
        "email" => Some("read your e-mail address"),
        "groups" => Some("read your group memberships"),
        "offline_access" => Some("keep this access until you end its session"),
        _ => None,
    };
    html! {
        ul {
            @if let Some(workspace) = workspace { li { "access the workspace " b { (workspace) } " on your behalf" } }
            li { "identify you" }
            @for scope in scopes.iter().filter_map(|scope| meaning(scope)) { li { (scope) } }
        }
    }
}

fn choice() -> Markup {
    html! {
        button name="decision" value="allow" { "Allow" }
        button name="decision" value="deny" { "Deny" }
    }
}

/// Renders the consent page for a client.
pub(crate) fn ask_consent(consent: &Consent, user_name: &str, csrf: &str) -> Response {
    let destination = origin(&consent.redirect_uri);
    let content = html! {
        p { "You are signed in as " b { (user_name) } ". Allow " b { (consent.client_name) } " to:" }
        (permissions(&consent.scopes, consent.workspace.as_deref()))
        form method="post" action="/oauth2/authorize" {
            input type="hidden" name="continue" value=(consent.handle);
            input type="hidden" name="csrf" value=(csrf);
            (choice())
        }
        p.aside { "You will be redirected to " (destination) "." }
    };
    page(StatusCode::OK, "Allow access?", destination, &content)
}

/// Renders the page to enter the user code of a device.
pub(crate) fn ask_user_code(is_unknown: bool) -> Response {
    let content = html! {
        @if is_unknown { p { "This code is unknown, has expired, or is for a workspace that you cannot access." } }
        form method="get" action="/oauth2/device" {
            label {
                "Code shown on your device"
                input name="user_code" placeholder="XXXX-XXXX" autocomplete="off" required autofocus;
            }
            button { "Continue" }
        }
    };
    page(if is_unknown { StatusCode::NOT_FOUND } else { StatusCode::OK }, "Connect a device", "", &content)
}

/// Renders the consent page for a device.
pub(crate) fn ask_device(request: &DeviceRequest, user_name: &str, csrf: &str) -> Response {
    let content = html! {
        p { "You are signed in as " b { (user_name) } ". Allow " b { (request.client_name) } " on the device with the code " b { (request.user_code) } " to:" }
        (permissions(&request.scopes, request.workspace.as_deref()))
        @if let Some(address) = &request.address { p { "The request came from " (address) "." } }
        p { b { "Continue only if the device is in front of you and you started this sign-in yourself." } }
        form method="post" action="/oauth2/device" {
            input type="hidden" name="user_code" value=(request.user_code);
            input type="hidden" name="csrf" value=(csrf);
            (choice())
        }
    };
    page(StatusCode::OK, "Allow access?", "", &content)
}

/// Renders the page after the decision about a device.
pub(crate) fn device_done(allowed: bool) -> Response {
    let content = html! {
        @if allowed { p { "Your device is connected. You can close this page." } }
        @else { p { "Your device did not get access. You can close this page." } }
    };
    page(StatusCode::OK, if allowed { "Device connected" } else { "Access denied" }, "", &content)
}

/// Renders the confirmation page for a logout.
pub(crate) fn ask_logout(request: &LogoutRequest, csrf: &str) -> Response {
    let content = html! {
        form method="post" action="/oauth2/logout" {
            @for (name, value) in request.parameters() { input type="hidden" name=(name) value=(value); }
            input type="hidden" name="csrf" value=(csrf);
            button { "Sign out" }
        }
    };
    let destination = request.destination().unwrap_or_default();
    page(StatusCode::OK, "Sign out?", origin(&destination), &content)
}

/// Renders the page after a logout.
pub(crate) fn logout_done() -> Response {
    page(StatusCode::OK, "You are signed out", "", &html! { p { "You can close this page." } })
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn origin_is_scheme_and_host() {
        assert_eq!(origin("http://localhost:8000/callback?a=b"), "http://localhost:8000");
        assert_eq!(origin("https://grafana.example"), "https://grafana.example");
        assert_eq!(origin("http://127.0.0.1?x"), "http://127.0.0.1");
    }
}
