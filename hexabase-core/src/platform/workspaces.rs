use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

use super::commit::require_version;
use super::invitations::require_alive;
use super::{Caller, Done, Parts};
use crate::access::{Action, GroupTree};
use crate::changeset::{Changeset, Guard};
use crate::error::{Check, Error, Result};
use crate::id::{GroupId, OrganizationId, TaskId, WorkspaceId};
use crate::model::{
    Assignment, Group, GroupPreset, HostState, Membership, Organization, OrganizationRole, Plan, Power,
    PresetRole, RegisteredHost, RoleRef, TaskKind, User, Workspace, WorkspaceStatus,
};
use crate::name::{DisplayName, GroupName, HostClusterName, KubernetesVersion, PlanId, Region, Slug};
use crate::page::{Page, PageRequest};
use crate::placement::HostCluster;
use crate::version::Version;
use crate::{lifecycle, limits, placement};

/// Workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Workspaces<'a>(pub(super) &'a Parts);

/// What a new workspace is like.
#[derive(Debug, Clone)]
pub struct CreateWorkspace {
    /// Its name, unique in the organization.
    pub name: Slug,
    /// The name to show.
    pub display_name: Option<DisplayName>,
    /// The plan that gives it its size.
    pub plan_id: PlanId,
    /// Where it should run; anywhere if not said.
    pub region: Option<Region>,
    /// The Kubernetes version it should run; the plan's newest if not said.
    pub kubernetes_version: Option<KubernetesVersion>,
}

/// What to change about a workspace; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateWorkspace {
    /// The name to show; `Some(None)` removes it.
    pub display_name: Option<Option<DisplayName>>,
    /// The plan that gives it its size.
    pub plan_id: Option<PlanId>,
    /// The Kubernetes version it should run: the same or the next minor one.
    pub kubernetes_version: Option<KubernetesVersion>,
}

/// A workspace and the task that brings it where it was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceTask {
    /// The workspace as it is now.
    pub workspace: Workspace,
    /// The task; none when nothing slow was begun.
    pub task_id: Option<TaskId>,
}

/// How long a token for a tenant cluster is valid: a group that somebody left is out of their tokens after that.
pub const CLUSTER_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// What a credential for a tenant cluster is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterAccess {
    /// The workspace.
    pub workspace: Workspace,
    /// Who it is for.
    pub user: User,
    /// The names of the groups they are in, ancestors included, sorted: the claim `groups`.
    pub groups: Vec<String>,
}

impl Workspaces<'_> {
    /// Asks for a workspace. It begins with the groups `WorkspaceMembers`, `WSAdmins` and `WSUsers`; the
    /// caller is in `WSAdmins`, which administers it.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` for a plan, region or version that there is not.
    /// - `AlreadyExists` when the name is taken in the organization.
    /// - `QuotaExceeded` when the plan allows no more, or no host cluster has room; with code `plan_not_paid_for` or
    ///   `payment_overdue` where plans have to be paid for.
    /// - `Conflict` with code `organization_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        command: &CreateWorkspace,
    ) -> Result<Done<WorkspaceTask>> {
        self.0
            .once(caller, || async {
                self.0.permit(caller, organization, Action::WorkspaceCreate).await?;
                let root = self.0.organization(organization).await?;
                require_alive(&root)?;
                let (plan, kubernetes_version) = self.choose(&root, command)?;
                self.0.require_paid_for(&root, plan).await?;
                let counts = self.0.store.count_organization(organization).await?;
                limits::another_workspace(&counts, self.0.plans.of(&root.plan_id)?)?;
                let (host_cluster, placed) = self.place(command.region.as_ref(), plan).await?;

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
                    held: None,
                    node_pools: Vec::new(),
                    cuts: Vec::new(),
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
                let more = self.0.bill_for_workspaces(&root);
                let changeset = Changeset::new().organization(root, now).insert(workspace.clone());
                let changeset = more.into_iter().fold(changeset, Changeset::message);
                let changeset = self
                    .first_groups(caller, &workspace, changeset)?
                    .insert(task.clone())
                    .insert(self.0.phase_event(&workspace))
                    .audit(entry)
                    .message(self.0.look(organization, workspace.id));
                let changeset = placed.into_iter().fold(changeset, Changeset::guard);
                Ok((changeset, WorkspaceTask { workspace, task_id: Some(task.id) }))
            })
            .await
    }

    /// The plan and version that a command asks for.
    fn choose(&self, root: &Organization, command: &CreateWorkspace) -> Result<(&Plan, KubernetesVersion)> {
        let plan = self.0.plans.choose(&command.plan_id, &[&root.plan_id])?;
        let version = command.kubernetes_version.clone();
        let version = version.or_else(|| plan.kubernetes_versions.last().cloned());
        let version = version.ok_or_else(|| Error::unexpected("a plan without versions"))?;
        require_offered(plan, &version)?;
        Ok((plan, version))
    }

    /// Where a new workspace goes; and what must still hold then, if the host was registered.
    async fn place(&self, region: Option<&Region>, plan: &Plan) -> Result<(HostClusterName, Option<Guard>)> {
        let registered = self.0.store.list_hosts().await?;
        let takes = |registered: &RegisteredHost| {
            let unreachable = registered.health.state == HostState::Unreachable;
            HostCluster { cordoned: registered.host.cordoned || unreachable, ..registered.host.clone() }
        };
        let fixed = self.0.fleet.fixed().map(|(host, _)| host.clone());
        let hosts: Vec<HostCluster> = fixed.chain(registered.iter().map(takes)).collect();
        let bounded = hosts.len() > 1 || hosts.iter().any(|host| host.capacity < u32::MAX);
        let used = if bounded { self.0.store.count_by_host().await? } else { BTreeMap::new() };
        let chosen = placement::choose(&hosts, region, &plan.host_labels, &used)?;
        let registered = registered.iter().find(|registered| registered.host.name == chosen);
        let guard = registered.map(|registered| Guard::Host(chosen.clone(), registered.version));
        Ok((chosen, guard))
    }

    fn first_groups(
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

    /// The workspaces of an organization that the caller may see, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Workspace>> {
        let role = self.0.permit(caller, organization, Action::WorkspacesList).await?;
        let member = (role == OrganizationRole::Member).then_some(caller.principal.user_id);
        self.0.store.list_workspaces(organization, member, page).await
    }

    /// A workspace.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Workspace> {
        self.0.permit_in(caller, organization, id, None, Action::WorkspaceRead).await
    }

    /// Changes a workspace. A new plan or version is followed by the cluster; the task shows how far it is. Asking
    /// for what is so already does nothing.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Invalid` for a plan or version that there is not, or that leads backwards.
    /// - `QuotaExceeded` when what is in the workspace does not fit the new plan, or nobody pays for it.
    /// - `Conflict` with code `upgrade_under_way` for the version after the next one, before the next one has run.
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
                let place = (organization, id, None);
                let (mut change, state) = self.0.begin_whole(caller, place, Action::WorkspaceUpdate).await?;
                require_version(expected, change.workspace.version)?;
                let before = change.workspace.clone();
                let plan = match command.plan_id.as_ref().filter(|wanted| **wanted != before.plan_id) {
                    Some(wanted) => {
                        let root = self.0.organization(organization).await?;
                        let plan = self.new_plan(&before, &root, wanted)?;
                        self.0.require_paid_for(&root, plan).await?;
                        plan
                    }
                    None => self.0.plans.of(&before.plan_id)?,
                };
                limits::change_of_plan(state.groups.len(), &state.projects, before.node_pools.len(), plan)?;
                let version = command.kubernetes_version.as_ref();
                if let Some(version) = version.filter(|wanted| **wanted != before.kubernetes_version) {
                    require_step_forward(&before.kubernetes_version, version)?;
                    require_no_leap(&before, version)?;
                    change.workspace.kubernetes_version = version.clone();
                }
                require_offered(plan, &change.workspace.kubernetes_version)?;
                change.workspace.plan_id = plan.id.clone();
                if let Some(display_name) = command.display_name.clone() {
                    change.workspace.display_name = display_name;
                }
                if change.workspace == before {
                    return Ok((Changeset::new(), WorkspaceTask { workspace: before, task_id: None }));
                }
                let follows = change.workspace.plan_id != before.plan_id
                    || change.workspace.kubernetes_version != before.kubernetes_version;
                let task_id = follows.then(|| change.task(TaskKind::Update));
                let after = change.workspace.clone();
                change.audit("workspace.update", id, &before, &after);
                let (changeset, workspace) = change.finish();
                Ok((changeset, WorkspaceTask { workspace, task_id }))
            })
            .await
    }

    fn new_plan(&self, workspace: &Workspace, root: &Organization, wanted: &PlanId) -> Result<&Plan> {
        let plan = self.0.plans.choose(wanted, &[&root.plan_id])?;
        let stays = |current: &Plan| current.control_plane.keeps_objects_like(&plan.control_plane);
        if self.0.plans.of(&workspace.plan_id).is_ok_and(|current| !stays(current)) {
            let message = "keeps its objects in another kind of store, or in an etcd of another size, which an existing \
                           workspace cannot change to";
            return Err(Error::invalid("plan_id", message));
        }
        Ok(plan)
    }

    /// Asks for a workspace to be removed with everything in it. Asking again, such as when the first answer was
    /// lost, changes nothing and answers with the task that is under way.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
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
                    self.0.remove_workspace(caller, workspace, Changeset::new());
                Ok((changeset, WorkspaceTask { workspace, task_id: Some(task.id) }))
            })
            .await
    }

    /// Asks for a workspace to sleep: nothing runs, nothing is lost.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Conflict` with code `workspace_suspended` when it was asked to already, or `workspace_deleting`.
    pub async fn suspend(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Done<WorkspaceTask>> {
        self.switch(caller, organization, id, Power::Suspended).await
    }

    /// Asks for a sleeping workspace to run again.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `Conflict` with code `workspace_running` when it was asked to already, `workspace_held` while it is not paid
    ///   for, or `workspace_deleting`.
    pub async fn resume(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Done<WorkspaceTask>> {
        self.switch(caller, organization, id, Power::Running).await
    }

    async fn switch(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
        power: Power,
    ) -> Result<Done<WorkspaceTask>> {
        let (kind, action, code, message) = match power {
            Power::Running => {
                (TaskKind::Resume, "workspace.resume", "workspace_running", "the workspace is running")
            }
            Power::Suspended => {
                (TaskKind::Suspend, "workspace.suspend", "workspace_suspended", "the workspace is suspended")
            }
        };
        self.0
            .once(caller, || async {
                let place = (organization, id, None);
                let mut change = self.0.begin(caller, place, Action::WorkspacePower).await?;
                if let Some(hold) = change.workspace.held.filter(|_| power == Power::Running) {
                    return Err(Error::conflict("workspace_held", hold.message()));
                }
                if change.workspace.power == power {
                    return Err(Error::conflict(code, message));
                }
                let before = change.workspace.power;
                change.workspace.power = power;
                let task_id = Some(change.task(kind));
                change.audit(action, id, before, power);
                let (changeset, workspace) = change.finish();
                Ok((changeset, WorkspaceTask { workspace, task_id }))
            })
            .await
    }

    /// What a credential for the tenant cluster is made of, for the caller, at this moment.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Conflict` with code `workspace_not_ready` while there is no cluster to get into.
    pub async fn cluster_access(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<ClusterAccess> {
        let workspace = self.0.permit_in(caller, organization, id, None, Action::ClusterAccess).await?;
        if workspace.status.api_endpoint.is_none() || workspace.deletion_requested_at.is_some() {
            let message =
                format!("the workspace is {}; its cluster cannot be reached", workspace.status.phase);
            return Err(Error::conflict("workspace_not_ready", message));
        }
        let found = self.0.store.find_user(caller.principal.user_id).await?;
        let user = found.ok_or_else(|| Error::not_found("user"))?;
        let direct = self.0.groups_of(&workspace, user.id).await?;
        let groups = self.0.claim(&workspace, &direct).await?;
        Ok(ClusterAccess { workspace, user, groups })
    }
}

impl Parts {
    /// The names of everything somebody is in who was put in these groups of a workspace.
    pub(crate) async fn claim(&self, workspace: &Workspace, direct: &[GroupId]) -> Result<Vec<String>> {
        let facts = self.facts(workspace).await?;
        Ok(GroupTree::new(&facts.groups).claim(direct).into_iter().map(str::to_owned).collect())
    }
}

fn require_offered(plan: &Plan, version: &KubernetesVersion) -> Result<()> {
    let offered: Vec<&str> = plan.kubernetes_versions.iter().map(KubernetesVersion::as_str).collect();
    let mut check = Check::default();
    let message = format!("must be one of {} in the plan {}", offered.join(", "), plan.id);
    check.require(offered.contains(&version.as_str()), "kubernetes_version", message);
    check.done()
}

fn require_step_forward(current: &KubernetesVersion, wanted: &KubernetesVersion) -> Result<()> {
    let mut check = Check::default();
    let message =
        format!("must be {current} or the next minor version: clusters go up one minor version at a time");
    check.require(current.may_become(wanted), "kubernetes_version", message);
    check.done()
}

/// The version that was asked for before has to run first: what keeps objects goes up one version at a time as well.
fn require_no_leap(workspace: &Workspace, wanted: &KubernetesVersion) -> Result<()> {
    let running = workspace.status.kubernetes_version.as_ref();
    let Some(running) = running.filter(|running| !running.may_become(wanted)) else { return Ok(()) };
    let next = &workspace.kubernetes_version;
    let message =
        format!("Kubernetes {running} runs until {next} does, and {wanted} comes after that; wait for it");
    Err(Error::conflict("upgrade_under_way", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn the_version_after_the_next_waits_for_the_next() {
        let version = |text| KubernetesVersion::parse(text).unwrap();
        let mut workspace = fixture::workspace("dev");
        workspace.kubernetes_version = version("1.35");
        for (running, fine) in [(None, true), (Some("1.34"), false), (Some("1.35"), true)] {
            workspace.status.kubernetes_version = running.map(version);
            let outcome = require_no_leap(&workspace, &version("1.36"));
            assert_eq!(outcome.is_ok(), fine, "{running:?}");
            if let Err(error) = outcome {
                assert_eq!(error.code(), "upgrade_under_way");
            }
        }
    }
}
