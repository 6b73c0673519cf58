//! The things that Hexabase keeps: plain data, as stores hold it.
//!
//! Five aggregates own everything else: [`User`], [`Organization`], [`BillingAccount`], [`Workspace`] and [`Plan`]. Every change
//! to anything inside an aggregate raises the version of its root, which is what makes decisions safe
//! without locks (see [`Changeset`](crate::changeset::Changeset)).

mod api_token;
mod audit;
mod billing;
mod condition;
mod cut;
mod event;
mod group;
mod invitation;
mod member;
mod money;
mod node_pool;
mod organization;
mod plan;
mod project;
mod registered_host;
mod role;
mod service_account;
mod session;
mod signing_key;
mod task;
mod usage;
mod user;
mod workspace;

pub use api_token::{ApiToken, Scope, Scopes, UnknownScope};
pub use audit::{Actor, AuditEvent, AuditFilter, Origin};
pub use billing::{
    BillingAccount, CustomerId, Extras, Interval, Order, Refusal, RefusalReason, Standing, Subscription,
    SubscriptionState, UnknownInterval, WebhookEvent, Wish,
};
pub use condition::{Condition, ConditionStatus};
pub use cut::Cut;
pub use event::Event;
pub use group::{Group, GroupPreset, Membership};
pub use invitation::Invitation;
pub use member::{Member, OrganizationRole, UnknownOrganizationRole};
pub use money::{Currency, Money};
pub use node_pool::{NodePool, PoolNodes};
pub use organization::{Organization, OrganizationCounts};
pub use plan::{ControlPlane, ControlPlaneStore, Isolation, Limits, Plan, Price, UnitPrice, UsagePrice};
pub use project::Project;
pub use registered_host::{HostHealth, HostSettings, HostState, RegisteredHost};
pub use role::{Assignment, CustomRole, PresetRole, RoleRef, Rule, UnknownRole};
pub use service_account::ServiceAccount;
pub use session::{Grant, SecurityEvent, SecurityEventKind, Session};
pub use signing_key::{SignatureAlgorithm, SigningKey};
pub use task::{StepState, Task, TaskKind, TaskState, TaskStep};
pub use usage::{
    Hour, Meter, MeteredHour, Month, PerMeter, Reading, UnknownMeter, UnknownMonth, UsageAlert, UsageBound,
    UsageHour, UsageReport, Warned, WorkspaceUsage,
};
pub use user::{Identity, User, UserKind};
pub use workspace::{
    Drift, DriftEntry, Hold, Phase, Power, Usage, Workspace, WorkspaceState, WorkspaceStatus,
};

/// Gives an enum of plain words its text form, in one place for stores, JSON and messages.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? } else $error:ident = $message:literal) => {
        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it, as in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                match text { $($word => Ok(Self::$variant),)+ _ => Err($error) }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        #[doc = concat!("A text that is no [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;
    };
}
pub(crate) use words;
