use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::ClusterProvisioner;
use crate::error::{Error, Result};
use crate::id_source::IdSource;
use crate::model::{HostSettings, RegisteredHost};
use crate::name::HostClusterName;
use crate::placement::HostCluster;
use crate::seal::MasterKey;
use crate::secret::{ExposeSecret as _, SecretString};

/// Finds those who make tenant clusters on the hosts that operators register.
#[async_trait]
pub trait HostConnector: fmt::Debug + Send + Sync + 'static {
    /// Whoever makes tenant clusters on a host, by the kubeconfig that leads there and what is particular to it. The host
    /// itself is not asked for anything.
    ///
    /// # Errors
    /// `Invalid` for a kubeconfig or settings that make no sense, naming `kubeconfig` or `settings.` and which.
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &HostSettings,
    ) -> Result<Arc<dyn ClusterProvisioner>>;
}

/// A registered host with whoever makes tenant clusters on it.
#[derive(Debug, Clone)]
struct Connected {
    registered: RegisteredHost,
    provisioner: Arc<dyn ClusterProvisioner>,
}

impl Connected {
    /// Whether a host is still reached in the same way.
    fn leads_to(&self, registered: &RegisteredHost) -> bool {
        let known = &self.registered;
        known.sealed_kubeconfig == registered.sealed_kubeconfig && known.settings == registered.settings
    }
}

/// The host clusters of an installation, each with whoever makes tenant clusters on it: those that the installation is
/// put together with, and those that operators register while it runs.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    fixed: BTreeMap<HostClusterName, (HostCluster, Arc<dyn ClusterProvisioner>)>,
    connector: Option<Arc<dyn HostConnector>>,
    connected: Arc<RwLock<BTreeMap<HostClusterName, Connected>>>,
}

impl Fleet {
    /// A fleet without hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more host; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, host: HostCluster, provisioner: Arc<dyn ClusterProvisioner>) -> Self {
        self.fixed.insert(host.name.clone(), (host, provisioner));
        self
    }

    /// The same for an installation in which operators may register hosts.
    #[must_use]
    pub fn with_connector(mut self, connector: Arc<dyn HostConnector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// The hosts that the installation is put together with, by name.
    pub fn fixed(&self) -> impl Iterator<Item = (&HostCluster, &Arc<dyn ClusterProvisioner>)> {
        self.fixed.values().map(|(host, provisioner)| (host, provisioner))
    }

    /// A host that the installation is put together with.
    #[must_use]
    pub fn fixed_host(&self, name: &HostClusterName) -> Option<&HostCluster> {
        self.fixed.get(name).map(|(host, _)| host)
    }

    /// Whether there is nothing to make tenant clusters on, and never will be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.connector.is_none()
    }

    /// Whoever makes tenant clusters on a host, as far as this process knows.
    #[must_use]
    pub fn find(&self, host: &HostClusterName) -> Option<Arc<dyn ClusterProvisioner>> {
        let fixed = self.fixed.get(host).map(|(_, provisioner)| provisioner.clone());
        fixed.or_else(|| self.read().get(host).map(|connected| connected.provisioner.clone()))
    }

    /// Everybody who makes tenant clusters, by the name of the host.
    pub(crate) fn all(&self) -> BTreeMap<HostClusterName, Arc<dyn ClusterProvisioner>> {
        let fixed = self.fixed.iter().map(|(name, (_, provisioner))| (name.clone(), provisioner.clone()));
        let connected = self.read();
        let connected =
            connected.iter().map(|(name, connected)| (name.clone(), connected.provisioner.clone()));
        connected.chain(fixed).collect()
    }

    /// Whoever makes tenant clusters on a host that an operator is about to register.
    pub(crate) async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &HostSettings,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let message = "this installation takes its host clusters from its settings alone";
        let connector = self.connector.as_ref().ok_or_else(|| Error::unsupported(message))?;
        connector.connect(host, kubeconfig, settings).await
    }

    /// Takes in that these are the registered hosts now. One to which nothing leads is left out, and told of.
    pub(crate) async fn follow(&self, hosts: Vec<RegisteredHost>, key: &MasterKey) {
        let mut now = BTreeMap::new();
        for registered in hosts {
            let name = registered.host.name.clone();
            let known = self.read().get(&name).filter(|known| known.leads_to(&registered)).cloned();
            let connected = match known {
                Some(known) => Ok(known.provisioner),
                None => self.reconnect(&registered, key).await,
            };
            match connected {
                Ok(provisioner) => drop(now.insert(name, Connected { registered, provisioner })),
                Err(error) => {
                    tracing::warn!(host = %name, %error, "a registered host cluster cannot be used")
                }
            }
        }
        *self.connected.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    async fn reconnect(
        &self,
        registered: &RegisteredHost,
        key: &MasterKey,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let kubeconfig = open_kubeconfig(key, registered)?;
        self.connect(&registered.host.name, &kubeconfig, &registered.settings).await
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<HostClusterName, Connected>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The purpose for which the kubeconfig of one host is sealed: it opens as no other's.
fn purpose(host: &HostClusterName) -> String {
    format!("host-kubeconfig/{host}")
}

/// Seals the kubeconfig that leads to a host.
pub(crate) fn seal_kubeconfig(
    key: &MasterKey,
    ids: &dyn IdSource,
    host: &HostClusterName,
    kubeconfig: &SecretString,
) -> Result<Vec<u8>> {
    key.seal(ids, &purpose(host), kubeconfig.expose_secret().as_bytes())
}

/// The kubeconfig that leads to a host.
pub(crate) fn open_kubeconfig(key: &MasterKey, registered: &RegisteredHost) -> Result<SecretString> {
    let opened = key.open(&purpose(&registered.host.name), &registered.sealed_kubeconfig)?;
    let text = String::from_utf8(opened)
        .map_err(|error| Error::unexpected("a sealed kubeconfig is no text").caused_by(error))?;
    Ok(text.into())
}
