//! The platform: services over replaceable backends.
//!
//! A [`PlatformBuilder`] composes a [`Platform`] from backends. Each backend has an in-memory default, so plans alone
//! are sufficient for a working platform. The services of a platform take a [`Caller`] and a plain command, decide
//! with pure functions, and commit once.

mod abilities;
mod access;
mod alert_back_test;
mod alert_notices;
mod alert_rules;
mod alerts;
mod api_server_metrics;
mod billing;
mod billing_views;
mod builder;
mod caller;
mod change;
mod change_events;
mod commit;
mod commit_locks;
mod event_signals;
mod finding;
mod gauges;
mod groups;
mod hosts;
mod in_progress;
mod inventories;
mod invitations;
mod isolation;
mod logs;
mod master_key;
mod members;
mod metrics;
mod node_pools;
mod organization_admin;
mod organization_names;
mod organizations;
mod payments;
mod plan_admin;
mod plan_cache;
mod policy_reports;
mod projects;
mod roles;
mod searches;
mod service_accounts;
mod shared_reads;
mod tasks;
#[cfg(test)]
mod tests;
mod timeout;
mod usage;
mod users;
mod workload_tokens;
mod workspace_members;
mod workspace_rules;
mod workspaces;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use event_listener::Event;
use jiff::Timestamp;

pub use abilities::Abilities;
pub use access::Authorization;
pub use alert_back_test::{AlertBackTest, MAX_FIRING_PERIODS};
pub use alert_notices::AlertNotice;
pub use alert_rules::{AlertRules, CreateAlertRule, MAX_ALERT_RECIPIENTS, UpdateAlertRule};
pub use alerts::{ActiveAlert, AlertSilence, Alerts, SilenceAlert};
use alerts::{AlertRequests, UnreadableRules};
pub use api_server_metrics::ApiServerMetrics;
pub use billing::{Billing, BillingOverview, BillingState, ChoosePlan};
pub use billing_views::{CancellationEffects, HourlyUsage, NextWorkspacePrice, PlanOffer};
pub use builder::{CredentialPlugin, OrganizationCreation, PlatformBuilder, PlatformConfig};
pub use caller::{Caller, CountedOrganizations, IdempotencyKey, RateAccounting};
pub use commit::Idempotent;
pub(crate) use commit::MAIL_SEAL_PURPOSE;
pub use finding::SearchResults;
use gauges::CountedHosts;
pub use gauges::Gauges;
pub use groups::{CreateGroup, GroupMember, Groups, UpdateGroup};
pub use hosts::{Hosts, KnownHost, RegisterHost, Registration, UpdateHost};
pub use inventories::{Inventories, UpdateInventory};
pub use invitations::{CreateInvitation, Invitations};
use isolation::IsolationFailures;
pub use isolation::{Isolation, IsolationRequest};
use logs::LogReads;
pub use logs::{LogRequest, Logs, MAX_LOG_RANGE};
pub use master_key::{MasterKeyRotation, SealedCounts};
pub use members::Members;
use metrics::MetricQueries;
pub use metrics::{ChartRequest, LatestUsage, MetricChart, Metrics};
pub use node_pools::{CreateNodePool, NodePoolTask, NodePools, PoolState};
pub use organization_admin::OrganizationAdmin;
pub use organizations::{CreateOrganization, EventAccess, Organizations, Overview};
pub use plan_admin::{PlanAdmin, PlanSet};
pub use policy_reports::PolicyReports;
pub use projects::{CreateProject, Projects};
pub use roles::{AccessReviewRequest, CreateAssignment, CreateRole, Roles, UpdateRole};
pub use service_accounts::{API_TOKEN_PREFIX, CreateServiceAccount, CreateToken, NewToken, ServiceAccounts};
pub use shared_reads::SharedReads;
pub use tasks::Tasks;
pub use usage::{ExplainedInvoice, MonthlyUsage, UsageStatement, UsageVerification, WorkspaceShare};
pub use users::{Profile, Users};
pub use workload_tokens::Workload;
pub use workspace_members::WorkspaceMembers;
pub use workspaces::{
    CLUSTER_TOKEN_LIFETIME, ClusterAccess, CreateWorkspace, UpdateWorkspace, WorkspaceTask, Workspaces,
};

use crate::alerts::AlertSource;
use crate::billing::BillingProvider;
use crate::clock::Clock;
use crate::ephemeral::EphemeralStore;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, TypedId};
use crate::id_source::{IdSource, IdSourceExt as _};
use crate::logs::LogSource;
use crate::metrics::MetricsSource;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::notifier::Notifier;
use crate::plans::PlanCatalog;
use crate::provisioner::{ClusterProvisioner, Fleet};
use crate::queue::TaskQueue;
use crate::seal::MasterKey;
use crate::store::TenantStore;
use crate::trace::TracePropagation;
use access::FactsCache;
use commit_locks::CommitLocks;
use event_signals::EventSignals;
use plan_cache::PlanCache;
use searches::Searches;

/// Handle of a platform: backends, configuration and services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Platform(Arc<PlatformInner>);

/// Backends, configuration and shared state of a platform.
pub(crate) struct PlatformInner {
    pub(crate) store: Arc<dyn TenantStore>,
    pub(crate) ephemeral: Arc<dyn EphemeralStore>,
    pub(crate) queue: Arc<dyn TaskQueue>,
    pub(crate) fleet: Fleet,
    pub(crate) plan_cache: PlanCache,
    pub(crate) billing: Arc<dyn BillingProvider>,
    pub(crate) metrics: Option<Arc<dyn MetricsSource>>,
    pub(crate) alerts: Option<Arc<dyn AlertSource>>,
    pub(crate) logs: Option<Arc<dyn LogSource>>,
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) traces: Arc<dyn TracePropagation>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) key: MasterKey,
    pub(crate) config: PlatformConfig,
    /// Notified after a commit that added outbox messages.
    pub(crate) outbox: Event,
    /// Notified after a commit that inserted live events.
    event_signals: EventSignals,
    facts: FactsCache,
    commit_locks: CommitLocks,
    searches: Searches,
    metric_queries: MetricQueries,
    log_reads: LogReads,
    alert_requests: AlertRequests,
    unreadable_alert_rules: UnreadableRules,
    pub(crate) isolation_failures: IsolationFailures,
    counted_hosts: CountedHosts,
}

impl fmt::Debug for PlatformInner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Platform")
            .field("store", &self.store)
            .field("ephemeral", &self.ephemeral)
            .field("queue", &self.queue)
            .field("fleet", &self.fleet)
            .finish_non_exhaustive()
    }
}

impl PlatformInner {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the provisioner of a host. Reloads the registered hosts if this process does not know the host yet.
    pub(crate) async fn provisioner(&self, host: &HostClusterName) -> Result<Arc<dyn ClusterProvisioner>> {
        if let Some(known) = self.fleet.find(host) {
            return Ok(known);
        }
        self.refresh_hosts().await?;
        let unknown = || Error::unavailable("the host cluster is not configured").with("host", host);
        self.fleet.find(host).ok_or_else(unknown)
    }

    /// Reloads the registered hosts into the fleet and returns them.
    pub(crate) async fn refresh_hosts(&self) -> Result<Vec<RegisteredHost>> {
        let hosts = self.store.list_hosts().await?;
        self.fleet.refresh(hosts.clone(), &self.key).await;
        Ok(hosts)
    }

    pub(crate) fn id<T: TypedId>(&self, now: Timestamp) -> T {
        self.ids.id(now)
    }
}

impl Platform {
    pub(crate) fn inner(&self) -> &PlatformInner {
        &self.0
    }
}

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident => $service:ident;)+) => {
        impl Platform {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> $service<'_> {
                $service(&self.0)
            }
        )+}
    };
}

services! {
    /// Users, as known from sign-in.
    users => Users;
    /// Organizations.
    organizations => Organizations;
    /// Members of organizations.
    members => Members;
    /// Invitations into organizations.
    invitations => Invitations;
    /// Service accounts of organizations.
    service_accounts => ServiceAccounts;
    /// Inventories of organizations.
    inventories => Inventories;
    /// Workspaces.
    workspaces => Workspaces;
    /// Members of workspaces.
    workspace_members => WorkspaceMembers;
    /// Isolation checks of workspaces.
    isolation => Isolation;
    /// Violations of policies of the host by the objects of workspaces.
    policy_reports => PolicyReports;
    /// Logs of the pods in workspaces.
    logs => Logs;
    /// Tasks on workspaces.
    tasks => Tasks;
    /// Groups of workspaces.
    groups => Groups;
    /// Roles and assignments.
    roles => Roles;
    /// Projects of workspaces.
    projects => Projects;
    /// Metrics of workspaces, and their health.
    metrics => Metrics;
    /// Metrics of tenant API servers, for a Prometheus of the operator.
    api_server_metrics => ApiServerMetrics;
    /// Dedicated node pools of workspaces.
    node_pools => NodePools;
    /// Alert rules of workspaces.
    alert_rules => AlertRules;
    /// Alerts of workspaces that are firing, and silences.
    alerts => Alerts;
    /// Billing of organizations.
    billing => Billing;
    /// Host clusters.
    hosts => Hosts;
    /// Organizations, for operators.
    organization_admin => OrganizationAdmin;
    /// Plans, for operators.
    plan_admin => PlanAdmin;
    /// Gauges of the state of the installation.
    gauges => Gauges;
    /// Rotation of the master key.
    master_key_rotation => MasterKeyRotation;
}

impl Platform {
    /// The system of record.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn TenantStore> {
        &self.0.store
    }

    /// The store for short-lived state.
    #[must_use]
    pub fn ephemeral(&self) -> &Arc<dyn EphemeralStore> {
        &self.0.ephemeral
    }

    /// The queue of asynchronous work.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn TaskQueue> {
        &self.0.queue
    }

    /// The billing provider.
    #[must_use]
    pub fn billing_provider(&self) -> &Arc<dyn BillingProvider> {
        &self.0.billing
    }

    /// The source of resource usage; `None` if the platform does not measure usage.
    #[must_use]
    pub fn metrics_source(&self) -> Option<&Arc<dyn MetricsSource>> {
        self.0.metrics.as_ref()
    }

    /// The connection with distributed traces.
    #[must_use]
    pub fn trace_propagation(&self) -> &Arc<dyn TracePropagation> {
        &self.0.traces
    }

    /// The source of alerts; `None` if the platform lists no alerts.
    #[must_use]
    pub fn alert_source(&self) -> Option<&Arc<dyn AlertSource>> {
        self.0.alerts.as_ref()
    }

    /// The source of the logs of tenants; `None` if the platform has none.
    #[must_use]
    pub fn log_source(&self) -> Option<&Arc<dyn LogSource>> {
        self.0.logs.as_ref()
    }

    /// The host clusters with their provisioners.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.0.fleet
    }

    /// The plan catalog as last read: [`Self::plan_admin`] reads it.
    #[must_use]
    pub fn plans(&self) -> Arc<PlanCatalog> {
        self.0.plan_cache.latest()
    }

    /// The plan catalog, at most a few seconds old.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn current_plans(&self) -> Result<Arc<PlanCatalog>> {
        self.0.plans().await
    }

    /// The clock of the platform, its only source of time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// The source of ids and random bytes.
    #[must_use]
    pub fn ids(&self) -> &Arc<dyn IdSource> {
        &self.0.ids
    }

    /// The installation's master key.
    #[must_use]
    pub fn master_key(&self) -> &MasterKey {
        &self.0.key
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &PlatformConfig {
        &self.0.config
    }

    /// The numbers of failed isolation checks in this process since its start, by host cluster and type of the
    /// condition.
    #[must_use]
    pub fn isolation_failures(&self) -> BTreeMap<(HostClusterName, String), u64> {
        self.0.isolation_failures.all()
    }

    /// Completes after the next commit in this process that inserts live events of an organization; commits between
    /// this call and the first poll count. Events of other processes do not complete it, so a caller must also poll.
    pub fn event_committed(&self, organization: OrganizationId) -> impl Future<Output = ()> + Send + use<> {
        self.0.event_signals.listen(organization)
    }
}
