//! Node pools of a workspace: its dedicated nodes.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::workspaces::requests::NewNodePool;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Plan;
use hexabase_core::platform::PoolState;
use maud::{Markup, html};

use super::{VisibleWorkspace, workspace_with};
use crate::components::{
    ButtonKind, Column, Control, Field, Table, card, copyable, dialog_link, disabled_button, error_summary,
    field, form_actions, name, page_heading, post_form, shell_commands, table,
};
use crate::context::{Context, is_possible, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::numbers::count;
use crate::pages::api_call::api_call;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Actions that the page offers.
const OFFERED: [Action; 2] = [Action::NodePoolCreate, Action::NodePoolsManage];

/// Facts on the page.
struct NodesPage {
    pools: Vec<PoolState>,
    /// Plan of the workspace; `None` if it is no longer known.
    plan: Option<Plan>,
}

impl NodesPage {
    async fn read(context: &Context, found: &VisibleWorkspace) -> Result<Self> {
        let platform = context.platform();
        let (org, ws) = (found.workspace.organization_id, found.workspace.id);
        let pools = platform.node_pools();
        let (pools, plans) =
            tokio::try_join!(pools.list(&context.caller, org, ws), platform.current_plans())?;
        Ok(Self { pools, plan: plans.find(&found.workspace.plan_id).cloned() })
    }

    /// Reason why no pool can be created now; `None` if one can.
    fn refusal(&self, context: &Context, found: &VisibleWorkspace) -> Option<String> {
        let has_nodes = self.plan.as_ref().is_none_or(|plan| plan.dedicated_nodes);
        refusal(context, &found.abilities, Action::NodePoolCreate)
            .or_else(|| (!has_nodes).then(|| context.text("nodes-not-in-plan")))
    }
}

pub(super) async fn show(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let found = workspace_with(&context, (org, ws), Action::WorkspaceRead, &OFFERED).await?;
    let facts = NodesPage::read(&context, &found).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &found, &facts, &form))
}

pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let found = workspace_with(&context, (org, ws), Action::NodePoolCreate, &OFFERED).await?;
    match create(&context, org, ws, &fields).await {
        Ok(name) => {
            let text = context.texts().text_with("nodes-created", &[("name", (&name).into())]);
            Ok(see_other(context, &urls::nodes(org, ws), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            let facts = NodesPage::read(&context, &found).await?;
            Ok(page(context, error.status(), &found, &facts, &form))
        }
    }
}

async fn create(context: &Context, org: OrganizationId, ws: WorkspaceId, fields: &Fields) -> Result<String> {
    let command = fields.parse::<NewNodePool>()?.parse()?;
    let created = context.platform().node_pools().create(&context.caller, org, ws, &command).await?;
    Ok(created.value.pool.name.to_string())
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    facts: &NodesPage,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let title = texts.text("nodes-title");
    let create = texts.text("nodes-create");
    let path = format!("/organizations/{org}/workspaces/{ws}/node-pools");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("nodes-about")) }), None))
        (error_summary(&texts, &form.summary(&["name", "class", "nodes"])))
        div id="node-pools" data-live=(format!("workspace:{ws}")) {
            @if facts.pools.is_empty() {
                div class="empty" { h2 { (texts.text("nodes-none")) } p { (texts.text("nodes-none-about")) } }
            } @else { (pools(&context, found, &facts.pools)) }
        }
        @match facts.refusal(&context, found) {
            Some(reason) if reason.is_empty() => {},
            Some(reason) => (disabled_button("nodes-reason", &create, &reason)),
            None => (card(&create, None, &creation(&context, found, form))),
        }
        (shell_commands(&texts, &[api_call(&context, texts.text("nodes-command"), &path)]))
    };
    PageContent { section: Section::Nodes, has_errors: form.has_errors(), ..PageContent::new(title, content) }
        .in_organization(&found.membership)
        .in_workspace(&found.workspace)
        .respond(context, status)
}

fn creation(context: &Context, found: &VisibleWorkspace, form: &FormState) -> Markup {
    let texts = context.texts();
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let line = |name: &str, label: &str, hint: &str| {
        Field::line(name, texts.text(label))
            .value(form.value(name))
            .error(form.error(name))
            .hint(texts.text(hint))
            .required()
    };
    let nodes = line("nodes", "nodes-number", "nodes-number-hint");
    let number = Control::Line { kind: "number", autocomplete: "off", suggestions: Vec::new() };
    let nodes = Field { control: number, ..nodes };
    post_form(
        &creating_form(context, urls::nodes(org, ws), form),
        &html! {
            (field(&texts, &line("name", "field-name", "nodes-name-hint")))
            (field(&texts, &line("class", "nodes-class", "nodes-class-hint")))
            (field(&texts, &nodes))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("nodes-create"), &urls::workspace(org, ws)))
        },
    )
}

fn pools(context: &Context, found: &VisibleWorkspace, pools: &[PoolState]) -> Markup {
    let texts = context.texts();
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let may_delete = is_possible(&found.abilities, Action::NodePoolsManage);
    let names = |nodes: &[String]| html! { @for node in nodes { p { (copyable(&texts, node)) } } };
    let row = |PoolState { pool, nodes }: &PoolState| {
        let delete = texts.text("nodes-delete");
        vec![
            name(pool.name.as_str()),
            html! { code { (pool.class) } },
            html! { (count(u64::try_from(nodes.assigned.len()).unwrap_or(u64::MAX))) " / " (count(pool.nodes.into())) },
            names(&nodes.assigned),
            names(&nodes.releasing),
            time(&texts, pool.created_at),
            html! {
                @if may_delete { (dialog_link(ButtonKind::Secondary, &delete, &urls::node_pool(org, ws, pool.id))) }
            },
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("nodes-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("nodes-class")),
            Column::number(texts.text("nodes-number")),
            Column::text(texts.text("nodes-assigned")),
            Column::text(texts.text("nodes-releasing")),
            Column::text(texts.text("field-created")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: pools.iter().map(row).collect(),
    })
}
