//! Conformance suite for [`MetricsSource`].

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::id::WorkspaceId;
use crate::metrics::{Metric, MetricsSource, Series, SeriesQuery};

/// Start of the measured hour.
pub const MEASUREMENT_START: Timestamp = Timestamp::constant(1_767_261_600, 0);
/// Interval between samples.
pub const SAMPLE_STEP: Duration = Duration::from_secs(300);

/// A source under test, with data for one hour from [`MEASUREMENT_START`], and for ten minutes before and after it.
///
/// - The workspaces [`busy`] and [`other`] used [`in_use`] of every metric for the whole time.
/// - The workspace [`idle`] had no workload.
/// - No measurements exist after minute 20, up to and including minute 35.
pub trait MetricsHarness: fmt::Debug + Send + Sync {
    /// The source.
    fn source(&self) -> &dyn MetricsSource;
}

/// `true` if there are measurements at this time.
#[must_use]
pub fn is_measured(at: Timestamp) -> bool {
    let minutes = |minutes| MEASUREMENT_START + SignedDuration::from_mins(minutes);
    !(at > minutes(20) && at <= minutes(35))
}

/// The workspace with a workload.
#[must_use]
pub fn busy() -> WorkspaceId {
    id("busy")
}

/// The workspace without a workload.
#[must_use]
pub fn idle() -> WorkspaceId {
    id("idle")
}

/// A workspace that no query asks for.
#[must_use]
pub fn other() -> WorkspaceId {
    id("other")
}

/// The used amount of a metric, in its unit.
#[must_use]
pub const fn in_use(metric: Metric) -> f64 {
    match metric {
        Metric::Cpu => 0.5,
        Metric::Memory => 2_147_483_648.0,
        Metric::Storage => 10_737_418_240.0,
        Metric::NetworkReceive => 1_000_000.0,
        Metric::NetworkTransmit => 250_000.0,
        Metric::Pods => 3.0,
        Metric::ApiRequests => 4.0,
    }
}

/// Defines one test per case for a [`MetricsSource`]. The expression returns a [`MetricsHarness`].
#[macro_export]
macro_rules! metrics_source_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            metrics_source,
            $make,
            [
                samples_are_one_step_apart_and_cover_the_preceding_step,
                an_idle_tenant_has_samples_of_zero,
                gaps_in_the_measurement_have_no_samples,
                only_requested_tenants_are_returned,
                a_period_without_measurements_has_no_samples,
            ]
        );
    };
}

async fn read_series(harness: &dyn MetricsHarness, of: &[WorkspaceId], metric: Metric) -> Vec<Series> {
    let targets = of.iter().map(|it| TenantTarget::by_id(id("acme"), *it)).collect();
    let end = MEASUREMENT_START + SignedDuration::from_hours(1);
    let query = SeriesQuery { targets, metric, start: MEASUREMENT_START, end, step: SAMPLE_STEP };
    harness.source().series(&query).await.unwrap()
}

fn values(series: &[Series], of: WorkspaceId) -> Vec<(i64, f64)> {
    let own = series.iter().find(|series| series.workspace_id == of).unwrap();
    let minute = |at: Timestamp| at.duration_since(MEASUREMENT_START).as_mins();
    own.samples.iter().map(|sample| (minute(sample.at), sample.value)).collect()
}

/// Samples start one step after the start of the query, end at its end, and are ordered by time.
pub async fn samples_are_one_step_apart_and_cover_the_preceding_step(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let found = values(&read_series(harness, &[busy(), idle()], metric).await, busy());
        let times: Vec<i64> = found.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [5, 10, 15, 20, 40, 45, 50, 55, 60], "{metric:?}");
        for (at, value) in found {
            let off = (value - in_use(metric)).abs() / in_use(metric);
            assert!(off < 1e-6, "{metric:?} after {at} minutes: {value}");
        }
    }
}

/// The samples of a tenant without a workload have the value zero.
pub async fn an_idle_tenant_has_samples_of_zero(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let found = values(&read_series(harness, &[busy(), idle()], metric).await, idle());
        assert_eq!(found.len(), 9, "{metric:?}");
        assert!(found.iter().all(|(_, value)| *value == 0.0), "{metric:?}: {found:?}");
    }
}

/// Neither the busy nor the idle tenant has samples in the gap.
pub async fn gaps_in_the_measurement_have_no_samples(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let series = read_series(harness, &[busy(), idle()], metric).await;
        for of in [busy(), idle()] {
            let in_gap = values(&series, of).into_iter().filter(|(at, _)| (21..=35).contains(at)).count();
            assert_eq!(in_gap, 0, "{metric:?}");
        }
    }
}

/// Other tenants do not appear in the result, not even by id.
pub async fn only_requested_tenants_are_returned(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let series = read_series(harness, &[busy()], metric).await;
        assert_eq!(series.iter().map(|it| it.workspace_id).collect::<Vec<_>>(), [busy()]);
        assert!(read_series(harness, &[], metric).await.is_empty());
    }
}

/// A query for a time before the first measurement returns no samples, and a step of zero is rejected as `Invalid`.
pub async fn a_period_without_measurements_has_no_samples(harness: &dyn MetricsHarness) {
    let targets = [TenantTarget::by_id(id("acme"), busy())].into();
    let start = MEASUREMENT_START - SignedDuration::from_hours(48);
    let end = start + SignedDuration::from_hours(1);
    let query = SeriesQuery { targets, metric: Metric::Cpu, start, end, step: SAMPLE_STEP };
    let found = harness.source().series(&query).await.unwrap();
    assert!(found.iter().all(|series| series.samples.is_empty()), "{found:?}");
    let zero_step = SeriesQuery { step: Duration::ZERO, ..query };
    assert_eq!(harness.source().series(&zero_step).await.unwrap_err().kind(), ErrorKind::Invalid);
}
