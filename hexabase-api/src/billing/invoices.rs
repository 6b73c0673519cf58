//! Invoices of an organization.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode};
use hexabase_core::Platform;
use hexabase_core::billing::{Invoice, InvoiceLine};
use hexabase_core::error::Error;
use hexabase_core::platform::{ExplainedInvoice, WorkspaceShare};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::billing::plans::MoneyView;
use crate::billing::usage::decimal_units;
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::{InvoicePath, OrganizationPath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(upcoming))
        .routes(routes!(get))
        .routes(routes!(pdf))
}

/// Invoice of an organization, issued or upcoming.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invoice)]
pub(crate) struct InvoiceView {
    /// Id of the invoice at the payment provider; null for an upcoming invoice.
    #[schema(required)]
    id: Option<String>,
    /// Number of the invoice; null if it has none yet.
    #[schema(required)]
    number: Option<String>,
    /// Status of the invoice.
    status: schema::InvoiceStatus,
    /// Sum of the lines, without taxes.
    subtotal: MoneyView,
    /// Taxes.
    tax: MoneyView,
    /// Total with taxes; negative for a credit.
    total: MoneyView,
    /// Amount that is still to be paid.
    amount_due: MoneyView,
    /// Creation time.
    created_at: Timestamp,
    /// Lines of the invoice.
    lines: Vec<InvoiceLineView>,
}

/// Line of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
struct InvoiceLineView {
    /// Description of the line.
    description: String,
    /// Quantity; for usage in `unit`.
    #[schema(value_type = f64, example = 1)]
    quantity: Number,
    /// Unit of usage; null for a line that is not for usage.
    #[schema(required)]
    unit: Option<schema::MeterUnit>,
    /// Amount of the line, without taxes.
    amount: MoneyView,
    /// `true` if the line compensates for a change within a period.
    proration: bool,
    /// Start of the period of the line.
    period_start: Timestamp,
    /// End of the period of the line.
    period_end: Timestamp,
    /// Shares of the workspaces; only for usage, and only if a single invoice is requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    workspaces: Vec<ShareView>,
}

/// Share of a workspace in an invoice line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLineShare)]
struct ShareView {
    /// Id of the workspace, which may have been deleted.
    workspace_id: schema::WorkspaceId,
    /// Name of the workspace; null if it has been deleted.
    #[schema(required)]
    name: Option<String>,
    /// Usage of the workspace in the period of the line, in the unit of the line.
    #[schema(value_type = f64, example = 12.5)]
    quantity: Number,
    /// Share of the amount.
    amount: MoneyView,
}

impl From<WorkspaceShare> for ShareView {
    fn from(share: WorkspaceShare) -> Self {
        Self {
            workspace_id: share.workspace_id.into(),
            name: share.name.map(|name| name.to_string()),
            quantity: decimal_units(share.quantity),
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
            quantity: line
                .meter
                .map_or_else(|| Number::from(line.quantity), |_| decimal_units(line.quantity)),
            unit: line.meter.map(schema::MeterUnit::from),
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
            status: invoice.status.into(),
            subtotal: invoice.subtotal.into(),
            tax: invoice.tax.into(),
            total: invoice.total.into(),
            amount_due: invoice.amount_due.into(),
            created_at: invoice.created_at,
            lines: invoice.lines.into_iter().map(InvoiceLineView::from).collect(),
        }
    }
}

/// List the invoices of an organization, newest first
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices", tag = "Billing",
    params(OrganizationPath, PageQuery), responses((status = 200, body = List<InvoiceView>), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<InvoiceView>>> {
    let page = platform.billing().invoices(&caller, path.org, &pager.request(&query)?).await?;
    pager.list(page, InvoiceView::from)
}

/// Get the upcoming invoice
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/upcoming", tag = "Billing",
    params(OrganizationPath), responses((status = 200, body = InvoiceView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn upcoming(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<Json<InvoiceView>> {
    let billing = platform.billing();
    let invoice = billing.upcoming_invoice(&caller, path.org).await?;
    Ok(Json(billing.explain(&caller, path.org, invoice).await?.into()))
}

/// Get an invoice
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/{inv}", tag = "Billing",
    params(InvoicePath), responses((status = 200, body = InvoiceView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<InvoicePath>,
) -> ApiResult<Json<InvoiceView>> {
    let billing = platform.billing();
    let invoice = billing.invoice(&caller, path.org, &path.inv).await?;
    Ok(Json(billing.explain(&caller, path.org, invoice).await?.into()))
}

/// Download an invoice as PDF
///
/// Redirects to the file at the payment provider.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/invoices/{inv}/pdf", tag = "Billing",
    params(InvoicePath), responses((status = 302, description = "Redirect to the PDF file."), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn pdf(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<InvoicePath>,
) -> ApiResult<(StatusCode, [(HeaderName, String); 1])> {
    let invoice = platform.billing().invoice(&caller, path.org, &path.inv).await?;
    let url = invoice.pdf_url.ok_or_else(|| Error::not_found("PDF of the invoice"))?;
    Ok((StatusCode::FOUND, [(LOCATION, url)]))
}
