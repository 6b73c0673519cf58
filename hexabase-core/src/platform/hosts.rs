use std::fmt;

use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::changeset::{Changeset, Guard, Key};
use crate::error::{Error, Result};
use crate::model::{HostHealth, HostSettings, HostState, RegisteredHost};
use crate::name::{HostClusterName, Region};
use crate::placement::{HostCluster, HostLabels};
use crate::provisioner::{open_kubeconfig, seal_kubeconfig};
use crate::secret::SecretString;
use crate::version::Version;

/// How many labels a host may have, and how long their names and values may be.
const LABELS: usize = 32;
const LONGEST: usize = 63;

/// The host clusters of the installation. Who may look after them is for the caller to decide: no organization has a say.
#[derive(Debug, Clone, Copy)]
pub struct Hosts<'a>(pub(super) &'a Parts);

/// What a new host cluster is like.
pub struct RegisterHost {
    /// What placement goes by.
    pub host: HostCluster,
    /// What is particular to it.
    pub settings: HostSettings,
    /// What leads to it.
    pub kubeconfig: SecretString,
}

impl fmt::Debug for RegisterHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RegisterHost").field("host", &self.host).finish_non_exhaustive()
    }
}

/// What is to change about a host cluster; what is not said stays.
#[derive(Default)]
pub struct ChangeHost {
    /// Where it stands.
    pub region: Option<Option<Region>>,
    /// What plans may ask for.
    pub labels: Option<HostLabels>,
    /// How many workspaces it takes.
    pub capacity: Option<u32>,
    /// Whether it takes no new workspaces.
    pub cordoned: Option<bool>,
    /// What is particular to it.
    pub settings: Option<HostSettings>,
    /// What leads to it.
    pub kubeconfig: Option<SecretString>,
}

impl fmt::Debug for ChangeHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChangeHost").field("cordoned", &self.cordoned).finish_non_exhaustive()
    }
}

/// A host cluster as operators see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownHost {
    /// What placement goes by.
    pub host: HostCluster,
    /// How many workspaces it carries.
    pub workspaces: u32,
    /// How it was registered; none for one that the installation is put together with.
    pub registration: Option<Registration>,
}

/// What is known of a registered host besides what placement goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// What is particular to it.
    pub settings: HostSettings,
    /// How it was when a worker last asked it.
    pub health: HostHealth,
    /// When it was registered.
    pub created_at: jiff::Timestamp,
    /// When it last changed.
    pub updated_at: jiff::Timestamp,
    /// Raised by every change.
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
    /// All host clusters: those that the installation is put together with, and those that were registered, each by name.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self) -> Result<Vec<KnownHost>> {
        let used = self.0.store.count_by_host().await?;
        let carries = |name: &HostClusterName| used.get(name).copied().unwrap_or(0);
        let fixed = self.0.fleet.fixed().map(|(host, _)| KnownHost {
            host: host.clone(),
            workspaces: carries(&host.name),
            registration: None,
        });
        let registered = self.0.store.list_hosts().await?.into_iter();
        let registered = registered.map(|registered| {
            let workspaces = carries(&registered.host.name);
            KnownHost::registered(registered, workspaces)
        });
        Ok(fixed.chain(registered).collect())
    }

    /// A host cluster.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn get(&self, name: &HostClusterName) -> Result<KnownHost> {
        let all = self.list().await?;
        all.into_iter().find(|known| known.host.name == *name).ok_or_else(missing)
    }

    /// Registers a host cluster. New workspaces may be placed on it at once; whether it answers shows in its health.
    ///
    /// # Errors
    /// - `AlreadyExists` when the name is taken.
    /// - `Invalid` for a kubeconfig, settings or labels that make no sense.
    /// - `Unsupported` in an installation that takes its hosts from its settings.
    pub async fn register(&self, caller: &Caller, command: &RegisterHost) -> Result<Done<KnownHost>> {
        let RegisterHost { host, settings, kubeconfig } = command;
        if self.0.fleet.fixed_host(&host.name).is_some() {
            return Err(Error::already_exists("host cluster"));
        }
        check_labels(&host.labels)?;
        self.0.fleet.connect(&host.name, kubeconfig, settings).await?;
        self.0
            .once(caller, || async {
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

    /// Changes a registered host cluster. Workspaces stay where they are.
    ///
    /// # Errors
    /// - `NotFound`; `Conflict` with code `not_registered` for one that the installation is put together with.
    /// - `Invalid` as for [`Self::register`].
    /// - `Conflict` with code `precondition_failed` when it has another version than `expected`.
    pub async fn change(
        &self,
        name: &HostClusterName,
        command: &ChangeHost,
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

    async fn apply(&self, command: &ChangeHost, registered: &mut RegisteredHost) -> Result<()> {
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

    /// Forgets a registered host cluster. Nothing on it is touched.
    ///
    /// # Errors
    /// - `NotFound`; `Conflict` with code `not_registered` for one that the installation is put together with.
    /// - `Conflict` with code `host_not_cordoned` while it takes new workspaces, and `host_in_use` while it carries any.
    /// - `Conflict` with code `precondition_failed` when it has another version than `expected`.
    pub async fn forget(&self, name: &HostClusterName, expected: Option<Version>) -> Result<()> {
        self.0
            .transact(|| async {
                let registered = self.registered(name, expected).await?;
                if !registered.host.cordoned {
                    let message = "new workspaces may still be placed on this cluster; cordon it first";
                    return Err(Error::conflict("host_not_cordoned", message));
                }
                // Whoever placed one here before it was cordoned fails by the version, so there are no more to come.
                let carries = self.0.store.count_by_host().await?.get(name).copied().unwrap_or(0);
                if carries > 0 {
                    let message =
                        format!("{carries} workspaces are still on this cluster; remove them first");
                    return Err(Error::conflict("host_in_use", message));
                }
                let guard = Guard::Host(name.clone(), registered.version);
                Ok((Changeset::new().guard(guard).delete(Key::Host(name.clone())), ()))
            })
            .await
    }

    async fn registered(&self, name: &HostClusterName, expected: Option<Version>) -> Result<RegisteredHost> {
        if self.0.fleet.fixed_host(name).is_some() {
            let message = "this cluster comes from the settings of the installation; change it there";
            return Err(Error::conflict("not_registered", message));
        }
        let registered = self.0.store.find_host(name).await?.ok_or_else(missing)?;
        require_version(expected, registered.version)?;
        Ok(registered)
    }

    fn seal(&self, name: &HostClusterName, kubeconfig: &SecretString) -> Result<Vec<u8>> {
        seal_kubeconfig(&self.0.key, &*self.0.ids, name, kubeconfig)
    }
}

fn missing() -> Error {
    Error::not_found("host cluster")
}

fn check_labels(labels: &HostLabels) -> Result<()> {
    let fine = |text: &str| {
        (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
    };
    if labels.len() > LABELS || !labels.iter().all(|(label, value)| fine(label) && fine(value)) {
        let message = format!(
            "must be at most {LABELS} names with values, each of 1 to {LONGEST} ASCII letters, digits, '-', '_', '.' and '/'"
        );
        return Err(Error::invalid("labels", message));
    }
    Ok(())
}
