//! Network of the host: the addresses of its API server, which control planes reach, and ranges that are unknown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hexabase_core::error::{ErrorKind, Result};
use serde_json::Value;
use tokio::time::Instant;

use super::VClusterProvisioner;
use crate::config::HostConfig;
use crate::object::Kind;
use crate::peers::ApiServerAddresses;
use crate::render::host::is_public;

/// Time for which the detected addresses are trusted.
const DETECTION_TTL: Duration = Duration::from_secs(60);
/// Namespace and name of the Service of the host's API server.
const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// Configuration of the host with the detected addresses, and the time of the detection.
#[derive(Debug, Default)]
pub(super) struct DetectedConfig(Mutex<Option<(Instant, Arc<HostConfig>)>>);

impl DetectedConfig {
    fn get(&self) -> Option<(Instant, Arc<HostConfig>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, config: &Arc<HostConfig>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), config.clone()));
    }
}

impl VClusterProvisioner {
    /// Returns the configuration of the host with the addresses of its API server, which are detected unless they are
    /// configured. Those of managed hosts can change.
    pub(super) async fn detected_config(&self) -> Result<Arc<HostConfig>> {
        let known = self.cache.detected_config.get();
        if let Some((at, config)) = &known
            && (at.elapsed() < DETECTION_TTL || !self.config.api_server.is_empty())
        {
            return Ok(config.clone());
        }
        if let Some((_, config)) = &known {
            // One request at a time renews the addresses; others use the known ones meanwhile.
            self.cache.detected_config.set(config);
        }
        let detected = match self.config.api_server.is_empty() {
            true => self.detect_api_server().await,
            false => Ok(self.config.api_server.clone()),
        };
        let config = match (detected, known) {
            // An API server that restarts may have no endpoints for a moment.
            (Ok(api_server), Some((_, config))) if api_server.is_empty() => config,
            (Ok(api_server), _) => Arc::new(HostConfig { api_server, ..self.config.clone() }),
            // Policies stay as they are until the addresses can be read again.
            (Err(error), Some((_, config))) => {
                tracing::debug!(%error, "detecting the addresses of the host's API server failed");
                config
            }
            (Err(error), None) => return Err(error),
        };
        self.cache.detected_config.set(&config);
        Ok(config)
    }

    /// Returns the addresses of the host's API server; none if they are unknown.
    async fn detect_api_server(&self) -> Result<Vec<ApiServerAddresses>> {
        let service = self.find_if_permitted(Kind::SERVICE).await?;
        let slice = self.find_if_permitted(Kind::ENDPOINT_SLICE).await?;
        Ok(service
            .zip(slice)
            .map_or_else(Vec::new, |(service, slice)| ApiServerAddresses::of(&service, &slice)))
    }

    /// Returns an object of the host's API server in the default namespace. Hosts with an older setup do not permit it.
    async fn find_if_permitted(&self, kind: Kind) -> Result<Option<Value>> {
        let (namespace, name) = API_SERVER;
        match self.host.find(kind, namespace, name).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(None),
            found => found,
        }
    }

    /// Logs a warning for each range of the host that is unknown, so that NetworkPolicies are wider than necessary.
    pub(super) async fn warn_about_host_network(&self) {
        match self.detected_config().await {
            Ok(config) => unknown_ranges(&config).for_each(|problem| tracing::warn!("{problem}")),
            Err(error) => tracing::debug!(%error, "reading the addresses of the host's API server failed"),
        }
    }
}

/// Returns the ranges of a host that are unknown, each with the setting to set.
fn unknown_ranges(config: &HostConfig) -> impl Iterator<Item = &'static str> {
    let has_public_services = config
        .api_server
        .iter()
        .skip(1)
        .flat_map(|services| &services.ranges)
        .any(|range| is_public(range, config));
    let problems = [
        (
            config.pod_ranges.is_empty(),
            "the ranges of the host's pods are unknown; set pod_cidr, so that NetworkPolicies keep the control planes of \
             tenants from each other even if these ranges are public",
        ),
        (
            has_public_services,
            "the host's Services have public addresses outside service_cidr; set service_cidr, so that NetworkPolicies keep \
             tenants from them",
        ),
        (
            config.api_server.is_empty(),
            "the addresses of the host's API server are unknown; apply the output of `hexabase host-setup` or set \
             api_server_cidr, so that NetworkPolicies allow no other private addresses to control planes",
        ),
    ];
    problems.into_iter().filter_map(|(is_unknown, problem)| is_unknown.then_some(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_ranges_are_reported_with_the_setting() {
        let problems = |config: &HostConfig| unknown_ranges(config).collect::<Vec<_>>().join(" ");
        let unknown = problems(&HostConfig::default());
        assert!(unknown.contains("set pod_cidr") && unknown.contains("api_server_cidr"), "{unknown}");
        assert!(!unknown.contains("set service_cidr"), "{unknown}");
        let mut config = HostConfig::default();
        config.set("pod_cidr", "10.244.0.0/16").unwrap();
        let addresses =
            |range: &str, port| ApiServerAddresses { ranges: vec![range.to_owned()], ports: vec![port] };
        config.api_server = vec![addresses("203.0.113.2/32", 6443), addresses("203.0.113.129/32", 443)];
        assert!(problems(&config).contains("set service_cidr"));
        config.set("service_cidr", "203.0.113.128/25").unwrap();
        assert_eq!(problems(&config), "");
        config.api_server[1] = addresses("10.96.0.1/32", 443);
        config.service_cidr = None;
        assert_eq!(problems(&config), "");
    }
}
