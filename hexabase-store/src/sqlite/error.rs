//! What SQLite's errors mean: the one place that looks into them.

use hexabase_core::error::Error;

use crate::sql::Step;

/// The error of a statement that has nothing to collide with.
pub(super) fn from_sqlx(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::unexpected("the database and the program disagree").caused_by(error)
        }
        error => unavailable(error),
    }
}

/// The error of a database that cannot be reached, or is too busy.
pub(super) fn unavailable(error: sqlx::Error) -> Error {
    Error::unavailable("the database does not answer").caused_by(error)
}

/// The error of a step of a commit, whose statement may collide with what is there.
pub(super) fn of_step(step: &Step, error: sqlx::Error) -> Error {
    match step.collision(&error) {
        Some(meaning) => meaning.caused_by(error),
        None => from_sqlx(error),
    }
}
