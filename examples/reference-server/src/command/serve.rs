//! Server processes: the API, the worker, or both.

use std::net::{Ipv4Addr, SocketAddr};

use hexabase_core::error::{Check, Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{print_line, quickstart, runtime};
use crate::compose::{Composition, compose, reachable_address};
use crate::config::{Cluster, ProcessConfig};
use crate::database::Database;
use crate::listener::{Listener, ListenerConfig, ListenerProtocol, open_file_limit};
use crate::telemetry;
use crate::trace_export::TraceExport;
use hexabase_api::MetricsAccess;

/// Maximum number of connections to the address for metrics.
const METRICS_CONNECTIONS: usize = 512;

/// Role of a server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// API and worker.
    All,
    /// API only.
    Api,
    /// Worker only.
    Worker,
}

/// Runs the process until it receives a stop signal, and then finishes work in progress.
pub(super) fn serve(config: ProcessConfig, role: Role) -> Result<()> {
    if role != Role::All {
        require_shared_backends(&config)?;
    }
    let traces = config.traces.as_ref().map(TraceExport::start).transpose()?;
    telemetry::start_logging(config.log, traces.as_ref())?;
    let served = runtime()?.block_on(run(config, role));
    if let Some(traces) = traces {
        traces.stop();
    }
    served
}

/// Rejects backends that several processes cannot share.
fn require_shared_backends(config: &ProcessConfig) -> Result<()> {
    let mut check = Check::default();
    let message = "is missing: separate processes need a shared backend; `hexabase serve` runs everything in one process";
    check.require(config.cluster != Cluster::Sandbox, "kubeconfig", message);
    check.require(
        matches!(config.database, Database::Postgres(_)),
        "database_url",
        "must be postgres:// for separate processes",
    );
    check.require(config.redis.is_some(), "redis_url", message);
    check.require(config.nats.is_some(), "nats_url", message);
    check.done()
}

async fn run(mut config: ProcessConfig, role: Role) -> Result<()> {
    let stopping = stop_signal()?;
    let metrics = telemetry::install_metrics_recorder()?;
    let port = if role == Role::Worker { 8081 } else { 8080 };
    let requested = config.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = Listener::bind(requested, "--listen").await?;
    let metrics_listener = match config.metrics_listen {
        Some(requested) => Some(Listener::bind(requested, "--metrics-listen").await?),
        None => None,
    };
    let metrics_access = match (&metrics_listener, role) {
        (Some(_), _) => MetricsAccess::None,
        // A worker's port serves probes only.
        (None, Role::Worker) => MetricsAccess::All,
        (None, Role::All | Role::Api) => MetricsAccess::SameMachine,
    };
    let address = listener.address;
    // API processes do not connect to host clusters.
    if role != Role::Api {
        config.tenant_scraping.is_served = true;
        if config.tenant_scraping.addresses.is_empty() {
            let own = metrics_listener.as_ref().map_or(address, |listener| listener.address);
            config.tenant_scraping.addresses.push(reachable_address(own).to_string());
        }
    }
    let (dev, open) = (config.dev, config.open);
    let limits = ListenerConfig::new(
        config.max_connections,
        config.max_connections_per_address,
        open_file_limit(),
        &config.trusted_proxies,
    );
    if config.max_connections.is_some_and(|wanted| wanted > limits.connections) {
        let connections = limits.connections;
        tracing::warn!(connections, "limit of open files is too low for --max-connections; limit reduced");
    }
    if dev {
        tracing::warn!("DEVELOPMENT MODE: any client that reaches this server can sign in as any user");
    }
    let composition = compose(config, address, stopping.clone(), metrics, metrics_access).await?;
    if composition.sandbox.is_some() {
        tracing::warn!(
            "SANDBOX: tenant clusters are simulated and run no workloads; set --kubeconfig to use a host cluster"
        );
    }
    let router = match role {
        Role::All | Role::Api => composition.router(),
        Role::Worker => hexabase_api::probes(composition.api.clone()),
    };
    let Composition { api, sandbox, worker, protocol, .. } = composition;
    let metrics = metrics_listener.map(|listener| {
        tracing::info!(address = %listener.address, "metrics are served on an address of their own");
        let limits = ListenerConfig {
            connections: METRICS_CONNECTIONS,
            connections_per_address: METRICS_CONNECTIONS,
            ..limits.clone()
        };
        let router = hexabase_api::metrics(api.clone());
        tokio::spawn(listener.serve(router, ListenerProtocol::Plain, limits, stopping.clone()))
    });
    let http = tokio::spawn(listener.serve(router, protocol, limits, stopping.clone()));
    let stop = || {
        let mut stopping = stopping.clone();
        // An error means that the sender is dropped, in which case the process stops as well.
        async move { drop(stopping.wait_for(|stopping| *stopping).await) }
    };
    let work = tokio::spawn({
        let stop = stop();
        async move {
            match role {
                // The process that commits a request publishes its messages at once; workers would find them later.
                Role::Api => worker.relay(stop).await,
                Role::All | Role::Worker => worker.run(stop).await,
            }
        }
    });
    let key_rotation = tokio::spawn({
        let (auth, stop) = (api.auth().clone(), stop());
        async move {
            if role != Role::Api {
                auth.keys().run_rotation(stop).await;
            }
        }
    });

    let public_url = &api.platform().config().public_url;
    print_line(&format!("Hexabase is ready on {public_url} (listening on {})", reachable_address(address)))?;
    let console = format!("{public_url}/console");
    if open && role != Role::Worker {
        // A machine without a browser has the printed address.
        if let Err(error) = open::that_detached(&console) {
            tracing::warn!(%error, "opening the console in a browser failed");
        }
    }
    if dev && role == Role::All {
        print_line(&quickstart::quickstart(public_url, sandbox.is_some()))?;
    }
    for task in [http, work, key_rotation].into_iter().chain(metrics) {
        task.await.map_err(|error| Error::unexpected("a server task panicked").caused_by(error))?;
    }
    tracing::info!("server stopped");
    Ok(())
}

/// Returns a receiver that turns `true` at the first SIGINT or SIGTERM. The second signal exits the process
/// immediately.
pub(super) fn stop_signal() -> Result<watch::Receiver<bool>> {
    let failed =
        |error: std::io::Error| Error::unexpected("signal handlers cannot be installed").caused_by(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (sender, stopping) = watch::channel(false);
    tokio::spawn(async move {
        for exit in [false, true] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if exit {
                std::process::exit(130);
            }
            tracing::info!("stop signal received; finishing work in progress");
            sender.send_replace(true);
        }
    });
    Ok(stopping)
}
