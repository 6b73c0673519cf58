use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::string_enum;
use crate::placement::HostCluster;
use crate::version::Version;

/// Host cluster that an operator registered.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredHost {
    /// Properties for placement.
    pub host: HostCluster,
    /// Parameters of the host, with the names that the provisioner defines.
    pub settings: HostParameters,
    /// Kubeconfig for the host, sealed with the master key.
    pub sealed_kubeconfig: Vec<u8>,
    /// Result of the last request of a worker to the host.
    pub health: HostHealth,
    /// Registration time.
    pub created_at: Timestamp,
    /// Time of the last change, including changes of the health.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

/// Parameters of a host cluster, by name.
pub type HostParameters = BTreeMap<String, String>;

impl std::fmt::Debug for RegisteredHost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("RegisteredHost")
            .field("host", &self.host)
            .field("settings", &self.settings)
            .field("health", &self.health)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Health of a host cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHealth {
    /// State of the host.
    pub state: HostState,
    /// Reason for operators if the host is unreachable.
    pub message: String,
    /// Time since which the host is in this state.
    pub since: Timestamp,
}

/// State of a host cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// No worker has sent a request to the host yet.
    Unknown,
    /// The host responds.
    Healthy,
    /// The host does not respond, or not as expected.
    Unreachable,
}

string_enum!(HostState { Unknown = "unknown", Healthy = "healthy", Unreachable = "unreachable" } else UnknownHostState = "must be unknown, healthy or unreachable");
