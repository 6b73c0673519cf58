//! Operators: users whose verified e-mail address the configuration lists as one of a platform administrator.

use hexabase_core::Platform;
use hexabase_core::error::Error;
use hexabase_core::model::User;
use hexabase_core::platform::Caller;

use crate::caller::Authenticated;
use crate::problem::ApiError;

/// `true` if the caller, who is this user, may perform the operations of operators: a platform administrator with a session.
/// API tokens do not permit them, so a leaked one cannot affect all organizations.
#[must_use]
pub fn is_operator(platform: &Platform, caller: &Caller, user: &User) -> bool {
    caller.principal.credential.session().is_some() && platform.config().is_platform_admin(user)
}

/// Requires an operator: see [`is_operator`].
pub(super) async fn require_operator(
    platform: &Platform,
    authenticated: &Authenticated,
) -> Result<(), ApiError> {
    authenticated.session()?;
    let user = platform.store().find_user(authenticated.0.principal.user_id).await?;
    if user.is_some_and(|user| is_operator(platform, &authenticated.0, &user)) {
        return Ok(());
    }
    Err(Error::forbidden("this operation is reserved for operators of the installation").into())
}
