//! Workspaces of an organization.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::requests::from_filter_form;
use hexabase_api::workspaces::requests::WorkspaceQuery;
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, Phase, Workspace};
use hexabase_core::plans::PlanCatalog;
use maud::{Markup, html};

use crate::components::{
    ButtonKind, Choice, Column, Control, Empty, Field, Link, Row, Table, data, disabled_button, empty,
    empty_by_filter, field, get_form, link_button, name, page_heading, pager, phase_badge, phase_text, table,
};
use crate::context::{Context, refusal};
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::{PageContent, Section, workspace_name};
use crate::reasons::status_note;
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Facts on the page.
struct ListPage<'a> {
    workspaces: Vec<Workspace>,
    plans: &'a PlanCatalog,
    /// Reason why no workspace can be created now; `None` if the user can create one.
    refusal: Option<String>,
    filters: Filters,
    next_cursor: Option<String>,
}

pub(super) async fn show(
    context: Context,
    Path(org): Path<OrganizationId>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let membership = context.organization_for(org, Action::WorkspacesList).await?;
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request: WorkspaceQuery = from_filter_form(filters.query())?;
    let page_request = cursors.request(&request.page())?;
    let filter = request.parse()?;
    let (platform, caller) = (context.platform(), &context.caller);
    let (workspaces, plans, abilities) = tokio::try_join!(
        async { platform.workspaces().list(caller, org, &filter, &page_request).await },
        platform.current_plans(),
        platform.abilities_for(caller, org, None, &[Action::WorkspaceCreate]),
    )?;
    let next_cursor = cursors.next_cursor(&workspaces)?;
    let facts = ListPage {
        workspaces: workspaces.items,
        plans: &plans,
        refusal: refusal(&context, &abilities, Action::WorkspaceCreate),
        filters,
        next_cursor,
    };
    Ok(page(context, &membership, &facts))
}

fn page(context: Context, membership: &(Organization, Member), facts: &ListPage<'_>) -> Response {
    let texts = context.texts();
    let org = membership.0.id;
    let (url, title) = (urls::workspaces(org), texts.text("nav-workspaces"));
    let create = texts.text("workspace-create");
    let actions = match &facts.refusal {
        None => link_button(ButtonKind::Primary, &create, &urls::new_workspace(org)),
        Some(reason) => disabled_button("create-reason", &create, reason),
    };
    let filters = filter_fields(&context, facts);
    let content = html! {
        (page_heading(&html! { (title) }, None, Some(&actions)))
        (get_form(&url, &filters))
        div id="workspaces" data-live="workspace" {
            @match (facts.workspaces.is_empty(), facts.filters.is_filtered()) {
                (false, _) => (workspaces(&context, org, facts)),
                (true, true) => (empty_by_filter(&texts, &url)),
                (true, false) => (empty(&Empty {
                    title: texts.text("workspaces-none"),
                    purpose: texts.text("workspaces-purpose"),
                    action: facts.refusal.is_none().then(|| Link::new(create, urls::new_workspace(org))),
                    documentation: None,
                })),
            }
        }
        (pager(&texts, &facts.filters.pager(&url, facts.next_cursor.as_deref())))
    };
    PageContent { section: Section::Workspaces, ..PageContent::new(title, content) }
        .in_organization(membership)
        .respond(context, StatusCode::OK)
}

fn filter_fields(context: &Context, facts: &ListPage<'_>) -> Markup {
    let texts = context.texts();
    let any = || Choice::new("", texts.text("filter-any"));
    let phases = Phase::ALL.iter().map(|phase| Choice::new(phase.as_str(), phase_text(&texts, *phase)));
    let plans = facts.plans.iter().map(|plan| Choice::new(plan.id.as_str(), &plan.name));
    let fields = [
        Field::line("q", texts.text("filter-text")),
        Field::new(
            "phase",
            texts.text("field-phase"),
            Control::Select([any()].into_iter().chain(phases).collect()),
        ),
        Field::new(
            "plan",
            texts.text("field-plan"),
            Control::Select([any()].into_iter().chain(plans).collect()),
        ),
    ];
    html! {
        @for filter in fields {
            @let value = facts.filters.get(&filter.name).to_owned();
            (field(&texts, &filter.value(value)))
        }
        (submit_filters(&texts))
    }
}

fn workspaces(context: &Context, org: OrganizationId, facts: &ListPage<'_>) -> Markup {
    let texts = context.texts();
    let row = |workspace: &Workspace| -> Row {
        let link = html! {
            a href=(urls::workspace(org, workspace.id)) { (name(workspace_name(workspace))) }
            @if workspace.display_name.is_some() { " " code { (workspace.name) } }
        };
        let phase = html! {
            (phase_badge(&texts, workspace.status.phase))
            @if !workspace.status.message.is_empty() { p class="note" { (status_note(&texts, &workspace.status.reason, &workspace.status.message)) } }
        };
        let plan = facts.plans.find(&workspace.plan_id);
        let region = workspace.region.as_ref().map(ToString::to_string).unwrap_or_default();
        vec![
            link,
            phase,
            html! { (name(plan.map_or(workspace.plan_id.as_str(), |plan| &plan.name))) },
            data(&workspace.kubernetes_version),
            data(&region),
            time(&texts, workspace.updated_at),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("nav-workspaces"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("field-phase")),
            Column::text(texts.text("field-plan")),
            Column::text(texts.text("field-version")),
            Column::text(texts.text("field-region")),
            Column::text(texts.text("field-updated")),
        ],
        rows: facts.workspaces.iter().map(row).collect(),
    })
}
