//! Pages of projects.

mod delete;
mod list;
mod new;
mod overview;
mod quota;
mod quota_fields;
mod quota_rest;

use hexabase_api::html_pages::PageError;
use hexabase_core::access::Action;
use hexabase_core::error::Error;
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::{Project, Workspace};
use maud::{Markup, html};

use super::workspaces::{VisibleWorkspace, project_place_for};
use crate::components::{Link, Tone, badge};
use crate::context::Context;
use crate::language::Texts;
use crate::routes::{Page, show, submit};
use crate::urls::{self, Access};

pub(super) fn pages() -> Vec<Page> {
    let action = Access::Action;
    vec![
        show(urls::PROJECTS, action(Action::ProjectsRead), list::show),
        show(urls::NEW_PROJECT, action(Action::ProjectCreate), new::show),
        submit(urls::NEW_PROJECT, action(Action::ProjectCreate), new::submit),
        show(urls::PROJECT, action(Action::ProjectsRead), overview::show),
        submit(urls::PROJECT, action(Action::ProjectsManage), overview::submit),
        show(urls::PROJECT_QUOTA, action(Action::ProjectsManage), quota::show),
        submit(urls::PROJECT_QUOTA, action(Action::ProjectsManage), quota::submit),
        show(urls::PROJECT_DELETE, action(Action::ProjectsManage), delete::show),
        submit(urls::PROJECT_DELETE, action(Action::ProjectsManage), delete::submit),
    ]
}

/// Ids of a project with those of its parents.
pub(crate) type ProjectScope = (OrganizationId, WorkspaceId, ProjectId);

/// Project of a page, with its workspace and the other projects in it.
pub(crate) struct VisibleProject {
    pub(crate) place: VisibleWorkspace,
    pub(crate) project: Project,
    pub(crate) all: Vec<Project>,
}

/// Reads the project of a page for an action.
///
/// # Errors
/// `not_found` if the user may not see it, and `forbidden` if neither the role nor the groups permit the action.
pub(crate) async fn project_for(
    context: &Context,
    scope: ProjectScope,
    action: Action,
) -> Result<VisibleProject, PageError> {
    project_with(context, scope, action, &[]).await
}

/// Reads the project of a page for an action, with the abilities for further actions that the page offers.
///
/// # Errors
/// Same as [`project_for`].
pub(crate) async fn project_with(
    context: &Context,
    (org, ws, prj): ProjectScope,
    action: Action,
    further: &[Action],
) -> Result<VisibleProject, PageError> {
    let place = project_place_for(context, (org, ws, prj), action, further).await?;
    let (all, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    let found = all.iter().find(|project| project.id == prj).cloned();
    let project = found.ok_or_else(|| PageError::from(Error::not_found("project")))?;
    Ok(VisibleProject { place, project, all })
}

/// Returns the display name of a project, or else its name.
pub(crate) fn project_name(project: &Project) -> &str {
    project.display_name.as_ref().map_or(project.name.as_str(), |name| name.as_str())
}

/// Returns the links to the list of projects and to a project and its ancestors, outermost first.
pub(crate) fn ancestors(texts: &Texts, all: &[Project], project: Option<&Project>) -> Vec<Link> {
    let parent_of = |project: &&Project| all.iter().find(|other| Some(other.id) == project.parent_id);
    let chain: Vec<_> = std::iter::successors(project, parent_of).take(all.len()).collect();
    let Some(first) = all.first() else { return Vec::new() };
    let list =
        Link::new(texts.text("nav-projects"), urls::projects(first.organization_id, first.workspace_id));
    let links = chain.into_iter().rev().map(|project| {
        let url = urls::project(project.organization_id, project.workspace_id, project.id);
        Link::new(project_name(project), url)
    });
    std::iter::once(list).chain(links).collect()
}

/// Badge with the state of a project's namespace, and the reason if it could not be created.
fn state_badge(texts: &Texts, project: &Project, workspace: &Workspace) -> Markup {
    let status = &workspace.status;
    if let Some(reason) = status.refused_projects.get(&project.id) {
        return html! { (badge(Tone::Bad, &texts.text("phase-failed"))) " " span class="reason" { (reason) } };
    }
    let is_waiting = status.waiting_projects.contains_key(&project.id);
    match !is_waiting && status.observed_generation >= project.generation {
        true => badge(Tone::Good, &texts.text("phase-ready")),
        false => badge(Tone::Busy, &texts.text("phase-pending")),
    }
}
