//! The pages that people see on their way into something: plain, without scripts, and never in somebody else's frame.

use axum::http::StatusCode;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use hexabase_auth::issuer::{Consent, DeviceRequest};
use hexabase_core::error::Error;
use maud::{DOCTYPE, Markup, html};

use crate::api::problem::Refusal;

const STYLE: &str = "body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem }
input, button, a.button { display: block; width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; \
margin: .5rem 0; text-align: center }
a.button { border: 1px solid #888; border-radius: .25rem; text-decoration: none; color: inherit }
.aside { color: #555; font-size: .9em }";

/// A page whose forms may lead to this server, and from here on to `beyond`.
fn page(status: StatusCode, title: &str, beyond: &str, content: &Markup) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {beyond}; base-uri 'none'; \
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

/// Scheme and host of an address: what a policy can name.
fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |place| place + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |place| authority + place);
    &url[..end]
}

/// Something is wrong, and there is nowhere to send the browser.
pub(super) struct Failure(Refusal);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let content = html! {
            p { (self.0.detail()) "." }
            p.aside { "Go back to where you came from and begin again. If that does not help, tell whoever runs it." }
        };
        page(self.0.status(), "This did not work", "", &content)
    }
}

/// A way to sign in: what people call it, and where it begins.
pub(super) struct Way {
    pub(super) title: String,
    pub(super) place: String,
}

/// Which provider to sign in with.
pub(super) fn choose_provider(ways: &[Way]) -> Response {
    let content = html! {
        @for way in ways { a.button href=(way.place) { "Continue with " (way.title) } }
        @if ways.is_empty() { p { "No way to sign in is set up on this server." } }
    };
    page(StatusCode::OK, "Sign in", "", &content)
}

/// What a client learns and may do, in words.
fn list_of(scopes: &[String], workspace: Option<&str>) -> Markup {
    let meaning = |scope: &str| match scope {
        "profile" => Some("know your name"),
        "email" => Some("know your e-mail address"),
        "groups" => Some("know which groups you are in"),
        "offline_access" => Some("go on until you end it among your sessions"),
        _ => None,
    };
    html! {
        ul {
            @if let Some(workspace) = workspace { li { "get into the workspace " b { (workspace) } " as you" } }
            li { "know who you are" }
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

/// Whether somebody agrees that a client gets in.
pub(super) fn ask_consent(consent: &Consent, who: &str, csrf: &str) -> Response {
    let destination = origin(&consent.redirect_uri);
    let content = html! {
        p { "You are " b { (who) } ". Let " b { (consent.client_name) } ":" }
        (list_of(&consent.scopes, consent.workspace.as_deref()))
        form method="post" action="/oauth2/authorize" {
            input type="hidden" name="continue" value=(consent.handle);
            input type="hidden" name="csrf" value=(csrf);
            (choice())
        }
        p.aside { "You go on to " (destination) "." }
    };
    page(StatusCode::OK, "Do you agree?", destination, &content)
}

/// Which code a device shows.
pub(super) fn ask_user_code(mistaken: bool) -> Response {
    let content = html! {
        @if mistaken { p { "There is no such code, or not any more." } }
        form method="get" action="/oauth2/device" {
            label {
                "The code that your device shows"
                input name="user_code" placeholder="XXXX-XXXX" autocomplete="off" required autofocus;
            }
            button { "Continue" }
        }
    };
    page(if mistaken { StatusCode::NOT_FOUND } else { StatusCode::OK }, "Connect a device", "", &content)
}

/// Whether somebody agrees that a device gets in.
pub(super) fn ask_device(request: &DeviceRequest, who: &str, csrf: &str) -> Response {
    let content = html! {
        p { "You are " b { (who) } ". A device shows the code " b { (request.user_code) } ". Let " b { (request.client_name) } " there:" }
        (list_of(&request.scopes, request.workspace.as_deref()))
        @if let Some(address) = &request.address { p { "It asks from " (address) "." } }
        p { b { "Go on only if that device is in front of you and you began this yourself." } }
        form method="post" action="/oauth2/device" {
            input type="hidden" name="user_code" value=(request.user_code);
            input type="hidden" name="csrf" value=(csrf);
            (choice())
        }
    };
    page(StatusCode::OK, "Do you agree?", "", &content)
}

/// The device goes on, or not.
pub(super) fn device_done(agreed: bool) -> Response {
    let content = html! {
        @if agreed { p { "Your device is connected. You can close this page." } }
        @else { p { "Your device was not let in. You can close this page." } }
    };
    page(StatusCode::OK, "That is all", "", &content)
}

/// Whether somebody wants to sign out.
pub(super) fn ask_logout(parameters: &[(String, String)], csrf: &str) -> Response {
    let content = html! {
        form method="post" action="/oauth2/logout" {
            @for (name, value) in parameters { input type="hidden" name=(name) value=(value); }
            input type="hidden" name="csrf" value=(csrf);
            button { "Sign out" }
        }
    };
    let beyond = parameters.iter().find(|(name, _)| name == "post_logout_redirect_uri");
    page(StatusCode::OK, "Sign out?", beyond.map_or("", |(_, uri)| origin(uri)), &content)
}

/// Somebody is signed out.
pub(super) fn logout_done() -> Response {
    page(StatusCode::OK, "You are signed out", "", &html! { p { "You can close this page." } })
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn a_policy_names_scheme_and_host() {
        assert_eq!(origin("http://localhost:8000/callback?a=b"), "http://localhost:8000");
        assert_eq!(origin("https://grafana.example"), "https://grafana.example");
        assert_eq!(origin("http://127.0.0.1?x"), "http://127.0.0.1");
    }
}
