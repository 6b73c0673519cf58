use async_trait::async_trait;

use super::view::{Reads as _, Space, View};
use super::{KvTenantStore, Section};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::{Member, Membership, Task, Workspace, WorkspaceState};
use crate::page::{Page, PageRequest};
use crate::search::WorkspaceFilter;
use crate::store::{RunningWorkspace, WorkspaceStore};

#[async_trait]
impl<S: Space> WorkspaceStore for KvTenantStore<S> {
    async fn find_workspace(&self, org: OrganizationId, id: WorkspaceId) -> Result<Option<Workspace>> {
        self.space.view().await?.find(RecordKey::Workspace(org, id)).await
    }

    async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>> {
        let view = self.space.view().await?;
        let entry = view.cursor(Workspace::BY_ID.key(&[&id])).expecting(1).next().await?;
        Ok(entry.and_then(|item| item.pointer().and_then(RecordKey::organization)))
    }

    async fn list_running_workspaces(
        &self,
        after: Option<WorkspaceId>,
        limit: u16,
    ) -> Result<Vec<RunningWorkspace>> {
        let after = after.map(|id| Workspace::BY_ID.key(&[&id]));
        let view = self.space.view().await?;
        let mut all = view.cursor(Workspace::BY_ID.key(&[])).after_all(after);
        let mut running = Vec::new();
        while running.len() < usize::from(limit) {
            let Some(workspace) = all.next_target::<Workspace>().await? else { break };
            if RunningWorkspace::PHASES.contains(&workspace.status.phase)
                && workspace.deletion_requested_at.is_none()
            {
                running.push(RunningWorkspace {
                    organization_id: workspace.organization_id,
                    id: workspace.id,
                    host_cluster: workspace.host_cluster,
                    plan_id: workspace.plan_id,
                });
            }
        }
        Ok(running)
    }

    async fn find_workspace_for(
        &self,
        organization: OrganizationId,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<(Member, Option<Workspace>)>> {
        let view = self.space.view().await?;
        let Some(member) = view.find(RecordKey::Member(organization, user)).await? else { return Ok(None) };
        Ok(Some((member, view.find(RecordKey::Workspace(organization, id)).await?)))
    }

    async fn load_workspace(&self, org: OrganizationId, id: WorkspaceId) -> Result<Option<WorkspaceState>> {
        let view = self.space.view().await?;
        let Some(workspace) = view.find(RecordKey::Workspace(org, id)).await? else { return Ok(None) };
        Ok(Some(WorkspaceState {
            workspace,
            groups: view.all(&[&org, &id]).await?,
            projects: view.all(&[&org, &id]).await?,
            roles: view.all(&[&org, &id]).await?,
            assignments: view.all(&[&org, &id]).await?,
        }))
    }

    async fn list_workspaces(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        filter: &WorkspaceFilter,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let after = page.after_id()?.map(|id| RecordKey::Workspace(organization, id));
        let view = self.space.view().await?;
        let mut all = view.records_after::<Workspace>(&[&organization], after, page.limit() + 1);
        let mut found = Vec::new();
        while found.len() <= page.limit() {
            let Some(workspace) = all.next_record::<Workspace>().await? else { break };
            if filter.matches(&workspace) && is_visible(&view, &workspace, member).await? {
                found.push(workspace);
            }
        }
        Ok(page.page(found, |workspace| workspace.id.to_string()))
    }

    async fn find_task(&self, org: OrganizationId, ws: WorkspaceId, id: TaskId) -> Result<Option<Task>> {
        self.space.view().await?.find(RecordKey::Task(org, ws, id)).await
    }

    async fn list_tasks(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>> {
        let after = page.after_id()?.map(|id| Section::Record.of(&RecordKey::Task(org, ws, id)));
        let view = self.space.view().await?;
        let newest_first = view.records::<Task>(&[&org, &ws]).descending().after(after);
        let found = newest_first.expecting(page.limit() + 1);
        let found = found.collect(page.limit() + 1, |item| item.record::<Task>().cloned()).await?;
        Ok(page.page(found, |task| task.id.to_string()))
    }

    async fn list_open_tasks(&self, org: OrganizationId, ws: WorkspaceId) -> Result<Vec<Task>> {
        let view = self.space.view().await?;
        let all = view.records::<Task>(&[&org, &ws]);
        let is_open = |task: &&Task| task.state.is_open();
        all.collect(usize::MAX, |item| item.record().filter(is_open).cloned()).await
    }
}

/// `true` if all workspaces are visible, or the user is in a group of the workspace.
pub(super) async fn is_visible<V: View>(
    view: &V,
    workspace: &Workspace,
    user: Option<UserId>,
) -> Result<bool> {
    let Some(user) = user else { return Ok(true) };
    let key = Membership::BY_WORKSPACE.key(&[&workspace.organization_id, &workspace.id, &user]);
    Ok(view.cursor(key).expecting(1).next().await?.is_some())
}
