use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, TaskId, WorkspaceId};
use crate::lifecycle;
use crate::model::{Task, TaskState};
use crate::page::{Page, PageRequest};

/// Tasks on workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Tasks<'a>(pub(super) &'a PlatformInner);

impl Tasks<'_> {
    /// Lists the tasks of a workspace, newest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>> {
        self.0.permit_in(caller, organization, workspace, None, Action::WorkspaceRead).await?;
        self.0.store.list_tasks(organization, workspace, page).await
    }

    /// Returns a task.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Task> {
        self.0.permit_in(caller, organization, workspace, None, Action::WorkspaceRead).await?;
        self.find(organization, workspace, id).await
    }

    /// Retries a failed task.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Conflict` with code `task_not_failed` for a task in another state, or `task_superseded` if a later operation
    ///   took its place.
    pub async fn retry(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Idempotent<Task>> {
        let authorization = Authorization::Workspace((organization, workspace, None), Action::TaskRetry);
        self.0
            .run_idempotent(caller, authorization, || async {
                let root = self.0.permit_in(caller, organization, workspace, None, Action::TaskRetry).await?;
                let before = self.find(organization, workspace, id).await?;
                if before.state != TaskState::Failed {
                    let message = format!("only a failed task can be retried; this one is {}", before.state);
                    return Err(Error::conflict("task_not_failed", message));
                }
                let open = self.0.store.list_open_tasks(organization, workspace).await?;
                if !lifecycle::can_retry(before.kind, &root, &open) {
                    let message =
                        "a later operation took the place of this task; request the operation again instead";
                    return Err(Error::conflict("task_superseded", message));
                }
                let now = self.0.now();
                let mut root = root;
                let phase_before = root.status.phase;
                lifecycle::bump_generation(&mut root, now);
                let task = Task {
                    state: TaskState::Pending,
                    generation: root.generation,
                    steps: lifecycle::steps_of(before.kind),
                    last_error: String::new(),
                    updated_at: now,
                    finished_at: None,
                    version: before.version.next(),
                    ..before.clone()
                };
                let resource = format!("{workspace}/{id}");
                let entry =
                    self.0.audit(caller, organization, "task.retry", resource, before.state, task.state);
                let mut changeset = crate::changeset::Changeset::new()
                    .update(task.clone())
                    .insert(self.0.task_event(&task))
                    .audit(entry)
                    .message(self.0.reconcile_message(organization, workspace));
                if root.status.phase != phase_before {
                    changeset = changeset.insert(self.0.phase_event(&root));
                }
                Ok((changeset.workspace(root, now), task))
            })
            .await
    }

    async fn find(&self, organization: OrganizationId, workspace: WorkspaceId, id: TaskId) -> Result<Task> {
        self.0.store.find_task(organization, workspace, id).await?.ok_or_else(|| Error::not_found("task"))
    }
}
