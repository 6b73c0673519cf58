use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, UserId};
use crate::name::{NodeClass, Slug};
use crate::version::Version;

/// Nodes of the host cluster that a workspace has to itself. All pods of a workspace that has any run on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePool {
    /// Which pool.
    pub id: NodePoolId,
    /// Its name, unique in the workspace.
    pub name: Slug,
    /// What kind of nodes it is made of, in the words of whoever sets nodes aside on the host.
    pub class: NodeClass,
    /// How many nodes it should have.
    pub nodes: u16,
    /// Who asked for it.
    pub created_by: UserId,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}

/// The nodes of a pool, by their names on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolNodes {
    /// Those that work for the workspace.
    pub assigned: Vec<String>,
    /// Those that are being emptied, to be given back.
    pub releasing: Vec<String>,
}
