//! Recent authentication of the user, which actions with effects on all tenants require.

use std::time::Duration;

use hexabase_api::html_pages::{PageError, SignInOption};
use hexabase_api::last_provider;
use hexabase_api::sign_in::sign_in_options;
use hexabase_auth::issuer::SignInRequired;
use hexabase_core::clock::until;
use jiff::Timestamp;

use crate::context::Context;

/// Maximum age of an authentication that counts as recent.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Returns the providers with which the user signs in again and returns to a path, which has no mount; `None` if the user
/// authenticated recently.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn reauthentication(
    context: &Context,
    return_to: &str,
) -> Result<Option<Vec<SignInOption>>, PageError> {
    let principal = &context.caller.principal;
    let sessions = context.auth().sessions().list(principal.user_id).await?;
    let own = principal.credential.session();
    let session = sessions.into_iter().find(|session| Some(session.id) == own);
    let now = context.platform().clock().now();
    // A session without the time of the authentication can come from a sign-in at which the provider asked for nothing.
    let authenticated_at = session.and_then(|session| session.authenticated_at);
    if authenticated_at.is_some_and(|at| is_recent(at, now)) {
        return Ok(None);
    }
    let required = SignInRequired { return_to: return_to.to_owned(), login_hint: None, reauthenticate: true };
    let last = last_provider(context.auth(), &context.jar);
    Ok(Some(sign_in_options(context.auth(), &required, last.as_deref())))
}

fn is_recent(authenticated_at: Timestamp, now: Timestamp) -> bool {
    until(authenticated_at, now) <= MAX_AGE
}

#[cfg(test)]
mod tests {
    use hexabase_core::clock::after;

    use super::*;

    #[test]
    fn an_authentication_counts_for_ten_minutes() {
        let at = Timestamp::UNIX_EPOCH;
        assert!(is_recent(at, after(at, MAX_AGE)));
        assert!(!is_recent(at, after(at, MAX_AGE + Duration::from_secs(1))));
    }
}
