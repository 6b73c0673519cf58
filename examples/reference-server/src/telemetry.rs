//! Logs and figures of the process.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::options::LogFormat;

/// What is logged where `RUST_LOG` says nothing: what we do, and what goes wrong elsewhere. What clusters answer we
/// report ourselves, with the workspace that it is about.
const DEFAULT_FILTER: &str = "warn,kube_client=off,hexabase=info,hexabase_core=info,hexabase_store=info,hexabase_k8s=info,\
                              hexabase_auth=info,hexabase_billing=info,hexabase_server=info";

/// The bounds of the histogram of answers, in seconds.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How often what was measured is folded away.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to log, to standard error.
///
/// # Errors
/// `Invalid` for a `RUST_LOG` that cannot be read.
pub(crate) fn start_logging(format: LogFormat) -> Result<()> {
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|wanted| !wanted.is_empty());
    let filter = EnvFilter::try_new(wanted.as_deref().unwrap_or(DEFAULT_FILTER)).map_err(|error| {
        Error::invalid(EnvFilter::DEFAULT_ENV, "is no filter such as info or hexabase=debug").caused_by(error)
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    let started = match format {
        LogFormat::Text => lines.with_ansi(is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Error::unexpected("logging cannot be started").with("cause", error))
}

fn is_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stderr().is_terminal()
}

/// Begins to measure. Must be called within a tokio runtime, and once in a process.
///
/// # Errors
/// `Unexpected` when something else measures already.
pub(crate) fn start_measuring() -> Result<PrometheusHandle> {
    let failed = |error| Error::unexpected("measuring cannot be started").caused_by(error);
    let builder = PrometheusBuilder::new().set_buckets(BOUNDS).map_err(failed)?;
    let handle = builder.install_recorder().map_err(failed)?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
