//! HTTP client for upstream issuers: with timeouts, a maximum response length, and no redirects.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use http::{Request, Response};

/// Maximum duration of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum length of a response, in bytes. Key sets and profiles take a few kilobytes.
const MAX_RESPONSE_LENGTH: usize = 1024 * 1024;

/// HTTP client that follows no redirects: requests may contain secrets, and responses are trusted.
#[derive(Debug, Clone)]
pub(super) struct HttpClient(reqwest::Client);

/// Reason for the absence of a response.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error(transparent)]
    Failed(#[from] reqwest::Error),
    #[error("the server responded with status {0}")]
    Status(http::StatusCode),
    #[error("the response is longer than {MAX_RESPONSE_LENGTH} bytes")]
    TooLong,
}

impl HttpClient {
    /// Creates a client that also trusts these certificates, in PEM.
    pub(super) fn new(certificates: Option<&str>) -> Result<Self> {
        let invalid_certificates = |error: reqwest::Error| {
            Error::invalid("certificate_authority", "must contain certificates in PEM").caused_by(error)
        };
        let certificates = certificates.map(|pem| reqwest::Certificate::from_pem_bundle(pem.as_bytes()));
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(REQUEST_TIMEOUT / 2)
            .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(certificates.transpose().map_err(invalid_certificates)?.into_iter().flatten())
            .build()
            .map(Self)
            .map_err(|error| Error::unexpected("building the HTTP client failed").caused_by(error))
    }

    /// Sends a request. A server error, or `429 Too Many Requests`, counts as no response.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, RequestError> {
        let mut received = self.0.execute(request.try_into()?).await?;
        let status = received.status();
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(RequestError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = received.chunk().await? {
            if body.len() + chunk.len() > MAX_RESPONSE_LENGTH {
                return Err(RequestError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(received.headers_mut());
        Ok(response)
    }
}
