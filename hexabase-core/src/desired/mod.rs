//! Desired state of a tenant cluster, as plain data.
//!
//! [`tenant_cluster()`] computes the complete desired state from a workspace and its plan. It is computed again for
//! every reconcile; a provisioner renders it for its technology and applies it.

mod tenant_cluster;

use std::collections::{BTreeMap, BTreeSet};

pub use tenant_cluster::{
    OidcTrust, RoleKind, TenantBinding, TenantCluster, TenantNodePool, TenantProject, TenantRole,
    TenantTarget,
};

use crate::access::{lineage, preset_rules};
use crate::id::{GroupId, ProjectId, TypedId as _, UserId};
use crate::model::{
    Assignment, CustomRole, Group, NodePool, Plan, PresetRole, Project, RoleRef, WorkspaceState,
};
use crate::name::GroupName;
use crate::quota::Quota;

/// Prefix that the tenant API server adds to the users and groups of our tokens, so that no claim can be a built-in
/// name of Kubernetes.
pub const CLAIM_PREFIX: &str = "hexabase:";

/// Issuer of the tokens that tenant API servers trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// URL of the issuer, exactly as in the claim `iss`.
    pub url: String,
    /// Certificate authority of the URL in PEM; `None` for a public one.
    pub certificate_authority: Option<String>,
}

impl Issuer {
    /// `true` if a Kubernetes API server accepts the issuer, which requires `https`.
    #[must_use]
    pub fn is_trustable(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// Computes the desired state of the cluster of a workspace.
#[must_use]
pub fn tenant_cluster(state: &WorkspaceState, plan: &Plan, issuer: &Issuer) -> TenantCluster {
    let workspace = &state.workspace;
    let names: BTreeMap<GroupId, &Group> = state.groups.iter().map(|group| (group.id, group)).collect();
    let bind = |assignment: &Assignment| binding(assignment, names.get(&assignment.group_id)?, &state.roles);
    let mut assigned: BTreeMap<Option<ProjectId>, Vec<&Assignment>> = BTreeMap::new();
    for assignment in &state.assignments {
        assigned.entry(assignment.project_id).or_default().push(assignment);
    }
    let assigned_in = |scope| assigned.get(&scope).map(Vec::as_slice).unwrap_or_default();
    TenantCluster {
        target: TenantTarget::of(workspace),
        workspace_name: workspace.name.clone(),
        generation: workspace.generation,
        kubernetes_version: workspace.kubernetes_version.clone(),
        plan_id: plan.id.clone(),
        control_plane: plan.control_plane.clone(),
        isolation: plan.isolation,
        image_sources: plan.image_sources.clone(),
        quota: plan.quota.clone(),
        extended_resources: plan.extended_resources.clone(),
        oidc: issuer.is_trustable().then(|| OidcTrust {
            issuer_url: issuer.url.clone(),
            certificate_authority: issuer.certificate_authority.clone(),
            audience: workspace.id.to_string(),
            prefix: CLAIM_PREFIX.to_owned(),
        }),
        roles: PresetRole::ALL.iter().map(|preset| preset_role(*preset)).collect(),
        bindings: assigned_in(None).iter().copied().filter_map(bind).collect(),
        node_pools: workspace.node_pools.iter().map(node_pool).collect(),
        gitops: workspace.gitops.clone(),
        projects: state
            .projects
            .iter()
            .map(|project| {
                // A custom role belongs to one project; a preset that was assigned in an ancestor applies here too.
                let applies = |assignment: &&Assignment| {
                    matches!(assignment.role, RoleRef::Preset(_)) || assignment.project_id == Some(project.id)
                };
                let inherited =
                    lineage(&state.projects, project.id).flat_map(|scope| assigned_in(Some(scope)));
                let bindings = inherited.copied().filter(applies).filter_map(bind).collect();
                tenant_project(project, state, plan, bindings)
            })
            .collect(),
    }
}

fn node_pool(pool: &NodePool) -> TenantNodePool {
    TenantNodePool { id: pool.id, class: pool.class.clone(), nodes: pool.nodes }
}

fn preset_role(preset: PresetRole) -> TenantRole {
    TenantRole {
        name: preset.as_str().to_owned(),
        title: preset.as_str().to_owned(),
        rules: preset_rules(preset),
    }
}

fn tenant_project(
    project: &Project,
    state: &WorkspaceState,
    plan: &Plan,
    bindings: Vec<TenantBinding>,
) -> TenantProject {
    let own = state.roles.iter().filter(|role| role.project_id == project.id);
    TenantProject {
        id: project.id,
        namespace: project.name.clone(),
        isolation: plan.isolation,
        quota: remaining_quota(project, &state.projects),
        roles: own.map(custom_role).collect(),
        bindings,
    }
}

/// Returns the quota of a project's own namespace: its quota minus the slices of its children. Kubernetes enforces
/// quotas per namespace, so this bounds the sum over all namespaces.
#[must_use]
pub fn remaining_quota(project: &Project, all: &[Project]) -> Quota {
    let children = all.iter().filter(|child| child.parent_id == Some(project.id));
    let sliced = children.fold(Quota::new(), |sum, child| sum.plus(&child.quota));
    let remaining = |(resource, amount): (_, crate::quantity::Quantity)| {
        (resource, sliced.get(resource).map_or(amount, |slice| amount.minus(slice)))
    };
    project.quota.iter().map(remaining).collect()
}

fn custom_role(role: &CustomRole) -> TenantRole {
    TenantRole {
        name: role.id.kubernetes_name(),
        title: role.name.as_str().to_owned(),
        rules: role.rules.clone(),
    }
}

fn binding(assignment: &Assignment, group: &Group, roles: &[CustomRole]) -> Option<TenantBinding> {
    let (kind, role) = match assignment.role {
        RoleRef::Preset(preset) => (RoleKind::Cluster, preset.as_str().to_owned()),
        RoleRef::Custom(id) => {
            roles.iter().find(|role| role.id == id)?;
            (RoleKind::Project, id.kubernetes_name())
        }
    };
    let group = format!("{CLAIM_PREFIX}{}", group.name);
    Some(TenantBinding { name: assignment.id.kubernetes_name(), kind, role, group, users: None })
}

/// Binds roles to the members of these groups by name instead of to the groups, so that tokens that still name the
/// groups grant nothing (see [`AccessRevocation`](crate::model::AccessRevocation)).
#[must_use]
pub fn bind_by_name(
    mut cluster: TenantCluster,
    members: &BTreeMap<GroupName, BTreeSet<UserId>>,
) -> TenantCluster {
    let named: BTreeMap<String, Vec<String>> = members
        .iter()
        .map(|(group, members)| {
            let members = members.iter().map(|user| format!("{CLAIM_PREFIX}{user}")).collect();
            (format!("{CLAIM_PREFIX}{group}"), members)
        })
        .collect();
    let bindings = cluster.projects.iter_mut().flat_map(|project| &mut project.bindings);
    for binding in cluster.bindings.iter_mut().chain(bindings) {
        binding.users = named.get(&binding.group).cloned();
    }
    cluster
}
