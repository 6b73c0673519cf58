use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Key};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, ProjectId, WorkspaceId};
use crate::limits;
use crate::model::{Project, Workspace, WorkspaceState};
use crate::name::{DisplayName, ProjectName};
use crate::page::{Page, PageRequest};
use crate::quota::Quota;
use crate::version::Version;

/// Projects of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Projects<'a>(pub(super) &'a Parts);

/// What a new project is like.
#[derive(Debug, Clone)]
pub struct CreateProject {
    /// The name of its namespace, unique in the workspace.
    pub name: ProjectName,
    /// The name to show.
    pub display_name: Option<DisplayName>,
    /// The project it is part of; none for a root.
    pub parent_id: Option<ProjectId>,
    /// What it may use.
    pub quota: Quota,
}

impl Projects<'_> {
    /// Makes a project.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `AlreadyExists` when the name is taken in the workspace.
    /// - `Invalid` for a parent that there is not or that lies too deep, and for a quota that makes no sense.
    /// - `QuotaExceeded` when it does not fit its parent or the plan.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateProject,
    ) -> Result<Done<(Project, Workspace)>> {
        self.0
            .once(caller, || async {
                let place = (organization, workspace, None);
                let (mut change, state) = self.0.begin_whole(caller, place, Action::ProjectsManage).await?;
                let plan = self.0.plans.of(&state.workspace.plan_id)?;
                limits::another_project(state.projects.len(), plan)?;
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
                limits::project_quota(&project, &state.projects, plan)?;
                change.insert(project.clone());
                change.access_changed();
                change.cluster_changed();
                change.audit("project.create", format!("{workspace}/{}", project.id), (), &project);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (project, workspace)))
            })
            .await
    }

    /// The projects of a workspace, oldest first, with the workspace that says how far they are.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<(Page<Project>, Workspace)> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        Ok((self.0.store.list_projects(organization, workspace, page).await?, root))
    }

    /// All projects of a workspace at once, in the order of their ids, for a tree.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn all(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<(Vec<Project>, Workspace)> {
        self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        let state = self.0.load(organization, workspace).await?;
        Ok((state.projects, state.workspace))
    }

    /// A project, with the workspace that says how far it is.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
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

    /// Changes the name that is shown; `Some(None)` removes it, and `None` leaves it.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        display_name: Option<Option<DisplayName>>,
        expected: Option<Version>,
    ) -> Result<(Project, Workspace)> {
        self.0
            .transact(|| async {
                let whole = (place.0, place.1, None);
                let mut change = self.0.begin(caller, whole, Action::ProjectsManage).await?;
                let found = self.0.store.find_project(place.0, place.1, place.2).await?;
                let before = found.ok_or_else(|| Error::not_found("project"))?;
                require_version(expected, before.version)?;
                let display_name = display_name.clone().unwrap_or_else(|| before.display_name.clone());
                if display_name == before.display_name {
                    return Ok((Changeset::new(), (before, change.workspace)));
                }
                let version = before.version.next();
                let after = Project { display_name, updated_at: change.now, version, ..before.clone() };
                change.update(after.clone());
                change.audit("project.update", format!("{}/{}", place.1, place.2), &before, &after);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (after, workspace)))
            })
            .await
    }

    /// Sets what a project may use.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Invalid` for a quota that makes no sense.
    /// - `QuotaExceeded` when it does not fit its parent, the plan, or the sub-projects there are.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn set_quota(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        quota: &Quota,
        expected: Option<Version>,
    ) -> Result<(Project, Workspace)> {
        self.0
            .transact(|| async {
                let whole = (place.0, place.1, None);
                let (mut change, state) = self.0.begin_whole(caller, whole, Action::ProjectsManage).await?;
                let before = find(&state, place.2)?;
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
                limits::project_quota(&after, &state.projects, self.0.plans.of(&state.workspace.plan_id)?)?;
                change.update(after.clone());
                change.cluster_changed();
                change.audit("project.set_quota", format!("{}/{}", place.1, place.2), &before.quota, quota);
                let (changeset, workspace) = change.finish();
                Ok((changeset, (after, workspace)))
            })
            .await
    }

    /// Removes a project with its roles and assignments; its namespace goes with everything in it.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Conflict` with code `project_not_empty` while it has sub-projects, `precondition_failed` or
    ///   `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        expected: Option<Version>,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let whole = (place.0, place.1, None);
                let (mut change, state) = self.0.begin_whole(caller, whole, Action::ProjectsManage).await?;
                let project = find(&state, place.2)?;
                require_version(expected, project.version)?;
                if state.projects.iter().any(|child| child.parent_id == Some(place.2)) {
                    let message = "the project still has sub-projects; delete them first";
                    return Err(Error::conflict("project_not_empty", message));
                }
                change.delete(Key::Project(place.0, place.1, place.2));
                change.access_changed();
                change.cluster_changed();
                change.audit("project.delete", format!("{}/{}", place.1, place.2), project, ());
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
    let above = |id: &ProjectId| find(state, *id).ok()?.parent_id;
    let depth = std::iter::successors(Some(parent), above).take(limits::MAX_PROJECT_DEPTH + 1).count();
    if depth >= limits::MAX_PROJECT_DEPTH {
        let message = format!("projects can lie at most {} deep", limits::MAX_PROJECT_DEPTH);
        return Err(Error::invalid("parent_id", message));
    }
    Ok(())
}
