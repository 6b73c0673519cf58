//! Audit log with its filters.

use std::collections::BTreeMap;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::requests::PageQuery;
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{AuditEvent, Member, Organization};
use hexabase_core::page::Page;
use maud::{Markup, html};

use super::entry::details;
use super::objects::object_href;
use super::query::{self, local};
use crate::components::{
    Choice, Column, Control, Empty, Field, Pager, Table, empty, empty_by_filter, error_summary, field,
    get_form, name, page_heading, pager, shell_commands, table, unavailable,
};
use crate::context::Context;
use crate::form::FormState;
use crate::pages::api_call::api_call;
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::{PageContent, Section, audit_events, member_names};
use crate::response::PageResult;
use crate::time::exact_time;
use crate::urls;

/// Facts on the page.
struct LogPage {
    /// Entries; `None` while the organization has too many searches in progress.
    entries: Option<Vec<AuditEvent>>,
    /// Names of the members, the first 200.
    members: BTreeMap<UserId, String>,
    filters: Filters,
    form: FormState,
    pager: Pager,
}

/// Number of entries on a page unless the user chooses another: each has its details folded up.
const PAGE_SIZE: u16 = 25;

pub(super) async fn show(
    context: Context,
    Path(org): Path<OrganizationId>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let membership = context.organization_for(org, Action::AuditRead).await?;
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let parsed = query::parse(filters.query()).and_then(|query| Ok((query.page(), query.parse()?)));
    let (status, entries, form) = match parsed {
        Ok((page, filter)) => {
            let limit = page.limit.or(Some(PAGE_SIZE));
            let request = cursors.request(&PageQuery { limit, ..page })?;
            (StatusCode::OK, audit_events(&context, org, &filter, &request).await?, FormState::default())
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &filters.fields(), error)?;
            (error.status(), Some(Page { items: Vec::new(), next: None }), form)
        }
    };
    let next = entries.as_ref().map(|page| cursors.next_cursor(page)).transpose()?.flatten();
    let facts = LogPage {
        entries: entries.map(|page| page.items),
        members: member_names(&context, org).await?,
        pager: filters.pager_of(PAGE_SIZE.into(), &urls::audit(org), next.as_deref()),
        filters,
        form,
    };
    Ok(page(context, status, &membership, &facts))
}

fn page(
    context: Context,
    status: StatusCode,
    membership: &(Organization, Member),
    facts: &LogPage,
) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let (url, title) = (urls::audit(org), texts.text("overview-audit"));
    let path = format!("/organizations/{org}/audit-events");
    let commands = [api_call(&context, texts.text("audit-command"), &path)];
    let is_filtered = facts.filters.is_filtered();
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("audit-about")) }), None))
        (error_summary(&texts, &facts.form.summary(&["actor", "action", "resource", "since", "until"])))
        (get_form(&url, &filter_fields(&context, facts)))
        @match &facts.entries {
            None => (unavailable(&texts, &title)),
            Some(entries) if !entries.is_empty() => {
                (log(&context, org, entries, facts))
                (pager(&texts, &facts.pager))
                p {
                    a href=(file_href(org, &facts.filters)) download { (texts.text("audit-download")) } " "
                    span class="note" {
                        (texts.text_with("audit-download-limit", &[("count", super::file::MAX_ROWS.into())]))
                    }
                }
            },
            Some(_) if is_filtered => (empty_by_filter(&texts, &url)),
            Some(_) => {
                (empty(&Empty {
                    title: texts.text("audit-none"),
                    purpose: texts.text("audit-about"),
                    ..Empty::default()
                }))
            },
        }
        (shell_commands(&texts, &commands))
    };
    PageContent {
        section: Section::Audit,
        has_errors: facts.form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(membership)
    .respond(context, status)
}

/// Returns the address of the file with the entries of the filters.
fn file_href(org: OrganizationId, filters: &Filters) -> String {
    let pairs = form_urlencoded::parse(filters.query().as_bytes());
    let kept = pairs.filter(|(name, value)| !matches!(&**name, "limit" | "cursor") && !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    let url = urls::audit_file(org);
    if query.is_empty() { url } else { format!("{url}?{query}") }
}

fn filter_fields(context: &Context, facts: &LogPage) -> Markup {
    let texts = context.texts();
    let value = |name: &str| facts.filters.get(name).to_owned();
    let mut actors = vec![Choice::new("", texts.text("filter-any"))];
    actors.extend(facts.members.iter().map(|(id, name)| Choice::new(id.to_string(), name)));
    let actor = value("actor");
    if !actors.iter().any(|choice| choice.value == actor) {
        // A former member, or one beyond the first ones.
        actors.push(Choice::new(&actor, &actor));
    }
    let mut actions: Vec<String> = facts.entries.iter().flatten().map(|event| event.action.clone()).collect();
    actions.sort_unstable();
    actions.dedup();
    let action = Control::Line { kind: "text", autocomplete: "off", suggestions: actions };
    let time = || Control::Line { kind: "datetime-local", autocomplete: "off", suggestions: Vec::new() };
    let fields = [
        Field::new("actor", texts.text("audit-actor"), Control::Select(actors)).value(actor),
        Field::new("action", texts.text("audit-action"), action).value(value("action")),
        Field::line("resource", texts.text("audit-object")).value(value("resource")),
        Field::new("since", texts.text("audit-since"), time()).value(local(&value("since"))),
        Field::new("until", texts.text("audit-until"), time()).value(local(&value("until"))),
    ];
    html! {
        @for filter in fields {
            @let error = facts.form.error(&filter.name);
            (field(&texts, &filter.error(error)))
        }
        (submit_filters(&texts))
    }
}

fn log(context: &Context, org: OrganizationId, entries: &[AuditEvent], facts: &LogPage) -> Markup {
    let texts = context.texts();
    let row = |event: &AuditEvent| {
        // The whole path is among the details.
        let own_id = event.resource.rsplit('/').next().unwrap_or_default();
        let object = html! {
            @match object_href(org, &event.action, &event.resource) {
                Some(href) => { a href=(href) { code { (own_id) } } },
                None => code { (own_id) },
            }
        };
        let actor = html! {
            @match event.actor.user_id {
                None => (texts.text("audit-platform")),
                Some(user) => {
                    @match facts.members.get(&user) {
                        Some(known) => (name(known)),
                        None => code { (user) },
                    }
                },
            }
        };
        vec![
            exact_time(&texts, event.at),
            html! { code { (event.action) } },
            actor,
            object,
            details(texts, event),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("overview-audit"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("audit-time")),
            Column::text(texts.text("audit-action")),
            Column::text(texts.text("audit-actor")),
            Column::text(texts.text("audit-object")),
            Column::text(texts.text("audit-details")),
        ],
        rows: entries.iter().map(row).collect(),
    })
}
