//! Recent authentication of the user, which actions require whose effects cannot be undone.

use hexabase_api::html_pages::{PageError, SignInOption};
use hexabase_api::last_provider;
use hexabase_api::sign_in::sign_in_options;
use hexabase_auth::issuer::SignInRequired;
use hexabase_core::error::Error;
use hexabase_core::model::Scope;
use hexabase_core::platform::CreateToken;
use maud::{Markup, html};

use crate::components::{Tone, notice};
use crate::context::Context;
use crate::form::Fields;
use crate::language::Texts;
use crate::pages::api_pages::provider_links;
use crate::saved_form;

/// Returns the providers with which the user signs in again and returns to a path, which has no mount; `None` if the user
/// authenticated recently.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn reauthentication(
    context: &Context,
    return_to: &str,
) -> Result<Option<Vec<SignInOption>>, PageError> {
    if context.auth().sessions().has_recent_authentication(&context.caller.principal).await? {
        return Ok(None);
    }
    let required = SignInRequired { return_to: return_to.to_owned(), login_hint: None, reauthenticate: true };
    let last = last_provider(context.auth(), &context.jar);
    Ok(Some(sign_in_options(context.auth(), &required, last.as_deref())))
}

/// Code of the error of a form whose user did not authenticate recently.
const REQUIRED: &str = "reauthentication_required";

/// Returns the error of a form whose user did not authenticate recently.
pub(crate) fn required(texts: &Texts) -> Error {
    Error::conflict(REQUIRED, texts.text("reauthentication-about"))
}

/// `true` for the error of a form whose user did not authenticate recently.
pub(crate) fn is_required(error: &Error) -> bool {
    error.code() == REQUIRED
}

/// Keeps the entries of a form for the page with this path, which has no mount, while its user signs in again.
pub(crate) fn keep_entries(context: &mut Context, path: &str, fields: &Fields) {
    let user = context.caller.principal.user_id;
    let (jar, _) = saved_form::save(context.auth(), context.jar.clone(), path, Some(user), fields);
    context.jar = jar;
}

/// Requires a recent authentication for a token that permits changes.
///
/// # Errors
/// [`required`].
pub(crate) fn require_for_token(texts: &Texts, token: &CreateToken, is_recent: bool) -> Result<(), Error> {
    let permits_changes = token.scopes.iter().any(Scope::permits_changes);
    if is_recent || !permits_changes { Ok(()) } else { Err(required(texts)) }
}

/// Request to sign in again, with the providers.
pub(crate) fn sign_in_again(texts: &Texts, options: &[SignInOption]) -> Markup {
    notice(
        Tone::Warning,
        &texts.text("reauthentication-title"),
        &html! {
            p { (texts.text("reauthentication-about")) }
            (provider_links(texts, options))
        },
    )
}
