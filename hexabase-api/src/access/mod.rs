//! Groups of workspaces with their members, roles and assignments.

pub(crate) mod access_reviews;
pub(crate) mod assignments;
pub(crate) mod groups;
pub mod requests;
pub(crate) mod roles;
pub(crate) mod workspace_members;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags(
        (name = "Groups", description = "Groups of workspaces and their members. Groups reach the cluster as claims."),
        (name = "Roles", description = "Roles and their assignments to groups: permissions in the cluster."),
        (name = "Workspaces", description = crate::workspaces::TAG),
    ))]
struct Document;

/// Routes of groups, roles and assignments.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    let areas = [
        workspace_members::router(),
        groups::router(),
        roles::router(),
        assignments::router(),
        access_reviews::router(),
    ];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
