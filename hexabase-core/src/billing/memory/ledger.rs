//! Ledger of one customer: payment methods, subscription, invoices and usage.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::billing::{
    DesiredSubscription, Invoice, InvoiceLine, InvoiceStatus, PaymentMethod, no_payment_method,
    payment_failed,
};
use crate::clock::until;
use crate::error::{Error, Result};
use crate::model::{
    Hour, Interval, Meter, Money, Plan, Subscription, SubscriptionState, UnitPrice, UsagePrice,
};

/// Payment method whose payments succeed.
pub(super) const GOOD_CARD: &str = "pm_card_visa";
/// Payment method whose payments are declined, by Stripe's test id
/// (<https://docs.stripe.com/testing#declined-payments>).
const DECLINED_CARD: &str = "pm_card_chargeCustomerFail";

/// State of one customer.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    customer: String,
    pub(super) methods: Vec<PaymentMethod>,
    /// Ids of the payment methods whose payments are declined.
    declined: BTreeSet<String>,
    /// Payment methods by the idempotency key of the call that attached them.
    attached: BTreeMap<String, PaymentMethod>,
    pub(super) subscription: Option<PricedSubscription>,
    pub(super) invoices: Vec<Invoice>,
    /// Reported usage: the reported time and the amount in thousandths of the meter's unit.
    pub(super) usage: BTreeMap<(Meter, Hour), (Timestamp, u64)>,
    /// Charges and credits (negative) for the next invoice.
    pending: Vec<InvoiceLine>,
}

/// Subscription with the plan as of its start, so that it keeps its price.
#[derive(Debug, Clone)]
pub(super) struct PricedSubscription {
    pub(super) subscription: Subscription,
    /// Time whose day of the month and time of day every later period begins at, as far as the month has that day.
    anchor: Timestamp,
    period_start: Timestamp,
    plan: Plan,
}

impl Ledger {
    /// Creates the empty ledger of a customer.
    pub(super) fn of(customer: String) -> Self {
        Self { customer, ..Self::default() }
    }

    pub(super) fn position(&self, method: &str) -> Result<usize> {
        let index = self.methods.iter().position(|known| known.id == method);
        index.ok_or_else(|| Error::not_found("payment method"))
    }

    pub(super) fn attach(&mut self, method: &str, key: &str) -> Result<PaymentMethod> {
        if let Some(attached) = self.attached.get(key) {
            return Ok(attached.clone());
        }
        let title = match method {
            GOOD_CARD => "visa •••• 4242",
            DECLINED_CARD => "visa •••• 0341",
            _ => {
                let message = format!("unknown payment method; use {GOOD_CARD} or {DECLINED_CARD}");
                return Err(Error::invalid("payment_method", message));
            }
        };
        let id = format!("pm_{}_{}", self.customer, self.attached.len() + 1);
        if method == DECLINED_CARD {
            self.declined.insert(id.clone());
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
        self.default_method().is_some_and(|method| !self.declined.contains(&method.id))
    }

    pub(super) fn subscribe(
        &mut self,
        plan: Plan,
        desired: &DesiredSubscription,
        now: Timestamp,
    ) -> Result<Subscription> {
        let live = self.subscription.take_if(|priced| priced.subscription.state.is_live());
        match live {
            Some(priced) => self.change(priced, plan, desired, now),
            None => self.begin(plan, desired, now),
        }
    }

    fn begin(&mut self, plan: Plan, desired: &DesiredSubscription, now: Timestamp) -> Result<Subscription> {
        let first = self.subscription.is_none() && self.invoices.is_empty();
        let trial =
            (desired.trial_days > 0 && first).then(|| add_span(now, i64::from(desired.trial_days).days()));
        if trial.is_none() && self.default_method().is_none() {
            return Err(no_payment_method());
        }
        let end = trial.unwrap_or_else(|| period_end(now, now, desired.interval));
        let subscription = Subscription {
            id: format!("sub_{}_{}", self.customer, self.invoices.len() + 1),
            plan_id: desired.plan_id.clone(),
            interval: desired.interval,
            add_ons: desired.add_ons,
            state: if trial.is_some() { SubscriptionState::Trialing } else { SubscriptionState::Active },
            current_period_end: end,
            cancel_at_period_end: false,
            trial_end: trial,
            awaits_confirmation: false,
        };
        let anchor = trial.unwrap_or(now);
        let priced =
            PricedSubscription { subscription: subscription.clone(), anchor, period_start: now, plan };
        if trial.is_none() {
            self.charge(priced.lines(now, end), now)?;
        }
        self.subscription = Some(priced);
        Ok(subscription)
    }

    fn change(
        &mut self,
        before: PricedSubscription,
        plan: Plan,
        desired: &DesiredSubscription,
        now: Timestamp,
    ) -> Result<Subscription> {
        let mut next = before.clone();
        let subscription = &mut next.subscription;
        subscription.cancel_at_period_end = false;
        let same_price = subscription.plan_id == desired.plan_id && subscription.interval == desired.interval;
        subscription.plan_id = desired.plan_id.clone();
        subscription.add_ons = desired.add_ons;
        if !same_price {
            next.plan = plan;
        }
        let trialing = next.subscription.state == SubscriptionState::Trialing;
        if next.subscription.interval != desired.interval && !trialing {
            // Another billing interval begins a new period.
            next.subscription.interval = desired.interval;
            (next.anchor, next.period_start) = (now, now);
            next.subscription.current_period_end = period_end(now, now, desired.interval);
            let mut lines = before.unused(now);
            lines.extend(next.lines(now, next.subscription.current_period_end));
            self.charge(lines, now)?;
        } else if !trialing {
            let (mut lines, is_upgrade) = (before.unused(now), next.per_period() > before.per_period());
            lines.extend(next.unused(now).into_iter().map(|line| InvoiceLine {
                description: line.description.replacen("Unused", "Remaining", 1),
                amount: line.amount.with_amount(-line.amount.amount),
                ..line
            }));
            if before.per_period() == next.per_period() && same_price {
                lines.clear();
            }
            if is_upgrade { self.charge(lines, now)? } else { self.pending.extend(lines) }
        }
        next.subscription.interval = desired.interval;
        let subscription = next.subscription.clone();
        self.subscription = Some(next);
        Ok(subscription)
    }

    /// Creates a paid invoice of these lines, or fails and creates none.
    fn charge(&mut self, lines: Vec<InvoiceLine>, now: Timestamp) -> Result<()> {
        if self.default_method().is_none() {
            return Err(no_payment_method());
        }
        if !self.can_pay() {
            return Err(payment_failed("the card was declined; use another payment method"));
        }
        self.invoice(lines, true, now);
        Ok(())
    }

    fn invoice(&mut self, mut lines: Vec<InvoiceLine>, paid: bool, now: Timestamp) {
        lines.splice(0..0, std::mem::take(&mut self.pending));
        let Some(currency) = lines.first().map(|line| line.amount) else { return };
        let mut invoice = draft_invoice(lines, currency, now);
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
        invoice.status = if settled { InvoiceStatus::Paid } else { InvoiceStatus::Open };
        self.invoices.push(invoice);
    }

    /// Ends a live subscription with its period, or at once with an invoice of the usage so far.
    pub(super) fn cancel(&mut self, at_period_end: bool, now: Timestamp) {
        let Some(priced) = self.subscription.as_mut().filter(|priced| priced.subscription.state.is_live())
        else {
            return;
        };
        if at_period_end {
            priced.subscription.cancel_at_period_end = true;
            return;
        }
        let used = match priced.subscription.state {
            SubscriptionState::Trialing => Vec::new(),
            _ => priced.usage_lines(&self.usage, now),
        };
        priced.subscription.state = SubscriptionState::Canceled;
        self.invoice(used, self.can_pay(), now);
    }

    /// Renews or ends the subscription for each period that is over.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        while let Some(mut priced) = self.subscription.clone() {
            let subscription = &mut priced.subscription;
            let end = subscription.current_period_end;
            if !subscription.state.is_live() || now < end {
                return;
            }
            let (used, next) = (priced.usage_lines(&self.usage, end), priced.next_period_end());
            let subscription = &mut priced.subscription;
            if subscription.cancel_at_period_end {
                subscription.state = SubscriptionState::Canceled;
                self.subscription = Some(priced);
                self.invoice(used, self.can_pay(), end);
                return;
            }
            subscription.current_period_end = next;
            priced.period_start = end;
            let paid = self.can_pay();
            let open = self.invoices.iter().any(|invoice| invoice.status == InvoiceStatus::Open);
            priced.subscription.state =
                if paid && !open { SubscriptionState::Active } else { SubscriptionState::PastDue };
            let mut lines = priced.lines(end, next);
            lines.extend(used);
            self.subscription = Some(priced);
            self.invoice(lines, paid, end);
        }
    }

    /// Retries the payment of open invoices.
    pub(super) fn retry_open_invoices(&mut self) {
        if !self.can_pay() {
            return;
        }
        for invoice in self.invoices.iter_mut().filter(|invoice| invoice.status == InvoiceStatus::Open) {
            invoice.status = InvoiceStatus::Paid;
        }
        if let Some(PricedSubscription { subscription, .. }) = &mut self.subscription
            && subscription.state.is_payment_missing()
        {
            subscription.state = SubscriptionState::Active;
        }
    }

    pub(super) fn upcoming(&self, now: Timestamp) -> Option<Invoice> {
        let priced = self.subscription.as_ref()?;
        let subscription = &priced.subscription;
        if !subscription.state.is_live() || subscription.cancel_at_period_end {
            return None;
        }
        let end = subscription.current_period_end;
        let mut lines = self.pending.clone();
        lines.extend(priced.lines(end, priced.next_period_end()));
        lines.extend(priced.usage_lines(&self.usage, end));
        let currency = lines.first()?.amount;
        Some(draft_invoice(lines, currency, now))
    }
}

impl PricedSubscription {
    fn prices(&self) -> Vec<(String, u32, Money)> {
        let (interval, add_ons) = (self.subscription.interval, self.subscription.add_ons);
        let (plan, price) = (&self.plan.name, self.plan.price);
        let base = price.and_then(|price| price.per(interval)).map(|price| (plan.clone(), 1, price));
        let add_on = |what: &str, unit: Option<UnitPrice>, quantity: Option<u32>| {
            let price = unit.and_then(|unit| unit.per(interval));
            price.zip(quantity).map(|(price, quantity)| (format!("{plan}, further {what}"), quantity, price))
        };
        let workspaces = add_on("workspaces", price.and_then(|price| price.workspace), add_ons.workspaces);
        let nodes = add_on("nodes", price.and_then(|price| price.node), add_ons.nodes);
        base.into_iter().chain(workspaces).chain(nodes).collect()
    }

    fn per_period(&self) -> i64 {
        self.prices().iter().map(|(_, quantity, price)| price.times(*quantity).amount).sum()
    }

    /// Returns the end of the period after the current one.
    fn next_period_end(&self) -> Timestamp {
        period_end(self.anchor, self.subscription.current_period_end, self.subscription.interval)
    }

    /// Invoice lines of a whole period.
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

    /// Invoice lines of the usage in the period until `end`, for the meters that the plan charges for.
    fn usage_lines(
        &self,
        usage: &BTreeMap<(Meter, Hour), (Timestamp, u64)>,
        end: Timestamp,
    ) -> Vec<InvoiceLine> {
        let start = self.period_start;
        let months = self.subscription.interval.months();
        let prices = self.plan.price.map(|price| price.usage).unwrap_or_default();
        let line = |(meter, price): (Meter, &Option<UsagePrice>)| {
            let price = (*price)?;
            let reported =
                usage.range((meter, Hour::FIRST)..=(meter, Hour::LAST)).map(|(_, reported)| *reported);
            let quantity =
                reported.filter(|(at, _)| (start..end).contains(at)).map(|(_, amount)| amount).sum();
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

    /// Invoice lines that credit the rest of the period.
    fn unused(&self, now: Timestamp) -> Vec<InvoiceLine> {
        let end = self.subscription.current_period_end;
        let (left, whole) = (until(now, end).as_secs(), until(self.period_start, end).as_secs());
        let line = |line: InvoiceLine| InvoiceLine {
            description: format!("Unused time on {}", line.description),
            amount: line.amount.with_amount(-line.amount.share(left, whole).amount),
            proration: true,
            period_start: now,
            ..line
        };
        self.lines(self.period_start, end).into_iter().map(line).collect()
    }
}

pub(super) fn draft_invoice(lines: Vec<InvoiceLine>, currency: Money, now: Timestamp) -> Invoice {
    let total = currency.with_amount(lines.iter().map(|line| line.amount.amount).sum());
    Invoice {
        id: String::new(),
        number: None,
        status: InvoiceStatus::Draft,
        subtotal: total,
        tax: currency.zero(),
        total,
        amount_due: currency.with_amount(total.amount.max(0)),
        created_at: now,
        pdf_url: None,
        lines,
    }
}

/// Returns the end of the period that begins at `start`, a whole number of months after the anchor. It is counted from
/// the anchor, since a period that begins on the last day of a short month has lost the anchor's day
/// (<https://docs.stripe.com/billing/subscriptions/billing-cycle>).
fn period_end(anchor: Timestamp, start: Timestamp, interval: Interval) -> Timestamp {
    let month = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        i64::from(date.year()) * 12 + i64::from(date.month())
    };
    let months = month(start) - month(anchor) + i64::from(interval.months());
    let span = jiff::Span::new().try_months(months);
    span.map_or(Timestamp::MAX, |span| add_span(anchor, span))
}

fn add_span(start: Timestamp, span: jiff::Span) -> Timestamp {
    let end = start.to_zoned(TimeZone::UTC).checked_add(span);
    end.map_or(Timestamp::MAX, |end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::billing::Billable;
    use crate::conformance::billing_provider::plans;

    /// Ends of the first periods of a subscription that begins at a time.
    fn period_ends(plan: &str, interval: Interval, start: Timestamp, count: usize) -> Vec<Timestamp> {
        let plan = plans().into_iter().find(|known| known.id.as_str() == plan).unwrap();
        let mut ledger = Ledger::of("cus_acme".to_owned());
        ledger.attach(GOOD_CARD, "card").unwrap();
        let desired = DesiredSubscription::of(&plan, interval, Billable { workspaces: 1, nodes: 0 });
        let mut end = ledger.subscribe(plan, &desired, start).unwrap().current_period_end;
        let mut ends = vec![end];
        while ends.len() < count {
            let upcoming = ledger.upcoming(end).unwrap();
            ledger.catch_up(end);
            end = ledger.subscription.as_ref().unwrap().subscription.current_period_end;
            assert_eq!(
                upcoming.lines[0].period_end, end,
                "the upcoming invoice must end with the next period"
            );
            ends.push(end);
        }
        ends
    }

    fn days(ends: &[Timestamp]) -> Vec<String> {
        ends.iter().map(|end| end.to_zoned(TimeZone::UTC).date().to_string()).collect()
    }

    #[test]
    fn a_short_month_does_not_move_later_renewals() {
        let start = "2027-01-31T09:30:00Z".parse().unwrap();
        let month = period_ends("small", Interval::Month, start, 5);
        assert_eq!(days(&month), ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31", "2027-06-30"]);
        let leap_day = "2028-02-29T00:00:00Z".parse().unwrap();
        let year = period_ends("small", Interval::Year, leap_day, 4);
        assert_eq!(days(&year), ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]);
    }

    #[test]
    fn renewals_after_a_trial_keep_the_day_on_which_it_ended() {
        let start = "2027-01-24T00:00:00Z".parse().unwrap();
        let ends = period_ends("tried", Interval::Month, start, 4);
        assert_eq!(days(&ends), ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]);
    }

    #[test]
    fn another_interval_begins_at_a_new_anchor() {
        let small = plans().into_iter().find(|known| known.id.as_str() == "small").unwrap();
        let with = |interval| DesiredSubscription::of(&small, interval, Billable { workspaces: 1, nodes: 0 });
        let mut ledger = Ledger::of("cus_acme".to_owned());
        ledger.attach(GOOD_CARD, "card").unwrap();
        let start = "2027-01-31T00:00:00Z".parse().unwrap();
        ledger.subscribe(small.clone(), &with(Interval::Year), start).unwrap();
        let change = "2027-03-05T00:00:00Z".parse().unwrap();
        ledger.subscribe(small.clone(), &with(Interval::Month), change).unwrap();
        ledger.catch_up("2027-05-06T00:00:00Z".parse().unwrap());
        let end = ledger.subscription.unwrap().subscription.current_period_end;
        assert_eq!(days(&[end]), ["2027-06-05"]);
    }

    proptest! {
        #[test]
        fn every_renewal_is_on_the_day_of_the_anchor_or_the_last_of_a_shorter_month(
            second in 0_i64..4_102_444_800,
            yearly: bool,
        ) {
            let start = Timestamp::from_second(second).unwrap();
            let interval = if yearly { Interval::Year } else { Interval::Month };
            let anchor = start.to_zoned(TimeZone::UTC);
            let mut months = i64::from(anchor.year()) * 12 + i64::from(anchor.month());
            for end in period_ends("small", interval, start, 25) {
                let end = end.to_zoned(TimeZone::UTC);
                months += i64::from(interval.months());
                prop_assert_eq!(i64::from(end.year()) * 12 + i64::from(end.month()), months);
                prop_assert_eq!(end.day(), anchor.day().min(end.days_in_month()));
                prop_assert_eq!(end.time(), anchor.time());
            }
        }
    }
}
