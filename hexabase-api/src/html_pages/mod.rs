//! HTML pages that sign-in and the OpenID Connect provider show.
//!
//! [`PlainPages`] ships; a web console replaces it with pages of its own.

mod plain;

use std::fmt;

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_auth::issuer::{Consent, DeviceRequest};

pub use crate::oidc::authorization::PageError;
pub use plain::PlainPages;

/// Pages for browsers, as complete responses with their `Content-Security-Policy`.
///
/// Pages contain names that users and clients chose, so implementations escape all values. They must not load anything
/// from other sites: some are shown between a user's authentication and the consent.
pub trait HtmlPages: fmt::Debug + Send + Sync + 'static {
    /// Page for an error. The caller sets the status and `Retry-After`.
    fn error(&self, page: &ErrorPage<'_>) -> Response;

    /// Choice of a sign-in provider. There may be none.
    fn choose_provider(&self, options: &[SignInOption]) -> Response;

    /// Question whether a client may access the account.
    fn consent(&self, page: &ConsentPage<'_>) -> Response;

    /// Form for the code that a device shows. `form` is sent with `GET`; the field is `user_code`. The code that was
    /// entered before is unknown if `is_unknown` is `true`; the caller sets the status.
    fn enter_user_code(&self, form: &Form, is_unknown: bool) -> Response;

    /// Question whether a device may access the account.
    fn device_consent(&self, page: &DeviceConsentPage<'_>) -> Response;

    /// Result of the decision about a device.
    fn device_decided(&self, is_allowed: bool) -> Response;

    /// Choice of a sign-in provider for an invited user. There may be none. The token of the invitation is in the fragment
    /// of the link, which is lost at the provider, so the user must open the link again after the sign-in.
    fn sign_in_for_invitation(&self, options: &[SignInOption]) -> Response;

    /// Form for the token of an invitation, in the field `token`. `form` is sent with `POST`; `user` is the e-mail address
    /// or the name of the signed-in user. The link in the mail has the token in its fragment, as `#token=…`: a script can
    /// fill in the field, and without scripts the user pastes the token.
    fn enter_invitation_token(&self, form: &Form, user: &str) -> Response;

    /// Confirmation that the user has joined an organization, by its display name.
    fn invitation_accepted(&self, organization: &str) -> Response;

    /// Question whether to sign out.
    fn confirm_logout(&self, form: &Form) -> Response;

    /// Confirmation that the user is signed out.
    fn logged_out(&self) -> Response;

    /// Sign-in form of the development provider, with which any client signs in as any user. The fields are `email` and
    /// `name`; the form is sent with `POST` to the URL of the page itself, with its query.
    fn development_sign_in(&self) -> Response;
}

/// Error of a request.
#[derive(Debug, Clone)]
pub struct ErrorPage<'a> {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code of the error, in `snake_case`, by which a page in another language finds its text.
    pub code: &'static str,
    /// Description of the error with its remedy, without a full stop.
    pub detail: String,
    /// Id of the request, by which the operator finds the cause in the log; empty if unknown.
    pub request_id: &'a str,
}

/// Sign-in provider to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInOption {
    /// Display name of the provider.
    pub title: String,
    /// URL to start the sign-in.
    pub url: String,
}

/// Form of a page. A page must contain all hidden fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    /// Path on this server that the form is sent to.
    pub action: String,
    /// Names and values of the hidden fields. One is the CSRF token, so they must not be logged.
    pub hidden: Vec<(&'static str, String)>,
    /// Origin that the server redirects to after the form, which `form-action` of the page's policy must allow; empty if
    /// it does not.
    pub destination: String,
}

/// Question whether a client may access the account. The buttons are named `decision`, with the value `allow` or `deny`.
#[derive(Debug)]
pub struct ConsentPage<'a> {
    /// Form with the decision.
    pub form: Form,
    /// Request of the client.
    pub consent: &'a Consent,
    /// E-mail address or name of the signed-in user.
    pub user: &'a str,
}

/// Question whether a device may access the account. The buttons are those of a [`ConsentPage`].
#[derive(Debug)]
pub struct DeviceConsentPage<'a> {
    /// Form with the decision.
    pub form: Form,
    /// Request of the device.
    pub request: &'a DeviceRequest,
    /// E-mail address or name of the signed-in user.
    pub user: &'a str,
}

impl fmt::Debug for Form {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.hidden.iter().map(|(name, _)| name).collect();
        out.debug_struct("Form").field("action", &self.action).field("hidden", &names).finish_non_exhaustive()
    }
}

/// Returns a page in which the name of the product takes the place of `{product}`.
pub(crate) fn with_product(page: &str, product: &str) -> String {
    page.replace("{product}", &maud::html! { (product) }.into_string())
}

/// Returns scheme and host of a URL, as a Content-Security-Policy names it.
pub(crate) fn origin(url: &str) -> &str {
    let authority = url.find("://").map_or(0, |index| index + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |index| authority + index);
    &url[..end]
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
