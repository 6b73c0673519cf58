//! Pages of the console: the list of workspaces, compared with the same list of the JSON API, and the rendering of a table.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_benches::{Target, alternate, report};
use hexabase_console::components::{Appearance, Column, Row, Shell, Table, name, phase_badge, shell, table};
use hexabase_console::language::{Language, Texts};
use hexabase_console::time::time;
use hexabase_console::{Console, ConsoleConfig};
use hexabase_core::Platform;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::model::{Origin, Phase};
use hexabase_core::name::{Email, ProviderName};
use hexabase_store::SqliteStore;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use maud::html;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Number of workspaces, which are all on one page.
const WORKSPACES: usize = 50;
/// Rate of the page, which is the reciprocal of the duration: at least half of that of the JSON list.
const RATE: Target = Target::TimesFloor(2.0);
/// Limit of the duration of rendering a table in its frame.
const RENDERING: Target = Target::AtMost(Duration::from_micros(500));

fn main() {
    measure_list();
    measure_rendering();
}

/// Server in this process, with an organization that has workspaces.
struct Server {
    router: Router,
    token: String,
    organization: String,
}

fn measure_list() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = runtime.block_on(Server::start(&directory.path().join("hexabase.db")));
    let organization = &server.organization;
    let page = format!("/console/orgs/{organization}/workspaces?limit={WORKSPACES}");
    let list = format!("/api/v1/organizations/{organization}/workspaces?limit={WORKSPACES}");
    let read = |path: &str| {
        runtime.block_on(async {
            let response = server.send(Request::get(path), Body::empty()).await;
            assert_eq!(response.status(), StatusCode::OK);
            response.into_body().collect().await.unwrap().to_bytes()
        })
    };
    let count = |body: &[u8], text: &str| String::from_utf8_lossy(body).matches(text).count();
    assert!(count(&read(&page), "/workspaces/ws_") >= WORKSPACES);
    assert!(count(&read(&list), "\"id\":\"ws_") >= WORKSPACES);
    let comparison = alternate(|| read(&page), || read(&list));
    report("page with 50 workspaces", "the same list as JSON", comparison, RATE);
}

impl Server {
    async fn start(file: &Path) -> Self {
        let mut plans = hexabase_billing::plans::built_in();
        for plan in &mut plans {
            plan.limits.workspaces = 100;
        }
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(plans)
            .with_store(Arc::new(SqliteStore::open(file).await.unwrap()))
            .build()
            .unwrap();
        let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
        let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
        let dev = ProviderName::parse("dev").unwrap();
        let token =
            auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token;
        // Requests are counted, but never rejected.
        let config = ApiConfig { requests_per_minute: u32::MAX, ..ApiConfig::default() };
        let console = Console::new(ConsoleConfig::default());
        let api = ApiState::builder(platform, auth).with_config(config).with_pages(console.pages()).build();
        let router = router(api.clone()).merge(console.router(&api));
        let mut server = Self { router, token, organization: String::new() };
        let organization = json!({ "name": "acme", "display_name": "Acme" });
        server.organization = server.create("/api/v1/organizations", &organization).await;
        let workspaces = format!("/api/v1/organizations/{}/workspaces", server.organization);
        for number in 0..WORKSPACES {
            let workspace = json!({ "name": format!("shop-{number}"), "plan_id": "team" });
            server.create(&workspaces, &workspace).await;
        }
        server
    }

    async fn create(&self, path: &str, body: &Value) -> String {
        let request = Request::post(path).header("content-type", "application/json");
        let response = self.send(request, Body::from(body.to_string())).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        let created: Value = serde_json::from_slice(&body).unwrap();
        created["id"].as_str().unwrap().to_owned()
    }

    async fn send(&self, request: http::request::Builder, body: Body) -> Response<Body> {
        let request = request.header("authorization", format!("Bearer {}", self.token)).body(body).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }
}

/// Measures a table of 50 rows in its frame, and as its floor the copy of the finished document.
fn measure_rendering() {
    let texts = Texts::new(Language::English);
    let document = rendered(&texts);
    let comparison = alternate(|| rendered(&texts), || document.clone());
    report("rendering of a page with 50 rows", "a copy of the document", comparison, RENDERING);
}

fn rendered(texts: &Texts) -> String {
    let row = |number: usize| -> Row {
        let title = format!("shop-{number}");
        vec![
            html! { a href=(format!("/console/orgs/org/workspaces/{number}")) { (name(&title)) } },
            phase_badge(texts, Phase::Ready),
            name("Team"),
            html! { "1.35" },
            html! { "eu-west" },
            time(texts, FIXTURE_TIME),
        ]
        .into()
    };
    let column = |key| Column::text(texts.text(key));
    let keys = ["field-name", "field-phase", "field-plan", "field-version", "field-region", "field-updated"];
    let list = Table {
        caption: texts.text("nav-workspaces"),
        is_caption_hidden: true,
        columns: keys.into_iter().map(column).collect(),
        rows: (0..WORKSPACES).map(row).collect(),
    };
    let frame = Shell {
        product: "Hexabase".to_owned(),
        title: vec![texts.text("nav-workspaces")],
        has_errors: false,
        appearance: Appearance::default(),
        stylesheets: vec!["console.css".to_owned()],
        icon: None,
        script: None,
        continue_at: None,
        refresh_seconds: None,
        header: None,
        navigation: Vec::new(),
        ancestors: Vec::new(),
        flash: None,
        footer: Vec::new(),
    };
    shell(texts, &frame, &table(&list)).into_string()
}
