//! Response times of the main requests on PostgreSQL with 100, 1,000 and 10,000 workspaces, for one client.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_benches::{Comparison, Target, median, other_workspaces, percentile, report};
use hexabase_core::Platform;
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::platform::PlatformConfig;
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::Postgres;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Numbers of workspaces in the database.
const SIZES: [usize; 3] = [100, 1_000, 10_000];
/// Number of workspaces of the measured organization.
const OWN_WORKSPACES: usize = 20;
/// Number of measured requests of each kind.
const REQUESTS: usize = 1_000;
/// Number of requests before the measurement.
const WARM_UP: usize = 100;
/// Maximum 95th percentile.
const TARGET: Target = Target::AtMost(Duration::from_millis(25));

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let postgres = Postgres::start();
    for size in SIZES {
        runtime.block_on(measure(&postgres, size));
    }
}

/// User of a server.
struct User {
    http: Client,
    url: String,
    token: String,
}

impl User {
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    async fn create(&self, path: &str, body: Value) -> String {
        let created = self.send(Method::POST, path, Some(&body)).await;
        format!("{path}/{}", created["id"].as_str().unwrap())
    }
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Starts the API on a database, and signs a user in.
async fn sign_in(store: PostgresStore) -> User {
    const URL: &str = "https://hexabase.example";
    let platform = Platform::builder(URL)
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(store))
        .with_config(PlatformConfig {
            organization_rate: None,
            max_free_workspaces_per_user: None,
            ..PlatformConfig::new(URL)
        })
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    let token = auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token;
    // Requests are counted, but never rejected.
    let config = ApiConfig { requests_per_minute: u32::MAX, ..ApiConfig::default() };
    let url = listen(router(ApiState::builder(platform, auth).with_config(config).build())).await;
    User { http: Client::builder().build().unwrap(), url, token }
}

async fn measure(postgres: &Postgres, size: usize) {
    let database = postgres.database().await;
    let config = PostgresConfig::new(postgres.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    let user = sign_in(PostgresStore::connect(&config).await.unwrap()).await;
    let acme = json!({ "name": "acme", "display_name": "Acme" });
    let organization = user.create("/api/v1/organizations", acme).await;
    let workspaces = format!("{organization}/workspaces");
    let mut workspace = String::new();
    for number in 0..OWN_WORKSPACES {
        let order = json!({ "name": format!("shop-{number}"), "plan_id": "team" });
        workspace = user.create(&workspaces, order).await;
    }
    postgres.execute(&database, &other_workspaces(size - OWN_WORKSPACES)).await;

    let groups = format!("{workspace}/groups");
    let search = format!("{organization}/search?q=shop");
    let requests = [
        ("`GET` of a workspace", Method::GET, &workspace),
        ("`GET` of a page of workspaces", Method::GET, &workspaces),
        ("`GET` of a search in an organization", Method::GET, &search),
        ("`POST` of a group", Method::POST, &groups),
    ];
    for (name, method, path) in requests {
        let mut times = Vec::with_capacity(REQUESTS);
        for number in 0..WARM_UP + REQUESTS {
            let body = json!({ "name": format!("group-{number}") });
            let body = (method == Method::POST).then_some(&body);
            let started = Instant::now();
            let created = user.send(method.clone(), path, body).await;
            times.push(started.elapsed());
            // A workspace has a limited number of groups.
            if let Some(id) = created["id"].as_str().filter(|_| method == Method::POST) {
                let response = user.http.delete(format!("{}{path}/{id}", user.url)).bearer_auth(&user.token);
                assert!(response.send().await.unwrap().status().is_success());
            }
        }
        let measured = times.split_off(WARM_UP);
        let comparison = Comparison { ours: percentile(measured.clone(), 0.95), floor: median(measured) };
        let name = format!("{name}, 95th percentile, with {size} workspaces on PostgreSQL");
        report(&name, "median", comparison, TARGET);
    }
}
