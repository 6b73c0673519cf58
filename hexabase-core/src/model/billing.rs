use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrderId, OrganizationId, UserId};
use crate::model::{Money, SentUsageAlerts, string_enum};
use crate::name::PlanId;
use crate::version::Version;

/// Billing state of an organization at the provider as last read, with its pending order. Root of an aggregate.
///
/// The billing provider is the system of record. The account holds the state that was last read from it, and the
/// consequences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingAccount {
    /// Organization of the account.
    pub organization_id: OrganizationId,
    /// Id of the customer at the provider; `None` until the customer is created there.
    pub customer_id: Option<CustomerId>,
    /// Pending order; `None` if every order has been carried out or rejected.
    pub order: Option<Order>,
    /// Rejection of the last order, until the next order.
    pub rejection: Option<OrderRejection>,
    /// Subscription as last read; `None` if there is none.
    pub subscription: Option<Subscription>,
    /// Consequence of the organization's payments.
    pub standing: BillingStanding,
    /// Amount per month that the organization wants to spend on usage beyond the included amounts; `None` for no
    /// budget
    /// alerts.
    pub budget: Option<Money>,
    /// Usage alerts that were sent.
    pub sent_usage_alerts: SentUsageAlerts,
    /// Time of the next reconcile at the latest; `None` if none is needed.
    pub reconcile_at: Option<Timestamp>,
    /// Time of the last successful reconcile.
    pub reconciled_at: Option<Timestamp>,
    /// Number of consecutive failed reconciles.
    pub failures: u32,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

impl BillingAccount {
    /// Returns the account of an organization that has never ordered anything.
    #[must_use]
    pub const fn new(organization_id: OrganizationId, now: Timestamp) -> Self {
        Self {
            organization_id,
            customer_id: None,
            order: None,
            rejection: None,
            subscription: None,
            standing: BillingStanding::Good,
            budget: None,
            sent_usage_alerts: SentUsageAlerts::empty(),
            reconcile_at: None,
            reconciled_at: None,
            failures: 0,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        }
    }

    /// Returns the subscription unless it has ended.
    #[must_use]
    pub fn live_subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|subscription| subscription.state.is_live())
    }

    /// `true` if there is a subscription to pay, or an order that may begin one.
    #[must_use]
    pub fn needs_payment_method(&self) -> bool {
        self.live_subscription().is_some() || self.order.is_some()
    }
}

impl SubscriptionChange {
    /// Returns the plan that the change subscribes to; `None` for a cancellation.
    #[must_use]
    pub const fn plan_id(&self) -> Option<&PlanId> {
        match self {
            Self::Subscribe { plan_id, .. } => Some(plan_id),
            Self::Cancel { .. } => None,
        }
    }
}

/// Id of a customer at the provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub String);

/// Subscription change that an organization requested and that is not carried out yet. The order id is the idempotency
/// key at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Id of the order.
    pub id: OrderId,
    /// Requested change.
    pub change: SubscriptionChange,
    /// User who placed the order.
    pub requested_by: UserId,
    /// Time of the order.
    pub requested_at: Timestamp,
}

/// Content of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SubscriptionChange {
    /// Subscribe to a plan. A scheduled cancellation is revoked.
    Subscribe {
        /// Plan to subscribe to.
        plan_id: PlanId,
        /// Billing interval.
        interval: Interval,
        /// Coupon to redeem, by its id at the provider.
        coupon: Option<String>,
    },
    /// Cancel the subscription, now or at the end of the paid period.
    Cancel {
        /// `true` to keep the subscription until the end of the paid period.
        at_period_end: bool,
    },
}

/// Rejection of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRejection {
    /// Id of the rejected order.
    pub order_id: OrderId,
    /// Reason of the rejection.
    pub reason: OrderRejectionReason,
    /// Description of the reason for users.
    pub message: String,
    /// Time of the rejection.
    pub at: Timestamp,
}

/// Reason why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderRejectionReason {
    /// The bank declined the payment or requires the customer's confirmation.
    PaymentFailed,
    /// The customer has no payment method.
    NoPaymentMethod,
    /// The provider rejected the order itself.
    OrderRejected,
}

string_enum!(OrderRejectionReason {
    PaymentFailed = "payment_failed",
    NoPaymentMethod = "no_payment_method",
    OrderRejected = "order_rejected",
} else UnknownOrderRejectionReason = "must be payment_failed, no_payment_method or order_rejected");

/// Subscription of a customer at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Id of the subscription at the provider.
    pub id: String,
    /// Plan that is paid for.
    pub plan_id: PlanId,
    /// Billing interval.
    pub interval: Interval,
    /// Paid quantities beyond the included ones.
    pub add_ons: AddOns,
    /// State of the subscription.
    pub state: SubscriptionState,
    /// End of the paid period.
    pub current_period_end: Timestamp,
    /// `true` if the subscription ends at `current_period_end`.
    pub cancel_at_period_end: bool,
    /// End of the trial, until which nothing is charged; `None` if there was no trial.
    pub trial_end: Option<Timestamp>,
    /// `true` if a change is pending until the customer confirms its payment with their bank.
    #[serde(default)]
    pub awaits_confirmation: bool,
}

/// Billing interval of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// Monthly.
    Month,
    /// Yearly.
    Year,
}

impl Interval {
    /// Returns the number of months in the interval.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Year => 12,
        }
    }
}

string_enum!(Interval { Month = "month", Year = "year" } else UnknownInterval = "must be month or year");

/// Paid quantities beyond the included ones. `None` if the plan does not charge for the item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOns {
    /// Number of additional workspaces.
    pub workspaces: Option<u32>,
    /// Number of additional dedicated nodes.
    pub nodes: Option<u32>,
}

impl AddOns {
    /// Returns the quantities of the items that `subscription` has. An item that the plan did not charge for when the
    /// subscription began is not added to it.
    #[must_use]
    pub fn known_to(self, subscription: Self) -> Self {
        Self {
            workspaces: subscription.workspaces.and(self.workspaces),
            nodes: subscription.nodes.and(self.nodes),
        }
    }
}

/// State of a subscription, in Stripe's terms
/// (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// The first payment is pending.
    Incomplete,
    /// The first payment was not made in time. The state is final.
    IncompleteExpired,
    /// The subscription is in its trial; nothing is charged yet.
    Trialing,
    /// The subscription is paid.
    Active,
    /// A payment failed; the provider retries it.
    PastDue,
    /// A payment failed, and the provider no longer retries it.
    Unpaid,
    /// The trial ended without a payment method.
    Paused,
    /// The subscription has ended.
    Canceled,
}

string_enum!(SubscriptionState {
    Incomplete = "incomplete",
    IncompleteExpired = "incomplete_expired",
    Trialing = "trialing",
    Active = "active",
    PastDue = "past_due",
    Unpaid = "unpaid",
    Paused = "paused",
    Canceled = "canceled",
} else UnknownSubscriptionState = "must be a subscription state such as active or past_due");

impl SubscriptionState {
    /// `true` unless the subscription has ended.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// `true` if the organization may use the plan of the subscription.
    #[must_use]
    pub const fn grants_plan(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid | Self::Paused)
    }

    /// `true` if a payment is missing.
    #[must_use]
    pub const fn is_payment_missing(self) -> bool {
        matches!(self, Self::PastDue | Self::Unpaid | Self::Paused)
    }
}

/// Consequence of an organization's payments for its workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum BillingStanding {
    /// No payment is missing.
    Good,
    /// A payment is missing. Everything continues during the grace period.
    Grace {
        /// Time at which the missing payment was found and the organization was notified.
        since: Timestamp,
        /// End of the grace period. The workspaces are suspended then unless the payment arrives.
        until: Timestamp,
        /// `true` if the reminder was sent.
        reminded: bool,
    },
    /// The grace period is over. The workspaces are suspended until the payment arrives.
    Suspended {
        /// Start of the suspension.
        since: Timestamp,
    },
}

/// Notification of the provider, stored so that it is processed once and not lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// Id of the event at the provider.
    pub id: String,
    /// Type of the event: `invoice.paid`.
    pub kind: String,
    /// Customer that the event concerns.
    pub customer_id: CustomerId,
    /// Time of receipt.
    pub received_at: Timestamp,
    /// Time at which a reconcile of the account was requested; `None` if the event is unprocessed.
    pub processed_at: Option<Timestamp>,
}
