//! OpenAPI document and documentation page.

use std::sync::Arc;

use axum::extract::{FromRef, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{Html, IntoResponse as _, Response};
use hexabase_core::error::Error;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SystemState;
use crate::extract::Path;
use crate::html_pages::with_product;
use crate::problem::{ApiError, ApiResult, Problems};
use crate::state::ApiConfig;

const OPENAPI_PATH: &str = "/api/v1/openapi.json";

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
    Arc<ApiConfig>: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(openapi)).routes(routes!(docs)).routes(routes!(asset))
}

/// Get the OpenAPI document
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "System", security(()),
    responses((status = 200, body = Object)))]
async fn openapi(State(system): State<SystemState>) -> Response {
    ([(CONTENT_TYPE, "application/json")], system.document().to_owned()).into_response()
}

/// Show the API documentation
#[utoipa::path(get, path = "/docs", tag = "System", security(()),
    responses((status = 200, content_type = "text/html", body = String)))]
async fn docs(State(config): State<Arc<ApiConfig>>) -> Response {
    // Scripts and styles of this server only.
    let policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                  img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";
    let page = with_product(include_str!("docs.html"), &config.product);
    ([(CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct AssetPath {
    /// Name of the file.
    file: String,
}

/// Get a file of the documentation page
#[utoipa::path(get, path = "/docs/{file}", tag = "System", security(()), params(AssetPath),
    responses((status = 200, content_type = "application/octet-stream", body = String), Problems))]
async fn asset(Path(path): Path<AssetPath>) -> ApiResult<Response> {
    let config = utoipa_swagger_ui::Config::new([OPENAPI_PATH]);
    let found = utoipa_swagger_ui::serve(&path.file, Arc::new(config))
        .map_err(|error| Error::unexpected("serving a documentation file failed").with("cause", error))?;
    let file = found.filter(|_| path.file != "index.html").ok_or_else(ApiError::no_such_path)?;
    let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "public, max-age=3600".to_owned())];
    let mut response = (headers, file.bytes.into_owned()).into_response();
    if file.gzpipped {
        let gzip = axum::http::HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
    }
    Ok(response)
}
