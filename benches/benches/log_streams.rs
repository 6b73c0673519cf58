//! Memory of 100 followers of the same logs, which read all lines, compared with 100 axum streams of the same lines.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use futures_util::stream::unfold;
use hexabase_api::{ApiConfig, ApiState, LogStreamLimits, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_benches::row;
use hexabase_core::Platform;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::desired::TenantTarget;
use hexabase_core::logs::{LogLine, MemoryLogs};
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_test_servers::peak_memory_kib;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tower::ServiceExt as _;

/// Number of streams.
const FOLLOWERS: usize = 100;
/// Number of lines, which are written in five seconds.
const LINE_COUNT: usize = 5_000;
/// Beginning of the event of a line, on the wire.
const EVENT: &[u8] = b"event: line\n";
/// Maximum additional memory, in KiB.
const MAX_MEMORY_KIB: u64 = 20 << 10;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let floor = measure_floor().await;
    let ours = measure_ours().await;
    let mib = |kib: u64| format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024);
    let ratio = format!("{}.{:02}", ours / floor.max(1), ours % floor.max(1) * 100 / floor.max(1));
    let floor = format!("{} (100 axum streams of the same lines)", mib(floor));
    row(
        "memory of 100 followers of 1,000 lines per second",
        &mib(ours),
        &floor,
        &ratio,
        &"≤ 20 MiB",
        ours <= MAX_MEMORY_KIB,
    );
}

/// Opens all streams, writes the lines, and reads them from every stream. Returns the additional memory, in KiB.
async fn measure(router: Router, path: &str, token: &str, write: impl Fn(usize)) -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak_memory_kib(std::process::id());
    let mut readers = Vec::new();
    for _ in 0..FOLLOWERS {
        let request =
            Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty());
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        readers.push(tokio::spawn(read_all(response.into_body())));
    }
    for batch in 0..50 {
        for number in 0..LINE_COUNT / 50 {
            write(batch * LINE_COUNT / 50 + number);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
    peak_memory_kib(std::process::id()).saturating_sub(before)
}

async fn read_all(mut body: Body) {
    let mut lines = 0;
    while lines < LINE_COUNT {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        lines += frame.windows(EVENT.len()).filter(|part| *part == EVENT).count();
    }
}

fn text(number: usize) -> String {
    format!("level=info msg=request method=GET path=/cart status=200 number={number} {}", "x".repeat(100))
}

async fn measure_ours() -> u64 {
    let logs = Arc::new(MemoryLogs::new());
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_logs(logs.clone())
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    let token = auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token;
    let log_streams = LogStreamLimits { per_user: 0, per_workspace: 0, per_process: 0 };
    let config = ApiConfig { requests_per_minute: 0, log_streams, ..ApiConfig::default() };
    let router = router(ApiState::builder(platform, auth).with_config(config).build());
    let create = async |path: &str, body: Value| -> String {
        let request = Request::post(path).header("authorization", format!("Bearer {}", &*token));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_string()));
        let response = router.clone().oneshot(request.unwrap()).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let created: Value = serde_json::from_slice(&body).unwrap();
        created["id"].as_str().unwrap().to_owned()
    };
    let organization =
        create("/api/v1/organizations", json!({ "name": "acme", "display_name": "Acme" })).await;
    let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
    let workspace = create(&workspaces, json!({ "name": "shop", "plan_id": "team" })).await;
    let target = TenantTarget::by_id(organization.parse().unwrap(), workspace.parse().unwrap());
    let path = format!("{workspaces}/{workspace}/logs?follow=true");
    let container = ["shop", "web-0", "web"].map(Arc::<str>::from);
    measure(router, &path, &token, |number| {
        logs.write(&target, [LogLine::new(SystemClock.now(), container.clone(), text(number))]);
    })
    .await
}

async fn measure_floor() -> u64 {
    let (sender, _) = broadcast::channel::<Arc<str>>(2_000);
    let lines = sender.clone();
    let router = Router::new().route(
        "/logs",
        get(async move || {
            Sse::new(unfold(lines.subscribe(), |mut lines| async {
                let line = lines.recv().await.ok()?;
                Some((Ok::<_, Infallible>(Event::default().event("line").data(line)), lines))
            }))
        }),
    );
    measure(router, "/logs", "none", |number| drop(sender.send(text(number).into()))).await
}
