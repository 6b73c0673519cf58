//! The audit log of an organization.

use axum::Json;
use axum::extract::State;
use hexabase_core::error::Check;
use hexabase_core::model::{AuditEvent, AuditFilter};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::optional;
use super::place::InOrganization;
use crate::api::edge::SignedIn;
use crate::api::extract::{Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Something that was done in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct AuditEventView {
    /// Which entry.
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Who did it; every field is null when Hexabase itself did.
    actor: ActorView,
    /// What was done.
    #[schema(example = "workspace.create")]
    action: String,
    /// To what: an id, or several from the outside in, with slashes between them.
    resource: String,
    /// How it was before; null for something new.
    #[schema(value_type = Object)]
    before: Value,
    /// How it was afterwards; null for something that went.
    #[schema(value_type = Object)]
    after: Value,
    /// The client's network address, as far as it is known.
    address: Option<String>,
    /// What the client called itself.
    device: String,
    /// The request with which it was done.
    request_id: String,
    /// When.
    at: Timestamp,
}

/// Who did something, and with what credential.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorView {
    user_id: Option<String>,
    session_id: Option<String>,
    token_id: Option<String>,
}

impl From<AuditEvent> for AuditEventView {
    fn from(entry: AuditEvent) -> Self {
        let actor = entry.actor;
        Self {
            id: entry.id.to_string(),
            actor: ActorView {
                user_id: actor.user_id.map(|id| id.to_string()),
                session_id: actor.session_id.map(|id| id.to_string()),
                token_id: actor.token_id.map(|id| id.to_string()),
            },
            action: entry.action,
            resource: entry.resource,
            before: entry.before,
            after: entry.after,
            address: entry.origin.address,
            device: entry.origin.device,
            request_id: entry.origin.request_id,
            at: entry.at,
        }
    }
}

/// Which entries to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// Only what this user did: `usr_…`.
    actor: Option<String>,
    /// Only this action, such as `workspace.create`.
    action: Option<String>,
    /// Only what was done to this resource, written as entries write it.
    resource: Option<String>,
    /// Only what was done at this time or later (RFC 3339).
    since: Option<String>,
    /// Only what was done before this time (RFC 3339).
    until: Option<String>,
    /// How many entries at most, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Read the audit log, newest first.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/audit-events", tag = "Organizations",
    params(InOrganization, AuditQuery), responses((status = 200, body = List<AuditEventView>), Problems),
    extensions(("x-hexabase-action" = json!("audit.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<AuditQuery>,
) -> Answer<Json<List<AuditEventView>>> {
    let mut check = Check::default();
    let actor = check.field("actor", optional(&query.actor, str::parse));
    let since = check.field("since", optional(&query.since, str::parse::<Timestamp>));
    let until = check.field("until", optional(&query.until, str::parse::<Timestamp>));
    let (actor, since, until) = check.all((actor, since, until))?;
    let filter = AuditFilter { actor, action: query.action, resource: query.resource, since, until };
    let page = pager.request(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let page = app.platform.organizations().audit_events(&caller, at.org, &filter, &page).await?;
    pager.list(page, AuditEventView::from)
}
