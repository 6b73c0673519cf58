//! Connections to tenant API servers.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster};

use crate::config::{HostConfig, fill_template};
use crate::error::from_kube;
use crate::hosts::invalid_yaml;

/// Creates clients from the operator's kubeconfig of a tenant cluster.
#[async_trait]
pub trait TenantConnector: fmt::Debug + Send + Sync + 'static {
    /// Returns a client with all permissions inside the tenant cluster.
    ///
    /// # Errors
    /// `Unavailable` if the kubeconfig is not usable.
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client>;
}

/// Connects over the network, at the tenant address of the host's configuration.
#[derive(Debug, Clone)]
pub struct ServiceConnector(String);

impl ServiceConnector {
    /// Creates a connector for the tenants of a host.
    #[must_use]
    pub fn new(host: &HostConfig) -> Self {
        Self(host.address.clone())
    }
}

#[async_trait]
impl TenantConnector for ServiceConnector {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        let unusable =
            || Error::unavailable("the kubeconfig of the tenant is not usable").with("cluster", &target.name);
        // The error of the parser quotes the kubeconfig, which is a secret.
        let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret())
            .map_err(|error| unusable().caused_by(invalid_yaml(&error.to_string())))?;
        let mut inline = inline_credentials(parsed);
        for cluster in inline.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(fill_template(&self.0, &target.name));
        }
        let config = Config::from_custom_kubeconfig(inline, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable().caused_by(error))?;
        let mut config = with_timeouts(config);
        // The client must not retry a throttled request: the next reconcile does.
        config.default_retry = false;
        Client::try_from(config).map_err(from_kube)
    }
}

/// Reduces a kubeconfig to its inline certificates and credentials, without any field that points elsewhere, runs a
/// program or reads a local file: the tenant's control plane wrote it, and that may be controlled by a user who
/// escaped from a workload.
fn inline_credentials(kubeconfig: Kubeconfig) -> Kubeconfig {
    let cluster = |cluster: Cluster| Cluster {
        certificate_authority_data: cluster.certificate_authority_data,
        ..Cluster::default()
    };
    let user = |user: AuthInfo| AuthInfo {
        token: user.token,
        client_certificate_data: user.client_certificate_data,
        client_key_data: user.client_key_data,
        ..AuthInfo::default()
    };
    let clusters = kubeconfig.clusters.into_iter();
    let users = kubeconfig.auth_infos.into_iter();
    Kubeconfig {
        clusters: clusters
            .map(|named| NamedCluster { cluster: named.cluster.map(cluster), ..named })
            .collect(),
        auth_infos: users
            .map(|named| NamedAuthInfo { auth_info: named.auth_info.map(user), ..named })
            .collect(),
        contexts: kubeconfig.contexts,
        current_context: kubeconfig.current_context,
        ..Kubeconfig::default()
    }
}

/// Sets timeouts for connecting and for progress on a connection. The read timeout is slightly longer than the time
/// for which an API server may leave a watch silent. The duration of a whole response is bounded per request.
#[must_use]
pub fn with_timeouts(mut config: Config) -> Config {
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(300));
    config.write_timeout = Some(Duration::from_secs(20));
    config
}

#[cfg(test)]
mod tests {
    use hexabase_core::error::ErrorKind;
    use hexabase_core::fixture;

    use super::*;

    #[tokio::test]
    async fn errors_of_a_connection_do_not_quote_the_kubeconfig() {
        let target = fixture::tenant_cluster("shop").target;
        let connector = ServiceConnector::new(&HostConfig::default());
        for text in [
            "hunter2",
            "users: hunter2",
            "users: [{ name: it, user: { token: [hunter2] } }]",
            "a: b\n hunter2: [",
        ] {
            let error = connector.connect(&target, &SecretString::from(text)).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
