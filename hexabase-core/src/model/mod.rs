//! Domain objects as plain data, in the form in which stores keep them.
//!
//! Five aggregates contain all other objects: [`User`], [`Organization`], [`BillingAccount`], [`Workspace`] and
//! [`Plan`]. Every change inside an aggregate increments the version of its root, which makes decisions safe without
//! locks (see [`Changeset`](crate::changeset::Changeset)).

mod access_revocation;
mod alert_rule;
mod api_token;
mod audit;
mod billing;
mod condition;
mod event;
mod gitops;
mod group;
mod inventory;
mod invitation;
mod isolation;
mod member;
mod money;
mod node_pool;
mod organization;
mod plan;
mod policy_report;
mod project;
mod registered_host;
mod retired_group_name;
mod role;
mod service_account;
mod session;
mod signing_key;
mod task;
mod usage;
mod user;
mod wait;
mod workspace;

pub use access_revocation::AccessRevocation;
pub use alert_rule::{
    AlertCondition, AlertDuration, AlertLimit, AlertRule, AlertSeverity, AlertState, AlertThreshold,
    AlertThresholdPage, Comparison, UnknownAlertDuration, UnknownAlertSeverity, UnknownAlertState,
    UnknownComparison,
};
pub use api_token::{ApiToken, Scope, Scopes, UnknownScope};
pub use audit::{Actor, AuditEvent, AuditFilter, Origin};
pub use billing::{
    AddOns, BillingAccount, BillingStanding, CustomerId, Interval, Order, OrderRejection,
    OrderRejectionReason, Subscription, SubscriptionChange, SubscriptionState, UnknownInterval, WebhookEvent,
};
pub use condition::{Condition, ConditionStatus};
pub use event::{Event, EventKind, UnknownEventKind};
pub use gitops::{
    GITOPS_TOKEN_LIFETIME, GitOps, GitOpsAccess, GitOpsCredential, GitOpsCredentials, GitOpsNamespaces,
    GitOpsTool, UnknownGitOpsTool, due_gitops_tools,
};
pub use group::{Group, GroupPreset, Membership};
pub use inventory::Inventory;
pub use invitation::Invitation;
pub use isolation::{IsolationCondition, IsolationReport, IsolationResult, Severity, UnknownSeverity};
pub use member::{Member, OrganizationRole, UnknownOrganizationRole};
pub use money::{Currency, Money};
pub use node_pool::{NodePool, PoolNodes};
pub use organization::{Organization, OrganizationCounts, OrganizationSummary, OrganizationSuspension};
pub use plan::{
    ControlPlane, ControlPlaneStore, Isolation, Limits, Plan, PlanUse, PlanUsers, Price, StoredPlans,
    UnitPrice, UsagePrice,
};
pub use policy_report::{
    MAX_POLICY_FINDINGS, PolicyFinding, PolicyFindings, PolicyReport, PolicyResult, UnknownPolicyResult,
};
pub use project::Project;
pub use registered_host::{HostHealth, HostParameters, HostState, RegisteredHost};
pub use retired_group_name::RetiredGroupName;
pub use role::{Assignment, CustomRole, PresetRole, RoleRef, Rule, UnknownRole};
pub use service_account::ServiceAccount;
pub use session::{Grant, SecurityEvent, SecurityEventKind, Session};
pub use signing_key::{SignatureAlgorithm, SigningKey};
pub use task::{StepState, Task, TaskKind, TaskState, TaskStep};
pub use usage::{
    Hour, Meter, MeteredHour, Month, PerMeter, Reading, SentUsageAlerts, UnknownMeter, UnknownMonth,
    UsageAlert, UsageBound, UsageHour, UsageReport, WorkspaceUsage,
};
pub use user::{Identity, User, UserKind};
pub use wait::{OngoingWait, UnknownWaitReason, Wait, WaitReason};
pub use workspace::{
    BillingSuspension, Drift, DriftEntry, DriftScope, ORGANIZATION_SUSPENDED_MESSAGE, Phase, Power, Usage,
    Workspace, WorkspaceState, WorkspaceStatus,
};

/// Implements the text form of an enum in one place, for stores, JSON and messages.
macro_rules! string_enum {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? } else $error:ident = $message:literal) => {
        impl $name {
            /// All values, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the text form, as in JSON.
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

        #[doc = concat!("Text that does not name a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;
    };
}
pub(crate) use string_enum;
