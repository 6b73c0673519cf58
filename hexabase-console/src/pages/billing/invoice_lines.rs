//! Lines and totals of an invoice.

use hexabase_core::billing::{Invoice, InvoiceLine, InvoiceStatus};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::Meter;
use hexabase_core::platform::WorkspaceShare;
use maud::{Markup, html};

use super::words::{meter_text, usage_text};
use crate::components::{Column, Row, Table, badge, facts, name, table};
use crate::components::{Tone, card};
use crate::language::Texts;
use crate::money::money;
use crate::numbers::count;
use crate::time::day;
use crate::urls;

/// Table with the lines of an invoice, and its totals.
pub(super) fn invoice_lines(texts: &Texts, invoice: &Invoice) -> Markup {
    let lines = Table {
        caption: texts.text("invoice-lines"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-description")),
            Column::text(texts.text("billing-period")),
            Column::number(texts.text("billing-quantity")),
            Column::number(texts.text("billing-amount")),
        ],
        rows: invoice.lines.iter().map(|line| line_row(texts, line)).collect(),
    };
    let amount = |amount| html! { (money(texts.language(), amount)) };
    let mut totals = vec![
        (texts.text("invoice-subtotal"), amount(invoice.subtotal)),
        (texts.text("invoice-tax"), amount(invoice.tax)),
        (texts.text("invoice-total"), html! { strong { (amount(invoice.total)) } }),
    ];
    if is_payable(invoice) {
        totals.push((texts.text("invoice-due"), amount(invoice.amount_due)));
    }
    html! {
        @if invoice.lines.is_empty() { p { (texts.text("invoice-no-lines")) } } @else { (table(&lines)) }
        (facts(&totals))
    }
}

/// `true` if something of the invoice is still to be paid. The provider keeps the amount of an invoice that was paid.
pub(super) fn is_payable(invoice: &Invoice) -> bool {
    matches!(invoice.status, InvoiceStatus::Draft | InvoiceStatus::Open) && invoice.amount_due.amount != 0
}

fn line_row(texts: &Texts, line: &InvoiceLine) -> Row {
    let description = html! {
        (name(&line.description))
        @if line.proration { " " (badge(Tone::Neutral, &texts.text("invoice-proration"))) }
    };
    let period = html! { (day(texts, line.period_start)) " – " (day(texts, line.period_end)) };
    let quantity = match line.meter {
        Some(meter) => usage_text(texts, meter, line.quantity),
        None => count(line.quantity),
    };
    let amount = money(texts.language(), line.amount);
    vec![description, period, html! { (quantity) }, html! { (amount) }].into()
}

/// Cards with the shares of workspaces in the lines of an invoice that charge usage.
pub(super) fn line_shares(
    texts: &Texts,
    org: OrganizationId,
    invoice: &Invoice,
    shares: &[Vec<WorkspaceShare>],
) -> Markup {
    let of_usage =
        invoice.lines.iter().zip(shares).filter_map(|(line, shares)| Some((line, line.meter?, shares)));
    html! {
        @for (line, meter, shares) in of_usage {
            @let title = texts.text_with("invoice-shares", &[("meter", (&meter_text(texts, meter)).into())]);
            (card(&title, None, &html! {
                p class="note" {
                    (name(&line.description)) " · " (day(texts, line.period_start)) " – " (day(texts, line.period_end))
                }
                @if shares.is_empty() { p { (texts.text("invoice-shares-none")) } }
                @else { (table(&share_table(texts, org, &title, meter, shares))) }
            }))
        }
    }
}

fn share_table(
    texts: &Texts,
    org: OrganizationId,
    title: &str,
    meter: Meter,
    shares: &[WorkspaceShare],
) -> Table {
    let row = |share: &WorkspaceShare| {
        let workspace = html! {
            @match &share.name {
                Some(slug) => a href=(urls::workspace(org, share.workspace_id)) { (slug) },
                None => {
                    code { (share.workspace_id) } " " (texts.text("billing-workspace-gone"))
                },
            }
        };
        let amount = money(texts.language(), share.amount);
        vec![workspace, html! { (usage_text(texts, meter, share.quantity)) }, html! { (amount) }].into()
    };
    Table {
        caption: title.to_owned(),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("billing-workspace")),
            Column::number(texts.text("metered-used")),
            Column::number(texts.text("billing-amount")),
        ],
        rows: shares.iter().map(row).collect(),
    }
}
