//! Logs: reads of a time range, and streams with their polls, resumption, limits, slow clients and access.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hexabase_api::{ApiConfig, EventStreamLimits, LogStreamLimits};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::logs::{LogLine, LogQuery, LogSource, MemoryLogs, log_queries_rejected};
use hexabase_tests::{Response, TestApp, TestUser};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Number of times that all other tasks run before the clock advances.
const IDLE_YIELDS: u32 = 100;

/// Log source that counts its queries and fails on request.
#[derive(Debug, Default)]
struct CountingLogs {
    lines: MemoryLogs,
    queries: AtomicU64,
    failure: Mutex<Option<fn() -> Error>>,
}

impl CountingLogs {
    fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    fn fail_with(&self, failure: Option<fn() -> Error>) {
        *self.failure.lock().unwrap() = failure;
    }
}

#[async_trait]
impl LogSource for CountingLogs {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let failure = *self.failure.lock().unwrap();
        match failure {
            Some(failure) => Err(failure()),
            None => self.lines.lines(query).await,
        }
    }

    fn name(&self) -> &'static str {
        "counting"
    }
}

struct Setup {
    app: TestApp,
    clock: Arc<ManualClock>,
    logs: Arc<CountingLogs>,
    ann: TestUser,
    organization: String,
    workspace: String,
    project: String,
}

impl Setup {
    async fn new() -> Self {
        let log_streams = LogStreamLimits { per_user: 0, per_workspace: 0, per_process: 0 };
        Self::with(ApiConfig { log_streams, ..TestApp::api_config() }).await
    }

    /// Creates an organization with a workspace and the project `shop`, whose administrator is Ann.
    async fn with(config: ApiConfig) -> Self {
        let (clock, logs) = (Arc::new(ManualClock::new(FIXTURE_TIME)), Arc::new(CountingLogs::default()));
        let app =
            TestApp::with_api(config, |builder| builder.with_clock(clock.clone()).with_logs(logs.clone()))
                .await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let workspace = ann.client.create(&workspaces, &json!({ "name": "dev", "plan_id": "team" })).await;
        let project = ann
            .client
            .create(&format!("{workspaces}/{workspace}/projects"), &json!({ "name": "shop" }))
            .await;
        Self { app, clock, logs, ann, organization, workspace, project }
    }

    fn path(&self) -> String {
        format!("/api/v1/organizations/{}/workspaces/{}", self.organization, self.workspace)
    }

    /// Time of the clock, in milliseconds after the start.
    fn at(&self, milliseconds: i64) -> Timestamp {
        FIXTURE_TIME + SignedDuration::from_millis(milliseconds)
    }

    /// Milliseconds since the start.
    fn elapsed(&self) -> i64 {
        i64::try_from(self.clock.now().duration_since(FIXTURE_TIME).as_millis()).unwrap()
    }

    /// Writes a line of a pod of the project at a time, in milliseconds after the start.
    fn write_at(&self, milliseconds: i64, pod: &str, text: &str) -> String {
        let target = TenantTarget::by_id(self.organization.parse().unwrap(), self.workspace.parse().unwrap());
        let line = LogLine::new(self.at(milliseconds), ["shop", pod, "app"].map(Arc::from), text);
        let id = line.id.to_string();
        self.logs.lines.write(&target, [line]);
        id
    }

    fn write(&self, text: &str) -> String {
        self.write_at(self.elapsed(), "web-0", text)
    }

    async fn read(&self, query: &str) -> Response {
        self.ann.client.send(Method::GET, &format!("{}/logs?{query}", self.path()), &Value::Null).await
    }

    async fn texts(&self, query: &str) -> Vec<String> {
        let response = self.read(query).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text);
        let items = response.body["items"].as_array().unwrap();
        items.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn follow(&self, user: &TestUser, query: &str, last: Option<&str>) -> Stream {
        let body = self.request(user, query, last).await.unwrap();
        let mut stream = Stream { body, clock: self.clock.clone(), last: String::new() };
        let (kind, data) = stream.next().await.unwrap();
        assert_eq!((kind.as_str(), &data), ("status", &json!({ "available": true, "message": null })));
        stream
    }

    /// Body of a stream, or the response that rejects it.
    async fn request(&self, user: &TestUser, query: &str, last: Option<&str>) -> Result<Body, Response> {
        let path = format!("{}/logs?follow=true&{query}", self.path());
        let request = Request::get(path).header("authorization", format!("Bearer {}", user.client.bearer()));
        let request = last.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = self.app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            assert_eq!(head.headers["content-type"], "text/event-stream");
            return Ok(body);
        }
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap();
        Err(Response { status: head.status, headers: head.headers, body, text })
    }

    /// Runs all tasks until each of them waits for the clock or for a line.
    async fn run_tasks(&self) {
        for _ in 0..IDLE_YIELDS {
            tokio::task::yield_now().await;
        }
    }

    async fn advance(&self, milliseconds: u64) {
        self.clock.advance(Duration::from_millis(milliseconds));
        self.run_tasks().await;
    }
}

struct Stream {
    body: Body,
    clock: Arc<ManualClock>,
    /// Id of the last event.
    last: String,
}

impl Stream {
    /// Waits for the next event and returns its kind and data; `None` if the stream ends. Advances the clock while all
    /// tasks wait.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut idle = 0;
        loop {
            let frame = loop {
                tokio::select! {
                    biased;
                    frame = self.body.frame() => break frame,
                    () = tokio::task::yield_now() => idle += 1,
                }
                if idle % IDLE_YIELDS == 0 {
                    assert!(idle < 2_000 * IDLE_YIELDS, "no further event");
                    self.clock.advance(Duration::from_millis(100));
                }
            };
            let text = String::from_utf8(frame?.unwrap().into_data().unwrap().to_vec()).unwrap();
            if text.starts_with(':') {
                continue;
            }
            let field =
                |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
            self.last = field("id:");
            return Some((field("event:"), serde_json::from_str(&field("data:")).unwrap()));
        }
    }

    /// Text of the next line.
    async fn line(&mut self) -> String {
        let (kind, data) = self.next().await.unwrap();
        assert_eq!(kind, "line", "{data}");
        data["text"].as_str().unwrap().to_owned()
    }

    /// Texts of the next lines.
    async fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.push(self.line().await);
        }
        lines
    }
}

#[tokio::test]
async fn lines_are_selected_by_time_name_and_text() {
    let setup = Setup::new().await;
    for (age, pod, text) in
        [(7_200, "web-0", "old"), (60, "web-0", "GET /cart 200"), (30, "web-1", "GET /cart 503")]
    {
        setup.write_at(-age * 1_000, pod, text);
    }
    for (query, expected) in [
        ("", vec!["GET /cart 503", "GET /cart 200"]),
        ("direction=forward&since=1d", vec!["old", "GET /cart 200", "GET /cart 503"]),
        ("pod=web-1", vec!["GET /cart 503"]),
        ("container=proxy", vec![]),
        ("query=cart%202", vec!["GET /cart 200"]),
        ("query=5%5Cd%2B%24&regex=true", vec!["GET /cart 503"]),
        ("since=3h&until=1m", vec!["old"]),
        ("limit=1", vec!["GET /cart 503"]),
    ] {
        assert_eq!(setup.texts(query).await, expected, "{query}");
    }
    let response = setup.read("limit=1").await;
    assert_eq!(response.body["truncated"], true);
    let line = &response.body["items"][0];
    assert_eq!(line["at"].as_str().unwrap().parse::<Timestamp>().unwrap(), setup.at(-30_000));
    assert_eq!([&line["project"], &line["pod"], &line["container"]], ["shop", "web-1", "app"]);
}

#[tokio::test]
async fn lines_of_an_earlier_project_of_the_same_name_are_not_shown() {
    let setup = Setup::new().await;
    setup.write_at(-1_000, "web-0", "of the earlier project");
    setup.advance(1_000).await;
    setup.write("of this project");
    setup.advance(1_000).await;
    let query = format!("project={}&since=1h&", setup.project);
    assert_eq!(setup.texts(&query).await, ["of this project"]);
    let mut stream = setup.follow(&setup.ann, &query, None).await;
    assert_eq!(stream.line().await, "of this project");
    let earlier = format!("{query}until={}", setup.at(-1));
    assert_eq!(setup.texts(&earlier).await, [""; 0]);
    let all = setup.texts("since=1h&direction=forward").await;
    assert_eq!(all, ["of the earlier project", "of this project"]);
}

#[tokio::test]
async fn invalid_requests_name_the_parameter() {
    let setup = Setup::new().await;
    for (query, field) in [
        ("since=31d", "since"),
        ("since=1m&until=2m", "until"),
        ("limit=0", "limit"),
        ("query=(&regex=true", "query"),
        ("follow=true&query=(&regex=true", "query"),
        ("follow=true&since=31d", "since"),
        ("follow=true&limit=10", "limit"),
        ("pod=a%22b", "pod"),
        ("since=1999-12-31T00:00:00Z&until=1999-12-31T01:00:00Z", "since"),
        ("since=2199-12-31T00:00:00Z&until=2200-01-01T00:00:00Z", "until"),
        ("tail=1", "tail"),
    ] {
        let response = setup.read(query).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", response.text);
        assert_eq!(response.body["errors"][0]["field"], field, "{query}");
    }
    let unknown = setup.read("project=prj_00000000000000000000000000").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    setup.logs.fail_with(Some(log_queries_rejected));
    let rejected = setup.read("").await;
    assert_eq!(
        (rejected.status, &rejected.body["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("log_queries_rejected"))
    );
}

#[tokio::test]
async fn followers_of_equal_logs_share_one_poll_per_interval() {
    let setup = Setup::new().await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        streams.push(setup.follow(&setup.ann, "query=tick", None).await);
    }
    let mut other = setup.follow(&setup.ann, "query=tock", None).await;
    setup.run_tasks().await;
    assert_eq!(setup.logs.queries(), 2, "one poll of each");
    for _ in 0..10 {
        setup.advance(1_000).await;
    }
    assert_eq!(setup.logs.queries(), 22);
    setup.write("tick tock");
    for stream in streams.iter_mut().chain([&mut other]) {
        assert_eq!(stream.line().await, "tick tock");
    }
    drop((streams, other));
    let before = setup.logs.queries();
    setup.advance(10_000).await;
    assert_eq!(setup.logs.queries(), before, "nothing polls without followers");
}

#[tokio::test]
async fn lines_are_sent_once_in_order_also_if_they_are_late() {
    let setup = Setup::new().await;
    let mut stream = setup.follow(&setup.ann, "", None).await;
    setup.advance(10_000).await;
    setup.write_at(9_900, "web-0", "a");
    setup.write_at(9_800, "web-1", "b");
    assert_eq!(stream.lines(2).await, ["b", "a"]);
    let position = stream.last.clone();
    setup.write_at(9_850, "web-0", "late");
    assert_eq!(stream.line().await, "late");
    assert_eq!(stream.last, position, "resuming after a late line repeats nothing");
    setup.advance(20_000).await;
    setup.write("c");
    assert_eq!(stream.line().await, "c");
}

#[tokio::test]
async fn a_stream_resumes_after_every_line_without_loss_or_repetition() {
    let setup = Setup::new().await;
    // Five lines at each of four times.
    let mut ids = BTreeSet::new();
    for time in 0..4 {
        for number in 0..5 {
            ids.insert((time, setup.write_at(time, &format!("web-{number}"), &format!("{time}"))));
        }
    }
    setup.advance(60_000).await;
    let mut stream = setup.follow(&setup.ann, "since=5m", None).await;
    let mut positions = vec![stream.last.clone()];
    for _ in 0..20 {
        stream.line().await;
        positions.push(stream.last.clone());
    }
    assert_eq!(positions[1..].iter().collect::<BTreeSet<_>>(), ids.iter().map(|(_, id)| id).collect());
    setup.write_at(50_000, "web-0", "end");
    for (received, position) in positions.iter().enumerate() {
        let mut resumed = setup.follow(&setup.ann, "", Some(position)).await;
        for expected in &positions[received + 1..] {
            resumed.line().await;
            assert_eq!(&resumed.last, expected);
        }
        assert_eq!(resumed.line().await, "end");
    }
}

#[tokio::test]
async fn a_long_backlog_is_read_in_pages_and_continues_with_live_lines() {
    let setup = Setup::new().await;
    for number in 0..2_500 {
        setup.write_at(number / 7, "web-0", &number.to_string());
    }
    setup.advance(10_000).await;
    let mut stream = setup.follow(&setup.ann, "since=1h", None).await;
    let mut received: Vec<u32> = Vec::new();
    while received.len() < 2_500 {
        received.push(stream.line().await.parse().unwrap());
        assert!(
            setup.logs.queries() <= 4 + received.len() as u64 / 900,
            "pages are read as the client receives them"
        );
    }
    received.sort_unstable();
    assert_eq!(received, (0..2_500).collect::<Vec<_>>());
    setup.write("live");
    assert_eq!(stream.line().await, "live");
}

#[tokio::test]
async fn streams_are_limited_per_user_workspace_and_process_apart_from_event_streams() {
    let log_streams = LogStreamLimits { per_user: 2, per_workspace: 3, per_process: 0 };
    let event_streams = EventStreamLimits { per_user: 1, per_organization: 1, per_process: 1 };
    let setup = Setup::with(ApiConfig { log_streams, event_streams, ..TestApp::api_config() }).await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    add_viewer(&setup, &bob, None).await;
    let first = setup.follow(&setup.ann, "", None).await;
    let _second = setup.follow(&setup.ann, "query=x", None).await;
    let message = async |user: &TestUser| {
        let rejection = setup.request(user, "", None).await.unwrap_err();
        assert_eq!(rejection.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(rejection.body["code"], "too_many_log_streams");
        assert!(rejection.headers.contains_key("retry-after"));
        rejection.body["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        message(&setup.ann).await,
        "the user has 2 open log streams, which is the maximum; close one of them"
    );
    let _third = setup.follow(&bob, "", None).await;
    assert!(message(&bob).await.starts_with("the workspace has 3 open log streams"));
    drop(first);
    setup.follow(&bob, "", None).await;
}

/// Adds a user to a new group with the role of a viewer, in the workspace or in a project; returns the path of the
/// membership.
async fn add_viewer(setup: &Setup, user: &TestUser, project: Option<&str>) -> String {
    let (owner, path) = (&setup.ann.client, setup.path());
    let group = owner
        .create(&format!("{path}/groups"), &json!({ "name": format!("of-{}", user.id.replace('_', "-")) }))
        .await;
    let membership = format!("{path}/groups/{group}/members/{}", user.id);
    owner.send_ok(Method::PUT, &membership, &Value::Null).await;
    let (place, role) = match project {
        Some(project) => (format!("{path}/projects/{project}"), "hexabase:project-viewer"),
        None => (path, "hexabase:workspace-viewer"),
    };
    owner.create(&format!("{place}/role-assignments"), &json!({ "group_id": group, "role": role })).await;
    membership
}

#[tokio::test]
async fn a_viewer_of_a_project_reads_that_project_only_until_the_membership_ends() {
    let setup = Setup::new().await;
    let other =
        setup.ann.client.create(&format!("{}/projects", setup.path()), &json!({ "name": "blog" })).await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "admin").await;
    let status = async |query: &str| {
        bob.client.send(Method::GET, &format!("{}/logs?{query}", setup.path()), &Value::Null).await.status
    };
    let own = format!("project={}", setup.project);
    assert_eq!(status(&own).await, StatusCode::FORBIDDEN, "roles in the organization give no access");
    let membership = add_viewer(&setup, &bob, Some(&setup.project)).await;
    assert_eq!(status(&own).await, StatusCode::OK);
    assert_eq!(status(&format!("project={other}")).await, StatusCode::FORBIDDEN);
    assert_eq!(status("").await, StatusCode::FORBIDDEN);
    let mut stream = setup.follow(&bob, &own, None).await;
    setup.write("hello");
    assert_eq!(stream.line().await, "hello");
    setup.ann.client.send_ok(Method::DELETE, &membership, &Value::Null).await;
    setup.advance(3_000).await;
    setup.write("secret");
    assert_eq!(stream.next().await, None, "the stream ends with the access");
}

#[tokio::test]
async fn an_outage_of_the_log_store_is_announced_and_loses_no_line() {
    let setup = Setup::new().await;
    let mut stream = setup.follow(&setup.ann, "", None).await;
    setup.advance(2_000).await;
    setup.logs.fail_with(Some(|| Error::unavailable("the log store is not available")));
    let (kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["available"]), ("status", &json!(false)));
    assert!(data["message"].as_str().unwrap().starts_with("the log store is not available; "), "{data}");
    // A further follower learns it at once, and so does one that resumes.
    let body = setup.request(&setup.ann, "", None).await.unwrap();
    let mut late = Stream { body, clock: setup.clock.clone(), last: String::new() };
    assert_eq!(late.next().await.unwrap().1["available"], true);
    assert_eq!(late.next().await.unwrap().1["available"], false);
    for _ in 0..60 {
        setup.write("during the outage");
        setup.advance(1_000).await;
    }
    let before = setup.logs.queries();
    setup.advance(15_000).await;
    assert!(setup.logs.queries() <= before + 1, "polls are rare during an outage");
    setup.logs.fail_with(None);
    assert_eq!(stream.next().await.unwrap().1, json!({ "available": true, "message": null }));
    assert_eq!(stream.lines(60).await, vec!["during the outage"; 60]);
    setup.logs.fail_with(Some(log_queries_rejected));
    let (kind, data) = stream.next().await.unwrap();
    assert_eq!(kind, "status");
    assert!(data["message"].as_str().unwrap().contains("too many queries"), "{data}");
}

#[tokio::test]
async fn a_stream_that_cannot_read_older_lines_ends_with_the_membership_too() {
    let setup = Setup::new().await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    let membership = add_viewer(&setup, &bob, None).await;
    setup.logs.fail_with(Some(|| Error::unavailable("the log store is not available")));
    let mut stream = setup.follow(&bob, "since=30d", None).await;
    assert_eq!(stream.next().await.unwrap().1["available"], false);
    setup.ann.client.send_ok(Method::DELETE, &membership, &Value::Null).await;
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_slow_client_is_cut_off_and_resumes_without_slowing_the_others() {
    let setup = Setup::new().await;
    let mut slow = setup.follow(&setup.ann, "", None).await;
    let mut fast = setup.follow(&setup.ann, "", None).await;
    setup.write("first");
    assert_eq!(slow.line().await, "first");
    let mut expected = Vec::new();
    assert_eq!(fast.line().await, "first");
    for number in 0..40 {
        setup.write(&number.to_string());
        expected.push(number.to_string());
        assert_eq!(fast.line().await, number.to_string());
    }
    let mut received = Vec::new();
    let end = loop {
        let (kind, data) = slow.next().await.unwrap();
        match kind.as_str() {
            "line" => received.push(data["text"].as_str().unwrap().to_owned()),
            _ => break (kind, data),
        }
    };
    assert_eq!((end.0.as_str(), &end.1["code"]), ("end", &json!("too_slow")));
    assert!(received.len() < 20, "the memory for a slow client is bounded: {}", received.len());
    assert_eq!(slow.next().await, None);
    let mut resumed = setup.follow(&setup.ann, "", Some(&slow.last)).await;
    received.extend(resumed.lines(expected.len() - received.len()).await);
    assert_eq!(received, expected);
}
