//! Abilities: the actions that a caller can perform now, and the reasons why it cannot perform the others.
//!
//! The reasons come from the permission table, and from the checks that the operations themselves perform on the state
//! of the organization and the workspace.

use std::collections::BTreeMap;

use super::billing::{check_paid_for, require_no_order};
use super::change::require_workspace_not_deleting;
use super::invitations::require_not_deleting;
use super::members::require_another_owner;
use super::organizations::require_no_subscription;
use super::workspace_rules::{check_power_change, require_not_suspended, require_reachable};
use super::workspaces::FreeWorkspaces;
use super::{Caller, Platform, PlatformInner};
use crate::access::{
    Ability, AccessFacts, Action, Decision, DenialReason, EffectiveRoles, Level, Principal, WorkspaceRight,
    authorize, check_right_grant, check_role_grant,
};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, ProjectId, WorkspaceId};
use crate::limits;
use crate::model::{
    BillingAccount, Organization, OrganizationCounts, OrganizationRole, Plan, Power, WorkspaceState,
};
use crate::plans::PlanCatalog;

/// Abilities by action.
pub type Abilities = BTreeMap<Action, Ability>;

/// State that decides on the actions of a caller.
struct AbilityFacts<'a> {
    principal: &'a Principal,
    role: OrganizationRole,
    is_service_account: bool,
    organization: Organization,
    counts: OrganizationCounts,
    account: Option<BillingAccount>,
    free_workspaces: Option<FreeWorkspaces>,
    payment_required: bool,
    plans: &'a PlanCatalog,
    workspace: Option<(WorkspaceState, Option<ProjectId>)>,
    alert_rules: u32,
}

impl Platform {
    /// Returns the actions that the caller can perform in an organization, in one of its workspaces and in one of the
    /// projects of the workspace, and the reasons why it cannot perform the others. The result contains the actions of
    /// the named objects: those in a workspace or project are absent unless it is named.
    ///
    /// An ability does not depend on the input of the operation, on the object that it changes, or on the capacity of
    /// host clusters. An operation with a valid input is therefore rejected for other reasons only.
    ///
    /// # Errors
    /// - `NotFound` if the caller is not a member, and for a workspace that does not exist or that the caller may not
    ///   see, or a project that does not exist.
    /// - `Forbidden` if the caller's token does not cover reading organizations.
    /// - `RateLimited` if the organization exceeds its request rate.
    pub async fn abilities(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: Option<(WorkspaceId, Option<ProjectId>)>,
    ) -> Result<Abilities> {
        self.inner().abilities(caller, organization, workspace).await
    }
}

impl PlatformInner {
    async fn abilities(
        &self,
        caller: &Caller,
        id: OrganizationId,
        place: Option<(WorkspaceId, Option<ProjectId>)>,
    ) -> Result<Abilities> {
        let role = self.permit(caller, id, Action::OrganizationRead).await?;
        let mut roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        let workspace = match place {
            Some((workspace, project)) => {
                let (state, in_workspace) =
                    self.visible_workspace(caller, roles, id, workspace, project).await?;
                roles = in_workspace;
                Some((state, project))
            }
            None => None,
        };
        let alert_rules = match place {
            Some((workspace, _)) => self.store.count_alert_rules(id, workspace).await?,
            None => 0,
        };
        let plans = self.plans().await?;
        let organization = self.organization(id).await?;
        let is_service_account = caller.principal.credential.session().is_none()
            && self.store.find_service_account(id, caller.principal.user_id).await?.is_some();
        let facts = AbilityFacts {
            principal: &caller.principal,
            role,
            is_service_account,
            counts: self.count_with_open_invitations(id, self.now()).await?.0,
            account: self.store.find_billing_account(id).await?,
            free_workspaces: self.free_workspaces(&plans, &organization).await?,
            payment_required: self.config.billing.required,
            plans: &plans,
            organization,
            alert_rules,
            workspace,
        };
        let ability = |action: Action| Ok((action, facts.ability(&roles, action)?));
        Action::ALL.iter().copied().filter(|action| facts.includes(*action)).map(ability).collect()
    }

    /// Returns a workspace with all its objects, and the caller's roles in it.
    async fn visible_workspace(
        &self,
        caller: &Caller,
        roles: EffectiveRoles,
        organization: OrganizationId,
        id: WorkspaceId,
        project: Option<ProjectId>,
    ) -> Result<(WorkspaceState, EffectiveRoles)> {
        let direct = self.store.list_groups_of(organization, id, caller.principal.user_id).await?;
        let state = self.load(organization, id).await?;
        let facts = AccessFacts::from(state.clone());
        let roles = facts.effective_roles(roles.organization, &direct, project);
        if authorize(&caller.principal, &roles, Action::WorkspaceRead) == Decision::Hidden {
            return Err(Error::not_found("workspace"));
        }
        if project.is_some_and(|id| !state.projects.iter().any(|project| project.id == id)) {
            return Err(Error::not_found("project"));
        }
        Ok((state, roles))
    }
}

impl AbilityFacts<'_> {
    /// `true` if an action concerns the objects that the caller named.
    fn includes(&self, action: Action) -> bool {
        let permission = action.permission();
        // An action that a role in the organization permits is possible in the workspace as a whole, too.
        let is_in_project =
            permission.workspace_right == WorkspaceRight::ProjectAdmin && permission.roles.is_empty();
        match &self.workspace {
            Some((_, project)) => project.is_some() || !is_in_project,
            None => permission.level == Level::Organization,
        }
    }

    fn ability(&self, roles: &EffectiveRoles, action: Action) -> Result<Ability> {
        match authorize(self.principal, roles, action) {
            Decision::Allowed if action == Action::MembersLeave && self.is_service_account => {
                Ok(DenialReason::ServiceAccount.into())
            }
            Decision::Allowed => Ability::of_check(self.check_state(action)),
            Decision::Denied(reason) => Ok(reason.into()),
            Decision::Hidden => Err(Error::not_found("workspace")),
        }
    }

    /// Performs the checks of an operation that do not depend on its input.
    fn check_state(&self, action: Action) -> Result<()> {
        let account = self.account.as_ref();
        match action {
            Action::OrganizationDelete => require_no_subscription(account),
            Action::MembersLeave if self.role == OrganizationRole::Owner => {
                require_another_owner(&self.counts)
            }
            Action::InvitationCreate => {
                check_role_grant(self.principal, self.role, OrganizationRole::Member)?;
                require_not_deleting(&self.organization)?;
                limits::check_member_limit(&self.counts, self.own_plan()?)
            }
            Action::ServiceAccountCreate => {
                check_role_grant(self.principal, self.role, OrganizationRole::Member)?;
                require_not_deleting(&self.organization)?;
                limits::check_service_account_limit(&self.counts)
            }
            Action::BillingOrder => {
                require_not_deleting(&self.organization)?;
                account.map_or(Ok(()), require_no_order)
            }
            Action::BillingBudget => require_not_deleting(&self.organization),
            Action::WorkspaceCreate => self.check_workspace_creation(),
            Action::WorkspaceUpdate
            | Action::WorkspaceSuspend
            | Action::WorkspaceResume
            | Action::NodePoolCreate
            | Action::NodePoolsManage
            | Action::AlertRuleCreate
            | Action::AlertRulesManage
            | Action::ClusterAccess
            | Action::GroupCreate
            | Action::GroupsManage
            | Action::WorkspaceRolesAssign
            | Action::ProjectRoleCreate
            | Action::ProjectRolesManage
            | Action::ProjectCreate
            | Action::ProjectsManage => self.check_workspace_state(action),
            Action::OrganizationRead
            | Action::OrganizationUpdate
            | Action::MembersRead
            | Action::MembersManage
            | Action::MembersLeave
            | Action::InvitationsManage
            | Action::ServiceAccountsManage
            | Action::AuditRead
            | Action::OverviewRead
            | Action::EventsRead
            | Action::BillingRead
            | Action::BillingManage
            | Action::WorkspacesList
            | Action::WorkspaceRead
            | Action::IsolationCheck
            | Action::WorkspaceDelete
            | Action::AlertsRead
            | Action::TaskRetry
            | Action::LogsRead
            | Action::GroupsRead
            | Action::RolesRead
            | Action::AccessReview
            | Action::ProjectsRead => Ok(()),
        }
    }

    /// Checks that a workspace can be created on at least one plan.
    fn check_workspace_creation(&self) -> Result<()> {
        require_not_deleting(&self.organization)?;
        require_not_suspended(self.organization.suspension.is_some())?;
        let own = self.own_plan()?;
        let check = |plan: &Plan| {
            if self.payment_required {
                check_paid_for(self.account.as_ref(), own, plan)?;
            }
            limits::check_workspace_limit(&self.counts, own)?;
            match self.free_workspaces.as_ref().filter(|_| plan.price.is_none()) {
                Some(free) => limits::check_free_workspaces(free.existing, free.limit),
                None => Ok(()),
            }
        };
        let others = self.plans.available().filter(|plan| plan.id != own.id);
        let first = check(own);
        if first.is_ok() || others.map(check).any(|result| result.is_ok()) { Ok(()) } else { first }
    }

    fn check_workspace_state(&self, action: Action) -> Result<()> {
        let Some((state, project)) = &self.workspace else { return Err(Error::not_found("workspace")) };
        let workspace = &state.workspace;
        if action == Action::ClusterAccess {
            return require_reachable(workspace);
        }
        require_workspace_not_deleting(workspace)?;
        let plan = || self.plans.get(&workspace.plan_id);
        match action {
            Action::WorkspaceSuspend => check_power_change(workspace, Power::Suspended),
            Action::WorkspaceResume => check_power_change(workspace, Power::Running),
            Action::NodePoolCreate => limits::check_node_pool_limit(workspace.node_pools.len(), 1, plan()?),
            Action::AlertRuleCreate => limits::check_alert_rule_limit(self.alert_rules, plan()?),
            Action::GroupCreate => limits::check_group_limit(state.groups.len(), plan()?),
            Action::ProjectRoleCreate => {
                check_right_grant(self.principal, WorkspaceRight::Member)?;
                let existing = state.roles.iter().filter(|role| Some(role.project_id) == *project).count();
                limits::check_role_limit(existing, plan()?)
            }
            Action::ProjectCreate => limits::check_project_limit(state.projects.len(), plan()?),
            _ => Ok(()),
        }
    }

    fn own_plan(&self) -> Result<&Plan> {
        self.plans.get(&self.organization.plan_id)
    }
}
