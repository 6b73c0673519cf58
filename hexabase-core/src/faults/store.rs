use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultPlan;
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage};
use crate::error::Result;
use crate::id::{
    AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId, SessionId,
    TaskId, TokenId, UserId, WorkspaceId,
};
use crate::model::{
    ApiToken, Assignment, AuditEvent, AuditFilter, BillingAccount, CustomRole, CustomerId, Event, Group,
    Hour, Identity, Invitation, Member, Membership, MeteredHour, Organization, OrganizationCounts,
    OrganizationSummary, PerMeter, PlanUse, Project, RegisteredHost, SecurityEvent, ServiceAccount, Session,
    SigningKey, StoredPlans, Task, UsageHour, UsageReport, User, WebhookEvent, Workspace, WorkspaceState,
    WorkspaceUsage,
};
use crate::name::{Email, HostClusterName, PlanId, ProviderName};
use crate::page::{Page, PageRequest};
use crate::search::{MemberFilter, SearchText, WorkspaceFilter};
use crate::secret::VerifierHash;
use crate::store::{
    AccessStore, BillingStore, Commit, CredentialStore, HostStore, Lease, MeteredWorkspace,
    OrganizationStore, PlanStore, PruneCutoffs, SealedKind, SealedStore, SealedValue, SearchStore,
    TenantStore, UsageStore, UserStore, WorkStore, WorkspaceStore,
};

/// A store with fault injection for every commit and for the workers' outbox and lease operations. Other reads pass
/// without faults.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn TenantStore>,
    plan: FaultPlan,
}

impl FaultyStore {
    /// Wraps this store under a fault plan.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl Commit for FaultyStore {
    async fn commit(&self, changeset: Changeset) -> Result<()> {
        self.plan.pass(self.inner.commit(changeset)).await
    }

    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>> {
        self.inner.find_idempotency(user, key, now).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[async_trait]
impl UserStore for FaultyStore {
    async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        self.inner.find_user(id).await
    }

    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        self.inner.find_users(ids).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>> {
        self.inner.find_user_by_email(email).await
    }

    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>> {
        self.inner.find_identity(provider, subject).await
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        self.inner.list_identities(user).await
    }
}

#[async_trait]
impl CredentialStore for FaultyStore {
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        self.inner.find_session(id).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        self.inner.list_sessions(user, now).await
    }

    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>> {
        self.inner.list_revoked_sessions(since).await
    }

    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>> {
        self.inner.refresh_spent_at(session, hash).await
    }

    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>> {
        self.inner.find_api_token(id).await
    }

    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>> {
        self.inner.list_api_tokens(user, page).await
    }

    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()> {
        self.inner.touch_api_token(id, used_at).await
    }

    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        self.inner.list_security_events(user, page).await
    }

    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.inner.list_signing_keys().await
    }
}

#[async_trait]
impl HostStore for FaultyStore {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        self.inner.find_host(name).await
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        self.inner.list_hosts().await
    }
}

#[async_trait]
impl PlanStore for FaultyStore {
    async fn find_plans(&self) -> Result<Option<StoredPlans>> {
        self.inner.find_plans().await
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        self.inner.count_plan_uses().await
    }
}

#[async_trait]
impl SearchStore for FaultyStore {
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>> {
        self.inner.search_organizations(text, page).await
    }

    async fn search_groups(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Group>> {
        self.inner.search_groups(organization, member, text, limit).await
    }

    async fn search_projects(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        text: &SearchText,
        limit: usize,
    ) -> Result<Vec<Project>> {
        self.inner.search_projects(organization, member, text, limit).await
    }
}

#[async_trait]
impl SealedStore for FaultyStore {
    async fn list_sealed(
        &self,
        kind: SealedKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SealedValue>> {
        self.plan.pass(self.inner.list_sealed(kind, after, limit)).await
    }

    async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool> {
        self.plan.pass(self.inner.replace_sealed(kind, listed, new)).await
    }
}

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
impl WorkStore for FaultyStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        self.plan.pass(self.inner.claim_outbox(limit, now, claim_ttl)).await
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        self.plan.pass(self.inner.finish_outbox(ids)).await
    }

    async fn count_outbox(&self) -> Result<u64> {
        self.inner.count_outbox().await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        self.plan.pass(self.inner.acquire_lease(name, holder, now, ttl)).await
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        self.plan.pass(self.inner.renew_lease(lease, now, ttl)).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.plan.pass(self.inner.release_lease(lease)).await
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        self.plan.pass(self.inner.list_leases(now, limit)).await
    }

    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
        self.plan.pass(self.inner.list_due_workspaces(now, limit)).await
    }

    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64> {
        self.inner.make_due(host_cluster, now).await
    }

    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>> {
        self.inner.count_by_host().await
    }

    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        self.plan.pass(self.inner.prune(cutoffs, limit)).await
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
