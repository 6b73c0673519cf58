use std::collections::BTreeMap;

use async_trait::async_trait;

use super::KvTenantStore;
use super::view::{Reads as _, Space, View};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{
    Inventory, Invitation, Member, Organization, OrganizationCounts, OrganizationRole, ServiceAccount, User,
    UserKind, Workspace,
};
use crate::name::PlanId;
use crate::page::{Page, PageRequest};
use crate::store::OrganizationStore;

#[async_trait]
impl<S: Space> OrganizationStore for KvTenantStore<S> {
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.space.view().await?.find(RecordKey::Organization(id)).await
    }

    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>> {
        let after = page.after_id::<OrganizationId>()?;
        let after = after.map(|id| Member::BY_USER.key(&[&user, &id]));
        let view = self.space.view().await?;
        let mut members = view.cursor(Member::BY_USER.key(&[&user])).after(after);
        let mut found = Vec::new();
        while found.len() <= page.limit() {
            let Some(member) = members.next_target::<Member>().await? else { break };
            let organization = view.find(RecordKey::Organization(member.organization_id)).await?;
            found.extend(organization.map(|organization: Organization| (organization, member)));
        }
        Ok(page.page(found, |(organization, _)| organization.id.to_string()))
    }

    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let view = self.space.view().await?;
        let persons = persons(&view, id).await?;
        Ok(OrganizationCounts {
            members: count(persons.len()),
            owners: count(persons.iter().filter(|member| member.role == OrganizationRole::Owner).count()),
            invitations: view.count::<Invitation>(&[&id]).await?,
            service_accounts: view.count::<ServiceAccount>(&[&id]).await?,
            workspaces: view.count::<Workspace>(&[&id]).await?,
        })
    }

    async fn count_created_organizations(&self, user: UserId) -> Result<u32> {
        let view = self.space.view().await?;
        let mut created = view.cursor(Organization::BY_CREATOR.key(&[&user]));
        let mut counted = 0_u32;
        while let Some(organization) = created.next_target::<Organization>().await? {
            counted = counted.saturating_add(u32::from(!organization.personal));
        }
        Ok(counted)
    }

    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>> {
        let view = self.space.view().await?;
        let mut created = view.cursor(Organization::BY_CREATOR.key(&[&user]));
        let mut counts = BTreeMap::new();
        while let Some(organization) = created.next_target::<Organization>().await? {
            let mut workspaces = view.records::<Workspace>(&[&organization.id]);
            while let Some(workspace) = workspaces.next_record::<Workspace>().await? {
                *counts.entry(workspace.plan_id).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }

    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        self.space.view().await?.find(RecordKey::ServiceAccount(organization, id)).await
    }

    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<(ServiceAccount, Member)>> {
        let after = page.after_id()?.map(|id| RecordKey::ServiceAccount(organization, id));
        let view = self.space.view().await?;
        let mut accounts = view.records_after::<ServiceAccount>(&[&organization], after, page.limit() + 1);
        let mut found = Vec::new();
        while found.len() <= page.limit() {
            let Some(account) = accounts.next_record::<ServiceAccount>().await? else { break };
            let member = view.find::<Member>(RecordKey::Member(organization, account.id)).await?;
            found.extend(member.map(|member| (account, member)));
        }
        Ok(page.page(found, |(account, _)| account.id.to_string()))
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        self.space.view().await?.all(&[&organization]).await
    }
}

/// The members of an organization who are persons.
pub(super) async fn persons<V: View>(view: &V, organization: OrganizationId) -> Result<Vec<Member>> {
    let mut members = view.records::<Member>(&[&organization]);
    let mut persons = Vec::new();
    while let Some(member) = members.next_record::<Member>().await? {
        let user = view.find::<User>(RecordKey::User(member.user_id)).await?;
        if user.is_some_and(|user| user.kind == UserKind::Person) {
            persons.push(member);
        }
    }
    Ok(persons)
}
