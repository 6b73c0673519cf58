//! Operators: users whose verified e-mail address the configuration lists as one of a platform administrator.

use hexabase_core::Platform;
use hexabase_core::error::Error;

use crate::caller::Authenticated;
use crate::problem::ApiError;

/// Requires an operator with a session. API tokens are rejected, so a leaked one cannot affect all organizations.
pub(super) async fn require_operator(
    platform: &Platform,
    authenticated: &Authenticated,
) -> Result<(), ApiError> {
    authenticated.session()?;
    let user = platform.store().find_user(authenticated.0.principal.user_id).await?;
    if user.is_some_and(|user| platform.config().is_platform_admin(&user)) {
        return Ok(());
    }
    Err(Error::forbidden("this operation is reserved for operators of the installation").into())
}
