use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, OrganizationId, WorkspaceId};
use crate::model::string_enum;

/// Live event: change in an organization for clients that watch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Id of the event; events are ordered by it.
    pub id: EventId,
    /// Organization of the event.
    pub organization_id: OrganizationId,
    /// Workspace of the event; `None` for an event of the whole organization.
    pub workspace_id: Option<WorkspaceId>,
    /// Kind of the event: an [`EventKind`], or a kind of another release.
    pub kind: String,
    /// Details of the event.
    pub data: serde_json::Value,
    /// Time of the event.
    pub at: Timestamp,
}

/// Kind of a live event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The phase of a workspace has changed.
    WorkspacePhase,
    /// A cluster differed from its desired state and was repaired.
    WorkspaceDrift,
    /// A task has made progress.
    TaskProgress,
    /// The subscription of the organization, or the consequence of its payments, has changed.
    BillingStanding,
    /// The usage of the organization has reached an alert.
    BillingUsage,
    /// Members, invitations or service accounts have changed.
    MembersChanged,
    /// Groups, their members, custom roles or role assignments have changed.
    AccessChanged,
    /// Projects have changed.
    ProjectsChanged,
    /// The billing account has changed: subscription, order, payment methods or budget.
    BillingChanged,
    /// Alert rules, alerts or silences have changed.
    AlertsChanged,
}

string_enum!(EventKind {
    WorkspacePhase = "workspace.phase",
    WorkspaceDrift = "workspace.drift",
    TaskProgress = "task.progress",
    BillingStanding = "billing.standing",
    BillingUsage = "billing.usage",
    MembersChanged = "members.changed",
    AccessChanged = "access.changed",
    ProjectsChanged = "projects.changed",
    BillingChanged = "billing.changed",
    AlertsChanged = "alerts.changed",
} else UnknownEventKind = "must be the kind of a live event such as workspace.phase");

impl EventKind {
    /// Returns the meaning, for the documentation.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::WorkspacePhase => "the phase of a workspace has changed",
            Self::WorkspaceDrift => "a cluster differed from its desired state and was repaired",
            Self::TaskProgress => "a task has made progress",
            Self::BillingStanding => "the subscription, or the consequence of payments, has changed",
            Self::BillingUsage => "the usage has reached an alert",
            Self::MembersChanged => "members, invitations or service accounts have changed",
            Self::AccessChanged => "groups, their members, custom roles or role assignments have changed",
            Self::ProjectsChanged => "projects have changed",
            Self::BillingChanged => {
                "the subscription, an order, a payment method or the budget may have changed"
            }
            Self::AlertsChanged => "alert rules, alerts or silences have changed",
        }
    }
}
