use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use super::state::{Index, State, events, invitations, members, service_accounts, workspaces};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{EventId, InvitationId, OrganizationId, TypedId as _, UserId};
use crate::model::{
    AuditEvent, AuditFilter, Event, Inventory, Invitation, Member, Organization, OrganizationCounts,
    OrganizationRole, ServiceAccount, User, UserKind, Workspace,
};
use crate::name::{Email, PlanId};
use crate::page::{Page, PageRequest, time_position};
use crate::search::MemberFilter;
use crate::store::OrganizationStore;

#[async_trait]
impl OrganizationStore for MemoryStore {
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        Ok(self.lock().get(&RecordKey::Organization(id)).cloned())
    }

    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>> {
        let after: Option<OrganizationId> = page.after_id()?;
        let state = self.lock();
        let first = Index::OrganizationOf(user, OrganizationId::least());
        let range = first..=Index::OrganizationOf(user, OrganizationId::greatest());
        let found = state.index.range(range).filter_map(|entry| match entry {
            Index::OrganizationOf(_, id) if after.is_none_or(|after| *id > after) => {
                let organization = state.get::<Organization>(&RecordKey::Organization(*id))?.clone();
                Some((organization, state.get::<Member>(&RecordKey::Member(*id, user))?.clone()))
            }
            _ => None,
        });
        let found = found.take(page.limit() + 1).collect();
        Ok(page.page(found, |(organization, _)| organization.id.to_string()))
    }

    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let state = self.lock();
        let is_person = |member: &&Member| {
            state
                .get::<User>(&RecordKey::User(member.user_id))
                .is_some_and(|user| user.kind == UserKind::Person)
        };
        let persons: Vec<&Member> = state.scan::<Member>(members(id)).filter(is_person).collect();
        Ok(OrganizationCounts {
            members: count(persons.len()),
            owners: count(persons.iter().filter(|member| member.role == OrganizationRole::Owner).count()),
            invitations: count(state.scan::<Invitation>(invitations(id)).count()),
            service_accounts: count(state.scan::<ServiceAccount>(service_accounts(id)).count()),
            workspaces: count(state.scan::<Workspace>(workspaces(id)).count()),
        })
    }

    async fn count_created_organizations(&self, user: UserId) -> Result<u32> {
        let state = self.lock();
        let counted = state.created_by(user).filter(|organization| !organization.personal).count();
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    }

    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>> {
        let state = self.lock();
        let mut counts = BTreeMap::new();
        for organization in state.created_by(user) {
            for workspace in state.scan::<Workspace>(workspaces(organization.id)) {
                *counts.entry(workspace.plan_id.clone()).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }

    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>> {
        Ok(self.lock().get(&RecordKey::Member(organization, user)).cloned())
    }

    async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        let after = page.after_id()?.map(|id| RecordKey::Member(organization, id));
        let state = self.lock();
        let found = state.forward::<Member>(members(organization), after).filter_map(|member| {
            let user = state.get::<User>(&RecordKey::User(member.user_id))?;
            (user.kind == UserKind::Person && filter.matches(member, user))
                .then(|| (member.clone(), user.clone()))
        });
        let found = found.take(page.limit() + 1).collect();
        Ok(page.page(found, |(member, _)| member.user_id.to_string()))
    }

    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>> {
        Ok(self.lock().get(&RecordKey::Invitation(organization, id)).cloned())
    }

    async fn list_invitations_to(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Vec<Invitation>> {
        let state = self.lock();
        let all = state.scan::<Invitation>(invitations(organization));
        Ok(all.filter(|invitation| invitation.email == *email).cloned().collect())
    }

    async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32> {
        Ok(u32::try_from(self.lock().open_invitations(email, now).count()).unwrap_or(u32::MAX))
    }

    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>> {
        let state = self.lock();
        let email = state.get::<User>(&RecordKey::User(user)).and_then(|user| user.email.as_ref());
        let Some(email) = email else { return Ok(Vec::new()) };
        Ok(state.open_invitations(email, now).take(50).cloned().collect())
    }

    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        let after = page.after_id()?.map(|id| RecordKey::Invitation(organization, id));
        let state = self.lock();
        let found = state.forward(invitations(organization), after).take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |invitation: &Invitation| invitation.id.to_string()))
    }

    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        Ok(self.lock().get(&RecordKey::ServiceAccount(organization, id)).cloned())
    }

    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>> {
        let after = page.after_id()?.map(|id| RecordKey::ServiceAccount(organization, id));
        let state = self.lock();
        let found = state.forward(service_accounts(organization), after).take(page.limit() + 1);
        Ok(page.page(found.cloned().collect(), |account: &ServiceAccount| account.id.to_string()))
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        Ok(self.lock().inventories(organization).cloned().collect())
    }

    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        let first = (organization, filter.since.unwrap_or(Timestamp::MIN), EventId::least());
        let end = filter.until.map(|until| (until, EventId::least()));
        let end =
            page.after_time()?.into_iter().chain(end).min().unwrap_or((Timestamp::MAX, EventId::greatest()));
        let end = (organization, end.0, end.1);
        if end <= first {
            return Ok(page.page(Vec::new(), audit_position));
        }
        let state = self.lock();
        let newest_first = state.audit.range(first..end).rev().map(|(_, entry)| entry);
        let found = newest_first.filter(|entry| matches(filter, entry)).take(page.limit() + 1).cloned();
        Ok(page.page(found.collect(), audit_position))
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        let after = after.map(|id| RecordKey::Event(organization, id));
        Ok(self.lock().forward(events(organization), after).take(limit).cloned().collect())
    }

    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>> {
        Ok(self.lock().backward::<Event>(events(organization), None).next().map(|event| event.id))
    }
}

impl State {
    fn open_invitations<'a>(
        &'a self,
        email: &'a Email,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Invitation> {
        let all = RecordKey::Invitation(OrganizationId::least(), InvitationId::least())
            ..=RecordKey::Invitation(OrganizationId::greatest(), InvitationId::greatest());
        let is_open =
            move |invitation: &&Invitation| invitation.email == *email && now < invitation.expires_at;
        self.scan::<Invitation>(all).filter(is_open)
    }
}

fn audit_position(entry: &AuditEvent) -> String {
    time_position(entry.at, entry.id)
}

/// `true` if an entry matches the filter, apart from its time.
fn matches(filter: &AuditFilter, entry: &AuditEvent) -> bool {
    filter.actor.is_none_or(|actor| entry.actor.user_id == Some(actor))
        && filter.action.as_ref().is_none_or(|action| entry.action == *action)
        && filter.resource.as_ref().is_none_or(|resource| entry.resource == *resource)
}
