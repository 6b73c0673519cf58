//! Responses of token endpoints (RFC 6749 section 5, OpenID Connect Core 1.0 section 3.1.3.3). Only the members in use
//! are read; others may be missing or of any type.

use hexabase_core::secret::SecretString;
use serde_json::{Map, Value};

use super::key_set::present;

/// Maximum length of an error description of a provider in the log, in characters.
const MAX_DESCRIPTION_LENGTH: usize = 200;

/// Tokens for an authorization code.
#[derive(Debug)]
pub(super) struct Tokens {
    /// ID token.
    pub(super) id_token: String,
    /// Bearer token for the userinfo endpoint; `None` if there is none.
    pub(super) access_token: Option<SecretString>,
}

/// Parses the response of a token endpoint. The error never contains a token.
pub(super) fn parse(status: http::StatusCode, body: &[u8]) -> Result<Tokens, String> {
    let response: Option<Map<String, Value>> = serde_json::from_slice(body).ok();
    let text = |name: &str| response.as_ref()?.get(name)?.as_str();
    if let Some(code) = text("error") {
        let description = text("error_description").unwrap_or_default();
        let description: String = description.chars().take(MAX_DESCRIPTION_LENGTH).collect();
        return Err(format!("the token endpoint responded with the error {code}: {description}"));
    }
    if !status.is_success() {
        return Err(format!("the token endpoint responded with status {status}"));
    }
    let response = response.as_ref().ok_or("the token response is not a JSON object")?;
    let id_token = text("id_token").ok_or("the token response has no ID token")?.to_owned();
    // A client does not use an access token of a type that it does not know (RFC 6749 section 7.1). Of OpenID Connect,
    // Bearer is the only one, in any case.
    let is_bearer = match present(response, "token_type") {
        None => true,
        Some(kind) => kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")),
    };
    let access_token = text("access_token").filter(|_| is_bearer).map(|token| token.to_owned().into());
    Ok(Tokens { id_token, access_token })
}
