//! The way into a tenant cluster.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use crate::error::from_kube;

/// Turns the operator's kubeconfig of a tenant cluster into a client.
#[async_trait]
pub trait TenantConnector: fmt::Debug + Send + Sync + 'static {
    /// A client with all rights inside the tenant cluster.
    ///
    /// # Errors
    /// `Unavailable` when the kubeconfig makes no sense.
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client>;
}

/// Connects over the network: to the tenant's Service, by its name in the host cluster's DNS.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServiceConnector;

/// What vCluster writes as the server, for whoever forwards a port.
const FORWARDED: &str = "https://localhost:8443";

#[async_trait]
impl TenantConnector for ServiceConnector {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        let unusable = |error: kube::config::KubeconfigError| {
            Error::unavailable("the tenant's kubeconfig cannot be used")
                .with("cluster", &target.name)
                .caused_by(error)
        };
        let mut parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(unusable)?;
        for cluster in parsed.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            if cluster.server.as_deref() == Some(FORWARDED) {
                cluster.server = Some(format!("https://{0}.{0}.svc:443", target.name));
            }
        }
        let config =
            Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await.map_err(unusable)?;
        Client::try_from(patient(config)).map_err(from_kube)
    }
}

/// The same with bounds on how long it waits: a tenant that does not answer holds up nobody else.
#[must_use]
pub fn patient(mut config: Config) -> Config {
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(20));
    config.write_timeout = Some(Duration::from_secs(20));
    config
}
