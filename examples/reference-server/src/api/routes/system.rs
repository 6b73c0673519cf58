//! What operators and their tools ask.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::{BoxFuture, join_all};
use hexabase_core::error::Result;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(info))
}

/// How long a backend may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// That the process lives.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Say that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "System", security(()), responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the backends answer.
#[derive(Debug, Serialize, ToSchema)]
struct Readiness {
    /// `ok` when all of them do, `unavailable` when one does not.
    status: &'static str,
    /// Each backend: `ok` or `unavailable`.
    #[schema(example = json!({"store": "ok"}))]
    backends: BTreeMap<String, &'static str>,
}

/// Ask every backend whether it answers.
#[utoipa::path(get, path = "/readyz", tag = "System", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(app): State<App>) -> Response {
    let platform = &app.platform;
    let mut asked: Vec<(String, BoxFuture<'_, Result<()>>)> = vec![
        ("store".to_owned(), platform.store().ping()),
        ("ephemeral".to_owned(), platform.ephemeral().ping()),
        ("queue".to_owned(), Box::pin(async { platform.queue().depth().await.map(drop) })),
    ];
    for (host, provisioner) in platform.fleet().fixed() {
        asked.push((format!("host/{}", host.name), provisioner.ping()));
    }
    let answered = asked.into_iter().map(|(name, answer)| async move {
        let word = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(())) => "ok",
            Ok(Err(error)) => {
                tracing::warn!(backend = name, ?error, "a backend is down");
                "unavailable"
            }
            Err(_) => {
                tracing::warn!(backend = name, "a backend does not answer in time");
                "unavailable"
            }
        };
        (name, word)
    });
    let backends: BTreeMap<_, _> = join_all(answered).await.into_iter().collect();
    if backends.values().all(|word| *word == "ok") {
        return Json(Readiness { status: "ok", backends }).into_response();
    }
    let down = Readiness { status: "unavailable", backends };
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], Json(down)).into_response()
}

/// Show the figures of this process, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "System", security(()),
    responses((status = 200, content_type = "text/plain", body = String)))]
async fn metrics(State(app): State<App>) -> Response {
    let Some(handle) = &app.metrics else { return StatusCode::NO_CONTENT.into_response() };
    for (name, count) in [
        ("hexabase_outbox_messages", app.platform.store().count_outbox().await),
        ("hexabase_queue_messages", app.platform.queue().depth().await),
    ] {
        match count {
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and nobody counts that far")]
            Ok(count) => metrics::gauge!(name).set(count as f64),
            Err(error) => tracing::warn!(name, ?error, "a figure could not be read"),
        }
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render()).into_response()
}

/// What this server is made of.
#[derive(Debug, Serialize, ToSchema)]
struct Info {
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The backends in use, by what they do.
    #[schema(example = json!({"store": "sqlite"}))]
    backends: BTreeMap<&'static str, &'static str>,
    /// Whether tenant clusters are only pretended.
    sandbox: bool,
}

/// Show what this server is made of.
#[utoipa::path(get, path = "/api/v1/info", tag = "System", security(()),
    responses((status = 200, body = Info)))]
async fn info(State(app): State<App>) -> Json<Info> {
    Json(Info {
        version: env!("CARGO_PKG_VERSION"),
        backends: app.backends.iter().copied().collect(),
        sandbox: app.platform.fleet().fixed().any(|(host, _)| host.sandbox),
    })
}
