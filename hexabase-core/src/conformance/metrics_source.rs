//! Conformance suite for [`MetricsSource`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use uuid::Uuid;

use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::id::{TypedId as _, WorkspaceId};
use crate::metrics::{
    Chart, ChartQuery, FederatedLabel, FederatedMetric, FederatedSeries, GroupBy, Metric, MetricsSource,
    RuleQuery, Series, SeriesLabels, SeriesQuery,
};

/// Start of the measured hour.
pub const MEASUREMENT_START: Timestamp = Timestamp::constant(1_767_261_600, 0);
/// Interval between samples.
pub const SAMPLE_STEP: Duration = Duration::from_secs(300);

/// A source under test, with data for one hour from [`MEASUREMENT_START`], and for ten minutes before and after it.
///
/// - The workspaces [`busy`] and [`other`] used [`in_use`] of every metric for the whole time, in the [`parts`] of each.
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

/// A workspace that no query asks for. Its name differs from that of [`busy`] in the last character only.
#[must_use]
pub fn other() -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(busy().uuid().as_u128() ^ 1))
}

/// The used amount of a metric, in its unit.
#[must_use]
pub const fn in_use(metric: Metric) -> f64 {
    match metric {
        Metric::Cpu => 0.5,
        Metric::Memory => 2_147_483_648.0,
        Metric::Storage => 10_737_418_240.0,
        Metric::StorageUsed => 4_294_967_296.0,
        Metric::NetworkReceive => 1_000_000.0,
        Metric::NetworkTransmit => 250_000.0,
        Metric::Pods => 3.0,
        Metric::Restarts => 16.0,
        Metric::Throttling => 0.25,
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
                metrics_for_charts_cannot_be_metered,
                a_chart_has_one_series_with_gaps_where_nothing_was_measured,
                the_chart_of_an_idle_tenant_is_zero_where_it_was_measured,
                the_chart_of_a_project_has_its_usage_only,
                groups_add_up_to_the_whole_and_the_largest_is_first,
                no_project_filter_reaches_another_tenant,
                charts_that_a_metric_does_not_have_are_rejected,
                latest_values_are_those_of_the_tenant,
                rule_values_have_gaps_where_nothing_was_measured,
                rule_values_of_a_tenant_without_usage_are_zero,
                rule_values_of_a_project_are_its_own,
                federated_series_have_the_names_of_the_tenant,
            ]
        );
    };
}

/// Container of a workload, and its share of the workload's usage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Namespace in the tenant cluster.
    pub project: &'static str,
    /// Name of the pod.
    pub pod: &'static str,
    /// Name of the container.
    pub container: &'static str,
    /// Share of usage, in sixteenths.
    pub sixteenths: u8,
}

impl Part {
    /// Returns the labels of the container.
    #[must_use]
    pub fn labels(&self) -> SeriesLabels {
        let [project, pod, container] =
            [self.project, self.pod, self.container].map(|name| Some(name.to_owned()));
        SeriesLabels { project, pod, container }
    }

    /// Returns the amount of a metric that the container used, in the metric's unit. A pod counts in its first container.
    #[must_use]
    pub fn in_use(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Throttling => in_use(metric),
            Metric::Pods if self.container == "sidecar" => 0.0,
            Metric::Pods => 1.0,
            _ => in_use(metric) * f64::from(self.sixteenths) / 16.0,
        }
    }
}

/// Containers of [`busy`] and of [`other`]. Those of the other workspace have names that occur nowhere else.
#[must_use]
pub fn parts(of: WorkspaceId) -> Vec<Part> {
    let part = |project, pod, container, sixteenths| Part { project, pod, container, sixteenths };
    match of == other() {
        true => vec![
            part("foreign", "secret-0", "hidden", 9),
            part("foreign", "secret-1", "hidden", 6),
            part("foreign", "secret-2", "hidden", 1),
        ],
        false => vec![
            part("shop", "web-1", "web", 5),
            part("shop", "web-1", "sidecar", 1),
            part("shop", "web-2", "web", 4),
            part("data", "db-0", "db", 6),
        ],
    }
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
    for metric in Metric::METERED.iter().copied() {
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
    for metric in Metric::METERED.iter().copied() {
        let found = values(&read_series(harness, &[busy(), idle()], metric).await, idle());
        assert_eq!(found.len(), 9, "{metric:?}");
        assert!(found.iter().all(|(_, value)| *value == 0.0), "{metric:?}: {found:?}");
    }
}

/// Neither the busy nor the idle tenant has samples in the gap.
pub async fn gaps_in_the_measurement_have_no_samples(harness: &dyn MetricsHarness) {
    for metric in Metric::METERED.iter().copied() {
        let series = read_series(harness, &[busy(), idle()], metric).await;
        for of in [busy(), idle()] {
            let in_gap = values(&series, of).into_iter().filter(|(at, _)| (21..=35).contains(at)).count();
            assert_eq!(in_gap, 0, "{metric:?}");
        }
    }
}

/// Other tenants do not appear in the result, not even by id.
pub async fn only_requested_tenants_are_returned(harness: &dyn MetricsHarness) {
    for metric in Metric::METERED.iter().copied() {
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

/// Metrics outside of [`Metric::METERED`] are rejected as `Unsupported`: they must not reach an invoice.
pub async fn metrics_for_charts_cannot_be_metered(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied().filter(|metric| !Metric::METERED.contains(metric)) {
        let targets = [TenantTarget::by_id(id("acme"), busy())].into();
        let end = MEASUREMENT_START + SignedDuration::from_hours(1);
        let query = SeriesQuery { targets, metric, start: MEASUREMENT_START, end, step: SAMPLE_STEP };
        let error = harness.source().series(&query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{metric}");
    }
}

fn chart_query(of: WorkspaceId, metric: Metric) -> ChartQuery {
    ChartQuery {
        target: TenantTarget::by_id(id("acme"), of),
        metric,
        start: MEASUREMENT_START,
        end: MEASUREMENT_START + SignedDuration::from_hours(1),
        step: SAMPLE_STEP,
        project: None,
        by: None,
    }
}

async fn read_chart(harness: &dyn MetricsHarness, query: &ChartQuery) -> Chart {
    harness.source().chart(query).await.unwrap()
}

fn is_close(value: f64, expected: f64) -> bool {
    is_within(value, expected, 1e-6)
}

fn is_within(value: f64, expected: f64, tolerance: f64) -> bool {
    (value - expected).abs() <= expected.abs() * tolerance
}

/// Checks that every series has this value where there are measurements, and a gap elsewhere.
fn assert_constant(metric: Metric, chart: &Chart, index: usize, expected: f64, context: &str) {
    // Restarts before the first scrape after a gap are unknown.
    let tolerance = if metric == Metric::Restarts { 0.06 } else { 1e-6 };
    let times: Vec<bool> = chart.times.iter().map(|at| is_measured(*at)).collect();
    assert_eq!(chart.measured, times, "{context}");
    for (value, is_measured) in chart.series[index].values.iter().zip(times) {
        let matches = value.map(|value| is_within(value, expected, tolerance));
        assert_eq!(matches, is_measured.then_some(true), "{context}: {expected} in {chart:?}");
    }
}

/// A chart has a point at every step after the start, up to the end, null where nothing was measured. Its window is at
/// least the step.
pub async fn a_chart_has_one_series_with_gaps_where_nothing_was_measured(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let chart = read_chart(harness, &chart_query(busy(), metric)).await;
        let minutes = |at: &Timestamp| at.duration_since(MEASUREMENT_START).as_mins();
        assert_eq!(
            chart.times.iter().map(minutes).collect::<Vec<_>>(),
            (1..=12).map(|it| 5 * it).collect::<Vec<_>>()
        );
        assert!(chart.window >= SAMPLE_STEP);
        assert_eq!(chart.series.len(), 1, "{metric}");
        assert_eq!(chart.series[0].labels, SeriesLabels::default());
        assert_constant(metric, &chart, 0, in_use(metric), metric.as_str());
    }
}

/// The chart of a tenant without a workload is zero, with the same gaps.
pub async fn the_chart_of_an_idle_tenant_is_zero_where_it_was_measured(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        let chart = read_chart(harness, &chart_query(idle(), metric)).await;
        assert_eq!(chart.series.len(), 1, "{metric}");
        assert_constant(metric, &chart, 0, 0.0, metric.as_str());
        for by in [GroupBy::Project, GroupBy::Pod, GroupBy::Container] {
            if metric.has_groups(by) {
                let query = ChartQuery { by: Some(by), ..chart_query(idle(), metric) };
                assert!(read_chart(harness, &query).await.series.is_empty(), "{metric} {by:?}");
            }
        }
    }
}

/// A project filter selects the usage of one namespace of the tenant.
pub async fn the_chart_of_a_project_has_its_usage_only(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied().filter(|metric| metric.has_groups(GroupBy::Project)) {
        for project in ["shop", "data"] {
            let query = ChartQuery { project: Some(project.to_owned()), ..chart_query(busy(), metric) };
            let chart = read_chart(harness, &query).await;
            let own = parts(busy()).into_iter().filter(|part| part.project == project);
            let sum: f64 = own.map(|part| part.in_use(metric)).sum();
            let expected = if metric.is_ratio() { in_use(metric) } else { sum };
            assert_eq!(chart.series.len(), 1, "{metric}");
            assert_eq!(chart.series[0].labels.project.as_deref(), Some(project));
            assert_constant(metric, &chart, 0, expected, &format!("{metric} of {project}"));
        }
    }
}

/// The series of groups have the names of the tenant cluster, are ordered by their sums, and add up to the whole.
pub async fn groups_add_up_to_the_whole_and_the_largest_is_first(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied() {
        for by in [GroupBy::Project, GroupBy::Pod, GroupBy::Container] {
            if !metric.has_groups(by) {
                continue;
            }
            let context = format!("{metric} by {by:?}");
            let chart =
                read_chart(harness, &ChartQuery { by: Some(by), ..chart_query(busy(), metric) }).await;
            let mut expected: BTreeMap<SeriesLabels, f64> = BTreeMap::new();
            for part in parts(busy()) {
                let sum = expected.entry(part.labels().grouped(by)).or_default();
                let share = part.in_use(metric);
                *sum = if metric.is_ratio() { share } else { *sum + share };
            }
            assert_eq!(chart.series.len(), expected.len(), "{context}: {chart:?}");
            for (index, series) in chart.series.iter().enumerate() {
                let value = expected.get(&series.labels).copied();
                assert!(value.is_some(), "{context}: {:?}", series.labels);
                assert_constant(metric, &chart, index, value.unwrap_or_default(), &context);
            }
            let sums: Vec<f64> = chart.series.iter().map(|it| it.values.iter().flatten().sum()).collect();
            let is_ordered = sums.windows(2).all(|pair| pair[0] >= pair[1] || is_close(pair[0], pair[1]));
            assert!(is_ordered, "{context}: {sums:?}");
        }
    }
}

/// Project names are texts: neither the name of another tenant's project nor a pattern matches anything.
pub async fn no_project_filter_reaches_another_tenant(harness: &dyn MetricsHarness) {
    for metric in [Metric::Cpu, Metric::Storage, Metric::NetworkReceive, Metric::Pods, Metric::Throttling] {
        for project in [
            "foreign",
            ".*",
            "shop|foreign",
            "sho",
            "\"",
            "\\",
            "shop\"} or up{job=~\".*",
            "x\"} or container_memory_working_set_bytes{namespace=~\".+",
            "shop\n",
            "`",
            "",
        ] {
            let query = ChartQuery { project: Some(project.to_owned()), ..chart_query(busy(), metric) };
            let chart = read_chart(harness, &query).await;
            assert_constant(metric, &chart, 0, 0.0, &format!("{metric} of {project:?}"));
            for by in [GroupBy::Project, GroupBy::Pod] {
                if metric.has_groups(by) {
                    let grouped = read_chart(harness, &ChartQuery { by: Some(by), ..query.clone() }).await;
                    assert!(grouped.series.is_empty(), "{metric} of {project:?}: {grouped:?}");
                }
            }
        }
    }
    for by in [GroupBy::Project, GroupBy::Pod, GroupBy::Container] {
        let chart =
            read_chart(harness, &ChartQuery { by: Some(by), ..chart_query(busy(), Metric::Cpu) }).await;
        let text = format!("{chart:?}");
        for name in ["foreign", "secret", "hidden", other().kubernetes_name().as_str()] {
            assert!(!text.contains(name), "{name} in {text}");
        }
    }
}

/// Queries that [`ChartQuery::check`] rejects are `Invalid`.
pub async fn charts_that_a_metric_does_not_have_are_rejected(harness: &dyn MetricsHarness) {
    let cpu = || chart_query(busy(), Metric::Cpu);
    for query in [
        ChartQuery { step: Duration::ZERO, ..cpu() },
        ChartQuery { step: Duration::from_secs(1), ..cpu() },
        ChartQuery { by: Some(GroupBy::Container), ..chart_query(busy(), Metric::NetworkReceive) },
        ChartQuery { by: Some(GroupBy::Pod), ..chart_query(busy(), Metric::Storage) },
        ChartQuery { project: Some("shop".to_owned()), ..chart_query(busy(), Metric::ApiRequests) },
    ] {
        let error = harness.source().chart(&query).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{query:?}");
    }
}

/// The latest values are those of the requested tenant, and absent if nothing was measured.
pub async fn latest_values_are_those_of_the_tenant(harness: &dyn MetricsHarness) {
    let at = MEASUREMENT_START + SignedDuration::from_mins(60);
    for (of, factor) in [(busy(), 1.0), (idle(), 0.0)] {
        let values = harness.source().latest(&TenantTarget::by_id(id("acme"), of), at).await.unwrap();
        assert_eq!(values.keys().copied().collect::<Vec<_>>(), Metric::METERED, "{values:?}");
        for (metric, value) in values {
            assert!(is_close(value, in_use(metric) * factor), "{metric}: {value}");
        }
    }
    let target = TenantTarget::by_id(id("acme"), busy());
    for minutes in [30, -48 * 60] {
        let at = MEASUREMENT_START + SignedDuration::from_mins(minutes);
        let values = harness.source().latest(&target, at).await.unwrap();
        assert!(values.is_empty(), "{minutes}: {values:?}");
    }
}

fn rule_query(of: WorkspaceId, metric: Metric) -> RuleQuery {
    RuleQuery {
        target: TenantTarget::by_id(id("acme"), of),
        metric,
        project: None,
        start: MEASUREMENT_START,
        end: MEASUREMENT_START + SignedDuration::from_hours(1),
    }
}

/// Values at each full minute at which there is one.
async fn rule_values(harness: &dyn MetricsHarness, query: &RuleQuery) -> BTreeMap<i64, f64> {
    let samples = harness.source().rule_values(query).await.unwrap();
    assert!(samples.is_sorted_by(|one, next| one.at < next.at), "{samples:?}");
    let offset = |at: Timestamp| at.duration_since(query.start).as_secs();
    assert!(samples.iter().all(|it| (1..=3_600).contains(&offset(it.at)) && offset(it.at) % 30 == 0));
    let full = samples.iter().filter(|it| offset(it.at) % 60 == 0);
    full.map(|it| (offset(it.at) / 60, it.value)).collect()
}

/// Metrics of which a tenant without series used nothing, and whose windows are shorter than the gap.
fn rule_metrics() -> impl Iterator<Item = Metric> {
    let unknown = [Metric::StorageUsed, Metric::Throttling, Metric::ApiRequests, Metric::Restarts];
    Metric::ALL.iter().copied().filter(move |metric| !unknown.contains(metric))
}

/// Values exist each half minute where there are measurements, and not five minutes after the last one. Restarts are
/// counted within an hour, in which the gap is less than half.
pub async fn rule_values_have_gaps_where_nothing_was_measured(harness: &dyn MetricsHarness) {
    for metric in Metric::ALL.iter().copied().filter(|metric| *metric != Metric::Restarts) {
        let found = rule_values(harness, &rule_query(busy(), metric)).await;
        for minute in [1, 10, 20, 40, 50, 60] {
            let value = found.get(&minute).copied();
            assert!(value.is_some_and(|it| is_close(it, in_use(metric))), "{metric} {minute}: {found:?}");
        }
        for minute in [28, 33] {
            assert_eq!(found.get(&minute), None, "{metric}: {found:?}");
        }
    }
    let mut long = rule_query(busy(), Metric::Cpu);
    long.end += SignedDuration::from_hours(24);
    let error = harness.source().rule_values(&long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// A tenant without a workload, which measurably used nothing, has the value 0.
pub async fn rule_values_of_a_tenant_without_usage_are_zero(harness: &dyn MetricsHarness) {
    for metric in rule_metrics() {
        let found = rule_values(harness, &rule_query(idle(), metric)).await;
        assert!(found.values().all(|value| *value == 0.0), "{metric}: {found:?}");
        for (minute, is_measured) in [(10, true), (28, false), (33, false), (60, true)] {
            assert_eq!(found.contains_key(&minute), is_measured, "{metric} {minute}: {found:?}");
        }
    }
}

/// Values of a project are those of one namespace of the tenant; other names, also those of other tenants' projects, have
/// the value 0.
pub async fn rule_values_of_a_project_are_its_own(harness: &dyn MetricsHarness) {
    for metric in rule_metrics() {
        for project in ["shop", "data", "foreign", ".*", "shop|data", "sho"] {
            let query = RuleQuery { project: Some(project.to_owned()), ..rule_query(busy(), metric) };
            let value = rule_values(harness, &query).await.get(&10).copied();
            let own = parts(busy()).into_iter().filter(|part| part.project == project);
            let expected: f64 = own.map(|part| part.in_use(metric)).sum();
            assert!(value.is_some_and(|it| is_close(it, expected)), "{metric} of {project}: {value:?}");
        }
    }
    let whole = RuleQuery { project: Some("shop".to_owned()), ..rule_query(busy(), Metric::ApiRequests) };
    assert_eq!(harness.source().rule_values(&whole).await.unwrap_err().kind(), ErrorKind::Invalid);
}

/// A source with federated series returns those of the tenant's containers, interfaces and volumes, once each, with the names
/// of the tenant cluster; a tenant without workload has none.
pub async fn federated_series_have_the_names_of_the_tenant(harness: &dyn MetricsHarness) {
    let now = MEASUREMENT_START + SignedDuration::from_mins(15);
    let target = TenantTarget::by_id(id("acme"), busy());
    let federation = match harness.source().federate(&target, now).await {
        Err(error) if error.code() == "unsupported" => return,
        read => read.unwrap(),
    };
    assert_eq!(federation.left_out, 0, "{federation:?}");
    let value = |metric: FederatedMetric, labels: &[(FederatedLabel, String)]| {
        let has = |series: &&FederatedSeries| {
            series.metric == metric
                && labels.iter().all(|(label, value)| series.labels.get(label) == Some(value))
        };
        let found: Vec<f64> = federation.series.iter().filter(has).map(|series| series.value).collect();
        assert_eq!(found.len(), 1, "{metric:?} {labels:?}: {federation:?}");
        found[0]
    };
    for part in parts(busy()) {
        let namespace = (FederatedLabel::Namespace, part.project.to_owned());
        let pod = (FederatedLabel::Pod, part.pod.to_owned());
        let container = (FederatedLabel::Container, part.container.to_owned());
        let labels = [namespace.clone(), pod.clone(), container];
        assert!(is_close(value(FederatedMetric::Memory, &labels), part.in_use(Metric::Memory)), "{part:?}");
        value(FederatedMetric::Restarts, &labels);
        let interface = (FederatedLabel::Interface, format!("eth-{}", part.container));
        assert!(value(FederatedMetric::NetworkReceived, &[namespace.clone(), pod, interface]) > 0.0);
        let claim = (FederatedLabel::PersistentVolumeClaim, format!("{}-{}", part.pod, part.container));
        let used = value(FederatedMetric::StorageUsed, &[namespace, claim]);
        assert!(is_close(used, part.in_use(Metric::StorageUsed)), "{part:?}");
    }
    let text = federation.to_text();
    for name in ["foreign", "secret", "hidden", "syncer", "etcd", "ws-"] {
        assert!(!text.contains(name), "{name}: {text}");
    }
    let cpu = federation.series.iter().filter(|series| series.metric == FederatedMetric::CpuSeconds);
    assert!(cpu.clone().count() >= parts(busy()).len() && cpu.map(|it| it.value).sum::<f64>() > 0.0);
    let none = harness.source().federate(&TenantTarget::by_id(id("acme"), idle()), now).await.unwrap();
    assert_eq!((none.series.len(), none.left_out), (0, 0));
}
