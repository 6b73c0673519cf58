//! What every [`MetricsSource`] must do.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::id::WorkspaceId;
use crate::metrics::{Metric, MetricsSource, Series, SeriesQuery};

/// When the measured hour begins.
pub const BEGIN: Timestamp = Timestamp::constant(1_767_261_600, 0);
/// How far samples are apart.
pub const STEP: Duration = Duration::from_secs(300);

/// A source under test, which knows of one hour from [`BEGIN`] on, and of ten minutes before and after it.
///
/// - The workspace [`busy`] used [`in_use`] of every metric all the time, and so did [`other`].
/// - The workspace [`idle`] had nothing running.
/// - After the twentieth minute, until the thirty-fifth, nothing could be measured.
pub trait MetricsHarness: fmt::Debug + Send + Sync {
    /// The source.
    fn source(&self) -> &dyn MetricsSource;
}

/// Whether anything was measured at a moment.
#[must_use]
pub fn is_measured(at: Timestamp) -> bool {
    let minutes = |minutes| BEGIN + SignedDuration::from_mins(minutes);
    !(at > minutes(20) && at <= minutes(35))
}

/// The workspace that uses something.
#[must_use]
pub fn busy() -> WorkspaceId {
    id("busy")
}

/// The workspace that uses nothing.
#[must_use]
pub fn idle() -> WorkspaceId {
    id("idle")
}

/// The workspace that is not asked for.
#[must_use]
pub fn other() -> WorkspaceId {
    id("other")
}

/// How much is in use of a metric, in its unit.
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

/// Makes one test per case for a [`MetricsSource`]. The expression answers a [`MetricsHarness`].
#[macro_export]
macro_rules! metrics_source_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            metrics_source,
            $make,
            [
                samples_are_a_step_apart_and_stand_for_the_step_before,
                a_tenant_without_anything_running_uses_nothing,
                there_are_no_samples_of_times_when_nothing_was_measured,
                of_other_tenants_there_is_nothing,
                a_tenant_that_was_never_measured_has_no_samples,
            ]
        );
    };
}

async fn ask(harness: &dyn MetricsHarness, of: &[WorkspaceId], metric: Metric) -> Vec<Series> {
    let targets: Vec<TenantTarget> = of.iter().map(|it| TenantTarget::by_id(id("acme"), *it)).collect();
    let end = BEGIN + SignedDuration::from_hours(1);
    let query = SeriesQuery { targets: &targets, metric, start: BEGIN, end, step: STEP };
    harness.source().series(&query).await.unwrap()
}

fn values(series: &[Series], of: WorkspaceId) -> Vec<(i64, f64)> {
    let own = series.iter().find(|series| series.workspace_id == of).unwrap();
    let minute = |at: Timestamp| at.duration_since(BEGIN).as_mins();
    own.samples.iter().map(|sample| (minute(sample.at), sample.value)).collect()
}

/// From one step after the beginning until the end, in order.
pub async fn samples_are_a_step_apart_and_stand_for_the_step_before(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let found = values(&ask(harness, &[busy(), idle()], metric).await, busy());
        let times: Vec<i64> = found.iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [5, 10, 15, 20, 40, 45, 50, 55, 60], "{metric:?}");
        for (at, value) in found {
            let off = (value - in_use(metric)).abs() / in_use(metric);
            assert!(off < 1e-6, "{metric:?} after {at} minutes: {value}");
        }
    }
}

/// And there are samples that say so.
pub async fn a_tenant_without_anything_running_uses_nothing(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let found = values(&ask(harness, &[busy(), idle()], metric).await, idle());
        assert_eq!(found.len(), 9, "{metric:?}");
        assert!(found.iter().all(|(_, value)| *value == 0.0), "{metric:?}: {found:?}");
    }
}

/// Neither of those who used something then, nor of those who did not.
pub async fn there_are_no_samples_of_times_when_nothing_was_measured(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let series = ask(harness, &[busy(), idle()], metric).await;
        for of in [busy(), idle()] {
            let dark = values(&series, of).into_iter().filter(|(at, _)| (21..=35).contains(at)).count();
            assert_eq!(dark, 0, "{metric:?}");
        }
    }
}

/// Not even what they are called.
pub async fn of_other_tenants_there_is_nothing(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let series = ask(harness, &[busy()], metric).await;
        assert_eq!(series.iter().map(|it| it.workspace_id).collect::<Vec<_>>(), [busy()]);
        assert!(ask(harness, &[], metric).await.is_empty());
    }
}

/// Of hours long gone nobody knows anything.
pub async fn a_tenant_that_was_never_measured_has_no_samples(harness: &dyn MetricsHarness) {
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    let start = BEGIN - SignedDuration::from_hours(48);
    let end = start + SignedDuration::from_hours(1);
    let query = SeriesQuery { targets: &targets, metric: Metric::Cpu, start, end, step: STEP };
    let found = harness.source().series(&query).await.unwrap();
    assert!(found.iter().all(|series| series.samples.is_empty()), "{found:?}");
    let endless = SeriesQuery { step: Duration::ZERO, ..query };
    assert_eq!(harness.source().series(&endless).await.unwrap_err().kind(), ErrorKind::Invalid);
}
