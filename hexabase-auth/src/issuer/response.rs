//! Token response: the successful response of the token endpoint.

use std::fmt;

use serde::Serialize;

/// Token response (RFC 6749 section 5.1).
#[derive(Clone, Serialize)]
pub struct TokenResponse {
    /// Access token for the userinfo endpoint, or for the API if the client is the command line. After a token
    /// exchange: the issued cluster token, or the token of a workload for the API.
    pub access_token: String,
    /// `Bearer`, or `N_A` for a token that is not an access token (RFC 8693 section 2.2.1).
    pub token_type: &'static str,
    /// Lifetime of `access_token`, in seconds.
    pub expires_in: u64,
    /// Token to exchange for the next tokens, once; `None` without `offline_access` and after a token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// ID token; `None` after a token exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// Granted scope; `None` for a cluster token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Type of the token that a token exchange issued; `None` for other grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_token_type: Option<&'static str>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenResponse").field("scope", &self.scope).finish_non_exhaustive()
    }
}
