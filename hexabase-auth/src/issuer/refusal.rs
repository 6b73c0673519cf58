use std::fmt;

use hexabase_core::error::{Error, ErrorKind};

/// Why a client gets nothing, in the words of OAuth 2.0 (RFC 6749 sections 4.1.2.1 and 5.2, and those that extend it).
#[derive(Debug)]
pub struct OAuthError {
    /// The registered word.
    pub error: &'static str,
    /// What a developer can make of it.
    pub description: String,
    /// What is behind it, where it is a fault of ours.
    pub source: Option<Error>,
}

impl OAuthError {
    /// An error of a registered word.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into(), source: None }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_client() -> Self {
        Self::new("invalid_client", "the client is not known, or did not prove that it is the one")
    }

    pub(super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn invalid_token() -> Self {
        Self::new("invalid_token", "the access token is not valid, or not any more")
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.error {
            "invalid_client" | "invalid_token" => 401,
            "insufficient_scope" => 403,
            "temporarily_unavailable" => 503,
            "server_error" => 500,
            _ => 400,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.error, self.description)
    }
}

impl std::error::Error for OAuthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

impl From<Error> for OAuthError {
    fn from(error: Error) -> Self {
        let word = match error.kind() {
            ErrorKind::Unavailable | ErrorKind::RateLimited => "temporarily_unavailable",
            ErrorKind::Unexpected => "server_error",
            ErrorKind::Invalid => "invalid_request",
            // What somebody was granted does not reach so far, or not any more.
            _ => "invalid_grant",
        };
        let description = match word {
            "server_error" => "something went wrong here".to_owned(),
            _ => error.message().to_owned(),
        };
        Self { error: word, description, source: Some(error) }
    }
}
