//! Organizations, their members, invitations, service accounts, inventories, audit log and abilities.

pub(crate) mod abilities;
pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod inventories;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod organization;
pub mod requests;
pub(crate) mod search;
pub(crate) mod service_accounts;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::event_hub::EventStreams;

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Organizations", description = "Organizations, their members, invitations, service accounts, inventories and audit log.")))]
struct Document;

/// Routes of organizations, except for [their live events](events_router).
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    let areas = [
        organization::router(),
        members::router(),
        invitations::router(),
        service_accounts::router(),
        inventories::router(),
        audit::router(),
        search::router(),
        abilities::router(),
    ];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router().merge(events_router()))
}

/// Route of the live events of an organization.
pub fn events_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    EventStreams: FromRef<S>,
{
    events::router()
}
