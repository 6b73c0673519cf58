//! One subscription per customer: begun, changed and found.

use hexabase_core::billing::{BillingKey, Wanted};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Meter, SubscriptionState};

use super::StripeBilling;
use super::client::Form;
use super::objects::{StripePrice, StripeSubscription};
use super::parts::{BASE, NODE, WORKSPACE, lookup_key};
use super::problem::Problem;

impl StripeBilling {
    /// The subscription that is not over, or else the newest, of those that are for plans.
    pub(super) async fn newest(&self, customer: &CustomerId) -> Result<Option<StripeSubscription>> {
        let query = Form::new()
            .with("customer", &customer.0)
            .with("status", "all")
            .with("expand[]", "data.latest_invoice.confirmation_secret");
        let all: Vec<StripeSubscription> = match self.client.all("subscriptions", &query).await {
            Err(problem) if problem.misses("customer") => return Ok(None),
            outcome => outcome?,
        };
        let mut ours = Vec::new();
        for subscription in all {
            if let Some(known) = subscription.subscription()? {
                ours.push((known.state.is_live(), subscription));
            }
        }
        let live = ours.iter().filter(|(live, _)| *live).count();
        if live > 1 {
            tracing::error!(
                customer = customer.0,
                live,
                "a customer has several subscriptions; end all but one"
            );
        }
        // Newest first, as Stripe lists them: of several that are not over, the oldest is the one that we made.
        let place = ours.iter().rposition(|(live, _)| *live).unwrap_or(0);
        Ok((!ours.is_empty()).then(|| ours.swap_remove(place).1))
    }

    /// The prices of what is wanted: those that a subscription has already, where it is for the same.
    pub(super) async fn prices_of(
        &self,
        current: Option<&StripeSubscription>,
        wanted: &Wanted,
    ) -> Result<Parts> {
        let known = current.map(StripeSubscription::subscription).transpose()?.flatten();
        let stays =
            known.is_some_and(|known| known.plan_id == wanted.plan_id && known.interval == wanted.interval);
        let key_of = |component| lookup_key(&wanted.plan_id, component, wanted.interval);
        let components = components(wanted);
        let keys: Vec<String> = components.iter().map(|(component, _)| key_of(component)).collect();
        let sold = self.prices(&keys).await?;
        let mut parts = Vec::new();
        for (component, quantity) in components {
            let item = current.and_then(|current| current.item(component));
            if quantity == Share::Nothing {
                if let Some(item) = item {
                    parts.push(Part { item: Some(item.id.clone()), price: None, quantity, changes: true });
                }
                continue;
            }
            // Whoever began when this was not charged for goes on so.
            if quantity == Share::AsUsed && stays && item.is_none() {
                continue;
            }
            let key = key_of(component);
            let price = match item.filter(|_| stays) {
                Some(item) => item.price.clone(),
                None => {
                    let found = sold.iter().find(|price| price.lookup_key.as_ref() == Some(&key)).cloned();
                    found.ok_or_else(|| unsold(&key))?
                }
            };
            let count = quantity.count();
            let same =
                item.is_some_and(|it| it.price.id == price.id && (count.is_none() || it.quantity == count));
            parts.push(Part {
                item: item.map(|item| item.id.clone()),
                price: Some(price),
                quantity,
                changes: !same,
            });
        }
        Ok(Parts { parts, stays })
    }

    async fn begin(
        &self,
        customer: &CustomerId,
        wanted: &Wanted,
        is_first: bool,
        key: &BillingKey,
    ) -> Result<StripeSubscription, Failure> {
        let trial = wanted.trial_days > 0 && is_first;
        if !trial {
            self.require_method(customer, key).await?;
        }
        let parts = self.prices_of(None, wanted).await?;
        let mut form = Form::new()
            .with("customer", &customer.0)
            .and(parts.form("items"))
            .and(discounts(wanted))
            .and(expanded());
        if trial {
            form = form.with("trial_period_days", wanted.trial_days);
        }
        if self.automatic_tax {
            form = form.with("automatic_tax[enabled]", true);
        }
        let strict = form.clone().with("payment_behavior", "error_if_incomplete");
        match self.client.post_once("subscriptions", &strict, &format!("{}/create", key.0)).await {
            // It is begun all the same, and waits until the customer has spoken with the bank.
            Err(problem) if problem.needs_customer() => {
                let patient = form.with("payment_behavior", "default_incomplete");
                Ok(self.client.post_once("subscriptions", &patient, &format!("{}/confirm", key.0)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    async fn change(
        &self,
        current: StripeSubscription,
        wanted: &Wanted,
        key: &BillingKey,
    ) -> Result<StripeSubscription, Failure> {
        let path = format!("subscriptions/{}", current.id);
        let parts = self.prices_of(Some(&current), wanted).await?;
        let goes_on = Form::new().with("cancel_at_period_end", false);
        if !parts.change() {
            let form = goes_on.and(expanded());
            return Ok(self.client.post_once(&path, &form, &format!("{}/continue", key.0)).await?);
        }
        let items = parts.form("items").and(expanded());
        let mut form = items.clone().and(discounts(wanted));
        if current.cancel_at_period_end {
            form = form.and(goes_on.clone());
        }
        if parts.stays || parts.per_period() <= current.per_period() {
            let form = form.with("proration_behavior", "create_prorations");
            return Ok(self.client.post_once(&path, &form, &format!("{}/update", key.0)).await?);
        }
        let strict =
            form.with("proration_behavior", "always_invoice").with("payment_behavior", "error_if_incomplete");
        match self.client.post_once(&path, &strict, &format!("{}/update", key.0)).await {
            // The change waits until the customer has spoken with the bank; nothing else may go with it
            // (<https://docs.stripe.com/billing/subscriptions/pending-updates>).
            Err(problem) if problem.needs_customer() => {
                if current.cancel_at_period_end {
                    let key = format!("{}/continue", key.0);
                    self.client.post_once::<StripeSubscription>(&path, &goes_on, &key).await?;
                }
                let patient = items
                    .with("proration_behavior", "always_invoice")
                    .with("payment_behavior", "pending_if_incomplete");
                Ok(self.client.post_once(&path, &patient, &format!("{}/confirm", key.0)).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// Begins a subscription or changes it, depending on what there is at this moment.
    pub(super) async fn settle(
        &self,
        customer: &CustomerId,
        wanted: &Wanted,
        key: &BillingKey,
    ) -> Result<StripeSubscription, Failure> {
        let current = self.newest(customer).await?;
        let is_first = current.is_none();
        let Some(current) = current else { return self.begin(customer, wanted, is_first, key).await };
        let met = current.subscription()?.is_some_and(|known| wanted.is_met_by(&known));
        match current.state()? {
            state if !state.is_live() => self.begin(customer, wanted, is_first, key).await,
            _ if met => Ok(current),
            // Its first payment never came: it makes room for what is wanted now.
            SubscriptionState::Incomplete => {
                self.client.delete(&format!("subscriptions/{}", current.id)).await?;
                self.begin(customer, wanted, is_first, key).await
            }
            _ => self.change(current, wanted, key).await,
        }
    }
}

/// What a change of a subscription failed with.
pub(super) enum Failure {
    Stripe(Problem),
    Other(Error),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Stripe(problem)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// The items of a subscription as they should be.
pub(super) struct Parts {
    parts: Vec<Part>,
    /// Whether the plan and its rhythm stay: only numbers change.
    pub(super) stays: bool,
}

/// An item as it should be: replaced, never added beside the one for the same thing.
struct Part {
    item: Option<String>,
    /// None for an item that goes.
    price: Option<StripePrice>,
    quantity: Share,
    changes: bool,
}

/// How much of something a subscription is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// None of it: there is no item for it.
    Nothing,
    /// So many.
    Many(u32),
    /// Whatever is used.
    AsUsed,
}

impl Share {
    const fn count(self) -> Option<u32> {
        if let Self::Many(count) = self { Some(count) } else { None }
    }
}

/// What a subscription can be for, and how much of each it is to be for.
fn components(wanted: &Wanted) -> Vec<(&'static str, Share)> {
    let many = |count: Option<u32>| count.map_or(Share::Nothing, Share::Many);
    let licensed = [
        (BASE, Share::Many(1)),
        (WORKSPACE, many(wanted.extras.workspaces)),
        (NODE, many(wanted.extras.nodes)),
    ];
    let used = |meter: &Meter| {
        let share = if wanted.meters.contains(meter) { Share::AsUsed } else { Share::Nothing };
        (meter.as_str(), share)
    };
    licensed.into_iter().chain(Meter::ALL.iter().map(used)).collect()
}

impl Parts {
    fn change(&self) -> bool {
        self.parts.iter().any(|part| part.changes)
    }

    pub(super) fn per_period(&self) -> i64 {
        let amount = |part: &Part| Some(part.price.as_ref()?.times(part.quantity.count().unwrap_or(0)));
        self.parts.iter().filter_map(amount).sum()
    }

    pub(super) fn form(&self, name: &str) -> Form {
        let mut form = Form::new();
        for (place, part) in self.parts.iter().enumerate() {
            let field = |field: &str| format!("{name}[{place}][{field}]");
            if let Some(item) = &part.item {
                form = form.with(field("id"), item);
            }
            form = match &part.price {
                Some(price) => part
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

pub(super) fn discounts(wanted: &Wanted) -> Form {
    wanted.coupon.iter().fold(Form::new(), |form, coupon| form.with("discounts[0][coupon]", coupon))
}

fn expanded() -> Form {
    Form::new().with("expand[]", "latest_invoice.confirmation_secret")
}

fn unsold(lookup_key: &str) -> Error {
    let message =
        "the payment provider does not sell this plan yet; an operator has to run `hexabase billing sync`";
    Error::unavailable(message).with("price", lookup_key)
}
