//! Serving: the API, the work, or both.

use std::net::{Ipv4Addr, SocketAddr};

use hexabase_core::error::{Check, Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{banner, runtime, say};
use crate::compose::{Composed, compose, reachable};
use crate::listener::Listener;
use crate::settings::{Cluster, Database, Settings};
use crate::{api, telemetry};

/// Which part of the whole a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The API and the work.
    Everything,
    /// The API.
    Api,
    /// The work.
    Worker,
}

/// Serves until the process is told to stop, and then finishes what is under way.
pub(super) fn serve(settings: Settings, role: Role) -> Result<()> {
    if role != Role::Everything {
        require_shared(&settings)?;
    }
    telemetry::start_logging(settings.log)?;
    runtime()?.block_on(run(settings, role))
}

/// What several processes work with has to be outside of each of them.
fn require_shared(settings: &Settings) -> Result<()> {
    let mut check = Check::default();
    let alone = "is missing: without it everything has to be one process, which is `hexabase serve`";
    check.require(settings.cluster != Cluster::Sandbox, "kubeconfig", alone);
    check.require(
        matches!(settings.database, Database::Postgres(_)),
        "database_url",
        "must be postgres:// here",
    );
    check.require(settings.redis.is_some(), "redis_url", alone);
    check.require(settings.nats.is_some(), "nats_url", alone);
    check.done()
}

async fn run(settings: Settings, role: Role) -> Result<()> {
    let stopping = stop_signal()?;
    let metrics = telemetry::start_measuring()?;
    let port = if role == Role::Worker { 8081 } else { 8080 };
    let wanted = settings.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = Listener::bind(wanted).await?;
    let address = listener.address;
    let dev = settings.dev;
    if dev {
        tracing::warn!("DEVELOPMENT MODE: anybody who reaches this server can sign in as anybody");
    }
    let composed = compose(settings, address, stopping.clone(), Some(metrics)).await?;
    if composed.app.sandbox.is_some() {
        tracing::warn!(
            "SANDBOX: tenant clusters are pretended and run nothing; --kubeconfig names a real cluster"
        );
    }
    let router = match role {
        Role::Everything | Role::Api => composed.router(),
        Role::Worker => api::probes(composed.app.clone()),
    };
    let Composed { app, worker, speech } = composed;
    let answering = tokio::spawn(listener.serve(router, speech, stopping.clone()));
    let stop = || {
        let mut stopping = stopping.clone();
        // An error means that the sender is gone, and then it is time to stop as well.
        async move { drop(stopping.wait_for(|stopping| *stopping).await) }
    };
    let working = tokio::spawn({
        let stop = stop();
        async move {
            match role {
                // What a request sets in motion leaves from where it was committed, without waiting to be found.
                Role::Api => worker.relay(stop).await,
                Role::Everything | Role::Worker => worker.run(stop).await,
            }
        }
    });
    let looking_after_keys = tokio::spawn({
        let (app, stop) = (app.clone(), stop());
        async move {
            if role != Role::Api {
                app.auth.look_after_keys(stop).await;
            }
        }
    });

    let public_url = &app.platform.settings().public_url;
    say(&format!("Hexabase is ready on {public_url} (listening on {})", reachable(address)))?;
    if dev && role == Role::Everything {
        say(&banner::walk(public_url, app.sandbox.is_some()))?;
    }
    for task in [answering, working, looking_after_keys] {
        task.await.map_err(|error| Error::unexpected("the server broke down").caused_by(error))?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Turns true at the first SIGINT or SIGTERM. The second one ends the process at once.
pub(super) fn stop_signal() -> Result<watch::Receiver<bool>> {
    let failed = |error: std::io::Error| Error::unexpected("signals cannot be listened to").caused_by(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        for last in [false, true] {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            if last {
                std::process::exit(130);
            }
            tracing::info!("stopping: finishing what is under way");
            stop.send_replace(true);
        }
    });
    Ok(stopping)
}
