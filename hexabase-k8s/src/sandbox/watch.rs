//! Watches: what is there, and then what changes.

use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::kinds::KindInfo;
use super::reply::{Outcome, Refusal};
use super::selector::Selector;
use super::state::{Change, ChangeKind, Resource, SharedState};

/// How long a watch lasts when the client does not say.
const LONGEST: Duration = Duration::from_secs(300);

/// What to watch.
pub(super) struct WatchRequest {
    pub(super) kind: KindInfo,
    pub(super) namespace: String,
    pub(super) selector: Selector,
    /// Changes after this version; without one, everything that is there comes first.
    pub(super) after: Option<u64>,
    /// Whether everything that is there comes first, ended by a bookmark.
    pub(super) initial_events: bool,
    pub(super) timeout: Option<Duration>,
}

struct Progress {
    shared: SharedState,
    request: WatchRequest,
    resource: Resource,
    version: u64,
    pending: std::collections::VecDeque<Value>,
    deadline: Instant,
    over: bool,
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}

pub(super) fn watch(shared: &SharedState, request: WatchRequest) -> Outcome<BoxStream<'static, Value>> {
    let resource = (request.kind.group.clone(), request.kind.plural.clone());
    let state = shared.lock();
    let mut pending = std::collections::VecDeque::new();
    let version = match request.after {
        Some(version) if !request.initial_events => {
            if state.changes_after(&resource, version).is_none() {
                return Err(Refusal::gone());
            }
            version
        }
        _ => {
            let there = state.scan(&resource, &request.namespace);
            let selected = there.filter(|(_, stored)| request.selector.matches(&stored.body));
            pending.extend(selected.map(|(_, stored)| event("ADDED", stored.show())));
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
    let deadline = Instant::now() + request.timeout.unwrap_or(LONGEST).min(LONGEST);
    let progress =
        Progress { shared: shared.clone(), request, resource, version, pending, deadline, over: false };
    Ok(futures_util::stream::unfold(progress, next).boxed())
}

async fn next(mut progress: Progress) -> Option<(Value, Progress)> {
    let mut newest = progress.shared.lock().newest.subscribe();
    loop {
        if let Some(event) = progress.pending.pop_front() {
            return Some((event, progress));
        }
        if progress.over {
            return None;
        }
        newest.mark_unchanged();
        progress.catch_up();
        if progress.pending.is_empty() {
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return None; },
                () = tokio::time::sleep_until(progress.deadline) => return None,
            }
        }
    }
}

impl Progress {
    /// Takes in what changed since.
    fn catch_up(&mut self) {
        let state = self.shared.lock();
        let Some(changes) = state.changes_after(&self.resource, self.version) else {
            self.pending.push_back(event("ERROR", Refusal::gone().status()));
            self.over = true;
            return;
        };
        self.version = state.version();
        let namespace = &self.request.namespace;
        for change in changes {
            let there = change.object.body["metadata"]["namespace"].as_str().unwrap_or_default();
            if namespace.is_empty() || there == namespace {
                self.pending.extend(seen(&change, &self.request.selector));
            }
        }
    }
}

/// A change as somebody sees it who sees only what the selector selects: an object that enters the selection
/// is added, one that leaves it is deleted.
fn seen(change: &Change, selector: &Selector) -> Option<Value> {
    let before = change.before.as_ref().is_some_and(|before| selector.matches(before));
    let now = change.kind != ChangeKind::Deleted && selector.matches(&change.object.body);
    let kind = match (before, now) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some(event(kind, change.object.show()))
}
