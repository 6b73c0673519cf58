//! Proofs: the latest isolation check of every workspace whose control plane runs.

use std::collections::BTreeMap;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use hexabase_core::id::WorkspaceId;
use hexabase_core::model::{ConditionStatus, IsolationReport};
use hexabase_core::name::HostClusterName;
use hexabase_core::store::RunningWorkspace;
use maud::{Markup, html};

use super::Operator;
use crate::components::{
    Column, Pager, Table, Tone, api_text, badge, card, name, notice, page_heading, pager, shell_commands,
    table,
};
use crate::context::Context;
use crate::language::Texts;
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Number of workspaces on a page; each needs a read of the ephemeral store.
const PAGE_SIZE: u16 = 25;

/// Workspace with its latest report.
type Checked = (RunningWorkspace, Option<IsolationReport>);

/// Facts on the page.
struct ProofsPage {
    checked: Vec<Checked>,
    is_first: bool,
    /// Numbers of failed checks that this process has found, by host and check.
    failures: BTreeMap<(HostClusterName, String), u64>,
}

pub(super) async fn show(Operator(context): Operator, RawQuery(query): RawQuery) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let after: Option<WorkspaceId> = filters.get("after").parse().ok();
    let platform = context.platform();
    let facts = ProofsPage {
        checked: platform.isolation().reports(after, PAGE_SIZE).await?,
        is_first: after.is_none(),
        failures: platform.isolation_failures(),
    };
    let content = page(&context, &facts);
    let section = Section::Operators(OperatorSection::Proofs);
    Ok(PageContent { section, ..PageContent::new(context.text("operators-proofs"), content) }
        .respond(context, StatusCode::OK))
}

/// Status of the isolation of a workspace; `Unknown` without a report.
fn status(report: Option<&IsolationReport>) -> ConditionStatus {
    report.map_or(ConditionStatus::Unknown, IsolationReport::status)
}

fn page(context: &Context, facts: &ProofsPage) -> Markup {
    let texts = context.texts();
    let with_status =
        |wanted| facts.checked.iter().filter(move |(_, report)| status(report.as_ref()) == wanted);
    let failed = with_status(ConditionStatus::False).count();
    let unproven = with_status(ConditionStatus::Unknown).count();
    let proven = facts.checked.len() - failed - unproven;
    let summary = texts.text_with(
        "proofs-summary",
        &[("proven", proven.into()), ("failed", failed.into()), ("unproven", unproven.into())],
    );
    let tone = match (failed, unproven) {
        (0, 0) => Tone::Good,
        (0, _) => Tone::Warning,
        _ => Tone::Bad,
    };
    html! {
        (page_heading(&html! { (texts.text("operators-proofs")) }, Some(&html! { (texts.text("proofs-about")) }), None))
        @if facts.checked.is_empty() { p { (texts.text("proofs-none")) } }
        @else {
            (notice(tone, &summary, &html! {}))
            (list(&texts, &facts.checked))
            (pager(&texts, &pages(facts)))
        }
        @if !facts.failures.is_empty() {
            (card(&texts.text("proofs-failures"), None, &failures(&texts, &facts.failures)))
        }
        p { (texts.text("proofs-metering")) " " a href=(urls::tenants()) { (texts.text("organizations-title")) } }
        (shell_commands(&texts, &[api_call(context, texts.text("hosts-command"), "/admin/clusters")]))
    }
}

fn pages(facts: &ProofsPage) -> Pager {
    let is_full = facts.checked.len() == usize::from(PAGE_SIZE);
    let last = facts.checked.last().filter(|_| is_full).map(|(workspace, _)| workspace.id);
    Pager {
        first_href: (!facts.is_first).then(urls::proofs),
        next_href: last.map(|last| format!("{}?after={last}", urls::proofs())),
        ..Pager::default()
    }
}

fn list(texts: &Texts, checked: &[Checked]) -> Markup {
    let row = |(workspace, report): &Checked| {
        let result = match status(report.as_ref()) {
            ConditionStatus::True => badge(Tone::Good, &texts.text("proofs-proven")),
            ConditionStatus::False => badge(Tone::Bad, &texts.text("proofs-failed")),
            ConditionStatus::Unknown => badge(Tone::Warning, &texts.text("proofs-unproven")),
        };
        let collected = report.as_ref().map(|report| time(texts, report.collected_at)).unwrap_or_default();
        vec![
            html! { code { (workspace.id) } },
            html! { a href=(urls::tenant(workspace.organization_id)) { code { (workspace.organization_id) } } },
            name(workspace.host_cluster.as_str()),
            result,
            exceptions(texts, report.as_ref()),
            collected,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("proofs-caption"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("proofs-workspace")),
            Column::text(texts.text("field-organization")),
            Column::text(texts.text("proofs-host")),
            Column::text(texts.text("metering-result")),
            Column::text(texts.text("proofs-exceptions")),
            Column::text(texts.text("proofs-checked")),
        ],
        rows: checked.iter().map(row).collect(),
    })
}

/// Checks that did not pass, with their messages.
fn exceptions(texts: &Texts, report: Option<&IsolationReport>) -> Markup {
    let conditions = report.into_iter().flat_map(|report| &report.conditions);
    let exceptions: Vec<_> = conditions
        .map(|condition| &condition.result)
        .filter(|result| result.status != ConditionStatus::True)
        .collect();
    html! {
        @for result in exceptions { p { code { (result.kind) } " " (api_text(texts, &result.message)) } }
    }
}

fn failures(texts: &Texts, failures: &BTreeMap<(HostClusterName, String), u64>) -> Markup {
    let row = |((host, check), number): (&(HostClusterName, String), &u64)| {
        vec![name(host.as_str()), html! { code { (check) } }, html! { (count(*number)) }].into()
    };
    html! {
        p class="note" { (texts.text("proofs-failures-about")) }
        (table(&Table {
            caption: texts.text("proofs-failures"),
            is_caption_hidden: true,
            columns: vec![
                Column::text(texts.text("proofs-host")),
                Column::text(texts.text("conditions-type")),
                Column::number(texts.text("proofs-failed")),
            ],
            rows: failures.iter().map(row).collect(),
        }))
    }
}
