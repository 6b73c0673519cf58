//! Conversion of SQLite's errors. No other module inspects them.

use hexabase_core::error::Error;
use sqlx::error::DatabaseError;

use crate::sql::{Step, search_timeout};

/// Converts the error of a statement that cannot violate a constraint.
pub(super) fn from_sqlx(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::unexpected("the database schema does not match the program").caused_by(error)
        }
        error => unavailable(error),
    }
}

/// Converts the error of a search, which may exceed its timeout (`SQLITE_INTERRUPT`).
pub(super) fn from_search(error: sqlx::Error) -> Error {
    match error.as_database_error().and_then(DatabaseError::code).as_deref() {
        Some("9") => search_timeout().caused_by(error),
        _ => from_sqlx(error),
    }
}

/// Returns the error for a database that cannot be reached or is overloaded.
pub(super) fn unavailable(error: sqlx::Error) -> Error {
    Error::unavailable("the database does not respond").caused_by(error)
}

/// Converts the error of a step of a commit, which may violate a constraint.
pub(super) fn from_step(step: &Step, error: sqlx::Error) -> Error {
    match step.constraint_error(&error) {
        Some(meaning) => meaning.caused_by(error),
        None => from_sqlx(error),
    }
}
