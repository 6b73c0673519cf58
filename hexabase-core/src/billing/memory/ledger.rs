//! What there is of one customer, and how it changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::billing::{Invoice, InvoiceLine, PaymentMethod, Wanted, no_payment_method, payment_failed};
use crate::clock::until;
use crate::error::{Error, Result};
use crate::model::{
    Hour, Interval, Meter, Money, Plan, Subscription, SubscriptionState, UnitPrice, UsagePrice,
};

/// The way to pay that works.
pub(super) const GOOD_CARD: &str = "pm_card_visa";
/// The way to pay that the bank refuses, by the name that Stripe gives it in tests
/// (<https://docs.stripe.com/testing#declined-payments>).
const REFUSED_CARD: &str = "pm_card_chargeCustomerFail";

/// What there is of one customer.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    customer: String,
    pub(super) methods: Vec<PaymentMethod>,
    /// Those that the bank refuses.
    refused: BTreeSet<String>,
    /// What was attached under a key, for when it is asked for again.
    attached: BTreeMap<String, PaymentMethod>,
    pub(super) subscription: Option<Standing>,
    pub(super) invoices: Vec<Invoice>,
    /// What was used of something in an hour, with the moment that stands for it.
    pub(super) usage: BTreeMap<(Meter, Hour), (Timestamp, u64)>,
    /// What is owed to the customer (below nothing) or by them, to be settled with the next invoice.
    pending: Vec<InvoiceLine>,
}

/// A subscription with what it costs: whoever stays on a plan stays on its price.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) subscription: Subscription,
    period_start: Timestamp,
    plan: Plan,
}

impl Ledger {
    /// Of a customer of whom there is nothing yet.
    pub(super) fn of(customer: String) -> Self {
        Self { customer, ..Self::default() }
    }

    pub(super) fn position(&self, method: &str) -> Result<usize> {
        let place = self.methods.iter().position(|known| known.id == method);
        place.ok_or_else(|| Error::not_found("payment method"))
    }

    pub(super) fn attach(&mut self, method: &str, key: &str) -> Result<PaymentMethod> {
        if let Some(attached) = self.attached.get(key) {
            return Ok(attached.clone());
        }
        let title = match method {
            GOOD_CARD => "visa •••• 4242",
            REFUSED_CARD => "visa •••• 0341",
            _ => {
                let message = format!("there is no such way to pay here; {GOOD_CARD} and {REFUSED_CARD} are");
                return Err(Error::invalid("payment_method", message));
            }
        };
        let id = format!("pm_{}_{}", self.customer, self.attached.len() + 1);
        if method == REFUSED_CARD {
            self.refused.insert(id.clone());
        }
        let is_default = self.methods.is_empty();
        let attached = PaymentMethod { id, title: title.to_owned(), is_default };
        self.methods.push(attached.clone());
        self.attached.insert(key.to_owned(), attached.clone());
        Ok(attached)
    }

    fn default_method(&self) -> Option<&PaymentMethod> {
        self.methods.iter().find(|method| method.is_default)
    }

    fn can_pay(&self) -> bool {
        self.default_method().is_some_and(|method| !self.refused.contains(&method.id))
    }

    pub(super) fn subscribe(&mut self, plan: Plan, wanted: &Wanted, now: Timestamp) -> Result<Subscription> {
        let live = self.subscription.take_if(|standing| standing.subscription.state.is_live());
        match live {
            Some(standing) => self.change(standing, plan, wanted, now),
            None => self.begin(plan, wanted, now),
        }
    }

    fn begin(&mut self, plan: Plan, wanted: &Wanted, now: Timestamp) -> Result<Subscription> {
        let first = self.subscription.is_none() && self.invoices.is_empty();
        let trial = (wanted.trial_days > 0 && first).then(|| later(now, i64::from(wanted.trial_days).days()));
        if trial.is_none() && self.default_method().is_none() {
            return Err(no_payment_method());
        }
        let end = trial.unwrap_or_else(|| period_end(now, wanted.interval));
        let subscription = Subscription {
            id: format!("sub_{}_{}", self.customer, self.invoices.len() + 1),
            plan_id: wanted.plan_id.clone(),
            interval: wanted.interval,
            extras: wanted.extras,
            state: if trial.is_some() { SubscriptionState::Trialing } else { SubscriptionState::Active },
            current_period_end: end,
            cancel_at_period_end: false,
            trial_end: trial,
            awaits_confirmation: false,
        };
        let standing = Standing { subscription: subscription.clone(), period_start: now, plan };
        if trial.is_none() {
            self.charge(standing.lines(now, end), now)?;
        }
        self.subscription = Some(standing);
        Ok(subscription)
    }

    fn change(
        &mut self,
        before: Standing,
        plan: Plan,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Subscription> {
        let mut next = before.clone();
        let subscription = &mut next.subscription;
        subscription.cancel_at_period_end = false;
        let same_price = subscription.plan_id == wanted.plan_id && subscription.interval == wanted.interval;
        subscription.plan_id = wanted.plan_id.clone();
        subscription.extras = wanted.extras;
        if !same_price {
            next.plan = plan;
        }
        let trialing = next.subscription.state == SubscriptionState::Trialing;
        if next.subscription.interval != wanted.interval && !trialing {
            // A new rhythm begins a new period.
            next.subscription.interval = wanted.interval;
            next.period_start = now;
            next.subscription.current_period_end = period_end(now, wanted.interval);
            let mut lines = before.unused(now);
            lines.extend(next.lines(now, next.subscription.current_period_end));
            self.charge(lines, now)?;
        } else if !trialing {
            let (mut lines, dearer) = (before.unused(now), next.per_period() > before.per_period());
            lines.extend(next.unused(now).into_iter().map(|line| InvoiceLine {
                description: line.description.replacen("Unused", "Remaining", 1),
                amount: line.amount.of(-line.amount.amount),
                ..line
            }));
            if before.per_period() == next.per_period() && same_price {
                lines.clear();
            }
            if dearer { self.charge(lines, now)? } else { self.pending.extend(lines) }
        }
        next.subscription.interval = wanted.interval;
        let subscription = next.subscription.clone();
        self.subscription = Some(next);
        Ok(subscription)
    }

    /// Makes an invoice of these lines that is paid at once, or none at all.
    fn charge(&mut self, lines: Vec<InvoiceLine>, now: Timestamp) -> Result<()> {
        if self.default_method().is_none() {
            return Err(no_payment_method());
        }
        if !self.can_pay() {
            return Err(payment_failed("the bank refused the payment; try another way to pay"));
        }
        self.invoice(lines, true, now);
        Ok(())
    }

    fn invoice(&mut self, mut lines: Vec<InvoiceLine>, paid: bool, now: Timestamp) {
        lines.splice(0..0, std::mem::take(&mut self.pending));
        let Some(currency) = lines.first().map(|line| line.amount) else { return };
        let mut invoice = bill(lines, currency, now);
        let number = self.invoices.len() + 1;
        invoice.id = format!("in_{}_{number}", self.customer);
        invoice.number = Some(format!("{number:04}"));
        if invoice.total.amount < 0 {
            let (period_start, period_end) = (now, now);
            let (description, amount) = ("Credit".to_owned(), invoice.total);
            let credit = InvoiceLine {
                description,
                quantity: 1,
                meter: None,
                amount,
                proration: true,
                period_start,
                period_end,
            };
            self.pending.push(credit);
        }
        let settled = paid || invoice.amount_due.amount == 0;
        invoice.status = if settled { "paid" } else { "open" }.to_owned();
        self.invoices.push(invoice);
    }

    /// Renews what should have been renewed, and ends what should have ended.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        while let Some(mut standing) = self.subscription.clone() {
            let subscription = &mut standing.subscription;
            let end = subscription.current_period_end;
            if !subscription.state.is_live() || now < end {
                return;
            }
            let used = standing.usage_lines(&self.usage);
            let subscription = &mut standing.subscription;
            if subscription.cancel_at_period_end {
                subscription.state = SubscriptionState::Canceled;
                self.subscription = Some(standing);
                self.invoice(used, self.can_pay(), end);
                return;
            }
            let next = period_end(end, subscription.interval);
            subscription.current_period_end = next;
            standing.period_start = end;
            let paid = self.can_pay();
            let open = self.invoices.iter().any(|invoice| invoice.status == "open");
            standing.subscription.state =
                if paid && !open { SubscriptionState::Active } else { SubscriptionState::PastDue };
            let mut lines = standing.lines(end, next);
            lines.extend(used);
            self.subscription = Some(standing);
            self.invoice(lines, paid, end);
        }
    }

    /// Tries again what could not be paid.
    pub(super) fn collect(&mut self) {
        if !self.can_pay() {
            return;
        }
        for invoice in self.invoices.iter_mut().filter(|invoice| invoice.status == "open") {
            "paid".clone_into(&mut invoice.status);
        }
        if let Some(Standing { subscription, .. }) = &mut self.subscription
            && subscription.state.owes()
        {
            subscription.state = SubscriptionState::Active;
        }
    }

    pub(super) fn upcoming(&self, now: Timestamp) -> Option<Invoice> {
        let standing = self.subscription.as_ref()?;
        let subscription = &standing.subscription;
        if !subscription.state.is_live() || subscription.cancel_at_period_end {
            return None;
        }
        let end = subscription.current_period_end;
        let mut lines = self.pending.clone();
        lines.extend(standing.lines(end, period_end(end, subscription.interval)));
        lines.extend(standing.usage_lines(&self.usage));
        let currency = lines.first()?.amount;
        Some(bill(lines, currency, now))
    }
}

impl Standing {
    fn prices(&self) -> Vec<(String, u32, Money)> {
        let (interval, extras) = (self.subscription.interval, self.subscription.extras);
        let (plan, price) = (&self.plan.name, self.plan.price);
        let base = price.and_then(|price| price.per(interval)).map(|price| (plan.clone(), 1, price));
        let extra = |what: &str, unit: Option<UnitPrice>, quantity: Option<u32>| {
            let price = unit.and_then(|unit| unit.per(interval));
            price.zip(quantity).map(|(price, quantity)| (format!("{plan}, further {what}"), quantity, price))
        };
        let workspaces = extra("workspaces", price.and_then(|price| price.workspace), extras.workspaces);
        let nodes = extra("nodes", price.and_then(|price| price.node), extras.nodes);
        base.into_iter().chain(workspaces).chain(nodes).collect()
    }

    fn per_period(&self) -> i64 {
        self.prices().iter().map(|(_, quantity, price)| price.times(*quantity).amount).sum()
    }

    /// What a whole period costs.
    fn lines(&self, period_start: Timestamp, period_end: Timestamp) -> Vec<InvoiceLine> {
        let line = |(description, quantity, price): (String, u32, Money)| InvoiceLine {
            description,
            quantity: u64::from(quantity),
            meter: None,
            amount: price.times(quantity),
            proration: false,
            period_start,
            period_end,
        };
        self.prices().into_iter().map(line).collect()
    }

    /// What was used in the period, for meters that the plan charges for.
    fn usage_lines(&self, usage: &BTreeMap<(Meter, Hour), (Timestamp, u64)>) -> Vec<InvoiceLine> {
        let (start, end) = (self.period_start, self.subscription.current_period_end);
        let months = self.subscription.interval.months();
        let prices = self.plan.price.map(|price| price.usage).unwrap_or_default();
        let line = |(meter, price): (Meter, &Option<UsagePrice>)| {
            let price = (*price)?;
            let told = usage.range((meter, Hour::FIRST)..=(meter, Hour::LAST)).map(|(_, told)| *told);
            let quantity = told.filter(|(at, _)| (start..end).contains(at)).map(|(_, amount)| amount).sum();
            (quantity > 0).then(|| InvoiceLine {
                description: format!("{}, {}", self.plan.name, meter.title()),
                quantity,
                meter: Some(meter),
                amount: price.cost(quantity, months),
                proration: false,
                period_start: start,
                period_end: end,
            })
        };
        prices.iter().filter_map(line).collect()
    }

    /// What is given back for the rest of the period.
    fn unused(&self, now: Timestamp) -> Vec<InvoiceLine> {
        let end = self.subscription.current_period_end;
        let (left, whole) = (until(now, end).as_secs(), until(self.period_start, end).as_secs());
        let line = |line: InvoiceLine| InvoiceLine {
            description: format!("Unused time on {}", line.description),
            amount: line.amount.of(-line.amount.share(left, whole).amount),
            proration: true,
            period_start: now,
            ..line
        };
        self.lines(self.period_start, end).into_iter().map(line).collect()
    }
}

pub(super) fn bill(lines: Vec<InvoiceLine>, currency: Money, now: Timestamp) -> Invoice {
    let total = currency.of(lines.iter().map(|line| line.amount.amount).sum());
    Invoice {
        id: String::new(),
        number: None,
        status: "draft".to_owned(),
        subtotal: total,
        tax: currency.zero(),
        total,
        amount_due: currency.of(total.amount.max(0)),
        created_at: now,
        pdf_url: None,
        lines,
    }
}

fn period_end(start: Timestamp, interval: Interval) -> Timestamp {
    match interval {
        Interval::Month => later(start, 1.month()),
        Interval::Year => later(start, 1.year()),
    }
}

fn later(start: Timestamp, span: jiff::Span) -> Timestamp {
    let end = start.to_zoned(TimeZone::UTC).checked_add(span);
    end.map_or(Timestamp::MAX, |end| end.timestamp())
}
