use async_trait::async_trait;

use super::view::{Reads as _, Space};
use super::{KvTenantStore, Section};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::model::{Assignment, CustomRole, Group, Membership, Project};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::AccessStore;

#[async_trait]
impl<S: Space> AccessStore for KvTenantStore<S> {
    async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>> {
        self.space.view().await?.find(RecordKey::Group(org, ws, id)).await
    }

    async fn list_groups(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Group>> {
        let after = page.after_id()?.map(|id| RecordKey::Group(org, ws, id));
        let view = self.space.view().await?;
        let groups = view.records_after::<Group>(&[&org, &ws], after, page.limit() + 1);
        let matches = |group: &&Group| text.as_ref().is_none_or(|text| text.is_in(&group.searchable()));
        let found = groups.collect(page.limit() + 1, |item| item.record().filter(matches).cloned());
        Ok(page.page(found.await?, |group| group.id.to_string()))
    }

    async fn list_memberships(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        groups: &[GroupId],
    ) -> Result<Vec<Membership>> {
        let mut groups = groups.to_vec();
        groups.sort_unstable();
        groups.dedup();
        let view = self.space.view().await?;
        let mut found = Vec::new();
        for group in groups {
            found.extend(view.all::<Membership>(&[&org, &ws, &group]).await?);
        }
        Ok(found)
    }

    async fn list_groups_of(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<GroupId>> {
        let view = self.space.view().await?;
        let entries = view.cursor(Membership::BY_WORKSPACE.key(&[&org, &ws, &user]));
        let group = |key: &RecordKey| match key {
            RecordKey::Membership(_, _, group, _) => Some(*group),
            _ => None,
        };
        entries.collect(usize::MAX, |item| item.pointer().and_then(group)).await
    }

    async fn list_workspace_members(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<UserId>> {
        let after = page.after_id::<UserId>()?.map(|user| Membership::BY_WORKSPACE.key(&[&org, &ws, &user]));
        let view = self.space.view().await?;
        let mut entries = view.cursor(Membership::BY_WORKSPACE.key(&[&org, &ws])).after_all(after);
        let mut found: Vec<UserId> = Vec::new();
        while let Some(item) = entries.next().await? {
            let Some(RecordKey::Membership(_, _, _, user)) = item.pointer() else { continue };
            if found.last() != Some(user) {
                found.push(*user);
            }
            if found.len() > page.limit() {
                break;
            }
        }
        Ok(page.page(found, ToString::to_string))
    }

    async fn find_project(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: ProjectId,
    ) -> Result<Option<Project>> {
        self.space.view().await?.find(RecordKey::Project(org, ws, id)).await
    }

    async fn list_projects(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Project>> {
        let after = page.after_id()?.map(|id| RecordKey::Project(org, ws, id));
        let view = self.space.view().await?;
        let projects = view.records_after::<Project>(&[&org, &ws], after, page.limit() + 1);
        let matches = |project: &&Project| text.as_ref().is_none_or(|text| text.is_in(&project.searchable()));
        let found = projects.collect(page.limit() + 1, |item| item.record().filter(matches).cloned());
        Ok(page.page(found.await?, |project| project.id.to_string()))
    }

    async fn find_role(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: RoleId,
    ) -> Result<Option<CustomRole>> {
        self.space.view().await?.find(RecordKey::Role(org, ws, id)).await
    }

    async fn list_roles(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: ProjectId,
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        let owner = RecordKey::Project(org, ws, project);
        let after = page.after_id()?.map(|id| RecordKey::Role(org, ws, id));
        let after = after.map(|role| Section::Owned.between(&owner, &role));
        let view = self.space.view().await?;
        let mut roles = view.cursor(Section::Owned.towards::<CustomRole>(&owner)).after(after);
        let found = roles.targets(page.limit() + 1).await?;
        Ok(page.page(found, |role: &CustomRole| role.id.to_string()))
    }

    async fn find_assignment(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AssignmentId,
    ) -> Result<Option<Assignment>> {
        self.space.view().await?.find(RecordKey::Assignment(org, ws, id)).await
    }

    async fn list_assignments(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: Option<ProjectId>,
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        let after = page.after_id()?.map(|id| RecordKey::Assignment(org, ws, id));
        let view = self.space.view().await?;
        let all = view.records_after::<Assignment>(&[&org, &ws], after, page.limit() + 1);
        let matches = |assignment: &&Assignment| assignment.project_id == project;
        let found = all.collect(page.limit() + 1, |item| item.record().filter(matches).cloned());
        Ok(page.page(found.await?, |assignment| assignment.id.to_string()))
    }
}
