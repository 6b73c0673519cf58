use async_trait::async_trait;

use super::MemoryStore;
use super::state::{Index, assignments, groups, projects, roles, tasks, workspaces};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, TaskId, TypedId as _, UserId, WorkspaceId};
use crate::model::{Member, Task, Workspace, WorkspaceState};
use crate::page::{Page, PageRequest};
use crate::search::WorkspaceFilter;
use crate::store::{RunningWorkspace, WorkspaceStore};

#[async_trait]
impl WorkspaceStore for MemoryStore {
    async fn find_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>> {
        Ok(self.lock().get(&RecordKey::Workspace(organization, id)).cloned())
    }

    async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>> {
        let state = self.lock();
        let range = Index::OrganizationOfWorkspace(id, OrganizationId::least())
            ..=Index::OrganizationOfWorkspace(id, OrganizationId::greatest());
        let entry = state.index.range(range).next();
        Ok(entry.and_then(|entry| match entry {
            Index::OrganizationOfWorkspace(_, organization) => Some(*organization),
            _ => None,
        }))
    }

    async fn list_running_workspaces(
        &self,
        after: Option<WorkspaceId>,
        limit: u16,
    ) -> Result<Vec<RunningWorkspace>> {
        let state = self.lock();
        let from = Index::OrganizationOfWorkspace(
            after.unwrap_or(WorkspaceId::least()),
            after.map_or(OrganizationId::least(), |_| OrganizationId::greatest()),
        );
        let to = Index::OrganizationOfWorkspace(WorkspaceId::greatest(), OrganizationId::greatest());
        let running = |entry: &Index| {
            let Index::OrganizationOfWorkspace(id, organization) = entry else { return None };
            let workspace = state.get::<Workspace>(&RecordKey::Workspace(*organization, *id))?;
            let is_running = RunningWorkspace::PHASES.contains(&workspace.status.phase)
                && workspace.deletion_requested_at.is_none();
            is_running.then(|| RunningWorkspace {
                organization_id: *organization,
                id: *id,
                host_cluster: workspace.host_cluster.clone(),
                plan_id: workspace.plan_id.clone(),
            })
        };
        Ok(state.index.range(from..=to).filter_map(running).take(usize::from(limit)).collect())
    }

    async fn find_workspace_for(
        &self,
        organization: OrganizationId,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<(Member, Option<Workspace>)>> {
        let state = self.lock();
        let Some(member) = state.get(&RecordKey::Member(organization, user)).cloned() else {
            return Ok(None);
        };
        Ok(Some((member, state.get(&RecordKey::Workspace(organization, id)).cloned())))
    }

    async fn load_workspace(&self, org: OrganizationId, id: WorkspaceId) -> Result<Option<WorkspaceState>> {
        let state = self.lock();
        let Some(workspace) = state.get(&RecordKey::Workspace(org, id)).cloned() else { return Ok(None) };
        Ok(Some(WorkspaceState {
            workspace,
            groups: state.scan(groups(org, id)).cloned().collect(),
            projects: state.scan(projects(org, id)).cloned().collect(),
            roles: state.scan(roles(org, id)).cloned().collect(),
            assignments: state.scan(assignments(org, id)).cloned().collect(),
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
        let state = self.lock();
        let visible = |workspace: &&Workspace| {
            member.is_none_or(|user| state.is_in_workspace(organization, workspace.id, user))
        };
        let found = state.forward(workspaces(organization), after).filter(visible);
        let found = found.filter(|workspace| filter.matches(workspace));
        let found = found.take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |workspace: &Workspace| workspace.id.to_string()))
    }

    async fn find_task(&self, org: OrganizationId, ws: WorkspaceId, id: TaskId) -> Result<Option<Task>> {
        Ok(self.lock().get(&RecordKey::Task(org, ws, id)).cloned())
    }

    async fn list_tasks(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>> {
        let after = page.after_id()?.map(|id| RecordKey::Task(org, ws, id));
        let state = self.lock();
        let found = state.backward(tasks(org, ws), after).take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |task: &Task| task.id.to_string()))
    }

    async fn list_open_tasks(&self, org: OrganizationId, ws: WorkspaceId) -> Result<Vec<Task>> {
        let state = self.lock();
        Ok(state.scan::<Task>(tasks(org, ws)).filter(|task| task.state.is_open()).cloned().collect())
    }
}
