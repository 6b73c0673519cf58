//! Host clusters of the test platform: a configured one, and those that operators register.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::SystemClock;
use hexabase_core::error::Result;
use hexabase_core::model::HostParameters;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::{ClusterProvisioner, Fleet, HostConnector, MemoryProvisioner};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_k8s::VClusterHosts;

/// Name of the configured host.
pub const CONFIGURED_HOST: &str = "memory";

/// Kubeconfig that stands for an in-memory host on which all operations succeed.
pub const MEMORY_KUBECONFIG: &str = "# secret kubeconfig of a host in memory";

/// Kubeconfig of an unreachable cluster.
pub const UNREACHABLE_KUBECONFIG: &str = "{apiVersion: v1, kind: Config, current-context: it, \
    clusters: [{name: it, cluster: {server: 'http://127.0.0.1:1'}}], \
    contexts: [{name: it, context: {cluster: it, user: it}}], users: [{name: it, user: {token: secret}}]}";

/// Connects [`MEMORY_KUBECONFIG`] to a new in-memory host, and every other kubeconfig over the network. The settings
/// of the host are validated in both cases.
#[derive(Debug)]
struct TestHostConnector(VClusterHosts);

#[async_trait]
impl HostConnector for TestHostConnector {
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        parameters: &HostParameters,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let connectable = if kubeconfig.expose_secret() == MEMORY_KUBECONFIG {
            UNREACHABLE_KUBECONFIG
        } else {
            kubeconfig.expose_secret()
        };
        let connected = self.0.connect(host, &connectable.into(), parameters).await?;
        Ok(if kubeconfig.expose_secret() == MEMORY_KUBECONFIG { in_memory() } else { connected })
    }
}

fn in_memory() -> Arc<dyn ClusterProvisioner> {
    Arc::new(MemoryProvisioner::new(Arc::new(SystemClock), Duration::ZERO))
}

/// Fleet with one in-memory host, to which operators can add hosts.
pub(crate) fn fleet() -> Fleet {
    let host =
        HostCluster { sandbox: true, ..HostCluster::new(HostClusterName::parse(CONFIGURED_HOST).unwrap()) };
    let connector = TestHostConnector(VClusterHosts::new(hexabase_k8s::HostConfig::default()));
    Fleet::new().with(host, in_memory()).with_connector(Arc::new(connector))
}
