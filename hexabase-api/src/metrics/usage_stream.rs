//! Live usage of a workspace, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::{FromRef, State};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use hexabase_core::error::{Error, Result};
use hexabase_core::metrics::Metric;
use hexabase_core::platform::{Caller, LatestUsage};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::usage_hub::{Subscription, UsageStreams};
use crate::caller::Authenticated;
use crate::extract::Path;
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    UsageStreams: FromRef<S>,
{
    OpenApiRouter::with_openapi(UsageSchemas::openapi()).routes(routes!(watch_usage))
}

/// Data of the event `usage`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveUsage)]
struct UsageView {
    /// Time of the values.
    at: Timestamp,
    /// Value of each metric by its name, in its unit as in `GET …/metrics/{metric}`; null if it was not measured.
    values: BTreeMap<&'static str, Option<f64>>,
    /// `true` if the values are invented, because the server has a sandbox instead of host clusters.
    sandbox: bool,
}

/// Data of the event `unavailable`: the usage could not be read. The stream continues.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveUsageUnavailable)]
struct UnavailableView {
    /// Code of the error, in `snake_case`.
    code: &'static str,
    /// Description of the error with its remedy.
    detail: String,
}

/// Schemas that no body contains.
#[derive(OpenApi)]
#[openapi(components(schemas(UsageView, UnavailableView)))]
struct UsageSchemas;

/// Stream the usage of a workspace
///
/// The event `usage` has the latest values, every 15 seconds (schema `LiveUsage`); the event `unavailable` replaces it while
/// they cannot be read (schema `LiveUsageUnavailable`). The stream ends when the caller may no longer read the workspace.
/// The numbers of concurrent streams of a user, of a workspace and of the server are limited: the error
/// `too_many_usage_streams` has the status 429.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/usage/stream", tag = "Metrics",
    params(WorkspacePath),
    responses((status = 200, content_type = "text/event-stream", body = String), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn watch_usage(
    State(streams): State<UsageStreams>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Sse<impl Stream<Item = std::result::Result<SseEvent, Infallible>>>> {
    let metrics = streams.platform().metrics();
    let target = metrics.authorize(&caller, path.org, path.ws).await?;
    metrics.require_source()?;
    let subscription = streams.hub.subscribe(caller.principal.user_id, target)?;
    let stream = UsageStream { streams, caller, path, subscription };
    let events = unfold(stream, |mut stream| async { Some((Ok(stream.next().await?), stream)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Usage stream of a caller.
struct UsageStream {
    streams: UsageStreams,
    caller: Caller,
    path: WorkspacePath,
    subscription: Subscription,
}

impl UsageStream {
    /// Waits for the next event. `None` ends the stream: the server shuts down, or the caller is no longer permitted
    /// to read the workspace.
    async fn next(&mut self) -> Option<SseEvent> {
        let mut stopping = self.streams.stopping.clone();
        loop {
            let reading = tokio::select! {
                biased;
                Ok(_) = stopping.wait_for(|stopping| *stopping) => return None,
                reading = self.subscription.next() => reading?,
            };
            match self.check_access().await {
                Ok(()) => return Some(to_sse_event(reading)),
                // The next reading comes soon.
                Err(error) if error.is_retryable() => {
                    tracing::warn!(?error, "checking access failed; usage is not sent");
                }
                Err(_) => return None,
            }
        }
    }

    async fn check_access(&self) -> Result<()> {
        self.streams.authenticator.require_alive(&self.caller.principal).await?;
        let metrics = self.streams.platform().metrics();
        metrics.authorize(&self.caller, self.path.org, self.path.ws).await.map(drop)
    }
}

fn to_sse_event(reading: std::result::Result<LatestUsage, std::sync::Arc<Error>>) -> SseEvent {
    // The fields serialize without failing.
    let (name, data) = match reading {
        Ok(LatestUsage { at, values, is_simulated }) => {
            let value = |metric: &Metric| (metric.as_str(), values.get(metric).copied());
            let values = Metric::METERED.iter().map(value).collect();
            ("usage", serde_json::to_string(&UsageView { at, values, sandbox: is_simulated }))
        }
        Err(error) => {
            let view = UnavailableView { code: error.code(), detail: error.message().to_owned() };
            ("unavailable", serde_json::to_string(&view))
        }
    };
    SseEvent::default().event(name).data(data.unwrap_or_default())
}
