use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;

use super::access::FactsCache;
use super::alerts::{AlertRequests, UnreadableRules};
use super::commit_locks::CommitLocks;
use super::event_signals::EventSignals;
use super::gauges::CountedHosts;
use super::isolation::IsolationFailures;
use super::logs::LogReads;
use super::metrics::MetricQueries;
use super::plan_cache::PlanCache;
use super::searches::Searches;
use super::{Platform, PlatformInner};
use crate::alerts::AlertSource;
use crate::billing::{BillingConfig, BillingProvider, MemoryBilling};
use crate::clock::{Clock, SystemClock};
use crate::desired::Issuer;
use crate::ephemeral::{EphemeralStore, MemoryEphemeral, Rate, RateLimitFallback};
use crate::error::{Error, Result};
use crate::id_source::{IdSource, IdSourceExt as _, SystemIds};
use crate::lifecycle::ReconcileIntervals;
use crate::logs::LogSource;
use crate::metrics::MetricsSource;
use crate::model::{GitOpsNamespaces, Plan, User};
use crate::name::{Email, HostClusterName};
use crate::notifier::{Envelope, NotificationConfig, Notifier};
use crate::placement::HostCluster;
use crate::plans::{CurrentPlans, PlanCatalog};
use crate::provisioner::{Fleet, MemoryProvisioner};
use crate::queue::{MemoryQueue, TaskQueue};
use crate::seal::MasterKey;
use crate::store::{MemoryStore, TenantStore};
use crate::trace::{NoPropagation, TracePropagation};

/// Configuration of a platform.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// URL under which users reach the platform, without a trailing slash; prefix of the links in mails.
    pub public_url: String,
    /// OIDC issuer that tenant clusters trust.
    pub issuer: Issuer,
    /// Intervals of the reconciler.
    pub intervals: ReconcileIntervals,
    /// Retention of the responses that repetitions of a request with the same idempotency key receive; 24 hours by
    /// default.
    pub idempotency_retention: Duration,
    /// Validity of an invitation; 7 days by default.
    pub invitation_ttl: Duration,
    /// Retention of live events, from which a client can resume; 7 days by default.
    pub event_retention: Duration,
    /// Retention of hourly usage; 400 days by default.
    pub usage_retention: Duration,
    /// Retention of metrics in their source, beyond which no request reaches; 15 days by default.
    pub metrics_retention: Duration,
    /// Retention of the audit log; `None` keeps it for good, 400 days by default.
    pub audit_retention: Option<Duration>,
    /// Retention of finished tasks; 30 days by default.
    pub task_retention: Duration,
    /// Retention of the security events of users; 90 days by default.
    pub security_event_retention: Duration,
    /// Grace period, reminders and other terms of billing.
    pub billing: BillingConfig,
    /// Language of notifications, and the pages that they lead to.
    pub notifications: NotificationConfig,
    /// Rate limit that the members of an organization share; `None` for no limit. Calls count as their
    /// [`RateAccounting`](super::RateAccounting) says.
    pub organization_rate: Option<Rate>,
    /// Verified e-mail addresses of the platform administrators.
    pub platform_admins: Vec<Email>,
    /// Users who may create organizations; everyone by default.
    pub organization_creation: OrganizationCreation,
    /// Maximum number of organizations that a user creates, without the personal one; `None` for no limit, 10 by
    /// default. Platform administrators have no limit.
    pub max_owned_organizations: Option<u32>,
    /// Maximum number of workspaces on plans without a price, in all organizations together that one user created;
    /// `None` for no limit, 6 by default. Organizations of platform administrators have no limit.
    pub max_free_workspaces_per_user: Option<u32>,
    /// Maximum number of invitations per day of an organization, and of a user in all organizations together; `None`
    /// for no limit, 100 by default.
    pub invitations_per_day: Option<u32>,
    /// Interval between two isolation checks of a workspace; `None` for checks on request only, one day by default.
    pub isolation_check_interval: Option<Duration>,
    /// Namespaces of host clusters in which tenants may have credentials for GitOps tools; none by default.
    pub gitops_namespaces: GitOpsNamespaces,
    /// Program with which `kubectl` obtains tokens; `None` by default, which refuses kubeconfigs that run one.
    pub credential_plugin: Option<CredentialPlugin>,
}

/// Program that `kubectl` runs for a token of a tenant cluster
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).
///
/// Its arguments end with `--server URL --workspace ID`, and for a private authority with
/// `--certificate-authority-data PEM`, in base64. It prints an `ExecCredential`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialPlugin {
    /// Name or path of the program.
    pub command: String,
    /// First arguments, such as a subcommand.
    pub arguments: Vec<String>,
    /// Instruction for users who do not have the program, which `kubectl` prints.
    pub install_hint: String,
}

/// Users who may create organizations. Everyone has a personal organization in addition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrganizationCreation {
    /// Everyone who can sign in.
    #[default]
    Everyone,
    /// Platform administrators only.
    PlatformAdmins,
}

impl PlatformConfig {
    /// Returns the defaults for a platform with this public URL.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let url = public_url.trim_end_matches('/').to_owned();
        Self {
            issuer: Issuer { url: url.clone(), certificate_authority: None },
            public_url: url,
            intervals: ReconcileIntervals::default(),
            idempotency_retention: DAY,
            invitation_ttl: 7 * DAY,
            event_retention: 7 * DAY,
            usage_retention: 400 * DAY,
            metrics_retention: 15 * DAY,
            audit_retention: Some(400 * DAY),
            task_retention: 30 * DAY,
            security_event_retention: 90 * DAY,
            billing: BillingConfig::default(),
            notifications: NotificationConfig::default(),
            organization_rate: None,
            platform_admins: Vec::new(),
            organization_creation: OrganizationCreation::default(),
            max_owned_organizations: Some(10),
            max_free_workspaces_per_user: Some(6),
            invitations_per_day: Some(100),
            isolation_check_interval: Some(DAY),
            gitops_namespaces: GitOpsNamespaces::default(),
            credential_plugin: None,
        }
    }

    /// `true` if the user is a platform administrator.
    #[must_use]
    pub fn is_platform_admin(&self, user: &User) -> bool {
        user.email.as_ref().is_some_and(|email| self.platform_admins.contains(email))
    }
}

/// Builder of a [`Platform`]. Backends that are not set are in memory.
#[derive(Debug)]
pub struct PlatformBuilder {
    store: Option<Arc<dyn TenantStore>>,
    ephemeral: Option<Arc<dyn EphemeralStore>>,
    queue: Option<Arc<dyn TaskQueue>>,
    fleet: Fleet,
    plans: Vec<Plan>,
    billing: Option<Arc<dyn BillingProvider>>,
    metrics: Option<Arc<dyn MetricsSource>>,
    alerts: Option<Arc<dyn AlertSource>>,
    logs: Option<Arc<dyn LogSource>>,
    notifier: Option<Arc<dyn Notifier>>,
    traces: Arc<dyn TracePropagation>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    key: Option<MasterKey>,
    config: PlatformConfig,
}

macro_rules! inner {
    ($($(#[$doc:meta])* $name:ident: $type:ty => $field:ident = $value:expr;)+) => {
        impl PlatformBuilder {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $field: $type) -> Self {
                self.$field = $value;
                self
            }
        )+}
    };
}

inner! {
    /// Sets the system of record.
    with_store: Arc<dyn TenantStore> => store = Some(store);
    /// Sets the store for short-lived state.
    with_ephemeral: Arc<dyn EphemeralStore> => ephemeral = Some(ephemeral);
    /// Sets the queue of asynchronous work.
    with_queue: Arc<dyn TaskQueue> => queue = Some(queue);
    /// Sets the host clusters with their provisioners.
    with_fleet: Fleet => fleet = fleet;
    /// Sets the plans, which apply until an operator changes them.
    with_plans: Vec<Plan> => plans = plans;
    /// Sets the billing provider.
    with_billing: Arc<dyn BillingProvider> => billing = Some(billing);
    /// Sets the source of resource usage. Without it, usage is not measured.
    with_metrics: Arc<dyn MetricsSource> => metrics = Some(metrics);
    /// Sets the source of alerts. Without one, no alerts are listed.
    with_alerts: Arc<dyn AlertSource> => alerts = Some(alerts);
    /// Sets the source of the logs of tenants. Without it, logs cannot be read.
    with_logs: Arc<dyn LogSource> => logs = Some(logs);
    /// Sets the notifier. Without it, notifications are not sent.
    with_notifier: Arc<dyn Notifier> => notifier = Some(notifier);
    /// Sets the connection with distributed traces. Without it, messages carry no trace.
    with_trace_propagation: Arc<dyn TracePropagation> => traces = traces;
    /// Sets the clock.
    with_clock: Arc<dyn Clock> => clock = clock;
    /// Sets the source of ids and random bytes.
    with_ids: Arc<dyn IdSource> => ids = ids;
    /// Sets the master key, which encrypts secrets in the store. Without it, a random key is generated.
    with_master_key: MasterKey => key = Some(key);
    /// Sets the configuration.
    with_config: PlatformConfig => config = config;
}

impl PlatformBuilder {
    /// Builds the platform.
    ///
    /// # Errors
    /// `Invalid` if no plan is sold, two plans have the same id, or a page of the notifications is not a path.
    pub fn build(self) -> Result<Platform> {
        let Self {
            store,
            ephemeral,
            queue,
            mut fleet,
            plans,
            billing,
            metrics,
            alerts,
            logs,
            notifier,
            traces,
            clock,
            ids,
            key,
            config,
        } = self;
        config.notifications.check()?;
        let current = CurrentPlans::from(PlanCatalog::new(plans.clone())?);
        let in_memory = || Arc::new(MemoryBilling::new(clock.clone(), current.clone()));
        if fleet.is_empty() {
            let provisioner = MemoryProvisioner::new(clock.clone(), Duration::ZERO);
            fleet = fleet.with(in_memory_host()?, Arc::new(provisioner));
        }
        Ok(Platform(Arc::new(PlatformInner {
            store: store.unwrap_or_else(|| Arc::new(MemoryStore::new())),
            ephemeral: match ephemeral {
                Some(shared) => Arc::new(RateLimitFallback::new(shared, clock.clone())),
                None => Arc::new(MemoryEphemeral::new(clock.clone())),
            },
            queue: queue.unwrap_or_else(|| Arc::new(MemoryQueue::new(clock.clone()))),
            fleet,
            billing: billing.unwrap_or_else(|| in_memory()),
            plan_cache: PlanCache::new(plans, current),
            metrics,
            alerts,
            logs,
            notifier: notifier.unwrap_or_else(|| Arc::new(NoNotifier)),
            traces,
            key: key.unwrap_or_else(|| MasterKey::new(ids.bytes())),
            clock,
            ids,
            config,
            outbox: Event::new(),
            event_signals: EventSignals::default(),
            facts: FactsCache::new(),
            commit_locks: CommitLocks::new(),
            isolation_failures: IsolationFailures::default(),
            counted_hosts: CountedHosts::default(),
            searches: Searches::default(),
            metric_queries: MetricQueries::default(),
            log_reads: LogReads::default(),
            alert_requests: AlertRequests::default(),
            unreadable_alert_rules: UnreadableRules::default(),
        })))
    }
}

fn in_memory_host() -> Result<HostCluster> {
    let name = HostClusterName::parse("memory").map_err(|error| Error::unexpected(error.to_string()))?;
    Ok(HostCluster { sandbox: true, ..HostCluster::new(name) })
}

impl Platform {
    /// Creates a builder of a platform with this public URL.
    #[must_use]
    pub fn builder(public_url: &str) -> PlatformBuilder {
        PlatformBuilder {
            store: None,
            ephemeral: None,
            queue: None,
            fleet: Fleet::new(),
            plans: Vec::new(),
            billing: None,
            metrics: None,
            alerts: None,
            logs: None,
            notifier: None,
            traces: Arc::new(NoPropagation),
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds::default()),
            key: None,
            config: PlatformConfig::new(public_url),
        }
    }
}

/// Notifier of a platform without one: logs that the notification was not sent.
#[derive(Debug)]
struct NoNotifier;

#[async_trait]
impl Notifier for NoNotifier {
    async fn send(&self, envelope: &Envelope) -> Result<()> {
        let kind = envelope.notification.kind();
        tracing::warn!(message = %envelope.id, kind, "no notifier configured; notification not sent");
        Ok(())
    }
}
