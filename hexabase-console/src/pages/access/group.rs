//! Group: its members, its roles and its name.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::access::requests::GroupPatch;
use hexabase_api::requests::{PageQuery, from_filter_form};
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::{AccessFacts, Action, GroupTree};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::GroupId;
use hexabase_core::model::Group;
use hexabase_core::platform::GroupMember;
use hexabase_core::version::Version;
use maud::{Markup, html};

use super::group_members::{add_form, members_table};
use super::{GroupScope, role_link};
use crate::components::{
    ButtonKind, Field, Link, card, error_summary, facts, field, id, link_button, name, page_heading, pager,
    post_form, submit_button,
};
use crate::context::{Context, is_possible};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, VERSION, form_to};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::filters::Filters;
use crate::pages::workspaces::{VisibleWorkspace, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Facts on the page.
pub(super) struct GroupPage {
    pub(super) place: VisibleWorkspace,
    pub(super) group: Group,
    pub(super) access: std::sync::Arc<AccessFacts>,
    members: Vec<GroupMember>,
    /// Addresses of members of the organization to choose from.
    suggestions: Vec<String>,
    filters: Filters,
    pub(super) next_cursor: Option<String>,
}

pub(super) async fn show(
    mut context: Context,
    Path(scope): Path<GroupScope>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let form = FormState::with(context.saved_fields());
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let found = load(&context, scope, Action::GroupsRead, &cursors, filters).await?;
    context.note_inventory(scope.0, scope.2).await?;
    Ok(page(context, StatusCode::OK, &found, &form))
}

pub(super) async fn submit(
    Path(scope): Path<GroupScope>,
    cursors: Cursors,
    submission: Submission,
) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = load(&context, scope, Action::GroupsManage, &cursors, Filters::new("")).await?;
    let url = urls::group(scope.0, scope.1, scope.2);
    match update(&context, scope, &fields, expected).await {
        Ok(after) => {
            let version = after.version.number().to_string();
            let undo = [("name", found.group.name.as_str()), (VERSION, &version)];
            let flash = Flash::new(context.text("group-renamed")).with_undo(url.clone(), &undo);
            Ok(see_other(context, &url, &flash))
        }
        Err(error) if is_outdated(&error) => {
            let (yours, now) = (fields.get("name").to_owned(), found.group.name.to_string());
            let conflict = Conflict {
                url,
                version: found.group.version,
                updated_at: found.group.updated_at,
                changes: Some(changes_of(format!("{}/{}", scope.1, scope.2), Some("group.update"))),
                values: vec![(context.text("field-name"), yours, now)],
            };
            conflict.respond(context, &fields, Some(found.place.membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

/// Changes the name or the parent of a group.
pub(super) async fn update(
    context: &Context,
    (org, ws, grp): GroupScope,
    fields: &Fields,
    expected: Option<Version>,
) -> Result<Group> {
    let command = fields.parse::<GroupPatch>()?.parse()?;
    context.platform().groups().update(&context.caller, org, ws, grp, &command, expected).await
}

/// Reads the group of a page with its members, for an action.
pub(super) async fn load(
    context: &Context,
    scope: GroupScope,
    action: Action,
    cursors: &Cursors,
    filters: Filters,
) -> std::result::Result<GroupPage, hexabase_api::html_pages::PageError> {
    let (org, ws, grp) = scope;
    let (platform, caller) = (context.platform(), &context.caller);
    let request = cursors.request(&from_filter_form::<PageQuery>(filters.query())?)?;
    let (place, access, members) = tokio::try_join!(
        workspace_with(context, (org, ws), action, &[Action::GroupsManage]),
        async { Ok(platform.roles().facts(caller, org, ws).await?) },
        async { Ok(platform.groups().members(caller, scope, true, &request).await?) },
    )?;
    let found = access.groups.iter().find(|group| group.id == grp).cloned();
    let group = found.ok_or_else(|| Error::not_found("group"))?;
    let next_cursor = cursors.next_cursor(&members)?;
    let suggestions = match is_possible(&place.abilities, Action::GroupsManage) {
        true => super::group_members::suggestions(context, org).await?,
        false => Vec::new(),
    };
    Ok(GroupPage { place, group, access, members: members.items, suggestions, filters, next_cursor })
}

pub(super) fn page(context: Context, status: StatusCode, found: &GroupPage, form: &FormState) -> Response {
    let texts = context.texts();
    let group = &found.group;
    let (org, ws, grp) = (group.organization_id, group.workspace_id, group.id);
    let may_manage = is_possible(&found.place.abilities, Action::GroupsManage);
    let actions = html! {
        @if may_manage && group.preset.is_none() {
            (link_button(ButtonKind::Secondary, &texts.text("group-move"), &urls::group_move(org, ws, grp)))
            (link_button(ButtonKind::Danger, &texts.text("group-delete"), &urls::group_delete(org, ws, grp)))
        }
    };
    let about = [
        (texts.text("field-id"), id(&texts, &grp.to_string())),
        (texts.text("group-claim"), html! { code { "hexabase:" (group.name) } }),
        (texts.text("field-created"), time(&texts, group.created_at)),
    ];
    let url = urls::group(org, ws, grp);
    let content = html! {
        (page_heading(&html! { (name(group.name.as_str())) }, None, Some(&actions)))
        (error_summary(&texts, &form.summary(&["name", "member"])))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        (card(&texts.text("nav-roles"), None, &roles(&context, found)))
        div id="members" data-live="access" {
            (card(&texts.text("nav-members"), None, &html! {
                (members_table(&context, found.group.id, &found.access, &found.members, (org, ws), may_manage))
                (pager(&texts, &found.filters.pager(&url, found.next_cursor.as_deref())))
            }))
        }
        @if may_manage {
            (add_form(&context, (org, ws, grp), &found.suggestions, form))
            (rename_form(&context, group, form))
        }
    };
    PageContent {
        section: Section::Groups,
        ancestors: ancestors(&context, found),
        has_errors: form.has_errors(),
        ..PageContent::new(group.name.as_str(), content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(&found.place.workspace)
    .audited(format!("{ws}/{grp}"))
    .respond(context, status)
}

/// Roles that the members have through the group and its ancestors.
fn roles(context: &Context, found: &GroupPage) -> Markup {
    let texts = context.texts();
    let group = &found.group;
    let (org, ws) = (group.organization_id, group.workspace_id);
    let chain: Vec<_> = GroupTree::new(&found.access.groups).with_ancestors(group.id).collect();
    let of = |source: GroupId| found.access.assignments.iter().filter(move |it| it.group_id == source);
    html! {
        @if chain.iter().all(|source| of(source.id).next().is_none()) {
            p class="note" { (texts.text("group-no-roles")) }
        }
        ul {
            @for source in &chain {
                @for assignment in of(source.id) {
                    li {
                        (role_link(&texts, &found.access, (org, ws), (assignment.role, assignment.project_id)))
                        @if source.id != group.id {
                            " " span class="note" { (texts.text_with("group-through", &[("group", source.name.as_str().into())])) }
                        }
                    }
                }
            }
        }
    }
}

/// Links to the list of groups and to the ancestors, outermost first.
fn ancestors(context: &Context, found: &GroupPage) -> Vec<Link> {
    let group = &found.group;
    let (org, ws) = (group.organization_id, group.workspace_id);
    let tree = GroupTree::new(&found.access.groups);
    let chain: Vec<_> = group.parent_id.into_iter().flat_map(|parent| tree.with_ancestors(parent)).collect();
    let links =
        chain.into_iter().rev().map(|group| Link::new(group.name.as_str(), urls::group(org, ws, group.id)));
    std::iter::once(Link::new(context.text("nav-groups"), urls::groups(org, ws))).chain(links).collect()
}

fn rename_form(context: &Context, group: &Group, form: &FormState) -> Markup {
    let texts = context.texts();
    let url = urls::group(group.organization_id, group.workspace_id, group.id);
    let entry = Field::line("name", texts.text("field-name"))
        .value(form.value_or("name", group.name.as_str()))
        .error(form.error("name"))
        .hint(texts.text("group-rename-hint"))
        .required();
    let target = form_to(context, url, Some(group.version));
    card(
        &texts.text("group-rename"),
        None,
        &post_form(
            &target,
            &html! {
                (field(&texts, &entry))
                (submit_button(&texts, ButtonKind::Secondary, &texts.text("group-rename")))
            },
        ),
    )
}
