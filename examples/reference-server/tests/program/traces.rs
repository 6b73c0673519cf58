//! Traces: what a collector of OpenTelemetry receives.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::{Router, routing::post};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;

use crate::process::{Process, program};

/// Collector of OpenTelemetry that keeps the spans it receives (OTLP over HTTP, as binary protobuf).
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let received = spans.clone();
        let receive = async move |body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            received.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new().route("/v1/traces", post(receive));
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, spans }
    }

    /// Returns the spans of a name that were received until now.
    fn spans(&self, name: &str) -> Vec<Span> {
        self.spans.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }
}

/// Returns an attribute as text, and `""` without it.
fn attribute(span: &Span, key: &str) -> String {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.clone()?.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_leads_from_a_request_through_the_queue_to_the_host_cluster() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--trusted-proxies", "127.0.0.1/32"]);
    command.args(["--otlp-endpoint", &collector.url]);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace_id}-b7ad6b7169203331-01");
    let new = json!({ "name": "shop", "plan_id": "starter" });
    let workspace = ann.post_with(&workspaces, ("traceparent", &parent), &new).await;
    let ws = workspace["id"].as_str().unwrap();
    ann.wait_until_ready(&format!("{workspaces}/{ws}")).await;
    let token = ann.token().to_owned();
    let log = server.stop();

    let in_trace = |name: &str| {
        let spans = collector.spans(name).into_iter();
        spans.filter(|span| hex(&span.trace_id) == trace_id).collect::<Vec<_>>()
    };
    let route = "/api/v1/organizations/{org}/workspaces";
    let created = in_trace(&format!("POST {route}"));
    assert_eq!(created.len(), 1, "{:?} {log}", collector.spans.lock().unwrap());
    let created = &created[0];
    assert_eq!(hex(&created.parent_span_id), "b7ad6b7169203331");
    assert_eq!(attribute(created, "http.request.method"), "POST");
    assert_eq!(attribute(created, "http.route"), route);
    assert_eq!(attribute(created, "http.response.status_code"), "202");

    let reconciles = in_trace("reconcile");
    let first = reconciles.iter().find(|span| span.parent_span_id == created.span_id).unwrap();
    assert_eq!(attribute(first, "workspace"), ws);
    assert_eq!(attribute(first, "generation"), "1");
    let provisioned = in_trace("provision");
    assert!(provisioned.iter().any(|span| span.parent_span_id == first.span_id), "{provisioned:?}");
    let others = collector.spans("GET /api/v1/organizations/{org}/workspaces/{ws}");
    assert!(!others.is_empty() && others.iter().all(|span| hex(&span.trace_id) != trace_id));
    assert!(!format!("{:?}", collector.spans.lock().unwrap()).contains(&token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_no_trusted_proxy_cannot_choose_the_trace() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--otlp-endpoint", &collector.url]);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sent = ("traceparent", parent);
    server.client().post_with("/auth/dev/login", sent, &json!({ "email": "ann@example.com" })).await;
    server.stop();
    let spans = collector.spans("POST /auth/dev/login");
    assert_eq!(spans.len(), 1);
    assert!(spans[0].parent_span_id.is_empty(), "{spans:?}");
    assert_ne!(hex(&spans[0].trace_id), "0af7651916cd43dd8448eb211c80319c");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_does_not_disturb_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--otlp-endpoint", "http://127.0.0.1:1"]);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let ann = server.sign_in("ann@example.com").await;
    assert_eq!(ann.status("/api/v1/organizations").await, 200);
    server.stop();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
