use async_trait::async_trait;

use super::MemoryStore;
use super::state::{Index, State, groups, members, projects, workspaces};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{GroupId, OrganizationId, TypedId as _, UserId, WorkspaceId};
use crate::model::{
    BillingAccount, BillingStanding, Group, Member, Organization, OrganizationSummary, Project, User,
    UserKind, Workspace,
};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::SearchStore;

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        let after = page.after_id()?.map(RecordKey::Organization);
        let state = self.lock();
        let all = RecordKey::Organization(OrganizationId::least())
            ..=RecordKey::Organization(OrganizationId::greatest());
        let matching = state
            .forward::<Organization>(all, after)
            .filter(|organization| text.as_ref().is_none_or(|text| text.is_in(&organization.searchable())));
        let found = matching.take(page.limit() + 1).map(|organization| state.summary(organization)).collect();
        Ok(page.page(found, |summary: &OrganizationSummary| summary.organization.id.to_string()))
    }

    async fn search_groups(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Group>> {
        let state = self.lock();
        let all = state.visible_workspaces(organization, member);
        let all = all.flat_map(|workspace| state.scan::<Group>(groups(organization, workspace.id)));
        Ok(all.filter(|group| text.is_in(&group.searchable())).take(limit).cloned().collect())
    }

    async fn search_projects(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Project>> {
        let state = self.lock();
        let all = state.visible_workspaces(organization, member);
        let all = all.flat_map(|workspace| state.scan::<Project>(projects(organization, workspace.id)));
        Ok(all.filter(|project| text.is_in(&project.searchable())).take(limit).cloned().collect())
    }
}

impl State {
    /// Workspaces of an organization, or only those in which a user is in a group.
    pub(super) fn visible_workspaces(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
    ) -> impl Iterator<Item = &Workspace> + '_ {
        self.scan::<Workspace>(workspaces(organization)).filter(move |workspace| {
            member.is_none_or(|user| self.is_in_workspace(organization, workspace.id, user))
        })
    }

    /// `true` if a user is in a group of a workspace.
    pub(super) fn is_in_workspace(&self, org: OrganizationId, ws: WorkspaceId, user: UserId) -> bool {
        let first = Index::MemberOf(org, ws, user, GroupId::least());
        let last = Index::MemberOf(org, ws, user, GroupId::greatest());
        self.index.range(first..=last).next().is_some()
    }

    fn summary(&self, organization: &Organization) -> OrganizationSummary {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let id = organization.id;
        let persons = self.scan::<Member>(members(id)).filter(|member| {
            let user = self.get::<User>(&RecordKey::User(member.user_id));
            user.is_some_and(|user| user.kind == UserKind::Person)
        });
        let account = self.get::<BillingAccount>(&RecordKey::BillingAccount(id));
        OrganizationSummary {
            organization: organization.clone(),
            members: count(persons.count()),
            workspaces: count(self.scan::<Workspace>(workspaces(id)).count()),
            subscription: account.and_then(|account| account.subscription.clone()),
            standing: account.map_or(BillingStanding::Good, |account| account.standing),
        }
    }
}
