//! The seam to payments.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::OrganizationId;
use crate::model::Money;
use crate::name::{DisplayName, Email, PlanId};

/// Takes money for plans: customers, payment methods, subscriptions, invoices and usage.
///
/// Every call that changes something takes an idempotency key made from our own record, so that a repeated
/// call cannot charge twice. What a webhook tells is only a hint: the object is read again.
#[async_trait]
pub trait BillingProvider: fmt::Debug + Send + Sync + 'static {
    /// The customer of an organization, made if there is none.
    ///
    /// # Behaviour
    /// - The same key gives the same customer, however often it is asked for.
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

    /// Subscribes a customer to a plan, or moves their one subscription to it.
    ///
    /// # Behaviour
    /// - A customer never has two subscriptions, and a subscription never has two items for the plan.
    ///
    /// # Errors
    /// `Conflict` when the customer has no way to pay, `NotFound` for an unknown customer or plan,
    /// `Unavailable`.
    async fn subscribe(&self, customer: &CustomerId, plan: &PlanId, key: &BillingKey)
    -> Result<Subscription>;

    /// The subscription of a customer, read from the provider.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>>;

    /// Ends a subscription, now or when the paid period is over.
    ///
    /// # Behaviour
    /// - Ending what has ended is not an error.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn cancel(
        &self,
        customer: &CustomerId,
        at_period_end: bool,
        key: &BillingKey,
    ) -> Result<Subscription>;

    /// The ways to pay that a customer has, the default one first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>>;

    /// The newest invoices of a customer, newest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_invoices(&self, customer: &CustomerId, limit: usize) -> Result<Vec<Invoice>>;

    /// Reports usage. The key makes every report count once.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn report_usage(&self, usage: &MeteredUsage, key: &BillingKey) -> Result<()>;

    /// Whether a webhook comes from the provider, and which object it is about.
    ///
    /// # Behaviour
    /// - Every signature in the header is tried against every secret, in constant time.
    ///
    /// # Errors
    /// `Unauthenticated` when no signature fits or the time is out of tolerance.
    fn verify_webhook(&self, body: &[u8], signature: &str, now: Timestamp) -> Result<WebhookHint>;
}

/// The provider's name for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerId(pub String);

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
    pub email: Email,
}

/// A customer's standing order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The plan that is paid for.
    pub plan_id: PlanId,
    /// How it stands.
    pub state: SubscriptionState,
    /// When the paid period ends.
    pub current_period_end: Timestamp,
    /// Whether it ends then.
    pub cancel_at_period_end: bool,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// Nothing is charged yet.
    Trialing,
    /// It is paid.
    Active,
    /// A payment failed; the provider keeps trying.
    PastDue,
    /// It is over.
    Canceled,
}

/// What was used of something that is paid by use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredUsage {
    /// Who used it.
    pub customer: CustomerId,
    /// What was used: the name of a meter.
    pub meter: String,
    /// How much, in the meter's unit.
    pub amount: u64,
    /// When.
    pub at: Timestamp,
}

/// What a webhook is about. It only means that the object should be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHint {
    /// The provider's id of the event; it is dealt with once.
    pub event_id: String,
    /// What happened, in the provider's words.
    pub kind: String,
    /// The customer concerned.
    pub customer: Option<CustomerId>,
}

/// A way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentMethod {
    /// The provider's name for it.
    pub id: String,
    /// What it is, for people: `visa •••• 4242`. Never a full number.
    pub title: String,
    /// Whether invoices are paid with it.
    pub is_default: bool,
}

/// What a customer was charged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The provider's name for it.
    pub id: String,
    /// How much.
    pub total: Money,
    /// Whether it was paid.
    pub paid: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is made of, each with its price.
    pub lines: Vec<(String, Money)>,
}
