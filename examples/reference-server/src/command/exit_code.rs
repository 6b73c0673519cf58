//! Exit codes of the client commands, which scripts can distinguish. docs/command-line.md documents them.

use std::process::ExitCode;

use hexabase_core::error::{Error, ErrorKind};

use super::client::NOT_COMPLETED;

/// Returns the exit code of a client command that failed.
pub(super) fn of_client(error: &Error) -> ExitCode {
    ExitCode::from(number(error))
}

fn number(error: &Error) -> u8 {
    match error.kind() {
        _ if error.code() == NOT_COMPLETED => 8,
        // 2 is also the exit code of clap for invalid arguments.
        ErrorKind::Invalid => 2,
        ErrorKind::Unauthenticated | ErrorKind::Forbidden => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::QuotaExceeded => 6,
        ErrorKind::RateLimited | ErrorKind::Unavailable => 7,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_errors_have_documented_exit_codes() {
        for (error, expected) in [
            (Error::unexpected(""), 1),
            (Error::unsupported(""), 1),
            (Error::invalid("name", ""), 2),
            (Error::unauthenticated(""), 4),
            (Error::forbidden(""), 4),
            (Error::not_found("workspace"), 5),
            (Error::already_exists("workspace"), 6),
            (Error::version_conflict("workspace"), 6),
            (Error::quota_exceeded(""), 6),
            (Error::unavailable(""), 7),
            (Error::rate_limited(std::time::Duration::ZERO), 7),
            (Error::conflict(NOT_COMPLETED, ""), 8),
        ] {
            assert_eq!(number(&error), expected, "{error}");
        }
        let document = include_str!("../../../../docs/command-line.md");
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 8] {
            assert!(document.contains(&format!("| {code} |")), "exit code {code} is not documented");
        }
    }
}
