//! Administration of the installation, for platform administrators.

pub(crate) mod clusters;
pub(crate) mod keys;
mod operator;
pub(crate) mod organizations;
pub(crate) mod plans;
pub(crate) mod queue;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Routes for platform administrators.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
{
    let areas =
        [clusters::router(), queue::router(), keys::router(), plans::router(), organizations::router()];
    areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
