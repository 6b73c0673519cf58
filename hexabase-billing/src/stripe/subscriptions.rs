//! Subscriptions: each customer has one, which is created, changed and found here.

use hexabase_core::billing::{BillingKey, DesiredSubscription};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Meter, SubscriptionState};

use super::StripeBilling;
use super::client::Form;
use super::components::{BASE, NODE, WORKSPACE, lookup_key};
use super::error::StripeError;
use super::objects::{StripePrice, StripeSubscription};

impl StripeBilling {
    /// Returns the live subscription of a customer, or else the newest, of those for plans.
    pub(super) async fn current_subscription(
        &self,
        customer: &CustomerId,
    ) -> Result<Option<StripeSubscription>> {
        let query = Form::new()
            .with("customer", &customer.0)
            .with("status", "all")
            .with("expand[]", "data.latest_invoice.confirmation_secret");
        let all: Vec<StripeSubscription> = match self.client.list_all("subscriptions", &query).await {
            Err(error) if error.misses("customer") => return Ok(None),
            outcome => outcome?,
        };
        let mut for_plans = Vec::new();
        for subscription in all {
            if let Some(known) = subscription.subscription()? {
                for_plans.push((known.state.is_live(), subscription));
            }
        }
        let live = for_plans.iter().filter(|(live, _)| *live).count();
        if live > 1 {
            tracing::error!(
                customer = customer.0,
                live,
                "customer has several live subscriptions; cancel all but one"
            );
        }
        // Stripe lists the newest first. Of several live subscriptions, the oldest is the one that Hexabase created.
        let index = for_plans.iter().rposition(|(live, _)| *live).unwrap_or(0);
        Ok((!for_plans.is_empty()).then(|| for_plans.swap_remove(index).1))
    }

    /// Returns the items of the desired subscription. An item of the current subscription keeps its price unless the
    /// plan or the billing interval changes.
    pub(super) async fn desired_items(
        &self,
        current: Option<&StripeSubscription>,
        desired: &DesiredSubscription,
    ) -> Result<DesiredItems> {
        let known = current.map(StripeSubscription::subscription).transpose()?.flatten();
        let keeps_plan =
            known.is_some_and(|known| known.plan_id == desired.plan_id && known.interval == desired.interval);
        let key_of = |component| lookup_key(&desired.plan_id, component, desired.interval);
        let components = components(desired);
        let keys: Vec<String> = components.iter().map(|(component, _)| key_of(component)).collect();
        let prices = self.prices(&keys).await?;
        let mut items = Vec::new();
        for (component, quantity) in components {
            let current = current.and_then(|current| current.item(component));
            if quantity == Quantity::Absent {
                if let Some(item) = current {
                    let id = Some(item.id.clone());
                    items.push(DesiredItem { id, price: None, quantity, is_changed: true });
                }
                continue;
            }
            // A subscription that began before the plan charged the meter stays without it.
            if quantity == Quantity::Metered && keeps_plan && current.is_none() {
                continue;
            }
            let key = key_of(component);
            let price = match current.filter(|_| keeps_plan) {
                Some(item) => item.price.clone(),
                None => {
                    let found = prices.iter().find(|price| price.lookup_key.as_ref() == Some(&key)).cloned();
                    found.ok_or_else(|| unknown_price(&key))?
                }
            };
            let count = quantity.count();
            let same = current
                .is_some_and(|it| it.price.id == price.id && (count.is_none() || it.quantity == count));
            items.push(DesiredItem {
                id: current.map(|item| item.id.clone()),
                price: Some(price),
                quantity,
                is_changed: !same,
            });
        }
        Ok(DesiredItems { items, keeps_plan })
    }

    async fn create_subscription(
        &self,
        customer: &CustomerId,
        desired: &DesiredSubscription,
        is_first: bool,
        key: &BillingKey,
    ) -> Result<StripeSubscription, ChangeError> {
        let trial = desired.trial_days > 0 && is_first;
        if !trial {
            self.require_payment_method(customer, key).await?;
        }
        let items = self.desired_items(None, desired).await?;
        let mut form = Form::new()
            .with("customer", &customer.0)
            .and(items.form("items"))
            .and(discounts(desired))
            .and(expanded());
        if trial {
            form = form.with("trial_period_days", desired.trial_days);
        }
        if self.automatic_tax {
            form = form.with("automatic_tax[enabled]", true);
        }
        let strict = form.clone().with("payment_behavior", "error_if_incomplete");
        match self.client.post_once("subscriptions", &strict, &format!("{}/create", key.0)).await {
            // The subscription is created nevertheless, and is incomplete until the customer confirms the payment.
            Err(error) if error.requires_action() => {
                let incomplete = form.with("payment_behavior", "default_incomplete");
                Ok(self.client.post_once("subscriptions", &incomplete, &format!("{}/confirm", key.0)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    async fn update_subscription(
        &self,
        current: StripeSubscription,
        desired: &DesiredSubscription,
        key: &BillingKey,
    ) -> Result<StripeSubscription, ChangeError> {
        let path = format!("subscriptions/{}", current.id);
        let desired_items = self.desired_items(Some(&current), desired).await?;
        let renew = Form::new().with("cancel_at_period_end", false);
        if !desired_items.are_changed() {
            let form = renew.and(expanded());
            return Ok(self.client.post_once(&path, &form, &format!("{}/continue", key.0)).await?);
        }
        let items = desired_items.form("items").and(expanded());
        let mut form = items.clone().and(discounts(desired));
        if current.cancel_at_period_end {
            form = form.and(renew.clone());
        }
        if desired_items.keeps_plan || desired_items.amount_per_period() <= current.amount_per_period() {
            let form = form.with("proration_behavior", "create_prorations");
            return Ok(self.client.post_once(&path, &form, &format!("{}/update", key.0)).await?);
        }
        let strict =
            form.with("proration_behavior", "always_invoice").with("payment_behavior", "error_if_incomplete");
        match self.client.post_once(&path, &strict, &format!("{}/update", key.0)).await {
            // The update is pending until the customer confirms the payment. A pending update must not change
            // anything else (<https://docs.stripe.com/billing/subscriptions/pending-updates>).
            Err(error) if error.requires_action() => {
                if current.cancel_at_period_end {
                    let key = format!("{}/continue", key.0);
                    self.client.post_once::<StripeSubscription>(&path, &renew, &key).await?;
                }
                let pending = items
                    .with("proration_behavior", "always_invoice")
                    .with("payment_behavior", "pending_if_incomplete");
                Ok(self.client.post_once(&path, &pending, &format!("{}/confirm", key.0)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Creates the subscription or updates it, depending on its current state at Stripe.
    pub(super) async fn create_or_update(
        &self,
        customer: &CustomerId,
        desired: &DesiredSubscription,
        key: &BillingKey,
    ) -> Result<StripeSubscription, ChangeError> {
        let current = self.current_subscription(customer).await?;
        let is_first = current.is_none();
        let Some(current) = current else {
            return self.create_subscription(customer, desired, is_first, key).await;
        };
        let met = current.subscription()?.is_some_and(|known| desired.is_met_by(&known));
        match current.state()? {
            state if !state.is_live() => self.create_subscription(customer, desired, is_first, key).await,
            _ if met => Ok(current),
            // Its first payment never succeeded, so the desired subscription replaces it.
            SubscriptionState::Incomplete => {
                self.client.delete(&format!("subscriptions/{}", current.id), &Form::new()).await?;
                self.create_subscription(customer, desired, is_first, key).await
            }
            _ => self.update_subscription(current, desired, key).await,
        }
    }
}

/// Error of a change of a subscription.
pub(super) enum ChangeError {
    Stripe(StripeError),
    Other(Error),
}

impl From<StripeError> for ChangeError {
    fn from(error: StripeError) -> Self {
        Self::Stripe(error)
    }
}

impl From<Error> for ChangeError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Items of a subscription in the desired state.
pub(super) struct DesiredItems {
    items: Vec<DesiredItem>,
    /// `true` if plan and billing interval stay the same and only quantities change.
    pub(super) keeps_plan: bool,
}

/// Item in the desired state. It replaces the current item of the same component; a second one is never added.
struct DesiredItem {
    /// Id of the current item; `None` for an item to add.
    id: Option<String>,
    /// `None` for an item to remove.
    price: Option<StripePrice>,
    quantity: Quantity,
    is_changed: bool,
}

/// Quantity of a component in a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantity {
    /// The subscription has no item for the component.
    Absent,
    /// Fixed number.
    Count(u32),
    /// Charged by use.
    Metered,
}

impl Quantity {
    const fn count(self) -> Option<u32> {
        if let Self::Count(count) = self { Some(count) } else { None }
    }
}

/// Returns the desired quantity of every component that a subscription can have.
fn components(desired: &DesiredSubscription) -> Vec<(&'static str, Quantity)> {
    let quantity = |count: Option<u32>| count.map_or(Quantity::Absent, Quantity::Count);
    let licensed = [
        (BASE, Quantity::Count(1)),
        (WORKSPACE, quantity(desired.add_ons.workspaces)),
        (NODE, quantity(desired.add_ons.nodes)),
    ];
    let metered = |meter: &Meter| {
        let charged = desired.meters.contains(meter);
        (meter.as_str(), if charged { Quantity::Metered } else { Quantity::Absent })
    };
    licensed.into_iter().chain(Meter::ALL.iter().map(metered)).collect()
}

impl DesiredItems {
    fn are_changed(&self) -> bool {
        self.items.iter().any(|item| item.is_changed)
    }

    pub(super) fn amount_per_period(&self) -> i64 {
        let amount =
            |item: &DesiredItem| Some(item.price.as_ref()?.amount_for(item.quantity.count().unwrap_or(0)));
        self.items.iter().filter_map(amount).sum()
    }

    pub(super) fn form(&self, name: &str) -> Form {
        let mut form = Form::new();
        for (index, item) in self.items.iter().enumerate() {
            let field = |field: &str| format!("{name}[{index}][{field}]");
            if let Some(id) = &item.id {
                form = form.with(field("id"), id);
            }
            form = match &item.price {
                Some(price) => item
                    .quantity
                    .count()
                    .into_iter()
                    .fold(form.with(field("price"), &price.id), |form, count| {
                        form.with(field("quantity"), count)
                    }),
                None => form.with(field("deleted"), true),
            };
        }
        form
    }
}

pub(super) fn discounts(desired: &DesiredSubscription) -> Form {
    desired.coupon.iter().fold(Form::new(), |form, coupon| form.with("discounts[0][coupon]", coupon))
}

fn expanded() -> Form {
    Form::new().with("expand[]", "latest_invoice.confirmation_secret")
}

fn unknown_price(lookup_key: &str) -> Error {
    let message = "the payment provider does not know the price of this plan yet; an operator must run `hexabase billing sync`";
    Error::unavailable(message).with("price", lookup_key)
}
