//! Service accounts of organizations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::Check;
use hexabase_core::model::ServiceAccount;
use hexabase_core::name::Slug;
use hexabase_core::platform::CreateServiceAccount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtServiceAccount, InOrganization};
use super::tokens::{TokenWithSecret, WantedToken};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(remove)).routes(routes!(create_token))
}

/// Automation that belongs to an organization. It can be put in groups, and has API tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceAccount)]
struct ServiceAccountView {
    /// Which user it is.
    #[schema(example = "usr_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// To which organization it belongs.
    organization_id: String,
    /// Its name, unique in the organization.
    name: String,
    /// Who made it.
    created_by: String,
    /// When it was made.
    created_at: Timestamp,
    /// Raised by every change.
    version: u64,
}

impl From<ServiceAccount> for ServiceAccountView {
    fn from(account: ServiceAccount) -> Self {
        Self {
            id: account.id.to_string(),
            organization_id: account.organization_id.to_string(),
            name: account.name.to_string(),
            created_by: account.created_by.to_string(),
            created_at: account.created_at,
            version: account.version.number(),
        }
    }
}

/// What a new service account is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewServiceAccount {
    /// Its name, unique in the organization: a DNS label.
    #[schema(example = "ci")]
    name: String,
    /// `admin`, `billing` or `member`; `member` if not said.
    #[serde(default = "member")]
    #[schema(default = "member")]
    role: String,
}

fn member() -> String {
    "member".to_owned()
}

/// Make a service account.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/service-accounts", tag = "Organizations",
    params(InOrganization), request_body = NewServiceAccount,
    responses((status = 201, body = ServiceAccountView), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<NewServiceAccount>,
) -> Answer<Reply<ServiceAccountView>> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(&wanted.name));
    let role = check.field("role", wanted.role.parse());
    let (name, role) = check.all((name, role))?;
    let accounts = app.platform.service_accounts();
    let made = accounts.create(&caller, at.org, &CreateServiceAccount { name, role }).await?;
    let location = format!("/api/v1/organizations/{}/service-accounts/{}", at.org, made.value.id);
    let version = made.value.version;
    Ok(Reply::created(location, made.value.into()).version(version).replayed(made.replayed))
}

/// List the service accounts of an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/service-accounts", tag = "Organizations",
    params(InOrganization, PageQuery), responses((status = 200, body = List<ServiceAccountView>), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<ServiceAccountView>>> {
    let page = app.platform.service_accounts().list(&caller, at.org, &pager.request(&query)?).await?;
    pager.list(page, ServiceAccountView::from)
}

/// Remove a service account with its tokens and its places in groups.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/service-accounts/{id}", tag = "Organizations",
    params(AtServiceAccount), responses((status = 204, description = "It is gone."), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn remove(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtServiceAccount>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    app.platform.service_accounts().delete(&caller, at.org, at.id, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a token for a service account. The secret is shown once.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/service-accounts/{id}/tokens", tag = "Organizations",
    params(AtServiceAccount), request_body = WantedToken,
    responses((status = 201, body = TokenWithSecret), Problems),
    extensions(("x-hexabase-action" = json!("service_accounts.manage"))))]
async fn create_token(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtServiceAccount>,
    Body(wanted): Body<WantedToken>,
) -> Answer<Reply<TokenWithSecret>> {
    let accounts = app.platform.service_accounts();
    let made = accounts.create_token(&caller, at.org, at.id, &wanted.command()?).await?;
    let location = format!("/api/v1/organizations/{}/service-accounts/{}/tokens", at.org, at.id);
    Ok(Reply::created(location, made.value.into()).replayed(made.replayed))
}
