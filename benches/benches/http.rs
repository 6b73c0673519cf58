//! Read of a workspace over HTTP, compared with an axum handler that executes the same query.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::path::Path;
use std::sync::Arc;

use axum::extract::{Path as PathParams, State};
use axum::routing::get;
use axum::{Json, Router};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_benches::{Target, alternate, report};
use hexabase_core::Platform;
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_store::SqliteStore;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hexabase.db");
    let client = reqwest::Client::builder().build().unwrap();
    let (ours, baseline, token) = runtime.block_on(async {
        let (ours, path, token) = start_server(&file, &client).await;
        (format!("{ours}{path}"), format!("{}{path}", start_baseline(&file).await), token)
    });
    let request = |url: &str| {
        runtime.block_on(async {
            let response = client.get(url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.bytes().await.unwrap().len() > 300);
        });
    };
    let comparison = alternate(|| request(&ours), || request(&baseline));
    report(
        "`GET` of a workspace over HTTP",
        "an axum handler with the same query",
        comparison,
        Target::TimesFloor(2.5),
    );
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Starts the API on a database with a workspace. Returns its URL, the path of the workspace, and a token.
async fn start_server(file: &Path, client: &reqwest::Client) -> (String, String, String) {
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(SqliteStore::open(file).await.unwrap()))
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    let token = auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token;
    // Requests are counted, but never rejected.
    let config = ApiConfig { requests_per_minute: u32::MAX, ..ApiConfig::default() };
    let ours = listen(router(ApiState::builder(platform, auth).with_config(config).build())).await;
    let create = async |path: &str, body: Value| -> String {
        let request = client.post(format!("{ours}{path}")).bearer_auth(&token).json(&body);
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        format!("{path}/{}", created["id"].as_str().unwrap())
    };
    let organization = create("/api/v1/organizations", json!({"name": "acme", "display_name": "Acme"})).await;
    let path =
        create(&format!("{organization}/workspaces"), json!({"name": "shop", "plan_id": "team"})).await;
    (ours, path, token)
}

/// Starts a server whose handler only executes the query and serializes the result. Returns its URL.
async fn start_baseline(file: &Path) -> String {
    let options =
        SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Wal).read_only(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let path = "/api/v1/organizations/{org}/workspaces/{ws}";
    listen(Router::new().route(path, get(read)).with_state(pool)).await
}

async fn read(
    State(pool): State<SqlitePool>,
    PathParams((org, ws)): PathParams<(String, String)>,
) -> Json<Value> {
    let query = "SELECT name, display_name, plan_id, region, kubernetes_version, power, deletion_requested_at, \
                 host_cluster, generation, access_version, status, reconcile_at, created_by, created_at, updated_at, \
                 version FROM workspaces WHERE organization_id = ? AND id = ?";
    let row = sqlx::query(query).bind(&org).bind(&ws).fetch_one(&pool).await.unwrap();
    let status: Value = serde_json::from_str(row.get("status")).unwrap();
    let (text, number) =
        (|name: &str| row.get::<Option<String>, _>(name), |name: &str| row.get::<Option<i64>, _>(name));
    Json(json!({
        "id": ws, "organization_id": org, "name": text("name"), "display_name": text("display_name"),
        "plan_id": text("plan_id"), "host_cluster": text("host_cluster"), "power": text("power"),
        "kubernetes_version": text("kubernetes_version"), "generation": number("generation"),
        "access_version": number("access_version"), "version": number("version"), "status": status,
        "created_at": number("created_at"), "updated_at": number("updated_at"),
    }))
}
