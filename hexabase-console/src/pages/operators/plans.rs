//! Plans as they are sold, with the numbers of their users.

use axum::http::StatusCode;
use hexabase_core::model::{Plan, PlanUse};
use hexabase_core::platform::PlanSet;
use maud::{Markup, html};

use super::Operator;
use crate::components::{
    Column, ShellCommand, Table, Tone, badge, card, facts, name, page_heading, resource_text, shell_commands,
    table,
};
use crate::context::Context;
use crate::language::Texts;
use crate::money::money;
use crate::numbers::{amount, count};
use crate::pages::api_call::{api_call, api_request};
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::PageResult;
use crate::time::time;

pub(super) async fn show(Operator(context): Operator) -> PageResult {
    let set = context.platform().plan_admin().list().await?;
    let texts = context.texts();
    let title = texts.text("operators-plans");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&changed(&texts, &set)), None))
        (list(&texts, &set.plans))
        @for (plan, _) in &set.plans { (card(&plan.name, None, &contents(&texts, plan))) }
        (shell_commands(&texts, &commands(&context, &set)))
    };
    let section = Section::Operators(OperatorSection::Plans);
    Ok(PageContent { section, ..PageContent::new(title, content) }.respond(context, StatusCode::OK))
}

fn changed(texts: &Texts, set: &PlanSet) -> Markup {
    html! {
        @match set.updated_at {
            Some(at) => { (texts.text("plans-changed")) " " (time(texts, at)) },
            None => (texts.text("plans-unchanged")),
        }
    }
}

/// Calls that read and replace the plans: the API replaces all of them together.
fn commands(context: &Context, set: &PlanSet) -> [ShellCommand; 2] {
    let texts = context.texts();
    let read = api_call(context, texts.text("plans-command"), "/admin/plans");
    let label = texts.text("plans-replace");
    let mut replace = api_request(context, label, "PUT", "/admin/plans", "@plans.json");
    replace.command.push_str(&format!(" -H 'If-Match: \"{}\"'", set.version.number()));
    [read, replace]
}

fn list(texts: &Texts, plans: &[(Plan, PlanUse)]) -> Markup {
    let row = |(plan, used): &(Plan, PlanUse)| {
        let title = html! {
            (name(&plan.name)) " " code { (plan.id) }
            @if plan.retired { " " (badge(Tone::Neutral, &texts.text("plans-retired"))) }
        };
        let price = match &plan.price {
            Some(price) => {
                let monthly = money(texts.language(), price.monthly);
                texts.text_with("plan-monthly", &[("price", (&monthly).into())])
            }
            None => texts.text("plan-free"),
        };
        vec![
            title,
            html! { (price) },
            html! { (count(used.organizations.into())) },
            html! { (count(used.workspaces.into())) },
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("operators-plans"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-plan")),
            Column::text(texts.text("plans-price")),
            Column::number(texts.text("organizations-title")),
            Column::number(texts.text("nav-workspaces")),
        ],
        rows: plans.iter().map(row).collect(),
    })
}

fn contents(texts: &Texts, plan: &Plan) -> Markup {
    let quota = plan.quota.iter();
    let mut shown: Vec<_> = quota
        .map(|(resource, limit)| (resource_text(texts, resource), html! { (amount(resource, limit)) }))
        .collect();
    let versions: Vec<_> = plan.kubernetes_versions.iter().map(ToString::to_string).collect();
    shown.push((texts.text("field-version"), html! { (versions.join(", ")) }));
    shown.push((texts.text("overview-members"), html! { (count(plan.limits.members.into())) }));
    shown.push((texts.text("nav-workspaces"), html! { (count(plan.limits.workspaces.into())) }));
    html! {
        p { (name(&plan.description)) }
        (facts(&shown))
    }
}
