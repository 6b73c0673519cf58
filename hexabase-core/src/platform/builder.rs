use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;

use super::access::FactsCache;
use super::turns::Turns;
use super::{Parts, Platform};
use crate::billing::{BillingProvider, MemoryBilling, Terms};
use crate::clock::{Clock, SystemClock};
use crate::desired::Issuer;
use crate::ephemeral::{EphemeralStore, MemoryEphemeral, Rate};
use crate::error::{Error, Result};
use crate::id_source::{IdSource, IdSourceExt as _, SystemIds};
use crate::lifecycle::Pace;
use crate::metrics::MetricsSource;
use crate::model::Plan;
use crate::name::HostClusterName;
use crate::notifier::{Mail, Notifier};
use crate::placement::HostCluster;
use crate::plans::PlanCatalog;
use crate::provisioner::{Fleet, MemoryProvisioner};
use crate::queue::{MemoryQueue, TaskQueue};
use crate::seal::MasterKey;
use crate::store::{MemoryStore, TenantStore};

/// How a platform behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where people reach it, without a slash at the end; links in mails begin with it.
    pub public_url: String,
    /// Whose tokens tenant clusters trust.
    pub issuer: Issuer,
    /// How often the reconciler looks.
    pub pace: Pace,
    /// For how long a repeated request gets the first reply.
    pub replies_kept: Duration,
    /// For how long an invitation can be accepted.
    pub invitations_open: Duration,
    /// For how long live events can be resumed from.
    pub events_kept: Duration,
    /// For how long is known what was used, hour by hour.
    pub usage_kept: Duration,
    /// How patient to be with whoever does not pay.
    pub billing: Terms,
    /// How much the members of an organization may ask for together; none for no limit.
    pub organization_rate: Option<Rate>,
}

impl Settings {
    /// The defaults for a platform that is reached at this URL.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let url = public_url.trim_end_matches('/').to_owned();
        Self {
            issuer: Issuer { url: url.clone(), certificate_authority: None },
            public_url: url,
            pace: Pace::default(),
            replies_kept: DAY,
            invitations_open: 7 * DAY,
            events_kept: 7 * DAY,
            usage_kept: 400 * DAY,
            billing: Terms::default(),
            organization_rate: None,
        }
    }
}

/// Puts a [`Platform`] together. What is not given lives in memory.
#[derive(Debug)]
pub struct PlatformBuilder {
    store: Option<Arc<dyn TenantStore>>,
    ephemeral: Option<Arc<dyn EphemeralStore>>,
    queue: Option<Arc<dyn TaskQueue>>,
    fleet: Fleet,
    plans: Vec<Plan>,
    billing: Option<Arc<dyn BillingProvider>>,
    metrics: Option<Arc<dyn MetricsSource>>,
    notifier: Option<Arc<dyn Notifier>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    key: Option<MasterKey>,
    settings: Settings,
}

macro_rules! parts {
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

parts! {
    /// Keeps everything here.
    with_store: Arc<dyn TenantStore> => store = Some(store);
    /// Keeps short-lived facts here.
    with_ephemeral: Arc<dyn EphemeralStore> => ephemeral = Some(ephemeral);
    /// Sends work through here.
    with_queue: Arc<dyn TaskQueue> => queue = Some(queue);
    /// Makes tenant clusters here.
    with_fleet: Fleet => fleet = fleet;
    /// Sells these plans.
    with_plans: Vec<Plan> => plans = plans;
    /// Takes money through here.
    with_billing: Arc<dyn BillingProvider> => billing = Some(billing);
    /// Knows from here what workspaces use; without it, nobody does.
    with_metrics: Arc<dyn MetricsSource> => metrics = Some(metrics);
    /// Sends mail through here.
    with_notifier: Arc<dyn Notifier> => notifier = Some(notifier);
    /// Goes by this clock.
    with_clock: Arc<dyn Clock> => clock = clock;
    /// Takes ids and randomness from here.
    with_ids: Arc<dyn IdSource> => ids = ids;
    /// Seals with this key.
    with_master_key: MasterKey => key = Some(key);
    /// Behaves like this.
    with_settings: Settings => settings = settings;
}

impl PlatformBuilder {
    /// The platform.
    ///
    /// # Errors
    /// `Invalid` without plans, or when plans contradict each other.
    pub fn build(self) -> Result<Platform> {
        let Self {
            store,
            ephemeral,
            queue,
            mut fleet,
            plans,
            billing,
            metrics,
            notifier,
            clock,
            ids,
            key,
            settings,
        } = self;
        let plans = PlanCatalog::new(plans)?;
        let in_memory = || Arc::new(MemoryBilling::new(clock.clone(), plans.clone()));
        if fleet.is_empty() {
            let provisioner = MemoryProvisioner::new(clock.clone(), Duration::ZERO);
            fleet = fleet.with(in_memory_host()?, Arc::new(provisioner));
        }
        Ok(Platform(Arc::new(Parts {
            store: store.unwrap_or_else(|| Arc::new(MemoryStore::new())),
            ephemeral: ephemeral.unwrap_or_else(|| Arc::new(MemoryEphemeral::new(clock.clone()))),
            queue: queue.unwrap_or_else(|| Arc::new(MemoryQueue::new(clock.clone()))),
            fleet,
            billing: billing.unwrap_or_else(|| in_memory()),
            plans,
            metrics,
            notifier: notifier.unwrap_or_else(|| Arc::new(NoMail)),
            key: key.unwrap_or_else(|| MasterKey::new(ids.bytes())),
            clock,
            ids,
            settings,
            outbox: Event::new(),
            moved: Event::new(),
            facts: FactsCache::new(),
            turns: Turns::new(),
        })))
    }
}

fn in_memory_host() -> Result<HostCluster> {
    let name = HostClusterName::parse("memory").map_err(|error| Error::unexpected(error.to_string()))?;
    Ok(HostCluster { sandbox: true, ..HostCluster::new(name) })
}

impl Platform {
    /// Puts a platform together that is reached at `public_url`.
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
            notifier: None,
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds::default()),
            key: None,
            settings: Settings::new(public_url),
        }
    }
}

/// For platforms without a mailbox: says that a mail was not sent.
struct NoMail;

impl fmt::Debug for NoMail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("NoMail")
    }
}

#[async_trait]
impl Notifier for NoMail {
    async fn send(&self, mail: &Mail) -> Result<()> {
        tracing::warn!(subject = %mail.subject, "no notifier is configured: a mail was not sent");
        Ok(())
    }
}
