use async_trait::async_trait;

use super::MemoryStore;
use super::state::{Index, assignments, groups, memberships_in, projects, roles};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{
    AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, TypedId as _, UserId, WorkspaceId,
};
use crate::model::{Assignment, CustomRole, Group, Membership, Project};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::AccessStore;

#[async_trait]
impl AccessStore for MemoryStore {
    async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>> {
        Ok(self.lock().get(&RecordKey::Group(org, ws, id)).cloned())
    }

    async fn list_groups(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Group>> {
        let after = page.after_id()?.map(|id| RecordKey::Group(org, ws, id));
        let state = self.lock();
        let all = state.forward::<Group>(groups(org, ws), after);
        let found = all.filter(|group| text.as_ref().is_none_or(|text| text.is_in(&group.searchable())));
        let found = found.take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |group: &Group| group.id.to_string()))
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
        let state = self.lock();
        Ok(groups.into_iter().flat_map(|id| state.scan(memberships_in(org, ws, id)).cloned()).collect())
    }

    async fn list_groups_of(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<GroupId>> {
        let range = Index::MemberOf(org, ws, user, GroupId::least())
            ..=Index::MemberOf(org, ws, user, GroupId::greatest());
        let state = self.lock();
        let groups = state.index.range(range).filter_map(|entry| match entry {
            Index::MemberOf(_, _, _, group) => Some(*group),
            _ => None,
        });
        Ok(groups.collect())
    }

    async fn list_workspace_members(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<UserId>> {
        let after = page.after_id()?.unwrap_or(UserId::least());
        let range = Index::MemberOf(org, ws, after, GroupId::least())
            ..=Index::MemberOf(org, ws, UserId::greatest(), GroupId::greatest());
        let state = self.lock();
        let mut found: Vec<UserId> = Vec::new();
        for entry in state.index.range(range) {
            let Index::MemberOf(_, _, user, _) = entry else { continue };
            if *user > after && found.last() != Some(user) {
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
        Ok(self.lock().get(&RecordKey::Project(org, ws, id)).cloned())
    }

    async fn list_projects(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<Project>> {
        let after = page.after_id()?.map(|id| RecordKey::Project(org, ws, id));
        let state = self.lock();
        let all = state.forward::<Project>(projects(org, ws), after);
        let found = all.filter(|project| text.as_ref().is_none_or(|text| text.is_in(&project.searchable())));
        let found = found.take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |project: &Project| project.id.to_string()))
    }

    async fn find_role(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: RoleId,
    ) -> Result<Option<CustomRole>> {
        Ok(self.lock().get(&RecordKey::Role(org, ws, id)).cloned())
    }

    async fn list_roles(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: ProjectId,
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        let after = page.after_id()?.map(|id| RecordKey::Role(org, ws, id));
        let state = self.lock();
        let all = state.forward::<CustomRole>(roles(org, ws), after);
        let found = all.filter(|role| role.project_id == project).take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |role: &CustomRole| role.id.to_string()))
    }

    async fn find_assignment(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AssignmentId,
    ) -> Result<Option<Assignment>> {
        Ok(self.lock().get(&RecordKey::Assignment(org, ws, id)).cloned())
    }

    async fn list_assignments(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: Option<ProjectId>,
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        let after = page.after_id()?.map(|id| RecordKey::Assignment(org, ws, id));
        let state = self.lock();
        let all = state.forward::<Assignment>(assignments(org, ws), after);
        let found = all
            .filter(|assignment| assignment.project_id == project)
            .take(page.limit() + 1)
            .cloned()
            .collect();
        Ok(page.page(found, |assignment: &Assignment| assignment.id.to_string()))
    }
}
