//! Live events of an organization, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use hexabase_core::error::Error;
use hexabase_core::id::{EventId, OrganizationId, TypedId as _};
use hexabase_core::model::Event;
use hexabase_core::platform::Caller;
use jiff::SignedDuration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::path_params::OrganizationPath;
use crate::api::edge::Authenticated;
use crate::api::extract::Path;
use crate::api::problem::{ApiError, ApiResult, Problems};
use crate::app::App;

/// Number of events per read.
const BATCH_SIZE: usize = 100;
/// Interval of reads for events of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum time by which an event can appear after events with greater ids: ids are created before the commit, and
/// commits complete in another order.
const REORDER_WINDOW: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(watch))
}

/// Stream the live events of an organization
///
/// Events such as `workspace.phase`, `workspace.drift` and `task.progress`, with their data as JSON. Members receive
/// the events of workspaces that are visible to them. After an interruption, the header `Last-Event-ID` resumes the
/// stream after that event; without it the stream begins with the next event.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/events", tag = "Organizations",
    params(OrganizationPath, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was received.")),
    responses((status = 200, content_type = "text/event-stream", body = String), Problems),
    extensions(("x-hexabase-action" = json!("events.read"))))]
async fn watch(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<SseEvent, Infallible>>>> {
    let after = match headers.get("last-event-id") {
        Some(id) => Some(resume_after(id.to_str().unwrap_or_default())?),
        None => app.platform.organizations().newest_event(&caller, path.org).await?,
    };
    // Rejects a caller without permission now, instead of ending the stream later.
    app.platform.organizations().events(&caller, path.org, after, 1).await?;
    let watcher = Watcher {
        app,
        caller,
        organization: path.org,
        start: after,
        newest: after,
        seen: BTreeSet::new(),
        pending: VecDeque::new(),
    };
    let events = unfold(watcher, |mut watcher| async { Some((Ok(watcher.next().await?), watcher)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn resume_after(id: &str) -> Result<EventId, ApiError> {
    id.parse()
        .map_err(|_| Error::invalid("Last-Event-ID", "must be the id of an event of this stream").into())
}

struct Watcher {
    app: App,
    caller: Caller,
    organization: OrganizationId,
    /// Position at the start of the stream; events up to it are not sent.
    start: Option<EventId>,
    /// Newest event that was read.
    newest: Option<EventId>,
    /// Events within the reorder window that were read already.
    seen: BTreeSet<EventId>,
    /// Events to send.
    pending: VecDeque<Event>,
}

impl Watcher {
    /// Waits for the next event. `None` ends the stream: the server shuts down, or the caller is no longer permitted
    /// to read the events.
    async fn next(&mut self) -> Option<SseEvent> {
        let mut stopping = self.app.stopping.clone();
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(to_sse_event(&event));
            }
            // Registered before the read, so no commit in between is missed.
            let committed = self.app.platform.event_committed();
            match self.read_events().await {
                Ok(()) if !self.pending.is_empty() => continue,
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(?error, "reading events failed; stream retries");
                }
                Err(_) => return None,
            }
            tokio::select! {
                () = committed => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                Ok(_) = stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }

    /// Reads the new events, and again those within the reorder window.
    async fn read_events(&mut self) -> Result<(), Error> {
        self.app.auth.require_alive(&self.caller.principal).await?;
        let horizon = self.newest.map(|newest| least_id_before(newest, REORDER_WINDOW)).max(self.start);
        let mut from = horizon;
        loop {
            let organizations = self.app.platform.organizations();
            let (events, last) =
                organizations.events(&self.caller, self.organization, from, BATCH_SIZE).await?;
            let seen = &mut self.seen;
            self.pending.extend(events.into_iter().filter(|event| seen.insert(event.id)));
            if last == from {
                break;
            }
            from = last;
        }
        self.newest = self.newest.max(from);
        self.seen.retain(|id| Some(*id) > horizon);
        Ok(())
    }
}

/// Returns the least id of an event that was created `earlier` before another.
fn least_id_before(id: EventId, earlier: SignedDuration) -> EventId {
    const MILLISECOND_SHIFT: u32 = 80;
    let earlier = u128::try_from(earlier.as_millis()).unwrap_or(0) << MILLISECOND_SHIFT;
    EventId::from_uuid(Uuid::from_u128(id.uuid().as_u128().saturating_sub(earlier)))
}

fn to_sse_event(event: &Event) -> SseEvent {
    let data = serde_json::json!({
        "organization_id": event.organization_id,
        "workspace_id": event.workspace_id,
        "at": event.at,
        "data": event.data,
    });
    SseEvent::default().id(event.id.to_string()).event(&event.kind).data(data.to_string())
}
