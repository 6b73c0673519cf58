//! Service accounts of organizations.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::model::{OrganizationRole, ServiceAccount};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::NewServiceAccount;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{OrganizationPath, ServiceAccountPath, ServiceAccountTokenPath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;
use crate::sign_in::api_tokens::{TokenView, TokenWithSecret};
use crate::sign_in::requests::NewApiToken;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, remove))
        .routes(routes!(create_token, list_tokens))
        .routes(routes!(remove_token))
}

/// Identity for automation that belongs to an organization. It can be a member of groups, and has API tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
struct ServiceAccountView {
    /// Id of the service account, which is a user id.
    id: schema::UserId,
    /// Id of the organization.
    organization_id: schema::OrganizationId,
    /// Name, unique in the organization.
    name: String,
    /// Role in the organization.
    role: schema::OrganizationRole,
    /// Id of the user who created the service account.
    created_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<(ServiceAccount, OrganizationRole)> for ServiceAccountView {
    fn from((account, role): (ServiceAccount, OrganizationRole)) -> Self {
        Self {
            id: account.id.into(),
            organization_id: account.organization_id.into(),
            name: account.name.to_string(),
            role: role.into(),
            created_by: account.created_by.into(),
            created_at: account.created_at,
            version: account.version.number(),
        }
    }
}

/// Create a service account
#[utoipa::path(post, path = "/api/v1/organizations/{org}/service-accounts", tag = "Organizations",
    params(OrganizationPath), request_body = NewServiceAccount,
    responses((status = 201, body = ServiceAccountView), Problems),
    extensions(("x-hexabase-action" = json!("service_account.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<NewServiceAccount>,
) -> ApiResult<ApiResponse<ServiceAccountView>> {
    let command = body.parse()?;
    let created = platform.service_accounts().create(&caller, path.org, &command).await?;
    let location = format!("/api/v1/organizations/{}/service-accounts/{}", path.org, created.value.id);
    let version = created.value.version;
    let view = ServiceAccountView::from((created.value, command.role));
    Ok(ApiResponse::created(location, view).version(version).replayed(created.replayed))
}

/// List the service accounts of an organization
#[utoipa::path(get, path = "/api/v1/organizations/{org}/service-accounts", tag = "Organizations",
    params(OrganizationPath, PageQuery), responses((status = 200, body = List<ServiceAccountView>), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<ServiceAccountView>>> {
    let page = platform.service_accounts().list(&caller, path.org, &pager.request(&query)?).await?;
    pager.list(page, ServiceAccountView::from)
}

/// Get a service account
#[utoipa::path(get, path = "/api/v1/organizations/{org}/service-accounts/{id}", tag = "Organizations",
    params(ServiceAccountPath), responses((status = 200, body = ServiceAccountView), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ServiceAccountPath>,
) -> ApiResult<ApiResponse<ServiceAccountView>> {
    let (account, member) = platform.service_accounts().get(&caller, path.org, path.id).await?;
    let version = account.version;
    Ok(ApiResponse::ok((account, member.role).into()).version(version))
}

/// Delete a service account
///
/// Its tokens and group memberships are deleted, too.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/service-accounts/{id}", tag = "Organizations",
    params(ServiceAccountPath), responses((status = 204, description = "The service account is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn remove(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ServiceAccountPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    platform.service_accounts().delete(&caller, path.org, path.id, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create an API token for a service account
///
/// The secret is returned only once.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/service-accounts/{id}/tokens", tag = "Organizations",
    params(ServiceAccountPath), request_body = NewApiToken,
    responses((status = 201, body = TokenWithSecret), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn create_token(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ServiceAccountPath>,
    Body(body): Body<NewApiToken>,
) -> ApiResult<ApiResponse<TokenWithSecret>> {
    let accounts = platform.service_accounts();
    let created = accounts.create_token(&caller, path.org, path.id, &body.parse()?).await?;
    let token = created.value.token.id;
    let location = format!("/api/v1/organizations/{}/service-accounts/{}/tokens/{token}", path.org, path.id);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

/// List the API tokens of a service account
#[utoipa::path(get, path = "/api/v1/organizations/{org}/service-accounts/{id}/tokens", tag = "Organizations",
    params(ServiceAccountPath, PageQuery), responses((status = 200, body = List<TokenView>), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn list_tokens(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ServiceAccountPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<TokenView>>> {
    let request = pager.request(&query)?;
    let page = platform.service_accounts().list_tokens(&caller, path.org, path.id, &request).await?;
    pager.list(page, TokenView::from)
}

/// Delete an API token of a service account
///
/// Requests with the token are rejected immediately.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/service-accounts/{id}/tokens/{tok}", tag = "Organizations",
    params(ServiceAccountTokenPath), responses((status = 204, description = "The token is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn remove_token(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ServiceAccountTokenPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.service_accounts().delete_token(&caller, path.org, path.id, path.tok).await?;
    Ok(StatusCode::NO_CONTENT)
}
