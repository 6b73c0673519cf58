use hexabase_core::error::Error;

/// The one answer to credentials that are no good: it does not say which part was wrong.
pub(crate) fn refused() -> Error {
    Error::unauthenticated("the credentials are not valid, or not any more")
}
