//! Times and durations on pages.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::language::Texts;

/// Element with a time in UTC, such as "29 Nov 2026, 10:12 UTC". A script adds the local time by the attribute.
#[must_use]
pub fn time(texts: &Texts, timestamp: Timestamp) -> Markup {
    let machine = timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(machine) { (time_text(texts, timestamp)) } }
}

/// Element with a time in UTC to the second, for records such as audit events.
#[must_use]
pub fn exact_time(texts: &Texts, timestamp: Timestamp) -> Markup {
    let machine = timestamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html! { time datetime=(machine) data-exact { (exact_time_text(texts, timestamp)) } }
}

/// Returns a time to the second as text, in UTC.
#[must_use]
pub fn exact_time_text(texts: &Texts, timestamp: Timestamp) -> String {
    parts_text(texts, timestamp, &timestamp.strftime("%H:%M:%S").to_string())
}

/// Returns a time to the minute as text, in UTC.
#[must_use]
pub fn time_text(texts: &Texts, timestamp: Timestamp) -> String {
    parts_text(texts, timestamp, &timestamp.strftime("%H:%M").to_string())
}

/// Element with a day in UTC, such as "29 Nov 2026".
#[must_use]
pub fn day(texts: &Texts, timestamp: Timestamp) -> Markup {
    let date = timestamp.to_zoned(TimeZone::UTC).date();
    let (year, day) = (date.year().to_string(), date.day().to_string());
    let month = u64::try_from(date.month()).unwrap_or_default();
    html! {
        time datetime=(date.to_string()) {
            (texts.text_with("time-day", &[
                ("day", (&day).into()),
                ("month", month.into()),
                ("year", (&year).into()),
            ]))
        }
    }
}

/// Returns a duration in its largest unit, rounded to the nearest: "45 s", "3 min", "2 h", "5 days".
#[must_use]
pub fn duration_text(texts: &Texts, duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = duration.as_secs();
    let rounded = |unit: u64| (seconds + unit / 2) / unit;
    match seconds {
        0..90 => texts.text_with("time-seconds", &[("count", seconds.into())]),
        90..5_400 => texts.text_with("time-minutes", &[("count", rounded(MINUTE).into())]),
        5_400..129_600 => texts.text_with("time-hours", &[("count", rounded(HOUR).into())]),
        _ => texts.text_with("time-days", &[("count", rounded(DAY).into())]),
    }
}

fn parts_text(texts: &Texts, timestamp: Timestamp, clock: &str) -> String {
    let date = timestamp.to_zoned(TimeZone::UTC).date();
    let (year, day) = (date.year().to_string(), date.day().to_string());
    let month = u64::try_from(date.month()).unwrap_or_default();
    texts.text_with(
        "time-minute",
        &[("day", (&day).into()), ("month", month.into()), ("year", (&year).into()), ("time", clock.into())],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    const TEN_TWELVE: &str = "2026-11-29T10:12:05.6Z";

    #[test]
    fn times_are_in_utc_and_machine_readable() {
        let timestamp = TEN_TWELVE.parse().unwrap();
        let rendered = |language| time(&Texts::new(language), timestamp).into_string();
        let machine = "<time datetime=\"2026-11-29T10:12:05Z\">";
        assert_eq!(rendered(Language::English), format!("{machine}29 Nov 2026, 10:12 UTC</time>"));
        assert_eq!(rendered(Language::Japanese), format!("{machine}2026年11月29日 10:12 UTC</time>"));
        let exact = exact_time(&Texts::new(Language::English), timestamp).into_string();
        assert!(exact.ends_with(">29 Nov 2026, 10:12:05 UTC</time>"), "{exact}");
    }

    #[test]
    fn days_are_in_utc() {
        let rendered = day(&Texts::new(Language::Japanese), TEN_TWELVE.parse().unwrap()).into_string();
        assert_eq!(rendered, "<time datetime=\"2026-11-29\">2026年11月29日</time>");
    }

    #[test]
    fn durations_are_in_their_largest_unit() {
        let text = |seconds| duration_text(&Texts::new(Language::English), Duration::from_secs(seconds));
        for (seconds, expected) in [
            (0, "0 s"),
            (89, "89 s"),
            (90, "2 min"),
            (5_399, "90 min"),
            (5_400, "2 h"),
            (129_600, "2 days"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(text(seconds), expected);
        }
    }
}
