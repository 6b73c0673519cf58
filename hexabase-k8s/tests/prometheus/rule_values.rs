//! Evaluations of alert rules over past values, against the alerts that promtool finds in the same series with the rules of
//! the chart.

use std::fmt::Write as _;
use std::time::Duration;

use hexabase_core::alerts::{EVALUATION_INTERVAL, FiringPeriod, RulePoint, back_test};
use hexabase_core::clock::{after, before};
use hexabase_core::conformance::metrics_source::{MEASUREMENT_START, busy, other};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::{GroupBy, Metric, MetricsSource as _, RuleQuery};
use hexabase_core::model::{AlertDuration, Comparison};
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics, ScrapeJobs, alert_rules};
use hexabase_test_servers::{Prometheus, run_rule_tests};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Number of scrapes, and of evaluations: three hours.
const SCRAPES: u32 = 360;
/// Scrapes that Prometheus did not make.
const OUTAGE: std::ops::Range<usize> = 210..235;
/// Project of the rules that have one.
const PROJECT: &str = "web";

/// Series with one value per scrape; `None` where the scrape lacks it.
struct FedSeries {
    name: &'static str,
    labels: String,
    values: Vec<Option<f64>>,
}

/// Pseudo-random numbers below a bound (Knuth's linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Levels from 0 to 9 that hold for up to an hour, most for some minutes, with gaps that are shorter and longer than the
/// time for which Prometheus returns a value.
fn levels(seed: u64) -> Vec<Option<f64>> {
    let (mut numbers, mut levels) = (Numbers(seed), Vec::new());
    while levels.len() < SCRAPES as usize {
        let length = if numbers.below(8) == 0 { 130 } else { 1 + numbers.below(14) };
        let level = u32::try_from(numbers.below(10)).unwrap();
        let level = (numbers.below(7) > 0).then_some(f64::from(level));
        levels.extend((0..length.min(if level.is_none() { 20 } else { length })).map(|_| level));
    }
    levels.truncate(SCRAPES as usize);
    levels
}

/// Counter that increases by these levels per second, without a reset.
fn counter(levels: &[Option<f64>], factor: f64) -> Vec<Option<f64>> {
    let mut total = 0.0;
    let value = |level: &Option<f64>| {
        total += level.unwrap_or(0.0) * EVALUATION_INTERVAL.as_secs_f64() * factor;
        level.map(|_| total)
    };
    levels.iter().map(value).collect()
}

/// Series of a tenant with two pods in two projects, and a claim in each.
fn tenant(namespace: &str, seed: u64) -> Vec<FedSeries> {
    let mut series = Vec::new();
    let mut add = |name, labels: String, mut values: Vec<Option<f64>>| {
        values[OUTAGE].fill(None);
        series.push(FedSeries { name, labels, values });
    };
    for (index, project) in (0..).zip([PROJECT, "db"]) {
        let seed = seed * 100 + index * 20;
        let object = format!("namespace=\"{namespace}\",pod=\"{project}-0\"");
        let cadvisor = format!(
            "{object},job=\"kubelet\",metrics_path=\"/metrics/cadvisor\",container=\"main\",id=\"/x\""
        );
        let state = format!("{object},job=\"kube-state-metrics\"");
        let claim = format!("namespace=\"{namespace}\",persistentvolumeclaim=\"{project}-data\"");
        let claim_state = format!("{claim},job=\"kube-state-metrics\"");
        let label = format!("label_vcluster_loft_sh_namespace=\"{project}\"");
        let always = vec![Some(1.0); SCRAPES as usize];
        add("kube_pod_labels", format!("{state},{label}"), always.clone());
        add("kube_persistentvolumeclaim_labels", format!("{claim_state},{label}"), always);
        add("container_memory_working_set_bytes", cadvisor.clone(), levels(seed));
        add("container_cpu_usage_seconds_total", cadvisor.clone(), counter(&levels(seed + 1), 1.0));
        let periods = levels(seed + 2);
        add("container_cpu_cfs_periods_total", cadvisor.clone(), counter(&periods, 1.0));
        add("container_cpu_cfs_throttled_periods_total", cadvisor.clone(), counter(&levels(seed + 3), 0.5));
        let interface = cadvisor.replace("container=\"main\"", "interface=\"eth0\"");
        add("container_network_receive_bytes_total", interface.clone(), counter(&levels(seed + 4), 1.0));
        add("container_network_transmit_bytes_total", interface, counter(&levels(seed + 5), 1.0));
        let running = levels(seed + 6).into_iter().map(|level| level.map(|it| f64::from(u8::from(it > 4.0))));
        add("kube_pod_status_phase", format!("{state},phase=\"Running\""), running.collect());
        let restarts = format!("{state},uid=\"1\",container=\"main\"");
        add("kube_pod_container_status_restarts_total", restarts, counter(&levels(seed + 7), 0.001));
        let requested = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
        add(requested, claim_state, levels(seed + 8));
        let used = format!("{claim},job=\"kubelet\",metrics_path=\"/metrics\"");
        add("kubelet_volume_stats_used_bytes", used, levels(seed + 9));
    }
    let requests = format!("namespace=\"{namespace}\",job=\"vcluster\",verb=\"GET\"");
    add("apiserver_request_total", requests, counter(&levels(seed * 100 + 50), 1.0));
    series
}

/// Targets: kubelets that do not respond for some minutes, and an outage of Prometheus itself.
fn targets() -> Vec<FedSeries> {
    let up = |labels: &str, down: std::ops::Range<u32>| {
        let value = |scrape: u32| match scrape {
            _ if down.contains(&scrape) => Some(0.0),
            _ if OUTAGE.contains(&(scrape as usize)) => None,
            _ => Some(1.0),
        };
        FedSeries { name: "up", labels: labels.to_owned(), values: (0..SCRAPES).map(value).collect() }
    };
    vec![
        up("job=\"kubelet\",instance=\"a\",metrics_path=\"/metrics/cadvisor\"", 90..104),
        up("job=\"kubelet\",instance=\"a\",metrics_path=\"/metrics\"", 0..0),
        up("job=\"kube-state-metrics\",instance=\"a\"", 300..318),
    ]
}

fn at(scrape: u32) -> Timestamp {
    after(MEASUREMENT_START, EVALUATION_INTERVAL * scrape)
}

/// These series in OpenMetrics format.
fn open_metrics(mut series: Vec<&FedSeries>) -> String {
    series.sort_by_key(|series| series.name);
    let (mut text, mut last_name) = (String::new(), "");
    for FedSeries { name, labels, values } in series {
        if *name != last_name {
            let family = name.strip_suffix("_total").unwrap_or(name);
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            writeln!(text, "# TYPE {family} {kind}").unwrap();
            last_name = name;
        }
        for (scrape, value) in (0..).zip(values) {
            if let Some(value) = value {
                writeln!(text, "{name}{{{labels}}} {value} {}", at(scrape).as_second()).unwrap();
            }
        }
    }
    text + "# EOF\n"
}

/// A series in the notation of promtool.
fn promtool_series(series: &FedSeries) -> Value {
    let value = |value: &Option<f64>| value.map_or_else(|| "_".to_owned(), |it| it.to_string());
    let values: Vec<String> = series.values.iter().map(value).collect();
    json!({ "series": format!("{}{{{}}}", series.name, series.labels), "values": values.join(" ") })
}

/// Limit that the values of a metric cross in both directions.
fn limit(metric: Metric, project: bool) -> f64 {
    let of_pod = match metric {
        Metric::Pods | Metric::Throttling => 0.5,
        Metric::Restarts => 12.5,
        _ => 4.5,
    };
    if project || matches!(metric, Metric::Throttling | Metric::ApiRequests) { of_pod } else { 2.0 * of_pod }
}

/// Alert rule of the tenant.
struct Rule {
    metric: Metric,
    comparison: Comparison,
    duration: AlertDuration,
    project: Option<&'static str>,
}

impl Rule {
    fn limit(&self) -> f64 {
        limit(self.metric, self.project.is_some())
    }

    fn labels(&self, index: usize) -> Value {
        let mut labels = json!({
            "rule": format!("alr_{index}"), "namespace": busy().kubernetes_name(), "metric": self.metric.as_str(),
            "comparison": self.comparison.as_str(), "for": self.duration.as_str(), "severity": "warning",
        });
        if let Some(project) = self.project {
            labels["project"] = json!(project);
        }
        labels
    }

    /// The limit as Hexabase exports it.
    fn threshold(&self, index: usize) -> FedSeries {
        let labels = self.labels(index);
        let labels = labels.as_object().unwrap().iter();
        let labels = labels.map(|(name, value)| format!("{name}={value},")).collect::<String>();
        let (name, labels) = ("hexabase_alert_rule_threshold", labels + "job=\"hexabase\"");
        FedSeries { name, labels, values: vec![Some(self.limit()); SCRAPES as usize] }
    }
}

/// Every combination of a metric, a comparison, a duration, and the workspace or a project.
fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    for metric in Metric::ALL.iter().copied() {
        for project in [None, Some(PROJECT)] {
            if project.is_some() && !metric.has_groups(GroupBy::Project) {
                continue;
            }
            for comparison in Comparison::ALL.iter().copied() {
                let rule =
                    |duration: &AlertDuration| Rule { metric, comparison, duration: *duration, project };
                rules.extend(AlertDuration::ALL.iter().map(rule));
            }
        }
    }
    rules
}

/// Values of a rule at each evaluation, as a dry run reads them.
async fn points(metrics: &PrometheusMetrics, rule: &Rule) -> Vec<RulePoint> {
    let query = RuleQuery {
        target: TenantTarget::by_id(id("acme"), busy()),
        metric: rule.metric,
        project: rule.project.map(str::to_owned),
        start: before(at(0), EVALUATION_INTERVAL),
        end: at(SCRAPES - 1),
    };
    let values = metrics.rule_values(&query).await.unwrap();
    let value = |at: Timestamp| values.iter().find(|it| it.at == at).map(|it| it.value);
    query.times().into_iter().map(|at| (at, value(at))).collect()
}

#[tokio::test]
async fn dry_runs_agree_with_the_alerts_of_the_rules_of_the_chart_at_every_evaluation() {
    let series: Vec<FedSeries> = [
        targets(),
        tenant(&busy().kubernetes_name(), 1),
        // A tenant whose name differs in the last character.
        tenant(&other().kubernetes_name(), 2),
    ]
    .into_iter()
    .flatten()
    .collect();
    let server = Prometheus::with(&open_metrics(series.iter().collect()));
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new(server.url())).unwrap();
    let rules = rules();
    let mut periods: Vec<Vec<FiringPeriod>> = Vec::new();
    for rule in &rules {
        let points = points(&metrics, rule).await;
        // Restarts within an hour are known after an outage that is shorter.
        let has_gap = points.iter().any(|(_, value)| value.is_none());
        assert!(has_gap || rule.metric == Metric::Restarts, "{} has no gap", rule.metric);
        periods.push(back_test(&points, rule.comparison, rule.limit(), rule.duration));
    }
    for duration in AlertDuration::ALL {
        let own = rules.iter().zip(&periods).filter(|(rule, _)| rule.duration == *duration);
        assert!(own.map(|(_, periods)| periods.len()).sum::<usize>() > 3, "{duration} never fires");
    }
    for metric in Metric::ALL {
        let own = rules.iter().zip(&periods).filter(|(rule, _)| rule.metric == *metric);
        assert!(own.map(|(_, periods)| periods.len()).sum::<usize>() > 3, "{metric} never fires");
    }

    // The values of alerts are for display only.
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = alert_rules(&ScrapeJobs::default(), Duration::from_secs(30));
    std::fs::write(file.path(), text.replace("    annotations:\n      value: '{{ $value }}'\n", "")).unwrap();
    let is_firing = |scrape: u32, periods: &[FiringPeriod]| {
        let is_in = |period: &FiringPeriod| {
            period.starts_at <= at(scrape) && period.ends_at.is_none_or(|end| at(scrape) < end)
        };
        periods.iter().any(is_in)
    };
    let alerts_at = |scrape: u32| {
        let firing = (0..).zip(&rules).zip(&periods).filter(|(_, periods)| is_firing(scrape, periods));
        let alerts: Vec<Value> =
            firing.map(|((index, rule), _)| json!({ "exp_labels": rule.labels(index) })).collect();
        let at = format!("{}s", u64::from(scrape) * EVALUATION_INTERVAL.as_secs());
        json!({ "eval_time": at, "alertname": "HexabaseAlertRule", "exp_alerts": alerts })
    };
    let thresholds: Vec<FedSeries> = (0..).zip(&rules).map(|(index, rule)| rule.threshold(index)).collect();
    run_rule_tests(&json!({
        "rule_files": [file.path()],
        "evaluation_interval": "30s",
        "tests": [{
            "interval": "30s",
            "input_series": series.iter().chain(&thresholds).map(promtool_series).collect::<Vec<_>>(),
            "alert_rule_test": (0..SCRAPES).map(alerts_at).collect::<Vec<_>>(),
        }],
    }));
}
