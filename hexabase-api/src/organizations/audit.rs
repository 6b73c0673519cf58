//! Audit log of an organization.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::AuditEvent;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::AuditQuery;
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};
use crate::response::{List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list))
}

/// Entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct AuditEventView {
    /// Id of the entry.
    id: schema::EventId,
    /// Author of the change; all fields are null for the platform itself.
    actor: ActorView,
    /// Action, as `noun.verb`.
    #[schema(example = "workspace.create", pattern = "^[a-z_]+\\.[a-z_]+$")]
    action: String,
    /// Changed object: its id, or the ids of a nested object from the outermost inwards, separated by slashes.
    resource: String,
    /// Object before the change; null if it is new.
    #[schema(value_type = Value)]
    before: Value,
    /// Object after the change; null if it was deleted.
    #[schema(value_type = Value)]
    after: Value,
    /// Network address of the client; null if unknown.
    #[schema(required)]
    address: Option<String>,
    /// `User-Agent` of the client, shortened.
    device: String,
    /// Id of the request.
    request_id: String,
    /// Time of the change.
    at: Timestamp,
}

/// Author of a change, with the credential that was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorView {
    /// Id of the user; null for the platform itself.
    #[schema(required)]
    user_id: Option<schema::UserId>,
    /// Id of the session; null if none was used.
    #[schema(required)]
    session_id: Option<schema::SessionId>,
    /// Id of the API token; null if none was used.
    #[schema(required)]
    token_id: Option<schema::TokenId>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(event: AuditEvent) -> Self {
        let actor = event.actor;
        Self {
            id: event.id.into(),
            actor: ActorView {
                user_id: actor.user_id.map(Into::into),
                session_id: actor.session_id.map(Into::into),
                token_id: actor.token_id.map(Into::into),
            },
            action: event.action,
            resource: event.resource,
            before: event.before,
            after: event.after,
            address: event.origin.address,
            device: event.origin.device,
            request_id: event.origin.request_id,
            at: event.at,
        }
    }
}

/// List the entries of the audit log, newest first
#[utoipa::path(get, path = "/api/v1/organizations/{org}/audit-events", tag = "Organizations",
    params(OrganizationPath, AuditQuery), responses((status = 200, body = List<AuditEventView>), Problems),
    extensions(("x-hexabase-action" = json!("audit.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Json<List<AuditEventView>>> {
    let (page, filter) = (pager.request(&query.page())?, query.parse()?);
    let page = platform.organizations().audit_events(&caller, path.org, &filter, &page).await?;
    pager.list(page, AuditEventView::from)
}
