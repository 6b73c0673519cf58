//! Tokens of jobs of CI systems, and their exchange (RFC 8693).

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{ErrorResponse, Server};

/// Type of tokens for the API (RFC 8693 section 3).
pub(super) const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Type of the tokens of jobs.
pub(super) const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
/// Variable with the token of the job.
const TOKEN_VARIABLE: &str = "HEXABASE_ID_TOKEN";
/// Variable with the file that contains the token of the job. The CI system may replace its content.
const FILE_VARIABLE: &str = "HEXABASE_ID_TOKEN_FILE";
/// Time before its expiry at which a token is reported as expired, so that it does not expire in transit.
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Response of GitHub Actions to a job that requests a token.
#[derive(Deserialize)]
struct JobToken {
    value: String,
}

/// Successful response of a token exchange.
#[derive(Deserialize)]
struct ExchangeResponse {
    access_token: String,
    expires_in: i64,
}

/// Returns a variable of the environment that is not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `true` in a job of a CI system that signs tokens for its jobs.
pub(super) fn is_job() -> bool {
    variable(TOKEN_VARIABLE).is_some() || variable(FILE_VARIABLE).is_some() || github_job().is_some()
}

/// Returns URL and credential with which a job of GitHub Actions requests its token.
fn github_job() -> Option<(String, String)> {
    variable("ACTIONS_ID_TOKEN_REQUEST_URL").zip(variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
}

/// Returns the token of the job that runs this program; `None` outside of a job.
///
/// # Errors
/// - `Invalid` if the file with the token cannot be read.
/// - `Unavailable` if GitHub Actions issues no token.
pub(super) async fn find(server: &Server) -> Result<Option<String>> {
    if let Some(token) = variable(TOKEN_VARIABLE) {
        return Ok(Some(token));
    }
    if let Some(file) = variable(FILE_VARIABLE) {
        let unreadable =
            |error| Error::invalid(FILE_VARIABLE, format!("{file} cannot be read")).caused_by(error);
        return Ok(Some(std::fs::read_to_string(&file).map_err(unreadable)?.trim().to_owned()));
    }
    match github_job() {
        Some((url, token)) => request_job_token(server, &url, &token).await.map(Some),
        None => Ok(None),
    }
}

/// Exchanges a subject token of a type for a token for an audience. Returns the token, and the time from which it counts as
/// expired.
///
/// # Errors
/// `Unavailable` if the server does not respond as specified.
pub(super) async fn exchange(
    server: &Server,
    (subject, kind): (&str, &str),
    audience: &str,
) -> Result<std::result::Result<(String, Timestamp), ErrorResponse>> {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject),
        ("subject_token_type", kind),
        ("audience", audience),
    ];
    let text = match server.post_form(&format!("{}/oauth2/token", server.url), &form).await? {
        Ok(text) => text,
        Err(error) => return Ok(Err(error)),
    };
    let ExchangeResponse { access_token, expires_in } = server.parse(&text)?;
    let lifetime = SignedDuration::from_secs(expires_in) - EXPIRY_MARGIN;
    let out_of_range =
        |error: jiff::Error| Error::unavailable("the token's lifetime is out of range").caused_by(error);
    Ok(Ok((access_token, SystemClock.now().checked_add(lifetime).map_err(out_of_range)?)))
}

/// Requests the token of a GitHub Actions job, with the server as audience
/// (<https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token>).
async fn request_job_token(server: &Server, url: &str, token: &str) -> Result<String> {
    let audience = super::encode_form(&[("audience", server.url.as_str())])?;
    let separator = if url.contains('?') { '&' } else { '?' };
    let request = server.http.get(format!("{url}{separator}{audience}")).bearer_auth(token);
    let failed = |error: reqwest::Error| {
        Error::unavailable("GitHub Actions did not issue a token for this job").caused_by(error.without_url())
    };
    let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let text = response.text().await.map_err(failed)?;
    let invalid = |error| Error::unavailable("GitHub Actions sent an unexpected response").caused_by(error);
    let JobToken { value } = serde_json::from_str(&text).map_err(invalid)?;
    Ok(value)
}
