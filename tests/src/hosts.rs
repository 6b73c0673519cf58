//! The host clusters of a world: one that is there from the beginning, and those that operators register.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::SystemClock;
use hexabase_core::error::Result;
use hexabase_core::model::HostSettings;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::{ClusterProvisioner, Fleet, HostConnector, MemoryProvisioner};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_k8s::VClusterHosts;

/// The host that every world has from the beginning.
pub const FIXED: &str = "memory";

/// What leads to a host on which everything works, in memory.
pub const KUBECONFIG: &str = "# a secret way to a host in memory";

/// A kubeconfig of a cluster at which nobody answers.
pub const NOWHERE: &str = "{apiVersion: v1, kind: Config, current-context: it, \
    clusters: [{name: it, cluster: {server: 'http://127.0.0.1:1'}}], \
    contexts: [{name: it, context: {cluster: it, user: it}}], users: [{name: it, user: {token: secret}}]}";

/// Finds hosts in memory, and on the network whatever has another kubeconfig.
#[derive(Debug)]
struct Hosts(VClusterHosts);

#[async_trait]
impl HostConnector for Hosts {
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &HostSettings,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let elsewhere =
            if kubeconfig.expose_secret() == KUBECONFIG { NOWHERE } else { kubeconfig.expose_secret() };
        let connected = self.0.connect(host, &elsewhere.into(), settings).await?;
        Ok(if kubeconfig.expose_secret() == KUBECONFIG { in_memory() } else { connected })
    }
}

fn in_memory() -> Arc<dyn ClusterProvisioner> {
    Arc::new(MemoryProvisioner::new(Arc::new(SystemClock), Duration::ZERO))
}

/// One host in memory, and as many more as operators register.
pub(crate) fn fleet() -> Fleet {
    let host = HostCluster { sandbox: true, ..HostCluster::new(HostClusterName::parse(FIXED).unwrap()) };
    let connector = Hosts(VClusterHosts::new(hexabase_k8s::HostSettings::default()));
    Fleet::new().with(host, in_memory()).with_connector(Arc::new(connector))
}
