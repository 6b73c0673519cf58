use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::access::GroupTree;
use crate::changeset::{Changeset, Guard, Key};
use crate::desired;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::id_source::IdSourceExt as _;
use crate::lifecycle::{self, Assessment, Operation, Progress, Seen};
use crate::model::{Phase, Workspace, WorkspaceState};
use crate::name::GroupName;
use crate::platform::Parts;
use crate::provisioner::{Applied, ClusterProvisioner};
use crate::store::Lease;

/// How often to look anew in one go when the workspace changes meanwhile.
const ROUNDS: usize = 5;

/// When to look at a workspace again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextLook {
    /// There is nothing to wait for, or no such workspace any more.
    Never,
    /// At this moment, unless somebody looks before it.
    At(Timestamp),
    /// Soon: somebody else is looking, who may have begun before the change that this look is about.
    Soon,
}

/// Makes clusters what workspaces ask for: the one way in which a cluster changes.
#[derive(Debug)]
pub struct Reconciler<'a>(&'a Parts);

impl<'a> Reconciler<'a> {
    /// A reconciler of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    /// Looks at a workspace once, does what is to be done next, notes what was seen, and says when to look again. A look
    /// that was put off to a moment is left out when somebody has looked in the meantime: theirs goes on from there.
    ///
    /// What goes wrong with the cluster becomes the workspace's status and is not an error here.
    ///
    /// # Errors
    /// Whatever the store fails with; looking again is harmless.
    pub async fn look(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        put_off_to: Option<Timestamp>,
    ) -> Result<NextLook> {
        let name = format!("workspace/{workspace}");
        let look = |lease| self.look_leased(organization, workspace, put_off_to, lease);
        Ok(self.0.with_lease(&name, look).await?.unwrap_or(NextLook::Soon))
    }

    async fn look_leased(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        put_off_to: Option<Timestamp>,
        lease: Lease,
    ) -> Result<NextLook> {
        for _ in 0..ROUNDS {
            let Some(mut state) = self.0.store.load_workspace(organization, workspace).await? else {
                return Ok(NextLook::Never);
            };
            if put_off_to.is_some() && put_off_to != state.workspace.reconcile_at {
                return Ok(NextLook::Never);
            }
            if lifecycle::end_cuts(&mut state.workspace, self.0.now()) {
                lifecycle::ask(&mut state.workspace, self.0.now());
            }
            let seen = self.act(&state).await;
            if let Some(error) = &seen.error {
                tracing::warn!(workspace = %workspace, error = ?error, "a look at a workspace failed");
            }
            let (pace, now) = (&self.0.settings.pace, self.0.now());
            let random = u64::from_be_bytes(self.0.ids.bytes());
            let assessment = lifecycle::assess(&state.workspace, &seen, pace, now, random);
            match self.record(&state, &assessment, &seen, &lease).await {
                Ok(()) if assessment.gone => return Ok(NextLook::Never),
                Ok(()) => {
                    return Ok(assessment.workspace.reconcile_at.map_or(NextLook::Never, NextLook::At));
                }
                // Somebody asked for something new: look at that at once.
                Err(error) if error.is_version_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(NextLook::Soon)
    }

    /// Sees how the cluster is, and does the next thing. Whatever goes wrong is part of what was seen.
    async fn act(&self, state: &WorkspaceState) -> Seen {
        let mut seen = Seen::default();
        if let Err(error) = self.try_act(state, &mut seen).await {
            seen.error = Some(error);
        }
        seen
    }

    async fn try_act(&self, state: &WorkspaceState, seen: &mut Seen) -> Result<()> {
        let workspace = &state.workspace;
        let provisioner = self.0.provisioner(&workspace.host_cluster).await?;
        let target = desired::TenantTarget::of(workspace);
        if is_as_asked(workspace)
            && let Some(observation) = provisioner.unchanged(&self.desired(state).await?).await?
        {
            *seen = Seen::unchanged(observation);
            return Ok(());
        }
        let observation = seen.observation.insert(provisioner.observe(&target).await?);
        match lifecycle::next_operation(workspace, &observation.control_plane) {
            Operation::Nothing => {}
            Operation::Suspend => provisioner.suspend(&target, self.0.now()).await?,
            Operation::Delete => provisioner.delete(&target).await?,
            Operation::ResumeAndApply => {
                provisioner.resume(&target).await?;
                self.apply(state, &*provisioner, seen).await?;
            }
            Operation::Apply => self.apply(state, &*provisioner, seen).await?,
        }
        Ok(())
    }

    async fn apply(
        &self,
        state: &WorkspaceState,
        provisioner: &dyn ClusterProvisioner,
        seen: &mut Seen,
    ) -> Result<()> {
        let desired = self.desired(state).await?;
        if is_as_asked(&state.workspace) {
            // Nothing new was asked for: whatever differs is drift.
            let drift = provisioner.plan(&desired).await?;
            let fine = drift.is_empty();
            seen.drift = Some(drift);
            if fine {
                seen.applied = Some(Applied::everything());
                return Ok(());
            }
        }
        seen.applied = Some(provisioner.apply(&desired).await?);
        Ok(())
    }

    async fn desired(&self, state: &WorkspaceState) -> Result<desired::TenantCluster> {
        let plan = self.0.plans.of(&state.workspace.plan_id)?;
        let cluster = desired::workspace(state, plan, &self.0.settings.issuer);
        if state.workspace.cuts.is_empty() {
            return Ok(cluster);
        }
        Ok(desired::by_name(cluster, &self.people(state).await?))
    }

    /// Who is in the groups that somebody was put out of at once.
    async fn people(&self, state: &WorkspaceState) -> Result<BTreeMap<GroupName, BTreeSet<UserId>>> {
        let workspace = &state.workspace;
        let tree = GroupTree::new(&state.groups);
        let mut people = BTreeMap::new();
        let groups: BTreeSet<GroupId> = workspace.cuts.iter().flat_map(|cut| cut.groups.clone()).collect();
        for group in groups.into_iter().filter_map(|id| tree.get(id)) {
            let inside = tree.with_descendants(group.id);
            let places =
                self.0.store.list_memberships(workspace.organization_id, workspace.id, &inside).await?;
            people.insert(group.name.clone(), places.into_iter().map(|place| place.user_id).collect());
        }
        Ok(people)
    }

    async fn record(
        &self,
        state: &WorkspaceState,
        assessed: &Assessment,
        seen: &Seen,
        lease: &Lease,
    ) -> Result<()> {
        let changeset = Changeset::new().guard(lease.guard());
        if assessed.gone {
            return self.forget(state, changeset).await;
        }
        let (before, after) = (&state.workspace, &assessed.workspace);
        let now = self.0.now();
        let mut changeset = changeset.workspace(after.clone(), now);
        if after.status.phase != before.status.phase || after.status.reason != before.status.reason {
            changeset = changeset.insert(self.0.phase_event(after));
        }
        let drifted = seen.drift.as_ref().filter(|drift| !drift.is_empty());
        if let Some(drift) = drifted {
            let data = serde_json::json!({ "workspace_id": after.id, "differences": drift.len() });
            let event = self.0.event(after.organization_id, Some(after.id), "workspace.drift", data);
            changeset = changeset.insert(event);
        }
        let progress = Progress::of(seen);
        for task in self.0.store.list_open_tasks(before.organization_id, before.id).await? {
            if let Some(task) = lifecycle::advance_task(&task, after, progress, now) {
                changeset = changeset.insert(self.0.task_event(&task)).update(task);
            }
        }
        self.0.commit(changeset).await
    }

    /// Forgets a workspace whose cluster is gone; and its organization, if that was waiting for this.
    async fn forget(&self, state: &WorkspaceState, changeset: Changeset) -> Result<()> {
        let workspace = &state.workspace;
        let (organization_id, id) = (workspace.organization_id, workspace.id);
        let found = self.0.store.find_organization(organization_id).await?;
        let organization = found.ok_or_else(|| Error::not_found("organization"))?;
        let now = self.0.now();
        let gone = serde_json::json!({ "name": workspace.name, "plan_id": workspace.plan_id });
        let entry = self.0.audit_own(organization_id, "workspace.gone", id, gone, ());
        let fewer = self.0.bill_for_workspaces(&organization);
        let dying = organization.deletion_requested_at.is_some();
        let last = dying && self.0.store.count_organization(organization_id).await?.workspaces == 1;
        let guard = Guard::Workspace(organization_id, id, workspace.version);
        let changeset = changeset.guard(guard).organization(organization, now).audit(entry);
        let changeset = self.0.keep_unread(workspace, changeset).await?;
        let changeset = changeset.delete(Key::Workspace(organization_id, id));
        if last {
            return self.0.commit(self.0.forget_organization(organization_id, changeset).await?).await;
        }
        let data = serde_json::json!({ "workspace_id": id, "phase": "deleted" });
        let event = self.0.event(organization_id, Some(id), "workspace.phase", data);
        let changeset = fewer.into_iter().fold(changeset.insert(event), Changeset::message);
        self.0.commit(changeset).await
    }
}

/// Whether the cluster was as it should be, with nothing new to follow, when it was last looked at.
fn is_as_asked(workspace: &Workspace) -> bool {
    let status = &workspace.status;
    workspace.is_settled() && status.phase == Phase::Ready && status.refused_projects.is_empty()
}
