//! What an organization was and will be charged for.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use hexabase_core::billing::{Invoice, InvoiceLine};
use hexabase_core::error::Error;
use hexabase_core::model::Meter;
use hexabase_core::platform::{ExplainedInvoice, WorkspaceShare};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtInvoice, InOrganization};
use super::plans::MoneyView;
use super::usage::units;
use crate::api::edge::SignedIn;
use crate::api::extract::{Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(upcoming))
        .routes(routes!(get))
        .routes(routes!(pdf))
}

/// What an organization was or will be charged for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invoice)]
pub(super) struct InvoiceView {
    /// The payment provider's name for it; null for one that is only foreseen.
    id: Option<String>,
    /// The number on it; null while it has none.
    number: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    status: String,
    /// What is on it together, without taxes.
    subtotal: MoneyView,
    /// The taxes.
    tax: MoneyView,
    /// What it comes to; below nothing when something is owed to the organization.
    total: MoneyView,
    /// What there is to pay of it.
    amount_due: MoneyView,
    /// When it was made.
    created_at: Timestamp,
    /// What it is made of.
    lines: Vec<InvoiceLineView>,
}

/// A line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
struct InvoiceLineView {
    /// What it is for.
    description: String,
    /// How many; of usage, how much in `unit`.
    #[schema(value_type = f64, example = 1)]
    quantity: Number,
    /// In which unit usage is counted; null for what is not usage.
    unit: Option<&'static str>,
    /// How much together, without taxes.
    amount: MoneyView,
    /// Whether it makes up for a change within a period.
    proration: bool,
    /// From when it is for.
    period_start: Timestamp,
    /// Until when.
    period_end: Timestamp,
    /// What each workspace's share of it is; only for usage, and only where one invoice is shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workspaces: Vec<ShareView>,
}

/// A workspace's share of a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLineShare)]
struct ShareView {
    /// Which workspace; it may be gone by now.
    workspace_id: String,
    /// Its name; null once it is gone.
    name: Option<String>,
    /// How much it used in the period of the line, in the line's unit.
    #[schema(value_type = f64, example = 12.5)]
    quantity: Number,
    /// Its share of the amount.
    amount: MoneyView,
}

impl From<WorkspaceShare> for ShareView {
    fn from(share: WorkspaceShare) -> Self {
        Self {
            workspace_id: share.workspace_id.to_string(),
            name: share.name.map(|name| name.to_string()),
            quantity: units(share.quantity),
            amount: share.amount.into(),
        }
    }
}

impl From<ExplainedInvoice> for InvoiceView {
    fn from(explained: ExplainedInvoice) -> Self {
        let mut view = Self::from(explained.invoice);
        for (line, shares) in view.lines.iter_mut().zip(explained.shares) {
            line.workspaces = shares.into_iter().map(ShareView::from).collect();
        }
        view
    }
}

impl From<InvoiceLine> for InvoiceLineView {
    fn from(line: InvoiceLine) -> Self {
        Self {
            description: line.description,
            quantity: line.meter.map_or_else(|| Number::from(line.quantity), |_| units(line.quantity)),
            unit: line.meter.map(Meter::unit),
            amount: line.amount.into(),
            proration: line.proration,
            period_start: line.period_start,
            period_end: line.period_end,
            workspaces: Vec::new(),
        }
    }
}

impl From<Invoice> for InvoiceView {
    fn from(invoice: Invoice) -> Self {
        Self {
            id: Some(invoice.id).filter(|id| !id.is_empty()),
            number: invoice.number,
            status: invoice.status,
            subtotal: invoice.subtotal.into(),
            tax: invoice.tax.into(),
            total: invoice.total.into(),
            amount_due: invoice.amount_due.into(),
            created_at: invoice.created_at,
            lines: invoice.lines.into_iter().map(InvoiceLineView::from).collect(),
        }
    }
}

/// List the invoices of an organization, newest first.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices", tag = "Billing",
    params(InOrganization, PageQuery), responses((status = 200, body = List<InvoiceView>), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<InvoiceView>>> {
    let page = app.platform.billing().invoices(&caller, at.org, &pager.request(&query)?).await?;
    pager.list(page, InvoiceView::from)
}

/// Show the invoice that comes next.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/upcoming", tag = "Billing",
    params(InOrganization), responses((status = 200, body = InvoiceView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn upcoming(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Json<InvoiceView>> {
    let billing = app.platform.billing();
    let invoice = billing.upcoming_invoice(&caller, at.org).await?;
    Ok(Json(billing.explain(&caller, at.org, invoice).await?.into()))
}

/// Show an invoice.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/{inv}", tag = "Billing",
    params(AtInvoice), responses((status = 200, body = InvoiceView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtInvoice>,
) -> Answer<Json<InvoiceView>> {
    let billing = app.platform.billing();
    let invoice = billing.invoice(&caller, at.org, &at.inv).await?;
    Ok(Json(billing.explain(&caller, at.org, invoice).await?.into()))
}

/// Fetch an invoice as PDF, from the payment provider.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/{inv}/pdf", tag = "Billing",
    params(AtInvoice), responses((status = 302, description = "It is there."), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn pdf(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtInvoice>,
) -> Answer<(StatusCode, [(HeaderName, String); 1])> {
    let invoice = app.platform.billing().invoice(&caller, at.org, &at.inv).await?;
    let url = invoice.pdf_url.ok_or_else(|| Error::not_found("PDF of the invoice"))?;
    Ok((StatusCode::FOUND, [(LOCATION, url)]))
}
