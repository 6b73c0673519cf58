//! Metrics of the platform itself, through the facade of the crate [`metrics`](https://docs.rs/metrics). Recording has no
//! effect in a program that installs no recorder, and this crate depends on no exporter.
//!
//! Names are `hexabase_<noun>_<unit>`. The values of each label are a closed set: every combination occupies memory until
//! the process ends. No series names an organization or a workspace.

use std::time::Duration;

use jiff::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::changeset::{OutboxMessage, Topic};
use crate::clock::until;
use crate::error::Result;
use crate::id::TypedId as _;
use crate::model::WaitReason;

/// Type of a metric series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeriesKind {
    /// Number that only increases.
    Counter,
    /// Number that increases and decreases.
    Gauge,
    /// Distribution of values.
    Histogram,
}

impl SeriesKind {
    /// Returns the name of the type in the exposition format of Prometheus.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Metric series that a crate records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Name of the series.
    pub name: &'static str,
    /// Type of the series.
    pub kind: SeriesKind,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// Description, without a full stop.
    pub description: &'static str,
}

impl Series {
    /// Creates a counter.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self { name, kind: SeriesKind::Counter, labels, description }
    }

    /// Creates a gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, description: &'static str) -> Self {
        Self { name, kind: SeriesKind::Gauge, labels: &[], description }
    }

    /// Creates a histogram.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self { name, kind: SeriesKind::Histogram, labels, description }
    }

    /// Passes the description to the recorder, and starts a counter without labels at zero, so that its first increase is
    /// visible.
    pub fn describe(&self) {
        let Self { name, kind, labels, description } = *self;
        match kind {
            SeriesKind::Counter => {
                describe_counter!(name, description);
                if labels.is_empty() {
                    counter!(name).increment(0);
                }
            }
            SeriesKind::Gauge => describe_gauge!(name, description),
            SeriesKind::Histogram => describe_histogram!(name, description),
        }
    }
}

const RECONCILES: &str = "hexabase_reconciles_total";
const RECONCILE_SECONDS: &str = "hexabase_reconcile_seconds";
const RECONCILE_WAITS: &str = "hexabase_reconcile_waits_total";
const DRIFT_REPAIRS: &str = "hexabase_drift_repairs_total";
const LOST_LEASES: &str = "hexabase_lost_leases_total";
const COMMIT_CONFLICTS: &str = "hexabase_commit_conflicts_total";
const MESSAGES: &str = "hexabase_messages_total";
const MAILS: &str = "hexabase_mails_total";
const OUTBOX_WAIT_SECONDS: &str = "hexabase_outbox_wait_seconds";
const WEBHOOK_WAIT_SECONDS: &str = "hexabase_webhook_wait_seconds";
const METERING_LAG_SECONDS: &str = "hexabase_metering_lag_seconds";
const UNREADABLE_ALERT_RULES: &str = "hexabase_unreadable_alert_rules";

/// Series of this crate.
pub const SERIES: &[Series] = &[
    Series::counter(
        RECONCILES,
        &["kind", "result"],
        "reconciles of workspaces and billing accounts: `succeeded`, `failed` (retried with back-off), `busy` (another \
         worker has the lease) or `aborted` (an error of the store, or a lost lease)",
    ),
    Series::histogram(RECONCILE_SECONDS, &["kind"], "duration of a reconcile that was not `busy`"),
    Series::counter(RECONCILE_WAITS, &["reason"], "reconciles that had to wait, by the reason of the wait"),
    Series::counter(
        DRIFT_REPAIRS,
        &[],
        "differences between tenant clusters and their desired state that were repaired",
    ),
    Series::counter(LOST_LEASES, &[], "leases that another worker acquired while this one worked under them"),
    Series::counter(
        COMMIT_CONFLICTS,
        &[],
        "commits that failed because their data had changed; most are repeated",
    ),
    Series::counter(
        MESSAGES,
        &["topic", "result"],
        "messages of the queue: `processed`, `returned` (delivered again) or `dead_lettered` (undeliverable)",
    ),
    Series::counter(MAILS, &["kind", "result"], "notifications passed to the notifier: `sent` or `failed`"),
    Series::histogram(OUTBOX_WAIT_SECONDS, &[], "time from a commit to the publication of its message"),
    Series::histogram(
        WEBHOOK_WAIT_SECONDS,
        &[],
        "time from the receipt of a webhook event to its processing",
    ),
    Series::gauge(
        METERING_LAG_SECONDS,
        "time since the end of the oldest hour whose usage was not read yet; 0 if there is none",
    ),
    Series::gauge(
        UNREADABLE_ALERT_RULES,
        "alert rules that could not be read in the last export of limits, and are not evaluated",
    ),
];

/// Object of a reconcile.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reconciled {
    Workspace,
    BillingAccount,
}

impl Reconciled {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::BillingAccount => "billing_account",
        }
    }

    /// Counts a reconcile by its result.
    pub(crate) fn count(self, result: &'static str) {
        counter!(RECONCILES, "kind" => self.as_str(), "result" => result).increment(1);
    }

    /// Counts a reconcile that was carried out.
    pub(crate) fn count_outcome(self, is_failed: bool) {
        self.count(if is_failed { "failed" } else { "succeeded" });
    }

    /// Records the end of a reconcile under a lease: its duration, and that it was `busy` or `aborted`.
    pub(crate) fn record_end<T>(self, outcome: &Result<Option<T>>, duration: Duration) {
        match outcome {
            Ok(None) => return self.count("busy"),
            Ok(Some(_)) => {}
            Err(_) => self.count("aborted"),
        }
        histogram!(RECONCILE_SECONDS, "kind" => self.as_str()).record(duration);
    }
}

pub(crate) fn record_wait(reason: WaitReason) {
    counter!(RECONCILE_WAITS, "reason" => reason.as_str()).increment(1);
}

pub(crate) fn record_drift_repairs(differences: usize) {
    counter!(DRIFT_REPAIRS).increment(u64::try_from(differences).unwrap_or(u64::MAX));
}

/// Records the number of alert rules that could not be read.
#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
pub(crate) fn record_unreadable_alert_rules(count: usize) {
    gauge!(UNREADABLE_ALERT_RULES).set(count as f64);
}

pub(crate) fn record_lost_lease() {
    counter!(LOST_LEASES).increment(1);
}

pub(crate) fn record_commit_conflict() {
    counter!(COMMIT_CONFLICTS).increment(1);
}

pub(crate) fn record_message(topic: Topic, result: &'static str) {
    counter!(MESSAGES, "topic" => topic.as_str(), "result" => result).increment(1);
}

pub(crate) fn record_mail(kind: &'static str, is_sent: bool) {
    let result = if is_sent { "sent" } else { "failed" };
    counter!(MAILS, "kind" => kind, "result" => result).increment(1);
}

/// Records the time of a message in the outbox, which began with the creation of its id.
pub(crate) fn record_outbox_wait(message: &OutboxMessage, now: Timestamp) {
    let unix = message.id.uuid().get_timestamp().map(|timestamp| timestamp.to_unix());
    let created = unix.and_then(|(seconds, nanoseconds)| {
        Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
    });
    if let Some(created_at) = created {
        histogram!(OUTBOX_WAIT_SECONDS).record(until(created_at, now));
    }
}

pub(crate) fn record_webhook_wait(received_at: Timestamp, now: Timestamp) {
    histogram!(WEBHOOK_WAIT_SECONDS).record(until(received_at, now));
}

pub(crate) fn record_metering_lag(lag: Duration) {
    gauge!(METERING_LAG_SECONDS).set(lag.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_a_unit_and_no_label_names_a_tenant() {
        for series in SERIES {
            let is_total = series.name.ends_with("_total");
            assert!(series.name.starts_with("hexabase_"), "{}", series.name);
            assert_eq!(is_total, series.kind == SeriesKind::Counter, "{}", series.name);
            assert!(is_total || series.name.ends_with("_seconds"), "{}", series.name);
            assert!(!series.labels.iter().any(|label| ["organization", "workspace"].contains(label)));
        }
    }
}
