//! Pages that the API shows, in the look of the console: errors, consent, devices and invitations.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::REFERRER_POLICY;
use axum::response::Response;
use hexabase_api::html_pages::{ConsentPage, DeviceConsentPage, ErrorPage, Form, HtmlPages, SignInOption};
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Control, Field, Link, Shell, Tone, api_text, field, link_button, notice, shell, submit_button,
};
use crate::context::View;
use crate::form::error_text;
use crate::language::Texts;
use crate::response::document;
use crate::{assets, urls};

/// Page outside of a session, without navigation.
pub(crate) struct Frame<'a> {
    product: &'a str,
    title: &'a str,
    form_destination: &'a str,
    continue_at: Option<String>,
}

impl<'a> Frame<'a> {
    /// Creates a page of a product.
    pub(crate) fn new(product: &'a str, title: &'a str) -> Self {
        Self { product, title, form_destination: "", continue_at: None }
    }

    /// Sets the origin that a form of the page may redirect to.
    fn leading_to(self, form_destination: &'a str) -> Self {
        Self { form_destination, ..self }
    }

    /// Sets the address that the browser continues at by itself.
    pub(crate) fn continuing_at(self, continue_at: Option<String>) -> Self {
        Self { continue_at, ..self }
    }

    /// Returns the page as a response.
    pub(crate) fn respond(&self, status: StatusCode, content: &Markup) -> Response {
        let view = View::current();
        let frame = Shell {
            product: self.product.to_owned(),
            title: vec![self.title.to_owned()],
            has_errors: false,
            appearance: view.appearance,
            stylesheets: vec![assets::url("console.css")],
            icon: Some(assets::url("icon.svg")),
            script: Some(assets::url("console.mjs")),
            continue_at: self.continue_at.clone(),
            refresh_seconds: None,
            header: None,
            navigation: Vec::new(),
            ancestors: Vec::new(),
            flash: None,
            footer: vec![Link::new(view.texts.text("preferences-title"), urls::preferences())],
        };
        let content =
            html! { h1 { (self.title) } (content) p id="announcer" class="hidden" role="status" {} };
        document(status, &shell(&view.texts, &frame, &content), self.form_destination)
    }
}

/// Pages of the API.
#[derive(Debug, Clone)]
pub(crate) struct ConsolePages {
    product: Arc<str>,
}

impl ConsolePages {
    /// Creates the pages of a product.
    pub(crate) fn new(product: Arc<str>) -> Self {
        Self { product }
    }

    fn frame<'a>(&'a self, title: &'a str) -> Frame<'a> {
        Frame::new(&self.product, title)
    }
}

impl HtmlPages for ConsolePages {
    fn error(&self, page: &ErrorPage<'_>) -> Response {
        let texts = View::current().texts;
        let title = match page.status {
            StatusCode::NOT_FOUND => texts.text("error-title-not-found"),
            StatusCode::FORBIDDEN => texts.text("error-title-forbidden"),
            StatusCode::UNAUTHORIZED => texts.text("error-title-unauthenticated"),
            StatusCode::TOO_MANY_REQUESTS => texts.text("error-title-rate-limited"),
            StatusCode::SERVICE_UNAVAILABLE => texts.text("error-title-unavailable"),
            _ => texts.text("error-title"),
        };
        let is_temporary = page.status == StatusCode::SERVICE_UNAVAILABLE;
        let tone = if is_temporary { Tone::Warning } else { Tone::Bad };
        let content = html! {
            (notice(tone, &error_text(texts, page.code, &page.detail), &html! {
                @if page.status == StatusCode::FORBIDDEN { p { (api_text(&texts, &format!("{}.", page.detail))) } }
                p class="note" { (texts.text("error-request-id")) " " code { (page.request_id) } }
            }))
            div class="actions" {
                (link_button(ButtonKind::Primary, &texts.text("error-home"), &urls::home()))
                @if page.status == StatusCode::UNAUTHORIZED {
                    (link_button(ButtonKind::Secondary, &texts.text("sign-in-title"), &urls::sign_in()))
                }
            }
        };
        self.frame(&title).respond(page.status, &content)
    }

    fn choose_provider(&self, options: &[SignInOption]) -> Response {
        let texts = View::current().texts;
        self.frame(&texts.text("sign-in-title")).respond(StatusCode::OK, &provider_links(&texts, options))
    }

    fn consent(&self, page: &ConsentPage<'_>) -> Response {
        let texts = View::current().texts;
        let consent = page.consent;
        let content = html! {
            p {
                (texts.text_with("consent-about", &[
                    ("user", page.user.into()), ("client", (&consent.client_name).into()),
                ]))
            }
            (permissions(&texts, &consent.scopes, consent.workspace.as_deref()))
            (form(&page.form, "post", &decision(&texts)))
            p class="note" {
                (texts.text_with("consent-destination", &[("destination", (&page.form.destination).into())]))
            }
        };
        self.frame(&texts.text("consent-title"))
            .leading_to(&page.form.destination)
            .respond(StatusCode::OK, &content)
    }

    fn enter_user_code(&self, code_form: &Form, is_unknown: bool) -> Response {
        let texts = View::current().texts;
        let error = is_unknown.then(|| texts.text("device-unknown"));
        let code = Field::line("user_code", texts.text("device-code")).error(error).required();
        let content = form(
            code_form,
            "get",
            &html! {
                (field(&texts, &code))
                (submit_button(&texts, ButtonKind::Primary, &texts.text("device-continue")))
            },
        );
        self.frame(&texts.text("device-title")).respond(StatusCode::OK, &content)
    }

    fn device_consent(&self, page: &DeviceConsentPage<'_>) -> Response {
        let texts = View::current().texts;
        let request = page.request;
        let content = html! {
            p {
                (texts.text_with("device-about", &[
                    ("user", page.user.into()), ("client", (&request.client_name).into()),
                    ("code", (&request.user_code).into()),
                ]))
            }
            (permissions(&texts, &request.scopes, request.workspace.as_deref()))
            @if let Some(address) = &request.address {
                p { (texts.text_with("device-address", &[("address", address.into())])) }
            }
            (notice(Tone::Warning, &texts.text("device-warning"), &html! {}))
            (form(&page.form, "post", &decision(&texts)))
        };
        self.frame(&texts.text("consent-title")).respond(StatusCode::OK, &content)
    }

    fn device_decided(&self, is_allowed: bool) -> Response {
        let texts = View::current().texts;
        let (title, about) = match is_allowed {
            true => (texts.text("device-connected-title"), texts.text("device-connected")),
            false => (texts.text("device-denied-title"), texts.text("device-denied")),
        };
        self.frame(&title).respond(StatusCode::OK, &html! { p role="status" { (about) } })
    }

    fn sign_in_for_invitation(&self, options: &[SignInOption]) -> Response {
        let texts = View::current().texts;
        let content = html! {
            p { (texts.text("invitation-sign-in")) }
            (provider_links(&texts, options))
        };
        self.frame(&texts.text("invitation-accept-title")).respond(StatusCode::OK, &content)
    }

    fn enter_invitation_token(&self, token_form: &Form, user: &str) -> Response {
        let texts = View::current().texts;
        let content = html! {
            p { (texts.text_with("signed-in-as", &[("user", user.into())])) }
            (form(token_form, "post", &html! {
                div class="field" {
                    label for="token" { (texts.text("invitation-token")) }
                    // The token is in the fragment of the link in the mail; a script fills it in.
                    input id="token" name="token" type="text" autocomplete="off" spellcheck="false" required
                        data-fragment="token";
                }
                (submit_button(&texts, ButtonKind::Primary, &texts.text("invitation-accept")))
            }))
        };
        let mut page = self.frame(&texts.text("invitation-accept-title")).respond(StatusCode::OK, &content);
        page.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        page
    }

    fn invitation_accepted(&self, organization: &str) -> Response {
        let texts = View::current().texts;
        let content = html! {
            p role="status" { (texts.text_with("invitation-accepted", &[("name", organization.into())])) }
            (link_button(ButtonKind::Primary, &texts.text("organizations-title"), &urls::organizations()))
        };
        self.frame(&texts.text("invitation-accepted-title")).respond(StatusCode::OK, &content)
    }

    fn confirm_logout(&self, logout_form: &Form) -> Response {
        let texts = View::current().texts;
        let button = submit_button(&texts, ButtonKind::Primary, &texts.text("sign-out"));
        self.frame(&texts.text("sign-out-title"))
            .leading_to(&logout_form.destination)
            .respond(StatusCode::OK, &form(logout_form, "post", &button))
    }

    fn logged_out(&self) -> Response {
        let texts = View::current().texts;
        let content = html! { p role="status" { (texts.text("signed-out-about")) } };
        self.frame(&texts.text("signed-out-title")).respond(StatusCode::OK, &content)
    }

    fn development_sign_in(&self) -> Response {
        let texts = View::current().texts;
        let email_control = Control::Line { kind: "email", autocomplete: "email", suggestions: Vec::new() };
        let email =
            Field::new("email", texts.text("field-email"), email_control).value("ann@example.com").required();
        let user = Field::line("name", texts.text("field-display-name"));
        let content = html! {
            (notice(Tone::Warning, &texts.text("development-title"), &html! { p { (texts.text("development-about")) } }))
            form class="form" method="post" {
                (field(&texts, &email))
                (field(&texts, &user))
                (submit_button(&texts, ButtonKind::Primary, &texts.text("sign-in-title")))
            }
        };
        self.frame(&texts.text("sign-in-title")).respond(StatusCode::OK, &content)
    }
}

/// Links to the sign-in providers.
pub(crate) fn provider_links(texts: &Texts, options: &[SignInOption]) -> Markup {
    html! {
        @if options.is_empty() { p { (texts.text("sign-in-none")) } }
        div class="providers" {
            @for option in options {
                @let label = texts.text_with("sign-in-with", &[("provider", (&option.title).into())]);
                (link_button(ButtonKind::Primary, &label, &option.url))
            }
        }
    }
}

/// Form of the API with its hidden fields.
fn form(form: &Form, method: &str, content: &Markup) -> Markup {
    html! {
        form class="form" method=(method) action=(form.action) {
            @for (name, value) in &form.hidden { input type="hidden" name=(name) value=(value); }
            (content)
        }
    }
}

/// Permissions that a client requests, in words.
pub(crate) fn permissions(texts: &Texts, scopes: &[String], workspace: Option<&str>) -> Markup {
    let meaning = |scope: &String| match scope.as_str() {
        "profile" => Some(texts.text("scope-profile")),
        "email" => Some(texts.text("scope-email")),
        "groups" => Some(texts.text("scope-groups")),
        "offline_access" => Some(texts.text("scope-offline-access")),
        _ => None,
    };
    html! {
        ul {
            @if let Some(workspace) = workspace {
                li { (texts.text_with("scope-workspace", &[("workspace", workspace.into())])) }
            }
            li { (texts.text("scope-openid")) }
            @for text in scopes.iter().filter_map(meaning) { li { (text) } }
        }
    }
}

/// Buttons of equal size.
fn decision(texts: &Texts) -> Markup {
    html! {
        div class="form-actions" {
            button class="button primary" type="submit" name="decision" value="allow" { (texts.text("consent-allow")) }
            button class="button" type="submit" name="decision" value="deny" { (texts.text("consent-deny")) }
        }
    }
}
