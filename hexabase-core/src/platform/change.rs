use std::time::Duration;

use serde::Serialize;

use super::{CLUSTER_TOKEN_LIFETIME, Caller, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Guard, Key, Record, Write};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, ProjectId, TaskId, UserId, WorkspaceId};
use crate::lifecycle;
use crate::model::{Cut, Task, TaskKind, Workspace, WorkspaceState};
use jiff::Timestamp;

/// By how much the clock of a tenant's API server may differ from ours.
const CLUSTER_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// A change inside one workspace in the making. Whatever is changed, the workspace's version goes up, so
/// that decisions on what was read are safe.
pub(super) struct WorkspaceChange<'a> {
    parts: &'a Parts,
    caller: &'a Caller,
    pub(super) workspace: Workspace,
    pub(super) now: Timestamp,
    changeset: Changeset,
    access: bool,
    cluster: bool,
}

impl Parts {
    /// Begins a change inside a workspace that the caller may make, and that is not being removed.
    pub(super) async fn begin<'a>(
        &'a self,
        caller: &'a Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
        action: Action,
    ) -> Result<WorkspaceChange<'a>> {
        let (organization, workspace, project) = place;
        let workspace = self.permit_in(caller, organization, workspace, project, action).await?;
        if workspace.deletion_requested_at.is_some() {
            return Err(Error::conflict("workspace_deleting", "the workspace is being deleted"));
        }
        let now = self.now();
        let changeset = Changeset::new();
        Ok(WorkspaceChange { parts: self, caller, workspace, now, changeset, access: false, cluster: false })
    }

    /// As [`Self::begin`], with everything in the workspace at hand. The state was read after the version
    /// that guards the change, so nothing in it is older.
    pub(super) async fn begin_whole<'a>(
        &'a self,
        caller: &'a Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
        action: Action,
    ) -> Result<(WorkspaceChange<'a>, WorkspaceState)> {
        let change = self.begin(caller, place, action).await?;
        let state = self.load(place.0, place.1).await?;
        Ok((change, state))
    }
}

impl WorkspaceChange<'_> {
    pub(super) fn id<T: crate::id::TypedId>(&self) -> T {
        self.parts.id(self.now)
    }

    pub(super) fn insert(&mut self, record: impl Into<Record>) {
        self.changeset.writes.push(Write::Insert(record.into()));
    }

    pub(super) fn update(&mut self, record: impl Into<Record>) {
        self.changeset.writes.push(Write::Update(record.into()));
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.changeset.writes.push(Write::Delete(key));
    }

    pub(super) fn guard(&mut self, guard: Guard) {
        self.changeset.guards.push(guard);
    }

    /// Says that what derives from groups, members, roles or assignments is out of date.
    pub(super) fn access_changed(&mut self) {
        self.access = true;
    }

    /// Says that the cluster has something new to follow.
    pub(super) fn cluster_changed(&mut self) {
        self.cluster = true;
    }

    /// Takes its rights from whatever tokens somebody still has who was in these groups.
    pub(super) fn cut(&mut self, user_id: UserId, groups: Vec<GroupId>) {
        let until = after(self.now, CLUSTER_TOKEN_LIFETIME + CLUSTER_CLOCK_SKEW);
        self.workspace.cuts.push(Cut { user_id, groups, until });
        self.cluster_changed();
    }

    /// The generation in which the cluster follows this change.
    pub(super) fn next_generation(&self) -> u64 {
        self.workspace.generation + 1
    }

    /// Adds a task for whoever waits for the cluster to follow.
    pub(super) fn task(&mut self, kind: TaskKind) -> TaskId {
        self.cluster_changed();
        let asked = Workspace { generation: self.next_generation(), ..self.workspace.clone() };
        let task = lifecycle::new_task(self.id(), &asked, kind, self.caller.principal.user_id, self.now);
        let id = task.id;
        self.insert(task);
        id
    }

    pub(super) fn audit(
        &mut self,
        action: &str,
        resource: impl ToString,
        before: impl Serialize,
        after: impl Serialize,
    ) {
        let organization = self.workspace.organization_id;
        let entry = self.parts.audit(self.caller, organization, action, resource, before, after);
        self.changeset.audit.push(entry);
    }

    /// The change as a whole, with the workspace as it is afterwards.
    pub(super) fn finish(self) -> (Changeset, Workspace) {
        let Self { parts, mut workspace, now, mut changeset, access, cluster, .. } = self;
        let (organization, id) = (workspace.organization_id, workspace.id);
        // While people have rights by name, the cluster follows whoever comes and goes.
        let cluster =
            lifecycle::end_cuts(&mut workspace, now) | cluster | (access && !workspace.cuts.is_empty());
        if access {
            workspace.access_version += 1;
        }
        if cluster {
            let before = workspace.status.phase;
            lifecycle::ask(&mut workspace, now);
            changeset = changeset.message(parts.look(organization, id));
            if workspace.status.phase != before {
                changeset = changeset.insert(parts.phase_event(&workspace));
            }
        }
        let changeset = changeset.workspace(workspace.clone(), now);
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        (changeset, workspace)
    }
}

impl Parts {
    /// The event that a workspace is in another phase.
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
        self.event(workspace.organization_id, Some(workspace.id), "workspace.phase", data)
    }

    /// The event that a task moved.
    pub(crate) fn task_event(&self, task: &Task) -> crate::model::Event {
        let data = serde_json::json!({
            "workspace_id": task.workspace_id,
            "task_id": task.id,
            "kind": task.kind,
            "state": task.state,
            "steps": task.steps,
            "last_error": task.last_error,
        });
        self.event(task.organization_id, Some(task.workspace_id), "task.progress", data)
    }
}
