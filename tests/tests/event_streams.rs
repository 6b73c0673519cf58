//! Event streams: order, bounded reads and buffers, fairness between organizations, limits and access.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hexabase_api::{ApiConfig, EventStreamLimits};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::ephemeral::Rate;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
use hexabase_core::model::Event;
use hexabase_core::platform::{Authorization, Caller, PlatformConfig};
use hexabase_core::store::MemoryStore;
use hexabase_tests::{CountingStore, Response, TestApp, TestUser};
use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Number of events that a stream reads at once.
const BATCH_SIZE: u64 = 100;
/// Number of events that the feed of an organization reads again before its start, in these tests.
const REORDERED: u64 = 6;
/// Number of times that all other tasks run before the clock advances.
const IDLE_YIELDS: u32 = 100;
const BEGINNING: &str = "evt_00000000000000000000000000";

struct Setup {
    app: TestApp,
    clock: Arc<ManualClock>,
    store: Arc<CountingStore>,
    ann: TestUser,
    organization: String,
}

impl Setup {
    async fn new() -> Self {
        Self::with(TestApp::api_config(), None).await
    }

    /// Creates an organization whose owner is Ann.
    async fn with(config: ApiConfig, organization_rate: Option<Rate>) -> Self {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let store = CountingStore::new(Arc::new(MemoryStore::new()));
        let platform =
            PlatformConfig { organization_rate, ..PlatformConfig::new("https://hexabase.example") };
        let app = TestApp::with_api(config, |builder| {
            builder.with_config(platform).with_clock(clock.clone()).with_store(store.clone())
        })
        .await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        Self { app, clock, store, ann, organization }
    }

    /// Event of an organization, created now.
    fn event(&self, organization: &str, workspace: Option<&str>) -> Event {
        let at = self.clock.now();
        Event {
            id: self.app.platform.ids().id(at),
            organization_id: organization.parse().unwrap(),
            workspace_id: workspace.map(|workspace| workspace.parse().unwrap()),
            kind: "test.event".to_owned(),
            data: json!({}),
            at,
        }
    }

    /// Events of the organization that another process created, one per second, the last one `seconds` ago.
    fn history(&self, count: i64, seconds: i64) -> Vec<Event> {
        let (ids, now) = (SystemIds::default(), self.clock.now());
        let created = |seconds| {
            let at = now.checked_sub(SignedDuration::from_secs(seconds)).unwrap();
            Event { id: ids.id(at), at, ..self.event(&self.organization, None) }
        };
        (seconds..seconds + count).rev().map(created).collect()
    }

    async fn commit(&self, events: Vec<Event>) {
        let credential = Credential::EXTERNAL;
        let principal = Principal { user_id: self.ann.id.parse().unwrap(), credential };
        let caller = Caller::new(principal);
        let attempt = || async { Ok((events.iter().cloned().fold(Changeset::new(), Changeset::insert), ())) };
        self.app.platform.run_idempotent(&caller, Authorization::Caller, attempt).await.unwrap();
    }

    /// Commits an event of the organization now and returns its id.
    async fn commit_one(&self, workspace: Option<&str>) -> String {
        let event = self.event(&self.organization, workspace);
        let id = event.id.to_string();
        self.commit(vec![event]).await;
        id
    }

    fn path(&self) -> String {
        format!("/api/v1/organizations/{}", self.organization)
    }

    async fn open(&self, user: &TestUser, last: Option<&str>) -> Stream {
        let body = self.request(user, &self.organization, last).await.unwrap();
        Stream { body, clock: self.clock.clone() }
    }

    /// Body of an event stream, or the response that rejects it.
    async fn request(
        &self,
        user: &TestUser,
        organization: &str,
        last: Option<&str>,
    ) -> Result<Body, Response> {
        let path = format!("/api/v1/organizations/{organization}/events");
        let request = Request::get(path).header("authorization", format!("Bearer {}", user.client.bearer()));
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = self.app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap();
        Err(Response { status: head.status, headers: head.headers, body, text })
    }

    /// Runs all tasks until each of them waits for the clock or for an event.
    async fn run_tasks(&self) {
        for _ in 0..IDLE_YIELDS {
            tokio::task::yield_now().await;
        }
    }
}

struct Stream {
    body: Body,
    clock: Arc<ManualClock>,
}

impl Stream {
    /// Waits for the next event and returns its id; `None` if the stream ends. Advances the clock while all tasks wait.
    async fn next(&mut self) -> Option<String> {
        Some(self.next_event().await?.0)
    }

    /// Waits for the next event as [`Self::next`] does, and returns its id, kind and data.
    async fn next_event(&mut self) -> Option<(String, String, Value)> {
        let mut idle = 0;
        let frame = loop {
            tokio::select! {
                biased;
                frame = self.body.frame() => break frame,
                () = tokio::task::yield_now() => idle += 1,
            }
            if idle % IDLE_YIELDS == 0 {
                assert!(idle < 1_000 * IDLE_YIELDS, "no further event");
                self.clock.advance(Duration::from_millis(100));
            }
        };
        let text = String::from_utf8(frame?.unwrap().into_data().unwrap().to_vec()).unwrap();
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        Some((field("id:"), field("event:"), serde_json::from_str(&field("data:")).unwrap()))
    }
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test]
async fn a_backlog_is_sent_in_order_and_once_without_reading_ahead() {
    let setup = Setup::new().await;
    let backlog = setup.history(3_000, 0);
    setup.commit(backlog.clone()).await;
    let mut stream = setup.open(&setup.ann, Some(BEGINNING)).await;
    setup.run_tasks().await;
    assert!(setup.store.events_read() <= REORDERED, "nothing is read before the client reads");
    for (sent, expected) in (0..).zip(ids(&backlog)) {
        assert_eq!(stream.next().await.unwrap(), expected);
        let ahead = setup.store.events_read() - sent;
        assert!(ahead <= BATCH_SIZE + REORDERED, "{ahead} events were read but not sent");
    }
    let live = setup.commit_one(None).await;
    assert_eq!(stream.next().await.unwrap(), live);
    let overtaken = setup.history(1, 3);
    setup.commit(overtaken.clone()).await;
    assert_eq!(stream.next().await.unwrap(), ids(&overtaken)[0]);
    let last = setup.commit_one(None).await;
    assert_eq!(stream.next().await.unwrap(), last);
}

#[tokio::test]
async fn a_stream_that_falls_behind_continues_from_the_store() {
    let setup = Setup::new().await;
    let mut stream = setup.open(&setup.ann, None).await;
    let mut expected = vec![setup.commit_one(None).await];
    assert_eq!(stream.next().await.unwrap(), expected[0]);
    for _ in 0..20 {
        let burst: Vec<Event> = (0..20).map(|_| setup.event(&setup.organization, None)).collect();
        expected.extend(ids(&burst));
        setup.commit(burst).await;
        setup.clock.advance(Duration::from_secs(1));
        setup.run_tasks().await;
    }
    let before = setup.store.events_read();
    for id in &expected[1..] {
        assert_eq!(stream.next().await.as_ref(), Some(id));
    }
    assert!(setup.store.events_read() > before, "the events no longer fit into the buffer");
    let live = setup.commit_one(None).await;
    assert_eq!(stream.next().await.unwrap(), live);
}

#[tokio::test]
async fn an_event_is_read_once_for_all_streams_of_its_organization_and_for_no_other() {
    let setup = Setup::new().await;
    let bob = setup.app.sign_in("bob").await;
    let globex = setup.app.create_organization(&bob, "globex").await;
    setup.commit_one(None).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        streams.push(setup.open(&setup.ann, None).await);
    }
    // The first event ends the initial read of each stream from the store.
    let first = setup.commit_one(None).await;
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap(), first);
    }
    let run_until_idle = async || {
        setup.run_tasks().await;
        setup.clock.advance(Duration::from_millis(100));
        setup.run_tasks().await;
    };
    run_until_idle().await;

    let before = setup.store.operations();
    for _ in 0..10 {
        let outside = setup.event(&globex, None);
        setup.commit(vec![outside]).await;
        setup.run_tasks().await;
    }
    assert_eq!(setup.store.operations(), before, "events of another organization cause no reads");

    let read = setup.store.operations()["list_events"];
    let second = setup.commit_one(None).await;
    setup.run_tasks().await;
    assert_eq!(setup.store.operations()["list_events"], read + 1);
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap(), second);
    }
    assert_eq!(setup.store.operations()["list_events"], read + 1);
}

#[tokio::test]
async fn a_stream_counts_as_one_request_of_its_organization() {
    let rate = Rate { burst: 5, period: Duration::from_secs(1_000_000) };
    let setup = Setup::with(TestApp::api_config(), Some(rate)).await;
    let mut stream = setup.open(&setup.ann, None).await;
    for _ in 0..20 {
        let id = setup.commit_one(None).await;
        assert_eq!(stream.next().await.unwrap(), id);
        // The access of the caller is checked again after this time.
        setup.clock.advance(Duration::from_secs(3));
    }
    let read = async || setup.ann.client.send(Method::GET, &setup.path(), &Value::Null).await.status;
    for _ in 0..4 {
        assert_eq!(read().await, StatusCode::OK);
    }
    assert_eq!(read().await, StatusCode::TOO_MANY_REQUESTS);
    let id = setup.commit_one(None).await;
    assert_eq!(stream.next().await.unwrap(), id, "an organization at its limit still receives events");
}

#[tokio::test]
async fn streams_are_limited_per_user_organization_and_process() {
    let event_streams = EventStreamLimits { per_user: 2, per_organization: 3, per_process: 4 };
    let setup = Setup::with(ApiConfig { event_streams, ..TestApp::api_config() }, None).await;
    let acme = &setup.organization;
    let bob = setup.app.add_member(&setup.ann, acme, "bob", "member").await;
    let cyd = setup.app.sign_in("cyd").await;
    let globex = setup.app.create_organization(&cyd, "globex").await;
    let rejection = async |user: &TestUser, organization: &str| {
        let rejected = setup.request(user, organization, None).await.unwrap_err();
        assert_eq!(rejected.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(rejected.body["code"], "too_many_event_streams");
        assert_eq!(rejected.headers["retry-after"], "10");
        rejected.body["detail"].as_str().unwrap().to_owned()
    };
    let first = setup.request(&setup.ann, acme, None).await.unwrap();
    let _second = setup.request(&setup.ann, acme, None).await.unwrap();
    assert!(rejection(&setup.ann, acme).await.starts_with("the user has 2 "));
    let _third = setup.request(&bob, acme, None).await.unwrap();
    assert!(rejection(&bob, acme).await.starts_with("the organization has 3 "));
    let _fourth = setup.request(&cyd, &globex, None).await.unwrap();
    assert!(rejection(&cyd, &globex).await.starts_with("the server has 4 "));
    drop(first);
    assert!(setup.request(&bob, acme, None).await.is_ok(), "a closed stream is no longer counted");
}

#[tokio::test]
async fn removal_from_a_workspace_hides_its_events_and_removal_from_the_organization_ends_the_stream() {
    let setup = Setup::new().await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    let order = json!({ "name": "shop", "plan_id": "team" });
    let shop = setup.ann.client.create(&format!("{}/workspaces", setup.path()), &order).await;
    let mut stream = setup.open(&bob, None).await;
    setup.commit_one(Some(&shop)).await;
    let visible = setup.commit_one(None).await;
    assert_eq!(stream.next().await.unwrap(), visible, "the workspace is hidden before Bob is a member");

    let member = format!("{}/workspaces/{shop}/members/{}", setup.path(), bob.id);
    setup.ann.client.send_ok(Method::PUT, &member, &Value::Null).await;
    setup.clock.advance(Duration::from_secs(2));
    let visible = setup.commit_one(Some(&shop)).await;
    while stream.next().await.unwrap() != visible {}

    setup.ann.client.send_ok(Method::DELETE, &member, &Value::Null).await;
    setup.clock.advance(Duration::from_secs(2));
    let hidden = setup.commit_one(Some(&shop)).await;
    let visible = setup.commit_one(None).await;
    loop {
        let id = stream.next().await.unwrap();
        assert_ne!(id, hidden);
        if id == visible {
            break;
        }
    }

    let member = format!("{}/members/{}", setup.path(), bob.id);
    setup.ann.client.send_ok(Method::DELETE, &member, &Value::Null).await;
    setup.clock.advance(Duration::from_secs(2));
    setup.commit_one(None).await;
    assert_eq!(stream.next().await, None);
}

/// Kind of an event, with its workspace.
type Change = (String, Option<String>);

impl Stream {
    /// Kinds and workspaces of the `.changed` events up to an event that was committed after them.
    async fn changes_until(&mut self, last: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            let (id, kind, data) = self.next_event().await.unwrap();
            if id == last {
                return changes;
            }
            if kind.ends_with(".changed") {
                assert_eq!(data["data"], json!({}), "{kind} has no content");
                changes.push((kind, data["workspace_id"].as_str().map(str::to_owned)));
            }
        }
    }
}

fn change(kind: &str, workspace: Option<&str>) -> Change {
    (kind.to_owned(), workspace.map(str::to_owned))
}

#[tokio::test]
async fn changes_reach_the_callers_who_may_read_the_changed_objects_and_no_others() {
    let setup = Setup::new().await;
    let (ann, organization) = (&setup.ann, &setup.organization);
    let bob = setup.app.add_member(ann, organization, "bob", "member").await;
    let cyd = setup.app.add_member(ann, organization, "cyd", "billing").await;
    let order = json!({ "name": "shop", "plan_id": "team" });
    let shop = ann.client.create(&format!("{}/workspaces", setup.path()), &order).await;
    let workspace = format!("{}/workspaces/{shop}", setup.path());
    // Ann is an administrator of the workspace; Bob is in none of its groups.
    let mut streams =
        [setup.open(ann, None).await, setup.open(&bob, None).await, setup.open(&cyd, None).await];

    let group = json!({ "name": "team" });
    ann.client.create(&format!("{workspace}/groups"), &group).await;
    let project = ann.client.create(&format!("{workspace}/projects"), &json!({ "name": "web" })).await;
    ann.client.send_ok(Method::DELETE, &format!("{workspace}/projects/{project}"), &Value::Null).await;
    let invitation = json!({ "email": "new@example.com", "role": "member" });
    ann.client.create(&format!("{}/invitations", setup.path()), &invitation).await;
    let budget = json!({ "amount": 100, "currency": "usd" });
    ann.client.send_ok(Method::PUT, &format!("{}/billing/budget", setup.path()), &budget).await;
    let last = setup.commit_one(None).await;

    let in_shop = Some(shop.as_str());
    let of_projects = change("projects.changed", in_shop);
    let (of_access, of_members) = (change("access.changed", in_shop), change("members.changed", None));
    let (of_billing, of_alerts) = (change("billing.changed", None), change("alerts.changed", in_shop));
    let expected = [
        vec![
            of_access.clone(),
            of_projects.clone(),
            of_access,
            of_projects.clone(),
            of_alerts.clone(),
            of_members.clone(),
            of_billing.clone(),
        ],
        vec![of_members.clone()],
        vec![of_projects.clone(), of_projects, of_alerts, of_members, of_billing],
    ];
    for (stream, expected) in streams.iter_mut().zip(expected) {
        assert_eq!(stream.changes_until(&last).await, expected);
    }
}

#[tokio::test]
async fn a_change_is_received_again_after_an_interruption() {
    let setup = Setup::new().await;
    let before = setup.commit_one(None).await;
    let invitation = json!({ "email": "new@example.com", "role": "member" });
    setup.ann.client.create(&format!("{}/invitations", setup.path()), &invitation).await;
    let after = setup.commit_one(None).await;
    for _ in 0..2 {
        let mut resumed = setup.open(&setup.ann, Some(&before)).await;
        assert_eq!(resumed.changes_until(&after).await, [change("members.changed", None)]);
    }
}
