//! The way into a tenant cluster.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::{AuthInfo, Cluster, Config, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster};

use crate::error::from_kube;
use crate::settings::{HostSettings, filled_in};

/// Turns the operator's kubeconfig of a tenant cluster into a client.
#[async_trait]
pub trait TenantConnector: fmt::Debug + Send + Sync + 'static {
    /// A client with all rights inside the tenant cluster.
    ///
    /// # Errors
    /// `Unavailable` when the kubeconfig makes no sense.
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client>;
}

/// Connects over the network, to where the host's settings say that tenants are.
#[derive(Debug, Clone)]
pub struct ServiceConnector(String);

impl ServiceConnector {
    /// A connector to the tenants of a host.
    #[must_use]
    pub fn new(host: &HostSettings) -> Self {
        Self(host.address.clone())
    }
}

#[async_trait]
impl TenantConnector for ServiceConnector {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        let unusable = |error: kube::config::KubeconfigError| {
            Error::unavailable("the tenant's kubeconfig cannot be used")
                .with("cluster", &target.name)
                .caused_by(error)
        };
        let mut inline = only_inline(Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(unusable)?);
        for cluster in inline.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(filled_in(&self.0, &target.name));
        }
        let config =
            Config::from_custom_kubeconfig(inline, &KubeConfigOptions::default()).await.map_err(unusable)?;
        let mut config = patient(config);
        // A tenant that asks to be asked again later is, at the next look.
        config.default_retry = false;
        Client::try_from(config).map_err(from_kube)
    }
}

/// What a kubeconfig says about whom to trust and as whom to come, and nothing that would lead elsewhere, run a program or
/// read a file here: it was written by a control plane, and that may be in the hands of whoever broke out of it.
fn only_inline(kubeconfig: Kubeconfig) -> Kubeconfig {
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

/// The same with bounds on how long it waits for a connection, and for something to move on it: a little longer than an
/// API server lets a watch be silent. How long an answer may take is bounded for each exchange by itself.
#[must_use]
pub fn patient(mut config: Config) -> Config {
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(Duration::from_secs(300));
    config.write_timeout = Some(Duration::from_secs(20));
    config
}
