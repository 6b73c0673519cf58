//! The platform: services over replaceable backends.
//!
//! A [`Platform`] is put together from backends by a [`PlatformBuilder`]; everything it needs has an
//! in-memory default, so nothing but plans makes a working platform. Its services take a [`Caller`] and plain
//! commands, decide with pure functions, and commit once.

mod access;
mod billing;
mod builder;
mod caller;
mod change;
mod commit;
mod groups;
mod hosts;
mod invitations;
mod members;
mod node_pools;
mod organizations;
mod payments;
mod projects;
mod roles;
mod service_accounts;
mod tasks;
mod turns;
mod usage;
mod users;
mod workspace_members;
mod workspaces;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use event_listener::Event;
use jiff::Timestamp;

pub use billing::{Billing, BillingOverview, BillingState, ChoosePlan};
pub use builder::{PlatformBuilder, Settings};
pub use caller::{Caller, IdempotencyKey};
pub use commit::Done;
pub(crate) use commit::MAIL;
pub use groups::{CreateGroup, GroupMember, Groups, UpdateGroup};
pub use hosts::{ChangeHost, Hosts, KnownHost, RegisterHost, Registration};
pub use invitations::{CreateInvitation, Invitations};
pub use members::Members;
pub use node_pools::{CreateNodePool, NodePoolTask, NodePools, PoolState};
pub use organizations::{CreateOrganization, Organizations, Overview};
pub use projects::{CreateProject, Projects};
pub use roles::{AccessReviewRequest, CreateAssignment, CreateRole, Roles, UpdateRole};
pub use service_accounts::{CreateServiceAccount, CreateToken, NewToken, ServiceAccounts, TOKEN_PREFIX};
pub use tasks::Tasks;
pub use usage::{ExplainedInvoice, MonthlyUsage, UsageProof, UsageStatement, WorkspaceShare};
pub use users::{Profile, Users};
pub use workspace_members::WorkspaceMembers;
pub use workspaces::{
    CLUSTER_TOKEN_LIFETIME, ClusterAccess, CreateWorkspace, UpdateWorkspace, WorkspaceTask, Workspaces,
};

use crate::billing::BillingProvider;
use crate::clock::Clock;
use crate::ephemeral::EphemeralStore;
use crate::error::{Error, Result};
use crate::id::TypedId;
use crate::id_source::{IdSource, IdSourceExt as _};
use crate::metrics::MetricsSource;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::notifier::Notifier;
use crate::plans::PlanCatalog;
use crate::provisioner::{ClusterProvisioner, Fleet};
use crate::queue::TaskQueue;
use crate::seal::MasterKey;
use crate::store::TenantStore;
use access::FactsCache;
use turns::Turns;

/// Multi-tenancy, ready to be used. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Platform(Arc<Parts>);

/// What a platform is made of.
pub struct Parts {
    pub(crate) store: Arc<dyn TenantStore>,
    pub(crate) ephemeral: Arc<dyn EphemeralStore>,
    pub(crate) queue: Arc<dyn TaskQueue>,
    pub(crate) fleet: Fleet,
    pub(crate) plans: PlanCatalog,
    pub(crate) billing: Arc<dyn BillingProvider>,
    pub(crate) metrics: Option<Arc<dyn MetricsSource>>,
    pub(crate) notifier: Arc<dyn Notifier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) key: MasterKey,
    pub(crate) settings: Settings,
    /// Rung when a commit left messages in the outbox.
    pub(crate) outbox: Event,
    /// Rung when a commit moved something that somebody may watch.
    pub(crate) moved: Event,
    facts: FactsCache,
    turns: Turns,
}

impl fmt::Debug for Parts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Platform")
            .field("store", &self.store)
            .field("ephemeral", &self.ephemeral)
            .field("queue", &self.queue)
            .field("fleet", &self.fleet)
            .finish_non_exhaustive()
    }
}

impl Parts {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whoever makes tenant clusters on a host, which may have been registered a moment ago.
    pub(crate) async fn provisioner(&self, host: &HostClusterName) -> Result<Arc<dyn ClusterProvisioner>> {
        if let Some(known) = self.fleet.find(host) {
            return Ok(known);
        }
        self.follow_hosts().await?;
        let unknown = || Error::unavailable("the host cluster is not configured").with("host", host);
        self.fleet.find(host).ok_or_else(unknown)
    }

    /// Takes in which hosts are registered, and answers them.
    pub(crate) async fn follow_hosts(&self) -> Result<Vec<RegisteredHost>> {
        let hosts = self.store.list_hosts().await?;
        self.fleet.follow(hosts.clone(), &self.key).await;
        Ok(hosts)
    }

    pub(crate) fn id<T: TypedId>(&self, now: Timestamp) -> T {
        self.ids.id(now)
    }
}

impl Deref for Platform {
    type Target = Parts;

    fn deref(&self) -> &Parts {
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
    /// People, as sign-in knows them.
    users => Users;
    /// Organizations.
    organizations => Organizations;
    /// Members of organizations.
    members => Members;
    /// Invitations into organizations.
    invitations => Invitations;
    /// Service accounts of organizations.
    service_accounts => ServiceAccounts;
    /// Workspaces.
    workspaces => Workspaces;
    /// Members of workspaces.
    workspace_members => WorkspaceMembers;
    /// Tasks on workspaces.
    tasks => Tasks;
    /// Groups of workspaces.
    groups => Groups;
    /// Roles and assignments.
    roles => Roles;
    /// Projects of workspaces.
    projects => Projects;
    /// Nodes that workspaces have to themselves.
    node_pools => NodePools;
    /// What organizations pay.
    billing => Billing;
    /// Host clusters.
    hosts => Hosts;
}

impl Platform {
    /// The system of record.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn TenantStore> {
        &self.store
    }

    /// Short-lived facts.
    #[must_use]
    pub fn ephemeral(&self) -> &Arc<dyn EphemeralStore> {
        &self.ephemeral
    }

    /// Asynchronous work.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn TaskQueue> {
        &self.queue
    }

    /// Whoever takes the money.
    #[must_use]
    pub fn billing_provider(&self) -> &Arc<dyn BillingProvider> {
        &self.billing
    }

    /// Whoever knows what workspaces use; none where nobody does.
    #[must_use]
    pub fn metrics_source(&self) -> Option<&Arc<dyn MetricsSource>> {
        self.metrics.as_ref()
    }

    /// The host clusters.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The plans.
    #[must_use]
    pub fn plans(&self) -> &PlanCatalog {
        &self.plans
    }

    /// The clock that everything goes by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The source of ids and randomness.
    #[must_use]
    pub fn ids(&self) -> &Arc<dyn IdSource> {
        &self.ids
    }

    /// The installation's master key.
    #[must_use]
    pub fn master_key(&self) -> &MasterKey {
        &self.key
    }

    /// How the platform behaves.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Is ready when something moved in this process, after this was called, that somebody may watch. What
    /// moved elsewhere is found by looking now and then.
    pub fn moved(&self) -> impl Future<Output = ()> + Send + use<> {
        self.moved.listen()
    }
}
