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
use crate::id::{MessageId, TypedId as _};
use crate::model::{Phase, WaitReason};
use crate::name::HostClusterName;
use crate::worker::RequeueReason;

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
    pub const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        Self { name, kind: SeriesKind::Gauge, labels, description }
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
const REQUEUES: &str = "hexabase_requeues_total";
const DRIFT_REPAIRS: &str = "hexabase_drift_repairs_total";
const LOST_LEASES: &str = "hexabase_lost_leases_total";
const COMMIT_CONFLICTS: &str = "hexabase_commit_conflicts_total";
const MESSAGES: &str = "hexabase_messages_total";
const MAILS: &str = "hexabase_mails_total";
const OUTBOX_WAIT_SECONDS: &str = "hexabase_outbox_wait_seconds";
const WEBHOOK_WAIT_SECONDS: &str = "hexabase_webhook_wait_seconds";
const METERING_LAG_SECONDS: &str = "hexabase_metering_lag_seconds";
const UNREADABLE_ALERT_RULES: &str = "hexabase_unreadable_alert_rules";
const OUTBOX_MESSAGES: &str = "hexabase_outbox_messages";
const OUTBOX_AGE_SECONDS: &str = "hexabase_outbox_age_seconds";
const QUEUE_MESSAGES: &str = "hexabase_queue_messages";
const QUEUE_AGE_SECONDS: &str = "hexabase_queue_age_seconds";
const DEAD_LETTERS: &str = "hexabase_dead_letters";
const WORKSPACES: &str = "hexabase_workspaces";
const UNCONVERGED_SECONDS: &str = "hexabase_unconverged_seconds";
const HOST_UP: &str = "hexabase_host_up";

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
        REQUEUES,
        &["reason"],
        "messages of the queue that come back: `waiting` (for the reason in `hexabase_reconcile_waits_total`), `scheduled` \
         (the next regular reconcile is near), `failed` (with back-off), `busy` (another worker has the lease), `conflict` \
         (the data kept changing), `lease_lost` (another worker acquired the lease) or `draining` (the worker stopped)",
    ),
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
        &[],
        "time since the end of the oldest hour whose usage was not read yet; 0 if there is none",
    ),
    Series::gauge(
        UNREADABLE_ALERT_RULES,
        &[],
        "alert rules that could not be read in the last export of limits, and are not evaluated",
    ),
    Series::gauge(OUTBOX_MESSAGES, &[], "messages in the outbox, not published yet"),
    Series::gauge(OUTBOX_AGE_SECONDS, &[], "age of the oldest message in the outbox; 0 if there is none"),
    Series::gauge(QUEUE_MESSAGES, &[], "messages in the queue, with delayed ones and those being processed"),
    Series::gauge(
        QUEUE_AGE_SECONDS,
        &[],
        "time since the publication of the oldest of these messages; 0 if there is none",
    ),
    Series::gauge(DEAD_LETTERS, &[], "messages that are no longer delivered"),
    Series::gauge(WORKSPACES, &["phase", "host"], "workspaces by their phase and host cluster"),
    Series::gauge(
        UNCONVERGED_SECONDS,
        &[],
        "longest time that a workspace has been in a phase in which work continues, without those that wait for their \
         tenant; 0 if there is none",
    ),
    Series::gauge(
        HOST_UP,
        &["host"],
        "1 if the last health check of the host cluster succeeded and its watch works, 0 if not",
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

pub(crate) fn record_requeue(reason: RequeueReason) {
    counter!(REQUEUES, "reason" => reason.as_str()).increment(1);
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

/// Records the time of a message in the outbox.
pub(crate) fn record_outbox_wait(message: &OutboxMessage, now: Timestamp) {
    if let Some(age) = outbox_age(message.id, now) {
        histogram!(OUTBOX_WAIT_SECONDS).record(age);
    }
}

/// Returns the time of a message in the outbox, which began with the creation of its id; `None` if the id has no time.
pub(crate) fn outbox_age(message: MessageId, now: Timestamp) -> Option<Duration> {
    let (seconds, nanoseconds) = message.uuid().get_timestamp()?.to_unix();
    let created_at = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()?;
    Some(until(created_at, now))
}

pub(crate) fn record_webhook_wait(received_at: Timestamp, now: Timestamp) {
    histogram!(WEBHOOK_WAIT_SECONDS).record(until(received_at, now));
}

pub(crate) fn record_metering_lag(lag: Duration) {
    gauge!(METERING_LAG_SECONDS).set(lag.as_secs_f64());
}

/// State of the outbox and the queue; `None` for a value that could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of messages that wait to be published.
    pub outbox_messages: Option<u64>,
    /// Age of the oldest message that waits to be published; zero if there is none.
    pub outbox_age: Option<Duration>,
    /// Number of messages that wait for delivery or are being processed, without dead letters.
    pub queue_messages: Option<u64>,
    /// Age of the oldest of these messages; zero if there is none.
    pub queue_age: Option<Duration>,
    /// Number of dead letters.
    pub dead_letters: Option<u64>,
}

impl Backlog {
    pub(crate) fn record(&self) {
        gauge!(OUTBOX_MESSAGES).set(count_or_nan(self.outbox_messages));
        gauge!(OUTBOX_AGE_SECONDS).set(seconds_or_nan(self.outbox_age));
        gauge!(QUEUE_MESSAGES).set(count_or_nan(self.queue_messages));
        gauge!(QUEUE_AGE_SECONDS).set(seconds_or_nan(self.queue_age));
        gauge!(DEAD_LETTERS).set(count_or_nan(self.dead_letters));
    }
}

/// Records the number of workspaces of a host in a phase; `None` if it could not be read.
pub(crate) fn record_workspaces(host: &HostClusterName, phase: Phase, workspaces: Option<u64>) {
    gauge!(WORKSPACES, "phase" => phase.as_str(), "host" => host.to_string()).set(count_or_nan(workspaces));
}

/// Records the age of the oldest workspace that does not match its desired state; `None` if it could not be read.
pub(crate) fn record_unconverged(age: Option<Duration>) {
    gauge!(UNCONVERGED_SECONDS).set(seconds_or_nan(age));
}

/// Records the state of a host; `None` if the host is no longer registered.
pub(crate) fn record_host_up(host: &HostClusterName, is_up: Option<bool>) {
    gauge!(HOST_UP, "host" => host.to_string()).set(count_or_nan(is_up.map(u64::from)));
}

/// Value of a gauge. A recorder cannot remove a series; `NaN` is in no comparison of an alert rule.
fn seconds_or_nan(value: Option<Duration>) -> f64 {
    value.map_or(f64::NAN, |value| value.as_secs_f64())
}

/// Same as [`seconds_or_nan`], for a number.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts stay far below 2^53")]
fn count_or_nan(value: Option<u64>) -> f64 {
    value.map_or(f64::NAN, |value| value as f64)
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
            let is_gauge = series.kind == SeriesKind::Gauge;
            assert!(is_total || is_gauge || series.name.ends_with("_seconds"), "{}", series.name);
            assert!(!series.labels.iter().any(|label| ["organization", "workspace"].contains(label)));
        }
    }
}
