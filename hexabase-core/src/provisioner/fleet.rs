use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::ClusterProvisioner;
use crate::error::{Error, Result};
use crate::id_source::IdSource;
use crate::model::{HostParameters, RegisteredHost};
use crate::name::HostClusterName;
use crate::placement::HostCluster;
use crate::seal::MasterKey;
use crate::secret::{ExposeSecret as _, SecretString};

/// Creates the provisioners of host clusters that operators register.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait HostConnector: fmt::Debug + Send + Sync + 'static {
    /// Creates the provisioner of a host from its kubeconfig and its parameters, without sending a request to the
    /// host.
    ///
    /// # Errors
    /// `Invalid` for an invalid kubeconfig or parameter; names the field: `kubeconfig`, or `settings.` and the
    /// parameter.
    async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &HostParameters,
    ) -> Result<Arc<dyn ClusterProvisioner>>;
}

/// A registered host with its provisioner.
#[derive(Debug, Clone)]
struct ConnectedHost {
    registered: RegisteredHost,
    provisioner: Arc<dyn ClusterProvisioner>,
}

impl ConnectedHost {
    /// `true` if the registration has the same kubeconfig and parameters, so that the provisioner can be reused.
    fn has_same_connection(&self, registered: &RegisteredHost) -> bool {
        let known = &self.registered;
        known.sealed_kubeconfig == registered.sealed_kubeconfig && known.settings == registered.settings
    }
}

/// The host clusters of an installation, each with its provisioner: the fixed hosts from the configuration, and the
/// hosts that operators register at run time.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    fixed: BTreeMap<HostClusterName, (HostCluster, Arc<dyn ClusterProvisioner>)>,
    connector: Option<Arc<dyn HostConnector>>,
    connected: Arc<RwLock<BTreeMap<HostClusterName, ConnectedHost>>>,
}

impl Fleet {
    /// Creates a fleet without hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fixed host; replaces a host of the same name.
    #[must_use]
    pub fn with(mut self, host: HostCluster, provisioner: Arc<dyn ClusterProvisioner>) -> Self {
        self.fixed.insert(host.name.clone(), (host, provisioner));
        self
    }

    /// Enables the registration of hosts by operators.
    #[must_use]
    pub fn with_connector(mut self, connector: Arc<dyn HostConnector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// The fixed hosts, ordered by name.
    pub fn fixed(&self) -> impl Iterator<Item = (&HostCluster, &Arc<dyn ClusterProvisioner>)> {
        self.fixed.values().map(|(host, provisioner)| (host, provisioner))
    }

    /// Finds a fixed host.
    #[must_use]
    pub fn fixed_host(&self, name: &HostClusterName) -> Option<&HostCluster> {
        self.fixed.get(name).map(|(host, _)| host)
    }

    /// `true` if there are no fixed hosts and operators cannot register any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.connector.is_none()
    }

    /// Finds the provisioner of a host, among the fixed hosts and the registered hosts that this process has loaded.
    #[must_use]
    pub fn find(&self, host: &HostClusterName) -> Option<Arc<dyn ClusterProvisioner>> {
        let fixed = self.fixed.get(host).map(|(_, provisioner)| provisioner.clone());
        fixed.or_else(|| self.read().get(host).map(|connected| connected.provisioner.clone()))
    }

    /// The provisioners of all hosts, by host name.
    pub(crate) fn all(&self) -> BTreeMap<HostClusterName, Arc<dyn ClusterProvisioner>> {
        let fixed = self.fixed.iter().map(|(name, (_, provisioner))| (name.clone(), provisioner.clone()));
        let connected = self.read();
        let connected =
            connected.iter().map(|(name, connected)| (name.clone(), connected.provisioner.clone()));
        connected.chain(fixed).collect()
    }

    /// Creates the provisioner of a host that an operator is about to register.
    pub(crate) async fn connect(
        &self,
        host: &HostClusterName,
        kubeconfig: &SecretString,
        settings: &HostParameters,
    ) -> Result<Arc<dyn ClusterProvisioner>> {
        let message =
            "host clusters cannot be registered in this installation; add them to its configuration";
        let connector = self.connector.as_ref().ok_or_else(|| Error::unsupported(message))?;
        connector.connect(host, kubeconfig, settings).await
    }

    /// Replaces the registered hosts by these. A host whose provisioner cannot be created is logged and left out.
    pub(crate) async fn refresh(&self, hosts: Vec<RegisteredHost>, key: &MasterKey) {
        let mut now = BTreeMap::new();
        for registered in hosts {
            let name = registered.host.name.clone();
            let known =
                self.read().get(&name).filter(|known| known.has_same_connection(&registered)).cloned();
            let connected = match known {
                Some(known) => Ok(known.provisioner),
                None => self.reconnect(&registered, key).await,
            };
            match connected {
                Ok(provisioner) => drop(now.insert(name, ConnectedHost { registered, provisioner })),
                Err(error) => {
                    tracing::warn!(host = %name, %error, "connecting registered host failed; host unavailable until the next refresh")
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

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<HostClusterName, ConnectedHost>> {
        self.connected.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sealing purpose of the kubeconfig of one host: the sealed text of one host cannot be opened as that of another.
pub(crate) fn kubeconfig_purpose(host: &HostClusterName) -> String {
    format!("host-kubeconfig/{host}")
}

/// Seals the kubeconfig of a host.
pub(crate) fn seal_kubeconfig(
    key: &MasterKey,
    ids: &dyn IdSource,
    host: &HostClusterName,
    kubeconfig: &SecretString,
) -> Result<Vec<u8>> {
    key.seal(ids, &kubeconfig_purpose(host), kubeconfig.expose_secret().as_bytes())
}

/// Opens the sealed kubeconfig of a host.
pub(crate) fn open_kubeconfig(key: &MasterKey, registered: &RegisteredHost) -> Result<SecretString> {
    let opened = key.open(&kubeconfig_purpose(&registered.host.name), &registered.sealed_kubeconfig)?;
    let text = String::from_utf8(opened)
        .map_err(|error| Error::unexpected("sealed kubeconfig is not valid UTF-8").caused_by(error))?;
    Ok(text.into())
}
