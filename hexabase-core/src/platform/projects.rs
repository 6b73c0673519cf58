use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, ProjectId, WorkspaceId};
use crate::limits;
use crate::model::{Project, Workspace, WorkspaceState};
use crate::name::{DisplayName, ProjectName};
use crate::page::{Page, PageRequest};
use crate::quota::Quota;
use crate::search::SearchText;
use crate::version::Version;

/// Projects of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Projects<'a>(pub(super) &'a PlatformInner);

/// Command to create a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateProject {
    /// Name of the project and of its namespace, unique in the workspace.
    pub name: ProjectName,
    /// Display name.
    pub display_name: Option<DisplayName>,
    /// Parent project; `None` for a root.
    pub parent_id: Option<ProjectId>,
    /// Resource quota.
    pub quota: Quota,
}

impl Projects<'_> {
    /// Creates a project.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `Invalid` if the parent does not exist or is too deep in the tree, or the quota is invalid.
    /// - `QuotaExceeded` if the quota exceeds that of the parent or the plan.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateProject,
    ) -> Result<Idempotent<(Project, Workspace)>> {
        let authorization = Authorization::Workspace((organization, workspace, None), Action::ProjectCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let scope = (organization, workspace, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, scope, Action::ProjectCreate).await?;
                let plans = self.0.plans().await?;
                let plan = plans.get(&state.workspace.plan_id)?;
                limits::check_project_limit(state.projects.len(), plan)?;
                require_parent(&state, command.parent_id)?;
                let project = Project {
                    id: change.id(),
                    organization_id: organization,
                    workspace_id: workspace,
                    name: command.name.clone(),
                    display_name: command.display_name.clone(),
                    parent_id: command.parent_id,
                    quota: command.quota.clone(),
                    generation: change.next_generation(),
                    created_by: caller.principal.user_id,
                    created_at: change.now,
                    updated_at: change.now,
                    version: Version::FIRST,
                };
                limits::check_project_quota(&project, &state.projects, plan)?;
                change.insert(project.clone());
                change.access_changed();
                change.cluster_changed();
                change.audit("project.create", format!("{workspace}/{}", project.id), (), &project);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (project, workspace)))
            })
            .await
    }

    /// Lists the projects of a workspace, oldest first, with the workspace, whose status shows their progress: all of
    /// them, or those whose names or display names contain a text.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        text: Option<&SearchText>,
        page: &PageRequest,
    ) -> Result<(Page<Project>, Workspace)> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        Ok((self.0.store.list_projects(organization, workspace, text.cloned(), page).await?, root))
    }

    /// Returns all projects of a workspace at once, ordered by id, for a tree, with the workspace.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn all(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<(Vec<Project>, Workspace)> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        Ok((self.0.reads(caller).facts(&root).await?.projects.clone(), root))
    }

    /// Returns a project, with the workspace, whose status shows its progress.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: ProjectId,
    ) -> Result<(Project, Workspace)> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        let found = self.0.store.find_project(organization, workspace, id).await?;
        Ok((found.ok_or_else(|| Error::not_found("project"))?, root))
    }

    /// Changes the display name; `Some(None)` removes it, and `None` leaves it.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        display_name: Option<Option<DisplayName>>,
        expected: Option<Version>,
    ) -> Result<(Project, Workspace)> {
        self.0
            .transact(|| async {
                let workspace_scope = (scope.0, scope.1, None);
                let mut change = self.0.begin(caller, workspace_scope, Action::ProjectsManage).await?;
                let found = self.0.store.find_project(scope.0, scope.1, scope.2).await?;
                let before = found.ok_or_else(|| Error::not_found("project"))?;
                require_version(expected, before.version)?;
                let display_name = display_name.clone().unwrap_or_else(|| before.display_name.clone());
                if display_name == before.display_name {
                    return Ok((Changeset::new(), (before, change.workspace)));
                }
                let version = before.version.next();
                let after = Project { display_name, updated_at: change.now, version, ..before.clone() };
                change.update(after.clone());
                change.access_changed();
                change.audit("project.update", format!("{}/{}", scope.1, scope.2), &before, &after);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (after, workspace)))
            })
            .await
    }

    /// Sets the resource quota of a project.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Invalid` if the quota is invalid.
    /// - `QuotaExceeded` if the quota exceeds that of the parent or the plan, or is smaller than the sub-projects
    ///   require.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn set_quota(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        quota: &Quota,
        expected: Option<Version>,
    ) -> Result<(Project, Workspace)> {
        self.0
            .transact(|| async {
                let workspace_scope = (scope.0, scope.1, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, workspace_scope, Action::ProjectsManage).await?;
                let before = find(&state, scope.2)?;
                require_version(expected, before.version)?;
                if *quota == before.quota {
                    return Ok((Changeset::new(), (before.clone(), change.workspace)));
                }
                let after = Project {
                    quota: quota.clone(),
                    generation: change.next_generation(),
                    updated_at: change.now,
                    version: before.version.next(),
                    ..before.clone()
                };
                let plans = self.0.plans().await?;
                limits::check_project_quota(&after, &state.projects, plans.get(&state.workspace.plan_id)?)?;
                change.update(after.clone());
                change.access_changed();
                change.cluster_changed();
                change.audit("project.set_quota", format!("{}/{}", scope.1, scope.2), &before.quota, quota);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (after, workspace)))
            })
            .await
    }

    /// Deletes a project with its roles, its role assignments, and its namespace with all objects in it.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `project_not_empty` if it has sub-projects, `precondition_failed` or
    ///   `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        expected: Option<Version>,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let workspace_scope = (scope.0, scope.1, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, workspace_scope, Action::ProjectsManage).await?;
                let project = find(&state, scope.2)?;
                require_version(expected, project.version)?;
                if state.projects.iter().any(|child| child.parent_id == Some(scope.2)) {
                    let message = "the project still has sub-projects; delete them first";
                    return Err(Error::conflict("project_not_empty", message));
                }
                change.delete(RecordKey::Project(scope.0, scope.1, scope.2));
                change.access_changed();
                change.cluster_changed();
                change.audit("project.delete", format!("{}/{}", scope.1, scope.2), project, ());
                Ok((change.finish().0, ()))
            })
            .await
    }
}

fn find(state: &WorkspaceState, id: ProjectId) -> Result<&Project> {
    state.projects.iter().find(|project| project.id == id).ok_or_else(|| Error::not_found("project"))
}

fn require_parent(state: &WorkspaceState, parent: Option<ProjectId>) -> Result<()> {
    let Some(parent) = parent else { return Ok(()) };
    if find(state, parent).is_err() {
        return Err(Error::invalid("parent_id", "there is no such project in this workspace"));
    }
    let parent_of = |id: &ProjectId| find(state, *id).ok()?.parent_id;
    let depth = std::iter::successors(Some(parent), parent_of).take(limits::MAX_PROJECT_DEPTH + 1).count();
    if depth >= limits::MAX_PROJECT_DEPTH {
        let message = format!("the project tree can have at most {} levels", limits::MAX_PROJECT_DEPTH);
        return Err(Error::invalid("parent_id", message));
    }
    Ok(())
}
