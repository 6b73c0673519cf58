//! Conversion of SQLite's errors. No other module inspects them.

use hexabase_core::error::Error;

use crate::sql::Step;

/// Converts the error of a statement that cannot violate a constraint.
pub(super) fn from_sqlx(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::unexpected("the database schema does not match the program").caused_by(error)
        }
        error => unavailable(error),
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
