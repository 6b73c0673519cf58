//! The host clusters that carry tenant clusters, for those who operate the installation.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::Check;
use hexabase_core::name::{HostClusterName, Region};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{ChangeHost, KnownHost, RegisterHost};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admin::require_operator;
use super::field::{clearable, given, optional};
use super::place::AtCluster;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register, list)).routes(routes!(get, update, forget))
}

/// A cluster that carries tenant clusters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cluster)]
struct ClusterView {
    /// Its name.
    #[schema(example = "fra-1")]
    name: String,
    /// The region it is in.
    #[schema(example = "eu")]
    region: Option<String>,
    /// What plans may ask for.
    #[schema(example = json!({"gpu": "a100"}))]
    labels: BTreeMap<String, String>,
    /// How many workspaces it takes; null for as many as come.
    capacity: Option<u32>,
    /// How many it carries.
    workspaces: u32,
    /// Whether it takes no new ones.
    cordoned: bool,
    /// Whether tenant clusters are only pretended there.
    sandbox: bool,
    /// How it was registered; null for one that comes from the settings of the server, and is changed there.
    registration: Option<RegistrationView>,
}

/// What is known of a registered cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClusterRegistration)]
struct RegistrationView {
    /// What is particular to it, by the names of the server's options.
    #[schema(example = json!({"tenant_endpoint": "https://{name}.fra-1.tenants.example"}))]
    settings: BTreeMap<String, String>,
    /// `unknown` until a worker has asked it, `healthy`, or `unreachable`; new workspaces go to no cluster that is.
    #[schema(example = "healthy")]
    health: String,
    /// Why it is unreachable.
    message: String,
    /// Since when it is as it is.
    since: Timestamp,
    /// When it was registered.
    created_at: Timestamp,
    /// When it last changed, its health included.
    updated_at: Timestamp,
    /// Raised by every change.
    version: u64,
}

impl From<KnownHost> for ClusterView {
    fn from(known: KnownHost) -> Self {
        let KnownHost { host, workspaces, registration } = known;
        let registration = registration.map(|registration| RegistrationView {
            settings: registration.settings,
            health: registration.health.state.to_string(),
            message: registration.health.message,
            since: registration.health.since,
            created_at: registration.created_at,
            updated_at: registration.updated_at,
            version: registration.version.number(),
        });
        Self {
            name: host.name.to_string(),
            region: host.region.map(|region| region.to_string()),
            labels: host.labels,
            capacity: Some(host.capacity).filter(|capacity| *capacity < u32::MAX),
            workspaces,
            cordoned: host.cordoned,
            sandbox: host.sandbox,
            registration,
        }
    }
}

/// The reply that shows a cluster.
fn shown(known: KnownHost, reply: impl FnOnce(ClusterView) -> Reply<ClusterView>) -> Reply<ClusterView> {
    let version = known.registration.as_ref().map(|registration| registration.version);
    let reply = reply(known.into());
    match version {
        Some(version) => reply.version(version),
        None => reply,
    }
}

/// What a new cluster is like.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCluster {
    /// Its name: lower-case letters, digits and `-`.
    #[schema(example = "fra-1")]
    name: String,
    /// A kubeconfig that leads to it, with everything in it: it runs no program and names no file. It is kept encrypted and
    /// never shown.
    #[schema(value_type = String)]
    kubeconfig: SecretString,
    /// The region it is in.
    region: Option<String>,
    /// What plans may ask for.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// How many workspaces it takes; as many as come if not said.
    capacity: Option<u32>,
    /// Whether it takes no workspaces yet.
    #[serde(default)]
    cordoned: bool,
    /// What is particular to it, by the names of the server's options: `tenant_endpoint`, `tenant_exposure`, `tenant_address`,
    /// `tenant_ingress`, `vcluster_version`, `vcluster_image`, `vcluster_overrides`, `vcluster_store`, `image_registry`,
    /// `service_cidr`, `pod_cidr`, `storage_class`, `host_service_account`. What is not given is as the server's own options say.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// Register a cluster. New workspaces may be placed on it at once; whether it answers shows a moment later.
#[utoipa::path(post, path = "/api/v1/admin/clusters", tag = "Operators", request_body = NewCluster,
    responses((status = 201, body = ClusterView), Problems))]
async fn register(
    State(app): State<App>,
    signed_in: SignedIn,
    Body(wanted): Body<NewCluster>,
) -> Answer<Reply<ClusterView>> {
    require_operator(&app, &signed_in).await?;
    let mut check = Check::default();
    let name = check.field("name", HostClusterName::parse(&wanted.name));
    let region = check.field("region", optional(&wanted.region, Region::parse));
    let (name, region) = check.all((name, region))?;
    let host = HostCluster {
        region,
        labels: wanted.labels,
        cordoned: wanted.cordoned,
        capacity: wanted.capacity.unwrap_or(u32::MAX),
        ..HostCluster::new(name)
    };
    let command = RegisterHost { host, settings: wanted.settings, kubeconfig: wanted.kubeconfig };
    let made = app.platform.hosts().register(&signed_in.0, &command).await?;
    tracing::info!(host = %command.host.name, by = %signed_in.0.principal.user_id, "a host cluster was registered");
    let location = format!("/api/v1/admin/clusters/{}", command.host.name);
    Ok(shown(made.value, |view| Reply::created(location, view)).replayed(made.replayed))
}

/// List the clusters: those of the server's settings, and those that were registered.
#[utoipa::path(get, path = "/api/v1/admin/clusters", tag = "Operators",
    responses((status = 200, body = List<ClusterView>), Problems))]
async fn list(State(app): State<App>, signed_in: SignedIn) -> Answer<Json<List<ClusterView>>> {
    require_operator(&app, &signed_in).await?;
    let all = app.platform.hosts().list().await?;
    Ok(Json(List::whole(all.into_iter().map(ClusterView::from).collect())))
}

/// Show a cluster.
#[utoipa::path(get, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(AtCluster),
    responses((status = 200, body = ClusterView), Problems))]
async fn get(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(at): Path<AtCluster>,
) -> Answer<Reply<ClusterView>> {
    require_operator(&app, &signed_in).await?;
    Ok(shown(app.platform.hosts().get(&at.cluster).await?, Reply::ok))
}

/// What to change about a cluster; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClusterChange {
    /// Another way to it.
    #[schema(value_type = Option<String>)]
    kubeconfig: Option<SecretString>,
    /// The region it is in; null for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    region: Option<Option<String>>,
    /// What plans may ask for, all of it.
    labels: Option<BTreeMap<String, String>>,
    /// How many workspaces it takes; null for as many as come.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>)]
    capacity: Option<Option<u32>>,
    /// Whether it takes no new workspaces.
    cordoned: Option<bool>,
    /// What is particular to it, all of it.
    settings: Option<BTreeMap<String, String>>,
}

/// Change a registered cluster. Workspaces stay where they are.
#[utoipa::path(patch, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(AtCluster),
    request_body = ClusterChange, responses((status = 200, body = ClusterView), Problems))]
async fn update(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(at): Path<AtCluster>,
    expected: IfMatch,
    Body(wanted): Body<ClusterChange>,
) -> Answer<Reply<ClusterView>> {
    require_operator(&app, &signed_in).await?;
    let mut check = Check::default();
    let region = check.field("region", clearable(&wanted.region, Region::parse));
    let command = ChangeHost {
        region: check.all(region)?,
        labels: wanted.labels,
        capacity: wanted.capacity.map(|capacity| capacity.unwrap_or(u32::MAX)),
        cordoned: wanted.cordoned,
        settings: wanted.settings,
        kubeconfig: wanted.kubeconfig,
    };
    let changed = app.platform.hosts().change(&at.cluster, &command, expected.version()).await?;
    tracing::info!(host = %at.cluster, by = %signed_in.0.principal.user_id, "a host cluster was changed");
    Ok(shown(changed, Reply::ok))
}

/// Forget a registered cluster that is cordoned and carries no workspaces. Nothing on it is touched.
#[utoipa::path(delete, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(AtCluster),
    responses((status = 204, description = "It is forgotten."), Problems))]
async fn forget(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(at): Path<AtCluster>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    require_operator(&app, &signed_in).await?;
    app.platform.hosts().forget(&at.cluster, expected.version()).await?;
    tracing::info!(host = %at.cluster, by = %signed_in.0.principal.user_id, "a host cluster was forgotten");
    Ok(StatusCode::NO_CONTENT)
}
