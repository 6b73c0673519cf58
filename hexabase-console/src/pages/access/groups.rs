//! Groups of a workspace as a tree.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::{AccessFacts, Action};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Group;
use maud::html;

use super::role_link;
use crate::components::{
    ButtonKind, Tone, TreeNode, badge, dialog_link, disabled_button, name, page_heading, shell_commands, tree,
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
    let place = workspace_with(&context, (org, ws), Action::GroupsRead, &[Action::GroupCreate]).await?;
    let facts = context.platform().roles().facts(&context.caller, org, ws).await?;
    Ok(page(context, &place, &facts))
}

fn page(context: Context, place: &VisibleWorkspace, facts: &AccessFacts) -> Response {
    let texts = context.texts();
    let workspace = &place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let create = texts.text("group-create");
    let actions = match refusal(&context, &place.abilities, Action::GroupCreate) {
        None => dialog_link(ButtonKind::Primary, &create, &urls::new_group(org, ws)),
        Some(reason) => disabled_button("create-reason", &create, &reason),
    };
    let node = |group: &Group| TreeNode {
        label: html! { a href=(urls::group(org, ws, group.id)) { (name(group.name.as_str())) } },
        facts: html! {
            @if group.preset.is_some() { (badge(Tone::Neutral, &texts.text("group-preset"))) }
            @for assignment in facts.assignments.iter().filter(|assignment| assignment.group_id == group.id) {
                span { (role_link(&texts, facts, (org, ws), (assignment.role, assignment.project_id))) }
            }
        },
        children: Vec::new(),
    };
    let title = texts.text("nav-groups");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("groups-about")) }), Some(&actions)))
        div id="groups" data-live="access" { (tree(&title, &tree_nodes(&facts.groups, &node))) }
        p { a href=(urls::why(org, ws)) { (texts.text("why-title")) } }
        (shell_commands(&texts, &[api_call(&context, texts.text("groups-command"),
            &format!("/organizations/{org}/workspaces/{ws}/groups?view=tree"))]))
    };
    PageContent { section: Section::Groups, ..PageContent::new(title, content) }
        .in_organization(&place.membership)
        .in_workspace(workspace)
        .respond(context, StatusCode::OK)
}
