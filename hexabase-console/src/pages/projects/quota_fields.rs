//! Fields and meters of quotas.

use hexabase_core::model::Project;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use maud::{Markup, html};

use super::quota_rest::{Bound, sum};
use crate::components::{Column, Field, Meter, Table, field, meter, resource_text, table};
use crate::form::FormState;
use crate::language::Texts;
use crate::numbers::amount;

/// Fields with the quota of a project, one for each resource, whose names begin with a prefix. Hints name the bounds.
pub(super) fn quota_fields(
    texts: &Texts,
    form: &FormState,
    prefix: &str,
    bounds: &[Bound],
    current: &Quota,
) -> Markup {
    let one = |bound: &Bound| {
        let resource = bound.resource;
        let name = format!("{prefix}{resource}");
        let value = current.get(resource).map(|amount| amount.to_string()).unwrap_or_default();
        let error = form.error(&name).or_else(|| form.error(&format!("quota.{resource}")));
        let entered = Field::line(&name, resource_text(texts, resource)).value(form.value_or(&name, &value));
        let entered = Field { is_required: bound.is_required, ..entered };
        field(texts, &entered.hint(hint(texts, *bound)).error(error))
    };
    html! {
        fieldset class="amounts" {
            legend { (texts.text("project-quota")) }
            p class="hint" { (texts.text("project-quota-hint")) }
            @for bound in bounds { (one(bound)) }
        }
    }
}

/// Names of the fields with amounts.
pub(super) fn names(prefix: &str) -> Vec<String> {
    Resource::ALL.iter().map(|resource| format!("{prefix}{resource}")).collect()
}

fn hint(texts: &Texts, bound: Bound) -> String {
    let rest = match bound.rest() {
        Some(rest) => texts.text_with("quota-at-most", &[("amount", (&amount(bound.resource, rest)).into())]),
        None => texts.text("quota-unlimited"),
    };
    if bound.children == Quantity::ZERO {
        return rest;
    }
    let least = amount(bound.resource, bound.children);
    let least = texts.text_with("quota-at-least", &[("amount", (&least).into())]);
    format!("{rest} {least}")
}

/// Meters of the resources that a project limits: its own usage, and what its sub-projects have reserved.
pub(super) fn meters(texts: &Texts, project: &Project, all: &[Project], used: Option<&Quota>) -> Markup {
    let reserved = sum(all.iter().filter(|other| other.parent_id == Some(project.id)));
    let one = |(resource, limit): (Resource, Quantity)| {
        let of =
            |quota: Option<&Quota>| quota.and_then(|quota| quota.get(resource)).unwrap_or(Quantity::ZERO);
        let (used, reserved) = (of(used), of(Some(&reserved)));
        meter(
            texts,
            &Meter {
                label: resource_text(texts, resource),
                used: used.as_f64(),
                reserved: reserved.as_f64(),
                limit: Some(limit.as_f64()),
                used_text: amount(resource, used),
                reserved_text: amount(resource, reserved),
                limit_text: amount(resource, limit),
            },
        )
    };
    html! { @for limited in project.quota.iter() { (one(limited)) } }
}

/// Table of a project's quota with what is left for further sub-projects.
pub(super) fn quota_table(texts: &Texts, project: &Project, all: &[Project]) -> Markup {
    let reserved = sum(all.iter().filter(|other| other.parent_id == Some(project.id)));
    let row = |(resource, limit): (Resource, Quantity)| {
        let reserved = reserved.get(resource).unwrap_or(Quantity::ZERO);
        let text = |quantity| html! { (amount(resource, quantity)) };
        vec![
            html! { (resource_text(texts, resource)) },
            text(limit),
            text(reserved),
            text(limit.minus(reserved)),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("project-quota"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("quota-resource")),
            Column::number(texts.text("quota-limit")),
            Column::number(texts.text("quota-reserved")),
            Column::number(texts.text("quota-rest")),
        ],
        rows: project.quota.iter().map(row).collect(),
    })
}
