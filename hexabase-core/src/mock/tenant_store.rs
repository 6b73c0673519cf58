use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage};
use crate::error::Result;
use crate::id::{
    AlertRuleId, AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId,
    SessionId, TaskId, TokenId, UserId, WorkspaceId,
};
use crate::model::{
    AlertRule, AlertThresholdPage, ApiToken, Assignment, AuditEvent, AuditFilter, BillingAccount, CustomRole,
    CustomerId, Event, Group, Hour, Identity, Inventory, Invitation, Member, Membership, MeteredHour,
    Organization, OrganizationCounts, OrganizationSummary, PerMeter, PlanUse, Project, RegisteredHost,
    SecurityEvent, ServiceAccount, Session, SigningKey, StoredPlans, Task, UsageHour, UsageReport, User,
    WebhookEvent, Workspace, WorkspaceState, WorkspaceUsage,
};
use crate::name::{Email, HostClusterName, PlanId, ProviderName};
use crate::page::{Page, PageRequest};
use crate::search::{MemberFilter, SearchText, WorkspaceFilter};
use crate::secret::VerifierHash;
use crate::store::{
    AccessStore, AlertStore, BillingStore, Commit, CredentialStore, EventStore, HostStore, Lease, LeaseStore,
    MemberStore, MeteredWorkspace, OrganizationStore, OutboxStore, PhaseCount, PlanStore, PruneCutoffs,
    RunningWorkspace, SealedKind, SealedStore, SealedValue, SearchStore, UsageStore, UserStore, WorkStore,
    WorkspaceStore,
};

mockall::mock! {
    /// Mock of [`TenantStore`](crate::store::TenantStore), with the expectations of all its parts.
    pub TenantStore {}

    #[async_trait]
    impl Commit for TenantStore {
        async fn commit(&self, changeset: Changeset) -> Result<()>;
        async fn find_idempotency(
            &self,
            user: UserId,
            key: &str,
            now: Timestamp,
        ) -> Result<Option<IdempotencyRecord>>;
        async fn ping(&self) -> Result<()>;
    }

    #[async_trait]
    impl AlertStore for TenantStore {
        async fn find_alert_rule(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: AlertRuleId,
        ) -> Result<Option<AlertRule>>;
        async fn list_alert_rules(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<AlertRule>>;
        async fn count_alert_rules(&self, org: OrganizationId, ws: WorkspaceId) -> Result<u32>;
        async fn list_alert_thresholds(
            &self,
            after: Option<String>,
            limit: u16,
        ) -> Result<AlertThresholdPage>;
    }

    #[async_trait]
    impl UserStore for TenantStore {
        async fn find_user(&self, id: UserId) -> Result<Option<User>>;
        async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>>;
        async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>>;
        async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>>;
        async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>>;
    }

    #[async_trait]
    impl CredentialStore for TenantStore {
        async fn find_session(&self, id: SessionId) -> Result<Option<Session>>;
        async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;
        async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>>;
        async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>>;
        async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>>;
        async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>>;
        async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()>;
        async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>>;
        async fn list_signing_keys(&self) -> Result<Vec<SigningKey>>;
    }

    #[async_trait]
    impl HostStore for TenantStore {
        async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>>;
        async fn list_hosts(&self) -> Result<Vec<RegisteredHost>>;
    }

    #[async_trait]
    impl PlanStore for TenantStore {
        async fn read_plans(&self) -> Result<StoredPlans>;
        async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>>;
    }

    #[async_trait]
    impl SealedStore for TenantStore {
        async fn list_sealed(
            &self,
            kind: SealedKind,
            after: Option<String>,
            limit: usize,
        ) -> Result<Vec<SealedValue>>;
        async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool>;
    }

    #[async_trait]
    impl SearchStore for TenantStore {
        async fn search_organizations(
            &self,
            text: Option<SearchText>,
            page: &PageRequest,
        ) -> Result<Page<OrganizationSummary>>;
        async fn search_groups(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            text: &SearchText,
            limit: usize,
        ) -> Result<Vec<Group>>;
        async fn search_projects(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            text: &SearchText,
            limit: usize,
        ) -> Result<Vec<Project>>;
    }

    #[async_trait]
    impl OrganizationStore for TenantStore {
        async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>>;
        async fn list_organizations(
            &self,
            user: UserId,
            page: &PageRequest,
        ) -> Result<Page<(Organization, Member)>>;
        async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts>;
        async fn count_created_organizations(&self, user: UserId) -> Result<u32>;
        async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>>;
        async fn find_service_account(
            &self,
            organization: OrganizationId,
            id: UserId,
        ) -> Result<Option<ServiceAccount>>;
        async fn list_service_accounts(
            &self,
            organization: OrganizationId,
            page: &PageRequest,
        ) -> Result<Page<(ServiceAccount, Member)>>;
        async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>>;
    }

    #[async_trait]
    impl EventStore for TenantStore {
        async fn list_audit_events(
            &self,
            organization: OrganizationId,
            filter: &AuditFilter,
            page: &PageRequest,
        ) -> Result<Page<AuditEvent>>;
        async fn list_events(
            &self,
            organization: OrganizationId,
            after: Option<EventId>,
            limit: usize,
        ) -> Result<Vec<Event>>;
        async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>>;
    }

    #[async_trait]
    impl MemberStore for TenantStore {
        async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>>;
        async fn list_members(
            &self,
            organization: OrganizationId,
            filter: &MemberFilter,
            page: &PageRequest,
        ) -> Result<Page<(Member, User)>>;
        async fn find_invitation(
            &self,
            organization: OrganizationId,
            id: InvitationId,
        ) -> Result<Option<Invitation>>;
        async fn list_invitations_to(
            &self,
            organization: OrganizationId,
            email: &Email,
        ) -> Result<Vec<Invitation>>;
        async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32>;
        async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>>;
        async fn list_invitations(
            &self,
            organization: OrganizationId,
            page: &PageRequest,
        ) -> Result<Page<Invitation>>;
    }

    #[async_trait]
    impl WorkspaceStore for TenantStore {
        async fn find_workspace(
            &self,
            organization: OrganizationId,
            id: WorkspaceId,
        ) -> Result<Option<Workspace>>;
        async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>>;
        async fn list_running_workspaces(
            &self,
            after: Option<WorkspaceId>,
            limit: u16,
        ) -> Result<Vec<RunningWorkspace>>;
        async fn find_workspace_for(
            &self,
            organization: OrganizationId,
            user: UserId,
            id: WorkspaceId,
        ) -> Result<Option<(Member, Option<Workspace>)>>;
        async fn load_workspace(
            &self,
            organization: OrganizationId,
            id: WorkspaceId,
        ) -> Result<Option<WorkspaceState>>;
        async fn list_workspaces(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            filter: &WorkspaceFilter,
            page: &PageRequest,
        ) -> Result<Page<Workspace>>;
        async fn find_task(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
            id: TaskId,
        ) -> Result<Option<Task>>;
        async fn list_tasks(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<Task>>;
        async fn list_open_tasks(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
        ) -> Result<Vec<Task>>;
    }

    #[async_trait]
    impl AccessStore for TenantStore {
        async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>>;
        async fn list_groups(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            text: Option<SearchText>,
            page: &PageRequest,
        ) -> Result<Page<Group>>;
        async fn list_memberships(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            groups: &[GroupId],
        ) -> Result<Vec<Membership>>;
        async fn list_groups_of(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            user: UserId,
        ) -> Result<Vec<GroupId>>;
        async fn list_workspace_members(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<UserId>>;
        async fn find_project(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: ProjectId,
        ) -> Result<Option<Project>>;
        async fn list_projects(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            text: Option<SearchText>,
            page: &PageRequest,
        ) -> Result<Page<Project>>;
        async fn find_role(&self, org: OrganizationId, ws: WorkspaceId, id: RoleId)
        -> Result<Option<CustomRole>>;
        async fn list_roles(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            project: ProjectId,
            page: &PageRequest,
        ) -> Result<Page<CustomRole>>;
        async fn find_assignment(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: AssignmentId,
        ) -> Result<Option<Assignment>>;
        async fn list_assignments(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            project: Option<ProjectId>,
            page: &PageRequest,
        ) -> Result<Page<Assignment>>;
    }

    #[async_trait]
    impl WorkStore for TenantStore {
        async fn list_due_workspaces(
            &self,
            now: Timestamp,
            limit: usize,
        ) -> Result<Vec<(OrganizationId, WorkspaceId)>>;
        async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64>;
        async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>>;
        async fn count_by_phase(&self) -> Result<Vec<PhaseCount>>;
        async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64>;
    }

    #[async_trait]
    impl LeaseStore for TenantStore {
        async fn acquire_lease(
            &self,
            name: &str,
            holder: &str,
            now: Timestamp,
            ttl: Duration,
        ) -> Result<Option<Lease>>;
        async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool>;
        async fn release_lease(&self, lease: &Lease) -> Result<()>;
        async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>>;
    }

    #[async_trait]
    impl OutboxStore for TenantStore {
        async fn claim_outbox(
            &self,
            limit: usize,
            now: Timestamp,
            claim_ttl: Duration,
        ) -> Result<Vec<OutboxMessage>>;
        async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()>;
        async fn count_outbox(&self) -> Result<u64>;
        async fn oldest_in_outbox(&self) -> Result<Option<MessageId>>;
    }

    #[async_trait]
    impl BillingStore for TenantStore {
        async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>>;
        async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>>;
        async fn list_customers(
            &self,
            after: Option<OrganizationId>,
            limit: usize,
        ) -> Result<Vec<OrganizationId>>;
        async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>>;
        async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>>;
    }

    #[async_trait]
    impl UsageStore for TenantStore {
        async fn list_metered(
            &self,
            hour: Hour,
            after: Option<(OrganizationId, WorkspaceId)>,
            limit: usize,
        ) -> Result<Vec<MeteredWorkspace>>;
        async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>>;
        async fn sum_usage_by_workspace(
            &self,
            organization: OrganizationId,
            workspace: Option<WorkspaceId>,
            from: Hour,
            until: Hour,
        ) -> Result<Vec<WorkspaceUsage>>;
        async fn sum_usage_by_hour(
            &self,
            organization: OrganizationId,
            from: Hour,
            until: Hour,
        ) -> Result<Vec<(Hour, PerMeter<u64>)>>;
        async fn list_usage_reports(
            &self,
            organization: OrganizationId,
            from: Hour,
            until: Hour,
        ) -> Result<Vec<UsageReport>>;
        async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>>;
    }
}

impl fmt::Debug for MockTenantStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MockTenantStore").finish_non_exhaustive()
    }
}
