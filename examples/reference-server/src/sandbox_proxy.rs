//! HTTP proxy to the Kubernetes APIs of a sandbox, for `kubectl` and other clients.

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

use hexabase_api::ApiState;
use hexabase_api::layers::BODY_TIMEOUT;

/// Path of the tenant API servers of a sandbox, to which the tenant's name is appended.
pub(crate) const TENANTS_PATH: &str = "/sandbox/tenants";
/// Path of the API server of the sandbox's host cluster.
pub(crate) const HOST_PATH: &str = "/sandbox/host";

/// Maximum size of a request body in bytes, as of a real API server.
const MAX_BODY_SIZE: usize = 3 * 1024 * 1024;

/// Sandbox behind the proxy, and the authentication of its callers.
#[derive(Clone)]
struct SandboxProxy {
    sandbox: Sandbox,
    /// Verifier of cluster tokens; `None` if every caller acts as an administrator.
    authenticator: Option<ApiState>,
}

/// Returns the routes to a server's sandbox. Tenant API servers accept tokens for their workspace. The host's API
/// server accepts every request in development mode, and is not routed otherwise.
pub(crate) fn authenticated(api: &ApiState, sandbox: Sandbox) -> Router {
    let tenants = Router::new().route(&format!("{TENANTS_PATH}/{{name}}/{{*path}}"), any(tenant));
    let routes = match api.development_provider() {
        Some(_) => tenants.route(&format!("{HOST_PATH}/{{*path}}"), any(host)),
        None => tenants,
    };
    routes.with_state(SandboxProxy { sandbox, authenticator: Some(api.clone()) })
}

/// Returns the routes to a sandbox without authentication: every caller acts as an administrator.
pub(crate) fn unauthenticated(sandbox: Sandbox) -> Router {
    Router::new()
        .route(&format!("{TENANTS_PATH}/{{name}}/{{*path}}"), any(tenant))
        .route(&format!("{HOST_PATH}/{{*path}}"), any(host))
        .with_state(SandboxProxy { sandbox, authenticator: None })
}

async fn host(State(proxy): State<SandboxProxy>, request: Request) -> Response {
    forward(&proxy.sandbox.host(), HOST_PATH, request).await
}

async fn tenant(
    State(proxy): State<SandboxProxy>,
    Path((name, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    let user = match &proxy.authenticator {
        None => Some(User::admin()),
        Some(api) => authenticate(api, &name, request.headers()).await,
    };
    let Some(user) = user else {
        return status_error(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
    };
    match proxy.sandbox.tenant(&name) {
        Some(api) => forward(&api.with_user(user), &format!("{TENANTS_PATH}/{name}"), request).await,
        None => {
            let message = "the tenant cluster is not running in this sandbox";
            status_error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
        }
    }
}

/// Authenticates a caller as a tenant API server that trusts our tokens does, with the prefixes of its authentication
/// configuration. Returns `None` if the token is not valid.
async fn authenticate(api: &ApiState, tenant: &str, headers: &HeaderMap) -> Option<User> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Some(User::anonymous()) };
    let token = value.to_str().ok()?.strip_prefix("Bearer ")?;
    let workspace = tenant.replacen('-', "_", 1).parse::<WorkspaceId>().ok()?;
    let (user, groups) = api.auth().issuer().verify_cluster_token(token, workspace).await.ok()?;
    let groups = groups.iter().map(|group| format!("hexabase:{group}")).collect();
    Some(User::authenticated(format!("hexabase:{user}"), groups))
}

async fn forward(api: &SandboxApi, mount: &str, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_SIZE)).await else {
        return status_error(StatusCode::REQUEST_TIMEOUT, "Timeout", "the body did not arrive in time");
    };
    let Ok(body) = read else {
        return status_error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the body is too large");
    };
    let full_path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Some(Ok(api_path)) = full_path.strip_prefix(mount).map(str::parse::<Uri>) else {
        return status_error(StatusCode::NOT_FOUND, "NotFound", "the path does not exist");
    };
    head.uri = api_path;
    api.respond(&Request::from_parts(head, body)).map(Body::new)
}

/// Returns an error in the format of Kubernetes API servers
/// (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>).
fn status_error(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status.as_u16(),
    });
    (status, axum::Json(body)).into_response()
}
