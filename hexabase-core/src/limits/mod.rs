//! Checks of limits and quotas. The functions are pure. The caller commits with the version of the objects that were
//! read as a precondition, so that two concurrent requests cannot both use the last free unit.

use crate::error::{Check, Error, Result};
use crate::model::{OrganizationCounts, Plan, Project};
use crate::name::Slug;
use crate::quota::{Exceeded, Quota, Resource};

/// Maximum depth of the project tree of a workspace.
pub const MAX_PROJECT_DEPTH: usize = 8;
/// Maximum depth of the group tree of a workspace.
pub const MAX_GROUP_DEPTH: usize = 16;

fn check_count(existing: u32, limit: u32, noun: &str, plan: &Plan) -> Result<()> {
    if existing < limit {
        return Ok(());
    }
    let message = format!("the plan {} allows {limit} {noun}; remove one or change the plan", plan.id);
    Err(Error::quota_exceeded(message))
}

/// Names that an organization must not have, because they appear to belong to the installation itself.
const RESERVED_ORGANIZATION_NAMES: [&str; 28] = [
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "auth",
    "billing",
    "console",
    "dashboard",
    "docs",
    "help",
    "hexabase",
    "kubernetes",
    "login",
    "mail",
    "operator",
    "personal",
    "root",
    "security",
    "signup",
    "sso",
    "static",
    "status",
    "support",
    "system",
    "webhooks",
    "www",
];
/// Beginnings of reserved names: of Hexabase, Kubernetes and personal organizations.
const RESERVED_ORGANIZATION_PREFIXES: [&str; 3] = ["hexabase-", "kube-", "personal-"];

/// Checks that the name of a new organization is not reserved, regardless of its case.
///
/// # Errors
/// `Invalid` for a reserved name.
pub fn check_organization_name(name: &Slug) -> Result<()> {
    let name = name.as_str().to_ascii_lowercase();
    let mut check = Check::default();
    let is_reserved = RESERVED_ORGANIZATION_NAMES.contains(&name.as_str())
        || RESERVED_ORGANIZATION_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    check.require(!is_reserved, "name", "is reserved for the installation; choose another name");
    check.done()
}

/// Checks that a user who has created `existing` organizations may create another one.
///
/// # Errors
/// `QuotaExceeded` if the limit is reached.
pub fn check_owned_organizations(existing: u32, limit: u32) -> Result<()> {
    if existing < limit {
        return Ok(());
    }
    let message =
        format!("a user creates at most {limit} organizations; delete one, or ask a platform administrator");
    Err(Error::quota_exceeded(message))
}

/// Checks that the organizations of one creator, which have `existing` workspaces on plans without a price, may have
/// another one.
///
/// # Errors
/// `QuotaExceeded` if the limit is reached.
pub fn check_free_workspaces(existing: u32, limit: u32) -> Result<()> {
    if existing < limit {
        return Ok(());
    }
    let message = format!(
        "the organizations that one user created have at most {limit} workspaces on plans without a price; delete one, \
         or choose a plan with a price"
    );
    Err(Error::quota_exceeded(message))
}

/// Checks that the organization may have another workspace.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_workspace_limit(counts: &OrganizationCounts, plan: &Plan) -> Result<()> {
    check_count(counts.workspaces, plan.limits.workspaces, "workspaces", plan)
}

/// Checks that the organization may have another member or open invitation.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_member_limit(counts: &OrganizationCounts, plan: &Plan) -> Result<()> {
    check_count(counts.members.saturating_add(counts.invitations), plan.limits.members, "members", plan)
}

/// Maximum number of service accounts of an organization.
const MAX_SERVICE_ACCOUNTS: u32 = 100;

/// Checks that the organization may have another service account.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number.
pub fn check_service_account_limit(counts: &OrganizationCounts) -> Result<()> {
    if counts.service_accounts < MAX_SERVICE_ACCOUNTS {
        return Ok(());
    }
    let message =
        format!("an organization has at most {MAX_SERVICE_ACCOUNTS} service accounts; delete one first");
    Err(Error::quota_exceeded(message))
}

/// Maximum number of inventories of an organization.
pub const MAX_INVENTORIES: usize = 20;
/// Maximum number of objects in all inventories of an organization.
pub const MAX_MANAGED_OBJECTS: usize = 10_000;

/// Checks that an organization may have this many inventories with this many objects in all of them.
///
/// # Errors
/// `QuotaExceeded` if it would have more than the maximum number.
pub fn check_inventories(inventories: usize, objects: usize) -> Result<()> {
    let too_many = |limit: usize, noun: &str| {
        let message =
            format!("an organization has at most {limit} {noun}; remove objects from an inventory first");
        Err(Error::quota_exceeded(message))
    };
    if inventories > MAX_INVENTORIES {
        return too_many(MAX_INVENTORIES, "inventories");
    }
    if objects > MAX_MANAGED_OBJECTS {
        return too_many(MAX_MANAGED_OBJECTS, "managed objects");
    }
    Ok(())
}

/// Checks that an organization fits another plan. `too_large` has the names of the workspaces that are too large for
/// it.
///
/// # Errors
/// `QuotaExceeded` with the necessary changes.
pub fn check_organization_plan_change(
    existing: &OrganizationCounts,
    too_large: &[&str],
    plan: &Plan,
) -> Result<()> {
    let mut changes = Vec::new();
    let excess_workspaces = existing.workspaces.saturating_sub(plan.limits.workspaces);
    if excess_workspaces > 0 {
        changes.push(format!("delete {excess_workspaces} of its {} workspaces", existing.workspaces));
    }
    let members = existing.members.saturating_add(existing.invitations);
    let excess_members = members.saturating_sub(plan.limits.members);
    if excess_members > 0 {
        changes.push(format!("remove {excess_members} of its {members} members and open invitations"));
    }
    if !too_large.is_empty() {
        changes
            .push(format!("move these workspaces to the plan or to a smaller one: {}", too_large.join(", ")));
    }
    match changes.is_empty() {
        true => Ok(()),
        false => Err(Error::quota_exceeded(format!(
            "the organization exceeds the plan {}: first {}",
            plan.id,
            changes.join("; ")
        ))),
    }
}

/// Checks that a workspace with `existing` groups may have another one.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_group_limit(existing: usize, plan: &Plan) -> Result<()> {
    check_count(saturating_u32(existing), plan.limits.groups, "groups", plan)
}

/// Checks that a workspace with `existing` projects may have another one.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_project_limit(existing: usize, plan: &Plan) -> Result<()> {
    check_count(saturating_u32(existing), plan.limits.projects, "projects", plan)
}

/// Maximum number of node pools of a workspace.
pub const MAX_NODE_POOLS: usize = 10;
/// Maximum number of nodes of a node pool.
pub const MAX_NODES_PER_POOL: u16 = 100;

/// Checks that a workspace with `existing` node pools may have another one with `nodes` nodes.
///
/// # Errors
/// - `QuotaExceeded` if its plan has no dedicated nodes (with code `not_in_plan`), or it has the maximum number of
///   pools.
/// - `Invalid` if `nodes` is zero or above the maximum.
pub fn check_node_pool_limit(existing: usize, nodes: u16, plan: &Plan) -> Result<()> {
    if !plan.dedicated_nodes {
        let message = format!("the plan {} has no dedicated nodes; change the plan", plan.id);
        return Err(Error::quota_exceeded(message).with_code("not_in_plan"));
    }
    if existing >= MAX_NODE_POOLS {
        return Err(Error::quota_exceeded(format!("a workspace has at most {MAX_NODE_POOLS} node pools")));
    }
    if !(1..=MAX_NODES_PER_POOL).contains(&nodes) {
        return Err(Error::invalid("nodes", format!("must be 1 to {MAX_NODES_PER_POOL}")));
    }
    Ok(())
}

/// Checks that a project with `existing` custom roles may have another one.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_role_limit(existing: usize, plan: &Plan) -> Result<()> {
    check_count(saturating_u32(existing), plan.limits.roles_per_project, "custom roles in a project", plan)
}

/// Checks that a workspace with `existing` alert rules may have another one.
///
/// # Errors
/// `QuotaExceeded` if it has the maximum number of its plan.
pub fn check_alert_rule_limit(existing: u32, plan: &Plan) -> Result<()> {
    check_count(existing, plan.limits.alert_rules, "alert rules", plan)
}

fn saturating_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Validates the quota of a project on its own.
///
/// # Errors
/// `Invalid` for fractional numbers of objects, and for resources that only a plan can limit.
pub fn check_quota_format(quota: &Quota) -> Result<()> {
    let mut check = Check::default();
    for (resource, amount) in quota.iter() {
        let field = format!("quota.{resource}");
        check.require(!resource.is_count() || amount.is_whole(), field.as_str(), "must be a whole number");
        check.require(
            resource != Resource::LoadBalancers,
            field,
            "must not be set: it is limited by the plan, not by a project's quota",
        );
    }
    check.done()
}

/// Checks that a project may have its quota. Together with its siblings it must fit the parent's quota, or alone the
/// plan's quota if it is a root, and it must not be smaller than the slices of its own children.
///
/// `project` is the project to change; a new one has an id that no other project has.
///
/// # Errors
/// - `Invalid` if a resource that the parent limits is not limited.
/// - `QuotaExceeded` with every resource that exceeds its limit.
pub fn check_project_quota(project: &Project, all: &[Project], plan: &Plan) -> Result<()> {
    check_quota_format(&project.quota)?;
    let slices = |parent| {
        let children =
            all.iter().filter(move |child| child.parent_id == Some(parent) && child.id != project.id);
        children.fold(Quota::new(), |sum, child| sum.plus(&child.quota))
    };
    let parent = project.parent_id.and_then(|id| all.iter().find(|candidate| candidate.id == id));
    match parent {
        Some(parent) => {
            check_limited_resources(&project.quota, &parent.quota)?;
            let together = project.quota.plus(&slices(parent.id));
            let message = format!("the quota of the parent project {} is exceeded", parent.name);
            check_within(&together, &parent.quota, &message)?;
        }
        None => {
            let message = format!("the quota of the plan {} is exceeded", plan.id);
            check_within(&project.quota, &plan.quota, &message)?;
        }
    }
    for child in all.iter().filter(|child| child.parent_id == Some(project.id)) {
        check_limited_resources(&child.quota, &project.quota)?;
    }
    check_within(
        &slices(project.id),
        &project.quota,
        "the new quota is too small for the existing sub-projects",
    )
}

/// Checks that the inner quota limits every resource that the outer one limits. Kubernetes enforces quotas per
/// namespace, so an unlimited child could exceed the limit of its parent.
fn check_limited_resources(inner: &Quota, outer: &Quota) -> Result<()> {
    let mut check = Check::default();
    for (resource, limit) in outer.iter() {
        let message = format!("must be set, since the parent project limits it to {limit}");
        check.require(inner.get(resource).is_some(), format!("quota.{resource}"), message);
    }
    check.done()
}

fn check_within(requested: &Quota, limit: &Quota, message: &str) -> Result<()> {
    let exceeding = requested.exceeding(limit);
    if exceeding.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = exceeding.iter().map(Exceeded::to_string).collect();
    Err(Error::quota_exceeded(format!("{message}: {}", list.join(", "))))
}

/// Checks that the contents of a workspace fit another plan.
///
/// # Errors
/// `QuotaExceeded` with the object or quota that does not fit.
pub fn check_workspace_plan_change(
    groups: usize,
    projects: &[Project],
    pools: usize,
    alert_rules: u32,
    plan: &Plan,
) -> Result<()> {
    if pools > 0 && !plan.dedicated_nodes {
        let message =
            format!("the plan {} has no dedicated nodes; delete the {pools} node pools first", plan.id);
        return Err(Error::quota_exceeded(message));
    }
    let fits = |existing: usize, limit: u32, noun: &str| {
        let message = format!("the plan {} allows {limit} {noun}, but the workspace has {existing}", plan.id);
        if saturating_u32(existing) <= limit { Ok(()) } else { Err(Error::quota_exceeded(message)) }
    };
    fits(groups, plan.limits.groups, "groups")?;
    fits(projects.len(), plan.limits.projects, "projects")?;
    fits(alert_rules as usize, plan.limits.alert_rules, "alert rules")?;
    for root in projects.iter().filter(|project| project.parent_id.is_none()) {
        let message = format!("the quota of the plan {} is too small for the project {}", plan.id, root.name);
        check_within(&root.quota, &plan.quota, &message)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
