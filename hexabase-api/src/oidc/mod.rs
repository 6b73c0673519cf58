//! Hexabase as the OpenID Connect provider of tenant clusters and registered clients.

pub(crate) mod authorization;
pub(crate) mod oauth;
pub(crate) mod well_known;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

use crate::html_pages::HtmlPages;

/// Routes of the OpenID Connect provider.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
    Platform: FromRef<S>,
{
    let areas = [well_known::router(), authorization::router(), oauth::router()];
    areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
