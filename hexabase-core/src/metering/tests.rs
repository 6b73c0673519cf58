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

/// Ten o'clock, and a moment after it.
fn hour() -> Hour {
    Hour::of("2026-11-23T10:00:00Z".parse().unwrap())
}

fn minutes(minutes: i64) -> Timestamp {
    hour().start() + SignedDuration::from_mins(minutes)
}

/// A sample for every five minutes of the hour.
fn all_hour(value: f64) -> Vec<Sample> {
    (1..=12).map(|step| Sample { at: minutes(5 * step), value }).collect()
}

#[test]
fn an_hour_of_half_a_core_is_half_a_core_hour() {
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
fn what_was_not_measured_is_missing_and_marked() {
    let mut samples = all_hour(1.0);
    samples.drain(3..6);
    samples[0].value = f64::NAN;
    samples[1].value = -1.0;
    assert_eq!(read(Meter::Cpu, hour(), &samples), Reading { amount: 583, minutes: 35 });
    assert_eq!(read(Meter::Cpu, hour(), &[]), Reading::default());
}

#[test]
fn what_lies_outside_of_the_hour_counts_nothing() {
    // A sample stands for the time before it: that on the stroke of ten belongs to the hour before.
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
        let once = read(Meter::Cpu, hour(), &samples);
        for place in order {
            if !samples.is_empty() {
                let again = samples[place.index(samples.len())];
                samples.push(again);
                let swapped = place.index(samples.len());
                samples.swap(0, swapped);
            }
        }
        prop_assert_eq!(read(Meter::Cpu, hour(), &samples), once);
        prop_assert!(once.minutes <= 60);
    }

    #[test]
    fn what_a_month_costs_is_never_less_for_more(
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
    UsageHour { readings, ..UsageHour::unread(id("acme"), id("shop"), hour()) }
}

#[test]
fn a_late_reading_replaces_one_that_covers_less_and_never_one_that_covers_more() {
    let half = used(PerMeter::of(|_| Reading { amount: 300, minutes: 30 }));
    let whole = used(PerMeter::of(|_| Reading { amount: 600, minutes: 60 }));
    let other = used(PerMeter::of(|_| Reading { amount: 599, minutes: 60 }));
    assert_eq!(merged(None, half.clone()), Some(half.clone()));
    assert_eq!(merged(Some(&half), whole.clone()), Some(whole.clone()));
    assert_eq!(merged(Some(&whole), half), None);
    assert_eq!(merged(Some(&whole), whole.clone()), None);
    assert_eq!(merged(Some(&whole), other.clone()), Some(other), "what was corrected is corrected");
}

/// What has been read of the hours that were due by then, hour by hour.
fn reads_until(first: Timestamp, hours: i64) -> BTreeMap<Hour, Vec<i64>> {
    let mut known: Vec<MeteredHour> = Vec::new();
    let mut reads: BTreeMap<Hour, Vec<i64>> = BTreeMap::new();
    for passed in 0..hours {
        let now = first + SignedDuration::from_hours(passed);
        for hour in due_hours(now, &known) {
            reads.entry(hour).or_default().push(passed);
            known.retain(|known| known.hour != hour);
            known.push(MeteredHour { hour, read_at: now, again_at: read_again_at(hour, now) });
        }
    }
    reads
}

#[test]
fn an_hour_is_read_once_it_is_over_and_six_times_more() {
    assert_eq!(due_hours(minutes(64), &[]), [hour().after(-1)], "ten to eleven has not settled yet");
    let reads = reads_until(minutes(66), 60);
    assert_eq!(reads[&hour()], [0, 1, 2, 4, 8, 16, 32]);
    assert_eq!(reads.len(), 60, "every hour since then");
}

#[test]
fn what_was_missed_is_made_up_for_within_two_weeks() {
    let read = MeteredHour { hour: hour(), read_at: minutes(66), again_at: Some(minutes(125)) };
    let due = due_hours(minutes(66 + 5 * 60), std::slice::from_ref(&read));
    assert_eq!(due, (0..=5).map(|hours| hour().after(hours)).collect::<Vec<_>>());
    let after_a_month = due_hours(minutes(66 + 30 * 24 * 60), &[MeteredHour { again_at: None, ..read }]);
    assert_eq!(after_a_month.len(), 14 * 24 + 1);
}

#[test]
fn whatever_was_not_read_yet_of_a_workspace_that_goes_is_known() {
    let read = [MeteredHour { hour: hour(), read_at: minutes(66), again_at: None }];
    let unread = |known: &[MeteredHour], since| unread_hours(minutes(190), known, since);
    let hours = |range: std::ops::RangeInclusive<i64>| range.map(|it| hour().after(it)).collect::<Vec<_>>();
    assert_eq!(unread(&read, minutes(-999)), hours(1..=3));
    assert_eq!(unread(&read, minutes(150)), hours(2..=3));
    assert_eq!(unread(&[], minutes(-999)), hours(2..=3), "as if metering began just now");
}

#[test]
fn what_was_read_late_is_not_read_again_for_every_time_that_was_missed() {
    let late = minutes(60 + 9 * 60);
    assert_eq!(read_again_at(hour(), late), Some(minutes(60 + 16 * 60 + 5)));
    assert_eq!(read_again_at(hour(), minutes(100 * 60)), None);
}

fn amounts(cpu: u64, memory: u64) -> PerMeter<u64> {
    PerMeter::of(|meter| match meter {
        Meter::Cpu => cpu,
        Meter::Memory => memory,
        _ => 7,
    })
}

#[test]
fn the_provider_is_told_what_differs_of_what_is_charged_for() {
    let nothing = |hour| UsageReport::untold(id("acme"), hour);
    let (first, second, third) = (hour(), hour().after(1), hour().after(2));
    let told = |hour, told, round| UsageReport { told, round, ..nothing(hour) };
    let used = [(first, amounts(10, 20)), (second, amounts(30, 0)), (third, amounts(1, 1))];
    let reports = vec![told(first, amounts(10, 15), 2), told(third, amounts(1, 1), 1)];
    let charged = [Meter::Cpu, Meter::Memory];
    let news = |meter, amount| UsageTelling { meter, amount };
    let expected = [
        Telling { report: told(first, amounts(10, 15), 2), news: vec![news(Meter::Memory, 20)] },
        Telling { report: nothing(second), news: vec![news(Meter::Cpu, 30)] },
    ];
    assert_eq!(untold(&used.into(), reports, nothing, &charged), expected);
}

fn usd(amount: i64) -> Money {
    Money { amount, currency: Currency::parse("usd").unwrap() }
}

/// A hundred core hours are included, and each further one costs four cents.
fn price() -> Price {
    let mut usage = PerMeter::of(|_| None);
    usage[Meter::Cpu] = Some(UsagePrice { included: 100, per_thousand: usd(4_000) });
    Price { monthly: usd(4_900), yearly: None, workspace: None, node: None, usage, trial_days: 0 }
}

#[test]
fn only_what_is_beyond_what_is_included_costs_something() {
    let cost = |cpu| bill(&price(), &amounts(cpu, 9)).total.amount;
    assert_eq!(cost(100_000), 0);
    assert_eq!(cost(150_000), 200);
    assert_eq!(cost(100_125), 1, "half a cent is a cent");
    assert_eq!(cost(100_124), 0);
    assert_eq!(bill(&price(), &amounts(1, 1)).lines.len(), 1, "nothing else is charged for");
}

#[test]
fn people_are_warned_once_a_month_of_every_bound_that_comes_near() {
    let november = Month::of(hour().start());
    let included = |percent| UsageAlert { bound: UsageBound::Included(Meter::Cpu), percent };
    let budget = |percent| UsageAlert { bound: UsageBound::Budget, percent };
    let mut account = BillingAccount::new(id("acme"), hour().start());
    account.budget = Some(usd(1_000));
    let mut alerts = |cpu, month| {
        let (warned, alerts) = warn(&account, &bill(&price(), &amounts(cpu, 0)), month);
        account.warned = warned;
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
        "of both bounds at once the second only"
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
