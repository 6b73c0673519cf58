//! Members of a group: table, adding and removing.

use hexabase_api::html_pages::PageError;
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::{AccessFacts, Action};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use hexabase_core::model::User;
use hexabase_core::page::PageRequest;
use hexabase_core::platform::GroupMember;
use hexabase_core::search::{MemberFilter, SearchText};
use maud::{Markup, html};

use super::{GroupScope, group, group_name};
use crate::components::{
    ButtonKind, Column, Control, Field, Table, card, field, name, post_form, submit_button, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to, invalid_entry};
use crate::pages::filters::Filters;
use crate::pages::workspaces::workspace_for;
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn add(
    Path(scope): Path<GroupScope>,
    cursors: Cursors,
    submission: Submission,
) -> PageResult {
    let Submission { context, fields } = submission;
    let (org, ws, grp) = scope;
    let mut found = group::load(&context, scope, Action::GroupsManage, &cursors, Filters::new("")).await?;
    let added = match member(&context, org, fields.get("member")).await {
        Ok(user) => {
            let groups = context.platform().groups();
            groups.add_member(&context.caller, org, ws, grp, user.id).await.map(|()| user)
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(user) => {
            let text = context.texts().text_with(
                "group-member-added",
                &[("name", user.name.as_str().into()), ("group", found.group.name.as_str().into())],
            );
            let flash = Flash::new(text).with_undo(urls::group_member(org, ws, grp, user.id), &[]);
            Ok(see_other(context, &urls::group(org, ws, grp), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            // It is valid at the address of this form, not at that of the page.
            found.next_cursor = None;
            Ok(group::page(context, error.status(), &found, &form))
        }
    }
}

pub(super) async fn remove(
    Path((org, ws, grp, user)): Path<(OrganizationId, WorkspaceId, GroupId, UserId)>,
    Submission { context, .. }: Submission,
) -> PageResult {
    workspace_for(&context, org, ws, Action::GroupsManage).await?;
    context.platform().groups().remove_member(&context.caller, org, ws, grp, user).await?;
    let id = user.to_string();
    let flash = Flash::new(context.text("group-member-removed"))
        .with_undo(urls::group_members(org, ws, grp), &[("member", &id)]);
    Ok(see_other(context, &urls::group(org, ws, grp), &flash))
}

/// Returns the member of the organization with an address or id.
async fn member(context: &Context, org: OrganizationId, entry: &str) -> Result<User> {
    let unknown = || invalid_entry("member", context.text("group-member-unknown"));
    let (members, caller) = (context.platform().members(), &context.caller);
    if let Ok(id) = entry.parse::<UserId>() {
        return members.get(caller, org, id).await.map(|(_, user)| user).map_err(|error| {
            match error.kind() {
                ErrorKind::NotFound => unknown(),
                _ => error,
            }
        });
    }
    let text = SearchText::parse(entry).map_err(|_| unknown())?;
    let filter = MemberFilter { text: Some(text), role: None };
    let page = members.list(caller, org, &filter, &PageRequest::largest()).await?;
    let is_named = |user: &User| {
        user.email.as_ref().is_some_and(|email| email.as_str().eq_ignore_ascii_case(entry))
            || user.name.as_str() == entry
    };
    let mut named = page.items.into_iter().map(|(_, user)| user).filter(is_named);
    match (named.next(), named.next()) {
        (Some(user), None) => Ok(user),
        _ => Err(unknown()),
    }
}

/// Returns the addresses of the first members of the organization.
pub(super) async fn suggestions(
    context: &Context,
    org: OrganizationId,
) -> std::result::Result<Vec<String>, PageError> {
    let first = PageRequest::largest();
    let page =
        context.platform().members().list(&context.caller, org, &MemberFilter::default(), &first).await?;
    Ok(page.items.into_iter().filter_map(|(_, user)| Some(user.email?.to_string())).collect())
}

/// Members of a group and of the groups below it, with the groups that make them members.
pub(super) fn members_table(
    context: &Context,
    grp: GroupId,
    access: &AccessFacts,
    members: &[GroupMember],
    (org, ws): (OrganizationId, WorkspaceId),
    may_manage: bool,
) -> Markup {
    let texts = context.texts();
    let row = |member: &GroupMember| {
        let user = &member.user;
        let shown = html! { a href=(urls::member(org, user.id)) { (name(user.name.as_str())) } };
        let email = html! { @if let Some(email) = &user.email { (name(email.as_str())) } };
        let through = html! {
            @for (index, id) in member.through.iter().enumerate() {
                @if index > 0 { " · " }
                @if *id == grp { (texts.text("group-direct")) }
                @else { a href=(urls::group(org, ws, *id)) { (name(group_name(access, *id))) } }
            }
        };
        let is_direct = member.through.contains(&grp);
        let remove = html! {
            @if may_manage && is_direct {
                (post_form(&form_to(context, urls::group_member(org, ws, grp, user.id), None),
                    &submit_button(&texts, ButtonKind::Secondary, &texts.text("group-member-remove"))))
            }
        };
        let why =
            html! { a href={ (urls::why(org, ws)) "?user_id=" (user.id) } { (texts.text("why-link")) } };
        vec![shown, email, through, why, remove].into()
    };
    html! {
        @if members.is_empty() {
            p class="note" { (texts.text("group-no-members")) }
        } @else {
            (table(&Table {
                caption: texts.text("nav-members"),
                is_caption_hidden: true,
                columns: vec![
                    Column::text(texts.text("field-display-name")),
                    Column::text(texts.text("field-email")),
                    Column::text(texts.text("group-membership")),
                    Column::text(texts.text("why-column")),
                    Column::actions(texts.text("actions-label")),
                ],
                rows: members.iter().map(row).collect(),
            }))
        }
    }
}

/// Form that adds a member of the organization.
pub(super) fn add_form(
    context: &Context,
    (org, ws, grp): GroupScope,
    suggestions: &[String],
    form: &FormState,
) -> Markup {
    let texts = context.texts();
    let control = Control::Line { kind: "text", autocomplete: "off", suggestions: suggestions.to_vec() };
    let entry = Field::new("member", texts.text("group-member"), control)
        .value(form.value("member"))
        .error(form.error("member"))
        .hint(texts.text("group-member-hint"))
        .required();
    let target = form_to(context, urls::group_members(org, ws, grp), None);
    let add = texts.text("group-member-add");
    card(
        &add,
        None,
        &post_form(
            &target,
            &html! {
                (field(&texts, &entry))
                (submit_button(&texts, ButtonKind::Primary, &add))
            },
        ),
    )
}
