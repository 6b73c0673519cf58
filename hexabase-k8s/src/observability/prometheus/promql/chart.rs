//! Expressions of charts of one tenant, and of the names of its projects and pods.
//!
//! The namespace on the host is the only scope. Names in the tenant cluster come from labels and annotations that the
//! syncer of vCluster sets, by way of kube-state-metrics; host names of pods cannot be parsed, because long ones are
//! shortened. The label of the project is trustworthy within a namespace, as the syncer overwrites it. The annotation
//! of the pod's name is not: tenants can change it on their own pods.

use std::time::Duration;

use hexabase_core::metrics::{GroupBy, MAX_SERIES, Metric};

use super::{
    CONTROL_PLANE_CLAIMS, CONTROL_PLANE_PODS, Distinct, Matcher, Scope, coverage, differs, distinct, equals,
    from_job, matches, max_by, measured_share, not_matching, one_of, select, state, usage,
};

/// Label of the project in the series of kube-state-metrics.
pub(in super::super) const PROJECT: &str = "label_vcluster_loft_sh_namespace";
/// Label of the pod's name in the series of kube-state-metrics.
pub(in super::super) const OBJECT_NAME: &str = "annotation_vcluster_loft_sh_object_name";
/// Time for which Prometheus returns the last sample of a series, and the kubelet a container that ended.
const LOOKBACK: Duration = Duration::from_secs(300);

/// Maximum number of grouped series at each time. It is larger than the number that a chart shows: a series that is among
/// the largest over a period is seldom beyond it at some time, so that one query suffices.
pub(in super::super) const MAX_READ_SERIES: usize = 2 * MAX_SERIES;

/// Part of a tenant that a chart shows.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Selection<'a> {
    /// Project to read; `None` for all.
    pub(in super::super) project: Option<&'a str>,
    /// Projects to read; empty for all.
    pub(in super::super) projects: &'a [String],
    /// Grouping; `None` for the sum of all.
    pub(in super::super) by: Option<GroupBy>,
}

/// Object whose labels name the project of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Names {
    /// Pod.
    Pods,
    /// PersistentVolumeClaim.
    Claims,
}

impl Names {
    pub(in super::super) const fn of(metric: Metric) -> Self {
        match metric {
            Metric::Storage | Metric::StorageUsed => Self::Claims,
            _ => Self::Pods,
        }
    }

    /// Label that names the object on the host.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Pods => "pod",
            Self::Claims => "persistentvolumeclaim",
        }
    }

    /// Series that has the annotations of the objects.
    pub(super) const fn annotations_series(self) -> &'static str {
        match self {
            Self::Pods => "kube_pod_annotations",
            Self::Claims => "kube_persistentvolumeclaim_annotations",
        }
    }

    /// Series that has the labels of the objects.
    pub(super) const fn labels_series(self) -> &'static str {
        match self {
            Self::Pods => "kube_pod_labels",
            Self::Claims => "kube_persistentvolumeclaim_labels",
        }
    }
}

/// Values of a chart. Grouped ones are at most [`MAX_READ_SERIES`] at each time, the largest.
pub(in super::super) fn chart(metric: Metric, scope: &Scope<'_>, selection: Selection<'_>) -> String {
    let sum = |series: String| sum_by_group(Names::of(metric), scope, selection, &series);
    let values = match distinct(metric, scope) {
        Distinct::Sum(series) => sum(series),
        Distinct::Ratio(part, whole) => format!("{} / {}", sum(part), sum(whole)),
    };
    match selection.by {
        None => values,
        Some(_) => format!("topk({MAX_READ_SERIES}, {values})"),
    }
}

/// Sum by group. Where the project matters, each series is multiplied with the 1 of the label series of its object.
fn sum_by_group(names: Names, scope: &Scope<'_>, selection: Selection<'_>, series: &str) -> String {
    let groups = match selection.by {
        None => "namespace",
        Some(GroupBy::Project) => PROJECT,
        Some(GroupBy::Pod) => "pod",
        Some(GroupBy::Container) => "pod,container",
    };
    let joined = if selection.by == Some(GroupBy::Project) {
        let label = names.label();
        // An object has one project; `topk` also removes what two instances of kube-state-metrics disagree about.
        let labels = max_by(&["namespace", label, PROJECT], &labels(names, scope, selection));
        format!(
            "{series} * on (namespace,{label}) group_left ({PROJECT}) topk by (namespace,{label}) (1, {labels})"
        )
    } else if selection.project.is_some() {
        let label = names.label();
        let labels = max_by(&["namespace", label], &labels(names, scope, selection));
        format!("{series} * on (namespace,{label}) group_left () {labels}")
    } else {
        series.to_owned()
    };
    format!("sum by ({groups}) ({joined})")
}

/// Label series of the objects of the selected projects, as long as their usage is visible.
pub(super) fn labels(names: Names, scope: &Scope<'_>, selection: Selection<'_>) -> String {
    let mut matchers = vec![scope.namespaces(), differs(PROJECT, "")];
    matchers.extend(selection.project.map(|project| equals(PROJECT, project)));
    if !selection.projects.is_empty() {
        matchers.push(one_of(PROJECT, selection.projects.iter().map(String::as_str)));
    }
    let series = select(names.labels_series(), state(scope, matchers));
    format!("max_over_time({series}[{}s])", scope.window().max(LOOKBACK).as_secs())
}

/// Share of the window in which the metric of a tenant was measured, as [`coverage`].
///
/// Requests are measured if the tenant's own API server is scraped. Used storage is measured if the kubelets report any
/// volume of the tenant, or the tenant has none: some storage drivers report nothing.
pub(in super::super) fn chart_coverage(metric: Metric, scope: &Scope<'_>) -> String {
    match metric {
        Metric::ApiRequests => {
            let up = select("up", [from_job(&scope.jobs.api_servers), scope.namespaces()]);
            measured_share(metric, scope, &up, false)
        }
        Metric::StorageUsed => {
            let used = select(
                "kubelet_volume_stats_used_bytes",
                scope.kubelet().into_iter().chain(super::claims(scope)),
            );
            let requested = select(
                "kube_persistentvolumeclaim_resource_requests_storage_bytes",
                state(scope, super::claims(scope)),
            );
            let is_reported = format!("(0 * count({used}) + 1 or 0 * count({requested}) or vector(1))");
            format!("{} * {is_reported}", coverage(metric, scope))
        }
        _ => coverage(metric, scope),
    }
}

/// Pattern of names of Kubernetes objects.
const NAME: &str = "[a-z0-9][a-z0-9.-]{0,252}";

/// Names of pods and of their projects in a period before the time of the query: series with the label [`OBJECT_NAME`],
/// and series with the label [`PROJECT`].
pub(in super::super) fn names(scope: &Scope<'_>, period: Duration) -> String {
    let names = Names::Pods;
    format!(
        "{} or {}",
        named(scope, names, names.annotations_series(), OBJECT_NAME, period),
        named(scope, names, names.labels_series(), PROJECT, period)
    )
}

/// A label of the objects in a period before the time of the query, from the series that has it. A tenant that changes the
/// annotation of its objects at each scrape has one name for each nevertheless.
pub(super) fn named(scope: &Scope<'_>, names: Names, series: &str, label: &str, period: Duration) -> String {
    let period = (period + LOOKBACK).as_secs();
    let (object, pods) = (names.label(), names == Names::Pods);
    let objects = pods.then(|| scope.pods()).into_iter().flatten();
    let matchers = [scope.namespaces(), matches(label, NAME)].into_iter().chain(objects);
    let series = select(series, state(scope, matchers));
    let latest = max_by(&["namespace", object, label], &format!("max_over_time({series}[{period}s])"));
    format!("topk by (namespace,{object}) (1, {latest})")
}

/// 1 if kube-state-metrics has the projects of the tenant's objects, 0 if it has the objects only, and nothing if there
/// were none in a period before the time of the query.
pub(in super::super) fn names_known(names: Names, scope: &Scope<'_>, period: Duration) -> String {
    let period = (period + LOOKBACK).as_secs();
    let count = |series: &str, matchers: Vec<Matcher>| {
        format!("count(max_over_time({}[{period}s]))", select(series, state(scope, matchers)))
    };
    let labelled = count(names.labels_series(), vec![scope.namespaces(), differs(PROJECT, "")]);
    let all = match names {
        Names::Pods => count(
            "kube_pod_status_phase",
            vec![scope.namespaces(), equals("phase", "Running"), not_matching("pod", CONTROL_PLANE_PODS)],
        ),
        Names::Claims => count(
            "kube_persistentvolumeclaim_resource_requests_storage_bytes",
            vec![scope.namespaces(), not_matching("persistentvolumeclaim", CONTROL_PLANE_CLAIMS)],
        ),
    };
    format!("0 * {labelled} + 1 or 0 * {all}")
}

/// Label of the results of [`latest`]: the name of a metric, or that name and [`MEASURED`].
pub(in super::super) const READING: &str = "reading";
/// Suffix of the readings that are the share of the window that was measured.
pub(in super::super) const MEASURED: &str = " measured";

/// Values of all metered metrics of a tenant and their coverage in one expression.
pub(in super::super) fn latest(scope: &Scope<'_>) -> String {
    let tagged = |metric: &Metric| {
        let name = metric.as_str();
        let used = with_reading(&usage(*metric, scope), name);
        format!("{used} or {}", with_reading(&chart_coverage(*metric, scope), &format!("{name}{MEASURED}")))
    };
    Metric::METERED.iter().map(tagged).collect::<Vec<_>>().join(" or ")
}

/// Adds the label [`READING`] to the results of an expression.
pub(super) fn with_reading(expression: &str, reading: &str) -> String {
    format!("label_replace({expression}, \"{READING}\", \"{reading}\", \"\", \"\")")
}
