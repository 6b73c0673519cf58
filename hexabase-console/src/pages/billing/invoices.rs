//! Invoices of an organization.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::requests::{PageQuery, from_filter_form};
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::billing::Invoice;
use hexabase_core::id::OrganizationId;
use maud::{Markup, html};

use super::invoice_lines::is_payable;
use super::words::invoice_badge;
use super::{BillingPage, Membership, Tab};
use crate::components::{Column, Empty, Link, Row, Table, empty, name, pager, table, unavailable};
use crate::context::Context;
use crate::language::Texts;
use crate::money::money;
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::unless_unavailable;
use crate::response::PageResult;
use crate::time::exact_time;
use crate::urls::{self, UPCOMING_INVOICE, invoice_pdf};

/// Invoices on the page.
struct InvoicePage {
    invoices: Vec<Invoice>,
    next_cursor: Option<String>,
}

pub(super) async fn show(
    context: Context,
    Path(org): Path<OrganizationId>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request = cursors.request(&from_filter_form::<PageQuery>(filters.query())?)?;
    let found = context.platform().billing().invoices(&context.caller, org, &request).await;
    let found = match unless_unavailable(found)? {
        Some(page) => Some(InvoicePage { next_cursor: cursors.next_cursor(&page)?, invoices: page.items }),
        None => None,
    };
    Ok(page(context, &membership, &filters, found.as_ref()))
}

fn page(
    context: Context,
    membership: &Membership,
    filters: &Filters,
    found: Option<&InvoicePage>,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let url = urls::invoices(org);
    let upcoming = Link::new(texts.text("invoice-upcoming-show"), urls::invoice(org, UPCOMING_INVOICE));
    let content = html! {
        @match found {
            None => (unavailable(&texts, &texts.text("billing-provider"))),
            Some(found) if found.invoices.is_empty() => (empty(&Empty {
                title: texts.text("invoices-none"),
                purpose: texts.text("invoices-purpose"),
                action: Some(Link::new(texts.text("plans-compare"), urls::billing_plans(org))),
                documentation: None,
            })),
            Some(found) => {
                p { a href=(upcoming.href) { (upcoming.label) } }
                div id="invoices" data-live="billing" { (invoice_table(&texts, org, &found.invoices)) }
                (pager(&texts, &filters.pager(&url, found.next_cursor.as_deref())))
            },
        }
    };
    let path = format!("/organizations/{org}/billing/invoices");
    let commands = vec![api_call(&context, texts.text("billing-shell-invoices"), &path)];
    BillingPage { commands, ..BillingPage::new(Tab::Invoices, content) }.respond(
        context,
        StatusCode::OK,
        membership,
    )
}

/// Table of invoices with links to their pages and files.
pub(super) fn invoice_table(texts: &Texts, org: OrganizationId, invoices: &[Invoice]) -> Markup {
    let row = |invoice: &Invoice| -> Row {
        let number = invoice.number.as_ref().unwrap_or(&invoice.id);
        let link = html! { a href=(urls::invoice(org, &invoice.id)) { (name(number)) } };
        let due = match is_payable(invoice) {
            true => money(texts.language(), invoice.amount_due),
            false => "–".to_owned(),
        };
        let file = html! {
            @if invoice.pdf_url.is_some() {
                a href=(invoice_pdf(org, &invoice.id))
                    aria-label=(texts.text_with("invoice-pdf-of", &[("number", number.into())])) {
                    (texts.text("invoice-pdf"))
                }
            }
        };
        vec![
            link,
            invoice_badge(texts, invoice.status),
            exact_time(texts, invoice.created_at),
            html! { (money(texts.language(), invoice.total)) },
            html! { (due) },
            file,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("billing-invoices"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-number")),
            Column::text(texts.text("billing-status")),
            Column::text(texts.text("field-created")),
            Column::number(texts.text("invoice-total")),
            Column::number(texts.text("invoice-due")),
            Column::text(texts.text("invoice-file")),
        ],
        rows: invoices.iter().map(row).collect(),
    })
}
