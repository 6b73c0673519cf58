use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrderId, OrganizationId, UserId};
use crate::model::{Money, Warned, words};
use crate::name::PlanId;
use crate::version::Version;

/// What an organization owes, as far as it was seen, and what it has ordered since. Root of an aggregate.
///
/// The billing provider has the truth; this is what was last read of it, and what follows from that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingAccount {
    /// Whose.
    pub organization_id: OrganizationId,
    /// The provider's name for the organization; none until it was needed.
    pub customer_id: Option<CustomerId>,
    /// What was ordered and is not done yet.
    pub order: Option<Order>,
    /// The order that could not be carried out, until there is another one.
    pub refusal: Option<Refusal>,
    /// The subscription as it was last read.
    pub subscription: Option<Subscription>,
    /// What follows from it for the organization.
    pub standing: Standing,
    /// What it wants to spend on usage beyond what is included in a month, if it wants to be warned of that.
    pub budget: Option<Money>,
    /// Of what usage has reached people were warned.
    pub warned: Warned,
    /// When to look at the latest; none when there is nothing to look at.
    pub look_at: Option<Timestamp>,
    /// When the provider was last asked, with success.
    pub looked_at: Option<Timestamp>,
    /// How often in a row the provider could not be asked.
    pub failures: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}

impl BillingAccount {
    /// The account of an organization that never bought anything.
    #[must_use]
    pub const fn new(organization_id: OrganizationId, now: Timestamp) -> Self {
        Self {
            organization_id,
            customer_id: None,
            order: None,
            refusal: None,
            subscription: None,
            standing: Standing::Good,
            budget: None,
            warned: Warned::nothing(),
            look_at: None,
            looked_at: None,
            failures: 0,
            created_at: now,
            updated_at: now,
            version: Version::FIRST,
        }
    }

    /// The subscription, unless it is over.
    #[must_use]
    pub fn live_subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref().filter(|subscription| subscription.state.is_live())
    }
}

/// The provider's name for a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CustomerId(pub String);

/// Something that an organization wants of its subscription. Its id makes repeated calls harmless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which order.
    pub id: OrderId,
    /// What is wanted.
    pub wish: Wish,
    /// Who asked.
    pub asked_by: UserId,
    /// When.
    pub asked_at: Timestamp,
}

/// What an order is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Wish {
    /// To be on a plan, paid in this rhythm. An end that was asked for before is taken back.
    Subscribe {
        /// The plan.
        plan_id: PlanId,
        /// How often to pay.
        interval: Interval,
        /// The coupon to redeem, by the provider's name for it.
        coupon: Option<String>,
    },
    /// To end, now or when what was paid for is over.
    Cancel {
        /// Whether it goes on until what was paid for is over.
        at_period_end: bool,
    },
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which order.
    pub order_id: OrderId,
    /// Why.
    pub reason: RefusalReason,
    /// Why, for people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The bank said no, or wants to hear from the customer first.
    PaymentFailed,
    /// There is no way to pay.
    NoPaymentMethod,
    /// The order itself makes no sense to the provider.
    OrderRefused,
}

words!(RefusalReason {
    PaymentFailed = "payment_failed",
    NoPaymentMethod = "no_payment_method",
    OrderRefused = "order_refused",
} else UnknownRefusalReason = "no reason to refuse an order");

/// A customer's standing order with the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The provider's name for it.
    pub id: String,
    /// The plan that is paid for.
    pub plan_id: PlanId,
    /// How often it is paid.
    pub interval: Interval,
    /// What is paid for beyond what is included.
    pub extras: Extras,
    /// How it stands.
    pub state: SubscriptionState,
    /// When the paid period ends.
    pub current_period_end: Timestamp,
    /// Whether it ends then.
    pub cancel_at_period_end: bool,
    /// Until when nothing is charged, if it began with a trial.
    pub trial_end: Option<Timestamp>,
    /// Whether a change waits until the customer has confirmed its payment with their bank.
    #[serde(default)]
    pub awaits_confirmation: bool,
}

/// How often a subscription is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

impl Interval {
    /// How many months it has.
    #[must_use]
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Year => 12,
        }
    }
}

words!(Interval { Month = "month", Year = "year" } else UnknownInterval = "must be month or year");

/// How many of each thing are paid for beyond those included; none where the plan does not charge for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Workspaces.
    pub workspaces: Option<u32>,
    /// Nodes that workspaces have to themselves.
    pub nodes: Option<u32>,
}

/// How a subscription stands, in the provider's words
/// (<https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// The first payment has not been made yet.
    Incomplete,
    /// The first payment was never made, and will not be.
    IncompleteExpired,
    /// Nothing is charged yet.
    Trialing,
    /// It is paid.
    Active,
    /// A payment failed; the provider keeps trying.
    PastDue,
    /// A payment failed, and the provider has given up on it.
    Unpaid,
    /// A trial ended without a way to pay.
    Paused,
    /// It is over.
    Canceled,
}

words!(SubscriptionState {
    Incomplete = "incomplete",
    IncompleteExpired = "incomplete_expired",
    Trialing = "trialing",
    Active = "active",
    PastDue = "past_due",
    Unpaid = "unpaid",
    Paused = "paused",
    Canceled = "canceled",
} else UnknownSubscriptionState = "no state of a subscription");

impl SubscriptionState {
    /// Whether it is not over.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Whether its plan is the organization's to use.
    #[must_use]
    pub const fn gives_plan(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue | Self::Unpaid | Self::Paused)
    }

    /// Whether money is missing.
    #[must_use]
    pub const fn owes(self) -> bool {
        matches!(self, Self::PastDue | Self::Unpaid | Self::Paused)
    }
}

/// What an organization's payments mean for what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Standing {
    /// Nothing is owed.
    Good,
    /// A payment is missing. Everything goes on for now.
    Grace {
        /// Since when that is known, and the organization was told.
        since: Timestamp,
        /// When its workspaces are put to sleep unless it is paid.
        until: Timestamp,
        /// Whether it was reminded.
        reminded: bool,
    },
    /// The grace is over: its workspaces sleep until it is paid.
    Suspended {
        /// Since when.
        since: Timestamp,
    },
}

/// That the provider told something, kept so that it is taken in once and not lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The provider's name for it.
    pub id: String,
    /// What kind: `invoice.paid`.
    pub kind: String,
    /// Whom it is about.
    pub customer_id: CustomerId,
    /// When it came.
    pub received_at: Timestamp,
    /// When somebody was made to look at the account.
    pub heard_at: Option<Timestamp>,
}
