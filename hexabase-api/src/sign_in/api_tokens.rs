//! API tokens of the caller.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use hexabase_core::model::ApiToken;
use hexabase_core::platform::NewToken;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::NewApiToken;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::TokenPath;
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(remove))
}

/// Credential for automation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct TokenView {
    /// Id of the token.
    id: schema::TokenId,
    /// Name for display.
    name: String,
    /// Scopes that restrict the use of the token.
    scopes: Vec<schema::ApiTokenScope>,
    /// Creation time.
    created_at: Timestamp,
    /// Expiry time; null if the token does not expire.
    #[schema(required)]
    expires_at: Option<Timestamp>,
    /// Time of the last use, to the minute; null before the first use.
    #[schema(required)]
    used_at: Option<Timestamp>,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.into(),
            name: token.name.to_string(),
            scopes: token.scopes.iter().map(Into::into).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
        }
    }
}

/// API token with its secret, which is returned only once.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenWithSecret {
    #[serde(flatten)]
    token: TokenView,
    /// Secret to send as `Authorization: Bearer`. It is not returned again; a replay of the request lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "hxb_…")]
    secret: Option<String>,
}

impl From<NewToken> for TokenWithSecret {
    fn from(created: NewToken) -> Self {
        Self { token: created.token.into(), secret: created.secret }
    }
}

/// Create an API token for the caller
///
/// The secret is returned only once.
#[utoipa::path(post, path = "/api/v1/me/tokens", tag = "Sign-in", request_body = NewApiToken,
    responses((status = 201, body = TokenWithSecret), Problems))]
async fn create(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    Body(body): Body<NewApiToken>,
) -> ApiResult<ApiResponse<TokenWithSecret>> {
    let created = auth.api_tokens().create(&caller, &body.parse()?).await?;
    let location = format!("/api/v1/me/tokens/{}", created.value.token.id);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

/// List the API tokens of the caller
#[utoipa::path(get, path = "/api/v1/me/tokens", tag = "Sign-in", params(PageQuery),
    responses((status = 200, body = List<TokenView>), Problems))]
async fn list(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<TokenView>>> {
    let page = auth.api_tokens().list(&caller, &pager.request(&query)?).await?;
    pager.list(page, TokenView::from)
}

/// Delete an API token of the caller
///
/// Requests with the token are rejected immediately.
#[utoipa::path(delete, path = "/api/v1/me/tokens/{tok}", tag = "Sign-in", params(TokenPath),
    responses((status = 204, description = "The token is deleted."), Problems))]
async fn remove(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    Path(path): Path<TokenPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    auth.api_tokens().delete(&caller, path.tok).await?;
    Ok(StatusCode::NO_CONTENT)
}
