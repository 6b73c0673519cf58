//! Invoice: lines, totals, and the shares of workspaces in the usage.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::platform::ExplainedInvoice;
use maud::{Markup, html};

use super::invoice_lines::{invoice_lines, line_shares};
use super::words::invoice_badge;
use super::{BillingPage, Membership, Tab};
use crate::components::{ButtonKind, Empty, Link, card, empty, facts, id, link_button, unavailable};
use crate::context::Context;
use crate::language::Texts;
use crate::pages::api_call::api_call;
use crate::pages::unless_unavailable;
use crate::response::PageResult;
use crate::time::exact_time;
use crate::urls::{self, UPCOMING_INVOICE, invoice_pdf};

pub(super) async fn show(context: Context, Path((org, inv)): Path<(OrganizationId, String)>) -> PageResult {
    let membership = context.organization_for(org, Action::BillingRead).await?;
    let found = match explained(&context, org, &inv).await {
        Err(error) if inv == UPCOMING_INVOICE && error.kind() == ErrorKind::NotFound => Found::NoUpcoming,
        found => match unless_unavailable(found)? {
            Some(found) => Found::Invoice(Box::new(found)),
            None => Found::Unavailable,
        },
    };
    Ok(page(context, &membership, &inv, &found))
}

/// Result of the search for the invoice.
enum Found {
    Invoice(Box<ExplainedInvoice>),
    /// No subscription continues.
    NoUpcoming,
    /// The payment provider does not respond.
    Unavailable,
}

async fn explained(context: &Context, org: OrganizationId, inv: &str) -> Result<ExplainedInvoice> {
    let (billing, caller) = (context.platform().billing(), &context.caller);
    let invoice = match inv {
        UPCOMING_INVOICE => billing.upcoming_invoice(caller, org).await?,
        _ => billing.invoice(caller, org, inv).await?,
    };
    billing.explain(caller, org, invoice).await
}

fn page(context: Context, membership: &Membership, inv: &str, found: &Found) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let (mut actions, mut commands) = (None, Vec::new());
    let content = match found {
        Found::Unavailable => unavailable(&texts, &texts.text("billing-provider")),
        Found::NoUpcoming => empty(&Empty {
            title: texts.text("invoice-upcoming-none"),
            purpose: texts.text("invoices-purpose"),
            action: Some(Link::new(texts.text("plans-compare"), urls::billing_plans(org))),
            documentation: None,
        }),
        Found::Invoice(found) => {
            if found.invoice.pdf_url.is_some() {
                let label = texts.text("invoice-download");
                actions = Some(link_button(ButtonKind::Secondary, &label, &invoice_pdf(org, inv)));
            }
            // The address names an existing invoice only here, so that no command has anything else from it.
            let path = format!("/organizations/{org}/billing/invoices/{inv}");
            commands.push(api_call(&context, texts.text("billing-shell-invoice"), &path));
            html! {
                (card(&texts.text("settings-about"), None, &about(&texts, inv, found)))
                (card(&texts.text("invoice-lines"), None, &invoice_lines(&texts, &found.invoice)))
                (line_shares(&texts, org, &found.invoice, &found.shares))
            }
        }
    };
    let title = Some(title(&texts, inv, found));
    let page = BillingPage { title, actions, commands, ..BillingPage::new(Tab::Invoices, content) };
    page.respond(context, StatusCode::OK, membership)
}

fn title(texts: &Texts, inv: &str, found: &Found) -> String {
    match found {
        _ if inv == UPCOMING_INVOICE => texts.text("billing-next-invoice"),
        Found::Invoice(found) => {
            let number = found.invoice.number.as_deref().unwrap_or(inv);
            texts.text_with("invoice-title", &[("number", number.into())])
        }
        Found::NoUpcoming | Found::Unavailable => texts.text("billing-invoices"),
    }
}

fn about(texts: &Texts, inv: &str, found: &ExplainedInvoice) -> Markup {
    let invoice = &found.invoice;
    let mut about = vec![
        (texts.text("billing-status"), invoice_badge(texts, invoice.status)),
        (texts.text("field-created"), exact_time(texts, invoice.created_at)),
    ];
    if inv != UPCOMING_INVOICE {
        about.push((texts.text("field-id"), id(texts, inv)));
    }
    facts(&about)
}
