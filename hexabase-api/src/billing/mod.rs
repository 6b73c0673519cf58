//! Plans, subscriptions, payment methods, invoices and usage.

pub(crate) mod invoices;
pub(crate) mod payments;
pub(crate) mod plans;
pub(crate) mod subscriptions;
pub(crate) mod usage;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Routes of billing.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    let areas =
        [plans::router(), subscriptions::router(), payments::router(), invoices::router(), usage::router()];
    areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
