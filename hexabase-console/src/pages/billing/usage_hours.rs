//! Usage of a meter by day and hour.

use std::collections::BTreeMap;

use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Meter, Month};
use hexabase_core::platform::HourlyUsage;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::usage::{UsageChoice, last_months};
use super::words::{meter_text, usage_text};
use crate::components::{
    Chart, ChartKind, Choice, Column, Control, Field, Row, Series, Table, Tone, badge, chart, field,
    get_form, table,
};
use crate::language::Texts;
use crate::pages::filters::submit_filters;
use crate::time::{day, exact_time};
use crate::urls;

/// Form that chooses month, meter and day.
pub(super) fn usage_filters(texts: &Texts, org: OrganizationId, choice: &UsageChoice) -> Markup {
    let months = last_months(Month::of(choice.now));
    let months = months.iter().map(ToString::to_string).map(|month| Choice::new(month.clone(), month));
    let month = Field::new("month", texts.text("billing-month-field"), Control::Select(months.collect()))
        .value(choice.month.to_string())
        .required();
    let meters = Meter::ALL.iter().map(|meter| Choice::new(meter.as_str(), meter_text(texts, *meter)));
    let meter = Field::new("meter", texts.text("billing-meter"), Control::Select(meters.collect()))
        .value(choice.meter.as_str())
        .required();
    let last = Choice::new("", texts.text("metered-last-day"));
    let days = days_of(choice).into_iter().rev().map(|day| Choice::new(day.to_string(), day.to_string()));
    let day = Field::new(
        "day",
        texts.text("billing-day"),
        Control::Select([last].into_iter().chain(days).collect()),
    )
    .value(choice.day.clone())
    .required();
    get_form(
        &urls::billing_usage(org),
        &html! { (field(texts, &month)) (field(texts, &meter)) (field(texts, &day)) (submit_filters(texts)) },
    )
}

/// Returns the days of the month that have begun.
fn days_of(choice: &UsageChoice) -> Vec<Date> {
    let first = date_of(choice.month.start());
    let end = choice.month.end().min(choice.now);
    let series = first.series(jiff::Span::new().days(1));
    series.take_while(|date| start_of(*date) < end).take(31).collect()
}

fn date_of(timestamp: Timestamp) -> Date {
    timestamp.to_zoned(TimeZone::UTC).date()
}

fn start_of(date: Date) -> Timestamp {
    date.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |start| start.timestamp())
}

/// Usage of a meter as a chart of days and a table of the hours of one day, each with the reported amount.
pub(super) fn hours(texts: &Texts, choice: &UsageChoice, hours: &[HourlyUsage]) -> Markup {
    let meter = choice.meter;
    let by_day = daily(hours, meter);
    let chosen = choice.day.parse().ok().or_else(|| by_day.keys().last().copied());
    let of_day: Vec<_> =
        hours.iter().filter(|it| Some(date_of(it.hour.start())) == chosen).copied().collect();
    html! {
        @if by_day.is_empty() { p { (texts.text("metered-none")) } } @else {
            (chart(texts, &day_chart(texts, choice, &by_day)))
        }
        @if let Some(date) = chosen {
            h3 { (day(texts, start_of(date))) }
            @if of_day.is_empty() { p { (texts.text("metered-none-that-day")) } } @else {
                (table(&hour_table(texts, meter, &of_day)))
            }
        }
    }
}

/// Returns the usage of a meter by day, in thousandths of its unit.
fn daily(hours: &[HourlyUsage], meter: Meter) -> BTreeMap<Date, u64> {
    let mut days = BTreeMap::new();
    for usage in hours {
        let sum: &mut u64 = days.entry(date_of(usage.hour.start())).or_default();
        *sum = sum.saturating_add(usage.used[meter]);
    }
    days
}

#[expect(clippy::cast_precision_loss, reason = "charts need no exact amounts")]
fn day_chart(texts: &Texts, choice: &UsageChoice, by_day: &BTreeMap<Date, u64>) -> Chart {
    // Days without a reading stay a gap.
    let point = |date: Date| (start_of(date), by_day.get(&date).map(|amount| *amount as f64 / 1_000.0));
    Chart {
        title: texts.text("metered-by-day"),
        kind: ChartKind::Bar,
        series: vec![Series {
            label: meter_text(texts, choice.meter),
            points: days_of(choice).into_iter().map(point).collect(),
        }],
        limit: None,
        is_binary: false,
        format: |value| {
            let text = format!("{value:.1}");
            text.strip_suffix(".0").unwrap_or(&text).to_owned()
        },
    }
}

fn hour_table(texts: &Texts, meter: Meter, hours: &[HourlyUsage]) -> Table {
    let row = |usage: &HourlyUsage| -> Row {
        let (used, reported) = (usage.used[meter], usage.reported[meter]);
        let verdict = match used == reported {
            true => badge(Tone::Good, &texts.text("metered-reported")),
            false => badge(Tone::Neutral, &texts.text("metered-not-reported")),
        };
        vec![
            exact_time(texts, usage.hour.start()),
            html! { (usage_text(texts, meter, used)) },
            html! { (usage_text(texts, meter, reported)) },
            verdict,
        ]
        .into()
    };
    Table {
        caption: texts.text("metered-hours-caption"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-hour")),
            Column::number(texts.text("metered-measured")),
            Column::number(texts.text("metered-sent")),
            Column::text(texts.text("billing-status")),
        ],
        rows: hours.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::{Hour, PerMeter};

    use super::*;

    #[test]
    fn usage_is_summed_by_day_and_days_without_readings_are_gaps() {
        let now: Timestamp = "2026-11-04T10:12:05Z".parse().unwrap();
        let usage = |time: &str, amount| HourlyUsage {
            hour: Hour::of(time.parse().unwrap()),
            used: PerMeter::from_fn(|_| amount),
            reported: PerMeter::default(),
        };
        let hours = [
            usage("2026-11-01T00:00:00Z", 1),
            usage("2026-11-01T23:00:00Z", 2),
            usage("2026-11-03T00:00:00Z", 4),
        ];
        let days = daily(&hours, Meter::Cpu);
        assert_eq!(days.values().copied().collect::<Vec<_>>(), [3, 4]);
        let choice = UsageChoice { month: Month::of(now), meter: Meter::Cpu, day: String::new(), now };
        let texts = Texts::new(crate::language::Language::English);
        let drawn = day_chart(&texts, &choice, &days);
        let points: Vec<_> = drawn.series[0].points.iter().map(|(_, value)| value.is_some()).collect();
        assert_eq!(points, [true, false, true, false], "days that have not begun are not drawn");
    }
}
