//! Three areas of the HTTP API in the axum service of another vendor, in memory. A proxy in front of the service
//! authenticates its users and adds `X-Forwarded-User` and `X-Forwarded-Email` to each request.
//!
//! Arguments: the address to listen on, and the network of the proxies.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, routing::get};
use hexabase_api::trusted_proxy::{TrustedProxy, TrustedProxyConfig};
use hexabase_api::{ApiState, layers, organizations, projects, workspaces};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::model::{Limits, Plan};
use hexabase_core::name::{KubernetesVersion, PlanId, ProviderName};
use hexabase_core::{Platform, worker::Worker};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Plan of all organizations: the small one of the library, with more workspaces.
fn plan() -> Result<Plan> {
    let small = Plan::small(PlanId::parse("standard")?, KubernetesVersion::parse("1.36")?);
    Ok(Plan { limits: Limits { workspaces: 5, ..small.limits }, ..small })
}

/// Areas of organizations, workspaces and projects, with all layers.
async fn tenancy(platform: Platform, proxies: &str) -> Result<Router> {
    // The proxy is the only authentication: the areas of sign-in, sessions and API tokens are not mounted.
    let proxy = TrustedProxyConfig::oauth2_proxy(vec![proxies.parse()?], ProviderName::parse("proxy")?);
    let authenticator = TrustedProxy::new(platform.clone(), proxy);
    // Issues the tokens in kubeconfigs. It has no sign-in providers.
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await?;
    let state = ApiState::builder(platform, auth).with_authenticator(Arc::new(authenticator)).build();

    let areas = [organizations::router::<ApiState>(), workspaces::router(), projects::router()];
    let routers = areas.into_iter().map(|area| area.split_for_parts().0);
    let router = routers.fold(Router::new(), Router::merge);
    Ok(layers::default_stack(router, &state).with_state(state))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:3000".to_owned());
    let proxies = arguments.next().unwrap_or("127.0.0.1/32".to_owned());

    // Browsers may send requests from pages of this origin only.
    let public_url = format!("http://{address}/tenancy");
    let platform = Platform::builder(&public_url).with_plans(vec![plan()?]).build()?;
    let worker = Worker::new(platform.clone(), 4);
    tokio::spawn(async move { worker.run(std::future::pending()).await });

    let service = Router::new()
        .route("/", get(async || "routes of the service itself"))
        .nest("/tenancy", tenancy(platform, &proxies).await?);
    // The trust in the headers depends on the peer of the connection.
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(tokio::net::TcpListener::bind(address).await?, service).await?)
}
