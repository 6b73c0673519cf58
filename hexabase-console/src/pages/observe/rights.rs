//! Projects in which a user may do what is not permitted in the workspace as a whole.

use hexabase_core::access::{Action, Decision, authorize};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::{GroupId, ProjectId};
use hexabase_core::model::Project;

use crate::context::{Context, refusal};
use crate::pages::workspaces::VisibleWorkspace;

/// Places of a workspace in which a user may perform an action.
pub(super) struct Rights {
    /// Reason why the action is not possible in the workspace as a whole; `None` if it is.
    pub(super) refusal: Option<String>,
    /// Projects in which the action is permitted nevertheless.
    pub(super) projects: Vec<Project>,
}

impl Rights {
    /// Reads the rights of the user of a page. The abilities of `place` are those in the workspace as a whole.
    pub(super) async fn of(context: &Context, place: &VisibleWorkspace, action: Action) -> Result<Self> {
        let refusal = refusal(context, &place.abilities, action);
        let projects = match refusal {
            None => Vec::new(),
            Some(_) => permitted_projects(context, place, action).await?,
        };
        Ok(Self { refusal, projects })
    }

    /// `true` if the action is permitted in a project, or in the workspace as a whole.
    pub(super) fn includes(&self, project: Option<ProjectId>) -> bool {
        self.refusal.is_none() || self.projects.iter().any(|it| Some(it.id) == project)
    }
}

async fn permitted_projects(
    context: &Context,
    place: &VisibleWorkspace,
    action: Action,
) -> Result<Vec<Project>> {
    let (platform, caller) = (context.platform(), &context.caller);
    let (org, ws) = (place.workspace.organization_id, place.workspace.id);
    let groups = match platform.groups().groups_of(caller, org, ws, context.user.id).await {
        // Roles of the organization alone permit nothing in projects.
        Err(error) if error.kind() == ErrorKind::Forbidden => return Ok(Vec::new()),
        found => found?,
    };
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let own: Vec<GroupId> = groups.iter().map(|(group, _)| group.id).collect();
    let facts = platform.roles().facts(caller, org, ws).await?;
    let role = Some(place.membership.1.role);
    let is_permitted = |project: &&Project| {
        let roles = facts.effective_roles(role, &own, Some(project.id));
        authorize(&caller.principal, &roles, action) == Decision::Allowed
    };
    Ok(facts.projects.iter().filter(is_permitted).cloned().collect())
}
