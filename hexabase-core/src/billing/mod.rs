//! Extension point for payments, and the billing decisions of the platform.
//!
//! A [`BillingProvider`] has customers, payment methods and subscriptions; [`MemoryBilling`] is an implementation that
//! charges no money. A requested change of a subscription is stored as an order in the organization's billing account.
//! The next reconcile of the account executes it: as part of the request itself, of a worker after a webhook, or of
//! the periodic resync. [`decide`] derives the new state of the account from the snapshot that the reconcile reads.

mod decide;
mod memory;
mod webhook_endpoint;

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use decide::covers;
pub use decide::{BillingDecision, BillingInput, Notice, OrderOutcome, ProviderSnapshot, decide};
pub use memory::MemoryBilling;
pub use webhook_endpoint::WebhookEndpoint;

use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{
    AddOns, CustomerId, Hour, Interval, Meter, Money, OrderRejectionReason, Plan, Subscription, UnitPrice,
    Workspace, string_enum,
};
use crate::name::{DisplayName, Email, PlanId};

/// Payment provider: customers, payment methods, subscriptions and invoices.
///
/// Every call with an effect takes a [`BillingKey`] derived from the platform's own record, so that a repeated call
/// cannot charge twice. A webhook is only a hint: the object is read again.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait BillingProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the customer of an organization; creates it if there is none.
    ///
    /// # Behaviour
    /// - Repeated calls for one organization return the same customer.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ensure_customer(&self, customer: &NewCustomer, key: &BillingKey) -> Result<CustomerId>;

    /// Returns the URL of a page of the provider on which a customer enters a payment method.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn checkout_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String>;

    /// Returns the URL of a page of the provider on which a customer manages payment methods and invoices.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn portal_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String>;

    /// Creates the credentials with which a browser sends a payment method to the provider directly, without passing
    /// it through the platform.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn setup_intent(&self, customer: &CustomerId, key: &BillingKey) -> Result<SetupIntent>;

    /// Lists the payment methods of a customer, the default one first.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>>;

    /// Attaches a payment method that was entered with the provider to a customer.
    ///
    /// # Behaviour
    /// - The first payment method becomes the default.
    ///
    /// # Errors
    /// - `Invalid` for a payment method that does not exist, that belongs to another customer, or that the provider
    ///   does not accept.
    /// - `NotFound` for an unknown customer, `Unavailable`.
    async fn attach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<PaymentMethod>;

    /// Makes one of the customer's payment methods the default.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, or a payment method of another customer; `Unavailable`.
    async fn choose_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()>;

    /// Detaches a payment method from a customer.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, or a payment method of another customer; `Unavailable`.
    async fn detach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<()>;

    /// Creates the subscription of a customer, or changes it to the desired one.
    ///
    /// # Behaviour
    /// - A customer never has two subscriptions, and a subscription never has two items for the same price.
    /// - A call without a change charges nothing.
    /// - A scheduled cancellation is taken back.
    /// - A subscription that stays on its plan keeps the price it began with.
    /// - The higher price of a larger plan is charged at once for the rest of the period; the lower price of a smaller
    ///   plan is credited to the next invoice.
    /// - A change whose payment fails does not take effect.
    ///
    /// # Errors
    /// - `Conflict` with code `no_payment_method` or `payment_failed`.
    /// - `Invalid` for a coupon that cannot be redeemed.
    /// - `NotFound` for an unknown customer, `Unavailable` also for a plan unknown to the provider.
    async fn subscribe(
        &self,
        customer: &CustomerId,
        desired: &DesiredSubscription,
        key: &BillingKey,
    ) -> Result<Subscription>;

    /// Returns the invoice that would follow from changing the subscription to the desired one. Changes nothing.
    ///
    /// # Errors
    /// Same as [`Self::subscribe`].
    async fn preview(&self, customer: &CustomerId, desired: &DesiredSubscription) -> Result<Invoice>;

    /// Reads the subscription of a customer from the provider: the live one, or else the newest.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>>;

    /// Returns the client secret with which a browser confirms a payment of the subscription that the customer's bank
    /// asks to confirm (<https://docs.stripe.com/payments/3d-secure>); `None` if no payment waits for confirmation.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn pending_payment(&self, customer: &CustomerId) -> Result<Option<String>>;

    /// Cancels a subscription, at once or at the end of the paid period.
    ///
    /// # Behaviour
    /// - Reported usage beyond the plan's included amount is charged with a last invoice, also at once. The rest of the
    ///   paid period is not refunded.
    /// - A subscription that has ended, or never existed, is not an error.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn cancel(&self, customer: &CustomerId, at_period_end: bool, key: &BillingKey) -> Result<()>;

    /// Lists the invoices of a customer, newest first, at most `limit`, starting after the invoice with id `after`.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn list_invoices(
        &self,
        customer: &CustomerId,
        limit: usize,
        after: Option<String>,
    ) -> Result<Vec<Invoice>>;

    /// Returns one of the customer's invoices; `None` if the customer has no such invoice.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_invoice(&self, customer: &CustomerId, id: &str) -> Result<Option<Invoice>>;

    /// Returns the next invoice; `None` without a subscription that continues.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable`.
    async fn upcoming_invoice(&self, customer: &CustomerId) -> Result<Option<Invoice>>;

    /// Reports the total amount that a customer used of one meter in one hour.
    ///
    /// # Behaviour
    /// - A report replaces earlier reports of the same hour.
    /// - A repeated report changes nothing.
    /// - Usage beyond the plan's included amount is charged at the end of the paid period.
    ///
    /// # Errors
    /// `NotFound` for an unknown customer, `Unavailable` also for a meter unknown to the provider.
    async fn report_usage(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()>;

    /// Returns the amount that the provider has on record for a customer's use of one meter, from the hour `from`
    /// until before the hour `until`, in thousandths of the meter's unit. The provider may need some minutes to count
    /// a report.
    ///
    /// # Errors
    /// Same as [`Self::report_usage`].
    async fn reported_usage(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64>;

    /// Returns the location of the provider's webhooks, at which the API accepts them; `None` for a provider that sends
    /// none.
    ///
    /// # Behaviour
    /// - The endpoint never changes while the process runs.
    fn webhook_endpoint(&self) -> Option<WebhookEndpoint>;

    /// Verifies the signature of a webhook, and returns its subject. `signature` is the value of the header that
    /// [`Self::webhook_endpoint`] names, and empty without the header.
    ///
    /// # Behaviour
    /// - Each signature in the header is checked against each secret, in constant time.
    /// - A webhook without a signature is rejected.
    ///
    /// # Errors
    /// `Unauthenticated` if no signature matches or the timestamp is out of tolerance, `Invalid` for a malformed body.
    fn verify_webhook(&self, body: &[u8], signature: &str, now: Timestamp) -> Result<WebhookHint>;

    /// Name of the implementation, for operators.
    fn name(&self) -> &'static str;
}

/// Idempotency key of a provider call. Derived from the platform's own record, and the same for every retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BillingKey(pub String);

/// Organization to register as a customer.
#[derive(Debug, Clone)]
pub struct NewCustomer {
    /// Organization that pays.
    pub organization_id: OrganizationId,
    /// Name on invoices.
    pub name: DisplayName,
    /// Recipient of invoices.
    pub email: Option<Email>,
}

/// Number of items of an organization that plans charge for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billable {
    /// Number of workspaces.
    pub workspaces: u32,
    /// Number of dedicated nodes, as requested.
    pub nodes: u32,
}

impl Billable {
    /// Counts the items in the workspaces of one organization.
    #[must_use]
    pub fn of(workspaces: &[Workspace]) -> Self {
        let pools = workspaces.iter().flat_map(|workspace| &workspace.node_pools);
        Self {
            workspaces: u32::try_from(workspaces.len()).unwrap_or(u32::MAX),
            nodes: pools.fold(0, |sum, pool| u32::saturating_add(sum, u32::from(pool.nodes))),
        }
    }
}

/// Desired subscription of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredSubscription {
    /// Plan.
    pub plan_id: PlanId,
    /// Billing interval.
    pub interval: Interval,
    /// Quantities beyond those that the plan includes.
    pub add_ons: AddOns,
    /// Meters charged by use. Applies to new subscriptions to the plan; existing ones keep theirs.
    pub meters: Vec<Meter>,
    /// Coupon to redeem, by the provider's id.
    pub coupon: Option<String>,
    /// Length of the trial in days; 0 for none. Applies only to a customer's first subscription.
    pub trial_days: u32,
}

impl DesiredSubscription {
    /// Desired subscription to a plan for an organization with these items.
    #[must_use]
    pub fn of(plan: &Plan, interval: Interval, existing: Billable) -> Self {
        let add_on = |price: Option<UnitPrice>, existing: u32| {
            price.map(|price| existing.saturating_sub(price.included))
        };
        let price = plan.price;
        Self {
            plan_id: plan.id.clone(),
            interval,
            add_ons: AddOns {
                workspaces: add_on(price.and_then(|price| price.workspace), existing.workspaces),
                nodes: add_on(price.and_then(|price| price.node), existing.nodes),
            },
            meters: price.map(|price| price.meters()).unwrap_or_default(),
            coupon: None,
            trial_days: plan.price.map_or(0, |price| price.trial_days),
        }
    }

    /// `true` if a subscription is already the desired one. Coupons and trials apply at its start only and are not
    /// compared.
    #[must_use]
    pub fn is_met_by(&self, subscription: &Subscription) -> bool {
        subscription.state.is_live()
            && !subscription.cancel_at_period_end
            && subscription.plan_id == self.plan_id
            && subscription.interval == self.interval
            && subscription.add_ons == self.add_ons
    }
}

/// Usage of one meter by a customer in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// Identifier of the event, at most 100 characters: the same for every retry, and never used for another event.
    pub identifier: String,
    /// Meter that was used.
    pub meter: Meter,
    /// Hour of the usage.
    pub hour: Hour,
    /// Time within the hour at which the whole amount is reported. Decides the paid period of the hour; later for each
    /// further report of the hour.
    pub at: Timestamp,
    /// Amount used, in thousandths of the meter's unit.
    pub amount: u64,
}

/// Credentials with which a browser enters a payment method with the provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupIntent {
    /// Id at the provider.
    pub id: String,
    /// Secret that the browser presents to the provider; `None` in the replay of an idempotent request, as it is not
    /// stored.
    #[serde(skip)]
    pub client_secret: Option<String>,
}

impl fmt::Debug for SetupIntent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SetupIntent").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Subject of a verified webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookHint {
    /// Id of the event at the provider; the same for every delivery.
    pub event_id: String,
    /// Event type, as in `invoice.paid`.
    pub kind: String,
    /// Customer whose account must be reconciled; `None` if the event is about no customer.
    pub customer: Option<CustomerId>,
}

/// Payment method of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// Id at the provider.
    pub id: String,
    /// Description for users, as in `visa •••• 4242`. Never a full card number.
    pub title: String,
    /// `true` if invoices are paid with it.
    pub is_default: bool,
}

/// Status of an invoice, in Stripe's terms
/// (<https://docs.stripe.com/invoicing/overview#invoice-statuses>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvoiceStatus {
    /// Preview, or not finalized yet.
    Draft,
    /// Finalized; the payment is pending.
    Open,
    /// Paid.
    Paid,
    /// Not paid, and unlikely to be paid.
    Uncollectible,
    /// Canceled after it was finalized.
    Void,
}

string_enum!(InvoiceStatus {
    Draft = "draft",
    Open = "open",
    Paid = "paid",
    Uncollectible = "uncollectible",
    Void = "void",
} else UnknownInvoiceStatus = "must be draft, open, paid, uncollectible or void");

/// Invoice of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// Id at the provider; empty for a preview.
    pub id: String,
    /// Invoice number; `None` before the invoice is finalized.
    pub number: Option<String>,
    /// Status of the invoice.
    pub status: InvoiceStatus,
    /// Sum of the lines, without taxes.
    pub subtotal: Money,
    /// Sum of the taxes.
    pub tax: Money,
    /// Sum including taxes; negative if the customer is credited.
    pub total: Money,
    /// Amount left to pay after the customer's credit is applied.
    pub amount_due: Money,
    /// Time of creation.
    pub created_at: Timestamp,
    /// URL of the invoice as PDF; `None` if there is none.
    pub pdf_url: Option<String>,
    /// Lines of the invoice.
    pub lines: Vec<InvoiceLine>,
}

/// Line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// Description for users.
    pub description: String,
    /// Quantity; for usage, in thousandths of the meter's unit.
    pub quantity: u64,
    /// Meter, if the line charges usage.
    pub meter: Option<Meter>,
    /// Amount of the line, without taxes.
    pub amount: Money,
    /// `true` if the line charges or credits a change within a period.
    pub proration: bool,
    /// Start of the charged period.
    pub period_start: Timestamp,
    /// End of the charged period.
    pub period_end: Timestamp,
}

/// Configuration of payments and dunning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillingConfig {
    /// `true` if paid plans require a subscription.
    pub required: bool,
    /// Grace period after a failed payment; workspaces are suspended when it ends.
    pub grace: Duration,
    /// Time before the end of the grace period at which the organization is reminded.
    pub reminder: Duration,
    /// Interval at which an account is reconciled with the provider without a webhook.
    pub resync: Duration,
}

impl Default for BillingConfig {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { required: false, grace: 14 * DAY, reminder: 3 * DAY, resync: DAY / 4 }
    }
}

/// Error for a change whose payment fails: `Conflict` with code `payment_failed`.
#[must_use]
pub fn payment_failed(message: impl Into<String>) -> Error {
    Error::conflict(OrderRejectionReason::PaymentFailed.as_str(), message)
}

/// Error for a change without a payment method: `Conflict` with code `no_payment_method`.
#[must_use]
pub fn no_payment_method() -> Error {
    let message = "the organization has no payment method; add one with POST payment-methods, or on the page from POST checkout";
    Error::conflict(OrderRejectionReason::NoPaymentMethod.as_str(), message)
}

/// Checks that one of an organization's payment methods can be removed.
///
/// # Errors
/// `Conflict` with code `last_payment_method` while there is a subscription to pay, or `default_payment_method` while
/// another payment method can become the default.
pub fn check_payment_method_removal(
    methods: &[PaymentMethod],
    method: &str,
    has_subscription: bool,
) -> Result<()> {
    if methods.len() == 1 && has_subscription {
        let message =
            "the last payment method is required while there is a subscription; add another one first";
        return Err(Error::conflict("last_payment_method", message));
    }
    if methods.len() > 1 && methods.iter().any(|known| known.id == method && known.is_default) {
        let message = "the default payment method cannot be removed; make another one the default first";
        return Err(Error::conflict("default_payment_method", message));
    }
    Ok(())
}
