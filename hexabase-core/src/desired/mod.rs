//! The full desired state of a tenant cluster, as plain data.
//!
//! [`workspace`] turns what an organization asked for into what its cluster should be. It is computed anew,
//! whole, at every look of the reconciler; a provisioner renders it for its technology and makes it so.

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

/// What the tenant's API server puts before the users and groups of our tokens, so that no claim can ever
/// be one of Kubernetes' own names.
pub const CLAIM_PREFIX: &str = "hexabase:";

/// Who issues the tokens that tenant API servers trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The issuer's URL, exactly as tokens carry it in `iss`.
    pub url: String,
    /// The certificate authority of that URL in PEM, where it is not a public one.
    pub certificate_authority: Option<String>,
}

impl Issuer {
    /// Whether a Kubernetes API server would trust it: only issuers with https are accepted.
    #[must_use]
    pub fn is_trustable(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// What the cluster of a workspace should be.
#[must_use]
pub fn workspace(state: &WorkspaceState, plan: &Plan, issuer: &Issuer) -> TenantCluster {
    let workspace = &state.workspace;
    let names: BTreeMap<GroupId, &Group> = state.groups.iter().map(|group| (group.id, group)).collect();
    let bind = |given: &Assignment| binding(given, names.get(&given.group_id)?, &state.roles);
    let mut assigned: BTreeMap<Option<ProjectId>, Vec<&Assignment>> = BTreeMap::new();
    for given in &state.assignments {
        assigned.entry(given.project_id).or_default().push(given);
    }
    let assigned_in = |place| assigned.get(&place).map(Vec::as_slice).unwrap_or_default();
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
        oidc: issuer.is_trustable().then(|| OidcTrust {
            issuer_url: issuer.url.clone(),
            certificate_authority: issuer.certificate_authority.clone(),
            audience: workspace.id.to_string(),
            prefix: CLAIM_PREFIX.to_owned(),
        }),
        roles: PresetRole::ALL.iter().map(|preset| preset_role(*preset)).collect(),
        bindings: assigned_in(None).iter().copied().filter_map(bind).collect(),
        node_pools: workspace.node_pools.iter().map(node_pool).collect(),
        projects: state
            .projects
            .iter()
            .map(|project| {
                // A custom role is of one project; a preset that was assigned further up holds here as well.
                let holds = |given: &&Assignment| {
                    matches!(given.role, RoleRef::Preset(_)) || given.project_id == Some(project.id)
                };
                let here = lineage(&state.projects, project.id).flat_map(|place| assigned_in(Some(place)));
                let bindings = here.copied().filter(holds).filter_map(bind).collect();
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

/// What is left of a project's quota for its own namespace when its children have their slices. Kubernetes
/// counts each namespace by itself, so this is what keeps the whole within the bounds.
#[must_use]
pub fn remaining_quota(project: &Project, all: &[Project]) -> Quota {
    let children = all.iter().filter(|child| child.parent_id == Some(project.id));
    let sliced = children.fold(Quota::new(), |sum, child| sum.plus(&child.quota));
    let left = |(resource, amount): (_, crate::quantity::Quantity)| {
        (resource, sliced.get(resource).map_or(amount, |slice| amount.minus(slice)))
    };
    project.quota.iter().map(left).collect()
}

fn custom_role(role: &CustomRole) -> TenantRole {
    TenantRole {
        name: role.id.kubernetes_name(),
        title: role.name.as_str().to_owned(),
        rules: role.rules.clone(),
    }
}

fn binding(given: &Assignment, group: &Group, roles: &[CustomRole]) -> Option<TenantBinding> {
    let (kind, role) = match given.role {
        RoleRef::Preset(preset) => (RoleKind::Cluster, preset.as_str().to_owned()),
        RoleRef::Custom(id) => {
            roles.iter().find(|role| role.id == id)?;
            (RoleKind::Project, id.kubernetes_name())
        }
    };
    let group = format!("{CLAIM_PREFIX}{}", group.name);
    Some(TenantBinding { name: given.id.kubernetes_name(), kind, role, group, people: None })
}

/// The same cluster, in which these groups have no rights, and whoever is in them has them by name: tokens that still name
/// the group are worth nothing then (see [`Cut`](crate::model::Cut)).
#[must_use]
pub fn by_name(mut cluster: TenantCluster, people: &BTreeMap<GroupName, BTreeSet<UserId>>) -> TenantCluster {
    let named: BTreeMap<String, Vec<String>> = people
        .iter()
        .map(|(group, people)| {
            let people = people.iter().map(|user| format!("{CLAIM_PREFIX}{user}")).collect();
            (format!("{CLAIM_PREFIX}{group}"), people)
        })
        .collect();
    let bindings = cluster.projects.iter_mut().flat_map(|project| &mut project.bindings);
    for binding in cluster.bindings.iter_mut().chain(bindings) {
        binding.people = named.get(&binding.group).cloned();
    }
    cluster
}
