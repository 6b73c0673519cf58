//! [`Reconciler`] makes the cluster of a workspace match the workspace's desired state.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tracing::Instrument as _;

use super::requeue::{Requeue, RequeueReason};
use crate::access::{GroupTree, expire_retired_group_names};
use crate::changeset::{Changeset, Precondition, RecordKey};
use crate::clock::until;
use crate::desired;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::id_source::IdSourceExt as _;
use crate::lifecycle::{self, Assessment, Intent, Operation, Progress, ReconcileOutcome};
use crate::model::{EventKind, Phase, Wait, WaitReason, Workspace, WorkspaceState, due_gitops_tools};
use crate::name::GroupName;
use crate::platform::{Platform, PlatformInner};
use crate::provisioner::{Applied, ClusterProvisioner, ControlPlaneState, Observation};
use crate::store::Lease;
use crate::telemetry::{self, Reconciled};

/// Maximum attempts of one reconcile if the workspace changes meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// Makes clusters match their workspaces. No other component changes a cluster.
#[derive(Debug)]
pub struct Reconciler<'a>(&'a PlatformInner);

impl<'a> Reconciler<'a> {
    /// Creates the reconciler of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    /// Reconciles a workspace once: observes its cluster, performs the next operation, records the outcome, and
    /// returns the time of the next reconcile. With `due_at`, the call is a delayed reconcile and does nothing if the
    /// workspace has been rescheduled since.
    ///
    /// A failure of the cluster is recorded in the workspace's status and is not an error of this call.
    ///
    /// # Errors
    /// Errors of the store; reconciling again is harmless.
    pub async fn reconcile(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        due_at: Option<Timestamp>,
    ) -> Result<Requeue> {
        let name = format!("workspace/{workspace}");
        let reconcile = |lease| self.reconcile_leased(organization, workspace, due_at, lease);
        let started_at = self.0.now();
        let outcome = self.0.with_lease(&name, reconcile).await;
        Reconciled::Workspace.record_end(&outcome, until(started_at, self.0.now()));
        Ok(outcome?.unwrap_or(Requeue::Soon(RequeueReason::Busy)))
    }

    async fn reconcile_leased(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        due_at: Option<Timestamp>,
        lease: Lease,
    ) -> Result<Requeue> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(mut state) = self.0.store.load_workspace(organization, workspace).await? else {
                return Ok(Requeue::Never);
            };
            if due_at.is_some() && due_at != state.workspace.reconcile_at {
                return Ok(Requeue::Never);
            }
            tracing::Span::current().record("generation", state.workspace.generation);
            expire_retired_group_names(&mut state.workspace.retired_group_names, self.0.now());
            if lifecycle::expire_access_revocations(&mut state.workspace, self.0.now()) {
                lifecycle::bump_generation(&mut state.workspace, self.0.now());
            }
            let outcome = self.observe_and_apply(&state).await;
            if let Some(error) = &outcome.error {
                tracing::warn!(workspace = %workspace, error = ?error, "workspace reconcile failed; retrying with back-off");
            }
            let (intervals, now) = (&self.0.config.intervals, self.0.now());
            let random = u64::from_be_bytes(self.0.ids.bytes());
            let assessment = lifecycle::assess(&state.workspace, &outcome, intervals, now, random);
            let recorded = self.record(&state, &assessment, &outcome, &lease).await;
            if recorded.is_ok() {
                record_metrics(&assessment, &outcome);
            }
            match recorded {
                Ok(()) if assessment.gone => return Ok(Requeue::Never),
                Ok(()) => {
                    self.0.collect_policy_report(&assessment.workspace).await;
                    let reason = RequeueReason::after(&outcome, &assessment);
                    let next = assessment.workspace.reconcile_at;
                    return Ok(next.map_or(Requeue::Never, |at| Requeue::At(at, reason)));
                }
                // The desired state changed meanwhile: reconcile again at once.
                Err(error) if error.is_version_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Requeue::Soon(RequeueReason::Conflict))
    }

    /// Observes the cluster and performs the next operation. A failure becomes part of the outcome.
    async fn observe_and_apply(&self, state: &WorkspaceState) -> ReconcileOutcome {
        let mut outcome = ReconcileOutcome::default();
        let span = tracing::info_span!("provision", host = %state.workspace.host_cluster);
        if let Err(error) = self.try_observe_and_apply(state, &mut outcome).instrument(span).await {
            outcome.error = Some(error);
        }
        outcome
    }

    async fn try_observe_and_apply(
        &self,
        state: &WorkspaceState,
        outcome: &mut ReconcileOutcome,
    ) -> Result<()> {
        let provisioner = self.0.provisioner(&state.workspace.host_cluster).await?;
        let intent = lifecycle::intent(&state.workspace);
        if intent == Intent::Run {
            let desired = self.desired(state).await?;
            return self.converge(state, &desired, &*provisioner, outcome).await;
        }
        // The desired state is not needed for a suspension or deletion: the plan may have been removed.
        let target = desired::TenantTarget::of(&state.workspace);
        let observation = match provisioner.observe(&target).await {
            // A deletion does not need permissions in the namespace, which may be lost.
            Err(error) if intent == Intent::Remove && error.kind() == ErrorKind::Forbidden => {
                tracing::debug!(%error, "the host rejected the observation; deleting the cluster nevertheless");
                Observation::of(ControlPlaneState::Starting(Wait::new(WaitReason::PermissionsPending)))
            }
            observed => observed?,
        };
        let observation = outcome.observation.insert(observation);
        let operation = lifecycle::next_operation(&state.workspace, &observation.control_plane);
        let operated = match operation {
            Operation::Suspend => provisioner.suspend(&target, self.0.now()).await,
            Operation::Delete => provisioner.delete(&target).await,
            Operation::Nothing | Operation::Apply | Operation::ResumeAndApply => Ok(()),
        };
        // Access that was withdrawn ends even if the operation fails.
        let credentials = match has_credentials(&state.workspace) {
            true => self.reconcile_gitops(state, self.desired(state).await?, &*provisioner, outcome).await,
            false => Ok(()),
        };
        operated.and(credentials)
    }

    /// Brings the cluster of a workspace to its desired state, running.
    async fn converge(
        &self,
        state: &WorkspaceState,
        desired: &desired::TenantCluster,
        provisioner: &dyn ClusterProvisioner,
        outcome: &mut ReconcileOutcome,
    ) -> Result<()> {
        let workspace = &state.workspace;
        let in_sync = is_in_sync(workspace);
        if in_sync
            && !has_due_credentials(workspace, self.0.now())
            && let Some(observation) = provisioner.unchanged(desired).await?
        {
            *outcome = ReconcileOutcome::unchanged(observation);
            return Ok(());
        }
        let converged = provisioner.converge(desired).await?;
        outcome.observation = Some(converged.observation);
        // Only if the desired state has not changed, every difference is drift.
        outcome.drift = converged.drift.filter(|_| in_sync);
        // The last reconcile applied the objects inside the tenant: while they cannot be compared, they count as unchanged.
        let is_applied = outcome.drift.as_ref().is_some_and(Vec::is_empty);
        let applied = converged.applied.map(|applied| {
            outcome.applied =
                applied.map(|applied| Applied { tenant: applied.tenant || is_applied, ..applied });
        });
        // Access that was withdrawn ends even if the operation fails.
        let credentials = match has_credentials(workspace) {
            true => self.reconcile_gitops(state, desired.clone(), provisioner, outcome).await,
            false => Ok(()),
        };
        applied.and(credentials)
    }

    /// Issues, renews and removes the credentials of GitOps tools. A failure becomes part of the outcome, because nothing
    /// else depends on them, except during a deletion: no credential may be left behind.
    async fn reconcile_gitops(
        &self,
        state: &WorkspaceState,
        mut desired: desired::TenantCluster,
        provisioner: &dyn ClusterProvisioner,
        outcome: &mut ReconcileOutcome,
    ) -> Result<()> {
        let workspace = &state.workspace;
        if lifecycle::intent(workspace) == Intent::Remove {
            desired.gitops.clear();
            return provisioner.issue_gitops_credentials(&desired, self.0.now()).await.map(drop);
        }
        if desired.gitops.is_empty() || outcome.applied.as_ref().is_some_and(|applied| applied.tenant) {
            outcome.gitops = Some(provisioner.issue_gitops_credentials(&desired, self.0.now()).await);
        }
        if let Some(Err(error)) = &outcome.gitops {
            tracing::warn!(workspace = %workspace.id, error = ?error, "issuing credentials of GitOps tools failed; retrying at the next reconcile");
        }
        Ok(())
    }

    /// Returns the desired state of the cluster of a workspace.
    pub(super) async fn desired(&self, state: &WorkspaceState) -> Result<desired::TenantCluster> {
        let plans = self.0.plans().await?;
        let plan = plans.get(&state.workspace.plan_id)?;
        let cluster = desired::tenant_cluster(state, plan, &self.0.config.issuer);
        if state.workspace.access_revocations.is_empty() {
            return Ok(cluster);
        }
        Ok(desired::bind_by_name(cluster, &self.group_members(state).await?))
    }

    /// Members of each group whose rights are bound by name because of an access revocation, members of descendant
    /// groups included.
    async fn group_members(&self, state: &WorkspaceState) -> Result<BTreeMap<GroupName, BTreeSet<UserId>>> {
        let workspace = &state.workspace;
        let tree = GroupTree::new(&state.groups);
        let mut group_members = BTreeMap::new();
        let groups: BTreeSet<GroupId> =
            workspace.access_revocations.iter().flat_map(|revocation| revocation.groups.clone()).collect();
        for group in groups.into_iter().filter_map(|id| tree.get(id)) {
            let subtree = tree.with_descendants(group.id);
            let memberships =
                self.0.store.list_memberships(workspace.organization_id, workspace.id, &subtree).await?;
            group_members.insert(
                group.name.clone(),
                memberships.into_iter().map(|membership| membership.user_id).collect(),
            );
        }
        Ok(group_members)
    }

    async fn record(
        &self,
        state: &WorkspaceState,
        assessment: &Assessment,
        outcome: &ReconcileOutcome,
        lease: &Lease,
    ) -> Result<()> {
        let changeset = Changeset::new().precondition(lease.precondition());
        if assessment.gone {
            return self.delete_records(state, changeset).await;
        }
        let (before, after) = (&state.workspace, &assessment.workspace);
        let now = self.0.now();
        let mut changeset = changeset.workspace(after.clone(), now);
        if after.status.phase != before.status.phase || after.status.reason != before.status.reason {
            changeset = changeset.insert(self.0.phase_event(after));
        }
        let drifted = outcome.drift.as_ref().filter(|drift| !drift.is_empty());
        if let Some(drift) = drifted {
            let data = serde_json::json!({ "workspace_id": after.id, "differences": drift.len() });
            let event = self.0.event(after.organization_id, Some(after.id), EventKind::WorkspaceDrift, data);
            changeset = changeset.insert(event);
        }
        let progress = Progress::of(outcome);
        for task in self.0.store.list_open_tasks(before.organization_id, before.id).await? {
            if let Some(task) = lifecycle::advance_task(&task, after, progress, now) {
                changeset = changeset.insert(self.0.task_event(&task)).update(task);
            }
        }
        self.0.commit(changeset).await
    }

    /// Deletes the records of a workspace whose cluster is gone, and of its organization if this was the last
    /// workspace of an organization that is being deleted.
    async fn delete_records(&self, state: &WorkspaceState, changeset: Changeset) -> Result<()> {
        let workspace = &state.workspace;
        let (organization_id, id) = (workspace.organization_id, workspace.id);
        let found = self.0.store.find_organization(organization_id).await?;
        let organization = found.ok_or_else(|| Error::not_found("organization"))?;
        let now = self.0.now();
        let before = serde_json::json!({ "name": workspace.name, "plan_id": workspace.plan_id });
        let entry = self.0.audit_platform(organization_id, "workspace.gone", id, before, ());
        let billing_message = self.0.workspace_billing_message(&organization, &*self.0.plans().await?);
        let deleting = organization.deletion_requested_at.is_some();
        let is_last = deleting && self.0.store.count_organization(organization_id).await?.workspaces == 1;
        let precondition = Precondition::Workspace(organization_id, id, workspace.version);
        let changeset =
            changeset.precondition(precondition).organization(organization.clone(), now).audit(entry);
        let changeset = self.0.add_unread_hours(workspace, changeset).await?;
        let changeset = changeset.delete(RecordKey::Workspace(organization_id, id));
        if is_last {
            return self.0.commit(self.0.delete_organization(&organization, changeset).await?).await;
        }
        let data = serde_json::json!({ "workspace_id": id, "phase": "deleted" });
        let event = self.0.event(organization_id, Some(id), EventKind::WorkspacePhase, data);
        let changeset = billing_message.into_iter().fold(changeset.insert(event), Changeset::message);
        self.0.commit(changeset).await
    }
}

fn record_metrics(assessment: &Assessment, outcome: &ReconcileOutcome) {
    Reconciled::Workspace.count_outcome(outcome.error.is_some());
    if let Some(wait) = assessment.workspace.status.waiting {
        telemetry::record_wait(wait.reason);
    }
    if let (Some(drift), Some(_)) = (&outcome.drift, &outcome.applied) {
        telemetry::record_drift_repairs(drift.len());
    }
}

/// `true` if the last reconcile found the cluster as desired and the desired state has not changed since.
fn is_in_sync(workspace: &Workspace) -> bool {
    let status = &workspace.status;
    workspace.is_reconciled() && status.phase == Phase::Ready && status.refused_projects.is_empty()
}

/// `true` if GitOps tools have, or are to have, credentials of the workspace.
fn has_credentials(workspace: &Workspace) -> bool {
    !workspace.gitops.is_empty() || !workspace.status.gitops.is_empty()
}

/// `true` if the credential of a GitOps tool is missing, due for renewal, or to be removed.
fn has_due_credentials(workspace: &Workspace, now: Timestamp) -> bool {
    let (desired, issued) = (&workspace.gitops, &workspace.status.gitops);
    let is_obsolete = issued.keys().any(|tool| !desired.contains_key(tool));
    is_obsolete || due_gitops_tools(desired, issued, now).next().is_some()
}
