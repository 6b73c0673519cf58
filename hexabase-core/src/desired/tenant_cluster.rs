use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, OrganizationId, ProjectId, TypedId as _, WorkspaceId};
use crate::model::{ControlPlane, Isolation, Rule, Workspace};
use crate::name::{ImageSource, KubernetesVersion, NodeClass, PlanId, ProjectName, Slug};
use crate::quota::Quota;

/// Which tenant cluster is meant, on its host cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantTarget {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Which workspace it belongs to.
    pub workspace_id: WorkspaceId,
    /// Its name in Kubernetes: of its namespace on the host, and of its control plane. It follows from the
    /// workspace's id, so a name is never used a second time.
    pub name: String,
}

impl TenantTarget {
    /// The target of a workspace.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self::by_id(workspace.organization_id, workspace.id)
    }

    /// The target of the workspace with this id, which may be gone by now.
    #[must_use]
    pub fn by_id(organization_id: OrganizationId, workspace_id: WorkspaceId) -> Self {
        Self { organization_id, workspace_id, name: workspace_id.kubernetes_name() }
    }
}

/// Everything that a tenant cluster should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCluster {
    /// Which cluster.
    pub target: TenantTarget,
    /// What its organization calls it.
    pub workspace_name: Slug,
    /// The generation that this is.
    pub generation: u64,
    /// The Kubernetes version it runs.
    pub kubernetes_version: KubernetesVersion,
    /// The plan that gives it its size.
    pub plan_id: PlanId,
    /// How its control plane is built.
    pub control_plane: ControlPlane,
    /// How strictly its pods are kept apart from the host.
    pub isolation: Isolation,
    /// Where the images of its pods may come from; from anywhere without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_sources: Vec<ImageSource>,
    /// What its workloads may use together; the control plane's own needs come on top.
    pub quota: Quota,
    /// Whose tokens it accepts; none when the issuer cannot be trusted by an API server.
    pub oidc: Option<OidcTrust>,
    /// The roles that can be bound everywhere (ClusterRoles).
    pub roles: Vec<TenantRole>,
    /// Who has a role in the whole workspace.
    pub bindings: Vec<TenantBinding>,
    /// The nodes that it has to itself; without any its pods run where everybody's do.
    pub node_pools: Vec<TenantNodePool>,
    /// Its projects.
    pub projects: Vec<TenantProject>,
}

/// Nodes that a tenant cluster has to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantNodePool {
    /// Which pool.
    pub id: NodePoolId,
    /// What kind of nodes.
    pub class: NodeClass,
    /// How many.
    pub nodes: u16,
}

/// Whose tokens a tenant's API server accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcTrust {
    /// The issuer.
    pub issuer_url: String,
    /// The issuer's certificate authority in PEM, where it is not a public one.
    pub certificate_authority: Option<String>,
    /// The one audience that is accepted: the workspace's id.
    pub audience: String,
    /// What is put before users and groups.
    pub prefix: String,
}

/// A role inside the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRole {
    /// Its name in Kubernetes.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it allows.
    pub rules: Vec<Rule>,
}

/// A role given to a group inside the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantBinding {
    /// Its name in Kubernetes.
    pub name: String,
    /// Where the role is found.
    pub kind: RoleKind,
    /// The role's name in Kubernetes.
    pub role: String,
    /// The group, with its prefix.
    pub group: String,
    /// Whom it is given to instead, with their prefixes, while the group is not to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Vec<String>>,
}

/// Where a role is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleKind {
    /// Among the roles of the cluster as a whole.
    Cluster,
    /// Among the roles of the project.
    Project,
}

/// A project inside the tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantProject {
    /// Which project.
    pub id: ProjectId,
    /// Its namespace.
    pub namespace: ProjectName,
    /// How strictly its pods are kept apart from the host.
    pub isolation: Isolation,
    /// What its namespace may use: its quota without the slices of its children.
    pub quota: Quota,
    /// Its custom roles.
    pub roles: Vec<TenantRole>,
    /// Who has a role in it.
    pub bindings: Vec<TenantBinding>,
}
