use std::collections::BTreeMap;

use crate::model::{
    BillingAccount, Hour, Meter, Money, Month, PerMeter, Price, UsageAlert, UsageBound, UsageReport, Warned,
};

/// From how many percent of a bound on people are warned.
const PERCENTS: [u8; 2] = [80, 100];

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
