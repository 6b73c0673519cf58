//! Metrics and their values in words.

use hexabase_core::metrics::{Metric, SeriesLabels, Unit};

use crate::language::Texts;
use crate::numbers::size;

/// Returns the name of a metric.
pub(super) fn metric_text(texts: &Texts, metric: Metric) -> String {
    match metric {
        Metric::Cpu => texts.text("metric-cpu"),
        Metric::Memory => texts.text("metric-memory"),
        Metric::Storage => texts.text("metric-storage"),
        Metric::StorageUsed => texts.text("metric-storage-used"),
        Metric::NetworkReceive => texts.text("metric-network-receive"),
        Metric::NetworkTransmit => texts.text("metric-network-transmit"),
        Metric::Pods => texts.text("metric-pods"),
        Metric::Restarts => texts.text("metric-restarts"),
        Metric::Throttling => texts.text("metric-throttling"),
        Metric::ApiRequests => texts.text("metric-api-requests"),
    }
}

/// Returns the explanation of a metric.
pub(super) fn metric_about(texts: &Texts, metric: Metric) -> String {
    match metric {
        Metric::Cpu => texts.text("metric-cpu-about"),
        Metric::Memory => texts.text("metric-memory-about"),
        Metric::Storage => texts.text("metric-storage-about"),
        Metric::StorageUsed => texts.text("metric-storage-used-about"),
        Metric::NetworkReceive => texts.text("metric-network-receive-about"),
        Metric::NetworkTransmit => texts.text("metric-network-transmit-about"),
        Metric::Pods => texts.text("metric-pods-about"),
        Metric::Restarts => texts.text("metric-restarts-about"),
        Metric::Throttling => texts.text("metric-throttling-about"),
        Metric::ApiRequests => texts.text("metric-api-requests-about"),
    }
}

/// Returns the function that formats values of a unit.
pub(super) const fn format_of(unit: Unit) -> fn(f64) -> String {
    match unit {
        Unit::Cores | Unit::Count => decimals,
        Unit::Bytes => bytes,
        Unit::BytesPerSecond => bytes_per_second,
        Unit::Ratio => share,
        Unit::RequestsPerSecond => per_second,
    }
}

/// `true` if values of a unit are bytes.
pub(super) const fn is_binary(unit: Unit) -> bool {
    matches!(unit, Unit::Bytes | Unit::BytesPerSecond)
}

/// Returns a number with at most three decimals.
fn decimals(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are not negative; a cast saturates"
)]
fn bytes(value: f64) -> String {
    size(value.round() as u64)
}

fn bytes_per_second(value: f64) -> String {
    format!("{}/s", bytes(value))
}

fn share(value: f64) -> String {
    format!("{}%", decimals((value * 1_000.0).round() / 10.0))
}

fn per_second(value: f64) -> String {
    format!("{}/s", decimals(value))
}

/// Returns the name of a series; `None` for the sum of all.
pub(super) fn series_name(labels: &SeriesLabels) -> Option<String> {
    let parts: Vec<&str> =
        [&labels.project, &labels.pod, &labels.container].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(" / "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_notation_of_their_unit() {
        for (unit, value, text) in [
            (Unit::Cores, 0.0, "0"),
            (Unit::Cores, 0.125_4, "0.125"),
            (Unit::Cores, 10.0, "10"),
            (Unit::Count, 100.0, "100"),
            (Unit::Bytes, 1_610_612_736.0, "1.5Gi"),
            (Unit::Bytes, 0.4, "0B"),
            (Unit::BytesPerSecond, 2_048.0, "2Ki/s"),
            (Unit::Ratio, 0.051_26, "5.1%"),
            (Unit::Ratio, 1.0, "100%"),
            (Unit::RequestsPerSecond, 2.5, "2.5/s"),
        ] {
            assert_eq!(format_of(unit)(value), text, "{unit:?} {value}");
        }
    }

    #[test]
    fn a_series_has_the_names_of_its_labels() {
        let name = |text: &str| Some(text.to_owned());
        assert_eq!(series_name(&SeriesLabels::default()), None);
        let labels = SeriesLabels { project: name("shop"), pod: name("web-0"), container: None };
        assert_eq!(series_name(&labels).as_deref(), Some("shop / web-0"));
    }
}
