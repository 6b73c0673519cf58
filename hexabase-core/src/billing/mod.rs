//! The seam to payments, and what follows from them.
//!
//! A [`BillingProvider`] has customers, their ways to pay and their subscriptions; [`MemoryBilling`] is one that takes
//! no money. What an organization wants is kept as an order beside the rest of the domain and carried out by whoever
//! looks at the account next: the request itself, a worker that was told by a webhook, or the one that comes by now
//! and then. [`settle`] decides what follows from what they see.

mod memory;
mod settle;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use memory::MemoryBilling;
pub(crate) use settle::covers;
pub use settle::{Books, Notice, Outcome, Settlement, Sight, settle};

use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{
    CustomerId, Extras, Hour, Interval, Meter, Money, Plan, RefusalReason, Subscription, UnitPrice, Workspace,
};
use crate::name::{DisplayName, Email, PlanId};

/// Takes money for plans: customers, ways to pay, subscriptions and invoices.
///
/// Every call that changes something takes a [`BillingKey`] made from our own record, so that a repeated call cannot
/// charge twice. What a webhook tells is only a hint: the object is read again.
#[async_trait]
pub trait BillingProvider: fmt::Debug + Send + Sync + 'static {
    /// The customer of an organization, made if there is none.
    ///
    /// # Behaviour
    /// - The same organization gives the same customer, however often it is asked for.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ensure_customer(&self, customer: &NewCustomer, key: &BillingKey) -> Result<CustomerId>;

    /// A page hosted by the provider where a customer enters a way to pay; answers its URL.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn checkout_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String>;

    /// A page hosted by the provider where a customer manages ways to pay and invoices; answers its URL.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn portal_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String>;

    /// What a browser needs to hand a way to pay to the provider without it passing through here.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn setup_intent(&self, customer: &CustomerId, key: &BillingKey) -> Result<SetupIntent>;

    /// The ways to pay that a customer has, the default one first.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>>;

    /// Gives a customer a way to pay that was entered with the provider.
    ///
    /// # Behaviour
    /// - The first one is the default.
    ///
    /// # Errors
    /// - `Invalid` for one that there is not, that is somebody else's, or that the provider does not accept.
    /// - `NotFound` for an unknown customer, `Unavailable`.
    async fn attach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<PaymentMethod>;

    /// Makes one of the customer's ways to pay the default.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer and for what is not theirs, `Unavailable`.
    async fn choose_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()>;

    /// Takes a way to pay from a customer.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer and for what is not theirs, `Unavailable`.
    async fn detach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()>;

    /// Subscribes a customer, or makes their one subscription what is wanted.
    ///
    /// # Behaviour
    /// - A customer never has two subscriptions, and a subscription never has two items for one thing.
    /// - Asking for what is so already charges nothing.
    /// - A subscription that was to end goes on.
    /// - Whoever stays on a plan stays on the price that they began with.
    /// - What a larger plan costs more for the rest of the period is charged at once; what a smaller one costs less is
    ///   taken off the next invoice.
    /// - A change that cannot be paid does not happen.
    ///
    /// # Errors
    /// - `Conflict` with code `no_payment_method` or `payment_failed`.
    /// - `Invalid` for a coupon that cannot be redeemed.
    /// - `NotFound` for an unknown customer, `Unavailable` also for a plan that the provider does not know.
    async fn subscribe(
        &self,
        customer: &CustomerId,
        wanted: &Wanted,
        key: &BillingKey,
    ) -> Result<Subscription>;

    /// The invoice that would follow if the subscription were what is wanted. Changes nothing.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    async fn preview(&self, customer: &CustomerId, wanted: &Wanted) -> Result<Invoice>;

    /// The subscription of a customer, read from the provider: the one that is not over, or else the newest.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>>;

    /// What a browser needs to confirm a payment of the subscription for which the bank waits for the customer
    /// (<https://docs.stripe.com/payments/3d-secure>); none when it waits for nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn pending_payment(&self, customer: &CustomerId) -> Result<Option<String>>;

    /// Ends a subscription, now or when the paid period is over.
    ///
    /// # Behaviour
    /// - Ending what has ended, or what never was, is not an error.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn cancel(&self, customer: &CustomerId, at_period_end: bool, key: &BillingKey) -> Result<()>;

    /// The invoices of a customer, newest first, at most `limit`, after the one named.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn list_invoices(
        &self,
        customer: &CustomerId,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Vec<Invoice>>;

    /// One of the customer's invoices.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_invoice(&self, customer: &CustomerId, id: &str) -> Result<Option<Invoice>>;

    /// The invoice that comes next; none without a subscription that goes on.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn upcoming_invoice(&self, customer: &CustomerId) -> Result<Option<Invoice>>;

    /// Tells how much a customer used of something in an hour: all of it.
    ///
    /// # Behaviour
    /// - What is told of an hour takes the place of what was told of it before.
    /// - Telling the same again changes nothing.
    /// - What is beyond what the plan includes is charged when the paid period ends.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable` also for a meter that the provider does not know.
    async fn report_usage(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()>;

    /// How much a customer used of something from an hour on until before another, as the provider has it, in
    /// thousandths of the meter's unit. The provider may need some minutes to count what it was told.
    ///
    /// # Errors
    /// As [`Self::report_usage`].
    async fn reported_usage(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64>;

    /// Whether a webhook comes from the provider, and what it is about.
    ///
    /// # Behaviour
    /// - Every signature in the header is tried against every secret, in constant time.
    ///
    /// # Errors
    /// `Unauthenticated` when no signature fits or the time is out of tolerance, `Invalid` for a body that makes no
    /// sense.
    fn verify_webhook(&self, body: &[u8], signature: &str, now: Timestamp) -> Result<WebhookHint>;

    /// What it is called, for operators.
    fn name(&self) -> &'static str;
}

/// What makes a repeated call harmless. Made from our own record, the same for every retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingKey(pub String);

/// Who is to become a customer.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// The organization that pays.
    pub organization_id: OrganizationId,
    /// The name on invoices.
    pub name: DisplayName,
    /// Where invoices go.
    pub email: Option<Email>,
}

/// What there is in an organization that plans charge for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billable {
    /// Workspaces.
    pub workspaces: u32,
    /// Nodes that workspaces have to themselves, as they were asked for.
    pub nodes: u32,
}

impl Billable {
    /// What there is in these workspaces of one organization.
    #[must_use]
    pub fn of(workspaces: &[Workspace]) -> Self {
        let pools = workspaces.iter().flat_map(|workspace| &workspace.node_pools);
        Self {
            workspaces: u32::try_from(workspaces.len()).unwrap_or(u32::MAX),
            nodes: pools.fold(0, |sum, pool| u32::saturating_add(sum, u32::from(pool.nodes))),
        }
    }
}

/// What a customer's subscription should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The plan.
    pub plan_id: PlanId,
    /// How often it is paid.
    pub interval: Interval,
    /// What to pay for beyond what is included.
    pub extras: Extras,
    /// What to charge for as it is used, for whoever begins with the plan: whoever stays on it goes on as they began.
    pub meters: Vec<Meter>,
    /// The coupon to redeem.
    pub coupon: Option<String>,
    /// For how many days nothing is charged, for whoever had no subscription before.
    pub trial_days: u32,
}

impl Wanted {
    /// What a subscription to this plan is for an organization with so much in it.
    #[must_use]
    pub fn of(plan: &Plan, interval: Interval, there: Billable) -> Self {
        let extra =
            |price: Option<UnitPrice>, there: u32| price.map(|price| there.saturating_sub(price.included));
        let price = plan.price;
        Self {
            plan_id: plan.id.clone(),
            interval,
            extras: Extras {
                workspaces: extra(price.and_then(|price| price.workspace), there.workspaces),
                nodes: extra(price.and_then(|price| price.node), there.nodes),
            },
            meters: price.map(|price| price.meters()).unwrap_or_default(),
            coupon: None,
            trial_days: plan.price.map_or(0, |price| price.trial_days),
        }
    }

    /// Whether a subscription is this already. Coupons and trials belong to its beginning and are not looked at.
    #[must_use]
    pub fn is_met_by(&self, subscription: &Subscription) -> bool {
        subscription.state.is_live()
            && !subscription.cancel_at_period_end
            && subscription.plan_id == self.plan_id
            && subscription.interval == self.interval
            && subscription.extras == self.extras
    }
}

/// That a customer used so much of something in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// A name for it, the same for every retry and never used for anything else. At most 100 characters.
    pub identifier: String,
    /// Of what.
    pub meter: Meter,
    /// In which hour.
    pub hour: Hour,
    /// Which moment of the hour stands for all of it. It decides to which paid period the hour belongs, and is later for
    /// whatever is told later.
    pub at: Timestamp,
    /// How much, in thousandths of the meter's unit.
    pub amount: u64,
}

/// What a browser needs to enter a way to pay with the provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupIntent {
    /// The provider's name for it.
    pub id: String,
    /// What the browser shows the provider.
    pub client_secret: String,
}

impl fmt::Debug for SetupIntent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SetupIntent").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a webhook is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHint {
    /// The provider's name for the event; the same for every delivery.
    pub event_id: String,
    /// What kind: `invoice.paid`.
    pub kind: String,
    /// The customer to look at, if it is about one.
    pub customer: Option<CustomerId>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// The provider's name for it.
    pub id: String,
    /// What it is, for people: `visa •••• 4242`. Never a full number.
    pub title: String,
    /// Whether invoices are paid with it.
    pub is_default: bool,
}

/// What a customer was or will be charged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The provider's name for it; empty for one that is only foreseen.
    pub id: String,
    /// The number on it, once it has one.
    pub number: Option<String>,
    /// How it stands, in the provider's words: `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: String,
    /// What is on it together, without taxes.
    pub subtotal: Money,
    /// The taxes.
    pub tax: Money,
    /// What it comes to; below nothing when something is owed to the customer.
    pub total: Money,
    /// What there is to pay of it after what the customer had in credit.
    pub amount_due: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it can be fetched as PDF.
    pub pdf_url: Option<String>,
    /// What it is made of.
    pub lines: Vec<InvoiceLine>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// What it is for.
    pub description: String,
    /// How many; of usage, how many thousandths of the meter's unit.
    pub quantity: u64,
    /// What was used, if it is for usage.
    pub meter: Option<Meter>,
    /// How much together, without taxes.
    pub amount: Money,
    /// Whether it makes up for a change within a period.
    pub proration: bool,
    /// From when it is for.
    pub period_start: Timestamp,
    /// Until when.
    pub period_end: Timestamp,
}

/// How patient Hexabase is with whoever does not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Whether plans that cost something are only for those who pay for them.
    pub required: bool,
    /// How long everything goes on after a payment failed.
    pub grace: Duration,
    /// How long before the end of that to remind.
    pub reminder: Duration,
    /// How often to compare with the provider what no webhook told of.
    pub resync: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { required: false, grace: 14 * DAY, reminder: 3 * DAY, resync: DAY / 4 }
    }
}

/// A change that cannot be paid.
#[must_use]
pub fn payment_failed(message: impl Into<String>) -> Error {
    Error::conflict(RefusalReason::PaymentFailed.as_str(), message)
}

/// A change for somebody without a way to pay.
#[must_use]
pub fn no_payment_method() -> Error {
    let message =
        "there is no way to pay; add one with POST payment-methods, or at the page that POST checkout names";
    Error::conflict(RefusalReason::NoPaymentMethod.as_str(), message)
}
