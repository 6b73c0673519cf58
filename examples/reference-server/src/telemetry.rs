//! Logging, spans and metrics of the process.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
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
            .with_tracked_inactivity(false)
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
    let handle = builder.install_recorder().map_err(failed)?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
