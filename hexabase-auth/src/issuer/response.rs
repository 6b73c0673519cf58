//! What the token endpoint answers.

use std::fmt;

use serde::Serialize;

/// What a client is given (RFC 6749 section 5.1).
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    /// What it asks with: who somebody is, or the API itself for the command line.
    pub access_token: String,
    /// `Bearer`, or `N_A` for a token that is not for asking with (RFC 8693 section 2.2.1).
    pub token_type: &'static str,
    /// How long the access token is valid, in seconds.
    pub expires_in: u64,
    /// What the next tokens are exchanged for, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Who somebody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What kind of token an exchange has brought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
    }
}
