mod ledger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    BillingKey, BillingProvider, DesiredSubscription, Invoice, NewCustomer, PaymentMethod, SetupIntent,
    UsageEvent, WebhookEndpoint, WebhookHint,
};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{CustomerId, Hour, Meter, Money, Plan, Subscription};
use crate::plans::CurrentPlans;
use ledger::{GOOD_CARD, Ledger, draft_invoice};

/// In-memory [`BillingProvider`] that charges no money. It keeps subscriptions, invoices and usage as a payment
/// provider does, by the platform's clock, so that dependent components can be run. Its payment methods are
/// `pm_card_visa`, whose payments succeed, and `pm_card_chargeCustomerFail`, whose payments are declined.
#[derive(Debug)]
pub struct MemoryBilling {
    clock: Arc<dyn Clock>,
    plans: CurrentPlans,
    ledgers: Mutex<BTreeMap<CustomerId, Ledger>>,
}

impl MemoryBilling {
    /// Location of webhooks: that of the provider of the reference server, so that the API is the same without it.
    pub const WEBHOOKS: WebhookEndpoint =
        WebhookEndpoint::from_static("/webhooks/stripe", "stripe-signature");

    /// Creates a provider that sells these plans.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, plans: impl Into<CurrentPlans>) -> Self {
        Self { clock, plans: plans.into(), ledgers: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CustomerId, Ledger>> {
        // Each change is complete before anything can panic, so a poisoned lock guards valid state.
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the ledger of a customer up to date, and runs `work` on it.
    fn with<T>(
        &self,
        customer: &CustomerId,
        work: impl FnOnce(&mut Ledger, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let now = self.clock.now();
        let mut ledgers = self.lock();
        let ledger = ledgers.get_mut(customer).ok_or_else(|| Error::not_found("customer"))?;
        ledger.catch_up(now);
        work(ledger, now)
    }

    fn plan(&self, desired: &DesiredSubscription) -> Result<(Plan, Money)> {
        let unknown = || {
            Error::unavailable("the plan is not for sale in this billing interval")
                .with("plan", &desired.plan_id)
        };
        let plans = self.plans.get();
        let plan = plans.find(&desired.plan_id).ok_or_else(unknown)?;
        let price = plan.price.and_then(|price| price.per(desired.interval)).ok_or_else(unknown)?;
        Ok((plan.clone(), price))
    }
}

#[async_trait]
impl BillingProvider for MemoryBilling {
    async fn ensure_customer(&self, customer: &NewCustomer, _: &BillingKey) -> Result<CustomerId> {
        let id = CustomerId(format!("cus_{}", customer.organization_id));
        let ledger = || Ledger::of(id.0.clone());
        self.lock().entry(id.clone()).or_insert_with(ledger);
        Ok(id)
    }

    async fn checkout_url(&self, customer: &CustomerId, return_to: &str, key: &BillingKey) -> Result<String> {
        // The page has no form: the payment method is attached at once.
        self.with(customer, |ledger, _| ledger.attach(GOOD_CARD, &key.0).map(|_| return_to.to_owned()))
    }

    async fn portal_url(&self, customer: &CustomerId, return_to: &str, _: &BillingKey) -> Result<String> {
        self.with(customer, |_, _| Ok(return_to.to_owned()))
    }

    async fn setup_intent(&self, customer: &CustomerId, key: &BillingKey) -> Result<SetupIntent> {
        let id = format!("seti_{}", key.0.replace(['/', '-'], "_"));
        self.with(customer, |_, _| Ok(SetupIntent { client_secret: Some(format!("{id}_secret")), id }))
    }

    async fn list_payment_methods(&self, customer: &CustomerId) -> Result<Vec<PaymentMethod>> {
        self.with(customer, |ledger, _| {
            let mut methods = ledger.methods.clone();
            methods.sort_by_key(|method| !method.is_default);
            Ok(methods)
        })
    }

    async fn attach_payment_method(
        &self,
        customer: &CustomerId,
        method: &str,
        key: &BillingKey,
    ) -> Result<PaymentMethod> {
        self.with(customer, |ledger, _| ledger.attach(method, &key.0))
    }

    async fn choose_payment_method(&self, customer: &CustomerId, method: &str, _: &BillingKey) -> Result<()> {
        self.with(customer, |ledger, _| {
            ledger.position(method)?;
            for known in &mut ledger.methods {
                known.is_default = known.id == method;
            }
            ledger.retry_open_invoices();
            Ok(())
        })
    }

    async fn detach_payment_method(&self, customer: &CustomerId, method: &str, _: &BillingKey) -> Result<()> {
        self.with(customer, |ledger, _| {
            let index = ledger.position(method)?;
            ledger.methods.remove(index);
            Ok(())
        })
    }

    async fn subscribe(
        &self,
        customer: &CustomerId,
        desired: &DesiredSubscription,
        _: &BillingKey,
    ) -> Result<Subscription> {
        let (plan, _) = self.plan(desired)?;
        self.with(customer, |ledger, now| {
            let mut changed = ledger.clone();
            let subscription = changed.subscribe(plan, desired, now)?;
            *ledger = changed;
            Ok(subscription)
        })
    }

    async fn preview(&self, customer: &CustomerId, desired: &DesiredSubscription) -> Result<Invoice> {
        let (plan, price) = self.plan(desired)?;
        self.with(customer, |ledger, now| {
            let mut changed = ledger.clone();
            let invoices = changed.invoices.len();
            if !changed.methods.iter().any(|method| method.is_default) {
                changed.attach(GOOD_CARD, "preview")?;
            }
            changed.subscribe(plan, desired, now)?;
            Ok(match changed.invoices.get(invoices) {
                Some(invoice) => Invoice { id: String::new(), number: None, ..invoice.clone() },
                None => changed.upcoming(now).unwrap_or_else(|| draft_invoice(Vec::new(), price, now)),
            })
        })
    }

    async fn find_subscription(&self, customer: &CustomerId) -> Result<Option<Subscription>> {
        self.with(customer, |ledger, _| {
            Ok(ledger.subscription.as_ref().map(|priced| priced.subscription.clone()))
        })
    }

    async fn pending_payment(&self, _: &CustomerId) -> Result<Option<String>> {
        Ok(None)
    }

    async fn cancel(&self, customer: &CustomerId, at_period_end: bool, _: &BillingKey) -> Result<()> {
        self.with(customer, |ledger, now| {
            ledger.cancel(at_period_end, now);
            Ok(())
        })
    }

    async fn list_invoices(
        &self,
        customer: &CustomerId,
        limit: usize,
        after: Option<String>,
    ) -> Result<Vec<Invoice>> {
        self.with(customer, |ledger, _| {
            let newest_first = ledger.invoices.iter().rev();
            let skip = match after {
                None => 0,
                Some(after) => {
                    ledger.invoices.iter().rev().position(|it| it.id == after).map_or(0, |at| at + 1)
                }
            };
            Ok(newest_first.skip(skip).take(limit).cloned().collect())
        })
    }

    async fn find_invoice(&self, customer: &CustomerId, id: &str) -> Result<Option<Invoice>> {
        self.with(customer, |ledger, _| Ok(ledger.invoices.iter().find(|invoice| invoice.id == id).cloned()))
    }

    async fn upcoming_invoice(&self, customer: &CustomerId) -> Result<Option<Invoice>> {
        self.with(customer, |ledger, now| Ok(ledger.upcoming(now)))
    }

    async fn report_usage(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()> {
        self.with(customer, |ledger, _| {
            ledger.usage.insert((event.meter, event.hour), (event.at, event.amount));
            Ok(())
        })
    }

    async fn reported_usage(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64> {
        self.with(customer, |ledger, _| {
            let reported = ledger.usage.range((meter, from)..(meter, until));
            Ok(reported.map(|(_, (_, amount))| amount).sum())
        })
    }

    fn webhook_endpoint(&self) -> Option<WebhookEndpoint> {
        Some(Self::WEBHOOKS)
    }

    fn verify_webhook(&self, _: &[u8], _: &str, _: Timestamp) -> Result<WebhookHint> {
        Err(Error::unauthenticated("webhooks require a payment provider; none is configured"))
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}
