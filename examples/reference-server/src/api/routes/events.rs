//! What moves in an organization, as it moves: server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SentEvent, KeepAlive, Sse};
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

use super::place::InOrganization;
use crate::api::edge::SignedIn;
use crate::api::extract::Path;
use crate::api::problem::{Answer, Problems, Refusal};
use crate::app::App;

/// How many events are read at once.
const BATCH: usize = 100;
/// How often to look for what other processes did.
const POLL: Duration = Duration::from_secs(2);
/// For how long an event may turn up before others that were seen already: ids are taken before commits, and
/// commits overtake each other.
const OVERTAKEN: SignedDuration = SignedDuration::from_secs(5);

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(watch))
}

/// Watch what moves in an organization: `workspace.phase`, `workspace.drift`, `task.progress` and the like, each
/// with its facts as JSON. What moves in a workspace is shown to whoever may see the workspace. After a break,
/// the header `Last-Event-ID` resumes where it was; without it the stream begins now.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/events", tag = "Organizations",
    params(InOrganization, ("Last-Event-ID" = Option<String>, Header, description = "The last event that was seen.")),
    responses((status = 200, content_type = "text/event-stream", body = String), Problems),
    extensions(("x-hexabase-action" = json!("events.read"))))]
async fn watch(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Result<SentEvent, Infallible>>>> {
    let after = match headers.get("last-event-id") {
        Some(id) => Some(resume_after(id.to_str().unwrap_or_default())?),
        None => app.platform.organizations().newest_event(&caller, at.org).await?,
    };
    // Whoever may not watch learns it now, and not from a stream that ends.
    app.platform.organizations().events(&caller, at.org, after, 1).await?;
    let watcher = Watcher {
        app,
        caller,
        organization: at.org,
        begin: after,
        newest: after,
        seen: BTreeSet::new(),
        waiting: VecDeque::new(),
    };
    let events = unfold(watcher, |mut watcher| async { Some((Ok(watcher.next().await?), watcher)) });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn resume_after(id: &str) -> Result<EventId, Refusal> {
    id.parse().map_err(|_| Error::invalid("Last-Event-ID", "must be the id of an event").into())
}

struct Watcher {
    app: App,
    caller: Caller,
    organization: OrganizationId,
    /// Nothing up to here is shown.
    begin: Option<EventId>,
    newest: Option<EventId>,
    /// What was seen of late.
    seen: BTreeSet<EventId>,
    waiting: VecDeque<Event>,
}

impl Watcher {
    /// The next event, once there is one; none when the stream is to end: because the server stops, or the
    /// caller may not watch any more.
    async fn next(&mut self) -> Option<SentEvent> {
        let mut stopping = self.app.stopping.clone();
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(sent(&event));
            }
            // Listening begins before looking, so that nothing falls in between.
            let moved = self.app.platform.moved();
            match self.look().await {
                Ok(()) if !self.waiting.is_empty() => continue,
                Ok(()) => {}
                Err(error) if error.is_retryable() => tracing::warn!(?error, "a stream of events waits"),
                Err(_) => return None,
            }
            tokio::select! {
                () = moved => {}
                () = tokio::time::sleep(POLL) => {}
                Ok(_) = stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
    }

    /// Reads what is new, and again what is recent.
    async fn look(&mut self) -> Result<(), Error> {
        self.app.auth.require_alive(&self.caller.principal).await?;
        let horizon = self.newest.map(|newest| before(newest, OVERTAKEN)).max(self.begin);
        let mut from = horizon;
        loop {
            let organizations = self.app.platform.organizations();
            let (events, last) = organizations.events(&self.caller, self.organization, from, BATCH).await?;
            let seen = &mut self.seen;
            self.waiting.extend(events.into_iter().filter(|event| seen.insert(event.id)));
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

/// The least id of an event that was made this long before another.
fn before(id: EventId, earlier: SignedDuration) -> EventId {
    const MILLISECOND: u32 = 80;
    let earlier = u128::try_from(earlier.as_millis()).unwrap_or(0) << MILLISECOND;
    EventId::from_uuid(Uuid::from_u128(id.uuid().as_u128().saturating_sub(earlier)))
}

fn sent(event: &Event) -> SentEvent {
    let data = serde_json::json!({
        "organization_id": event.organization_id,
        "workspace_id": event.workspace_id,
        "at": event.at,
        "data": event.data,
    });
    SentEvent::default().id(event.id.to_string()).event(&event.kind).data(data.to_string())
}
