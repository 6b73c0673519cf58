//! Workspaces, their alert rules, and access to them.

use async_trait::async_trait;

use super::FaultyStore;
use crate::error::Result;
use crate::id::{
    AlertRuleId, AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, TaskId, UserId, WorkspaceId,
};
use crate::model::{
    AlertRule, AlertThresholdPage, Assignment, CustomRole, Group, Member, Membership, Project, Task,
    Workspace, WorkspaceState,
};
use crate::page::{Page, PageRequest};
use crate::search::{SearchText, WorkspaceFilter};
use crate::store::{AccessStore, AlertStore, RunningWorkspace, WorkspaceStore};

#[async_trait]
impl WorkspaceStore for FaultyStore {
    async fn find_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>> {
        self.inner.find_workspace(organization, id).await
    }

    async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>> {
        self.inner.organization_of_workspace(id).await
    }

    async fn list_running_workspaces(
        &self,
        after: Option<WorkspaceId>,
        limit: u16,
    ) -> Result<Vec<RunningWorkspace>> {
        self.inner.list_running_workspaces(after, limit).await
    }

    async fn find_workspace_for(
        &self,
        organization: OrganizationId,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<(Member, Option<Workspace>)>> {
        self.inner.find_workspace_for(organization, user, id).await
    }

    async fn load_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<WorkspaceState>> {
        self.inner.load_workspace(organization, id).await
    }

    async fn list_workspaces(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        filter: &WorkspaceFilter,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        self.inner.list_workspaces(organization, member, filter, page).await
    }

    async fn find_task(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Option<Task>> {
        self.inner.find_task(organization, workspace, id).await
    }

    async fn list_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>> {
        self.inner.list_tasks(organization, workspace, page).await
    }

    async fn list_open_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<Task>> {
        self.inner.list_open_tasks(organization, workspace).await
    }
}

#[async_trait]
impl AccessStore for FaultyStore {
    async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>> {
        self.inner.find_group(org, ws, id).await
    }

    async fn list_groups(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Group>> {
        self.inner.list_groups(org, ws, text, page).await
    }

    async fn list_memberships(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        groups: &[GroupId],
    ) -> Result<Vec<Membership>> {
        self.inner.list_memberships(org, ws, groups).await
    }

    async fn list_groups_of(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<GroupId>> {
        self.inner.list_groups_of(org, ws, user).await
    }

    async fn list_workspace_members(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<UserId>> {
        self.inner.list_workspace_members(org, ws, page).await
    }

    async fn find_project(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: ProjectId,
    ) -> Result<Option<Project>> {
        self.inner.find_project(org, ws, id).await
    }

    async fn list_projects(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Project>> {
        self.inner.list_projects(org, ws, text, page).await
    }

    async fn find_role(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: RoleId,
    ) -> Result<Option<CustomRole>> {
        self.inner.find_role(org, ws, id).await
    }

    async fn list_roles(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: ProjectId,
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        self.inner.list_roles(org, ws, project, page).await
    }

    async fn find_assignment(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AssignmentId,
    ) -> Result<Option<Assignment>> {
        self.inner.find_assignment(org, ws, id).await
    }

    async fn list_assignments(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: Option<ProjectId>,
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        self.inner.list_assignments(org, ws, project, page).await
    }
}

#[async_trait]
impl AlertStore for FaultyStore {
    async fn find_alert_rule(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRule>> {
        self.inner.find_alert_rule(org, ws, id).await
    }

    async fn list_alert_rules(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<AlertRule>> {
        self.inner.list_alert_rules(org, ws, page).await
    }

    async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32> {
        self.inner.count_alert_rules(org, ws).await
    }

    async fn list_alert_thresholds(&self, after: Option<String>, limit: u16) -> Result<AlertThresholdPage> {
        self.inner.list_alert_thresholds(after, limit).await
    }
}
