//! Move of a group below another one, with a preview of what its members gain and lose.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::{AccessFacts, Action, GroupTree};
use hexabase_core::error::Error;
use hexabase_core::id::GroupId;
use hexabase_core::model::Group;
use maud::{Markup, html};

use super::move_preview::{PlacedRole, move_preview};
use super::{GroupScope, group, group_name, role_link};
use crate::components::{
    ButtonKind, Field, Link, TreeChoice, card, error_summary, form_actions, get_form, name, page_heading,
    post_form, tree_choice,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, VERSION, form_to};
use crate::pages::filters::Filters;
use crate::pages::nested::tree_choices;
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(
    context: Context,
    Path(scope): Path<GroupScope>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query = query.unwrap_or_default();
    let filters = Filters::new(&query);
    // Without a choice there is no preview; an empty choice stands for the roots.
    let is_chosen = query.contains("parent_id=");
    let chosen = is_chosen.then(|| filters.get("parent_id").to_owned());
    load(context, StatusCode::OK, scope, chosen, &FormState::default()).await
}

pub(super) async fn submit(Path(scope): Path<GroupScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let (org, ws, grp) = scope;
    workspace_for(&context, org, ws, Action::GroupsManage).await?;
    let before = context.platform().groups().get(&context.caller, org, ws, grp).await?;
    match group::update(&context, scope, &fields, expected).await {
        Ok(after) => {
            let version = after.version.number().to_string();
            let parent = before.parent_id.map(|id| id.to_string()).unwrap_or_default();
            let undo = [("parent_id", parent.as_str()), (VERSION, &version)];
            let text = context.texts().text_with("group-moved", &[("name", after.name.as_str().into())]);
            let flash = Flash::new(text).with_undo(urls::group_move(org, ws, grp), &undo);
            Ok(see_other(context, &urls::group(org, ws, grp), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            load(context, error.status(), scope, Some(fields.get("parent_id").to_owned()), &form).await
        }
    }
}

async fn load(
    context: Context,
    status: StatusCode,
    (org, ws, grp): GroupScope,
    chosen: Option<String>,
    form: &FormState,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::GroupsManage).await?;
    let facts = context.platform().roles().facts(&context.caller, org, ws).await?;
    let found = facts.groups.iter().find(|group| group.id == grp);
    let group = found.ok_or_else(|| Error::not_found("group"))?;
    Ok(page(context, status, &place, &facts, group, chosen, form))
}

fn page(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    facts: &AccessFacts,
    group: &Group,
    chosen: Option<String>,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws, grp) = (group.organization_id, group.workspace_id, group.id);
    let url = urls::group_move(org, ws, grp);
    let title = texts.text("group-move");
    let current = group.parent_id.map(|id| id.to_string()).unwrap_or_default();
    let parents = Field::line("parent_id", texts.text("group-new-parent"))
        .value(chosen.clone().unwrap_or(current))
        .error(form.error("parent_id"));
    let content = html! {
        (page_heading(&html! { (title) ": " (name(group.name.as_str())) }, None, None))
        (error_summary(&texts, &form.summary(&["parent_id"])))
        (get_form(&url, &html! {
            (tree_choice(&parents, &choices(&context, facts, group)))
            button class="button" type="submit" { (texts.text("group-preview")) }
        }))
        @if let Some(parent) = &chosen { (preview(&context, facts, group, parent)) }
    };
    PageContent {
        section: Section::Groups,
        ancestors: vec![
            Link::new(texts.text("nav-groups"), urls::groups(org, ws)),
            Link::new(group.name.as_str(), urls::group(org, ws, grp)),
        ],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&place.membership)
    .in_workspace(&place.workspace)
    .respond(context, status)
}

/// Returns the possible parents. The group itself and the groups below it are none.
fn choices(context: &Context, facts: &AccessFacts, moved: &Group) -> Vec<TreeChoice> {
    let below = GroupTree::new(&facts.groups).with_descendants(moved.id);
    let choice = |group: &Group| TreeChoice {
        value: group.id.to_string(),
        label: group.name.to_string(),
        refusal: below.contains(&group.id).then(|| context.text("group-below-itself")),
        children: Vec::new(),
    };
    let root = TreeChoice {
        value: String::new(),
        label: context.text("group-root"),
        refusal: None,
        children: Vec::new(),
    };
    std::iter::once(root).chain(tree_choices(&facts.groups, &choice)).collect()
}

/// Effects of the move, and the form that moves.
fn preview(context: &Context, facts: &AccessFacts, group: &Group, parent: &str) -> Markup {
    let texts = context.texts();
    let (org, ws, grp) = (group.organization_id, group.workspace_id, group.id);
    let effects = move_preview(facts, grp, parent.parse().ok());
    let mut target = form_to(context, urls::group_move(org, ws, grp), Some(group.version));
    target.hidden.push(("parent_id", parent.to_owned()));
    let groups = |label: &str, ids: &[GroupId]| {
        html! {
            @if !ids.is_empty() {
                div { dt { (label) } dd { @for id in ids { (name(group_name(facts, *id))) " " } } }
            }
        }
    };
    let roles = |label: &str, roles: &[PlacedRole]| {
        html! {
            @if !roles.is_empty() {
                div { dt { (label) } dd { @for role in roles { div { (role_link(&texts, facts, (org, ws), *role)) } } } }
            }
        }
    };
    card(
        &texts.text("group-effects"),
        None,
        &html! {
            dl class="facts" {
                (groups(&texts.text("group-joined"), &effects.joined))
                (groups(&texts.text("group-left"), &effects.left))
                (roles(&texts.text("group-gained"), &effects.gained))
                (roles(&texts.text("group-lost"), &effects.lost))
            }
            p class="note" { (texts.text("group-effects-note")) }
            (post_form(&target,
                &form_actions(&texts, ButtonKind::Primary, &texts.text("group-move"), &urls::group(org, ws, grp))))
        },
    )
}
