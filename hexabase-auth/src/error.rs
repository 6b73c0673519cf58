//! The error for invalid credentials.

use hexabase_core::error::Error;

/// Returns the error for invalid credentials of any kind; it does not reveal which part is wrong.
pub(crate) fn invalid_credentials() -> Error {
    Error::unauthenticated("the credentials are invalid or have expired")
}
