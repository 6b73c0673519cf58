use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::id::WorkspaceId;
use crate::model::{
    BillingAccount, Hour, Interval, Meter, Money, Month, PerMeter, Price, Subscription, UsageAlert,
    UsageBound, UsageReport, Warned,
};

/// From how many percent of a bound on people are warned.
const PERCENTS: [u8; 2] = [80, 100];

/// Which second stands for an hour: late enough in it that what is read an hour later still comes before the invoice, and
/// with room after it for tellings anew, each a second later.
const STANDS_FOR: i64 = 3_000;

/// The moment that stands for an hour when it is told of for the so-manieth time. It decides to which paid period the
/// hour belongs.
#[must_use]
pub fn stands_for(hour: Hour, round: u64) -> Timestamp {
    let second = STANDS_FOR.saturating_add_unsigned(round).min(3_599);
    hour.start().saturating_add(SignedDuration::from_secs(second)).unwrap_or_else(|_| hour.start())
}

/// The hours that belong to a paid period: from one on until before another.
#[must_use]
pub fn hours_of(start: Timestamp, end: Timestamp) -> (Hour, Hour) {
    let first = |moment: Timestamp| {
        let hour = Hour::of(moment);
        if stands_for(hour, 0) >= moment { hour } else { hour.after(1) }
    };
    (first(start), first(end))
}

/// An amount, divided among workspaces by what they used: to the smallest coin, so that nothing is lost or added.
#[must_use]
pub fn shares(amount: Money, used: &[(WorkspaceId, u64)]) -> Vec<(WorkspaceId, u64, Money)> {
    let whole: u64 = used.iter().map(|(_, used)| used).sum();
    let (mut so_far, mut given) = (0_u64, 0_i64);
    let share = |(workspace, used): &(WorkspaceId, u64)| {
        so_far += used;
        let upto = if whole == 0 { 0 } else { amount.share(so_far, whole).amount };
        let part = upto - given;
        given = upto;
        (*workspace, *used, amount.of(part))
    };
    used.iter().map(share).collect()
}

/// What a month costs: the plan and what there is beyond it, a twelfth of what a year costs where it is paid by the year,
/// and what is used.
#[must_use]
pub fn month_cost(price: &Price, subscription: &Subscription, used: &Bill) -> Money {
    let each = |monthly: Money, yearly: Option<Money>| match (subscription.interval, yearly) {
        (Interval::Year, Some(yearly)) => yearly.share(1, 12),
        _ => monthly,
    };
    let extras = subscription.extras;
    let units = [(price.workspace, extras.workspaces), (price.node, extras.nodes)];
    let extra: i64 = units
        .into_iter()
        .filter_map(|(unit, count)| unit.zip(count))
        .map(|(unit, count)| each(unit.monthly, unit.yearly).times(count).amount)
        .fold(0, i64::saturating_add);
    let base = each(price.monthly, price.yearly);
    base.of(base.amount.saturating_add(extra).saturating_add(used.total.amount))
}

/// What the billing provider has to be told of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// What it was told of that hour before.
    pub report: UsageReport,
    /// What is different now.
    pub news: Vec<UsageTelling>,
}

/// How much an organization used in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageTelling {
    /// Of what.
    pub meter: Meter,
    /// How much, in thousandths of the meter's unit.
    pub amount: u64,
}

/// What the billing provider was not told yet of what is charged for, oldest hour first.
#[must_use]
pub fn untold(
    used: &BTreeMap<Hour, PerMeter<u64>>,
    reports: Vec<UsageReport>,
    nothing_told: impl Fn(Hour) -> UsageReport,
    charged: &[Meter],
) -> Vec<Telling> {
    let mut known: BTreeMap<Hour, UsageReport> =
        reports.into_iter().map(|report| (report.hour, report)).collect();
    let telling = |(hour, used): (&Hour, &PerMeter<u64>)| {
        let report = known.remove(hour).unwrap_or_else(|| nothing_told(*hour));
        let news = charged.iter().map(|meter| UsageTelling { meter: *meter, amount: used[*meter] });
        let news: Vec<_> = news.filter(|news| news.amount != report.told[news.meter]).collect();
        (!news.is_empty()).then_some(Telling { report, news })
    };
    used.iter().filter_map(telling).collect()
}

/// What a month's usage costs beyond what is included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// What is charged for, one by one.
    pub lines: Vec<BillLine>,
    /// What that comes to.
    pub total: Money,
}

/// What a month's usage of one thing costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BillLine {
    /// What was used.
    pub meter: Meter,
    /// How much, in thousandths of its unit.
    pub amount: u64,
    /// How much of it is included, in thousandths of its unit.
    pub included: u64,
    /// What the rest costs.
    pub cost: Money,
}

/// What usage in one month costs at this price.
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
    Bill { lines, total: price.monthly.of(total) }
}

/// Of what people are to be warned this month, with whatever they were warned of before: at 80 and at 100 percent of what
/// the plan includes, and of the budget. Whoever is past both is told of the second only.
#[must_use]
pub fn warn(account: &BillingAccount, bill: &Bill, month: Month) -> (Warned, Vec<UsageAlert>) {
    let mut warned = match account.warned.month == Some(month) {
        true => account.warned.clone(),
        false => Warned { month: Some(month), ..Warned::default() },
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
        let reached = PERCENTS.into_iter().filter(|percent| used * 100 >= whole * u128::from(*percent));
        let news = reached.map(|percent| UsageAlert { bound, percent }).filter(|it| warned.of.insert(*it));
        alerts.extend(news.last());
    }
    (warned, alerts)
}
