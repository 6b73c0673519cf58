//! Prometheus with the series of the fixture, and with those that rules record from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hexabase_core::conformance::metrics_source::MEASUREMENT_START;
use hexabase_test_servers::Prometheus;
use jiff::{SignedDuration, Timestamp};
use prometheus_http_query::Client;

use super::super::open_metrics;
use super::{fixture, rules, selectors};

/// Time at which dashboards are evaluated.
fn evaluated_at() -> Timestamp {
    MEASUREMENT_START + SignedDuration::from_mins(60)
}

/// Starts a server with all series, and with those that the rules record from them.
pub(super) async fn start() -> Prometheus {
    let measured =
        open_metrics(fixture::own_series().into_iter().chain(fixture::series_of_others()).collect());
    let recorded = record(&Prometheus::with(&measured)).await;
    Prometheus::with(&format!("{}{recorded}# EOF\n", measured.strip_suffix("# EOF\n").unwrap()))
}

/// Returns the results of the recording rules that build on measured series.
async fn record(server: &Prometheus) -> String {
    let client: Client = server.url().parse().unwrap();
    let end = evaluated_at();
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for rule in rules() {
        let (Some(name), Some(expression)) = (rule["record"].as_str(), rule["expr"].as_str()) else {
            continue;
        };
        if selectors(expression).iter().any(|it| it.name.as_deref().unwrap().contains(':')) {
            continue;
        }
        let start = end - SignedDuration::from_mins(20);
        let query = client.query_range(expression, start.as_second(), end.as_second(), 30.0).get().await;
        let found = query.unwrap_or_else(|error| panic!("{expression}: {error}"));
        let series = found.data().as_matrix().unwrap();
        assert!(!series.is_empty(), "{name} records nothing: {expression}");
        let text = by_name.entry(name.to_owned()).or_default();
        for series in series {
            let own = rule["labels"].as_object().into_iter().flatten();
            let own = own.map(|(label, value)| (label.clone(), value.as_str().unwrap().to_owned()));
            let labels = series.metric().clone().into_iter().chain(own);
            let labels: Vec<String> = labels.map(|(label, value)| format!("{label}=\"{value}\"")).collect();
            for sample in series.samples() {
                writeln!(text, "{name}{{{}}} {} {}", labels.join(","), sample.value(), sample.timestamp())
                    .unwrap();
            }
        }
    }
    let families = by_name.iter().map(|(name, text)| format!("# TYPE {name} gauge\n{text}"));
    families.collect()
}

/// Returns the values of an expression at [`evaluated_at`].
pub(super) async fn values(server: &Prometheus, expression: &str) -> Vec<f64> {
    let client: Client = server.url().parse().unwrap();
    let query = client.query(expression).at(evaluated_at().as_second()).get().await;
    let found = query.unwrap_or_else(|error| panic!("{expression}: {error}"));
    found.data().as_vector().unwrap().iter().map(|it| it.sample().value()).collect()
}
