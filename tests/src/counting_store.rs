//! Store that counts the reads that pass through it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::changeset::{Changeset, IdempotencyRecord, OutboxMessage};
use hexabase_core::error::Result;
use hexabase_core::id::{
    AlertRuleId, AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId,
    SessionId, TaskId, TokenId, UserId, WorkspaceId,
};
use hexabase_core::model::{
    AlertRule, AlertThresholdPage, ApiToken, Assignment, AuditEvent, AuditFilter, BillingAccount, CustomRole,
    CustomerId, Event, Group, Hour, Identity, Inventory, Invitation, Member, Membership, MeteredHour,
    Organization, OrganizationCounts, OrganizationSummary, PerMeter, PlanUse, Project, RegisteredHost,
    SecurityEvent, ServiceAccount, Session, SigningKey, StoredPlans, Task, UsageHour, UsageReport, User,
    WebhookEvent, Workspace, WorkspaceState, WorkspaceUsage,
};
use hexabase_core::name::{Email, HostClusterName, PlanId, ProviderName};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::{MemberFilter, SearchText, WorkspaceFilter};
use hexabase_core::secret::VerifierHash;
use hexabase_core::store::{
    AccessStore, AlertStore, BillingStore, Commit, CredentialStore, HostStore, Lease, MeteredWorkspace,
    OrganizationStore, PhaseCount, PlanStore, PruneCutoffs, RunningWorkspace, SealedKind, SealedStore,
    SealedValue, SearchStore, TenantStore, UsageStore, UserStore, WorkStore, WorkspaceStore,
};
use jiff::Timestamp;

/// Decorator of a store that counts operations, and the live events that were read.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn TenantStore>,
    operations: Mutex<BTreeMap<&'static str, u64>>,
    events_read: AtomicU64,
}

impl CountingStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>) -> Arc<Self> {
        Arc::new(Self { inner, operations: Mutex::default(), events_read: AtomicU64::new(0) })
    }

    /// Numbers of operations except commits, by method.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<&'static str, u64> {
        self.operations.lock().unwrap().clone()
    }

    /// Number of live events that were read.
    #[must_use]
    pub fn events_read(&self) -> u64 {
        self.events_read.load(Ordering::SeqCst)
    }

    fn count(&self, method: &'static str) {
        *self.operations.lock().unwrap().entry(method).or_default() += 1;
    }
}

/// Implements a trait by counting each call of these methods and passing it on.
macro_rules! counted {
    ($trait:ident { $(fn $method:ident($($argument:ident: $type:ty),*) -> $value:ty;)* } $($other:item)*) => {
        #[async_trait]
        impl $trait for CountingStore {
            $(async fn $method(&self, $($argument: $type),*) -> Result<$value> {
                self.count(stringify!($method));
                self.inner.$method($($argument),*).await
            })*
            $($other)*
        }
    };
}

counted! {
    Commit {
        fn find_idempotency(user: UserId, key: &str, now: Timestamp) -> Option<IdempotencyRecord>;
        fn ping() -> ();
    }

    async fn commit(&self, changeset: Changeset) -> Result<()> {
        self.inner.commit(changeset).await
    }
}

counted! {
    UserStore {
        fn find_user(id: UserId) -> Option<User>;
        fn find_users(ids: &[UserId]) -> Vec<User>;
        fn find_user_by_email(email: &Email) -> Option<User>;
        fn find_identity(provider: &ProviderName, subject: &str) -> Option<Identity>;
        fn list_identities(user: UserId) -> Vec<Identity>;
    }
}

counted! {
    CredentialStore {
        fn find_session(id: SessionId) -> Option<Session>;
        fn list_sessions(user: UserId, now: Timestamp) -> Vec<Session>;
        fn list_revoked_sessions(since: Timestamp) -> Vec<SessionId>;
        fn refresh_spent_at(session: SessionId, hash: &VerifierHash) -> Option<Timestamp>;
        fn find_api_token(id: TokenId) -> Option<ApiToken>;
        fn list_api_tokens(user: UserId, page: &PageRequest) -> Page<ApiToken>;
        fn touch_api_token(id: TokenId, used_at: Timestamp) -> ();
        fn list_security_events(user: UserId, page: &PageRequest) -> Page<SecurityEvent>;
        fn list_signing_keys() -> Vec<SigningKey>;
    }
}

counted! {
    HostStore {
        fn find_host(name: &HostClusterName) -> Option<RegisteredHost>;
        fn list_hosts() -> Vec<RegisteredHost>;
    }
}

counted! {
    PlanStore {
        fn read_plans() -> StoredPlans;
        fn count_plan_uses() -> BTreeMap<PlanId, PlanUse>;
    }
}

counted! {
    SearchStore {
        fn search_organizations(text: Option<SearchText>, page: &PageRequest) -> Page<OrganizationSummary>;
        fn search_groups(organization: OrganizationId, member: Option<UserId>, text: &SearchText, limit: usize) -> Vec<Group>;
        fn search_projects(organization: OrganizationId, member: Option<UserId>, text: &SearchText, limit: usize) -> Vec<Project>;
    }
}

counted! {
    SealedStore {
        fn list_sealed(kind: SealedKind, after: Option<String>, limit: usize) -> Vec<SealedValue>;
        fn replace_sealed(kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> bool;
    }
}

counted! {
    OrganizationStore {
        fn find_organization(id: OrganizationId) -> Option<Organization>;
        fn list_organizations(user: UserId, page: &PageRequest) -> Page<(Organization, Member)>;
        fn count_organization(id: OrganizationId) -> OrganizationCounts;
        fn count_created_organizations(user: UserId) -> u32;
        fn count_created_workspaces(user: UserId) -> BTreeMap<PlanId, u32>;
        fn list_invitations_to(organization: OrganizationId, email: &Email) -> Vec<Invitation>;
        fn count_open_invitations(email: &Email, now: Timestamp) -> u32;
        fn find_member(organization: OrganizationId, user: UserId) -> Option<Member>;
        fn list_members(organization: OrganizationId, filter: &MemberFilter, page: &PageRequest) -> Page<(Member, User)>;
        fn find_invitation(organization: OrganizationId, id: InvitationId) -> Option<Invitation>;
        fn list_open_invitations(user: UserId, now: Timestamp) -> Vec<Invitation>;
        fn list_invitations(organization: OrganizationId, page: &PageRequest) -> Page<Invitation>;
        fn find_service_account(organization: OrganizationId, id: UserId) -> Option<ServiceAccount>;
        fn list_service_accounts(organization: OrganizationId, page: &PageRequest) -> Page<ServiceAccount>;
        fn list_inventories(organization: OrganizationId) -> Vec<Inventory>;
        fn list_audit_events(organization: OrganizationId, filter: &AuditFilter, page: &PageRequest) -> Page<AuditEvent>;
        fn newest_event(organization: OrganizationId) -> Option<EventId>;
    }

    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>> {
        self.count("list_events");
        let events = self.inner.list_events(organization, after, limit).await?;
        self.events_read.fetch_add(u64::try_from(events.len()).unwrap(), Ordering::SeqCst);
        Ok(events)
    }
}

counted! {
    WorkspaceStore {
        fn find_workspace(organization: OrganizationId, id: WorkspaceId) -> Option<Workspace>;
        fn organization_of_workspace(id: WorkspaceId) -> Option<OrganizationId>;
        fn list_running_workspaces(after: Option<WorkspaceId>, limit: u16) -> Vec<RunningWorkspace>;
        fn find_workspace_for(organization: OrganizationId, user: UserId, id: WorkspaceId) -> Option<(Member, Option<Workspace>)>;
        fn load_workspace(organization: OrganizationId, id: WorkspaceId) -> Option<WorkspaceState>;
        fn list_workspaces(organization: OrganizationId, member: Option<UserId>, filter: &WorkspaceFilter, page: &PageRequest) -> Page<Workspace>;
        fn find_task(organization: OrganizationId, workspace: WorkspaceId, id: TaskId) -> Option<Task>;
        fn list_tasks(organization: OrganizationId, workspace: WorkspaceId, page: &PageRequest) -> Page<Task>;
        fn list_open_tasks(organization: OrganizationId, workspace: WorkspaceId) -> Vec<Task>;
    }
}

counted! {
    AccessStore {
        fn find_group(org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Option<Group>;
        fn list_groups(org: OrganizationId, ws: WorkspaceId, text: Option<SearchText>, page: &PageRequest) -> Page<Group>;
        fn list_memberships(org: OrganizationId, ws: WorkspaceId, groups: &[GroupId]) -> Vec<Membership>;
        fn list_groups_of(org: OrganizationId, ws: WorkspaceId, user: UserId) -> Vec<GroupId>;
        fn list_workspace_members(org: OrganizationId, ws: WorkspaceId, page: &PageRequest) -> Page<UserId>;
        fn find_project(org: OrganizationId, ws: WorkspaceId, id: ProjectId) -> Option<Project>;
        fn list_projects(org: OrganizationId, ws: WorkspaceId, text: Option<SearchText>, page: &PageRequest) -> Page<Project>;
        fn find_role(org: OrganizationId, ws: WorkspaceId, id: RoleId) -> Option<CustomRole>;
        fn list_roles(org: OrganizationId, ws: WorkspaceId, project: ProjectId, page: &PageRequest) -> Page<CustomRole>;
        fn find_assignment(org: OrganizationId, ws: WorkspaceId, id: AssignmentId) -> Option<Assignment>;
        fn list_assignments(org: OrganizationId, ws: WorkspaceId, project: Option<ProjectId>, page: &PageRequest) -> Page<Assignment>;
    }
}

counted! {
    AlertStore {
        fn find_alert_rule(org: OrganizationId, ws: WorkspaceId, id: AlertRuleId) -> Option<AlertRule>;
        fn list_alert_rules(org: OrganizationId, ws: WorkspaceId, page: &PageRequest) -> Page<AlertRule>;
        fn count_alert_rules(org: OrganizationId, ws: WorkspaceId) -> u32;
        fn list_alert_thresholds(after: Option<String>, limit: u16) -> AlertThresholdPage;
    }
}

counted! {
    WorkStore {
        fn claim_outbox(limit: usize, now: Timestamp, claim_ttl: Duration) -> Vec<OutboxMessage>;
        fn finish_outbox(ids: &[MessageId]) -> ();
        fn count_outbox() -> u64;
        fn oldest_in_outbox() -> Option<MessageId>;
        fn acquire_lease(name: &str, holder: &str, now: Timestamp, ttl: Duration) -> Option<Lease>;
        fn renew_lease(lease: &Lease, now: Timestamp, ttl: Duration) -> bool;
        fn release_lease(lease: &Lease) -> ();
        fn list_leases(now: Timestamp, limit: usize) -> Vec<Lease>;
        fn list_due_workspaces(now: Timestamp, limit: usize) -> Vec<(OrganizationId, WorkspaceId)>;
        fn make_due(host_cluster: &HostClusterName, now: Timestamp) -> u64;
        fn count_by_host() -> BTreeMap<HostClusterName, u32>;
        fn count_by_phase() -> Vec<PhaseCount>;
        fn prune(cutoffs: &PruneCutoffs, limit: usize) -> u64;
    }
}

counted! {
    BillingStore {
        fn find_billing_account(organization: OrganizationId) -> Option<BillingAccount>;
        fn find_customer(customer: &CustomerId) -> Option<OrganizationId>;
        fn list_customers(after: Option<OrganizationId>, limit: usize) -> Vec<OrganizationId>;
        fn list_due_accounts(now: Timestamp, limit: usize) -> Vec<OrganizationId>;
        fn list_webhook_events(limit: usize) -> Vec<WebhookEvent>;
    }
}

counted! {
    UsageStore {
        fn list_metered(hour: Hour, after: Option<(OrganizationId, WorkspaceId)>, limit: usize) -> Vec<MeteredWorkspace>;
        fn list_usage(organization: OrganizationId, hour: Hour) -> Vec<UsageHour>;
        fn sum_usage_by_workspace(organization: OrganizationId, workspace: Option<WorkspaceId>, from: Hour, until: Hour) -> Vec<WorkspaceUsage>;
        fn sum_usage_by_hour(organization: OrganizationId, from: Hour, until: Hour) -> Vec<(Hour, PerMeter<u64>)>;
        fn list_usage_reports(organization: OrganizationId, from: Hour, until: Hour) -> Vec<UsageReport>;
        fn list_metered_hours(from: Hour) -> Vec<MeteredHour>;
    }
}
