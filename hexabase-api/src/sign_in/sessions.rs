//! Sessions and security events of the caller.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use hexabase_core::id::SessionId;
use hexabase_core::model::{SecurityEvent, Session};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{IfMatch, Path, Query};
use crate::path_params::SessionPath;
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(end))
        .routes(routes!(end_all))
        .routes(routes!(end_others))
        .routes(routes!(security_events))
}

/// Session of the caller: one sign-in on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView {
    /// Id of the session.
    id: schema::SessionId,
    /// Id of the provider that the user signed in with.
    provider: String,
    /// Id of the OAuth client that acts on behalf of the user; null for a session of the user itself.
    #[schema(required)]
    client: Option<String>,
    /// `User-Agent` of the client, shortened.
    device: String,
    /// Network address of the client at sign-in; null if unknown.
    #[schema(required)]
    address: Option<String>,
    /// Start of the session.
    created_at: Timestamp,
    /// Time of the last refresh of its tokens.
    used_at: Timestamp,
    /// Expiry time.
    expires_at: Timestamp,
    /// `true` for the session of this request.
    current: bool,
}

impl SessionView {
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            current: session.id == current,
            id: session.id.into(),
            provider: session.provider.to_string(),
            client: session.grant.map(|grant| grant.client_id),
            device: session.device,
            address: session.address,
            created_at: session.created_at,
            used_at: session.used_at,
            expires_at: session.expires_at,
        }
    }
}

/// List the sessions of the caller
#[utoipa::path(get, path = "/auth/sessions", tag = "Sign-in",
    responses((status = 200, body = List<SessionView>), Problems))]
async fn list(
    State(auth): State<Arc<Auth>>,
    authenticated: Authenticated,
) -> ApiResult<Json<List<SessionView>>> {
    let current = authenticated.session()?;
    let sessions = auth.sessions().list(authenticated.0.principal.user_id).await?;
    Ok(Json(List::complete(sessions.into_iter().map(|session| SessionView::new(session, current)).collect())))
}

/// Revoke a session of the caller
///
/// Takes effect immediately.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = "Sign-in", params(SessionPath),
    responses((status = 204, description = "The session is revoked."), Problems))]
async fn end(
    State(auth): State<Arc<Auth>>,
    authenticated: Authenticated,
    Path(path): Path<SessionPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    authenticated.session()?;
    let caller = authenticated.0;
    auth.sessions().revoke(caller.principal.user_id, path.id, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke all sessions of the caller
///
/// Takes effect immediately, for the session of this request, too.
#[utoipa::path(post, path = "/auth/sessions/revoke-all", tag = "Sign-in",
    responses((status = 204, description = "All sessions are revoked."), Problems))]
async fn end_all(State(auth): State<Arc<Auth>>, authenticated: Authenticated) -> ApiResult<StatusCode> {
    authenticated.session()?;
    let caller = authenticated.0;
    auth.sessions().revoke_all(caller.principal.user_id, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revoke all other sessions of the caller
///
/// Takes effect immediately. The session of this request continues, with the sessions that it was derived from.
#[utoipa::path(post, path = "/auth/sessions/revoke-others", tag = "Sign-in",
    responses((status = 204, description = "The other sessions are revoked."), Problems))]
async fn end_others(State(auth): State<Arc<Auth>>, authenticated: Authenticated) -> ApiResult<StatusCode> {
    let current = authenticated.session()?;
    let caller = authenticated.0;
    auth.sessions().revoke_others(caller.principal.user_id, current, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Security event of a user account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecurityEvent)]
struct SecurityEventView {
    /// Id of the event.
    id: schema::EventId,
    /// Kind of the event.
    kind: schema::SecurityEventKind,
    /// Id of the session; null if the event concerns none.
    #[schema(required)]
    session_id: Option<schema::SessionId>,
    /// Network address of the client; null if unknown.
    #[schema(required)]
    address: Option<String>,
    /// `User-Agent` of the client, shortened.
    device: String,
    /// Time of the event.
    at: Timestamp,
}

impl From<SecurityEvent> for SecurityEventView {
    fn from(event: SecurityEvent) -> Self {
        Self {
            id: event.id.into(),
            kind: event.kind.into(),
            session_id: event.session_id.map(Into::into),
            address: event.address,
            device: event.device,
            at: event.at,
        }
    }
}

/// List the security events of the caller, newest first
#[utoipa::path(get, path = "/auth/security-events", tag = "Sign-in", params(PageQuery),
    responses((status = 200, body = List<SecurityEventView>), Problems))]
async fn security_events(
    State(auth): State<Arc<Auth>>,
    authenticated: Authenticated,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<SecurityEventView>>> {
    authenticated.session()?;
    let user = authenticated.0.principal.user_id;
    let page = auth.platform().users().security_events(user, &pager.request(&query)?).await?;
    pager.list(page, SecurityEventView::from)
}
