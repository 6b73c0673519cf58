use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::fixture::id;
use crate::metrics::Sample;
use crate::model::{
    BillingAccount, Currency, Hour, Meter, MeteredHour, Money, Month, PerMeter, Price, Reading, UsageAlert,
    UsageBound, UsageHour, UsagePrice, UsageReport,
};

/// Hour that begins at 10:00 UTC.
fn hour() -> Hour {
    Hour::of("2026-11-23T10:00:00Z".parse().unwrap())
}

fn minutes(minutes: i64) -> Timestamp {
    hour().start() + SignedDuration::from_mins(minutes)
}

/// One sample for every five minutes of the hour.
fn all_hour(value: f64) -> Vec<Sample> {
    (1..=12).map(|step| Sample { at: minutes(5 * step), value }).collect()
}

#[test]
fn half_a_core_for_an_hour_is_half_a_core_hour() {
    assert_eq!(read(Meter::Cpu, hour(), &all_hour(0.5)), Reading { amount: 500, minutes: 60 });
}

#[test]
fn every_meter_counts_in_its_unit() {
    let gib = 1_073_741_824.0;
    for (meter, value, amount) in [
        (Meter::Memory, 2.0 * gib, 2_000),
        (Meter::Storage, 10.0 * gib, 10_000),
        (Meter::NetworkReceive, gib / 3600.0, 1_000),
        (Meter::NetworkTransmit, gib / 7200.0, 500),
        (Meter::ApiRequests, 2.0, 7_200),
    ] {
        assert_eq!(read(meter, hour(), &all_hour(value)), Reading { amount, minutes: 60 }, "{meter}");
    }
}

#[test]
fn missing_samples_reduce_the_covered_minutes() {
    let mut samples = all_hour(1.0);
    samples.drain(3..6);
    samples[0].value = f64::NAN;
    samples[1].value = -1.0;
    assert_eq!(read(Meter::Cpu, hour(), &samples), Reading { amount: 583, minutes: 35 });
    assert_eq!(read(Meter::Cpu, hour(), &[]), Reading::default());
}

#[test]
fn charged_meters_with_unmeasured_time_are_gaps() {
    let mut measured = PerMeter::from_fn(|_| 60);
    assert_eq!(gaps(Meter::ALL, &measured), []);
    (measured[Meter::Memory], measured[Meter::Storage]) = (25, 0);
    assert_eq!(gaps(Meter::ALL, &measured), [(Meter::Memory, 25), (Meter::Storage, 0)]);
    assert_eq!(gaps(&[Meter::Cpu, Meter::Storage], &measured), [(Meter::Storage, 0)]);
}

#[test]
fn samples_outside_the_hour_are_ignored() {
    // A sample covers the time before it: a sample at 10:00 belongs to the previous hour.
    let samples: Vec<Sample> = [0, 61, 65].map(|at| Sample { at: minutes(at), value: 9.0 }).to_vec();
    assert_eq!(read(Meter::Cpu, hour(), &samples), Reading::default());
}

proptest! {
    #[test]
    fn repeated_and_shuffled_samples_read_the_same(
        samples in prop::collection::vec((0_i64..3700, 0.0_f64..8.0), 0..40),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
    ) {
        let sample = |(seconds, value): &(i64, f64)| Sample {
            at: hour().start() + SignedDuration::from_secs(*seconds),
            value: *value,
        };
        let mut samples: Vec<Sample> = samples.iter().map(sample).collect();
        let first = read(Meter::Cpu, hour(), &samples);
        for index in order {
            if !samples.is_empty() {
                let repeated = samples[index.index(samples.len())];
                samples.push(repeated);
                let swapped = index.index(samples.len());
                samples.swap(0, swapped);
            }
        }
        prop_assert_eq!(read(Meter::Cpu, hour(), &samples), first);
        prop_assert!(first.minutes <= 60);
    }

    #[test]
    fn the_cost_of_a_month_grows_with_usage(
        amount in 0_u64..10_000_000, more in 0_u64..10_000_000, included in 0_u32..5_000, per_thousand in 0_i64..1_000_000,
    ) {
        let price = UsagePrice { included, per_thousand: usd(per_thousand) };
        prop_assert!(price.cost(amount, 1).amount <= price.cost(amount + more, 1).amount);
        let exact = i128::from(amount.saturating_sub(price.included_in(1))) * i128::from(per_thousand);
        let off = exact - i128::from(price.cost(amount, 1).amount) * 1_000_000;
        prop_assert!(off.abs() <= 500_000, "off by {off} millionths");
    }
}

fn used(readings: PerMeter<Reading>) -> UsageHour {
    UsageHour { readings, ..UsageHour::empty(id("acme"), id("shop"), hour()) }
}

#[test]
fn a_late_reading_replaces_one_that_covers_less_and_never_one_that_covers_more() {
    let half = used(PerMeter::from_fn(|_| Reading { amount: 300, minutes: 30 }));
    let whole = used(PerMeter::from_fn(|_| Reading { amount: 600, minutes: 60 }));
    let other = used(PerMeter::from_fn(|_| Reading { amount: 599, minutes: 60 }));
    assert_eq!(merged(None, half.clone()), Some(half.clone()));
    assert_eq!(merged(Some(&half), whole.clone()), Some(whole.clone()));
    assert_eq!(merged(Some(&whole), half), None);
    assert_eq!(merged(Some(&whole), whole.clone()), None);
    assert_eq!(
        merged(Some(&whole), other.clone()),
        Some(other),
        "a corrected reading replaces the known one"
    );
}

/// Reads the due hours once per hour, and returns the number of passed hours at each reading of an hour.
fn reads_until(first: Timestamp, hours: i64) -> BTreeMap<Hour, Vec<i64>> {
    let mut known: Vec<MeteredHour> = Vec::new();
    let mut reads: BTreeMap<Hour, Vec<i64>> = BTreeMap::new();
    for passed in 0..hours {
        let now = first + SignedDuration::from_hours(passed);
        for hour in due_hours(now, &known) {
            reads.entry(hour).or_default().push(passed);
            known.retain(|known| known.hour != hour);
            known.push(MeteredHour { hour, read_at: now, next_read_at: next_read_at(hour, now) });
        }
    }
    reads
}

#[test]
fn an_hour_is_read_after_its_end_and_six_times_more() {
    assert_eq!(
        due_hours(minutes(64), &[]),
        [hour().after(-1)],
        "the hour from 10:00 is not due before 11:05"
    );
    let reads = reads_until(minutes(66), 60);
    assert_eq!(reads[&hour()], [0, 1, 2, 4, 8, 16, 32]);
    assert_eq!(reads.len(), 60, "every later hour is read as well");
}

#[test]
fn missed_hours_of_two_weeks_are_read_later() {
    let read = MeteredHour { hour: hour(), read_at: minutes(66), next_read_at: Some(minutes(125)) };
    let due = due_hours(minutes(66 + 5 * 60), std::slice::from_ref(&read));
    assert_eq!(due, (0..=5).map(|hours| hour().after(hours)).collect::<Vec<_>>());
    let after_a_month = due_hours(minutes(66 + 30 * 24 * 60), &[MeteredHour { next_read_at: None, ..read }]);
    assert_eq!(after_a_month.len(), 14 * 24 + 1);
}

#[test]
fn the_unread_hours_of_a_deleted_workspace_are_known() {
    let read = [MeteredHour { hour: hour(), read_at: minutes(66), next_read_at: None }];
    let unread = |known: &[MeteredHour], since| unread_hours(minutes(190), known, since);
    let hours = |range: std::ops::RangeInclusive<i64>| range.map(|it| hour().after(it)).collect::<Vec<_>>();
    assert_eq!(unread(&read, minutes(-999)), hours(1..=3));
    assert_eq!(unread(&read, minutes(150)), hours(2..=3));
    assert_eq!(unread(&[], minutes(-999)), hours(2..=3), "as if metering had just begun");
}

#[test]
fn a_late_reading_skips_the_missed_ones() {
    let late = minutes(60 + 9 * 60);
    assert_eq!(next_read_at(hour(), late), Some(minutes(60 + 16 * 60 + 5)));
    assert_eq!(next_read_at(hour(), minutes(100 * 60)), None);
}

fn amounts(cpu: u64, memory: u64) -> PerMeter<u64> {
    PerMeter::from_fn(|meter| match meter {
        Meter::Cpu => cpu,
        Meter::Memory => memory,
        _ => 7,
    })
}

#[test]
fn only_changed_usage_of_charged_meters_is_reported() {
    let no_report = |hour| UsageReport::unreported(id("acme"), hour);
    let (first, second, third) = (hour(), hour().after(1), hour().after(2));
    let reported = |hour, reported, revision| UsageReport { reported, revision, ..no_report(hour) };
    let used = [(first, amounts(10, 20)), (second, amounts(30, 0)), (third, amounts(1, 1))];
    let reports = vec![reported(first, amounts(10, 15), 2), reported(third, amounts(1, 1), 1)];
    let charged = [Meter::Cpu, Meter::Memory];
    let delta = |meter, amount| UsageDelta { meter, amount };
    let expected = [
        PendingReport { report: reported(first, amounts(10, 15), 2), deltas: vec![delta(Meter::Memory, 20)] },
        PendingReport { report: no_report(second), deltas: vec![delta(Meter::Cpu, 30)] },
    ];
    assert_eq!(unreported(&used.into(), reports, no_report, &charged), expected);
}

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("usd").unwrap() }
}

/// Price that includes 100 core hours and charges four cents for each further one.
fn price() -> Price {
    let mut usage = PerMeter::from_fn(|_| None);
    usage[Meter::Cpu] = Some(UsagePrice { included: 100, per_thousand: usd(4_000) });
    Price { monthly: usd(4_900), yearly: None, workspace: None, node: None, usage, trial_days: 0 }
}

#[test]
fn only_usage_beyond_the_included_amount_is_charged() {
    let cost = |cpu| bill(&price(), &amounts(cpu, 9)).total.amount;
    assert_eq!(cost(100_000), 0);
    assert_eq!(cost(150_000), 200);
    assert_eq!(cost(100_125), 1, "half a cent is a cent");
    assert_eq!(cost(100_124), 0);
    assert_eq!(bill(&price(), &amounts(1, 1)).lines.len(), 1, "no other meter is charged");
}

#[test]
fn each_usage_alert_is_sent_once_a_month() {
    let november = Month::of(hour().start());
    let included = |percent| UsageAlert { bound: UsageBound::Included(Meter::Cpu), percent };
    let budget = |percent| UsageAlert { bound: UsageBound::Budget, percent };
    let mut account = BillingAccount::new(id("acme"), hour().start());
    account.budget = Some(usd(1_000));
    let mut alerts = |cpu, month| {
        let (sent_usage_alerts, alerts) = due_alerts(&account, &bill(&price(), &amounts(cpu, 0)), month);
        account.sent_usage_alerts = sent_usage_alerts;
        alerts
    };
    assert_eq!(alerts(79_999, november), []);
    assert_eq!(alerts(80_000, november), [included(80)]);
    assert_eq!(alerts(90_000, november), []);
    assert_eq!(alerts(300_000, november), [included(100), budget(80)], "800 of 1000 cents");
    assert_eq!(alerts(900_000, november), [budget(100)]);
    assert_eq!(alerts(999_000, november), []);
    let december = Month::of(november.end());
    assert_eq!(
        alerts(900_000, december),
        [included(100), budget(100)],
        "only the second alert of each bound is sent"
    );
}

#[test]
fn a_month_begins_and_ends_with_the_calendar() {
    let month: Month = "2026-12".parse().unwrap();
    assert_eq!(month.start().to_string(), "2026-12-01T00:00:00Z");
    assert_eq!(month.end().to_string(), "2027-01-01T00:00:00Z");
    assert_eq!(month.to_string(), "2026-12");
    for wrong in ["2026", "2026-13", "2026-12-01", "", "x"] {
        assert!(wrong.parse::<Month>().is_err(), "{wrong}");
    }
}

#[test]
fn a_budget_warns_from_the_percentages_of_its_alerts_on() {
    let usd = Currency::parse("usd").unwrap();
    let money = |amount| Money { amount, currency: usd };
    for (cost, budget, percent) in [
        (0, 0, None),
        (0, 100, None),
        (79, 100, None),
        (80, 100, Some(80)),
        (99, 100, Some(80)),
        (100, 100, Some(100)),
        (1, 0, Some(100)),
        (-5, 100, None),
    ] {
        assert_eq!(reached_percent(money(cost), money(budget)), percent, "{cost} of {budget}");
    }
    let yen = Money { amount: 100, currency: Currency::parse("jpy").unwrap() };
    assert_eq!(reached_percent(yen, money(100)), None);
}
