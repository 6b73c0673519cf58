//! Projects of a workspace as a tree.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Project;
use maud::html;

use super::quota_fields::meters;
use super::{project_name, state_badge};
use crate::components::{
    ButtonKind, Empty, Link, TreeNode, dialog_link, disabled_button, empty, name, page_heading,
    shell_commands, tree,
};
use crate::context::{Context, refusal};
use crate::pages::api_call::api_call;
use crate::pages::nested::tree_nodes;
use crate::pages::workspaces::{VisibleWorkspace, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let place = workspace_with(&context, (org, ws), Action::ProjectsRead, &[Action::ProjectCreate]).await?;
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    Ok(page(context, &place, &projects))
}

fn page(context: Context, place: &VisibleWorkspace, projects: &[Project]) -> Response {
    let texts = context.texts();
    let workspace = &place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let create = texts.text("project-create");
    let refused = refusal(&context, &place.abilities, Action::ProjectCreate);
    let actions = match &refused {
        None => dialog_link(ButtonKind::Primary, &create, &urls::new_project(org, ws)),
        Some(reason) => disabled_button("create-reason", &create, reason),
    };
    let usage = workspace.status.usage.as_ref();
    let node = |project: &Project| TreeNode {
        label: html! { a href=(urls::project(org, ws, project.id)) { (name(project_name(project))) } },
        facts: html! {
            code { (project.name) }
            (state_badge(&texts, project, workspace))
            (meters(&texts, project, projects, usage.and_then(|usage| usage.projects.get(&project.id))))
        },
        children: Vec::new(),
    };
    let title = texts.text("nav-projects");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("projects-about")) }), Some(&actions)))
        div id="projects" data-live="projects" {
            @if projects.is_empty() {
                (empty(&Empty {
                    title: texts.text("projects-none"),
                    purpose: texts.text("projects-purpose"),
                    action: refused.is_none().then(|| Link::new(create, urls::new_project(org, ws))),
                    documentation: None,
                }))
            } @else {
                (tree(&title, &tree_nodes(projects, &node)))
            }
        }
        (shell_commands(&texts, &[api_call(&context, texts.text("projects-command"),
            &format!("/organizations/{org}/workspaces/{ws}/projects"))]))
    };
    PageContent { section: Section::Projects, ..PageContent::new(title, content) }
        .in_organization(&place.membership)
        .in_workspace(workspace)
        .respond(context, StatusCode::OK)
}
