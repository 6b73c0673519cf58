//! How an organization pays. Card numbers never pass through here: the browser hands them to the payment provider.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_auth::require_local;
use hexabase_core::billing::{PaymentMethod, SetupIntent};
use hexabase_core::error::Result;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtPaymentMethod, InOrganization};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(checkout))
        .routes(routes!(portal))
        .routes(routes!(setup_intent))
        .routes(routes!(add, list))
        .routes(routes!(choose))
        .routes(routes!(remove))
}

/// A way to pay.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentMethod)]
pub(super) struct PaymentMethodView {
    /// The payment provider's name for it.
    #[schema(example = "pm_1Q0PsIJvEtkwdCNYMSaVuRz6")]
    id: String,
    /// What it is, for people.
    #[schema(example = "visa •••• 4242")]
    title: String,
    /// Whether invoices are paid with it.
    is_default: bool,
}

impl From<PaymentMethod> for PaymentMethodView {
    fn from(method: PaymentMethod) -> Self {
        Self { id: method.id, title: method.title, is_default: method.is_default }
    }
}

/// Where to come back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Return {
    /// A path of this server; the first page if not said.
    #[schema(example = "/billing")]
    return_to: Option<String>,
}

impl Return {
    /// As a URL. Nobody is sent to another server from here.
    fn url(self, app: &App) -> Result<String> {
        let path = self.return_to.unwrap_or_else(|| "/".to_owned());
        require_local(&path)?;
        Ok(format!("{}{path}", app.platform.settings().public_url))
    }
}

/// A page of the payment provider.
#[derive(Debug, Serialize, ToSchema)]
struct HostedPage {
    /// Where to send the browser.
    url: String,
}

/// Get a page of the payment provider on which a way to pay is entered. The browser comes back to `return_to`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/checkout", tag = "Billing",
    params(InOrganization), request_body = Return, responses((status = 200, body = HostedPage), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn checkout(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<Return>,
) -> Answer<Reply<HostedPage>> {
    let made = app.platform.billing().checkout(&caller, at.org, &wanted.url(&app)?).await?;
    Ok(Reply::ok(HostedPage { url: made.value }).replayed(made.replayed))
}

/// Get a page of the payment provider on which ways to pay and invoices are managed. The browser comes back to
/// `return_to`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/portal", tag = "Billing",
    params(InOrganization), request_body = Return, responses((status = 200, body = HostedPage), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn portal(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<Return>,
) -> Answer<Reply<HostedPage>> {
    let made = app.platform.billing().portal(&caller, at.org, &wanted.url(&app)?).await?;
    Ok(Reply::ok(HostedPage { url: made.value }).replayed(made.replayed))
}

/// What a browser needs to enter a way to pay with the payment provider.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupIntent)]
struct SetupIntentView {
    /// The payment provider's name for it.
    id: String,
    /// What the browser shows the payment provider.
    client_secret: String,
}

impl From<SetupIntent> for SetupIntentView {
    fn from(intent: SetupIntent) -> Self {
        Self { id: intent.id, client_secret: intent.client_secret }
    }
}

/// Begin to enter a way to pay: the browser hands it to the payment provider with what is answered here, and names it to
/// `POST payment-methods` afterwards.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/setup-intent", tag = "Billing",
    params(InOrganization), responses((status = 200, body = SetupIntentView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn setup_intent(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Reply<SetupIntentView>> {
    let made = app.platform.billing().setup_intent(&caller, at.org).await?;
    Ok(Reply::ok(made.value.into()).replayed(made.replayed))
}

/// List the ways to pay, the default one first.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/payment-methods", tag = "Billing",
    params(InOrganization), responses((status = 200, body = List<PaymentMethodView>), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Json<List<PaymentMethodView>>> {
    let methods = app.platform.billing().payment_methods(&caller, at.org).await?;
    Ok(Json(List::whole(methods.into_iter().map(PaymentMethodView::from).collect())))
}

/// A way to pay that was entered with the payment provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPaymentMethod {
    /// The payment provider's name for it.
    #[schema(example = "pm_1Q0PsIJvEtkwdCNYMSaVuRz6")]
    payment_method: String,
}

/// Take on a way to pay that was entered with the payment provider. The first one is the default.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/billing/payment-methods", tag = "Billing",
    params(InOrganization), request_body = NewPaymentMethod,
    responses((status = 201, body = PaymentMethodView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn add(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<NewPaymentMethod>,
) -> Answer<Reply<PaymentMethodView>> {
    let made = app.platform.billing().add_payment_method(&caller, at.org, &wanted.payment_method).await?;
    let location = format!("/api/v1/organizations/{}/billing/payment-methods", at.org);
    Ok(Reply::created(location, made.value.into()).replayed(made.replayed))
}

/// Make a way to pay the default. What is open is paid with it at once.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/payment-methods/{pm}/default", tag = "Billing",
    params(AtPaymentMethod), responses((status = 204, description = "Invoices are paid with it."), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn choose(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtPaymentMethod>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.billing().choose_payment_method(&caller, at.org, &at.pm).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give up a way to pay; not the last one while there is a subscription, and not the default one while there are others.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/payment-methods/{pm}", tag = "Billing",
    params(AtPaymentMethod), responses((status = 204, description = "It is not used any more."), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn remove(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtPaymentMethod>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.billing().remove_payment_method(&caller, at.org, &at.pm).await?;
    Ok(StatusCode::NO_CONTENT)
}
