//! Rules for commands on a workspace: plan, Kubernetes version, power and reachability.

use super::CreateWorkspace;
use crate::error::{Check, Error, Result};
use crate::model::{ORGANIZATION_SUSPENDED_MESSAGE, Organization, Plan, Power, Workspace};
use crate::name::{KubernetesVersion, PlanId};
use crate::plans::PlanCatalog;

/// Checks that the power state of a workspace can change.
///
/// # Errors
/// `Conflict` with code `organization_suspended`, `billing_suspended`, `workspace_running` or `workspace_suspended`.
pub(super) fn check_power_change(workspace: &Workspace, requested: Power) -> Result<()> {
    if requested == Power::Running {
        require_not_suspended(workspace.organization_suspended)?;
    }
    if let Some(suspension) = workspace.suspension_reason.filter(|_| requested == Power::Running) {
        return Err(Error::conflict("billing_suspended", suspension.message()));
    }
    match requested {
        _ if workspace.power != requested => Ok(()),
        Power::Running => Err(Error::conflict("workspace_running", "the workspace is running")),
        Power::Suspended => Err(Error::conflict("workspace_suspended", "the workspace is suspended")),
    }
}

/// Checks that the tenant API server of a workspace has an endpoint.
///
/// # Errors
/// `Conflict` with code `workspace_not_ready`.
pub(super) fn require_reachable(workspace: &Workspace) -> Result<()> {
    if workspace.status.api_endpoint.is_some() && workspace.deletion_requested_at.is_none() {
        return Ok(());
    }
    let message = format!("the workspace is {}; its cluster cannot be reached", workspace.status.phase);
    Err(Error::conflict("workspace_not_ready", message))
}

pub(super) fn require_not_suspended(suspended: bool) -> Result<()> {
    match suspended {
        true => Err(Error::conflict("organization_suspended", ORGANIZATION_SUSPENDED_MESSAGE)),
        false => Ok(()),
    }
}

/// Returns the plan and the Kubernetes version of a new workspace.
pub(super) fn plan_and_version<'a>(
    plans: &'a PlanCatalog,
    root: &Organization,
    command: &CreateWorkspace,
) -> Result<(&'a Plan, KubernetesVersion)> {
    let plan = plans.choose(&command.plan_id, &[&root.plan_id])?;
    let version = command.kubernetes_version.clone();
    let version = version.or_else(|| plan.kubernetes_versions.last().cloned());
    let version = version.ok_or_else(|| Error::unexpected("the plan has no Kubernetes versions"))?;
    require_offered(plan, &version)?;
    Ok((plan, version))
}

pub(super) fn new_plan<'a>(
    plans: &'a PlanCatalog,
    workspace: &Workspace,
    root: &Organization,
    requested: &PlanId,
) -> Result<&'a Plan> {
    let plan = plans.choose(requested, &[&root.plan_id])?;
    let is_compatible = |current: &Plan| current.control_plane.has_same_storage_layout(&plan.control_plane);
    if plans.get(&workspace.plan_id).is_ok_and(|current| !is_compatible(current)) {
        let message = "uses another store for Kubernetes objects, or an etcd of another size, which an existing \
                       workspace cannot change to";
        return Err(Error::invalid("plan_id", message));
    }
    Ok(plan)
}

pub(super) fn require_offered(plan: &Plan, version: &KubernetesVersion) -> Result<()> {
    let offered: Vec<&str> = plan.kubernetes_versions.iter().map(KubernetesVersion::as_str).collect();
    let mut check = Check::default();
    let message = format!("must be one of {} in the plan {}", offered.join(", "), plan.id);
    check.require(offered.contains(&version.as_str()), "kubernetes_version", message);
    check.done()
}

pub(super) fn require_upgrade_step(current: &KubernetesVersion, requested: &KubernetesVersion) -> Result<()> {
    let mut check = Check::default();
    let message = format!(
        "must be {current} or the next minor version: clusters are upgraded one minor version at a time"
    );
    check.require(current.can_upgrade_to(requested), "kubernetes_version", message);
    check.done()
}

/// Checks that an earlier upgrade is complete before the next one: the store of the tenant API server is upgraded one
/// minor version at a time as well.
pub(super) fn require_upgrade_finished(workspace: &Workspace, requested: &KubernetesVersion) -> Result<()> {
    let running = workspace.status.kubernetes_version.as_ref();
    let Some(running) = running.filter(|running| !running.can_upgrade_to(requested)) else { return Ok(()) };
    let next = &workspace.kubernetes_version;
    let message = format!(
        "the upgrade from Kubernetes {running} to {next} is in progress; request {requested} after it"
    );
    Err(Error::conflict("upgrade_under_way", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn an_upgrade_waits_for_the_previous_upgrade() {
        let version = |text| KubernetesVersion::parse(text).unwrap();
        let mut workspace = fixture::workspace("dev");
        workspace.kubernetes_version = version("1.35");
        for (running, allowed) in [(None, true), (Some("1.34"), false), (Some("1.35"), true)] {
            workspace.status.kubernetes_version = running.map(version);
            let outcome = require_upgrade_finished(&workspace, &version("1.36"));
            assert_eq!(outcome.is_ok(), allowed, "{running:?}");
            if let Err(error) = outcome {
                assert_eq!(error.code(), "upgrade_under_way");
            }
        }
    }
}
