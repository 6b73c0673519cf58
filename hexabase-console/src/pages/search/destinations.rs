//! Pages and actions that a search finds: those that the user may open and perform.

use std::fmt::Display;

use hexabase_core::access::Action;
use hexabase_core::model::{Member, Organization, Workspace};
use hexabase_core::search::{SearchText, searchable};

use super::{Found, Kind, MAX_RESULTS};
use crate::context::Context;
use crate::pages::navigation::{Section, navigation, operators_navigation};
use crate::urls;

/// Returns the pages and actions whose labels contain a text, or the first ones of all.
pub(super) fn destinations(
    context: &Context,
    organizations: &[(Organization, Member)],
    workspace: Option<&Workspace>,
    text: Option<&SearchText>,
) -> Vec<Found> {
    let of_organizations =
        organizations.iter().flat_map(|membership| of_organization(context, membership, workspace));
    let all = of_organizations.chain(of_user(context));
    let matches =
        |found: &Found| text.is_none_or(|text| text.is_in(&searchable([&found.label as &dyn Display])));
    all.filter(matches).take(MAX_RESULTS).collect()
}

fn destination(label: String, href: String, note: &str) -> Found {
    Found { kind: Kind::Destination, label, href, note: note.to_owned() }
}

/// Actions in an organization, then the pages of the organization and of the workspace.
fn of_organization(
    context: &Context,
    membership: &(Organization, Member),
    workspace: Option<&Workspace>,
) -> Vec<Found> {
    let (organization, member) = membership;
    let note = organization.display_name.as_str();
    let actions = [
        (Action::WorkspaceCreate, "workspace-create", urls::new_workspace(organization.id)),
        (Action::InvitationCreate, "members-invite", urls::invite(organization.id)),
    ];
    let permitted = actions.into_iter().filter(|(action, ..)| context.may(member, *action));
    let actions = permitted.map(|(_, key, href)| destination(context.text(key), href, note));
    let sections = navigation(context, membership, workspace, Section::None);
    let pages = sections.into_iter().flat_map(|section| {
        let note = section.heading.unwrap_or_else(|| note.to_owned());
        section.items.into_iter().map(move |item| destination(item.label, item.href, &note))
    });
    actions.chain(pages).collect()
}

/// Pages and actions outside of all organizations.
fn of_user(context: &Context) -> Vec<Found> {
    let own = [
        ("organizations-title", urls::organizations()),
        ("organization-create", urls::new_organization()),
        ("invitations-title", urls::invitations()),
        ("preferences-title", urls::preferences()),
    ];
    let own = own.into_iter().map(|(key, href)| destination(context.text(key), href, ""));
    let note = context.text("operators-title");
    let sections = match context.is_operator() {
        true => operators_navigation(context, Section::None),
        false => Vec::new(),
    };
    let operators = sections.into_iter().flat_map(|section| section.items);
    own.chain(operators.map(|item| destination(item.label, item.href, &note))).collect()
}
