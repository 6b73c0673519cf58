//! Limits and quotas: whether something more still fits. Pure functions; the caller commits with the
//! version of what the numbers were read from, so that two racing requests cannot both take the last place.

use crate::error::{Check, Error, Result};
use crate::model::{OrganizationCounts, Plan, Project};
use crate::quota::{Exceeded, Quota, Resource};

/// How many sub-projects deep a project may lie.
pub const MAX_PROJECT_DEPTH: usize = 8;
/// How many groups deep a group may lie.
pub const MAX_GROUP_DEPTH: usize = 16;

fn room(there: u32, limit: u32, what: &str, plan: &Plan) -> Result<()> {
    if there < limit {
        return Ok(());
    }
    let message = format!("the plan {} allows {limit} {what}; remove one or change the plan", plan.id);
    Err(Error::quota_exceeded(message))
}

/// Whether the organization may have one more workspace.
///
/// # Errors
/// `QuotaExceeded` when it has as many as its plan allows.
pub fn another_workspace(counts: &OrganizationCounts, plan: &Plan) -> Result<()> {
    room(counts.workspaces, plan.limits.workspaces, "workspaces", plan)
}

/// Whether the organization may have one more member or open invitation.
///
/// # Errors
/// `QuotaExceeded` when it has as many as its plan allows.
pub fn another_member(counts: &OrganizationCounts, plan: &Plan) -> Result<()> {
    room(counts.members.saturating_add(counts.invitations), plan.limits.members, "members", plan)
}

/// Whether an organization with so much in it fits another plan, for which the workspaces that are named are too large.
///
/// # Errors
/// `QuotaExceeded`, saying what must go first.
pub fn change_of_organization_plan(
    there: &OrganizationCounts,
    too_large: &[&str],
    plan: &Plan,
) -> Result<()> {
    let mut first = Vec::new();
    let workspaces = there.workspaces.saturating_sub(plan.limits.workspaces);
    if workspaces > 0 {
        first.push(format!("delete {workspaces} of its {} workspaces", there.workspaces));
    }
    let people = there.members.saturating_add(there.invitations);
    let members = people.saturating_sub(plan.limits.members);
    if members > 0 {
        first.push(format!("remove {members} of its {people} members and open invitations"));
    }
    if !too_large.is_empty() {
        first
            .push(format!("move these workspaces to the plan or to a smaller one: {}", too_large.join(", ")));
    }
    match first.is_empty() {
        true => Ok(()),
        false => Err(Error::quota_exceeded(format!(
            "too much for the plan {}: first {}",
            plan.id,
            first.join("; ")
        ))),
    }
}

/// Whether a workspace with `there` groups may have one more.
///
/// # Errors
/// `QuotaExceeded` when it has as many as its plan allows.
pub fn another_group(there: usize, plan: &Plan) -> Result<()> {
    room(count(there), plan.limits.groups, "groups", plan)
}

/// Whether a workspace with `there` projects may have one more.
///
/// # Errors
/// `QuotaExceeded` when it has as many as its plan allows.
pub fn another_project(there: usize, plan: &Plan) -> Result<()> {
    room(count(there), plan.limits.projects, "projects", plan)
}

/// How many pools of nodes a workspace may have, and how many nodes each.
pub const MAX_NODE_POOLS: usize = 10;
/// The most nodes that a pool may have.
pub const MAX_NODES: u16 = 100;

/// Whether a workspace with these pools of nodes may have one more of so many.
///
/// # Errors
/// - `QuotaExceeded` when its plan has no dedicated nodes, or there are as many pools as there may be.
/// - `Invalid` for no nodes, or too many.
pub fn another_node_pool(there: usize, nodes: u16, plan: &Plan) -> Result<()> {
    if !plan.dedicated_nodes {
        let message = format!("the plan {} has no dedicated nodes; change the plan", plan.id);
        return Err(Error::quota_exceeded(message));
    }
    if there >= MAX_NODE_POOLS {
        return Err(Error::quota_exceeded(format!("a workspace has at most {MAX_NODE_POOLS} node pools")));
    }
    if !(1..=MAX_NODES).contains(&nodes) {
        return Err(Error::invalid("nodes", format!("must be 1 to {MAX_NODES}")));
    }
    Ok(())
}

/// Whether a project with `there` custom roles may have one more.
///
/// # Errors
/// `QuotaExceeded` when it has as many as its plan allows.
pub fn another_role(there: usize, plan: &Plan) -> Result<()> {
    room(count(there), plan.limits.roles_per_project, "custom roles in a project", plan)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Whether a project's quota makes sense by itself.
///
/// # Errors
/// `Invalid` for fractions of things that are counted, and for resources that only a plan can give.
pub fn well_formed(quota: &Quota) -> Result<()> {
    let mut check = Check::default();
    for (resource, amount) in quota.iter() {
        let field = format!("quota.{resource}");
        check.require(!resource.is_count() || amount.is_whole(), field.as_str(), "must be a whole number");
        check.require(
            resource != Resource::LoadBalancers,
            field,
            "is given by the plan, not by a project's quota",
        );
    }
    check.done()
}

/// Whether a project could have this quota: within its parent's, together with its siblings', or within
/// the plan's if it is a root; and no smaller than the slices of its own children.
///
/// `project` is the project that changes; for a new one it has an id that nothing else has.
///
/// # Errors
/// - `Invalid` when a resource is left unlimited that the parent limits.
/// - `QuotaExceeded`, naming every resource that would not fit.
pub fn project_quota(project: &Project, all: &[Project], plan: &Plan) -> Result<()> {
    well_formed(&project.quota)?;
    let slices = |parent| {
        let children =
            all.iter().filter(move |child| child.parent_id == Some(parent) && child.id != project.id);
        children.fold(Quota::new(), |sum, child| sum.plus(&child.quota))
    };
    let parent = project.parent_id.and_then(|id| all.iter().find(|candidate| candidate.id == id));
    match parent {
        Some(parent) => {
            bounded_by(&project.quota, &parent.quota)?;
            let together = project.quota.plus(&slices(parent.id));
            within(&together, &parent.quota, &format!("the quota of the parent project {}", parent.name))?;
        }
        None => within(&project.quota, &plan.quota, &format!("the quota of the plan {}", plan.id))?,
    }
    for child in all.iter().filter(|child| child.parent_id == Some(project.id)) {
        bounded_by(&child.quota, &project.quota)?;
    }
    within(&slices(project.id), &project.quota, "the new quota, for the sub-projects there are")
}

/// Every resource that the outer quota limits must be limited in the inner one: Kubernetes counts each
/// namespace by itself, so an unlimited child would be a way around its parent's limit.
fn bounded_by(inner: &Quota, outer: &Quota) -> Result<()> {
    let mut check = Check::default();
    for (resource, limit) in outer.iter() {
        let message = format!("must be set, since the parent project limits it to {limit}");
        check.require(inner.get(resource).is_some(), format!("quota.{resource}"), message);
    }
    check.done()
}

fn within(wanted: &Quota, limit: &Quota, what: &str) -> Result<()> {
    let beyond = wanted.beyond(limit);
    if beyond.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = beyond.iter().map(Exceeded::to_string).collect();
    Err(Error::quota_exceeded(format!("beyond {what}: {}", list.join(", "))))
}

/// Whether everything in a workspace fits another plan.
///
/// # Errors
/// `QuotaExceeded`, saying what has to go first.
pub fn change_of_plan(groups: usize, projects: &[Project], pools: usize, plan: &Plan) -> Result<()> {
    if pools > 0 && !plan.dedicated_nodes {
        let message =
            format!("the plan {} has no dedicated nodes, and there are {pools} node pools", plan.id);
        return Err(Error::quota_exceeded(message));
    }
    let fits = |there: usize, limit: u32, what: &str| {
        let message = format!("the plan {} allows {limit} {what}, and there are {there}", plan.id);
        if count(there) <= limit { Ok(()) } else { Err(Error::quota_exceeded(message)) }
    };
    fits(groups, plan.limits.groups, "groups")?;
    fits(projects.len(), plan.limits.projects, "projects")?;
    for root in projects.iter().filter(|project| project.parent_id.is_none()) {
        within(
            &root.quota,
            &plan.quota,
            &format!("the quota of the plan {}, for project {}", plan.id, root.name),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
