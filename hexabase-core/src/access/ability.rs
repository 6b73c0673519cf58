use crate::error::{ErrorKind, Result};
use crate::model::string_enum;

/// Result of the question if a caller can perform an action now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ability {
    /// The action is possible.
    Allowed,
    /// The action would be rejected.
    Denied(Denial),
}

/// Rejection of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Reason of the rejection.
    pub reason: DenialReason,
    /// Sentence for users, with the remedy.
    pub message: String,
}

/// Reason for which an action is not possible. All reasons except the first three are also the codes of the errors with
/// which the operations reject a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenialReason {
    /// Neither the caller's role in the organization nor its groups permit the action.
    InsufficientRole,
    /// The scopes of the caller's token do not cover the action.
    InsufficientScope,
    /// The caller is a service account, for which the action does not exist.
    ServiceAccount,
    /// The organization is being deleted.
    OrganizationDeleting,
    /// An operator has suspended the organization.
    OrganizationSuspended,
    /// The organization has a subscription, which must be cancelled first.
    SubscriptionActive,
    /// An order is pending at the billing provider.
    OrderPending,
    /// The caller is the last owner of the organization.
    LastOwner,
    /// The organization subscribes to no plan that covers the action.
    PlanNotPaidFor,
    /// A payment of the organization is overdue.
    PaymentOverdue,
    /// The plan does not include the feature.
    NotInPlan,
    /// A limit of the plan or of the installation is reached.
    QuotaExceeded,
    /// The workspace is being deleted.
    WorkspaceDeleting,
    /// The workspace is suspended for billing.
    BillingSuspended,
    /// The workspace is suspended already.
    WorkspaceSuspended,
    /// The workspace runs already.
    WorkspaceRunning,
    /// The tenant API server has no endpoint yet, or not any more.
    WorkspaceNotReady,
    /// The operator has removed the plan of the organization or workspace.
    Unavailable,
}

string_enum!(DenialReason {
    InsufficientRole = "insufficient_role",
    InsufficientScope = "insufficient_scope",
    ServiceAccount = "service_account",
    OrganizationDeleting = "organization_deleting",
    OrganizationSuspended = "organization_suspended",
    SubscriptionActive = "subscription_active",
    OrderPending = "order_pending",
    LastOwner = "last_owner",
    PlanNotPaidFor = "plan_not_paid_for",
    PaymentOverdue = "payment_overdue",
    NotInPlan = "not_in_plan",
    QuotaExceeded = "quota_exceeded",
    WorkspaceDeleting = "workspace_deleting",
    BillingSuspended = "billing_suspended",
    WorkspaceSuspended = "workspace_suspended",
    WorkspaceRunning = "workspace_running",
    WorkspaceNotReady = "workspace_not_ready",
    Unavailable = "unavailable",
} else UnknownDenialReason = "must be a reason of a denial such as insufficient_role");

impl DenialReason {
    /// Returns the description, which is the message unless the check has a more specific one.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::InsufficientRole => "your role does not allow this",
            Self::InsufficientScope => "the token's scopes do not cover this",
            Self::ServiceAccount => "a service account cannot do this; its organization deletes it instead",
            Self::OrganizationDeleting => "the organization is being deleted",
            Self::OrganizationSuspended => "an operator has suspended the organization",
            Self::SubscriptionActive => "the organization has a subscription, which must be cancelled first",
            Self::OrderPending => "the previous order is still pending at the billing provider",
            Self::LastOwner => "you are the last owner; make another member an owner first",
            Self::PlanNotPaidFor => "the organization subscribes to no plan that covers this",
            Self::PaymentOverdue => "a payment of the organization is overdue",
            Self::NotInPlan => "the plan does not include this",
            Self::QuotaExceeded => "a limit is reached",
            Self::WorkspaceDeleting => "the workspace is being deleted",
            Self::BillingSuspended => "the workspace is suspended for billing",
            Self::WorkspaceSuspended => "the workspace is suspended already",
            Self::WorkspaceRunning => "the workspace runs already",
            Self::WorkspaceNotReady => "the tenant API server has no endpoint",
            Self::Unavailable => "the operator has removed the plan",
        }
    }
}

impl From<DenialReason> for Ability {
    fn from(reason: DenialReason) -> Self {
        Self::Denied(Denial { reason, message: reason.description().to_owned() })
    }
}

impl Ability {
    /// Converts the result of the checks that an operation performs before it reads its input.
    ///
    /// # Errors
    /// An error that rejects no operation for a [`DenialReason`], such as a bug.
    pub(crate) fn of_check(result: Result<()>) -> Result<Self> {
        let Err(error) = result else { return Ok(Self::Allowed) };
        let reason = match error.kind() {
            // Roles are checked before; what remains is a grant that exceeds the scopes of the token.
            ErrorKind::Forbidden => DenialReason::InsufficientScope,
            _ => match error.code().parse() {
                Ok(reason) => reason,
                Err(_) => return Err(error),
            },
        };
        Ok(Self::Denied(Denial { reason, message: error.message().to_owned() }))
    }
}

/// Returns the reasons in Markdown, for the documentation.
#[must_use]
pub fn denial_reasons_as_markdown() -> String {
    let rows = DenialReason::ALL.iter().map(|reason| format!("| `{reason}` | {} |\n", reason.description()));
    std::iter::once("| reason | meaning |\n|---|---|\n".to_owned()).chain(rows).collect()
}
