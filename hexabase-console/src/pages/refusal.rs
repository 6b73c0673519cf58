//! Page of an action that the user may not perform: the permission, the roles that include it, and members who can grant
//! them.

use axum::http::StatusCode;
use hexabase_api::html_pages::PageError;
use hexabase_core::access::{Action, Permission, WorkspaceRight};
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{Member, Organization, OrganizationRole, User, Workspace};
use hexabase_core::page::PageRequest;
use hexabase_core::search::MemberFilter;
use maud::{Markup, html};

use crate::components::{ButtonKind, Tone, facts, link_button, name, notice, page_heading, role_text};
use crate::context::Context;
use crate::language::Texts;
use crate::pages::{PageContent, known_as};
use crate::urls;

/// Maximum number of members of each role who are named.
const MAX_GRANTERS: u16 = 5;

/// Returns the refusal of an action in an organization, or in a workspace of it.
pub(crate) async fn refused(
    context: &Context,
    membership: &(Organization, Member),
    workspace: Option<&Workspace>,
    action: Action,
) -> PageError {
    let permission = action.permission();
    match granters(context, membership.0.id, &permission).await {
        Ok(members) => {
            let texts = context.texts();
            let content = content(&texts, membership.0.id, &permission, &members);
            let page =
                PageContent { workspace, ..PageContent::new(texts.text("error-title-forbidden"), content) };
            PageError::with_page(page.in_organization(membership).show(context, StatusCode::FORBIDDEN))
        }
        Err(error) => error.into(),
    }
}

/// Returns members who can grant the permission: owners, and administrators unless only owners have it.
async fn granters(context: &Context, org: OrganizationId, permission: &Permission) -> Result<Vec<User>> {
    let first = PageRequest::new(MAX_GRANTERS, None);
    let mut found = Vec::new();
    for role in [OrganizationRole::Owner, OrganizationRole::Admin] {
        if role == OrganizationRole::Admin && permission.roles == [OrganizationRole::Owner] {
            continue;
        }
        let filter = MemberFilter { role: Some(role), ..MemberFilter::default() };
        let members = context.platform().members().list(&context.caller, org, &filter, &first).await?;
        found.extend(members.items.into_iter().map(|(_, user)| user));
    }
    Ok(found)
}

fn content(texts: &Texts, org: OrganizationId, permission: &Permission, granters: &[User]) -> Markup {
    let roles = html! {
        @for role in permission.roles { div { (role_text(texts, *role)) } }
        @if let Some(key) = group_right(permission.workspace_right) { div { (texts.text(key)) } }
    };
    let members = html! { @for user in granters { div { (name(&known_as(user))) } } };
    html! {
        (page_heading(&html! { (texts.text("error-title-forbidden")) }, None, None))
        (notice(Tone::Bad, &texts.text("error-forbidden"), &facts(&[
            (texts.text("refusal-permission"), html! { code { (permission.name) } }),
            (texts.text("refusal-roles"), roles),
            (texts.text("refusal-granters"), members),
        ])))
        div class="actions" {
            (link_button(ButtonKind::Primary, &texts.text("refusal-leave"), &urls::organization(org)))
        }
    }
}

/// Returns the key of the text about groups with the permission.
const fn group_right(right: WorkspaceRight) -> Option<&'static str> {
    match right {
        WorkspaceRight::None => None,
        WorkspaceRight::Member => Some("refusal-right-member"),
        WorkspaceRight::PodLogs => Some("refusal-right-logs"),
        WorkspaceRight::ProjectAdmin => Some("refusal-right-project-admin"),
        WorkspaceRight::Admin => Some("refusal-right-admin"),
    }
}
