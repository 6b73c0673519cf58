//! Sign-in with several providers, and users whom a trusted proxy signed in.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use hexabase_api::ApiState;
use hexabase_api::trusted_proxy::{TrustedProxy, TrustedProxyConfig};
use hexabase_auth::upstream::{GithubConfig, GithubProvider};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_console::{Console, ConsoleConfig};
use hexabase_core::identity::IdentityProvider;
use hexabase_core::name::ProviderName;
use hexabase_core::{Platform, fixture};
use tower::ServiceExt as _;

const PROXY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7)), 1);

/// Server with these providers, behind a proxy that signs users in.
async fn server(providers: &[&str]) -> Router {
    let plans = vec![fixture::plan("small")];
    let platform = Platform::builder("http://hexabase.example").with_plans(plans).build().unwrap();
    let provider = |name: &&str| -> Arc<dyn IdentityProvider> {
        let config = GithubConfig::new(ProviderName::parse(name).unwrap(), "id", "secret".into());
        Arc::new(GithubProvider::new(config).unwrap())
    };
    let providers = providers.iter().map(provider).collect();
    let auth = Auth::new(platform.clone(), providers, AuthConfig::default()).await.unwrap();
    let networks = vec!["10.0.0.0/24".parse().unwrap()];
    let config = TrustedProxyConfig::oauth2_proxy(networks, ProviderName::parse("proxy").unwrap());
    let proxy = Arc::new(TrustedProxy::new(platform.clone(), config));
    let console = Console::new(ConsoleConfig::default());
    let state = ApiState::builder(platform, auth).with_authenticator(proxy).with_pages(console.pages());
    let state = state.build();
    hexabase_api::router(state.clone()).merge(console.router(&state))
}

/// Opens a page, and returns its status and text.
async fn open(server: &Router, path: &str, header: (&str, &str)) -> (StatusCode, String) {
    let request = Request::get(path).header("accept", "text/html").header(header.0, header.1);
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(PROXY));
    let response = server.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_provider_that_was_used_last_is_the_first() {
    let server = server(&["one", "two", "three"]).await;
    for (cookie, expected) in [
        ("", ["one", "two", "three"]),
        ("hexabase_provider=three", ["three", "one", "two"]),
        ("hexabase_provider=removed", ["one", "two", "three"]),
    ] {
        let (_, page) = open(&server, "/console/sign-in", ("cookie", cookie)).await;
        let links = page.split("href=\"/auth/login/").skip(1);
        let order: Vec<&str> = links.map(|rest| rest.split('?').next().unwrap()).collect();
        assert_eq!(order, expected, "{cookie}: {page}");
    }
}

#[tokio::test]
async fn users_of_a_proxy_are_offered_no_sign_out_and_no_pages_of_credentials() {
    let server = server(&[]).await;
    let user = ("x-forwarded-user", "ann");
    let (status, page) = open(&server, "/console/me", user).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    for absent in ["/console/sign-out", "/console/me/tokens", "/console/me/sessions", "/console/me/security"]
    {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    for refused in ["tokens", "tokens/new", "sessions", "security"] {
        let (status, page) = open(&server, &format!("/console/me/{refused}"), user).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{refused}: {page}");
    }
}
