//! Tenancy inside somebody else's axum service, all in memory. The service knows its users already: a header
//! says who is calling, as a proxy in front of it would.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{Origin, Workspace};
use hexabase_core::name::{Email, ProviderName, Slug};
use hexabase_core::page::PageRequest;
use hexabase_core::platform::CreateWorkspace;
use hexabase_core::{Caller, Platform, worker::Worker};

async fn order(platform: &Platform, name: &str, user: &str) -> Result<Workspace> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(name));
    let email = check.field("x-user", Email::parse(user));
    let provider = check.field("provider", ProviderName::parse("proxy"));
    let (name, email, provider) = check.all((name, email, provider))?;

    let who = ExternalIdentity { subject: user.to_owned(), verified_email: Some(email), name: None };
    let user_id = platform.users().sign_in(&provider, &who, &Origin::default()).await?.id;
    let session = platform.ids().id(platform.clock().now());
    let caller = Caller::new(Principal { user_id, credential: Credential::Session(session) });

    // Everybody has an organization of their own from the first time on.
    let mine = platform.organizations().list(&caller, &PageRequest::largest()).await?.items;
    let organization =
        mine.first().map(|(mine, _)| mine.id).ok_or_else(|| Error::not_found("organization"))?;
    let plan_id = platform.plans().first().id.clone();
    let wanted =
        CreateWorkspace { name, display_name: None, plan_id, region: None, kubernetes_version: None };
    Ok(platform.workspaces().create(&caller, organization, &wanted).await?.value.workspace)
}

async fn buy(
    State(platform): State<Platform>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> std::result::Result<Json<Workspace>, (StatusCode, String)> {
    let user = headers.get("x-user").and_then(|user| user.to_str().ok()).unwrap_or_default();
    let bought = order(&platform, &name, user).await;
    bought.map(Json).map_err(|error| (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let plans = hexabase_billing::plans::built_in();
    let platform = Platform::builder("http://localhost:3000").with_plans(plans).build()?;
    let worker = Worker::new(platform.clone(), 4);
    tokio::spawn(async move { worker.run(std::future::pending()).await });

    let service = Router::new().route("/clusters/{name}", post(buy)).with_state(platform);
    let listener = tokio::net::TcpListener::bind(std::env::args().nth(1).unwrap_or("127.0.0.1:3000".into()));
    Ok(axum::serve(listener.await?, service).await?)
}
