//! Logs of the pods in workspaces: lines of a time range, and streams of server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

mod hub;
pub mod requests;
mod stream;
mod view;

use std::convert::Infallible;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::unfold;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::logs::{LineId, LogQuery, LogSource, TextFilter};
use hexabase_core::platform::{Caller, LogRequest};
use jiff::SignedDuration;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};
pub use hub::LogStreams;
use hub::StreamSlot;
use requests::{LogsQuery, RequestedLogs};
use stream::{Followed, LogStream};
use view::{LogLineView, LogLinesView};

/// Tag and schemas of the area in the OpenAPI document, with those of the events of a stream.
#[derive(OpenApi)]
#[openapi(
    tags((name = "Logs", description = "Logs of the pods in tenant clusters.")),
    components(schemas(
        LogLineView,
        view::LogStatusView<'_>,
        view::LogStreamEndView<'_>,
        requests::DirectionSchema,
        crate::schema::ProjectId
    ))
)]
struct Document;

/// Routes of logs.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    LogStreams: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi()).routes(routes!(read_logs))
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}

/// Read or follow the logs of a workspace or project
///
/// Callers need a role that allows `get pods/log` in the project, or without `project` in the workspace as a whole.
///
/// With `follow=true` the response is a stream of server-sent events. The event `line` has the JSON of the schema
/// `LogLine`. The event `status` (schema `LogStatus`) says that lines cannot be read for now, and that they can be read
/// again; none is lost in between. The event `end` (schema `LogStreamEnd`) is the last one and has the reason. After an
/// interruption, the header `Last-Event-ID` resumes the stream after that event, at most 30 days later. A line that
/// reaches the log store more than 5 seconds after newer lines can be missing. Streams are limited per user, workspace and
/// server: the error `too_many_log_streams` has the status 429, as have `too_many_log_queries` and
/// `log_queries_rejected` for too many queries.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/logs", tag = "Logs",
    params(WorkspacePath, LogsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was received, for `follow=true`.")),
    responses((status = 200, content((LogLinesView = "application/json"), (String = "text/event-stream"))), Problems),
    extensions(("x-hexabase-action" = json!("logs.read"))))]
async fn read_logs(
    State(streams): State<LogStreams>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Query(parameters): Query<LogsQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let now = streams.platform().clock().now();
    let last_event_id = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    match parameters.parse(last_event_id, now)? {
        RequestedLogs::Lines(request) => {
            let lines = streams.platform().logs().read(&caller, path.org, path.ws, &request).await?;
            let truncated = lines.len() >= request.limit;
            let items = lines.into_iter().map(LogLineView::from).collect();
            Ok(Json(LogLinesView { items, truncated }).into_response())
        }
        RequestedLogs::Follow(request, start) => Ok(follow(streams, caller, &path, &request, start).await?),
    }
}

async fn follow(
    streams: LogStreams,
    caller: Caller,
    path: &WorkspacePath,
    request: &LogRequest,
    start: LineId,
) -> Result<Response> {
    let logs = streams.platform().logs();
    let (source, query) = logs.authorize(&caller, path.org, path.ws, request).await?;
    // The query begins later than the request if the project is younger.
    let start = start.max(LineId::before(query.since));
    let slot = streams.hub().count(caller.principal.user_id, path.ws)?;
    check_expression(&streams, &slot, &*source, &query).await?;
    let scope = (path.org, path.ws, request.project_id);
    let stream = LogStream::new(streams, Followed { caller, scope, source, query }, slot, start);
    let events =
        unfold(stream, |mut stream| async { Some((Ok::<_, Infallible>(stream.next().await?), stream)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// Rejects a malformed regular expression before the stream begins, by a query for the last second. If lines cannot be
/// read for now, the stream says so.
async fn check_expression(
    streams: &LogStreams,
    slot: &StreamSlot,
    source: &dyn LogSource,
    query: &LogQuery,
) -> Result<()> {
    let is_expression = query.filter.as_ref().is_some_and(TextFilter::is_expression);
    if !is_expression || streams.hub().is_followed(query) {
        return Ok(());
    }
    let until = streams.platform().clock().now();
    let since = until.checked_sub(SignedDuration::from_secs(1)).unwrap_or(until);
    match slot.lines(source, &LogQuery { since, until, limit: 1, ..query.clone() }).await {
        Err(error) if error.kind() == ErrorKind::Invalid && error.code() != "logs_too_large" => Err(error),
        _ => Ok(()),
    }
}
