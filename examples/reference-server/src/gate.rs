//! The way into a sandbox over HTTP, for `kubectl` and the like.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hexabase_core::id::WorkspaceId;
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, User};
use serde_json::json;

use crate::app::App;

/// Where a server mounts the API servers of its sandbox's tenants; the tenant's name is appended.
pub(crate) const TENANTS: &str = "/sandbox/tenants";
/// Where a server mounts the API server of the sandbox itself.
pub(crate) const HOST: &str = "/sandbox/host";

/// The longest body that is read, as of a real API server.
const LARGEST_BODY: usize = 3 * 1024 * 1024;

/// A way into a sandbox.
#[derive(Clone)]
struct Gate {
    sandbox: Sandbox,
    /// Who knows tokens; none where everybody may do everything.
    guard: Option<App>,
}

/// The ways into the sandbox of a server. Tenants let in those whose tokens are for them. The host is open where
/// anybody can sign in as anybody, and closed elsewhere.
pub(crate) fn guarded(app: &App, sandbox: Sandbox) -> Router {
    let tenants = Router::new().route(&format!("{TENANTS}/{{name}}/{{*path}}"), any(tenant));
    let routes = match app.dev {
        Some(_) => tenants.route(&format!("{HOST}/{{*path}}"), any(host)),
        None => tenants,
    };
    routes.with_state(Gate { sandbox, guard: Some(app.clone()) })
}

/// The ways into a sandbox in which everybody may do everything.
pub(crate) fn open(sandbox: Sandbox) -> Router {
    Router::new()
        .route(&format!("{TENANTS}/{{name}}/{{*path}}"), any(tenant))
        .route(&format!("{HOST}/{{*path}}"), any(host))
        .with_state(Gate { sandbox, guard: None })
}

async fn host(State(gate): State<Gate>, request: Request) -> Response {
    forward(&gate.sandbox.host(), HOST, request).await
}

async fn tenant(
    State(gate): State<Gate>,
    Path((name, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    let user = match &gate.guard {
        None => Some(User::admin()),
        Some(app) => who(app, &name, request.headers()).await,
    };
    let Some(user) = user else { return refuse(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized") };
    match gate.sandbox.tenant(&name) {
        Some(api) => forward(&api.with_user(user), &format!("{TENANTS}/{name}"), request).await,
        None => {
            let message = "the tenant cluster is not running in this sandbox";
            refuse(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
        }
    }
}

/// Who is calling, as the API server of a tenant cluster that trusts our tokens would find out: the prefixes are
/// those of its authentication configuration. None for whoever shows a token that is not good.
async fn who(app: &App, tenant: &str, headers: &HeaderMap) -> Option<User> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Some(User::anonymous()) };
    let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
    let workspace = tenant.replacen('-', "_", 1).parse::<WorkspaceId>().ok()?;
    let (user, groups) = app.auth.verify_cluster_token(token, workspace).await.ok()?;
    let groups = groups.iter().map(|group| format!("hexabase:{group}")).collect();
    Some(User::authenticated(format!("hexabase:{user}"), groups))
}

async fn forward(api: &SandboxApi, mount: &str, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the body is too large");
    };
    let whole = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Some(Ok(inside)) = whole.strip_prefix(mount).map(str::parse::<Uri>) else {
        return refuse(StatusCode::NOT_FOUND, "NotFound", "there is nothing at this path");
    };
    head.uri = inside;
    api.answer(&Request::from_parts(head, body)).map(Body::new)
}

/// An error as API servers write it
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>).
fn refuse(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status.as_u16(),
    });
    (status, axum::Json(body)).into_response()
}
