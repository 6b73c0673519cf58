use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, UserId};
use crate::name::{NodeClass, Slug};
use crate::version::Version;

/// Dedicated nodes of a workspace on its host cluster. If a workspace has node pools, all of its pods run on their
/// nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePool {
    /// Id of the pool.
    pub id: NodePoolId,
    /// Name, unique in the workspace.
    pub name: Slug,
    /// Class of the nodes, as the operator labelled them on the host.
    pub class: NodeClass,
    /// Desired number of nodes.
    pub nodes: u16,
    /// User who created the pool.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

/// Nodes of a pool, by their names on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolNodes {
    /// Nodes that run pods of the workspace.
    pub assigned: Vec<String>,
    /// Nodes that are being drained before they are released.
    pub releasing: Vec<String>,
}
