use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::{
    AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, TypedId as _, UserId, WorkspaceId,
};
use hexabase_core::model::{Assignment, CustomRole, Group, Membership, Project};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::SearchText;
use hexabase_core::store::AccessStore;

use super::search::{matches, with_text};
use super::statement::Query;
use super::table::select;
use super::{Cells, Engine, Reads as _, SqlStore, row_limit};

#[async_trait]
impl<E: Engine> AccessStore for SqlStore<E> {
    async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>> {
        self.0.find_in_workspace(org, ws, id.to_string()).await
    }

    async fn list_groups(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Group>> {
        let after = page.after_id::<GroupId>()?.unwrap_or(GroupId::least());
        let condition =
            text.as_ref().map(|_| format!(" AND {}", matches("search_text", 5))).unwrap_or_default();
        let query = select::<Group>(&format!(
            "WHERE organization_id = $1 AND workspace_id = $2 AND id > $3{condition} ORDER BY id LIMIT $4"
        ));
        let query = query.for_organization(org).text(ws).text(after).int(row_limit(page));
        let query = with_text(query, text.as_ref());
        self.0.page(query, page, |group: &Group| group.id.to_string()).await
    }

    async fn list_memberships(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        groups: &[GroupId],
    ) -> Result<Vec<Membership>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rest = format!(
            "WHERE organization_id = $1 AND workspace_id = $2 AND group_id {} ORDER BY group_id, user_id",
            E::in_list("$3"),
        );
        self.0.find_all(select::<Membership>(&rest).for_organization(org).text(ws).list(groups)).await
    }

    async fn list_groups_of(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<GroupId>> {
        let query = Query::new(
            "SELECT group_id FROM group_members \
             WHERE organization_id = $1 AND user_id = $2 AND workspace_id = $3 ORDER BY group_id",
        );
        let rows = self.0.fetch(query.for_organization(org).text(user).text(ws)).await?;
        rows.iter().map(|row| Cells::new(row).parse()).collect()
    }

    async fn list_workspace_members(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<UserId>> {
        let after = page.after_id::<UserId>()?.unwrap_or(UserId::least());
        let query = Query::new(
            "SELECT DISTINCT user_id FROM group_members \
             WHERE organization_id = $1 AND workspace_id = $2 AND user_id > $3 ORDER BY user_id LIMIT $4",
        );
        let rows =
            self.0.fetch(query.for_organization(org).text(ws).text(after).int(row_limit(page))).await?;
        let found: Vec<UserId> = rows.iter().map(|row| Cells::new(row).parse()).collect::<Result<_>>()?;
        Ok(page.page(found, ToString::to_string))
    }

    async fn find_project(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: ProjectId,
    ) -> Result<Option<Project>> {
        self.0.find_in_workspace(org, ws, id.to_string()).await
    }

    async fn list_projects(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Project>> {
        let after = page.after_id::<ProjectId>()?.unwrap_or(ProjectId::least());
        let condition =
            text.as_ref().map(|_| format!(" AND {}", matches("search_text", 5))).unwrap_or_default();
        let query = select::<Project>(&format!(
            "WHERE organization_id = $1 AND workspace_id = $2 AND id > $3{condition} ORDER BY id LIMIT $4"
        ));
        let query = query.for_organization(org).text(ws).text(after).int(row_limit(page));
        let query = with_text(query, text.as_ref());
        self.0.page(query, page, |project: &Project| project.id.to_string()).await
    }

    async fn find_role(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: RoleId,
    ) -> Result<Option<CustomRole>> {
        self.0.find_in_workspace(org, ws, id.to_string()).await
    }

    async fn list_roles(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: ProjectId,
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        let after = page.after_id::<RoleId>()?.unwrap_or(RoleId::least());
        let query = select::<CustomRole>(
            "WHERE organization_id = $1 AND workspace_id = $2 AND project_id = $3 AND id > $4 ORDER BY id LIMIT $5",
        );
        let query = query.for_organization(org).text(ws).text(project).text(after).int(row_limit(page));
        self.0.page(query, page, |role: &CustomRole| role.id.to_string()).await
    }

    async fn find_assignment(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AssignmentId,
    ) -> Result<Option<Assignment>> {
        self.0.find_in_workspace(org, ws, id.to_string()).await
    }

    async fn list_assignments(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: Option<ProjectId>,
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        let after = page.after_id::<AssignmentId>()?.unwrap_or(AssignmentId::least());
        let scope_condition = if project.is_some() { "project_id = $5" } else { "project_id IS NULL" };
        let query = select::<Assignment>(&format!(
            "WHERE organization_id = $1 AND workspace_id = $2 AND id > $3 AND {scope_condition} ORDER BY id LIMIT $4"
        ));
        let query = query.for_organization(org).text(ws).text(after).int(row_limit(page));
        let query = project.into_iter().fold(query, Query::text);
        self.0.page(query, page, |assignment: &Assignment| assignment.id.to_string()).await
    }
}
