//! Logs and figures of the process.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::options::LogFormat;

/// Names what is logged, as is usual with programs in Rust: `info`, or `warn,hexabase_server=debug`.
const VARIABLE: &str = "RUST_LOG";

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
    let wanted = std::env::var(VARIABLE).ok().filter(|wanted| !wanted.is_empty());
    let filter: Targets = wanted.as_deref().unwrap_or(DEFAULT_FILTER).parse().map_err(|error| {
        Error::invalid(VARIABLE, "is no filter such as info or hexabase_server=debug").caused_by(error)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = Registry::default().with(filter).with(lines).try_init();
    started.map_err(|error| Error::unexpected("logging cannot be started").caused_by(error))
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
