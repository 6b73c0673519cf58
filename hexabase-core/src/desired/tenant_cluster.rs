use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, OrganizationId, ProjectId, TypedId as _, WorkspaceId};
use crate::model::{ControlPlane, GitOps, Isolation, Rule, Workspace};
use crate::name::{ExtendedResource, ImageSource, KubernetesVersion, NodeClass, PlanId, ProjectName, Slug};
use crate::quantity::Quantity;
use crate::quota::Quota;

/// Identity of a tenant cluster on its host cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TenantTarget {
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the tenant cluster.
    pub workspace_id: WorkspaceId,
    /// Kubernetes name of its namespace on the host and of its control plane. It is derived from the id of the
    /// workspace,
    /// so a name is never reused.
    pub name: String,
}

impl TenantTarget {
    /// Returns the target of a workspace.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self::by_id(workspace.organization_id, workspace.id)
    }

    /// Returns the target of the workspace with this id, which may have been deleted.
    #[must_use]
    pub fn by_id(organization_id: OrganizationId, workspace_id: WorkspaceId) -> Self {
        Self { organization_id, workspace_id, name: workspace_id.kubernetes_name() }
    }
}

/// Complete desired state of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCluster {
    /// Identity of the cluster.
    pub target: TenantTarget,
    /// Name of the workspace.
    pub workspace_name: Slug,
    /// Generation of the workspace that this state implements.
    pub generation: u64,
    /// Desired Kubernetes version.
    pub kubernetes_version: KubernetesVersion,
    /// Plan that determines size and limits.
    pub plan_id: PlanId,
    /// Configuration of the control plane.
    pub control_plane: ControlPlane,
    /// Isolation level of pods.
    pub isolation: Isolation,
    /// Registries or paths that images of pods may come from. Empty: images from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_sources: Vec<ImageSource>,
    /// Maximum resource consumption of the workloads together. The consumption of the control plane is added to it.
    pub quota: Quota,
    /// Maximum amounts of further resources of nodes. Workloads cannot request resources that are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended_resources: BTreeMap<ExtendedResource, Quantity>,
    /// Issuer whose tokens the cluster accepts; `None` if an API server cannot trust the issuer.
    pub oidc: Option<OidcTrust>,
    /// Roles that can be bound in every namespace (ClusterRoles).
    pub roles: Vec<TenantRole>,
    /// Role bindings in the whole workspace.
    pub bindings: Vec<TenantBinding>,
    /// Dedicated node pools. Empty: pods run on shared nodes.
    pub node_pools: Vec<TenantNodePool>,
    /// GitOps tools that have access to the cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gitops: GitOps,
    /// Projects of the workspace.
    pub projects: Vec<TenantProject>,
}

/// Dedicated nodes of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantNodePool {
    /// Id of the pool.
    pub id: NodePoolId,
    /// Class of the nodes.
    pub class: NodeClass,
    /// Desired number of nodes.
    pub nodes: u16,
}

/// OIDC configuration of a tenant API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcTrust {
    /// URL of the issuer.
    pub issuer_url: String,
    /// Certificate authority of the issuer in PEM; `None` for a public one.
    pub certificate_authority: Option<String>,
    /// Only accepted audience: the id of the workspace.
    pub audience: String,
    /// Prefix of users and groups.
    pub prefix: String,
}

/// Role in the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRole {
    /// Name in Kubernetes.
    pub name: String,
    /// Name for display.
    pub title: String,
    /// Rules of the role.
    pub rules: Vec<Rule>,
}

/// Binding of a role to a group in the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantBinding {
    /// Name in Kubernetes.
    pub name: String,
    /// Kind of the role.
    pub kind: RoleKind,
    /// Kubernetes name of the role.
    pub role: String,
    /// Group, with its prefix.
    pub group: String,
    /// Users who are bound instead of the group, with their prefixes, during an access revocation; `None` otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
}

/// Kind of a role in the tenant cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleKind {
    /// Role of the cluster as a whole (ClusterRole).
    Cluster,
    /// Role of a project (Role).
    Project,
}

/// Project in the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantProject {
    /// Id of the project.
    pub id: ProjectId,
    /// Namespace of the project.
    pub namespace: ProjectName,
    /// Isolation level of pods.
    pub isolation: Isolation,
    /// Quota of the namespace: the quota of the project minus the slices of its children.
    pub quota: Quota,
    /// Custom roles of the project.
    pub roles: Vec<TenantRole>,
    /// Role bindings in the project.
    pub bindings: Vec<TenantBinding>,
}
