use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::access::{AccessFacts, Action, Attributes, Review, check_rules, review};
use crate::changeset::{Changeset, Key};
use crate::error::{Check, Error, Result};
use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::limits;
use crate::model::{Assignment, CustomRole, RoleRef, Rule, WorkspaceState};
use crate::name::Slug;
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Roles and assignments. The presets are [`crate::model::PresetRole::ALL`]; their rules are
/// [`crate::access::preset_rules`].
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a>(pub(super) &'a Parts);

/// What a new custom role is like.
#[derive(Debug, Clone)]
pub struct CreateRole {
    /// Its name, unique in the project.
    pub name: Slug,
    /// What it allows.
    pub rules: Vec<Rule>,
}

/// What to change about a custom role; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateRole {
    /// Its name.
    pub name: Option<Slug>,
    /// What it allows.
    pub rules: Option<Vec<Rule>>,
}

/// Which role to give to which group.
#[derive(Debug, Clone)]
pub struct CreateAssignment {
    /// To which group.
    pub group_id: GroupId,
    /// Which role.
    pub role: RoleRef,
}

/// Whom to ask about, and what they would do.
#[derive(Debug, Clone)]
pub struct AccessReviewRequest {
    /// Whom.
    pub user_id: UserId,
    /// What.
    pub attributes: Attributes,
}

impl Roles<'_> {
    /// Lets the caller see the roles of a workspace, and says whether there is such a project.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn permit_read(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
    ) -> Result<()> {
        let (organization, workspace, project) = place;
        self.0.permit_in(caller, organization, workspace, project, Action::RolesRead).await?;
        if let Some(project) = project {
            let found = self.0.store.find_project(organization, workspace, project).await?;
            found.ok_or_else(|| Error::not_found("project"))?;
        }
        Ok(())
    }

    /// The custom roles of a project, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn list(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        self.permit_read(caller, (place.0, place.1, Some(place.2))).await?;
        self.0.store.list_roles(place.0, place.1, place.2, page).await
    }

    /// A custom role.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn get(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
    ) -> Result<CustomRole> {
        self.permit_read(caller, (place.0, place.1, Some(place.2))).await?;
        let found = self.0.store.find_role(place.0, place.1, id).await?;
        found.filter(|role| role.project_id == place.2).ok_or_else(|| Error::not_found("role"))
    }

    /// Makes a custom role in a project.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Invalid` for rules that reach too far.
    /// - `AlreadyExists` when the name is taken in the project.
    /// - `QuotaExceeded` when the plan allows no more.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        command: &CreateRole,
    ) -> Result<Done<CustomRole>> {
        let (organization_id, workspace_id, project_id) = place;
        let whole = (organization_id, workspace_id, Some(project_id));
        self.0
            .once(caller, || async {
                let (mut change, state) =
                    self.0.begin_whole(caller, whole, Action::ProjectRolesManage).await?;
                require_project(&state, project_id)?;
                require_rules(&command.rules)?;
                let there = state.roles.iter().filter(|role| role.project_id == project_id).count();
                limits::another_role(there, self.0.plans.of(&state.workspace.plan_id)?)?;
                let role = CustomRole {
                    id: change.id(),
                    organization_id,
                    workspace_id,
                    project_id,
                    name: command.name.clone(),
                    rules: command.rules.clone(),
                    created_at: change.now,
                    updated_at: change.now,
                    version: Version::FIRST,
                };
                change.insert(role.clone());
                change.cluster_changed();
                change.audit("role.create", format!("{workspace_id}/{project_id}/{}", role.id), (), &role);
                Ok((change.finish().0, role))
            })
            .await
    }

    /// Changes a custom role; whoever has it has the new one.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Invalid` for rules that reach too far.
    /// - `AlreadyExists` when the name is taken in the project.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
        command: &UpdateRole,
        expected: Option<Version>,
    ) -> Result<CustomRole> {
        let whole = (place.0, place.1, Some(place.2));
        self.0
            .transact(|| async {
                let (mut change, state) =
                    self.0.begin_whole(caller, whole, Action::ProjectRolesManage).await?;
                let before = find_role(&state, place.2, id)?.clone();
                require_version(expected, before.version)?;
                let mut after = before.clone();
                if let Some(rules) = &command.rules {
                    require_rules(rules)?;
                    after.rules.clone_from(rules);
                }
                if let Some(name) = &command.name {
                    after.name = name.clone();
                }
                if after == before {
                    return Ok((Changeset::new(), after));
                }
                (after.updated_at, after.version) = (change.now, before.version.next());
                change.update(after.clone());
                change.access_changed();
                change.cluster_changed();
                change.audit("role.update", format!("{}/{}/{id}", place.1, place.2), &before, &after);
                Ok((change.finish().0, after))
            })
            .await
    }

    /// Removes a custom role that nobody has.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Conflict` with code `role_in_use`, `precondition_failed` or `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
        expected: Option<Version>,
    ) -> Result<()> {
        let whole = (place.0, place.1, Some(place.2));
        self.0
            .transact(|| async {
                let (mut change, state) =
                    self.0.begin_whole(caller, whole, Action::ProjectRolesManage).await?;
                let role = find_role(&state, place.2, id)?;
                require_version(expected, role.version)?;
                if state.assignments.iter().any(|given| given.role == RoleRef::Custom(id)) {
                    return Err(Error::conflict(
                        "role_in_use",
                        "groups still have this role; take it from them first",
                    ));
                }
                change.delete(Key::Role(place.0, place.1, id));
                change.cluster_changed();
                change.audit("role.delete", format!("{}/{}/{id}", place.1, place.2), role, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// The assignments in a project, or those in the workspace as a whole, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn list_assignments(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        self.permit_read(caller, place).await?;
        self.0.store.list_assignments(place.0, place.1, place.2, page).await
    }

    /// Gives a role to a group, in the workspace as a whole or in one project and its descendants.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `Invalid` for a group or role that there is not, or a role that does not belong in that place.
    /// - `AlreadyExists` when the group has the role there.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn assign(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
        command: &CreateAssignment,
    ) -> Result<Done<Assignment>> {
        let (organization_id, workspace_id, project_id) = place;
        self.0
            .once(caller, || async {
                let (mut change, state) =
                    self.0.begin_whole(caller, place, assign_action(project_id)).await?;
                if let Some(project) = project_id {
                    require_project(&state, project)?;
                }
                require_assignable(&state, project_id, command)?;
                let assignment = Assignment {
                    id: change.id(),
                    organization_id,
                    workspace_id,
                    project_id,
                    group_id: command.group_id,
                    role: command.role,
                    created_by: caller.principal.user_id,
                    created_at: change.now,
                };
                change.insert(assignment.clone());
                change.access_changed();
                change.cluster_changed();
                change.audit("role.assign", format!("{workspace_id}/{}", assignment.id), (), &assignment);
                Ok((change.finish().0, assignment))
            })
            .await
    }

    /// Takes a role from a group.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn unassign(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, Option<ProjectId>),
        id: AssignmentId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let mut change = self.0.begin(caller, place, assign_action(place.2)).await?;
                let found = self.0.store.find_assignment(place.0, place.1, id).await?;
                let assignment = found.filter(|given| given.project_id == place.2);
                let assignment = assignment.ok_or_else(|| Error::not_found("role assignment"))?;
                change.delete(Key::Assignment(place.0, place.1, id));
                change.access_changed();
                change.cluster_changed();
                change.audit("role.unassign", format!("{}/{id}", place.1), &assignment, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Answers what the tenant's API server would say about somebody, going by the roles that Hexabase
    /// binds. Everybody in the workspace may ask about themselves.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `Invalid` for a user or project that there is not.
    pub async fn review(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        request: &AccessReviewRequest,
    ) -> Result<Done<Review>> {
        let own = request.user_id == caller.principal.user_id;
        let action = if own { Action::RolesRead } else { Action::AccessReview };
        self.0
            .once(caller, || async {
                self.0.permit_in(caller, organization, workspace, None, action).await?;
                if self.0.store.find_member(organization, request.user_id).await?.is_none() {
                    return Err(Error::invalid("user_id", "does not belong to this organization"));
                }
                let state = self.0.load(organization, workspace).await?;
                let project = request.attributes.project;
                if project.is_some_and(|id| !state.projects.iter().any(|project| project.id == id)) {
                    return Err(Error::invalid("project_id", "there is no such project in this workspace"));
                }
                let direct = self.0.groups_of(&state.workspace, request.user_id).await?;
                let roles = state.roles.clone();
                let answer = review(&AccessFacts::from(state), &roles, &direct, &request.attributes);
                Ok((Changeset::new(), answer))
            })
            .await
    }
}

const fn assign_action(project: Option<ProjectId>) -> Action {
    if project.is_some() { Action::ProjectRolesManage } else { Action::WorkspaceRolesAssign }
}

fn require_project(state: &WorkspaceState, id: ProjectId) -> Result<()> {
    let there = state.projects.iter().any(|project| project.id == id);
    if there { Ok(()) } else { Err(Error::not_found("project")) }
}

fn find_role(state: &WorkspaceState, project: ProjectId, id: RoleId) -> Result<&CustomRole> {
    let found = state.roles.iter().find(|role| role.id == id && role.project_id == project);
    found.ok_or_else(|| Error::not_found("role"))
}

fn require_rules(rules: &[Rule]) -> Result<()> {
    let violations = check_rules(rules);
    if violations.is_empty() { Ok(()) } else { Err(Error::violated(violations)) }
}

fn require_assignable(
    state: &WorkspaceState,
    project: Option<ProjectId>,
    command: &CreateAssignment,
) -> Result<()> {
    let mut check = Check::default();
    let group = state.groups.iter().any(|group| group.id == command.group_id);
    check.require(group, "group_id", "there is no such group in this workspace");
    match (command.role, project) {
        (RoleRef::Preset(preset), _) => {
            let fits = preset.is_for_workspace() == project.is_none();
            let place =
                if preset.is_for_workspace() { "in the workspace as a whole" } else { "in a project" };
            check.require(fits, "role", format!("{preset} is assigned {place}"));
        }
        (RoleRef::Custom(_), None) => check.refuse("role", "a custom role is assigned in its project"),
        (RoleRef::Custom(id), Some(project)) => {
            let there = find_role(state, project, id).is_ok();
            check.require(there, "role", "there is no such role in this project");
        }
    }
    check.done()
}
