//! Plain pages, which work without scripts.

use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::{ConsentPage, DeviceConsentPage, ErrorPage, Form, HtmlPages, SignInOption, with_product};
use crate::state::PRODUCT;

const STYLE: &str = "body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem }
input, button, a.button { display: block; width: 100%; box-sizing: border-box; padding: .6rem; font: inherit; \
margin: .5rem 0; text-align: center }
a.button { border: 1px solid #888; border-radius: .25rem; text-decoration: none; color: inherit }
.aside { color: #555; font-size: .9em }";

/// Moves the token of an invitation from the fragment of the link, which browsers send to no server, to its field. The
/// fragment leaves the address bar and the history.
const TOKEN_SCRIPT: &str = r#"const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  document.querySelector("input[name=token]").value = token;
  history.replaceState(null, "", location.pathname);
}"#;
/// SHA-256 of [`TOKEN_SCRIPT`], as the policy of its page names it. No other script can run there.
const TOKEN_SCRIPT_HASH: &str = "sha256-3MzZn3hmRx32Dx9MlcuX12lIXK5mI1rheLnfZAju3s8=";

/// Plain pages in English. They work without scripts; only the page for the token of an invitation has one, which fills in
/// the field. They cannot be framed by other sites.
#[derive(Debug, Clone)]
pub struct PlainPages {
    product: String,
}

impl PlainPages {
    /// Creates the pages of a product, whose name their titles contain.
    #[must_use]
    pub fn new(product: impl Into<String>) -> Self {
        Self { product: product.into() }
    }

    /// Renders a page. Its forms may lead to this server, and redirect from there to `form_destination`.
    fn page(&self, title: &str, form_destination: &str, content: &Markup) -> Response {
        self.page_with_script(title, form_destination, None, content)
    }

    /// Renders a page that may contain the script with a hash.
    fn page_with_script(
        &self,
        title: &str,
        form_destination: &str,
        hash: Option<&str>,
        content: &Markup,
    ) -> Response {
        let script = hash.map(|hash| format!("script-src '{hash}'; ")).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; {script}style-src 'unsafe-inline'; form-action 'self' {form_destination}; \
             base-uri 'none'; frame-ancestors 'none'"
        );
        let document = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (title) " · " (self.product) }
                    style { (maud::PreEscaped(STYLE)) }
                }
                body { h1 { (title) } (content) }
            }
        };
        ([(CONTENT_SECURITY_POLICY, policy)], Html(document.into_string())).into_response()
    }
}

impl Default for PlainPages {
    fn default() -> Self {
        Self::new(PRODUCT)
    }
}

impl HtmlPages for PlainPages {
    fn error(&self, page: &ErrorPage<'_>) -> Response {
        let content = html! {
            p { (page.detail) "." }
            p.aside {
                "Go back to the application and start again. If this happens again, send the operator of this server \
                 the request id " code { (page.request_id) } "."
            }
        };
        self.page("Request failed", "", &content)
    }

    fn choose_provider(&self, options: &[SignInOption]) -> Response {
        self.page("Sign in", "", &provider_links(options))
    }

    fn consent(&self, page: &ConsentPage<'_>) -> Response {
        let consent = page.consent;
        let content = html! {
            p { "You are signed in as " b { (page.user) } ". Allow " b { (consent.client_name) } " to:" }
            (permissions(&consent.scopes, consent.workspace.as_deref()))
            (form(&page.form, "post", &decision()))
            p.aside { "You will be redirected to " (page.form.destination) "." }
        };
        self.page("Allow access?", &page.form.destination, &content)
    }

    fn enter_user_code(&self, code_form: &Form, is_unknown: bool) -> Response {
        let field = html! {
            label {
                "Code shown on your device"
                input name="user_code" placeholder="XXXX-XXXX" autocomplete="off" required autofocus;
            }
            button { "Continue" }
        };
        let content = html! {
            @if is_unknown { p { "This code is unknown, has expired, or is for a workspace that you cannot access." } }
            (form(code_form, "get", &field))
        };
        self.page("Connect a device", "", &content)
    }

    fn device_consent(&self, page: &DeviceConsentPage<'_>) -> Response {
        let request = page.request;
        let content = html! {
            p { "You are signed in as " b { (page.user) } ". Allow " b { (request.client_name) } " on the device with the code " b { (request.user_code) } " to:" }
            (permissions(&request.scopes, request.workspace.as_deref()))
            @if let Some(address) = &request.address { p { "The request came from " (address) "." } }
            p { b { "Continue only if the device is in front of you and you started this sign-in yourself." } }
            (form(&page.form, "post", &decision()))
        };
        self.page("Allow access?", "", &content)
    }

    fn device_decided(&self, is_allowed: bool) -> Response {
        let content = html! {
            @if is_allowed { p { "Your device is connected. You can close this page." } }
            @else { p { "Your device did not get access. You can close this page." } }
        };
        self.page(if is_allowed { "Device connected" } else { "Access denied" }, "", &content)
    }

    fn sign_in_for_invitation(&self, options: &[SignInOption]) -> Response {
        let content = html! {
            p { "Sign in with the e-mail address that received the invitation. Then open the link in the mail again." }
            (provider_links(options))
        };
        self.page("Accept an invitation", "", &content)
    }

    fn enter_invitation_token(&self, token_form: &Form, user: &str) -> Response {
        let field = html! {
            label {
                "Paste the code from your invitation"
                input name="token" autocomplete="off" spellcheck="false" required autofocus;
            }
            button { "Accept" }
        };
        let content = html! {
            p { "You are signed in as " b { (user) } "." }
            (form(token_form, "post", &field))
            script { (maud::PreEscaped(TOKEN_SCRIPT)) }
        };
        self.page_with_script("Accept an invitation", "", Some(TOKEN_SCRIPT_HASH), &content)
    }

    fn invitation_accepted(&self, organization: &str) -> Response {
        let content = html! { p { "You are now a member of the organization " b { (organization) } ". You can close this page." } };
        self.page("Invitation accepted", "", &content)
    }

    fn confirm_logout(&self, logout_form: &Form) -> Response {
        let content = form(logout_form, "post", &html! { button { "Sign out" } });
        self.page("Sign out?", &logout_form.destination, &content)
    }

    fn development_sign_in(&self) -> Response {
        let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
        let page = with_product(include_str!("development.html"), &self.product);
        ([(CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
    }

    fn logged_out(&self) -> Response {
        self.page("You are signed out", "", &html! { p { "You can close this page." } })
    }
}

/// Renders the links to the sign-in providers.
fn provider_links(options: &[SignInOption]) -> Markup {
    html! {
        @for option in options { a.button href=(option.url) { "Continue with " (option.title) } }
        @if options.is_empty() { p { "No sign-in provider is configured on this server." } }
    }
}

/// Renders a form with its hidden fields.
fn form(form: &Form, method: &str, content: &Markup) -> Markup {
    html! {
        form method=(method) action=(form.action) {
            @for (name, value) in &form.hidden { input type="hidden" name=(name) value=(value); }
            (content)
        }
    }
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

fn decision() -> Markup {
    html! {
        button name="decision" value="allow" { "Allow" }
        button name="decision" value="deny" { "Deny" }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_admits_the_script_of_the_page_for_tokens_and_no_other() {
        let hash = format!("sha256-{}", STANDARD.encode(Sha256::digest(TOKEN_SCRIPT)));
        assert_eq!(TOKEN_SCRIPT_HASH, hash);
        let form = Form { action: "/invitations".to_owned(), hidden: Vec::new(), destination: String::new() };
        let policy = |page: Response| page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let pages = PlainPages::default();
        let with_script = policy(pages.enter_invitation_token(&form, "ann"));
        assert!(with_script.contains(&format!("script-src '{hash}';")), "{with_script}");
        assert!(!policy(pages.confirm_logout(&form)).contains("script-src"));
    }
}
