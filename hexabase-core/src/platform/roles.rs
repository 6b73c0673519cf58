use std::sync::Arc;

use futures_util::try_join;

use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::{
    AccessFacts, Action, Attributes, Review, WorkspaceRight, check_right_grant, check_rules, review,
    right_of_role,
};
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Check, Error, Result};
use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::limits;
use crate::model::{Assignment, CustomRole, RoleRef, Rule, WorkspaceState};
use crate::name::Slug;
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Roles and role assignments. The preset roles are [`crate::model::PresetRole::ALL`]; their rules are
/// [`crate::access::preset_rules`].
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a>(pub(super) &'a PlatformInner);

/// Command to create a custom role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRole {
    /// Name, unique in the project.
    pub name: Slug,
    /// Rules of the role.
    pub rules: Vec<Rule>,
}

/// Command to change a custom role. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateRole {
    /// New name.
    pub name: Option<Slug>,
    /// New rules.
    pub rules: Option<Vec<Rule>>,
}

/// Command to assign a role to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAssignment {
    /// Group that receives the role.
    pub group_id: GroupId,
    /// Role to assign.
    pub role: RoleRef,
}

/// Request for an access review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessReviewRequest {
    /// User whose access is reviewed.
    pub user_id: UserId,
    /// Attributes of the request that the user would send to the tenant API server.
    pub attributes: Attributes,
}

impl Roles<'_> {
    /// Authorizes reading the roles of a workspace or project, and checks that the project exists.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn permit_read(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
    ) -> Result<()> {
        let (organization, workspace, project) = scope;
        self.0.permit_in(caller, organization, workspace, project, Action::RolesRead).await?;
        if let Some(project) = project {
            let found = self.0.store.find_project(organization, workspace, project).await?;
            found.ok_or_else(|| Error::not_found("project"))?;
        }
        Ok(())
    }

    /// Returns all groups, assignments, custom roles and projects of a workspace, in one read.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's groups.
    pub async fn facts(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Arc<AccessFacts>> {
        self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        let root = self.0.permit_in(caller, organization, workspace, None, Action::RolesRead).await?;
        self.0.reads(caller).facts(&root).await
    }

    /// Lists the custom roles of a project, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        page: &PageRequest,
    ) -> Result<Page<CustomRole>> {
        self.permit_read(caller, (scope.0, scope.1, Some(scope.2))).await?;
        self.0.store.list_roles(scope.0, scope.1, scope.2, page).await
    }

    /// Returns a custom role.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn get(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
    ) -> Result<CustomRole> {
        let root = self.0.permit_in(caller, scope.0, scope.1, Some(scope.2), Action::RolesRead).await?;
        let facts = self.0.reads(caller).facts(&root).await?;
        if !facts.projects.iter().any(|project| project.id == scope.2) {
            return Err(Error::not_found("project"));
        }
        let found = facts.roles.iter().find(|role| role.id == id && role.project_id == scope.2);
        found.cloned().ok_or_else(|| Error::not_found("role"))
    }

    /// Creates a custom role in a project.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Invalid` for rules that are not allowed in a custom role.
    /// - `AlreadyExists` if the name is taken in the project.
    /// - `QuotaExceeded` if the limit of the plan is reached.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        command: &CreateRole,
    ) -> Result<Idempotent<CustomRole>> {
        let (organization_id, workspace_id, project_id) = scope;
        let project_scope = (organization_id, workspace_id, Some(project_id));
        let authorization = Authorization::Workspace(project_scope, Action::ProjectRoleCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let (mut change, state) =
                    self.0.begin_with_state(caller, project_scope, Action::ProjectRoleCreate).await?;
                require_project(&state, project_id)?;
                require_rules(&command.rules)?;
                check_right_grant(&caller.principal, WorkspaceRight::Member)?;
                let existing = state.roles.iter().filter(|role| role.project_id == project_id).count();
                limits::check_role_limit(existing, self.0.plans().await?.get(&state.workspace.plan_id)?)?;
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
                change.access_changed();
                change.cluster_changed();
                change.audit("role.create", format!("{workspace_id}/{project_id}/{}", role.id), (), &role);
                Ok((change.finish().0, role))
            })
            .await
    }

    /// Changes a custom role, for all groups that it is assigned to.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Invalid` for rules that are not allowed in a custom role.
    /// - `AlreadyExists` if the name is taken in the project.
    /// - `Conflict` with code `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
        command: &UpdateRole,
        expected: Option<Version>,
    ) -> Result<CustomRole> {
        let project_scope = (scope.0, scope.1, Some(scope.2));
        self.0
            .transact(|| async {
                let (mut change, state) =
                    self.0.begin_with_state(caller, project_scope, Action::ProjectRolesManage).await?;
                let before = find_role(&state, scope.2, id)?.clone();
                require_version(expected, before.version)?;
                let mut after = before.clone();
                if let Some(rules) = &command.rules {
                    require_rules(rules)?;
                    check_right_grant(&caller.principal, WorkspaceRight::Member)?;
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
                change.audit("role.update", format!("{}/{}/{id}", scope.1, scope.2), &before, &after);
                Ok((change.finish().0, after))
            })
            .await
    }

    /// Deletes a custom role that is not assigned to any group.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `role_in_use`, `precondition_failed` or `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, ProjectId),
        id: RoleId,
        expected: Option<Version>,
    ) -> Result<()> {
        let project_scope = (scope.0, scope.1, Some(scope.2));
        self.0
            .transact(|| async {
                let (mut change, state) =
                    self.0.begin_with_state(caller, project_scope, Action::ProjectRolesManage).await?;
                let role = find_role(&state, scope.2, id)?;
                require_version(expected, role.version)?;
                if state.assignments.iter().any(|assignment| assignment.role == RoleRef::Custom(id)) {
                    return Err(Error::conflict(
                        "role_in_use",
                        "the role is still assigned to groups; delete the assignments first",
                    ));
                }
                change.delete(RecordKey::Role(scope.0, scope.1, id));
                change.access_changed();
                change.cluster_changed();
                change.audit("role.delete", format!("{}/{}/{id}", scope.1, scope.2), role, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Lists the role assignments in a project, or with `None` those in the workspace as a whole, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list_assignments(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        page: &PageRequest,
    ) -> Result<Page<Assignment>> {
        self.permit_read(caller, scope).await?;
        self.0.store.list_assignments(scope.0, scope.1, scope.2, page).await
    }

    /// Assigns a role to a group, in the workspace as a whole or in one project and its descendants.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Invalid` if the group or role does not exist, or the role cannot be assigned in this scope.
    /// - `AlreadyExists` if the group already has the role in this scope.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn assign(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        command: &CreateAssignment,
    ) -> Result<Idempotent<Assignment>> {
        let (organization_id, workspace_id, project_id) = scope;
        let authorization = Authorization::Workspace(scope, assign_action(project_id));
        self.0
            .run_idempotent(caller, authorization, || async {
                let (mut change, state) =
                    self.0.begin_with_state(caller, scope, assign_action(project_id)).await?;
                if let Some(project) = project_id {
                    require_project(&state, project)?;
                }
                require_assignable(&state, project_id, command)?;
                check_right_grant(&caller.principal, right_of_role(command.role))?;
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

    /// Deletes a role assignment.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn unassign(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        id: AssignmentId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let mut change = self.0.begin(caller, scope, assign_action(scope.2)).await?;
                let found = self.0.store.find_assignment(scope.0, scope.1, id).await?;
                let assignment = found.filter(|assignment| assignment.project_id == scope.2);
                let assignment = assignment.ok_or_else(|| Error::not_found("role assignment"))?;
                change.delete(RecordKey::Assignment(scope.0, scope.1, id));
                change.access_changed();
                change.cluster_changed();
                change.audit("role.unassign", format!("{}/{id}", scope.1), &assignment, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Predicts the decision of the tenant API server for a user, from the roles that Hexabase binds. Every member of
    /// the workspace may request a review of their own access.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Invalid` if the user is not a member of the organization, or the project does not exist.
    pub async fn review(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        request: &AccessReviewRequest,
    ) -> Result<Idempotent<Review>> {
        let is_self = request.user_id == caller.principal.user_id;
        let action = if is_self { Action::RolesRead } else { Action::AccessReview };
        let authorization = Authorization::Workspace((organization, workspace, None), action);
        self.0
            .run_idempotent(caller, authorization, || async {
                let root = self.0.permit_in(caller, organization, workspace, None, action).await?;
                let (reads, reviewed) = (self.0.reads(caller), request.user_id);
                let (member, direct, facts) = try_join!(
                    reads.membership(organization, reviewed),
                    reads.groups(&root, reviewed),
                    reads.facts(&root),
                )?;
                if member.is_none() {
                    return Err(Error::invalid("user_id", "is not a member of this organization"));
                }
                let project = request.attributes.project;
                if project.is_some_and(|id| !facts.projects.iter().any(|project| project.id == id)) {
                    return Err(Error::invalid("project_id", "there is no such project in this workspace"));
                }
                Ok((Changeset::new(), review(&facts, &direct, &request.attributes)))
            })
            .await
    }
}

const fn assign_action(project: Option<ProjectId>) -> Action {
    if project.is_some() { Action::ProjectRolesManage } else { Action::WorkspaceRolesAssign }
}

fn require_project(state: &WorkspaceState, id: ProjectId) -> Result<()> {
    let exists = state.projects.iter().any(|project| project.id == id);
    if exists { Ok(()) } else { Err(Error::not_found("project")) }
}

fn find_role(state: &WorkspaceState, project: ProjectId, id: RoleId) -> Result<&CustomRole> {
    let found = state.roles.iter().find(|role| role.id == id && role.project_id == project);
    found.ok_or_else(|| Error::not_found("role"))
}

fn require_rules(rules: &[Rule]) -> Result<()> {
    let violations = check_rules(rules);
    if violations.is_empty() { Ok(()) } else { Err(Error::invalid_fields(violations)) }
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
            let allowed = preset.is_for_workspace() == project.is_none();
            let scope =
                if preset.is_for_workspace() { "in the workspace as a whole" } else { "in a project" };
            check.require(allowed, "role", format!("{preset} is assigned {scope} only"));
        }
        (RoleRef::Custom(_), None) => check.refuse("role", "custom roles are assigned in their project only"),
        (RoleRef::Custom(id), Some(project)) => {
            let exists = find_role(state, project, id).is_ok();
            check.require(exists, "role", "there is no such role in this project");
        }
    }
    check.done()
}
