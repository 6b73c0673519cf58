//! Sign-in, sessions, API tokens and the page of invitations.

pub(crate) mod api_tokens;
pub(crate) mod browser;
mod dev;
pub(crate) mod invitation_page;
pub mod requests;
pub(crate) mod sessions;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::html_pages::HtmlPages;
pub use crate::oidc::authorization::sign_in_options;
pub use browser::{end_session, rename, start_link};

/// Tags and schemas of parameters of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Sign-in", description = "Sign-in, sessions and API tokens.")), components(schemas(requests::Prompt)))]
struct Document;

/// Routes of sign-in, except for [the development provider](development_router).
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
    Platform: FromRef<S>,
{
    let areas = [browser::router(), sessions::router(), api_tokens::router(), invitation_page::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}

/// Routes of the development provider, with which any client can sign in as any user. Without a provider they only
/// describe themselves.
pub fn development_router<S>(provider: Option<Arc<DevProvider>>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
{
    dev::router(provider)
}

/// Returns the OpenAPI document of [the development provider](development_router).
#[must_use]
pub fn development_openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(development_router(None))
}
