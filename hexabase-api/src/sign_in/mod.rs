//! Sign-in, sessions and API tokens.

pub(crate) mod api_tokens;
pub(crate) mod browser;
mod dev;
pub(crate) mod sessions;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

/// Routes of sign-in, except for [the development provider](development_router).
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Platform: FromRef<S>,
{
    let areas = [browser::router(), sessions::router(), api_tokens::router()];
    areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge)
}

/// Routes of the development provider, with which any client can sign in as any user. Without a provider they only
/// describe themselves.
pub fn development_router<S>(provider: Option<Arc<DevProvider>>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
{
    dev::router(provider)
}
