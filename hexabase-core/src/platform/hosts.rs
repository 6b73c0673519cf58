use std::fmt;

use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::changeset::{Changeset, Precondition, RecordKey};
use crate::error::{Error, Result};
use crate::model::{HostHealth, HostParameters, HostState, RegisteredHost};
use crate::name::{HostClusterName, Region};
use crate::placement::{HostCluster, HostLabels};
use crate::provisioner::{open_kubeconfig, seal_kubeconfig};
use crate::secret::SecretString;
use crate::version::Version;

/// Maximum number of labels of a host, and maximum length of their names and values in bytes.
const MAX_HOST_LABELS: usize = 32;
const MAX_LABEL_LENGTH: usize = 63;

/// Host clusters of the installation. The calling code authorizes these operations: no organization role permits them.
#[derive(Debug, Clone, Copy)]
pub struct Hosts<'a>(pub(super) &'a PlatformInner);

/// Command to register a host cluster.
pub struct RegisterHost {
    /// Name, region, labels, capacity and cordon, for placement.
    pub host: HostCluster,
    /// Parameters that differ from the configuration of the installation.
    pub settings: HostParameters,
    /// Kubeconfig with the credentials for the host.
    pub kubeconfig: SecretString,
}

impl fmt::Debug for RegisterHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RegisterHost").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Command to change a registered host cluster. Fields that are `None` stay unchanged.
#[derive(Default)]
pub struct UpdateHost {
    /// New region; `Some(None)` removes it.
    pub region: Option<Option<Region>>,
    /// New labels, which plans select hosts by.
    pub labels: Option<HostLabels>,
    /// New maximum number of workspaces.
    pub capacity: Option<u32>,
    /// `true` to exclude the host from placement, `false` to include it.
    pub cordoned: Option<bool>,
    /// New parameters that differ from the configuration of the installation.
    pub settings: Option<HostParameters>,
    /// New kubeconfig with the credentials for the host.
    pub kubeconfig: Option<SecretString>,
}

impl fmt::Debug for UpdateHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("UpdateHost").field("cordoned", &self.cordoned).finish_non_exhaustive()
    }
}

/// Host cluster as shown to operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    /// Name, region, labels, capacity and cordon.
    pub host: HostCluster,
    /// Number of workspaces on the host.
    pub workspaces: u32,
    /// Registration; `None` for a fixed host from the configuration of the installation.
    pub registration: Option<Registration>,
}

/// Data of a registered host in addition to the data for placement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Parameters that differ from the configuration of the installation.
    pub settings: HostParameters,
    /// Result of the last request of a worker to the host.
    pub health: HostHealth,
    /// Time of the registration.
    pub created_at: jiff::Timestamp,
    /// Time of the last change.
    pub updated_at: jiff::Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

impl KnownHost {
    fn registered(registered: RegisteredHost, workspaces: u32) -> Self {
        let RegisteredHost { host, settings, health, created_at, updated_at, version, .. } = registered;
        let registration = Registration { settings, health, created_at, updated_at, version };
        Self { host, workspaces, registration: Some(registration) }
    }
}

impl Hosts<'_> {
    /// Lists all host clusters: the fixed hosts of the configuration, then the registered hosts, each ordered by name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self) -> Result<Vec<KnownHost>> {
        let used = self.0.store.count_by_host().await?;
        let workspace_count = |name: &HostClusterName| used.get(name).copied().unwrap_or(0);
        let fixed = self.0.fleet.fixed().map(|(host, _)| KnownHost {
            host: host.clone(),
            workspaces: workspace_count(&host.name),
            registration: None,
        });
        let registered = self.0.store.list_hosts().await?.into_iter();
        let registered = registered.map(|registered| {
            let workspaces = workspace_count(&registered.host.name);
            KnownHost::registered(registered, workspaces)
        });
        Ok(fixed.chain(registered).collect())
    }

    /// Returns a host cluster.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn get(&self, name: &HostClusterName) -> Result<KnownHost> {
        let all = self.list().await?;
        all.into_iter().find(|known| known.host.name == *name).ok_or_else(not_found)
    }

    /// Registers a host cluster, which is available for placement immediately. Its health shows if it is reachable.
    ///
    /// # Errors
    /// - `AlreadyExists` if the name is taken.
    /// - `Invalid` for an invalid kubeconfig, parameter or label.
    /// - `Unsupported` in an installation that takes its hosts from its configuration only.
    pub async fn register(&self, caller: &Caller, command: &RegisterHost) -> Result<Idempotent<KnownHost>> {
        let RegisterHost { host, settings, kubeconfig } = command;
        if self.0.fleet.fixed_host(&host.name).is_some() {
            return Err(Error::already_exists("host cluster"));
        }
        check_labels(&host.labels)?;
        self.0.fleet.connect(&host.name, kubeconfig, settings).await?;
        self.0
            .run_idempotent(caller, Authorization::Caller, || async {
                let now = self.0.now();
                let health = HostHealth { state: HostState::Unknown, message: String::new(), since: now };
                let registered = RegisteredHost {
                    host: host.clone(),
                    settings: settings.clone(),
                    sealed_kubeconfig: self.seal(&host.name, kubeconfig)?,
                    health,
                    created_at: now,
                    updated_at: now,
                    version: Version::FIRST,
                };
                let known = KnownHost::registered(registered.clone(), 0);
                Ok((Changeset::new().insert(registered), known))
            })
            .await
    }

    /// Changes a registered host cluster. Its workspaces are not moved.
    ///
    /// # Errors
    /// - `NotFound`; `Conflict` with code `not_registered` for a fixed host.
    /// - `Invalid` as for [`Self::register`].
    /// - `Conflict` with code `precondition_failed` if the version differs from `expected`.
    pub async fn update(
        &self,
        name: &HostClusterName,
        command: &UpdateHost,
        expected: Option<Version>,
    ) -> Result<KnownHost> {
        if let Some(labels) = &command.labels {
            check_labels(labels)?;
        }
        self.0
            .transact(|| async {
                let mut registered = self.registered(name, expected).await?;
                self.apply(command, &mut registered).await?;
                Ok((Changeset::new().host(registered, self.0.now()), ()))
            })
            .await?;
        self.get(name).await
    }

    async fn apply(&self, command: &UpdateHost, registered: &mut RegisteredHost) -> Result<()> {
        let host = &mut registered.host;
        if let Some(region) = &command.region {
            host.region.clone_from(region);
        }
        if let Some(labels) = &command.labels {
            host.labels.clone_from(labels);
        }
        host.capacity = command.capacity.unwrap_or(host.capacity);
        host.cordoned = command.cordoned.unwrap_or(host.cordoned);
        if command.settings.is_none() && command.kubeconfig.is_none() {
            return Ok(());
        }
        if let Some(settings) = &command.settings {
            registered.settings.clone_from(settings);
        }
        if let Some(kubeconfig) = &command.kubeconfig {
            registered.sealed_kubeconfig = self.seal(&registered.host.name, kubeconfig)?;
        }
        let kubeconfig = open_kubeconfig(&self.0.key, registered)?;
        self.0.fleet.connect(&registered.host.name, &kubeconfig, &registered.settings).await.map(drop)
    }

    /// Removes the registration of a host cluster. Objects on the host are not changed.
    ///
    /// # Errors
    /// - `NotFound`; `Conflict` with code `not_registered` for a fixed host.
    /// - `Conflict` with code `host_not_cordoned` while the host is not cordoned, and `host_in_use` while workspaces
    ///   are on it.
    /// - `Conflict` with code `precondition_failed` if the version differs from `expected`.
    pub async fn unregister(&self, name: &HostClusterName, expected: Option<Version>) -> Result<()> {
        self.0
            .transact(|| async {
                let registered = self.registered(name, expected).await?;
                if !registered.host.cordoned {
                    let message = "new workspaces can still be placed on this host cluster; cordon it first";
                    return Err(Error::conflict("host_not_cordoned", message));
                }
                // A placement that was decided before the cordon fails on the version of the host, so the count is
                // final.
                let workspace_count = self.0.store.count_by_host().await?.get(name).copied().unwrap_or(0);
                if workspace_count > 0 {
                    let message = format!(
                        "{workspace_count} workspaces are still on this host cluster; delete them first"
                    );
                    return Err(Error::conflict("host_in_use", message));
                }
                let precondition = Precondition::Host(name.clone(), registered.version);
                Ok((Changeset::new().precondition(precondition).delete(RecordKey::Host(name.clone())), ()))
            })
            .await
    }

    async fn registered(&self, name: &HostClusterName, expected: Option<Version>) -> Result<RegisteredHost> {
        if self.0.fleet.fixed_host(name).is_some() {
            let message = "this host cluster is part of the installation's configuration; change it there";
            return Err(Error::conflict("not_registered", message));
        }
        let registered = self.0.store.find_host(name).await?.ok_or_else(not_found)?;
        require_version(expected, registered.version)?;
        Ok(registered)
    }

    fn seal(&self, name: &HostClusterName, kubeconfig: &SecretString) -> Result<Vec<u8>> {
        seal_kubeconfig(&self.0.key, &*self.0.ids, name, kubeconfig)
    }
}

fn not_found() -> Error {
    Error::not_found("host cluster")
}

fn check_labels(labels: &HostLabels) -> Result<()> {
    let is_valid = |text: &str| {
        (1..=MAX_LABEL_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
    };
    if labels.len() > MAX_HOST_LABELS
        || !labels.iter().all(|(label, value)| is_valid(label) && is_valid(value))
    {
        let message = format!(
            "must be at most {MAX_HOST_LABELS} labels; names and values have 1 to {MAX_LABEL_LENGTH} ASCII letters, digits, '-', '_', '.' and '/'"
        );
        return Err(Error::invalid("labels", message));
    }
    Ok(())
}
