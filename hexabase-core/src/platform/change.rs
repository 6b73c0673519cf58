use std::time::Duration;

use serde::Serialize;

use super::{CLUSTER_TOKEN_LIFETIME, Caller, PlatformInner};
use crate::access::{self, Action};
use crate::changeset::{Changeset, Precondition, Record, RecordKey, Write};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, ProjectId, TaskId, UserId, WorkspaceId};
use crate::lifecycle;
use crate::model::{AccessRevocation, EventKind, Group, Task, TaskKind, Workspace, WorkspaceState};
use jiff::Timestamp;

/// Maximum difference between the clocks of tenant API servers and of the processes of the platform.
const CLUSTER_CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Time after which every token that was issued before has expired, on every clock.
pub(super) const ISSUED_TOKEN_LIFETIME: Duration = CLUSTER_TOKEN_LIFETIME.saturating_add(CLUSTER_CLOCK_SKEW);

/// Change inside one workspace that is being prepared. Every change increments the version of the workspace, so a
/// decision on the state that was read is safe.
pub(super) struct WorkspaceChange<'a> {
    inner: &'a PlatformInner,
    caller: &'a Caller,
    pub(super) workspace: Workspace,
    pub(super) now: Timestamp,
    changeset: Changeset,
    access: bool,
    cluster: bool,
}

impl PlatformInner {
    /// Begins a change inside a workspace.
    ///
    /// # Errors
    /// - As [`Self::permit_in`].
    /// - `Conflict` with code `workspace_deleting`.
    pub(super) async fn begin<'a>(
        &'a self,
        caller: &'a Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        action: Action,
    ) -> Result<WorkspaceChange<'a>> {
        let (organization, workspace, project) = scope;
        let workspace = self.permit_in(caller, organization, workspace, project, action).await?;
        require_workspace_not_deleting(&workspace)?;
        let now = self.now();
        let changeset = Changeset::new();
        Ok(WorkspaceChange { inner: self, caller, workspace, now, changeset, access: false, cluster: false })
    }

    /// Begins a change as [`Self::begin`] and loads the workspace with all objects that belong to it. The state is
    /// read after the version that the commit checks, so nothing in it is older.
    pub(super) async fn begin_with_state<'a>(
        &'a self,
        caller: &'a Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        action: Action,
    ) -> Result<(WorkspaceChange<'a>, WorkspaceState)> {
        let change = self.begin(caller, scope, action).await?;
        let state = self.load(scope.0, scope.1).await?;
        Ok((change, state))
    }
}

/// Checks that a workspace can be changed.
///
/// # Errors
/// `Conflict` with code `workspace_deleting`.
pub(super) fn require_workspace_not_deleting(workspace: &Workspace) -> Result<()> {
    if workspace.deletion_requested_at.is_none() {
        return Ok(());
    }
    Err(Error::conflict("workspace_deleting", "the workspace is being deleted"))
}

impl WorkspaceChange<'_> {
    pub(super) fn id<T: crate::id::TypedId>(&self) -> T {
        self.inner.id(self.now)
    }

    pub(super) fn insert(&mut self, record: impl Into<Record>) {
        self.changeset.writes.push(Write::Insert(record.into()));
    }

    pub(super) fn update(&mut self, record: impl Into<Record>) {
        self.changeset.writes.push(Write::Update(record.into()));
    }

    pub(super) fn delete(&mut self, key: RecordKey) {
        self.changeset.writes.push(Write::Delete(key));
    }

    pub(super) fn precondition(&mut self, precondition: Precondition) {
        self.changeset.preconditions.push(precondition);
    }

    /// Marks everything derived from groups, members, projects, roles and role assignments as outdated.
    pub(super) fn access_changed(&mut self) {
        self.access = true;
    }

    /// Marks the desired state of the tenant cluster as changed.
    pub(super) fn cluster_changed(&mut self) {
        self.cluster = true;
    }

    /// The time at which every token that was issued before this change has expired.
    fn end_of_issued_tokens(&self) -> Timestamp {
        after(self.now, ISSUED_TOKEN_LIFETIME)
    }

    /// Takes the name of a new or renamed group.
    ///
    /// # Errors
    /// `Conflict` with code `group_name_reserved`.
    pub(super) fn take_group_name(&mut self, group: &Group) -> Result<()> {
        access::take_group_name(&mut self.workspace.retired_group_names, (group.id, &group.name), self.now)
    }

    /// Retires the name of a group that is renamed or deleted.
    ///
    /// # Errors
    /// `Conflict` with code `too_many_retired_group_names`.
    pub(super) fn retire_group_name(&mut self, group: &Group) -> Result<()> {
        let until = self.end_of_issued_tokens();
        let retired = &mut self.workspace.retired_group_names;
        access::retire_group_name(retired, (group.id, &group.name), self.now, until)
    }

    /// Revokes the access that a user has through these groups with tokens that are still valid.
    pub(super) fn revoke_access(&mut self, user_id: UserId, groups: Vec<GroupId>) {
        let until = self.end_of_issued_tokens();
        let revocation = AccessRevocation { user_id, groups, until };
        lifecycle::add_access_revocation(&mut self.workspace, revocation);
        self.cluster_changed();
    }

    /// The generation at which the tenant cluster includes this change.
    pub(super) fn next_generation(&self) -> u64 {
        self.workspace.generation + 1
    }

    /// Adds a task that is complete when the tenant cluster has reached this change, and ends the open tasks that it
    /// supersedes.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn task(&mut self, kind: TaskKind) -> Result<TaskId> {
        self.cluster_changed();
        let requested = Workspace { generation: self.next_generation(), ..self.workspace.clone() };
        let changeset = std::mem::take(&mut self.changeset);
        let (changeset, task) =
            self.inner.add_task(self.caller, &requested, kind, self.now, changeset).await?;
        self.changeset = changeset;
        Ok(task.id)
    }

    pub(super) fn audit(
        &mut self,
        action: &str,
        resource: impl ToString,
        before: impl Serialize,
        after: impl Serialize,
    ) {
        let organization = self.workspace.organization_id;
        let entry = self.inner.audit(self.caller, organization, action, resource, before, after);
        self.changeset.audit.push(entry);
    }

    /// Returns the changeset, and the workspace as it is after the commit.
    pub(super) fn finish(self) -> (Changeset, Workspace) {
        let Self { inner, mut workspace, now, mut changeset, access, cluster, .. } = self;
        let (organization, id) = (workspace.organization_id, workspace.id);
        // While an access revocation is active, members are bound by name, so the cluster must follow each change of
        // members.
        let cluster = lifecycle::expire_access_revocations(&mut workspace, now)
            | cluster
            | (access && !workspace.access_revocations.is_empty());
        access::expire_retired_group_names(&mut workspace.retired_group_names, now);
        if access {
            workspace.access_version += 1;
        }
        if cluster {
            let before = workspace.status.phase;
            lifecycle::bump_generation(&mut workspace, now);
            changeset = changeset.message(inner.reconcile_message(organization, id));
            if workspace.status.phase != before {
                changeset = changeset.insert(inner.phase_event(&workspace));
            }
        }
        let changeset = changeset.workspace(workspace.clone(), now);
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        (changeset, workspace)
    }
}

impl PlatformInner {
    /// Adds a new task on `workspace`, which has the generation of the task, to a changeset, and ends the open tasks
    /// that it supersedes. The changeset must check the version of the workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn add_task(
        &self,
        caller: &Caller,
        workspace: &Workspace,
        kind: TaskKind,
        now: Timestamp,
        mut changeset: Changeset,
    ) -> Result<(Changeset, Task)> {
        let open = self.store.list_open_tasks(workspace.organization_id, workspace.id).await?;
        for task in open.iter().filter(|task| lifecycle::supersedes(kind, task.kind)) {
            let ended = lifecycle::supersede(task, now);
            changeset = changeset.insert(self.task_event(&ended)).update(ended);
        }
        let task = lifecycle::new_task(self.id(now), workspace, kind, caller.principal.user_id, now);
        Ok((changeset.insert(task.clone()), task))
    }

    /// Creates the live event for a new phase of a workspace.
    pub(crate) fn phase_event(&self, workspace: &Workspace) -> crate::model::Event {
        let status = &workspace.status;
        let data = serde_json::json!({
            "workspace_id": workspace.id,
            "phase": status.phase,
            "reason": status.reason,
            "message": status.message,
            "generation": workspace.generation,
            "observed_generation": status.observed_generation,
        });
        self.event(workspace.organization_id, Some(workspace.id), EventKind::WorkspacePhase, data)
    }

    /// Creates the live event for the progress of a task.
    pub(crate) fn task_event(&self, task: &Task) -> crate::model::Event {
        let data = serde_json::json!({
            "workspace_id": task.workspace_id,
            "task_id": task.id,
            "kind": task.kind,
            "state": task.state,
            "steps": task.steps,
            "last_error": task.last_error,
        });
        self.event(task.organization_id, Some(task.workspace_id), EventKind::TaskProgress, data)
    }
}
