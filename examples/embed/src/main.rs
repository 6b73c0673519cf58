//! Multi-tenancy in an existing axum service, in memory. The service authenticates its users itself: a trusted proxy
//! in front of it sets a header with the user.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{Origin, Workspace};
use hexabase_core::name::{Email, ProviderName, Slug};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::CreateWorkspace;
use hexabase_core::{Caller, Platform, worker::Worker};

async fn create_workspace(platform: &Platform, name: &str, user: &str) -> Result<Workspace> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(name));
    let email = check.field("x-user", Email::parse(user));
    let provider = check.field("provider", ProviderName::parse("proxy"));
    let (name, email, provider) = check.all((name, email, provider))?;

    let identity = ExternalIdentity {
        subject: user.to_owned(),
        verified_email: Some(email),
        name: None,
        auth_time: None,
    };
    let user_id = platform.users().sign_in(&provider, &identity, &Origin::default()).await?.id;
    let caller = Caller::for_user(user_id);

    // The first sign-in of a user creates a personal organization.
    let organizations = platform.organizations().list(&caller, &PageRequest::largest()).await?.items;
    let organization =
        organizations.first().map(|(first, _)| first.id).ok_or_else(|| Error::not_found("organization"))?;
    let plan_id = platform.plans().default_plan().id.clone();
    let command =
        CreateWorkspace { name, display_name: None, plan_id, region: None, kubernetes_version: None };
    Ok(platform.workspaces().create(&caller, organization, &command).await?.value.workspace)
}

async fn post_cluster(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> std::result::Result<Json<Workspace>, (StatusCode, String)> {
    let user = headers.get("x-user").and_then(|user| user.to_str().ok()).unwrap_or_default();
    let created = create_workspace(&platform, &name, user).await;
    created.map(Json).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let plans = hexabase_billing::plans::built_in();
    let platform = Platform::builder("http://localhost:3000").with_plans(plans).build()?;
    let worker = Worker::new(platform.clone(), 4);
    tokio::spawn(async move { worker.run(std::future::pending()).await });

    let service = Router::new().route("/clusters/{name}", post(post_cluster)).with_state(platform);
    let listener = tokio::net::TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into()));
    Ok(axum::serve(listener.await?, service).await?)
}
