//! Conversion of PostgreSQL's errors. No other module inspects them. Codes are those of appendix A of the manual.

use std::error::Error as _;

use hexabase_core::error::Error;
use sqlx::error::DatabaseError;

use crate::sql::{Step, search_timeout};

/// Converts the error of a statement that cannot violate a constraint.
pub(super) fn from_sqlx(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Encode(_) | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::unexpected("the database schema does not match the program").caused_by(error)
        }
        sqlx::Error::Database(reason) if is_statement_error(&**reason) => {
            Error::unexpected("the database rejected a statement").caused_by(error)
        }
        _ => unavailable(error),
    }
}

/// Converts the error of a search, which may exceed its timeout (`query_canceled`).
pub(super) fn from_search(error: Error) -> Error {
    let source = error.source().and_then(|source| source.downcast_ref::<sqlx::Error>());
    let code = source.and_then(sqlx::Error::as_database_error).and_then(DatabaseError::code);
    match code.as_deref() {
        Some("57014") => search_timeout().caused_by(error),
        _ => error,
    }
}

/// `true` for errors of class 42 (wrong SQL, missing privileges) and class 22 (invalid values).
fn is_statement_error(reason: &dyn DatabaseError) -> bool {
    reason.code().is_some_and(|code| code.starts_with("42") || code.starts_with("22"))
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

/// `true` if the transaction was aborted only because of concurrent transactions: `serialization_failure`,
/// `deadlock_detected`.
pub(super) fn is_serialization_failure(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// `true` if the server does not accept connections yet: no process listens, or it is starting (`cannot_connect_now`).
pub(super) fn is_not_accepting_connections(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(reason) => reason.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// `true` if the server rejects writes (`read_only_sql_transaction`): it is a standby, or was the primary before a
/// failover. The statement has had no effect.
pub(super) fn is_read_only(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some("25006")
}

/// `true` for `protocol_violation`, with which poolers reject what they do not support.
pub(super) fn is_protocol_violation(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some("08P01")
}

/// `true` if the connection is of no more use and another one may work: it broke, the server is shutting down (class
/// 57P) or rejects writes, or a pooler has lost it (class 08).
pub(super) fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(reason) => {
            is_read_only(error)
                || reason.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        _ => false,
    }
}
