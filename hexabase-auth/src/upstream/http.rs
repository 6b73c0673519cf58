//! How others are called: patiently, but not for ever, and nowhere but where they were meant to be.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// How long others may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read: sets of keys and profiles are a few kilobytes.
const LONGEST: usize = 1024 * 1024;

/// An HTTP client that follows no redirects: what is sent may be a secret, and what comes back is believed.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error(transparent)]
    Failed(#[from] reqwest::Error),
    #[error("it answers with {0}")]
    Status(http::StatusCode),
    #[error("its answer is longer than {LONGEST} bytes")]
    TooLong,
}

impl Http {
    /// A client that trusts these certificates too, in PEM.
    pub(super) fn new(authority: Option<&str>) -> Result<Self> {
        let unusable = |error: reqwest::Error| {
            Error::invalid("certificate_authority", "holds no certificates in PEM").caused_by(error)
        };
        let authority = authority.map(|pem| reqwest::Certificate::from_pem_bundle(pem.as_bytes()));
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE / 2)
            .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(authority.transpose().map_err(unusable)?.into_iter().flatten())
            .build()
            .map(Self)
            .map_err(|error| Error::unexpected("no HTTP client can be made").caused_by(error))
    }

    /// Sends a request. Whoever answers that they cannot serve it has not answered.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let mut answer = self.0.execute(request.try_into()?).await?;
        let status = answer.status();
        if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
            return Err(NoAnswer::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > LONGEST {
                return Err(NoAnswer::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
