//! Organizations, their billing accounts and their usage.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultyStore;
use crate::error::Result;
use crate::id::{EventId, InvitationId, OrganizationId, UserId, WorkspaceId};
use crate::model::{
    AuditEvent, AuditFilter, BillingAccount, CustomerId, Event, Hour, Inventory, Invitation, Member,
    MeteredHour, Organization, OrganizationCounts, PerMeter, ServiceAccount, UsageHour, UsageReport, User,
    WebhookEvent, WorkspaceUsage,
};
use crate::name::{Email, PlanId};
use crate::page::{Page, PageRequest};
use crate::search::MemberFilter;
use crate::store::{BillingStore, MeteredWorkspace, OrganizationStore, UsageStore};

#[async_trait]
impl OrganizationStore for FaultyStore {
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        self.inner.find_organization(id).await
    }

    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>> {
        self.inner.list_organizations(user, page).await
    }

    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts> {
        self.inner.count_organization(id).await
    }

    async fn count_created_organizations(&self, user: UserId) -> Result<u32> {
        self.inner.count_created_organizations(user).await
    }

    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>> {
        self.inner.count_created_workspaces(user).await
    }

    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>> {
        self.inner.find_member(organization, user).await
    }

    async fn list_members(
        &self,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        self.inner.list_members(organization, filter, page).await
    }

    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>> {
        self.inner.find_invitation(organization, id).await
    }

    async fn list_invitations_to(
        &self,
        organization: OrganizationId,
        email: &Email,
    ) -> Result<Vec<Invitation>> {
        self.inner.list_invitations_to(organization, email).await
    }

    async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32> {
        self.inner.count_open_invitations(email, now).await
    }

    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>> {
        self.inner.list_open_invitations(user, now).await
    }

    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>> {
        self.inner.list_invitations(organization, page).await
    }

    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>> {
        self.inner.find_service_account(organization, id).await
    }

    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>> {
        self.inner.list_service_accounts(organization, page).await
    }

    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>> {
        self.inner.list_inventories(organization).await
    }

    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>> {
        self.inner.list_audit_events(organization, filter, page).await
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.inner.list_events(organization, after, limit).await
    }

    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>> {
        self.inner.newest_event(organization).await
    }
}

#[async_trait]
impl BillingStore for FaultyStore {
    async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>> {
        self.inner.find_billing_account(organization).await
    }

    async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>> {
        self.inner.find_customer(customer).await
    }

    async fn list_customers(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<OrganizationId>> {
        self.inner.list_customers(after, limit).await
    }

    async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>> {
        self.inner.list_due_accounts(now, limit).await
    }

    async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>> {
        self.inner.list_webhook_events(limit).await
    }
}

#[async_trait]
impl UsageStore for FaultyStore {
    async fn list_metered(
        &self,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        limit: usize,
    ) -> Result<Vec<MeteredWorkspace>> {
        self.inner.list_metered(hour, after, limit).await
    }

    async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>> {
        self.inner.list_usage(organization, hour).await
    }

    async fn sum_usage_by_workspace(
        &self,
        organization: OrganizationId,
        workspace: Option<WorkspaceId>,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>> {
        self.inner.sum_usage_by_workspace(organization, workspace, from, until).await
    }

    async fn sum_usage_by_hour(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<(Hour, PerMeter<u64>)>> {
        self.inner.sum_usage_by_hour(organization, from, until).await
    }

    async fn list_usage_reports(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<UsageReport>> {
        self.inner.list_usage_reports(organization, from, until).await
    }

    async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>> {
        self.inner.list_metered_hours(from).await
    }
}
