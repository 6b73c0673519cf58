use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::words;
use crate::placement::HostCluster;
use crate::version::Version;

/// A host cluster that an operator registered.
#[derive(Clone, PartialEq, Eq)]
pub struct RegisteredHost {
    /// What placement goes by.
    pub host: HostCluster,
    /// What is particular to it, in the words of whoever makes tenant clusters on it.
    pub settings: HostSettings,
    /// The kubeconfig that leads to it, sealed with the master key.
    pub sealed_kubeconfig: Vec<u8>,
    /// How it was when a worker last asked it.
    pub health: HostHealth,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it last changed, its health included.
    pub updated_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}

/// What is particular to a host cluster, by name.
pub type HostSettings = BTreeMap<String, String>;

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

/// Whether a host cluster answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHealth {
    /// Whether it does.
    pub state: HostState,
    /// Why it does not, for operators.
    pub message: String,
    /// Since when that is so.
    pub since: Timestamp,
}

/// How a host cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// Nobody has asked it yet.
    Unknown,
    /// It answers.
    Healthy,
    /// It does not answer, or not as it should.
    Unreachable,
}

words!(HostState { Unknown = "unknown", Healthy = "healthy", Unreachable = "unreachable" } else UnknownHostState = "must be unknown, healthy or unreachable");
