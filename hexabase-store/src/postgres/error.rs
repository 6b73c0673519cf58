//! What PostgreSQL's errors mean: the one place that looks into them. Codes are those of the manual's appendix A.

use hexabase_core::error::Error;
use sqlx::error::DatabaseError;

use crate::sql::Step;

/// The error of a statement that has nothing to collide with.
pub(super) fn from_sqlx(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::unexpected("the database and the program disagree").caused_by(error)
        }
        sqlx::Error::Database(reason) if is_a_mistake(&**reason) => {
            Error::unexpected("the database refuses a statement").caused_by(error)
        }
        _ => unavailable(error),
    }
}

/// Class 42 is wrong SQL and missing rights, class 22 are values that do not fit.
fn is_a_mistake(reason: &dyn DatabaseError) -> bool {
    reason.code().is_some_and(|code| code.starts_with("42") || code.starts_with("22"))
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

/// Whether the transaction was undone only because of others that ran at the same time: `serialization_failure`,
/// `deadlock_detected`.
pub(super) fn is_a_collision(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// Whether there is no server yet, or not quite: nobody listens, or it is being started (`cannot_connect_now`).
pub(super) fn is_a_closed_door(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(reason) => reason.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether the connection was lost, so that another one may do better: it broke, or the server is going down
/// (class 57P).
pub(super) fn is_a_lost_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(reason) => reason.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}
