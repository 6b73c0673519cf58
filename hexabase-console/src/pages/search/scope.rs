//! Scope of a search.

use hexabase_api::html_pages::PageError;
use hexabase_core::error::ErrorKind;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::{Member, Organization, Workspace};

use crate::context::Context;
use crate::pages::filters::Filters;

/// Maximum number of organizations that a request searches. Users of more choose one.
pub(super) const MAX_ORGANIZATIONS: usize = 5;

/// Organizations that are searched, and the workspace whose pages are searched.
pub(super) struct Scope {
    pub(super) organizations: Vec<(Organization, Member)>,
    pub(super) workspace: Option<Workspace>,
    /// Chosen organization; `None` for the first ones of the user.
    pub(super) chosen: Option<OrganizationId>,
}

impl Scope {
    /// Reads the scope of a query: its organization and workspace, or the first organizations of the user.
    ///
    /// # Errors
    /// `not_found` for an organization of which the user is not a member.
    pub(super) async fn read(context: &Context, filters: &Filters) -> Result<Self, PageError> {
        let chosen: Option<OrganizationId> = filters.get("org").parse().ok();
        let organizations = match chosen {
            Some(id) => vec![context.organization(id).await?],
            None => context.organizations.iter().take(MAX_ORGANIZATIONS).cloned().collect(),
        };
        let workspace = match (chosen, filters.get("ws").parse::<WorkspaceId>()) {
            (Some(org), Ok(ws)) => {
                match context.platform().workspaces().get(&context.caller, org, ws).await {
                    Ok(workspace) => Some(workspace),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(error.into()),
                }
            }
            _ => None,
        };
        Ok(Self { organizations, workspace, chosen })
    }
}
