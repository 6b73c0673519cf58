//! Watches: a stream of existing objects followed by changes.

use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::selector::Selector;
use super::state::{Change, ChangeKind, Resource, SharedState};

/// Maximum duration of a watch, and its default.
const MAX_WATCH_DURATION: Duration = Duration::from_secs(300);

/// Parameters of a watch.
pub(super) struct WatchRequest {
    pub(super) kind: KindInfo,
    pub(super) namespace: String,
    pub(super) selector: Selector,
    /// Resource version after which changes are reported. `None` reports existing objects first.
    pub(super) after_version: Option<u64>,
    /// `true` if existing objects are reported first, followed by a bookmark.
    pub(super) initial_events: bool,
    pub(super) timeout: Option<Duration>,
}

struct WatchState {
    shared: SharedState,
    request: WatchRequest,
    resource: Resource,
    version: u64,
    pending: std::collections::VecDeque<Value>,
    deadline: Instant,
    ended: bool,
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}

pub(super) fn watch(shared: &SharedState, request: WatchRequest) -> StatusResult<BoxStream<'static, Value>> {
    let resource = (request.kind.group.clone(), request.kind.plural.clone());
    let state = shared.lock();
    let mut pending = std::collections::VecDeque::new();
    let version = match request.after_version {
        Some(version) if !request.initial_events => {
            if state.changes_after(&resource, version).is_none() {
                return Err(StatusError::gone());
            }
            version
        }
        _ => {
            let existing = state.scan(&resource, &request.namespace);
            let selected = existing.filter(|(_, stored)| request.selector.matches(&stored.body));
            pending.extend(selected.map(|(_, stored)| event("ADDED", stored.with_managed_fields())));
            if request.initial_events {
                pending.push_back(event(
                    "BOOKMARK",
                    json!({
                        "kind": request.kind.kind,
                        "apiVersion": request.kind.api_version(),
                        "metadata": {
                            "resourceVersion": state.version().to_string(),
                            "creationTimestamp": null,
                            "annotations": { "k8s.io/initial-events-end": "true" },
                        },
                    }),
                ));
            }
            state.version()
        }
    };
    drop(state);
    let deadline = Instant::now() + request.timeout.unwrap_or(MAX_WATCH_DURATION).min(MAX_WATCH_DURATION);
    let watch_state =
        WatchState { shared: shared.clone(), request, resource, version, pending, deadline, ended: false };
    Ok(futures_util::stream::unfold(watch_state, next).boxed())
}

async fn next(mut watch_state: WatchState) -> Option<(Value, WatchState)> {
    let mut latest_version = watch_state.shared.lock().latest_version.subscribe();
    loop {
        if let Some(event) = watch_state.pending.pop_front() {
            return Some((event, watch_state));
        }
        if watch_state.ended {
            return None;
        }
        latest_version.mark_unchanged();
        watch_state.collect_changes();
        if watch_state.pending.is_empty() {
            tokio::select! {
                changed = latest_version.changed() => if changed.is_err() { return None; },
                () = tokio::time::sleep_until(watch_state.deadline) => return None,
            }
        }
    }
}

impl WatchState {
    /// Adds the changes since the last call to the pending events.
    fn collect_changes(&mut self) {
        let state = self.shared.lock();
        let Some(changes) = state.changes_after(&self.resource, self.version) else {
            self.pending.push_back(event("ERROR", StatusError::gone().status()));
            self.ended = true;
            return;
        };
        self.version = state.version();
        let namespace = &self.request.namespace;
        for change in changes {
            let object_namespace = change.object.body["metadata"]["namespace"].as_str().unwrap_or_default();
            if namespace.is_empty() || object_namespace == namespace {
                self.pending.extend(watch_event(&change, &self.request.selector));
            }
        }
    }
}

/// Watch event of a change for a client that sees only selected objects: one that enters the selection is added, one
/// that leaves it is deleted.
fn watch_event(change: &Change, selector: &Selector) -> Option<Value> {
    let before = change.before.as_ref().is_some_and(|before| selector.matches(before));
    let now = change.kind != ChangeKind::Deleted && selector.matches(&change.object.body);
    let kind = match (before, now) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some(event(kind, change.object.with_managed_fields()))
}
