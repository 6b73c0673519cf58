//! Every page in Chromium: accessibility in both themes, widths of screens, errors and violations of policies.

use std::sync::Arc;

use axum::http::Method;
use hexabase_console::routes;
use hexabase_console::urls::{self, Route};
use hexabase_core::alerts::MemoryAlerts;
use hexabase_core::clock::SystemClock;
use hexabase_core::logs::MemoryLogs;
use hexabase_core::metrics::SandboxMetrics;
use hexabase_core::platform::PlatformConfig;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_test_servers::console_journey;
use hexabase_tests::{PathParams, TestApp, config, plans};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Owner of the organizations, who is also a platform administrator.
const USER: &str = "operator";

/// Platform with the console, with invented metrics, alerts and logs, at an address of this machine.
async fn served() -> (TestApp, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let store: Arc<dyn TenantStore> = Arc::new(MemoryStore::new());
    let clock = Arc::new(SystemClock);
    let metrics = Arc::new(SandboxMetrics::new(clock.clone(), store.clone()));
    let alerts = MemoryAlerts::for_demonstration(store.clone(), metrics.clone(), plans(), clock.clone());
    let logs = MemoryLogs::for_demonstration(store.clone(), clock);
    let own = PlatformConfig::new(&url);
    let config = PlatformConfig { public_url: own.public_url, issuer: own.issuer, ..config() };
    let app = TestApp::with_console_and(|builder| {
        let builder = builder.with_config(config).with_store(store).with_metrics(metrics);
        builder.with_alerts(Arc::new(alerts)).with_logs(Arc::new(logs))
    })
    .await;
    let router = app.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (app, url)
}

/// `true` for a route that shows a page to a signed-in user.
fn is_shown(route: &Route) -> bool {
    let leads_elsewhere = [urls::HOME, urls::SIGN_IN, urls::SESSION].contains(&route.path);
    route.method == Method::GET && !route.path.ends_with(".csv") && !leads_elsewhere
}

fn page(name: &str, path: &str, status: u16, user: Option<&str>) -> Value {
    json!({ "name": name, "path": path, "status": status, "user": user })
}

/// Inspects pages, and returns what is wrong with them.
async fn problems(url: &str, pages: &[Value]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pages.json");
    std::fs::write(&file, serde_json::to_vec(pages).unwrap()).unwrap();
    let mut command = console_journey("console_pages.mjs", url, "on");
    command.arg(&file);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Pages with the state that their address selects, by route and query.
fn variants(params: &PathParams) -> Vec<(&'static str, String)> {
    let (user, prj) = (params.id("user"), params.id("prj"));
    vec![
        (urls::AUDIT, "action=nothing".to_owned()),
        (urls::CONNECT, "with=kubelogin".to_owned()),
        (urls::CONNECT, "with=token".to_owned()),
        (urls::GROUP_MOVE, format!("parent_id={}", params.id("grp-member"))),
        (urls::LEAVE_PLAN, "now=true".to_owned()),
        (urls::MEMBERS, "q=nothing".to_owned()),
        (urls::METRICS, "metric=memory&by=pod&range=6h".to_owned()),
        (urls::SEARCH, "q=web".to_owned()),
        (urls::WHY, format!("user={user}&verb=get&resource=pods&project={prj}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_and_fits_every_screen() {
    let (app, url) = served().await;
    let owner = app.sign_in(USER).await;
    let params = app.create_full_organization(&owner, "acme").await;
    let shown = routes();
    let shown = shown.iter().filter(|route| is_shown(route)).map(|route| route.path);
    let mut pages: Vec<_> = shown.map(|path| page(path, &params.path(path), 200, Some(USER))).collect();
    assert!(pages.len() > 70, "only {} pages", pages.len());
    for (route, query) in variants(&params) {
        pages.push(page(
            &format!("{route} {query}"),
            &format!("{}?{query}", params.path(route)),
            200,
            Some(USER),
        ));
    }
    pages.push(page("not found", "/console/orgs/org_01h455vb4pex5vsknk084sn02q", 404, Some(USER)));
    pages.push(page("forbidden", urls::INSTALLATION, 403, Some("eve")));
    pages.push(page("signed out", "/console/sign-in?signed_out=1", 200, None));
    pages.push(page("preferences of a visitor", urls::PREFERENCES, 200, None));
    assert_eq!(problems(&url, &pages).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_pages_are_accessible_and_fit_every_screen() {
    let (app, url) = served().await;
    let owner = app.sign_in(USER).await;
    let org = app.create_organization(&owner, "empty").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let new = json!({ "name": "shop", "plan_id": "team" });
    let ws = owner.client.create(&workspaces, &new).await;
    let fill = |path: &str| path.replace("{org}", &org).replace("{ws}", &ws);
    let shown = routes();
    let shown = shown.iter().filter(|route| is_shown(route)).map(|route| (route.path, fill(route.path)));
    let pages: Vec<_> = shown
        .filter(|(template, path)| *template != path.as_str() && !path.contains('{'))
        .map(|(template, path)| page(&format!("empty {template}"), &path, 200, Some(USER)))
        .collect();
    assert!(pages.len() > 30, "only {} pages", pages.len());
    assert_eq!(problems(&url, &pages).await, Vec::<String>::new());
}
