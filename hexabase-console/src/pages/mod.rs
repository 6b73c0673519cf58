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
mod search;
mod service_accounts;
mod sign_in;
mod tokens;
mod workspaces;

use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::model::{AuditEvent, AuditFilter, Member, Organization, Workspace};
use hexabase_core::page::PageRequest;

pub(crate) use self::frame::PageContent;
pub(crate) use self::navigation::{OperatorSection, Section};
use crate::context::Context;
use crate::routes::Page;

/// Returns the pages of all sections.
pub(crate) fn all() -> Vec<Page> {
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
    let organizations = context.platform().organizations();
    match organizations.audit_events(&context.caller, organization.id, filter, page).await {
        Ok(page) => Ok(Some(page.items)),
        Err(error) if error.code() == "too_many_searches" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the display name of a workspace, or else its name.
pub(crate) fn workspace_name(workspace: &Workspace) -> &str {
    workspace.display_name.as_ref().map_or(workspace.name.as_str(), |name| name.as_str())
}
