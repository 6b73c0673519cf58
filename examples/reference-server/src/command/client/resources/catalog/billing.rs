//! Billing of an organization.

use serde_json::Value;

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output};
use crate::command::client::output::{Column, field};

const SUBSCRIPTION: &[Column] = &[
    Column::id("PLAN", "plan_id"),
    Column::state("STATE", "subscription.state"),
    Column::text("INTERVAL", "subscription.interval"),
    Column::age("PERIOD ENDS", "subscription.current_period_end"),
    Column::text("CANCELS", "subscription.cancel_at_period_end"),
    Column::state("STANDING", "standing.state"),
    Column::text("ORDERED PLAN", "order.plan_id"),
];

const PREVIEW: &[Column] = &[
    Column::text("DESCRIPTION", "description"),
    Column::text("QUANTITY", "quantity"),
    Column::text("AMOUNT", "amount"),
    Column::age("FROM", "period_start").wide(),
    Column::age("TO", "period_end").wide(),
];

const INVOICE: &[Column] = &[
    Column::text("NUMBER", "number"),
    Column::state("STATUS", "status"),
    Column::text("TOTAL", "total"),
    Column::text("DUE", "amount_due"),
    Column::age("AGE", "created_at"),
    Column::id("ID", "id"),
];

const METHOD: &[Column] =
    &[Column::text("TITLE", "title"), Column::text("DEFAULT", "is_default"), Column::id("ID", "id")];

const PAGE: &[Column] = &[Column::id("URL", "url")];

const BUDGET: &[Column] = &[Column::text("AMOUNT", "amount"), Column::text("CURRENCY", "currency")];

const USED: &[Column] = &[
    Column::text("METER", "meter"),
    Column::text("AMOUNT", "amount"),
    Column::text("UNIT", "unit"),
    Column::text("INCLUDED", "included"),
    Column::text("COST", "cost"),
];

/// Returns the lines of an invoice.
fn lines(invoice: &Value) -> Vec<Value> {
    field(invoice, "lines").as_array().cloned().unwrap_or_default()
}

const PLAN: Argument =
    Argument::field("plan", "PLAN", "Plan, by id; hexabase plans list has all.", Form::Text, "plan_id")
        .positional();

const INTERVAL: Argument =
    Argument::field("interval", "INTERVAL", "Billing interval.", Form::Text, "interval")
        .one_of(&["month", "year"]);

const COUPON: Argument = Argument::field("coupon", "COUPON", "Coupon to redeem.", Form::Text, "coupon");

pub(super) const BILLING: Group = Group {
    name: "billing",
    about: "Billing of an organization.",
    operations: &[
        Operation::get(
            "overview",
            "Show the subscription and the usage of the month.",
            org!("/billing/overview"),
            &[],
        )
        .output(Output::Rows(USED, |view| {
            field(view, "usage.meters").as_array().cloned().unwrap_or_default()
        }))
        .example(&["hexabase billing overview"]),
        Operation::get("subscription", "Show the subscription.", org!("/billing/subscription"), SUBSCRIPTION)
            .example(&["hexabase billing subscription"]),
        Operation::put(
            "preview",
            "Show the invoice that a change of the plan would lead to. Nothing changes.",
            org!("/billing/subscription"),
            Output::Rows(PREVIEW, |subscription| lines(field(subscription, "preview"))),
        )
        .with(&[PLAN, INTERVAL, COUPON])
        .with_query(&[("dry_run", "true")])
        .example(&["hexabase billing preview team --interval year"]),
        Operation::put(
            "subscribe",
            "Change the plan of the organization.",
            org!("/billing/subscription"),
            Output::Object(SUBSCRIPTION),
        )
        .with(&[PLAN, INTERVAL, COUPON])
        .example(&["hexabase billing subscribe team --interval year"]),
        Operation::delete(
            "cancel",
            "Cancel the subscription at the end of the paid period.",
            org!("/billing/subscription"),
            "",
        )
        .output(Output::Object(SUBSCRIPTION))
        .with(&[Argument::query("now", "", "Cancel it immediately.", Form::True, "now")])
        .example(&["hexabase billing cancel"]),
        Operation::list("invoices", "List the invoices, newest first.", org!("/billing/invoices"), INVOICE)
            .example(&["hexabase billing invoices"]),
        Operation::get("invoice", "Show the lines of an invoice.", org!("/billing/invoices/{invoice}"), &[])
            .output(Output::Rows(PREVIEW, lines))
            .of(&["invoice"])
            .example(&["hexabase billing invoice ACME-0001"]),
        Operation::get(
            "upcoming",
            "Show the lines of the next invoice.",
            org!("/billing/invoices/upcoming"),
            &[],
        )
        .output(Output::Rows(PREVIEW, lines))
        .example(&["hexabase billing upcoming"]),
        Operation::get(
            "invoice-pdf",
            "Print the address of an invoice as PDF.",
            org!("/billing/invoices/{invoice}/pdf"),
            &[],
        )
        .output(Output::Location)
        .of(&["invoice"])
        .example(&["hexabase billing invoice-pdf ACME-0001"]),
        Operation::list(
            "payment-methods",
            "List the payment methods.",
            org!("/billing/payment-methods"),
            METHOD,
        )
        .unpaged()
        .example(&["hexabase billing payment-methods"]),
        Operation::put(
            "set-default-method",
            "Make a payment method the default.",
            org!("/billing/payment-methods/{payment-method}/default"),
            Output::Sentence("is the default"),
        )
        .of(&["payment-method"])
        .example(&["hexabase billing set-default-method pm_1MqLiJLkdIwHu7ix"]),
        Operation::delete(
            "delete-method",
            "Remove a payment method.",
            org!("/billing/payment-methods/{payment-method}"),
            "removed",
        )
        .of(&["payment-method"])
        .example(&["hexabase billing delete-method pm_1MqLiJLkdIwHu7ix"]),
        Operation::post(
            "portal",
            "Print the address of the page for payment methods and invoices.",
            org!("/billing/portal"),
            PAGE,
        )
        .with(&[RETURN_TO])
        .example(&["hexabase billing portal"]),
        Operation::post(
            "checkout",
            "Print the address of the page to add a payment method.",
            org!("/billing/checkout"),
            PAGE,
        )
        .with(&[RETURN_TO])
        .example(&["hexabase billing checkout"]),
        Operation::put(
            "set-budget",
            "Set the monthly budget that warnings refer to.",
            org!("/billing/budget"),
            Output::Object(BUDGET),
        )
        .with(&[
            Argument::field(
                "amount",
                "AMOUNT",
                "Amount in minor units, such as cents.",
                Form::Number,
                "amount",
            )
            .positional(),
            Argument::field("currency", "CURRENCY", "Currency, such as usd.", Form::Text, "currency")
                .required(),
        ])
        .example(&["hexabase billing set-budget 50000 --currency usd"]),
        Operation::delete(
            "delete-budget",
            "Remove the monthly budget.",
            org!("/billing/budget"),
            "budget removed",
        )
        .example(&["hexabase billing delete-budget"]),
    ],
};

const RETURN_TO: Argument = Argument::field(
    "return-to",
    "PATH",
    "Path of the server to return to [default: the console].",
    Form::Text,
    "return_to",
);
