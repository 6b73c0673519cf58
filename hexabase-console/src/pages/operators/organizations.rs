//! All organizations of the installation.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use hexabase_api::Pager as Cursors;
use hexabase_api::admin::requests::OrganizationQuery;
use hexabase_api::requests::from_filter_form;
use hexabase_core::model::{BillingStanding, OrganizationSummary};
use maud::{Markup, html};

use super::Operator;
use crate::components::{
    Column, Field, Table, Tone, badge, data, empty_by_filter, field, get_form, name, page_heading, pager,
    shell_commands, table,
};
use crate::language::Texts;
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::{OperatorSection, PageContent, Section};
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

pub(super) async fn show(
    Operator(context): Operator,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request: OrganizationQuery = from_filter_form(filters.query())?;
    let (page_request, text) = (cursors.request(&request.page())?, request.parse()?);
    let found = context.platform().organization_admin().list(text.as_ref(), &page_request).await?;
    let next = cursors.next_cursor(&found)?;
    let texts = context.texts();
    let (title, url) = (texts.text("organizations-title"), urls::tenants());
    let text = Field::line("q", texts.text("tenants-text")).value(filters.get("q"));
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("tenants-about")) }), None))
        (get_form(&url, &html! { (field(&texts, &text)) (submit_filters(&texts)) }))
        @if found.items.is_empty() { (empty_by_filter(&texts, &url)) } @else { (list(&texts, &found.items)) }
        (pager(&texts, &filters.pager(&url, next.as_deref())))
        (shell_commands(&texts, &[api_call(&context, texts.text("tenants-command"), "/admin/organizations")]))
    };
    let section = Section::Operators(OperatorSection::Organizations);
    Ok(PageContent { section, ..PageContent::new(title, content) }.respond(context, StatusCode::OK))
}

fn list(texts: &Texts, found: &[OrganizationSummary]) -> Markup {
    let row = |summary: &OrganizationSummary| {
        let organization = &summary.organization;
        let link = html! {
            a href=(urls::tenant(organization.id)) { (name(organization.display_name.as_str())) }
            " " code { (organization.name) }
        };
        vec![
            link,
            state(texts, summary),
            data(&organization.plan_id),
            html! { (count(summary.members.into())) },
            html! { (count(summary.workspaces.into())) },
            time(texts, organization.created_at),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("organizations-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("task-state")),
            Column::text(texts.text("field-plan")),
            Column::number(texts.text("nav-members")),
            Column::number(texts.text("nav-workspaces")),
            Column::text(texts.text("field-created")),
        ],
        rows: found.iter().map(row).collect(),
    })
}

/// Badges with the suspension, deletion and billing of an organization.
pub(super) fn state(texts: &Texts, summary: &OrganizationSummary) -> Markup {
    let organization = &summary.organization;
    html! {
        @if organization.suspension.is_some() { (badge(Tone::Bad, &texts.text("tenant-suspended"))) " " }
        @if organization.deletion_requested_at.is_some() { (badge(Tone::Bad, &texts.text("phase-deleting"))) " " }
        @match &summary.standing {
            BillingStanding::Good => (badge(Tone::Good, &texts.text("standing-good"))),
            BillingStanding::Grace { .. } => (badge(Tone::Warning, &texts.text("standing-grace"))),
            BillingStanding::Suspended { .. } => (badge(Tone::Bad, &texts.text("standing-suspended"))),
        }
    }
}
