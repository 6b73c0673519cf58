//! Audit log of an organization.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::error::Check;
use hexabase_core::model::{AuditEvent, AuditFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Path, Query, parse_timestamp};
use crate::optional_field::parse_optional;
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};
use crate::response::{List, PageQuery, Pager};
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

/// Filter on the entries, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Id of the user who made the change, `usr_…`.
    #[param(value_type = Option<schema::UserId>)]
    actor: Option<String>,
    /// Action, such as `workspace.create`.
    action: Option<String>,
    /// Changed object, as in the field `resource` of entries.
    resource: Option<String>,
    /// Earliest time of the change, inclusive (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Latest time of the change, exclusive (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    cursor: Option<String>,
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
    let mut check = Check::default();
    let actor = check.field("actor", parse_optional(&query.actor, str::parse));
    let since = check.field("since", parse_optional(&query.since, parse_timestamp));
    let until = check.field("until", parse_optional(&query.until, parse_timestamp));
    let (actor, since, until) = check.all((actor, since, until))?;
    let filter = AuditFilter { actor, action: query.action, resource: query.resource, since, until };
    let page = pager.request(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let page = platform.organizations().audit_events(&caller, path.org, &filter, &page).await?;
    pager.list(page, AuditEventView::from)
}
