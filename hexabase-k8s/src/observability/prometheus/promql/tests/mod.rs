//! Expressions evaluated by `promtool test rules` on series as kubelets, kube-state-metrics and API servers make them.

mod cases;
mod dashboards;
mod rules;

use hexabase_core::fixture::id;
use hexabase_test_servers::run_rule_tests;
use serde_json::{Value, json};

use self::cases::{API_REQUESTS, CHARTS, CPU, MEMORY, NETWORK, STATE};
use super::*;

/// Namespace of the tenant, `$N` in labels.
const NAMESPACE: &str = "ws-00000000000000000000000001";
/// Scrape interval, in seconds; one sample of a series.
const INTERVAL: u64 = 30;

fn tenant(name: &str) -> TenantTarget {
    TenantTarget { name: name.to_owned(), ..TenantTarget::by_id(id("acme"), id("shop")) }
}

/// Evaluates `check` with the scope of the tenant and this step.
fn with_scope<T>(step: u64, check: impl FnOnce(&Scope<'_>) -> T) -> T {
    let (targets, jobs) = ([tenant(NAMESPACE)], ScrapeJobs::default());
    check(&Scope {
        targets: &targets,
        jobs: &jobs,
        scrape_interval: Duration::from_secs(INTERVAL),
        step: Duration::from_secs(step),
        pods: &[],
    })
}

/// Name and labels of a series, abbreviated as in [`ABBREVIATIONS`], and its values in promtool's notation.
type Series = (&'static str, &'static str);

/// Abbreviations in series, expanded in this order.
const ABBREVIATIONS: [(&str, &str); 14] = [
    ("$MEMORY", "container_memory_working_set_bytes"),
    ("$CPU", "container_cpu_usage_seconds_total"),
    ("$RECEIVED", "container_network_receive_bytes_total"),
    ("$SENT", "container_network_transmit_bytes_total"),
    ("$CLAIMS", "kube_persistentvolumeclaim_resource_requests_storage_bytes"),
    ("$PHASE", "kube_pod_status_phase"),
    ("$REQUESTS", "apiserver_request_total"),
    ("$USED", "kubelet_volume_stats_used_bytes"),
    ("$RESTARTS", "kube_pod_container_status_restarts_total"),
    ("$THROTTLED", "container_cpu_cfs_throttled_periods_total"),
    ("$PERIODS", "container_cpu_cfs_periods_total"),
    ("$K", "namespace=\"$N\",job=\"kubelet\",metrics_path=\"/metrics/cadvisor\""),
    ("$S", "namespace=\"$N\",job=\"kube-state-metrics\""),
    ("$N", NAMESPACE),
];

fn input(series: &[Series]) -> Vec<Value> {
    let expand = |text: &str| {
        ABBREVIATIONS.iter().fold(text.to_owned(), |text, (short, full)| text.replace(short, full))
    };
    series.iter().map(|(name, values)| json!({ "series": expand(name), "values": values })).collect()
}

/// Unit test of an expression at a time; without a value the expression has no result. Values are rounded, as rates
/// are quotients.
fn rule_test(
    name: &str,
    series: &[Series],
    at: &str,
    results: &[(String, &'static str, Option<f64>)],
) -> Value {
    let test = |(expression, labels, value): &(String, &str, Option<f64>)| {
        let samples: Vec<Value> = value.iter().map(|it| json!({ "labels": labels, "value": it })).collect();
        json!({ "expr": format!("round({expression}, 0.001)"), "eval_time": at, "exp_samples": samples })
    };
    json!({
        "name": name,
        "interval": format!("{INTERVAL}s"),
        "input_series": input(series),
        "promql_expr_test": results.iter().map(test).collect::<Vec<_>>(),
    })
}

fn run(tests: Vec<Value>) {
    run_rule_tests(&json!({ "evaluation_interval": format!("{INTERVAL}s"), "tests": tests }));
}

/// Sum of all series of the tenant, in which duplicates and series of other jobs count, with a window of one step.
fn plain(metric: Metric, step: u64) -> String {
    let own = format!("namespace=\"{NAMESPACE}\"");
    let pods = format!("{own},pod!~\"ws-[0-9a-z]{{26}}-[0-9]{{1,2}}\"");
    let containers = format!("{pods},container!=\"\",container!=\"POD\"");
    let series = match metric {
        Metric::Cpu => format!("rate(container_cpu_usage_seconds_total{{{containers}}}[{step}s])"),
        Metric::Memory => format!("container_memory_working_set_bytes{{{containers}}}"),
        Metric::Storage => format!(
            "kube_persistentvolumeclaim_resource_requests_storage_bytes{{{own},persistentvolumeclaim!~\"data-ws-[0-9a-z]{{26}}-[0-9]{{1,2}}\"}}"
        ),
        Metric::NetworkReceive => {
            format!("rate(container_network_receive_bytes_total{{{pods},interface!=\"lo\"}}[{step}s])")
        }
        Metric::NetworkTransmit => {
            format!("rate(container_network_transmit_bytes_total{{{pods},interface!=\"lo\"}}[{step}s])")
        }
        Metric::Pods => format!("kube_pod_status_phase{{{pods},phase=\"Running\"}}"),
        Metric::ApiRequests => format!("rate(apiserver_request_total{{{own}}}[{step}s])"),
        Metric::StorageUsed => format!("kubelet_volume_stats_used_bytes{{{own}}}"),
        Metric::Restarts => format!("increase(kube_pod_container_status_restarts_total{{{own}}}[{step}s])"),
        Metric::Throttling => format!("rate(container_cpu_cfs_throttled_periods_total{{{own}}}[{step}s])"),
    };
    format!("sum by (namespace) ({series})")
}

/// Series of a tenant and its usage after five minutes.
#[derive(Debug, Clone, Copy)]
struct UsageCase {
    name: &'static str,
    metric: Metric,
    series: &'static [Series],
    usage: f64,
    /// Value of the plain sum; equal to the usage where the case has nothing that a plain sum counts wrong.
    plain: f64,
}

const LABEL: &str = "{namespace=\"ws-00000000000000000000000001\"}";

#[test]
fn usage_counts_everything_once_and_only_series_of_the_configured_jobs() {
    let cases = [MEMORY, CPU, NETWORK, STATE, API_REQUESTS, CHARTS].concat();
    let test = |case: &UsageCase| {
        let expression = with_scope(300, |scope| usage(case.metric, scope));
        let results =
            [(expression, LABEL, Some(case.usage)), (plain(case.metric, 300), LABEL, Some(case.plain))];
        rule_test(case.name, case.series, "5m", &results)
    };
    run(cases.iter().map(test).collect());
}

/// Targets and the share of the window that they measured after five minutes.
struct CoverageCase {
    name: &'static str,
    metric: Metric,
    series: &'static [Series],
    share: Option<f64>,
}

const TWO_KUBELETS: [Series; 2] = [
    ("up{job=\"kubelet\",metrics_path=\"/metrics/cadvisor\",instance=\"one\"}", "1x10"),
    ("up{job=\"kubelet\",metrics_path=\"/metrics/cadvisor\",instance=\"two\"}", "1x10"),
];

#[test]
fn a_window_is_measured_if_every_target_of_the_jobs_was_scraped() {
    let cases = [
        CoverageCase {
            name: "all kubelets respond",
            metric: Metric::Memory,
            series: &TWO_KUBELETS,
            share: Some(1.0),
        },
        CoverageCase {
            name: "other endpoints of kubelets and targets of tenants do not matter",
            metric: Metric::Cpu,
            series: &[
                TWO_KUBELETS[0],
                ("up{job=\"kubelet\",metrics_path=\"/metrics/probes\",instance=\"one\"}", "0x10"),
                ("up{job=\"kubernetes-pods\",instance=\"evil\"}", "0x10"),
                ("machine_cpu_cores{job=\"kubernetes-pods\",instance=\"evil\"}", "8x10"),
                ("kube_node_info{job=\"kubernetes-pods\",instance=\"evil\"}", "1x10"),
            ],
            share: Some(1.0),
        },
        CoverageCase {
            name: "a kubelet is down for most of the window",
            metric: Metric::Cpu,
            series: &[
                TWO_KUBELETS[0],
                ("up{job=\"kubelet\",metrics_path=\"/metrics/cadvisor\",instance=\"two\"}", "1 1 0x8"),
            ],
            share: Some(0.182),
        },
        CoverageCase {
            name: "a failed scrape in the middle",
            metric: Metric::Memory,
            series: &[("up{job=\"kubelet\",instance=\"one\"}", "1x4 0 1x4")],
            share: Some(0.909),
        },
        CoverageCase {
            name: "a failed scrape at the end hides gauges",
            metric: Metric::Memory,
            series: &[("up{job=\"kubelet\",instance=\"one\"}", "1x9 0")],
            share: Some(0.0),
        },
        CoverageCase {
            name: "a failed scrape at the end hides no rates",
            metric: Metric::Cpu,
            series: &[("up{job=\"kubelet\",instance=\"one\"}", "1x9 0")],
            share: Some(0.909),
        },
        CoverageCase {
            name: "one of two Prometheus servers reaches the target",
            metric: Metric::Memory,
            series: &[
                ("up{job=\"kubelet\",instance=\"one\",prometheus_replica=\"a\"}", "0x10"),
                ("up{job=\"kubelet\",instance=\"one\",prometheus_replica=\"b\"}", "1x10"),
            ],
            share: Some(1.0),
        },
        CoverageCase {
            name: "targets with one address in two clusters are two targets",
            metric: Metric::Memory,
            series: &[
                ("up{job=\"kubelet\",instance=\"one\",cluster=\"a\"}", "0x10"),
                ("up{job=\"kubelet\",instance=\"one\",cluster=\"b\"}", "1x10"),
            ],
            share: Some(0.0),
        },
        CoverageCase {
            name: "a node that joined or left does not matter",
            metric: Metric::Memory,
            series: &[
                TWO_KUBELETS[0],
                ("up{job=\"kubelet\",instance=\"new\"}", "_x7 1x2"),
                ("up{job=\"kubelet\",instance=\"old\"}", "1x3 stale"),
            ],
            share: Some(1.0),
        },
        CoverageCase {
            name: "Prometheus itself was down for most of the window",
            metric: Metric::Memory,
            series: &[("up{job=\"kubelet\",instance=\"one\"}", "_x7 1x2")],
            share: Some(0.0),
        },
        CoverageCase {
            name: "Prometheus itself has been down since early in the window",
            metric: Metric::Memory,
            series: &[("up{job=\"kubelet\",instance=\"one\"}", "1x2")],
            share: Some(0.0),
        },
        CoverageCase {
            name: "no target of the job exists",
            metric: Metric::Memory,
            series: &[("up{job=\"cadvisor\",instance=\"one\"}", "1x10")],
            share: None,
        },
        CoverageCase {
            name: "one of two kube-state-metrics is down: it may have a share of the objects",
            metric: Metric::Storage,
            series: &[
                ("up{job=\"kube-state-metrics\",instance=\"a\"}", "1x10"),
                ("up{job=\"kube-state-metrics\",instance=\"b\"}", "0x10"),
            ],
            share: Some(0.0),
        },
        CoverageCase {
            name: "one of two tenant API servers is down",
            metric: Metric::ApiRequests,
            series: &[
                ("up{job=\"vcluster\",namespace=\"$N\",pod=\"$N-0\"}", "1x10"),
                ("up{job=\"vcluster\",namespace=\"ws-00000000000000000000000002\"}", "0x10"),
                ("up{job=\"vcluster\",namespace=\"default\"}", "1x10"),
            ],
            share: Some(1.0),
        },
        CoverageCase {
            name: "no tenant API server responds",
            metric: Metric::ApiRequests,
            series: &[
                ("up{job=\"vcluster\",namespace=\"$N\",pod=\"$N-0\"}", "0x10"),
                ("up{job=\"kubernetes-pods\",namespace=\"$N\"}", "1x10"),
            ],
            share: Some(0.0),
        },
    ];
    let test = |case: &CoverageCase| {
        let expression = with_scope(300, |scope| coverage(case.metric, scope));
        rule_test(case.name, case.series, "5m", &[(expression, "{}", case.share)])
    };
    run(cases.iter().map(test).collect());
}

#[test]
fn rates_cover_four_scrapes_whatever_the_step_is() {
    let series: &[Series] = &[("$CPU{$K,pod=\"web\",container=\"web\",id=\"/x\"}", "0+15x20")];
    let tests = [1, 15, 30, 60, 300].map(|step| {
        let used = with_scope(step, |scope| usage(Metric::Cpu, scope));
        // One scrape between two steps has no rate.
        let plain_value = (step >= 60).then_some(0.5);
        let results = [(used, LABEL, Some(0.5)), (plain(Metric::Cpu, step), LABEL, plain_value)];
        rule_test(&format!("step of {step} seconds"), series, "5m10s", &results)
    });
    run(tests.to_vec());
    let window = |interval, step| {
        with_scope(step, |scope| {
            Scope { scrape_interval: Duration::from_secs(interval), ..*scope }.window().as_secs()
        })
    };
    assert_eq!([window(30, 300), window(75, 300), window(60, 30), window(150, 300)], [300, 300, 240, 600]);
}

#[test]
fn expressions_name_the_tenants_and_the_jobs() {
    let jobs =
        ScrapeJobs { kubelet: vec!["kubelet".to_owned(), "k3s.agent".to_owned()], ..ScrapeJobs::default() };
    let targets = [tenant("ws-one"), tenant("ws-two")];
    let scope = Scope {
        targets: &targets,
        jobs: &jobs,
        scrape_interval: Duration::from_secs(30),
        step: Duration::from_secs(300),
        pods: &[],
    };
    for metric in Metric::ALL.iter().copied() {
        let query = usage(metric, &scope);
        assert!(query.contains("namespace=~\"ws-one|ws-two\""), "{query}");
        for query in [query, coverage(metric, &scope)] {
            let repetitions = query.matches("{26}").count() + query.matches("{1,2}").count();
            let selectors = query.matches('{').count() - repetitions;
            assert_eq!(selectors, query.matches("{job=").count(), "{query}");
        }
    }
    assert_eq!(
        usage(Metric::Memory, &scope),
        "sum by (namespace) (max by (namespace,pod,container) (container_memory_working_set_bytes{\
         job=~\"kubelet|k3s\\\\.agent\",metrics_path=~\"(.*/metrics/cadvisor)?\",namespace=~\"ws-one|ws-two\",\
         container!=\"\",container!=\"POD\",pod!~\"ws-[0-9a-z]{26}(-etcd)?-[0-9]{1,2}\"}))"
    );
}

#[test]
fn values_of_labels_are_escaped() {
    let hostile = "a\"} or up{job=~\".*\\\n";
    assert_eq!(equals("job", hostile), r#"job="a\"} or up{job=~\".*\\\n""#);
    let names = [hostile.to_owned(), "b|c".to_owned()];
    let series: &[Series] = &[
        ("up{job=\"a\"}", "1x10"),
        ("up{job=\"b\"}", "1x10"),
        ("up{job=\"b|c\"}", "1x10"),
        ("up{job=\"axb\"}", "1x10"),
    ];
    let count = |names: &[String]| format!("count({})", select("up", [from_job(names)]));
    let results = [
        (count(&names), "{}", Some(1.0)),
        (count(&names[..1]), "{}", None),
        (count(&["a.b".to_owned(), "x".to_owned()]), "{}", None),
        (count(&["a".to_owned(), "b".to_owned()]), "{}", Some(2.0)),
    ];
    run(vec![rule_test("escaping", series, "5m", &results)]);
}
