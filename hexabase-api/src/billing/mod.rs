//! Plans, subscriptions, payment methods, invoices and usage.

pub(crate) mod invoices;
pub(crate) mod payments;
pub(crate) mod plans;
pub mod requests;
pub(crate) mod subscriptions;
pub(crate) mod usage;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Description of the tag of the area.
pub(crate) const TAG: &str = "Plans, subscriptions, payment methods, invoices and usage.";

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Billing", description = TAG)))]
struct Document;

/// Routes of billing.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    let areas =
        [plans::router(), subscriptions::router(), payments::router(), invoices::router(), usage::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
