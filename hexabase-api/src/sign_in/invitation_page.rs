//! Page that the link in the mail of an invitation leads to. The token is in the fragment of the link, which browsers do not
//! send: a script of the page fills it in, or the user pastes it from the mail.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use hexabase_auth::Auth;
use hexabase_auth::issuer::SignInRequired;
use hexabase_core::Platform;
use hexabase_core::platform::Caller;
use hexabase_core::secret::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::{Browser, ClientOrigin};
use crate::html_pages::{Form, HtmlPages};
use crate::layers::server_path;
use crate::oidc::authorization::{FormSender, PageResult, display_name, form_sender, sign_in_options};
use crate::oidc::oauth::{Form as FormBody, OAuthErrorResponse};
use crate::problem::{ApiError, Problems};

/// Path of the page and of its form, which notifications link to.
const INVITATIONS: &str = "/invitations";

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(show_invitation_form, accept_invitation_by_form))
}

/// Returns the form for the token, or the links to sign in. It never redirects to a provider: browsers would carry the
/// fragment with the token there.
async fn page(auth: &Auth, pages: &dyn HtmlPages, Browser(browser): &Browser) -> PageResult {
    let Some(browser) = browser else {
        let return_to = INVITATIONS.to_owned();
        let required = SignInRequired { return_to, login_hint: None, reauthenticate: false };
        return Ok(pages.sign_in_for_invitation(&sign_in_options(auth, &required, None)));
    };
    let hidden = vec![("csrf", browser.csrf_token.clone())];
    let form = Form { action: server_path(INVITATIONS), hidden, destination: String::new() };
    Ok(pages.enter_invitation_token(&form, &display_name(auth, browser).await?))
}

/// Show the page to accept an invitation
///
/// The link in the mail of an invitation leads here. A signed-in user enters the token; other users receive links to sign
/// in, never a redirect.
#[utoipa::path(get, path = "/invitations", tag = "Sign-in", security(()),
    responses(
        (status = 200, content_type = "text/html", body = String, description = "Page to enter the token, or to sign in."),
        Problems,
    ))]
async fn show_invitation_form(
    State(auth): State<Arc<Auth>>,
    State(pages): State<Arc<dyn HtmlPages>>,
    browser: Browser,
) -> PageResult {
    page(&auth, &*pages, &browser).await
}

/// Submit the page to accept an invitation
///
/// Accepts the form of the page; programs use `POST /api/v1/invitations/accept`.
#[utoipa::path(post, path = "/invitations", tag = "Sign-in", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, content_type = "text/html", body = String,
            description = "The user has joined the organization, or must enter the token again or sign in."),
        Problems,
    ))]
async fn accept_invitation_by_form(
    State(auth): State<Arc<Auth>>,
    State(pages): State<Arc<dyn HtmlPages>>,
    State(platform): State<Platform>,
    ClientOrigin(origin): ClientOrigin,
    browser: Browser,
    form: Result<FormBody, OAuthErrorResponse>,
) -> PageResult {
    let FormBody(form) = form.map_err(|_| ApiError::malformed("the form cannot be read"))?;
    if browser.0.is_none() {
        return page(&auth, &*pages, &browser).await;
    }
    let principal = match form_sender(&browser.0, &form)? {
        FormSender::Page(sender) => sender.principal.clone(),
        FormSender::Unknown(_) => return page(&auth, &*pages, &browser).await,
    };
    let caller = Caller { origin, ..Caller::new(principal) };
    let token = SecretString::from(form.get("token").unwrap_or_default().trim());
    let joined = platform.invitations().accept(&caller, &token).await?;
    let (organization, _) = joined.value;
    Ok(pages.invitation_accepted(organization.display_name.as_str()))
}
