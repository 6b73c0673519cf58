//! The console in the router of another service, under a path.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::LOCATION;
use axum::http::{Request, Response, StatusCode};
use hexabase_api::ApiState;
use hexabase_auth::{Auth, AuthConfig};
use hexabase_console::{Console, ConsoleConfig};
use hexabase_core::{Platform, fixture};
use tower::ServiceExt as _;

/// Service with the API and the console under a path, and a page of its own.
async fn service(config: ConsoleConfig) -> Router {
    let plans = vec![fixture::plan("small")];
    let platform = Platform::builder("https://shop.example/tenancy").with_plans(plans).build().unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let console = Console::new(config);
    let state = ApiState::builder(platform, auth).with_pages(console.pages()).build();
    let tenancy = hexabase_api::router(state.clone()).merge(console.router(&state));
    Router::new().route("/", axum::routing::get(async || "shop")).nest("/tenancy", tenancy)
}

async fn get(service: &Router, path: &str) -> Response<Body> {
    let request = Request::get(path).header("accept", "text/html").body(Body::empty()).unwrap();
    service.clone().oneshot(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_mounted_console_links_below_its_mount() {
    let service =
        service(ConsoleConfig { product: "Shop & Sons".to_owned(), ..ConsoleConfig::default() }).await;
    assert_eq!(text(get(&service, "/").await).await, "shop");
    assert_eq!(get(&service, "/tenancy").await.headers()[LOCATION], "/tenancy/console");
    let redirect = get(&service, "/tenancy/console/orgs?q=a").await;
    assert_eq!(redirect.status(), StatusCode::SEE_OTHER);
    let sign_in = redirect.headers()[LOCATION].to_str().unwrap();
    assert_eq!(sign_in, "/tenancy/console/sign-in?return_to=%2Fconsole%2Forgs%3Fq%3Da");

    let page = text(get(&service, sign_in).await).await;
    assert!(page.contains("Shop &amp; Sons</title>"), "{page}");
    let start = page.find("/tenancy/console/assets/").unwrap();
    let stylesheet = page[start..].split('"').next().unwrap();
    assert_eq!(get(&service, stylesheet).await.status(), StatusCode::OK);
    for attribute in ["href=\"/", "src=\"/", "action=\"/"] {
        let targets = page.split(attribute).skip(1).filter(|rest| !rest.starts_with("tenancy/"));
        assert_eq!(targets.count(), 0, "{page}");
    }
}

#[tokio::test]
async fn errors_of_the_api_have_the_look_of_the_console() {
    let service = service(ConsoleConfig { redirects_root: false, ..ConsoleConfig::default() }).await;
    assert_eq!(get(&service, "/tenancy").await.status(), StatusCode::NOT_FOUND);
    let error = get(&service, "/tenancy/auth/login/unknown").await;
    assert_eq!(error.status(), StatusCode::NOT_FOUND);
    let page = text(error).await;
    assert!(page.contains("/tenancy/console/assets/"), "{page}");
    let request = Request::get("/tenancy/console/session").body(Body::empty()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
