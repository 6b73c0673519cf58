use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::billing::Invoice;
use crate::id::WorkspaceId;
use crate::model::{
    BillingAccount, Hour, Interval, Meter, Money, Month, PerMeter, Price, SentUsageAlerts, Subscription,
    UsageAlert, UsageBound, UsageReport,
};

/// Percentages of a bound at which usage alerts are sent.
const ALERT_PERCENTS: [u8; 2] = [80, 100];

/// Second within an hour at which the hour's usage is reported: late enough that the report of an hour, which is read
/// only after its end, still precedes the invoice of its period, and early enough to leave room for further reports,
/// each one second later.
const REPORT_SECOND_OF_HOUR: i64 = 3_000;

/// Time at which the usage of an hour is reported for the given revision. Decides the paid period that the hour
/// belongs to.
#[must_use]
pub fn report_time(hour: Hour, revision: u64) -> Timestamp {
    let second = REPORT_SECOND_OF_HOUR.saturating_add_unsigned(revision).min(3_599);
    hour.start().saturating_add(SignedDuration::from_secs(second)).unwrap_or_else(|_| hour.start())
}

/// Returns the hours of a paid period: the first hour, and the first hour after the period.
#[must_use]
pub fn billed_hours(start: Timestamp, end: Timestamp) -> (Hour, Hour) {
    let first = |moment: Timestamp| {
        let hour = Hour::of(moment);
        if report_time(hour, 0) >= moment { hour } else { hour.after(1) }
    };
    (first(start), first(end))
}

/// Returns the reported usage of a meter, in the paid periods that end in a month, that no invoice charges: it became
/// known after the invoice of its period was final. The periods are those of the usage lines in the invoices.
#[must_use]
pub fn uncharged(meter: Meter, month: Month, invoices: &[Invoice], reports: &[UsageReport]) -> u64 {
    let usage_lines = invoices.iter().flat_map(|invoice| &invoice.lines).filter(|line| line.meter.is_some());
    let mut charged: BTreeMap<(Timestamp, Timestamp), u64> = BTreeMap::new();
    for line in usage_lines {
        let period = charged.entry((line.period_start, line.period_end)).or_default();
        *period += if line.meter == Some(meter) { line.quantity } else { 0 };
    }
    let ends_in_month = |(_, end): &(Timestamp, Timestamp)| (month.start()..month.end()).contains(end);
    let of_period = |(start, end): (Timestamp, Timestamp)| {
        let (first, last) = billed_hours(start, end);
        let within = reports.iter().filter(move |report| (first..last).contains(&report.hour));
        within.map(|report| report.reported[meter]).sum::<u64>()
    };
    let periods = charged.into_iter().filter(|(period, _)| ends_in_month(period));
    periods.map(|(period, charged)| of_period(period).saturating_sub(charged)).sum()
}

/// Divides an amount among workspaces in proportion to their usage. The shares add up to the amount exactly.
#[must_use]
pub fn shares(amount: Money, used: &[(WorkspaceId, u64)]) -> Vec<(WorkspaceId, u64, Money)> {
    let whole: u64 = used.iter().map(|(_, used)| used).sum();
    let (mut cumulative, mut assigned) = (0_u64, 0_i64);
    let share = |(workspace, used): &(WorkspaceId, u64)| {
        cumulative += used;
        let upto = if whole == 0 { 0 } else { amount.share(cumulative, whole).amount };
        let part = upto - assigned;
        assigned = upto;
        (*workspace, *used, amount.with_amount(part))
    };
    used.iter().map(share).collect()
}

/// Cost of a month: the plan, its add-ons and the usage. A yearly price counts a twelfth.
#[must_use]
pub fn month_cost(price: &Price, subscription: &Subscription, used: &Bill) -> Money {
    let each = |monthly: Money, yearly: Option<Money>| match (subscription.interval, yearly) {
        (Interval::Year, Some(yearly)) => yearly.share(1, 12),
        _ => monthly,
    };
    let add_ons = subscription.add_ons;
    let units = [(price.workspace, add_ons.workspaces), (price.node, add_ons.nodes)];
    let extra: i64 = units
        .into_iter()
        .filter_map(|(unit, count)| unit.zip(count))
        .map(|(unit, count)| each(unit.monthly, unit.yearly).times(count).amount)
        .fold(0, i64::saturating_add);
    let base = each(price.monthly, price.yearly);
    base.with_amount(base.amount.saturating_add(extra).saturating_add(used.total.amount))
}

/// Usage of an hour that differs from what the billing provider has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingReport {
    /// Report of the hour so far.
    pub report: UsageReport,
    /// Meters whose amount has changed since.
    pub deltas: Vec<UsageDelta>,
}

/// Changed usage of one meter in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageDelta {
    /// Meter that was used.
    pub meter: Meter,
    /// New total of the hour, in thousandths of the meter's unit.
    pub amount: u64,
}

/// Returns the charged usage that is not reported yet, oldest hour first.
#[must_use]
pub fn unreported(
    used: &BTreeMap<Hour, PerMeter<u64>>,
    reports: Vec<UsageReport>,
    no_report: impl Fn(Hour) -> UsageReport,
    charged: &[Meter],
) -> Vec<PendingReport> {
    let mut known: BTreeMap<Hour, UsageReport> =
        reports.into_iter().map(|report| (report.hour, report)).collect();
    let pending = |(hour, used): (&Hour, &PerMeter<u64>)| {
        let report = known.remove(hour).unwrap_or_else(|| no_report(*hour));
        let deltas = charged.iter().map(|meter| UsageDelta { meter: *meter, amount: used[*meter] });
        let deltas: Vec<_> = deltas.filter(|delta| delta.amount != report.reported[delta.meter]).collect();
        (!deltas.is_empty()).then_some(PendingReport { report, deltas })
    };
    used.iter().filter_map(pending).collect()
}

/// Cost of a month's usage beyond the included amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// One line per charged meter.
    pub lines: Vec<BillLine>,
    /// Sum of the lines.
    pub total: Money,
}

/// Cost of one meter's usage in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillLine {
    /// Meter that was used.
    pub meter: Meter,
    /// Amount used, in thousandths of the meter's unit.
    pub amount: u64,
    /// Included amount, in thousandths of the meter's unit.
    pub included: u64,
    /// Cost of the amount beyond the included one.
    pub cost: Money,
}

/// Computes the cost of a month's usage at this price.
#[must_use]
pub fn bill(price: &Price, used: &PerMeter<u64>) -> Bill {
    let line = |(meter, amount): (Meter, &u64)| {
        let price = price.usage[meter]?;
        Some(BillLine {
            meter,
            amount: *amount,
            included: price.included_in(1),
            cost: price.cost(*amount, 1),
        })
    };
    let lines: Vec<BillLine> = used.iter().filter_map(line).collect();
    let total = lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.cost.amount));
    Bill { lines, total: price.monthly.with_amount(total) }
}

/// Returns the alert percentages of a bound that usage has reached, lowest first.
fn reached(used: u128, bound: u128) -> impl Iterator<Item = u8> {
    ALERT_PERCENTS.into_iter().filter(move |percent| used * 100 >= bound * u128::from(*percent))
}

/// Returns the highest alert percentage of a budget that the cost of usage has reached; `None` below all of them, and for
/// amounts in different currencies.
#[must_use]
pub fn reached_percent(cost: Money, budget: Money) -> Option<u8> {
    let amount = |money: Money| u128::try_from(money.amount).unwrap_or(0);
    let is_comparable = cost.currency == budget.currency && cost.amount > 0;
    is_comparable.then(|| reached(amount(cost), amount(budget)).last()).flatten()
}

/// Returns the usage alerts that are due this month, together with all alerts sent so far: at 80 and at 100 percent of
/// each included amount and of the budget. If usage has passed both, only the second is sent.
#[must_use]
pub fn due_alerts(account: &BillingAccount, bill: &Bill, month: Month) -> (SentUsageAlerts, Vec<UsageAlert>) {
    let mut sent_usage_alerts = match account.sent_usage_alerts.month == Some(month) {
        true => account.sent_usage_alerts.clone(),
        false => SentUsageAlerts { month: Some(month), ..SentUsageAlerts::default() },
    };
    let included = bill.lines.iter().filter(|line| line.included > 0);
    let mut bounds: Vec<(UsageBound, u128, u128)> = included
        .map(|line| (UsageBound::Included(line.meter), line.amount.into(), line.included.into()))
        .collect();
    if let Some(budget) = account.budget.filter(|budget| budget.currency == bill.total.currency) {
        let amount = |money: Money| u128::try_from(money.amount).unwrap_or(0);
        bounds.push((UsageBound::Budget, amount(bill.total), amount(budget)));
    }
    let mut alerts = Vec::new();
    for (bound, used, whole) in bounds.into_iter().filter(|(_, used, _)| *used > 0) {
        let deltas = reached(used, whole)
            .map(|percent| UsageAlert { bound, percent })
            .filter(|it| sent_usage_alerts.alerts.insert(*it));
        alerts.extend(deltas.last());
    }
    (sent_usage_alerts, alerts)
}
