//! Logging, spans and metrics of the process.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::telemetry::Series;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::options::LogFormat;
use crate::trace_export::TraceExport;

/// Variable that selects the log lines, as is usual for Rust programs: `info`, or `warn,hexabase_server=debug`.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Filter if `RUST_LOG` is not set: our own messages, and warnings of libraries. `kube_client` is off because our own
/// messages report failed requests to clusters, with the workspace.
const DEFAULT_FILTER: &str = "warn,kube_client=off,hexabase=info,hexabase_core=info,hexabase_store=info,hexabase_k8s=info,\
                              hexabase_auth=info,hexabase_billing=info,hexabase_server=info";

/// Upper bounds of the histogram buckets of request durations, in seconds.
const HISTOGRAM_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Upper bounds of the histogram buckets of waiting times, in seconds.
const WAIT_BUCKETS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Counter of the listener.
pub(crate) const REJECTED_CONNECTIONS: &str = "hexabase_http_connections_rejected_total";

/// Series that this crate records itself.
const OWN_SERIES: &[Series] = &[Series::counter(
    REJECTED_CONNECTIONS,
    &["reason"],
    "connections that were closed, or may only check the health, because too many were open",
)];

/// Returns all series that a process can record.
fn all_series() -> impl Iterator<Item = &'static Series> {
    let crates = [
        hexabase_core::telemetry::SERIES,
        hexabase_k8s::METRIC_SERIES,
        hexabase_billing::METRIC_SERIES,
        hexabase_auth::METRIC_SERIES,
        hexabase_api::telemetry::SERIES,
        OWN_SERIES,
    ];
    crates.into_iter().flatten()
}

/// Interval at which recorded histogram samples are aggregated.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Starts logging to standard error, and the export of spans. Both see the spans that the log filter selects.
///
/// # Errors
/// `Invalid` if `RUST_LOG` cannot be parsed.
pub(crate) fn start_logging(format: LogFormat, traces: Option<&TraceExport>) -> Result<()> {
    let configured = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter: Targets = configured.as_deref().unwrap_or(DEFAULT_FILTER).parse().map_err(|error| {
        Error::invalid(FILTER_VARIABLE, "must be a log filter, as in info or hexabase_server=debug")
            .caused_by(error)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let spans = traces.map(|traces| {
        tracing_opentelemetry::layer()
            .with_tracer(traces.tracer())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            // Contexts of OpenTelemetry are read from the current span.
            .with_context_activation(false)
    });
    let started = Registry::default().with(filter).with(spans).with(lines).try_init();
    started.map_err(|error| Error::unexpected("logging cannot be started").caused_by(error))
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
}

/// Installs the metrics recorder. Must be called within a tokio runtime, and at most once per process.
///
/// # Errors
/// `Unexpected` if a recorder is already installed.
pub(crate) fn install_metrics_recorder() -> Result<PrometheusHandle> {
    let failed = |error| Error::unexpected("the metrics recorder cannot be installed").caused_by(error);
    let builder = PrometheusBuilder::new().set_buckets(HISTOGRAM_BUCKETS).map_err(failed)?;
    let waits = Matcher::Suffix("_wait_seconds".to_owned());
    let builder = builder.set_buckets_for_metric(waits, WAIT_BUCKETS).map_err(failed)?;
    let handle = builder.install_recorder().map_err(failed)?;
    all_series().for_each(Series::describe);
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::all_series;

    #[test]
    fn the_table_of_metrics_in_the_documentation_is_current() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
        let text = std::fs::read_to_string(&file).unwrap();
        let (head, rest) =
            text.split_once("| series | type | labels | meaning |\n|---|---|---|---|\n").unwrap();
        let (_, tail) = rest.split_once("\n\n").unwrap();
        let rows = all_series().map(|series| {
            let labels: Vec<_> = series.labels.iter().map(|label| format!("`{label}`")).collect();
            let (name, kind, description) = (series.name, series.kind.as_str(), series.description);
            format!("| `{name}` | {kind} | {} | {description} |", labels.join(", "))
        });
        let rows: Vec<String> = rows.collect();
        let header = "| series | type | labels | meaning |\n|---|---|---|---|";
        let current = format!("{head}{header}\n{}\n\n{tail}", rows.join("\n"));
        if std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
            std::fs::write(&file, &current).unwrap();
        }
        assert!(
            text == current,
            "docs/operations.md is out of date; run this test again with HEXABASE_TEST_UPDATE=1"
        );
    }
}
