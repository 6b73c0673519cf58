//! Pages of workspaces.

mod activity;
mod connect;
mod delete;
mod list;
mod new;
mod node_pool;
mod nodes;
mod overview;
mod power;
mod settings;

use hexabase_api::html_pages::PageError;
use hexabase_core::access::{Ability, Action, DenialReason};
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::{Member, Organization, Workspace};
use hexabase_core::platform::Abilities;

use crate::context::Context;
use crate::pages::refusal::refused;
use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::WORKSPACES, action(Action::WorkspacesList), list::show),
        show(urls::NEW_WORKSPACE, action(Action::WorkspaceCreate), new::show),
        submit(urls::NEW_WORKSPACE, action(Action::WorkspaceCreate), new::submit),
        show(urls::WORKSPACE, action(Action::WorkspaceRead), overview::show),
        show(urls::CONNECT, action(Action::WorkspaceRead), connect::show),
        submit(urls::CONNECT, action(Action::ClusterAccess), connect::submit),
        show(urls::ACTIVITY, action(Action::WorkspaceRead), activity::show),
        submit(urls::ACTIVITY, action(Action::TaskRetry), activity::submit),
        show(urls::NODES, action(Action::WorkspaceRead), nodes::show),
        submit(urls::NODES, action(Action::NodePoolCreate), nodes::submit),
        show(urls::NODE_POOL, action(Action::NodePoolsManage), node_pool::show),
        submit(urls::NODE_POOL, action(Action::NodePoolsManage), node_pool::submit),
        show(urls::WORKSPACE_SETTINGS, action(Action::WorkspaceUpdate), settings::show),
        submit(urls::WORKSPACE_SETTINGS, action(Action::WorkspaceUpdate), settings::submit),
        show(urls::SUSPEND, action(Action::WorkspaceSuspend), power::show_suspend),
        submit(urls::SUSPEND, action(Action::WorkspaceSuspend), power::suspend),
        show(urls::RESUME, action(Action::WorkspaceResume), power::show_resume),
        submit(urls::RESUME, action(Action::WorkspaceResume), power::resume),
        show(urls::WORKSPACE_DELETE, action(Action::WorkspaceDelete), delete::show),
        submit(urls::WORKSPACE_DELETE, action(Action::WorkspaceDelete), delete::submit),
    ]
}

/// Workspace of a page, with what the user can do in it.
pub(crate) struct VisibleWorkspace {
    pub(crate) membership: (Organization, Member),
    pub(crate) workspace: Workspace,
    pub(crate) abilities: Abilities,
}

/// Reads the workspace of a page, with what the user can do in it and in one of its projects: the abilities for `actions`.
///
/// # Errors
/// `not_found` if the user may not see it, or for an unknown project.
async fn place_of(
    context: &Context,
    org: OrganizationId,
    place: (WorkspaceId, Option<ProjectId>),
    actions: &[Action],
) -> Result<VisibleWorkspace, PageError> {
    let membership = context.organization(org).await?;
    let platform = context.platform();
    let (workspace, abilities) = tokio::try_join!(
        async { platform.workspaces().get(&context.caller, org, place.0).await },
        platform.abilities_for(&context.caller, org, Some(place), actions),
    )?;
    Ok(VisibleWorkspace { membership, workspace, abilities })
}

/// Reads the workspace of a page for an action.
///
/// # Errors
/// `not_found` if the user may not see it, and `forbidden` if neither the role nor the groups permit the action. An action
/// that is not possible now is no error: the page says why.
pub(crate) async fn workspace_for(
    context: &Context,
    org: OrganizationId,
    ws: WorkspaceId,
    action: Action,
) -> Result<VisibleWorkspace, PageError> {
    workspace_with(context, (org, ws), action, &[]).await
}

/// Reads the workspace of a page for an action, with the abilities for further actions that the page offers.
///
/// # Errors
/// Same as [`workspace_for`].
pub(crate) async fn workspace_with(
    context: &Context,
    (org, ws): (OrganizationId, WorkspaceId),
    action: Action,
    further: &[Action],
) -> Result<VisibleWorkspace, PageError> {
    let found = place_of(context, org, (ws, None), &[&[action], further].concat()).await?;
    require(context, found, action).await
}

/// Reads the workspace of a page of a project for an action, with the abilities for further actions that the page offers.
///
/// # Errors
/// Same as [`workspace_for`], and `not_found` for an unknown project.
pub(crate) async fn project_place_for(
    context: &Context,
    (org, ws, project): (OrganizationId, WorkspaceId, ProjectId),
    action: Action,
    further: &[Action],
) -> Result<VisibleWorkspace, PageError> {
    let found = place_of(context, org, (ws, Some(project)), &[&[action], further].concat()).await?;
    require(context, found, action).await
}

/// Rejects an action that neither the role nor the groups of the user permit.
async fn require(
    context: &Context,
    found: VisibleWorkspace,
    action: Action,
) -> Result<VisibleWorkspace, PageError> {
    match found.abilities.get(&action) {
        Some(Ability::Denied(denial))
            if matches!(denial.reason, DenialReason::InsufficientRole | DenialReason::InsufficientScope) =>
        {
            Err(refused(context, &found.membership, Some(&found.workspace), action).await)
        }
        _ => Ok(found),
    }
}
