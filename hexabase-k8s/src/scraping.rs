//! Scraping of tenant API servers by a Prometheus of the host.

use std::fmt;
use std::str::FromStr;

/// Maximum number of samples of a scrape after the selection of series.
pub(crate) const SAMPLE_LIMIT: u32 = 20_000;
/// Maximum number of labels of a series, and the maximum lengths of their names and values.
pub(crate) const LABEL_LIMITS: (u32, u32, u32) = (32, 128, 512);
/// Metrics whose series are kept.
const METRICS: [&str; 8] = [
    "apiserver_current_inflight_requests",
    "apiserver_request_duration_seconds_count",
    "apiserver_request_duration_seconds_sum",
    "apiserver_request_total",
    "apiserver_storage_objects",
    "process_resident_memory_bytes",
    "rest_client_requests_total",
    "workqueue_depth",
];
/// Kept bucket of a histogram: its upper bound in seconds, and the pattern of it, since Prometheus 3 writes whole numbers with
/// a decimal.
type Bucket = (&'static str, &'static str);
/// Histograms of which few buckets are kept: the durations of requests, and the remaining validity of client certificates, of
/// which a week matters.
const HISTOGRAMS: [(&str, &[Bucket]); 2] = [
    (
        "apiserver_request_duration_seconds_bucket",
        &[("0.1", r"0\.1"), ("1", r"1(\.0)?"), ("5", r"5(\.0)?"), ("+Inf", r"\+Inf")],
    ),
    ("apiserver_client_certificate_expiration_seconds_bucket", &[("604800", r"604800(\.0)?")]),
];

/// `true` if a metric has series that are kept.
pub(crate) fn is_kept_metric(name: &str) -> bool {
    METRICS.contains(&name) || HISTOGRAMS.iter().any(|(histogram, _)| *histogram == name)
}

/// `true` if a series is kept; `bucket` is its label `le`, or empty.
pub(crate) fn is_kept(name: &str, bucket: &str) -> bool {
    match HISTOGRAMS.iter().find(|(histogram, _)| *histogram == name) {
        Some((_, buckets)) => {
            let is_whole = |bound: &str| bound.bytes().all(|digit| digit.is_ascii_digit());
            let is_bound = |bound: &str| {
                bound == bucket || (is_whole(bound) && bucket.strip_suffix(".0") == Some(bound))
            };
            buckets.iter().any(|(bound, _)| is_bound(bound))
        }
        None => bucket.is_empty() && METRICS.contains(&name),
    }
}

/// Returns the pattern, in the syntax of Prometheus, that the name and the label `le` of kept series match, joined by a
/// semicolon.
pub(crate) fn kept_pattern() -> String {
    let mut pattern = format!("({});", METRICS.join("|"));
    for (histogram, buckets) in HISTOGRAMS {
        let bounds: Vec<&str> = buckets.iter().map(|(_, pattern)| *pattern).collect();
        pattern += &format!("|{histogram};({})", bounds.join("|"));
    }
    pattern
}

/// Objects with which a Prometheus of the host scrapes the metrics of tenant API servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TenantScraping {
    /// None: Prometheus has no access to the metrics.
    #[default]
    Off,
    /// A token for each tenant, in a Secret of its namespace on the host.
    Token,
    /// A token, and a ServiceMonitor for the Prometheus operator, whose API the host must serve
    /// (`monitoring.coreos.com/v1`).
    ServiceMonitor,
}

impl TenantScraping {
    const ALL: [Self; 3] = [Self::Off, Self::Token, Self::ServiceMonitor];

    /// `true` if tenants have a token for Prometheus.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        matches!(self, Self::Token | Self::ServiceMonitor)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Token => "token",
            Self::ServiceMonitor => "service-monitor",
        }
    }
}

impl fmt::Display for TenantScraping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for TenantScraping {
    type Err = &'static str;

    /// # Errors
    /// The known values, if the text is none of them.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|scraping| scraping.as_str() == text);
        known.ok_or("must be off, token or service-monitor")
    }
}
