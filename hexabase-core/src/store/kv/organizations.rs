use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::after_prefix;
use super::view::{Reads as _, Space, View};
use super::{Item, KvTenantStore, Section};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{EventId, InvitationId, OrganizationId, UserId};
use crate::model::{
    AuditEvent, AuditFilter, Event, Inventory, Invitation, Member, Organization, OrganizationCounts,
    OrganizationRole, ServiceAccount, User, UserKind, Workspace,
};
use crate::name::{Email, PlanId};
use crate::page::{Page, PageRequest, time_position};
use crate::search::MemberFilter;
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

    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>> {
        self.space.view().await?.find(RecordKey::Member(organization, user)).await
    }

    async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        let after = page.after_id()?.map(|id| RecordKey::Member(organization, id));
        let view = self.space.view().await?;
        let mut members = view.records_after::<Member>(&[&organization], after, page.limit() + 1);
        let mut found = Vec::new();
        while found.len() <= page.limit() {
            let Some(member) = members.next_record::<Member>().await? else { break };
            let Some(user) = view.find::<User>(RecordKey::User(member.user_id)).await? else { continue };
            if user.kind == UserKind::Person && filter.matches(&member, &user) {
                found.push((member, user));
            }
        }
        Ok(page.page(found, |(member, _)| member.user_id.to_string()))
    }

    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>> {
        self.space.view().await?.find(RecordKey::Invitation(organization, id)).await
    }

    async fn list_invitations_to(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Vec<Invitation>> {
        let view = self.space.view().await?;
        view.cursor(Invitation::BY_EMAIL.key(&[email, &organization])).targets(usize::MAX).await
    }

    async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32> {
        let open = open_invitations(&self.space.view().await?, email, now, usize::MAX).await?;
        Ok(u32::try_from(open.len()).unwrap_or(u32::MAX))
    }

    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>> {
        let view = self.space.view().await?;
        let user = view.find::<User>(RecordKey::User(user)).await?;
        let Some(email) = user.and_then(|user| user.email) else { return Ok(Vec::new()) };
        open_invitations(&view, &email, now, 50).await
    }

    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        let after = page.after_id()?.map(|id| RecordKey::Invitation(organization, id));
        let view = self.space.view().await?;
        let all = view.records_after::<Invitation>(&[&organization], after, page.limit() + 1);
        let found = all.collect(page.limit() + 1, |item| item.record::<Invitation>().cloned()).await?;
        Ok(page.page(found, |invitation| invitation.id.to_string()))
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
    ) -> Result<Page<ServiceAccount>> {
        let after = page.after_id()?.map(|id| RecordKey::ServiceAccount(organization, id));
        let view = self.space.view().await?;
        let all = view.records_after::<ServiceAccount>(&[&organization], after, page.limit() + 1);
        let found = all.collect(page.limit() + 1, |item| item.record::<ServiceAccount>().cloned()).await?;
        Ok(page.page(found, |account| account.id.to_string()))
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        self.space.view().await?.all(&[&organization]).await
    }

    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let position = page.after_time::<EventId>()?;
        let log = |at: &Timestamp| Section::Audit.key(&[&organization, at]);
        let all = Section::Audit.key(&[&organization]);
        let since = filter.since.as_ref().map_or_else(|| all.clone(), log);
        let until = filter.until.as_ref().map_or_else(|| after_prefix(all.clone()), log);
        let position = position.map(|(at, id)| Section::Audit.key(&[&organization, &at, &id]));
        let until = position.map_or_else(|| until.clone(), |position| position.min(until.clone()));
        let view = self.space.view().await?;
        let newest_first = view.cursor(all).descending().from(since).until(until).expecting(page.limit() + 1);
        let entry = |item: &Item| match item {
            Item::Audit(entry) if matches(filter, entry) => Some(entry.clone()),
            _ => None,
        };
        let found = newest_first.collect(page.limit() + 1, entry).await?;
        Ok(page.page(found, |entry| time_position(entry.at, entry.id)))
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let after = after.map(|id| RecordKey::Event(organization, id));
        let view = self.space.view().await?;
        let events = view.records_after::<Event>(&[&organization], after, limit);
        events.collect(limit, |item| item.record().cloned()).await
    }

    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>> {
        let view = self.space.view().await?;
        let mut newest_first = view.records::<Event>(&[&organization]).descending().expecting(1);
        Ok(newest_first.next_record::<Event>().await?.map(|event| event.id))
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

async fn open_invitations<V: View>(
    view: &V,
    email: &Email,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Invitation>> {
    let mut all = view.cursor(Invitation::BY_EMAIL.key(&[email]));
    let mut open = Vec::new();
    while open.len() < limit {
        let Some(invitation) = all.next_target::<Invitation>().await? else { break };
        if now < invitation.expires_at {
            open.push(invitation);
        }
    }
    Ok(open)
}

/// `true` if an entry matches the filter, apart from its time.
fn matches(filter: &AuditFilter, entry: &AuditEvent) -> bool {
    filter.actor.is_none_or(|actor| entry.actor.user_id == Some(actor))
        && filter.action.as_ref().is_none_or(|action| entry.action == *action)
        && filter.resource.as_ref().is_none_or(|resource| entry.resource == *resource)
}
