//! Abilities: the actions that a caller can perform now, and the reasons why it cannot perform the others.
//!
//! The reasons come from the permission table, and from the checks that the operations themselves perform on the state
//! of the organization and the workspace.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use futures_util::try_join;

use super::billing::{check_paid_for, require_no_order};
use super::change::require_workspace_not_deleting;
use super::invitations::require_not_deleting;
use super::members::require_another_owner;
use super::organizations::require_no_subscription;
use super::workspace_rules::{check_power_change, require_not_suspended, require_reachable};
use super::{Caller, Platform, PlatformInner};
use crate::access::{
    Ability, Action, Decision, DenialReason, EffectiveRoles, Level, Principal, WorkspaceRight, authorize,
    check_right_grant, check_role_grant,
};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::limits;
use crate::model::{Organization, OrganizationRole, Plan, Power, Workspace};
use crate::plans::PlanCatalog;

/// Abilities by action.
pub type Abilities = BTreeMap<Action, Ability>;

/// Facts that decide on the actions of a caller. A check reads what it needs; the checks of a call share their reads.
struct AbilityFacts<'a> {
    platform: &'a PlatformInner,
    caller: &'a Caller,
    organization_id: OrganizationId,
    role: OrganizationRole,
    plans: &'a PlanCatalog,
    workspace: Option<(Workspace, Option<ProjectId>)>,
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
        self.abilities_for(caller, organization, workspace, Action::ALL).await
    }

    /// Returns the abilities for some actions, as [`Self::abilities`] does for all. Reads only what decides on them.
    ///
    /// # Errors
    /// As [`Self::abilities`].
    pub async fn abilities_for(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: Option<(WorkspaceId, Option<ProjectId>)>,
        actions: &[Action],
    ) -> Result<Abilities> {
        let caller = Caller { reads: caller.reads.or_new(), ..caller.clone() };
        self.inner().abilities(&caller, organization, workspace, actions).await
    }
}

impl PlatformInner {
    async fn abilities(
        &self,
        caller: &Caller,
        id: OrganizationId,
        place: Option<(WorkspaceId, Option<ProjectId>)>,
        actions: &[Action],
    ) -> Result<Abilities> {
        let role = self.permit(caller, id, Action::OrganizationRead).await?;
        let is_included = |action: &Action| includes(place, *action);
        let actions: Vec<Action> = actions.iter().copied().filter(is_included).collect();
        let mut roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        let workspace = match place {
            Some((workspace, project)) => {
                let (workspace, in_workspace) =
                    self.visible_workspace(caller, (id, workspace, project), roles, &actions).await?;
                roles = in_workspace;
                Some((workspace, project))
            }
            None => None,
        };
        let plans = self.plans().await?;
        let facts =
            AbilityFacts { platform: self, caller, organization_id: id, role, plans: &plans, workspace };
        let (facts, roles) = (&facts, &roles);
        let ability = |action| async move { Ok::<_, Error>((action, facts.ability(roles, action).await?)) };
        Ok(try_join_all(actions.into_iter().map(ability)).await?.into_iter().collect())
    }

    /// Returns a workspace and the caller's roles in it, as far as some actions depend on them.
    async fn visible_workspace(
        &self,
        caller: &Caller,
        (organization, id, project): (OrganizationId, WorkspaceId, Option<ProjectId>),
        mut roles: EffectiveRoles,
        actions: &[Action],
    ) -> Result<(Workspace, EffectiveRoles)> {
        let (_, found) = self.reads(caller).workspace(organization, id).await?.unzip();
        let workspace = found.flatten().ok_or_else(|| Error::not_found("workspace"))?;
        let is_allowed = |action: Action| authorize(&caller.principal, &roles, action) == Decision::Allowed;
        let depends_on_groups =
            !is_allowed(Action::WorkspaceRead) || !actions.iter().all(|action| is_allowed(*action));
        if !depends_on_groups && project.is_none() {
            return Ok((workspace, roles));
        }
        let reads = self.reads(caller);
        let (direct, facts) = try_join!(reads.own_groups(&workspace), reads.facts(&workspace))?;
        roles = facts.effective_roles(roles.organization, &direct, project);
        if authorize(&caller.principal, &roles, Action::WorkspaceRead) == Decision::Hidden {
            return Err(Error::not_found("workspace"));
        }
        if project.is_some_and(|id| !facts.projects.iter().any(|project| project.id == id)) {
            return Err(Error::not_found("project"));
        }
        Ok((workspace, roles))
    }
}

/// `true` if an action concerns the objects that a caller named.
fn includes(place: Option<(WorkspaceId, Option<ProjectId>)>, action: Action) -> bool {
    let permission = action.permission();
    // An action that a role in the organization permits is possible in the workspace as a whole, too.
    let is_in_project =
        permission.workspace_right == WorkspaceRight::ProjectAdmin && permission.roles.is_empty();
    match place {
        Some((_, project)) => project.is_some() || !is_in_project,
        None => permission.level == Level::Organization,
    }
}

impl AbilityFacts<'_> {
    async fn ability(&self, roles: &EffectiveRoles, action: Action) -> Result<Ability> {
        match authorize(&self.caller.principal, roles, action) {
            Decision::Allowed if action == Action::MembersLeave && self.is_service_account().await? => {
                Ok(DenialReason::ServiceAccount.into())
            }
            Decision::Allowed => Ability::of_check(self.check_state(action).await),
            Decision::Denied(reason) => Ok(reason.into()),
            Decision::Hidden => Err(Error::not_found("workspace")),
        }
    }

    async fn is_service_account(&self) -> Result<bool> {
        let Principal { user_id, credential } = &self.caller.principal;
        let store = &self.platform.store;
        Ok(credential.session().is_none()
            && store.find_service_account(self.organization_id, *user_id).await?.is_some())
    }

    /// Performs the checks of an operation that do not depend on its input.
    async fn check_state(&self, action: Action) -> Result<()> {
        let (reads, id, principal) =
            (self.platform.reads(self.caller), self.organization_id, &self.caller.principal);
        match action {
            Action::OrganizationDelete => require_no_subscription(reads.billing_account(id).await?.as_ref()),
            Action::MembersLeave if self.role == OrganizationRole::Owner => {
                require_another_owner(&reads.counts(id).await?)
            }
            Action::InvitationCreate => {
                check_role_grant(principal, self.role, OrganizationRole::Member)?;
                let counts = self.platform.count_with_open_invitations(self.caller, id);
                let (organization, (counts, _)) = try_join!(reads.organization(id), counts)?;
                require_not_deleting(&organization)?;
                limits::check_member_limit(&counts, self.plan_of(&organization)?)
            }
            Action::ServiceAccountCreate => {
                check_role_grant(principal, self.role, OrganizationRole::Member)?;
                let (organization, counts) = try_join!(reads.organization(id), reads.counts(id))?;
                require_not_deleting(&organization)?;
                limits::check_service_account_limit(&counts)
            }
            Action::BillingOrder => {
                let (organization, account) = try_join!(reads.organization(id), reads.billing_account(id))?;
                require_not_deleting(&organization)?;
                account.as_ref().map_or(Ok(()), require_no_order)
            }
            Action::BillingBudget => require_not_deleting(&reads.organization(id).await?),
            Action::WorkspaceCreate => self.check_workspace_creation().await,
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
            | Action::ProjectsManage => self.check_workspace_state(action).await,
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
    async fn check_workspace_creation(&self) -> Result<()> {
        let reads = self.platform.reads(self.caller);
        let organization = reads.organization(self.organization_id).await?;
        require_not_deleting(&organization)?;
        require_not_suspended(organization.suspension.is_some())?;
        let payment_required = self.platform.config.billing.required;
        let account = async {
            match payment_required {
                true => reads.billing_account(self.organization_id).await,
                false => Ok(None),
            }
        };
        let (counts, account, free) = try_join!(
            reads.counts(self.organization_id),
            account,
            self.free_workspaces(organization.created_by),
        )?;
        let own = self.plan_of(&organization)?;
        let check = |plan: &Plan| {
            if payment_required {
                check_paid_for(account.as_ref(), own, plan)?;
            }
            limits::check_workspace_limit(&counts, own)?;
            match free.filter(|_| plan.price.is_none()) {
                Some((existing, limit)) => limits::check_free_workspaces(existing, limit),
                None => Ok(()),
            }
        };
        let others = self.plans.available().filter(|plan| plan.id != own.id);
        let first = check(own);
        if first.is_ok() || others.map(check).any(|result| result.is_ok()) { Ok(()) } else { first }
    }

    /// Counts the workspaces on plans without a price in the organizations of a creator, and returns the number with the
    /// limit; `None` if they are not limited.
    async fn free_workspaces(&self, creator: UserId) -> Result<Option<(u32, u32)>> {
        let Some(limit) = self.platform.config.max_free_workspaces_per_user else { return Ok(None) };
        let existing = self.platform.count_free_workspaces(self.plans, creator).await?;
        if existing < limit {
            return Ok(Some((existing, limit)));
        }
        // Workspaces of platform administrators are not limited.
        let creator = self.platform.reads(self.caller).user(creator).await?;
        let is_admin = creator.is_some_and(|creator| self.platform.config.is_platform_admin(&creator));
        Ok((!is_admin).then_some((existing, limit)))
    }

    async fn check_workspace_state(&self, action: Action) -> Result<()> {
        let Some((workspace, project)) = &self.workspace else { return Err(Error::not_found("workspace")) };
        if action == Action::ClusterAccess {
            return require_reachable(workspace);
        }
        require_workspace_not_deleting(workspace)?;
        let plan = || self.plans.get(&workspace.plan_id);
        let reads = self.platform.reads(self.caller);
        match action {
            Action::WorkspaceSuspend => check_power_change(workspace, Power::Suspended),
            Action::WorkspaceResume => check_power_change(workspace, Power::Running),
            Action::NodePoolCreate => limits::check_node_pool_limit(workspace.node_pools.len(), 1, plan()?),
            Action::AlertRuleCreate => {
                let existing = self.platform.store.count_alert_rules(self.organization_id, workspace.id);
                limits::check_alert_rule_limit(existing.await?, plan()?)
            }
            Action::GroupCreate => {
                limits::check_group_limit(reads.facts(workspace).await?.groups.len(), plan()?)
            }
            Action::ProjectRoleCreate => {
                check_right_grant(&self.caller.principal, WorkspaceRight::Member)?;
                let facts = reads.facts(workspace).await?;
                let existing = facts.roles.iter().filter(|role| Some(role.project_id) == *project).count();
                limits::check_role_limit(existing, plan()?)
            }
            Action::ProjectCreate => {
                limits::check_project_limit(reads.facts(workspace).await?.projects.len(), plan()?)
            }
            _ => Ok(()),
        }
    }

    fn plan_of(&self, organization: &Organization) -> Result<&Plan> {
        self.plans.get(&organization.plan_id)
    }
}
