//! Health check of a running server, for container engines and scripts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hexabase_core::error::{Error, Result};
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use serde::Deserialize;

use super::print_line;
use crate::certificate;
use crate::compose::reachable_address;

/// Maximum duration of the check. A server responds within two seconds, even if its backends do not.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// URL to check [default: http:// and the listening address, with the path /readyz].
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Listening address of the server on this machine.
    #[arg(long, env = "HEXABASE_LISTEN", value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)))]
    listen: SocketAddr,

    /// PEM file with the CA certificates to trust for a URL with https:// [default: those of the system].
    #[arg(long, env = "HEXABASE_ISSUER_CA", value_name = "FILE")]
    issuer_ca: Option<PathBuf>,
}

/// Part of a response of `/readyz`; empty for other responses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Readiness {
    degraded: bool,
    backends: BTreeMap<String, String>,
}

impl Healthcheck {
    /// Checks that the server responds with a success status.
    ///
    /// # Errors
    /// `Unavailable` if it does not, with the unavailable backends.
    pub(super) async fn execute(self) -> Result<()> {
        let url = self.url.unwrap_or_else(|| format!("http://{}/readyz", reachable_address(self.listen)));
        let invalid = |error: reqwest::Error| {
            Error::invalid("issuer_ca", "has certificates that cannot be used").caused_by(error)
        };
        let mut http = reqwest::Client::builder().timeout(CHECK_TIMEOUT).redirect(Policy::none()).no_proxy();
        if let Some(file) = &self.issuer_ca {
            let authority = certificate::read_authority("issuer_ca", file)?;
            let certificates = reqwest::Certificate::from_pem_bundle(authority.as_bytes());
            http = http.tls_certs_merge(certificates.map_err(invalid)?);
        }
        let http = http
            .build()
            .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))?;
        let unreachable = |error: reqwest::Error| {
            Error::unavailable(format!("{url} does not respond")).caused_by(error.without_url())
        };
        let response = http.get(&url).send().await.map_err(unreachable)?;
        let (status, text) = (response.status(), response.text().await.map_err(unreachable)?);
        let readiness = serde_json::from_str(&text).unwrap_or_default();
        print_line(&assess(&url, status, &readiness)?)
    }
}

/// Returns the line that describes a healthy server.
///
/// # Errors
/// `Unavailable` if the status is not a success.
fn assess(url: &str, status: StatusCode, readiness: &Readiness) -> Result<String> {
    let away = readiness.backends.iter().filter(|(_, state)| *state != "ok").map(|(name, _)| name.as_str());
    let away: Vec<&str> = away.collect();
    let of_backends =
        if away.is_empty() { String::new() } else { format!("; unavailable: {}", away.join(", ")) };
    match status.is_success() {
        true if readiness.degraded => Ok(format!("degraded{of_backends}")),
        true => Ok("healthy".to_owned()),
        false => Err(Error::unavailable(format!("{url} responded {status}{of_backends}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(text: &str) -> Readiness {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_a_success_is_healthy_and_unavailable_backends_are_named() {
        let url = "http://127.0.0.1:8080/readyz";
        let all = readiness(r#"{"status":"ok","degraded":false,"backends":{"store":"ok"}}"#);
        assert_eq!(assess(url, StatusCode::OK, &all).unwrap(), "healthy");
        assert_eq!(assess(url, StatusCode::OK, &Readiness::default()).unwrap(), "healthy");
        let some = readiness(
            r#"{"status":"ok","degraded":true,"backends":{"queue":"unavailable","store":"ok","host/local":"unavailable"}}"#,
        );
        let line = "degraded; unavailable: host/local, queue";
        assert_eq!(assess(url, StatusCode::OK, &some).unwrap(), line);
        let none = readiness(r#"{"status":"unavailable","backends":{"store":"unavailable"}}"#);
        let error = assess(url, StatusCode::SERVICE_UNAVAILABLE, &none).unwrap_err();
        assert_eq!(
            error.message(),
            "http://127.0.0.1:8080/readyz responded 503 Service Unavailable; unavailable: store"
        );
        assert!(assess(url, StatusCode::FOUND, &Readiness::default()).is_err());
    }
}
