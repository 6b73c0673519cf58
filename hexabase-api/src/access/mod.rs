//! Groups of workspaces with their members, roles and assignments.

pub(crate) mod access_reviews;
pub(crate) mod assignments;
pub(crate) mod groups;
pub(crate) mod roles;
pub(crate) mod workspace_members;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

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
    areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
