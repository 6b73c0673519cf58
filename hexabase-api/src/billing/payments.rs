//! Payment methods of an organization. Browsers pass card numbers directly to the payment provider, never through this
//! server.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::billing::{PaymentMethod, SetupIntent};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{HostedPageRequest, NewPaymentMethod};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path};
use crate::path_params::{OrganizationPath, PaymentMethodPath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(checkout))
        .routes(routes!(portal))
        .routes(routes!(setup_intent))
        .routes(routes!(add, list))
        .routes(routes!(choose))
        .routes(routes!(remove))
}

/// Payment method.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentMethod)]
pub(crate) struct PaymentMethodView {
    /// Id of the payment method at the payment provider.
    #[schema(example = "pm_1Q0PsIJvEtkwdCNYMSaVuRz6")]
    id: String,
    /// Description of the payment method for users.
    #[schema(example = "visa •••• 4242")]
    title: String,
    /// `true` if invoices are paid with the payment method.
    is_default: bool,
}

impl From<PaymentMethod> for PaymentMethodView {
    fn from(method: PaymentMethod) -> Self {
        Self { id: method.id, title: method.title, is_default: method.is_default }
    }
}

/// Page at the payment provider.
#[derive(Debug, Serialize, ToSchema)]
struct HostedPage {
    /// URL to send the browser to.
    #[schema(format = "uri")]
    url: String,
}

/// Create a page to enter a payment method
///
/// The payment provider hosts the page. The browser comes back to `return_to`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/checkout", tag = "Billing",
    params(OrganizationPath), request_body = HostedPageRequest, responses((status = 200, body = HostedPage), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn checkout(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<HostedPageRequest>,
) -> ApiResult<ApiResponse<HostedPage>> {
    let return_to = body.parse(&platform.config().public_url)?;
    let created = platform.billing().checkout(&caller, path.org, &return_to).await?;
    Ok(ApiResponse::ok(HostedPage { url: created.value }).replayed(created.replayed))
}

/// Create a page to manage payment methods and invoices
///
/// The payment provider hosts the page. The browser comes back to `return_to`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/portal", tag = "Billing",
    params(OrganizationPath), request_body = HostedPageRequest, responses((status = 200, body = HostedPage), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn portal(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<HostedPageRequest>,
) -> ApiResult<ApiResponse<HostedPage>> {
    let return_to = body.parse(&platform.config().public_url)?;
    let created = platform.billing().portal(&caller, path.org, &return_to).await?;
    Ok(ApiResponse::ok(HostedPage { url: created.value }).replayed(created.replayed))
}

/// Setup intent, with which a browser passes a payment method to the payment provider.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupIntent)]
struct SetupIntentView {
    /// Id of the setup intent at the payment provider.
    id: String,
    /// Client secret for the browser. It is not returned again; a replay of the request lacks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

impl From<SetupIntent> for SetupIntentView {
    fn from(intent: SetupIntent) -> Self {
        Self { id: intent.id, client_secret: intent.client_secret }
    }
}

/// Create a setup intent
///
/// With it, a browser passes a payment method directly to the payment provider, and then attaches it with `POST
/// /api/v1/organizations/{org}/billing/payment-methods`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/setup-intent", tag = "Billing",
    params(OrganizationPath), responses((status = 200, body = SetupIntentView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn setup_intent(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<ApiResponse<SetupIntentView>> {
    let created = platform.billing().setup_intent(&caller, path.org).await?;
    Ok(ApiResponse::ok(created.value.into()).replayed(created.replayed))
}

/// List the payment methods, the default one first
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/payment-methods", tag = "Billing",
    params(OrganizationPath), responses((status = 200, body = List<PaymentMethodView>), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<Json<List<PaymentMethodView>>> {
    let methods = platform.billing().payment_methods(&caller, path.org).await?;
    Ok(Json(List::complete(methods.into_iter().map(PaymentMethodView::from).collect())))
}

/// Attach a payment method
///
/// It must have been entered at the payment provider. The first one becomes the default.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/payment-methods", tag = "Billing",
    params(OrganizationPath), request_body = NewPaymentMethod,
    responses((status = 201, body = PaymentMethodView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn add(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<NewPaymentMethod>,
) -> ApiResult<ApiResponse<PaymentMethodView>> {
    let created = platform.billing().add_payment_method(&caller, path.org, &body.payment_method).await?;
    let location = format!("/api/v1/organizations/{}/billing/payment-methods", path.org);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

/// Set the default payment method
///
/// Open invoices are paid with it immediately.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/payment-methods/{pm}/default", tag = "Billing",
    params(PaymentMethodPath), responses((status = 204, description = "Invoices are paid with the payment method."), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn choose(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<PaymentMethodPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.billing().choose_payment_method(&caller, path.org, &path.pm).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a payment method
///
/// The last one cannot be removed while there is a subscription, nor the default one while there are others.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/payment-methods/{pm}", tag = "Billing",
    params(PaymentMethodPath), responses((status = 204, description = "The payment method is removed."), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn remove(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<PaymentMethodPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.billing().remove_payment_method(&caller, path.org, &path.pm).await?;
    Ok(StatusCode::NO_CONTENT)
}
