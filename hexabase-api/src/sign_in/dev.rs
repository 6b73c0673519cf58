//! Sign-in as any user without a password. These routes exist only if the operator enabled the development provider.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use hexabase_auth::{Auth, DevProvider, PendingApproval};
use hexabase_core::identity::{ExternalIdentity, IdentityProvider as _};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::DevIdentity;
use crate::caller::ClientOrigin;
use crate::extract::{Body, Query};
use crate::html_pages::HtmlPages;
use crate::problem::{ApiResult, Problems};
use crate::requests::from_form;
use crate::sign_in::browser::TokenPairView;

/// Tags of the routes in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Development", description = "Sign-in without an identity provider, with `--dev` only.")))]
struct Document;

pub(super) fn router<S>(provider: Option<Arc<DevProvider>>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
{
    let router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(login))
        .routes(routes!(sign_in_form, approve));
    match provider {
        Some(provider) => router.layer(Extension(provider)),
        None => router,
    }
}

/// Sign in as any user
///
/// For development only. Returns a token pair.
#[utoipa::path(post, path = "/auth/dev/login", tag = "Development", security(()), request_body = DevIdentity,
    responses((status = 200, body = TokenPairView), Problems))]
async fn login(
    State(auth): State<Arc<Auth>>,
    Extension(provider): Extension<Arc<DevProvider>>,
    ClientOrigin(origin): ClientOrigin,
    Body(body): Body<DevIdentity>,
) -> ApiResult<Json<TokenPairView>> {
    let (email, name) = body.parse()?;
    let auth_time = Some(auth.platform().clock().now());
    let identity = ExternalIdentity { auth_time, ..DevProvider::identity(&email, name) };
    Ok(Json(auth.sign_in().with_identity(provider.name(), &identity, &origin).await?.into()))
}

/// Show the sign-in form of the development provider
#[utoipa::path(get, path = "/auth/dev/authorize", tag = "Development", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
async fn sign_in_form(State(pages): State<Arc<dyn HtmlPages>>) -> Response {
    pages.development_sign_in()
}

/// Submit the sign-in form of the development provider
#[utoipa::path(post, path = "/auth/dev/authorize", tag = "Development", security(()),
    request_body(content = DevIdentity, content_type = "application/x-www-form-urlencoded"),
    responses((status = 302, description = "Redirect to the callback of this server."), Problems))]
async fn approve(
    Extension(provider): Extension<Arc<DevProvider>>,
    Query(request): Query<PendingApproval>,
    form: Bytes,
) -> ApiResult<Response> {
    let (email, name) = from_form::<DevIdentity>(&form)?.parse()?;
    let location = provider.approve(request, email, name).await?;
    Ok((StatusCode::FOUND, [(LOCATION, location)]).into_response())
}
