use futures_util::try_join;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

use super::commit::require_version;
use super::invitations::require_not_deleting;
use super::workspace_rules::{
    check_power_change, new_plan, plan_and_version, require_not_suspended, require_offered,
    require_reachable, require_upgrade_finished, require_upgrade_step,
};
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::{Action, GroupTree, check_right_grant, right_of_role};
use crate::changeset::{Changeset, Precondition};
use crate::error::{Check, Error, Result};
use crate::id::{GroupId, OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::{
    Assignment, GitOps, GitOpsCredential, Group, GroupPreset, HostState, Membership, Organization,
    OrganizationRole, Plan, Power, PresetRole, RegisteredHost, RoleRef, TaskKind, User, Workspace,
    WorkspaceStatus,
};
use crate::name::{DisplayName, GroupName, HostClusterName, KubernetesVersion, PlanId, Region, Slug};
use crate::page::{Page, PageRequest};
use crate::placement::HostCluster;
use crate::plans::PlanCatalog;
use crate::search::WorkspaceFilter;
use crate::version::Version;
use crate::{lifecycle, limits, placement};
use jiff::Timestamp;

/// Workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Workspaces<'a>(pub(super) &'a PlatformInner);

/// Command to create a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateWorkspace {
    /// Name, unique in the organization.
    pub name: Slug,
    /// Display name.
    pub display_name: Option<DisplayName>,
    /// Plan of the workspace, which defines its quota and limits.
    pub plan_id: PlanId,
    /// Region of the host cluster; `None` for any.
    pub region: Option<Region>,
    /// Kubernetes version; `None` for the newest of the plan.
    pub kubernetes_version: Option<KubernetesVersion>,
}

/// Command to change a workspace. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateWorkspace {
    /// New display name; `Some(None)` removes it.
    pub display_name: Option<Option<DisplayName>>,
    /// New plan of the workspace.
    pub plan_id: Option<PlanId>,
    /// New Kubernetes version: the current or the next minor version.
    pub kubernetes_version: Option<KubernetesVersion>,
    /// All GitOps tools that have access to the cluster; other tools lose it.
    pub gitops: Option<GitOps>,
}

/// Workspace with the task that carries out the requested change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceTask {
    /// Current state of the workspace.
    pub workspace: Workspace,
    /// Id of the task; `None` if the change does not affect the cluster.
    pub task_id: Option<TaskId>,
}

/// Lifetime of a cluster token. A group that its user has left is still in the token until it expires.
pub const CLUSTER_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// Data for a credential for a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAccess {
    /// The workspace.
    pub workspace: Workspace,
    /// User of the credential.
    pub user: User,
    /// Names of the user's groups, ancestors included, sorted: the claim `groups`.
    pub groups: Vec<String>,
    /// Time before the groups were read, from which the lifetime of a token with them counts.
    pub as_of: Timestamp,
}

impl Workspaces<'_> {
    /// Creates a workspace. It starts with the groups `WorkspaceMembers`, `WSAdmins` and `WSUsers`; the caller is a
    /// member of `WSAdmins`, which has the role `hexabase:workspace-admin`.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Invalid` for a plan, region or version that does not exist.
    /// - `AlreadyExists` if the name is taken in the organization.
    /// - `QuotaExceeded` if the limit of the plan or of workspaces without a price is reached, or no host cluster has
    ///   capacity; with code `plan_not_paid_for` or `payment_overdue` if payment is required.
    /// - `Conflict` with code `organization_deleting` or `organization_suspended`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateWorkspace,
    ) -> Result<Idempotent<WorkspaceTask>> {
        let authorization = Authorization::Organization(organization, Action::WorkspaceCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                self.0.permit(caller, organization, Action::WorkspaceCreate).await?;
                let root = self.0.organization(organization).await?;
                require_not_deleting(&root)?;
                require_not_suspended(root.suspension.is_some())?;
                let plans = self.0.plans().await?;
                let (plan, kubernetes_version) = plan_and_version(&plans, &root, command)?;
                self.0.require_paid_for(&root, plan).await?;
                let counts = self.0.store.count_organization(organization).await?;
                limits::check_workspace_limit(&counts, plans.get(&root.plan_id)?)?;
                let creator = self.require_free_workspace(&plans, &root, plan).await?;
                let (host_cluster, host_precondition) =
                    self.choose_host(command.region.as_ref(), plan).await?;

                let now = self.0.now();
                let workspace = Workspace {
                    id: self.0.id(now),
                    organization_id: organization,
                    name: command.name.clone(),
                    display_name: command.display_name.clone(),
                    plan_id: plan.id.clone(),
                    region: command.region.clone(),
                    kubernetes_version,
                    power: Power::Running,
                    suspension_reason: None,
                    organization_suspended: false,
                    node_pools: Vec::new(),
                    gitops: GitOps::new(),
                    access_revocations: Vec::new(),
                    retired_group_names: Vec::new(),
                    deletion_requested_at: None,
                    host_cluster,
                    generation: 1,
                    access_version: 1,
                    status: WorkspaceStatus::new(now),
                    reconcile_at: Some(now),
                    created_by: caller.principal.user_id,
                    created_at: now,
                    updated_at: now,
                    version: Version::FIRST,
                };
                let by = caller.principal.user_id;
                let task = lifecycle::new_task(self.0.id(now), &workspace, TaskKind::Create, by, now);
                let entry =
                    self.0.audit(caller, organization, "workspace.create", workspace.id, (), &workspace);
                let billing_message = self.0.workspace_billing_message(&root, &plans);
                let changeset = Changeset::new().organization(root, now).insert(workspace.clone());
                let changeset = with_creator(changeset, creator, now);
                let changeset = billing_message.into_iter().fold(changeset, Changeset::message);
                let changeset = self
                    .insert_preset_groups(caller, &workspace, changeset)?
                    .insert(task.clone())
                    .insert(self.0.phase_event(&workspace))
                    .audit(entry)
                    .message(self.0.reconcile_message(organization, workspace.id));
                let preconditions = host_precondition.into_iter().chain([plans.precondition()]);
                let changeset = preconditions.fold(changeset, Changeset::precondition);
                Ok((changeset, WorkspaceTask { workspace, task_id: Some(task.id) }))
            })
            .await
    }

    /// Checks that the organizations of the organization's creator may have another workspace on this plan. Returns
    /// the creator if the commit must check that no other workspace was created meanwhile, in any of the
    /// organizations.
    async fn require_free_workspace(
        &self,
        plans: &PlanCatalog,
        root: &Organization,
        plan: &Plan,
    ) -> Result<Option<User>> {
        if plan.price.is_some() {
            return Ok(None);
        }
        let Some(usage) = self.0.free_workspaces(plans, root).await? else { return Ok(None) };
        limits::check_free_workspaces(usage.existing, usage.limit)?;
        Ok(usage.creator)
    }

    /// Chooses the host cluster of a new workspace. For a registered host, also returns the precondition that its
    /// registration is unchanged at the commit.
    async fn choose_host(
        &self,
        region: Option<&Region>,
        plan: &Plan,
    ) -> Result<(HostClusterName, Option<Precondition>)> {
        let registered = self.0.store.list_hosts().await?;
        let candidate = |registered: &RegisteredHost| {
            let unreachable = registered.health.state == HostState::Unreachable;
            HostCluster { cordoned: registered.host.cordoned || unreachable, ..registered.host.clone() }
        };
        let fixed = self.0.fleet.fixed().map(|(host, _)| host.clone());
        let hosts: Vec<HostCluster> = fixed.chain(registered.iter().map(candidate)).collect();
        let bounded = hosts.len() > 1 || hosts.iter().any(|host| host.capacity < u32::MAX);
        let used = if bounded { self.0.store.count_by_host().await? } else { BTreeMap::new() };
        let chosen = placement::choose(&hosts, region, &plan.host_labels, &used)?;
        let registered = registered.iter().find(|registered| registered.host.name == chosen);
        let precondition =
            registered.map(|registered| Precondition::Host(chosen.clone(), registered.version));
        Ok((chosen, precondition))
    }

    fn insert_preset_groups(
        &self,
        caller: &Caller,
        workspace: &Workspace,
        changeset: Changeset,
    ) -> Result<Changeset> {
        let now = workspace.created_at;
        let group = |name: &str, preset, parent_id| -> Result<Group> {
            Ok(Group {
                id: self.0.id(now),
                organization_id: workspace.organization_id,
                workspace_id: workspace.id,
                name: GroupName::parse(name).map_err(|error| Error::unexpected(error.to_string()))?,
                parent_id,
                preset: Some(preset),
                created_at: now,
                updated_at: now,
                version: Version::FIRST,
            })
        };
        let members = group("WorkspaceMembers", GroupPreset::Members, None)?;
        let admins = group("WSAdmins", GroupPreset::Admins, Some(members.id))?;
        let users = group("WSUsers", GroupPreset::Users, Some(members.id))?;
        let creator = Membership {
            organization_id: workspace.organization_id,
            workspace_id: workspace.id,
            group_id: admins.id,
            user_id: caller.principal.user_id,
            added_by: caller.principal.user_id,
            created_at: now,
        };
        let administration = Assignment {
            id: self.0.id(now),
            organization_id: workspace.organization_id,
            workspace_id: workspace.id,
            project_id: None,
            group_id: admins.id,
            role: RoleRef::Preset(PresetRole::WorkspaceAdmin),
            created_by: caller.principal.user_id,
            created_at: now,
        };
        Ok(changeset.insert(members).insert(admins).insert(users).insert(creator).insert(administration))
    }

    /// Lists the workspaces of an organization that are visible to the caller and match a filter, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        filter: &WorkspaceFilter,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let role = self.0.permit(caller, organization, Action::WorkspacesList).await?;
        let member = (role == OrganizationRole::Member).then_some(caller.principal.user_id);
        self.0.store.list_workspaces(organization, member, filter, page).await
    }

    /// Returns a workspace.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Workspace> {
        self.0.permit_in(caller, organization, id, None, Action::WorkspaceRead).await
    }

    /// Changes a workspace. A new plan or Kubernetes version, and access of GitOps tools, are applied to the cluster; the
    /// task shows the progress. Does nothing if the workspace already is as requested.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role; access of GitOps tools requires the permission to assign
    ///   roles in the workspace.
    /// - `Invalid` for a plan or version that does not exist, a downgrade of the version, or a namespace that the operator
    ///   does not allow for a GitOps tool.
    /// - `QuotaExceeded` if the workspace exceeds the limits of the new plan, or the organization does not pay for it.
    /// - `Conflict` with code `upgrade_under_way` for a version that skips one that is still being installed.
    /// - `Conflict` with code `workspace_deleting` or `precondition_failed`.
    pub async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
        command: &UpdateWorkspace,
        expected: Option<Version>,
    ) -> Result<WorkspaceTask> {
        self.0
            .transact(|| async {
                let scope = (organization, id, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, scope, Action::WorkspaceUpdate).await?;
                require_version(expected, change.workspace.version)?;
                let before = change.workspace.clone();
                let mut creator = None;
                let plans = self.0.plans().await?;
                let plan = match command.plan_id.as_ref().filter(|requested| **requested != before.plan_id) {
                    Some(requested) => {
                        let root = self.0.organization(organization).await?;
                        let plan = new_plan(&plans, &before, &root, requested)?;
                        self.0.require_paid_for(&root, plan).await?;
                        let had_price = plans.find(&before.plan_id).is_some_and(|plan| plan.price.is_some());
                        if had_price {
                            creator = self.require_free_workspace(&plans, &root, plan).await?;
                        }
                        plan
                    }
                    None => plans.get(&before.plan_id)?,
                };
                limits::check_workspace_plan_change(
                    state.groups.len(),
                    &state.projects,
                    before.node_pools.len(),
                    self.0.store.count_alert_rules(organization, id).await?,
                    plan,
                )?;
                let version = command.kubernetes_version.as_ref();
                if let Some(version) = version.filter(|requested| **requested != before.kubernetes_version) {
                    require_upgrade_step(&before.kubernetes_version, version)?;
                    require_upgrade_finished(&before, version)?;
                    change.workspace.kubernetes_version = version.clone();
                }
                // A plan may have dropped the version of the workspace, which must not prevent other changes.
                if change.workspace.kubernetes_version != before.kubernetes_version
                    || plan.id != before.plan_id
                {
                    require_offered(plan, &change.workspace.kubernetes_version)?;
                }
                change.workspace.plan_id = plan.id.clone();
                if let Some(display_name) = command.display_name.clone() {
                    change.workspace.display_name = display_name;
                }
                if let Some(gitops) = command.gitops.as_ref().filter(|gitops| **gitops != before.gitops) {
                    self.set_gitops(caller, &mut change.workspace, gitops, change.now).await?;
                }
                if change.workspace == before {
                    return Ok((Changeset::new(), WorkspaceTask { workspace: before, task_id: None }));
                }
                let cluster_changes = change.workspace.plan_id != before.plan_id
                    || change.workspace.kubernetes_version != before.kubernetes_version
                    || change.workspace.gitops != before.gitops;
                let task_id = match cluster_changes {
                    true => Some(change.task(TaskKind::Update).await?),
                    false => None,
                };
                let after = change.workspace.clone();
                change.audit("workspace.update", id, &before, &after);
                let (changeset, workspace) = change.finish();
                let mut changeset = with_creator(changeset, creator, workspace.updated_at);
                if cluster_changes {
                    changeset.preconditions.push(plans.precondition());
                }
                Ok((changeset, WorkspaceTask { workspace, task_id }))
            })
            .await
    }

    /// Sets the GitOps tools that have access to a workspace. It is a grant of roles in the cluster, with the permission and
    /// within the bounds of one.
    async fn set_gitops(
        &self,
        caller: &Caller,
        workspace: &mut Workspace,
        gitops: &GitOps,
        now: Timestamp,
    ) -> Result<()> {
        let (organization, id) = (workspace.organization_id, workspace.id);
        self.0.permit_in(caller, organization, id, None, Action::WorkspaceRolesAssign).await?;
        let mut check = Check::default();
        for (tool, access) in gitops {
            let field = format!("gitops.{tool}.namespace");
            check.field(field, self.0.config.gitops_namespaces.check(*tool, &access.namespace));
            check_right_grant(&caller.principal, right_of_role(RoleRef::Preset(access.role)))?;
        }
        check.done()?;
        // A reconcile that was interrupted may have issued a credential that is not recorded. The record makes the next
        // reconcile remove it.
        for (tool, access) in std::mem::replace(&mut workspace.gitops, gitops.clone()) {
            let unknown = GitOpsCredential::unknown(access.namespace, now);
            workspace.status.gitops.entry(tool).or_insert(unknown);
        }
        Ok(())
    }

    /// Requests the deletion of a workspace with everything in it. A repeated request, such as after a lost response,
    /// changes nothing and returns the open task.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `precondition_failed`.
    pub async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
        expected: Option<Version>,
    ) -> Result<WorkspaceTask> {
        self.0
            .transact(|| async {
                let action = Action::WorkspaceDelete;
                let workspace = self.0.permit_in(caller, organization, id, None, action).await?;
                if workspace.deletion_requested_at.is_some() {
                    let open = self.0.store.list_open_tasks(organization, id).await?;
                    let removal = open.iter().find(|task| task.kind == TaskKind::Delete);
                    let task_id = removal.map(|task| task.id);
                    return Ok((Changeset::new(), WorkspaceTask { workspace, task_id }));
                }
                require_version(expected, workspace.version)?;
                let (changeset, task, workspace) =
                    self.0.remove_workspace(caller, workspace, Changeset::new()).await?;
                Ok((changeset, WorkspaceTask { workspace, task_id: Some(task.id) }))
            })
            .await
    }

    /// Suspends a workspace: its pods are stopped, its data is kept.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `workspace_suspended` if its suspension was already requested, or `workspace_deleting`.
    pub async fn suspend(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Idempotent<WorkspaceTask>> {
        self.set_power(caller, organization, id, Power::Suspended).await
    }

    /// Resumes a suspended workspace.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `workspace_running` if it is not suspended, `billing_suspended` while a billing
    ///   suspension applies, `organization_suspended` while an operator suspends the organization, or
    ///   `workspace_deleting`.
    pub async fn resume(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Idempotent<WorkspaceTask>> {
        self.set_power(caller, organization, id, Power::Running).await
    }

    async fn set_power(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
        power: Power,
    ) -> Result<Idempotent<WorkspaceTask>> {
        let (kind, action) = match power {
            Power::Running => (TaskKind::Resume, Action::WorkspaceResume),
            Power::Suspended => (TaskKind::Suspend, Action::WorkspaceSuspend),
        };
        let authorization = Authorization::Workspace((organization, id, None), action);
        self.0
            .run_idempotent(caller, authorization, || async {
                let scope = (organization, id, None);
                let mut change = self.0.begin(caller, scope, action).await?;
                check_power_change(&change.workspace, power)?;
                let before = change.workspace.power;
                change.workspace.power = power;
                let task_id = Some(change.task(kind).await?);
                change.audit(action.permission().name, id, before, power);
                let (changeset, workspace) = change.finish();
                Ok((changeset, WorkspaceTask { workspace, task_id }))
            })
            .await
    }

    /// Returns the data for a credential of the caller for the tenant cluster.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `workspace_not_ready` if the workspace is being deleted, or its tenant API server has no
    ///   endpoint yet.
    pub async fn cluster_access(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<ClusterAccess> {
        let as_of = self.0.now();
        let workspace = self.0.permit_in(caller, organization, id, None, Action::ClusterAccess).await?;
        require_reachable(&workspace)?;
        let reads = self.0.reads(caller);
        let (found, direct) = try_join!(reads.user(caller.principal.user_id), reads.own_groups(&workspace))?;
        let user = found.ok_or_else(|| Error::not_found("user"))?;
        let groups = self.0.groups_claim(&workspace, &direct).await?;
        Ok(ClusterAccess { workspace, user, groups, as_of })
    }
}

/// Workspaces on plans without a price in the organizations of one creator.
struct FreeWorkspaces {
    existing: u32,
    limit: u32,
    creator: Option<User>,
}

impl PlatformInner {
    /// Counts the workspaces on plans without a price in the organizations of the organization's creator; `None` if
    /// they are not limited.
    async fn free_workspaces(
        &self,
        plans: &PlanCatalog,
        root: &Organization,
    ) -> Result<Option<FreeWorkspaces>> {
        let Some(limit) = self.config.max_free_workspaces_per_user else { return Ok(None) };
        let creator = self.store.find_user(root.created_by).await?;
        if creator.as_ref().is_some_and(|user| self.config.is_platform_admin(user)) {
            return Ok(None);
        }
        let existing = self.count_free_workspaces(plans, root.created_by).await?;
        Ok(Some(FreeWorkspaces { existing, limit, creator }))
    }

    /// Counts the workspaces on plans without a price in the organizations of a creator.
    pub(super) async fn count_free_workspaces(&self, plans: &PlanCatalog, creator: UserId) -> Result<u32> {
        let counts = self.store.count_created_workspaces(creator).await?;
        let is_free = |id: &PlanId| plans.find(id).is_none_or(|plan| plan.price.is_none());
        Ok(counts.iter().filter(|(plan, _)| is_free(plan)).map(|(_, count)| count).sum())
    }

    /// Returns the names of the groups of a user with these direct memberships, ancestors included: the claim
    /// `groups`.
    pub(crate) async fn groups_claim(
        &self,
        workspace: &Workspace,
        direct: &[GroupId],
    ) -> Result<Vec<String>> {
        let facts = self.facts(workspace).await?;
        Ok(GroupTree::new(&facts.groups).claim(direct).into_iter().map(str::to_owned).collect())
    }
}

/// Adds a new version of the creator of the organization, which lets only one of two concurrent changes pass the limit.
fn with_creator(changeset: Changeset, creator: Option<User>, now: Timestamp) -> Changeset {
    match creator {
        Some(creator) => changeset.user(creator, now),
        None => changeset,
    }
}
