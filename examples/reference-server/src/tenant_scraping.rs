//! Metrics of tenant API servers for a Prometheus without an operator.

use axum::http::uri::Authority;
use hexabase_api::admin::TenantScrapingConfig;
use hexabase_core::error::Check;
use hexabase_core::secret::ExposeSecret as _;

use crate::options::Options;

/// Minimum length of the token of Prometheus, in bytes.
const MIN_TOKEN_BYTES: usize = 16;

/// Returns the configuration of the options, and records violations.
pub(crate) fn of(options: &Options, check: &mut Check) -> TenantScrapingConfig {
    let addresses = options.tenant_scrape_targets.clone().unwrap_or_default();
    let are_valid = addresses.iter().all(|address| is_address(address));
    check.require(
        are_valid,
        "tenant_scrape_targets",
        "must be addresses of workers as HOST:PORT, separated by commas, such as hexabase-worker:9090",
    );
    let discovery_token = options.prometheus_discovery_token.clone();
    if let Some(token) = &discovery_token {
        let is_long = token.expose_secret().len() >= MIN_TOKEN_BYTES;
        let message = format!("must have {MIN_TOKEN_BYTES} characters or more");
        check.require(is_long, "prometheus_discovery_token", message);
    }
    TenantScrapingConfig { is_served: false, addresses, discovery_token }
}

fn is_address(text: &str) -> bool {
    let authority = text.parse::<Authority>().ok();
    authority.is_some_and(|it| it.port_u16().is_some() && !it.host().is_empty() && !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        for (text, expected) in [
            ("worker:9090", true),
            ("10.0.0.7:9090", true),
            ("[fd00::1]:9090", true),
            ("worker", false),
            (":9090", false),
            ("worker:port", false),
            ("http://worker:9090", false),
            ("ann:s3cr3t@worker:9090", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), expected, "{text}");
        }
    }
}
