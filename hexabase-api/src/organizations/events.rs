//! Live events of an organization, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use hexabase_core::clock::until;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{EventId, OrganizationId};
use hexabase_core::model::{Event, EventKind};
use hexabase_core::platform::{Caller, EventAccess};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{OpenApi, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::event_hub::{BATCH_SIZE, EventStreams, REORDER_WINDOW, RecentIds, Subscription};
use crate::extract::Path;
use crate::path_params::OrganizationPath;
use crate::problem::{ApiError, ApiResult, Problems};

/// Time for which a check of the caller's access is valid: no event is sent later than this after access was lost.
const ACCESS_LIFETIME: Duration = Duration::from_secs(2);
/// Interval at which a stream without events checks the caller's access, to end if it was lost.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after a failed read.
const RETRY_DELAY: Duration = Duration::from_secs(2);

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    EventStreams: FromRef<S>,
{
    OpenApiRouter::with_openapi(EventSchemas::openapi()).routes(routes!(watch))
}

/// Stream the live events of an organization
///
/// The name of an event is its kind (schema `EventKind`), and its data is the JSON of the schema `LiveEvent`. Events
/// such as `workspace.phase`, `workspace.drift` and `task.progress` have content. Those whose kind ends in `.changed`
/// have none: objects of the organization, or of `workspace_id`, have changed and can be requested again; a bulk change
/// is one event. Callers receive the events of the objects that they may read. After an interruption, the header
/// `Last-Event-ID` resumes the stream after that event; without it the stream begins with the next event. The numbers of
/// concurrent streams of a user, of an organization and of the server are limited: the error `too_many_event_streams`
/// has the status 429.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/events", tag = "Organizations",
    params(OrganizationPath, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that was received.")),
    responses((status = 200, content_type = "text/event-stream", body = String), Problems),
    extensions(("x-hexabase-action" = json!("events.read"))))]
async fn watch(
    State(streams): State<EventStreams>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = std::result::Result<SseEvent, Infallible>>>> {
    let resume = headers.get("last-event-id");
    let resume = resume.map(|id| resume_after(id.to_str().unwrap_or_default())).transpose()?;
    let organization = path.org;
    // Authorizes the caller, and counts the stream as one request of the organization.
    let newest = streams.platform().organizations().newest_event(&caller, organization).await?;
    let subscription = streams.hub().subscribe(caller.principal.user_id, organization, newest)?;
    let start = resume.or(newest);
    let stream = EventStream {
        streams,
        caller,
        organization,
        subscription,
        source: Source::Store(start),
        // The feed sends events as late as the reorder window; those are then late for the stream, too.
        delivered: RecentIds::after(start, 2 * REORDER_WINDOW),
        pending: VecDeque::new(),
        access: None,
    };
    let events = unfold(stream, |mut stream| async { Some((Ok(stream.next().await?), stream)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn resume_after(id: &str) -> std::result::Result<EventId, ApiError> {
    id.parse()
        .map_err(|_| Error::invalid("Last-Event-ID", "must be the id of an event of this stream").into())
}

/// Event stream of a caller. It reads on only when the client has received the events read before, and holds at most
/// one batch.
struct EventStream {
    streams: EventStreams,
    caller: Caller,
    organization: OrganizationId,
    subscription: Subscription,
    source: Source,
    /// Events that were taken from the source. Those up to the start of the stream are not sent.
    delivered: RecentIds,
    /// Events to send, unless they are invisible to the caller.
    pending: VecDeque<Arc<Event>>,
    /// Access of the caller, with the time at which it was checked.
    access: Option<(EventAccess, Timestamp)>,
}

/// Source of the next events.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The store, after this event: the stream is behind.
    Store(Option<EventId>),
    /// The feed of the organization.
    Feed,
}

impl EventStream {
    /// Waits for the next event. `None` ends the stream: the server shuts down, or the caller is no longer permitted
    /// to read the events.
    async fn next(&mut self) -> Option<SseEvent> {
        let mut stopping = self.streams.stopping.clone();
        loop {
            let next = tokio::select! {
                biased;
                Ok(_) = stopping.wait_for(|stopping| *stopping) => return None,
                next = self.next_visible() => next,
            };
            match next {
                Ok(event) => return event.map(|event| to_sse_event(&event)),
                Err(error) if error.is_retryable() => {
                    tracing::warn!(?error, "reading events failed; stream retries");
                }
                Err(_) => return None,
            }
            tokio::select! {
                Ok(_) = stopping.wait_for(|stopping| *stopping) => return None,
                () = self.streams.platform().clock().sleep(RETRY_DELAY) => {}
            }
        }
    }

    /// Waits for the next event that is visible to the caller; `None` if the feed has ended, so that the client
    /// connects again.
    async fn next_visible(&mut self) -> Result<Option<Arc<Event>>> {
        loop {
            // An event stays pending until its visibility is known, so a failure loses none.
            while let Some(event) = self.pending.front().cloned() {
                let is_visible = self.is_visible(&event).await?;
                self.pending.pop_front();
                if is_visible {
                    return Ok(Some(event));
                }
            }
            match self.source {
                Source::Store(after) => self.read_batch(after).await?,
                Source::Feed => {
                    let received = tokio::select! {
                        received = self.subscription.recv() => received,
                        () = self.streams.platform().clock().sleep(IDLE_CHECK_INTERVAL) => {
                            self.check_access().await?;
                            continue;
                        }
                    };
                    match received {
                        Ok(event) if self.delivered.insert(event.id) => self.pending.push_back(event),
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => self.source = Source::Store(self.delivered.floor()),
                        Err(RecvError::Closed) => return Ok(None),
                    }
                }
            }
        }
    }

    async fn read_batch(&mut self, after: Option<EventId>) -> Result<()> {
        let events = self.subscription.read(after).await?;
        self.source = match events.last() {
            Some(last) if events.len() == BATCH_SIZE => Source::Store(Some(last.id)),
            _ => Source::Feed,
        };
        let delivered = &mut self.delivered;
        self.pending.extend(events.into_iter().filter(|event| delivered.insert(event.id)).map(Arc::new));
        Ok(())
    }

    async fn is_visible(&mut self, event: &Event) -> Result<bool> {
        let now = self.streams.platform().clock().now();
        let access = match self.access.take() {
            Some((access, checked)) if until(checked, now) < ACCESS_LIFETIME => (access, checked),
            _ => self.check_access().await?,
        };
        let (access, _) = self.access.insert(access);
        self.streams.platform().organizations().is_visible(access, event).await
    }

    /// Checks that the session or token is alive and the caller is still permitted to read the events.
    async fn check_access(&self) -> Result<(EventAccess, Timestamp)> {
        let now = self.streams.platform().clock().now();
        self.streams.authenticator.require_alive(&self.caller.principal).await?;
        let access =
            self.streams.platform().organizations().event_access(&self.caller, self.organization).await?;
        Ok((access, now))
    }
}

/// Data of an event of the stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveEvent)]
struct LiveEventView {
    /// Id of the organization.
    organization_id: String,
    /// Id of the workspace; null for an event of the organization, or of any of its workspaces.
    workspace_id: Option<String>,
    /// Time of the event.
    at: Timestamp,
    /// Details of the event, an object; empty for kinds that end in `.changed`.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// Schema of the kinds, for typed clients.
pub(crate) struct EventKindView;

impl PartialSchema for EventKindView {
    fn schema() -> RefOr<Schema> {
        let kinds = EventKind::ALL.iter().map(|kind| kind.as_str());
        let description =
            "Kind of a live event: the name of the server-sent event. A client must ignore further kinds.";
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(kinds));
        schema.description(Some(description)).into()
    }
}

impl ToSchema for EventKindView {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("EventKind")
    }
}

/// Schemas that no body contains.
#[derive(OpenApi)]
#[openapi(components(schemas(EventKindView, LiveEventView)))]
struct EventSchemas;

fn to_sse_event(event: &Event) -> SseEvent {
    let view = LiveEventView {
        organization_id: event.organization_id.to_string(),
        workspace_id: event.workspace_id.map(|id| id.to_string()),
        at: event.at,
        data: event.data.clone(),
    };
    // The fields serialize without failing.
    let data = serde_json::to_string(&view).unwrap_or_default();
    SseEvent::default().id(event.id.to_string()).event(&event.kind).data(data)
}
