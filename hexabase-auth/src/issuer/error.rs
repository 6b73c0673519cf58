//! OAuth 2.0 error responses.

use std::fmt;

use hexabase_core::error::{Error, ErrorKind};

/// OAuth 2.0 error response (RFC 6749 sections 4.1.2.1 and 5.2, and their extensions).
#[derive(Debug)]
pub struct OAuthError {
    /// Registered error code.
    pub error: &'static str,
    /// Explanation for developers of the client.
    pub description: String,
    /// Error of this server that caused the response; `None` if the request itself is at fault.
    pub source: Option<Error>,
}

impl OAuthError {
    /// Creates an error with a registered code.
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into(), source: None }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_client() -> Self {
        Self::new("invalid_client", "the client is unknown, or its authentication failed")
    }

    pub(super) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn invalid_token() -> Self {
        Self::new("invalid_token", "the access token is invalid or has expired")
    }

    /// Returns the HTTP status of the response.
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
        let code = match error.kind() {
            ErrorKind::Unavailable | ErrorKind::RateLimited => "temporarily_unavailable",
            ErrorKind::Unexpected => "server_error",
            ErrorKind::Invalid => "invalid_request",
            // The grant of the user does not cover the request, or does not any longer.
            _ => "invalid_grant",
        };
        let description = match code {
            "server_error" => "the server failed to process the request".to_owned(),
            _ => error.message().to_owned(),
        };
        Self { error: code, description, source: Some(error) }
    }
}
