//! Hexabase as the OpenID Connect provider of tenant clusters and registered clients.

pub(crate) mod authorization;
pub(crate) mod oauth;
mod schemas;
pub(crate) mod well_known;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::html_pages::HtmlPages;

/// Tags and schemas of parameters of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "OIDC", description = "OpenID Connect provider of the tenant clusters.")), components(schemas(schemas::ResponseType, schemas::CodeChallengeMethod)))]
struct Document;

/// Routes of the OpenID Connect provider.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
    Platform: FromRef<S>,
{
    let areas = [well_known::router(), authorization::router(), oauth::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
