//! One's own sessions, and what happened to one's account.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::id::SessionId;
use hexabase_core::model::{SecurityEvent, Session};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::AtSession;
use crate::api::edge::SignedIn;
use crate::api::extract::{IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(end))
        .routes(routes!(end_all))
        .routes(routes!(security_events))
}

/// One sign-in on one device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView {
    /// Which session.
    #[schema(example = "ses_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// The provider that vouched for you.
    provider: String,
    /// The client that acts on your behalf with it; null for a session of your own.
    client: Option<String>,
    /// What the client called itself.
    device: String,
    /// The client's network address when it signed in.
    address: Option<String>,
    /// When it began.
    created_at: Timestamp,
    /// When its tokens were last renewed.
    used_at: Timestamp,
    /// When it ends by itself.
    expires_at: Timestamp,
    /// Whether it is the one you ask with.
    current: bool,
}

impl SessionView {
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            current: session.id == current,
            id: session.id.to_string(),
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

/// List your sessions.
#[utoipa::path(get, path = "/auth/sessions", tag = "Sign-in",
    responses((status = 200, body = List<SessionView>), Problems))]
async fn list(State(app): State<App>, signed_in: SignedIn) -> Answer<Json<List<SessionView>>> {
    let current = signed_in.session()?;
    let sessions = app.auth.sessions(signed_in.0.principal.user_id).await?;
    Ok(Json(List::whole(sessions.into_iter().map(|session| SessionView::new(session, current)).collect())))
}

/// End one of your sessions, at once.
#[utoipa::path(delete, path = "/auth/sessions/{id}", tag = "Sign-in", params(AtSession),
    responses((status = 204, description = "It is over."), Problems))]
async fn end(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(at): Path<AtSession>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    signed_in.session()?;
    let caller = signed_in.0;
    app.auth.revoke(caller.principal.user_id, at.id, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End all your sessions, this one too, at once.
#[utoipa::path(post, path = "/auth/sessions/revoke-all", tag = "Sign-in",
    responses((status = 204, description = "All are over."), Problems))]
async fn end_all(State(app): State<App>, signed_in: SignedIn) -> Answer<StatusCode> {
    signed_in.session()?;
    let caller = signed_in.0;
    app.auth.revoke_all(caller.principal.user_id, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Something that happened to an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SecurityEvent)]
struct SecurityEventView {
    /// Which entry.
    id: String,
    /// What happened: `signed_in`, `token_refreshed`, `refresh_reused` and the like.
    #[schema(example = "signed_in")]
    kind: String,
    /// In which session.
    session_id: Option<String>,
    /// The client's network address, as far as it is known.
    address: Option<String>,
    /// What the client called itself.
    device: String,
    /// When.
    at: Timestamp,
}

impl From<SecurityEvent> for SecurityEventView {
    fn from(event: SecurityEvent) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            session_id: event.session_id.map(|id| id.to_string()),
            address: event.address,
            device: event.device,
            at: event.at,
        }
    }
}

/// List what happened to your account, newest first.
#[utoipa::path(get, path = "/auth/security-events", tag = "Sign-in", params(PageQuery),
    responses((status = 200, body = List<SecurityEventView>), Problems))]
async fn security_events(
    State(app): State<App>,
    signed_in: SignedIn,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<SecurityEventView>>> {
    signed_in.session()?;
    let user = signed_in.0.principal.user_id;
    let page = app.platform.users().security_events(user, &pager.request(&query)?).await?;
    pager.list(page, SecurityEventView::from)
}
