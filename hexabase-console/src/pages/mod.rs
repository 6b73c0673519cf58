//! Pages.

mod access;
mod account;
mod api_call;
pub(crate) mod api_pages;
mod audit;
mod billing;
mod conflict;
mod csv;
mod device;
mod filters;
mod frame;
mod invitations;
mod navigation;
mod nested;
mod observe;
mod operators;
mod organization;
mod projects;
mod reauthentication;
pub(crate) mod refusal;
mod search;
mod seen;
mod service_accounts;
mod sign_in;
mod tokens;
mod workspaces;

use std::collections::BTreeMap;

use hexabase_core::access::Action;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::model::{AuditEvent, AuditFilter, Member, Organization, User, Workspace};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::search::MemberFilter;

pub(crate) use self::frame::PageContent;
pub(crate) use self::navigation::{OperatorSection, Section};
use crate::context::Context;
use crate::routes;

/// Returns the pages of all sections.
pub(crate) fn all() -> Vec<routes::Page> {
    [
        sign_in::pages(),
        invitations::pages(),
        organization::pages(),
        workspaces::pages(),
        projects::pages(),
        access::pages(),
        billing::pages(),
        observe::pages(),
        search::pages(),
        operators::pages(),
        account::pages(),
        service_accounts::pages(),
        audit::pages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the latest audit events for a part of a page. `None` if the user may not read them, or if the organization has too
/// many searches in progress: the rest of the page does not depend on them.
async fn latest_audit_events(
    context: &Context,
    (organization, member): &(Organization, Member),
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Option<Vec<AuditEvent>>> {
    if !context.may(member, Action::AuditRead) {
        return Ok(None);
    }
    Ok(audit_events(context, organization.id, filter, page).await?.map(|page| page.items))
}

/// Returns audit events; `None` while the organization has too many searches in progress.
async fn audit_events(
    context: &Context,
    org: OrganizationId,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Option<Page<AuditEvent>>> {
    let organizations = context.platform().organizations();
    match organizations.audit_events(&context.caller, org, filter, page).await {
        Err(error) if error.code() == "too_many_searches" => Ok(None),
        result => result.map(Some),
    }
}

/// Returns the names of the members of an organization, the first 200.
async fn member_names(context: &Context, org: OrganizationId) -> Result<BTreeMap<UserId, String>> {
    let (everyone, first) = (MemberFilter::default(), PageRequest::largest());
    let members = context.platform().members().list(&context.caller, org, &everyone, &first).await?;
    Ok(members.items.into_iter().map(|(_, user)| (user.id, known_as(&user))).collect())
}

/// Returns the address of a user, or else the name.
pub(crate) fn known_as(user: &User) -> String {
    user.email.as_ref().map_or_else(|| user.name.to_string(), ToString::to_string)
}

/// Returns `None` if another system does not respond: the rest of a page does not depend on it.
fn unless_unavailable<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::Unavailable => Ok(None),
        other => other.map(Some),
    }
}

/// Returns the display name of a workspace, or else its name.
pub(crate) fn workspace_name(workspace: &Workspace) -> &str {
    workspace.display_name.as_ref().map_or(workspace.name.as_str(), |name| name.as_str())
}
