//! API tokens of the caller.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use hexabase_core::error::{Check, Error};
use hexabase_core::model::{ApiToken, Scope, Scopes};
use hexabase_core::name::DisplayName;
use hexabase_core::platform::{CreateToken, NewToken};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::TokenPath;
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, PageQuery, Pager};
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

/// API token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewApiToken)]
pub(crate) struct TokenRequest {
    /// Name for display.
    #[schema(example = "deploy from CI")]
    name: String,
    /// Scopes that restrict the use of the token.
    #[schema(example = json!(["workspaces:read", "clusters:access"]), value_type = Vec<schema::ApiTokenScope>)]
    scopes: Vec<String>,
    /// Expiry time; no expiry by default.
    expires_at: Option<Timestamp>,
}

impl TokenRequest {
    /// Validates the request.
    pub(crate) fn command(&self) -> Result<CreateToken, Error> {
        let mut check = Check::default();
        let name = check.field("name", DisplayName::parse(&self.name));
        let scope = |(index, text): (usize, &String)| (format!("scopes[{index}]"), text.parse::<Scope>());
        let mut scopes = Vec::new();
        for (field, scope) in self.scopes.iter().enumerate().map(scope) {
            scopes.extend(check.field(field, scope));
        }
        let name = check.all(name)?;
        Ok(CreateToken { name, scopes: Scopes::from_iter(scopes), expires_at: self.expires_at })
    }
}

/// Create an API token for the caller
///
/// The secret is returned only once.
#[utoipa::path(post, path = "/api/v1/me/tokens", tag = "Sign-in", request_body = TokenRequest,
    responses((status = 201, body = TokenWithSecret), Problems))]
async fn create(
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    Body(body): Body<TokenRequest>,
) -> ApiResult<ApiResponse<TokenWithSecret>> {
    let created = auth.api_tokens().create(&caller, &body.command()?).await?;
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
