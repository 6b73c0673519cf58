use std::collections::BTreeMap;

use futures_util::try_join;

use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::{Action, GroupPath, GroupTree, WorkspaceRight, check_right_grant};
use crate::changeset::{Changeset, RecordKey};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::limits;
use crate::model::{Group, User, Workspace};
use crate::name::GroupName;
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::version::Version;

/// Groups of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a>(pub(super) &'a PlatformInner);

/// Command to create a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateGroup {
    /// Name, unique in the workspace.
    pub name: GroupName,
    /// Parent group; `None` for a root.
    pub parent_id: Option<GroupId>,
}

/// Command to change a group. Fields that are `None` stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateGroup {
    /// New name.
    pub name: Option<GroupName>,
    /// New parent group; `Some(None)` makes the group a root.
    pub parent_id: Option<Option<GroupId>>,
}

/// Member of a group, with the groups that cause the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// The user.
    pub user: User,
    /// Groups that the user is a direct member of: the group itself, or descendants of it.
    pub through: Vec<GroupId>,
}

impl Groups<'_> {
    /// Creates a group.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `Invalid` if the parent does not exist, or is too deep in the tree.
    /// - `QuotaExceeded` if the limit of the plan is reached.
    /// - `Conflict` with code `group_name_reserved` if valid tokens may carry the name for another group, or
    ///   `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateGroup,
    ) -> Result<Idempotent<Group>> {
        let authorization = Authorization::Workspace((organization, workspace, None), Action::GroupCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let scope = (organization, workspace, None);
                let (mut change, state) = self.0.begin_with_state(caller, scope, Action::GroupCreate).await?;
                let plans = self.0.plans().await?;
                limits::check_group_limit(state.groups.len(), plans.get(&state.workspace.plan_id)?)?;
                let tree = GroupTree::new(&state.groups);
                if let Some(parent) = command.parent_id {
                    require_parent(&tree, parent, 1)?;
                }
                let group = Group {
                    id: change.id(),
                    organization_id: organization,
                    workspace_id: workspace,
                    name: command.name.clone(),
                    parent_id: command.parent_id,
                    preset: None,
                    created_at: change.now,
                    updated_at: change.now,
                    version: Version::FIRST,
                };
                change.take_group_name(&group)?;
                change.insert(group.clone());
                change.access_changed();
                change.audit("group.create", format!("{workspace}/{}", group.id), (), &group);
                Ok((change.finish().0, group))
            })
            .await
    }

    /// Lists the groups of a workspace, oldest first: all of them, or those whose names contain a text.
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
    ) -> Result<Page<Group>> {
        self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        self.0.store.list_groups(organization, workspace, text.cloned(), page).await
    }

    /// Returns all groups of a workspace at once, ordered by id, for a tree.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn all(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<Group>> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        Ok(self.0.reads(caller).facts(&root).await?.groups.clone())
    }

    /// Returns a group.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: GroupId,
    ) -> Result<Group> {
        self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        self.find(organization, workspace, id).await
    }

    /// Renames or moves a group. If the name changes, its roles are bound to the new name.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `Invalid` if the parent does not exist, or is too deep in the tree.
    /// - `Conflict` with code `group_name_reserved` if valid tokens may carry the name for another group,
    ///   `too_many_retired_group_names`, `cycle`, `preset_group`, `precondition_failed` or `workspace_deleting`.
    pub async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: GroupId,
        command: &UpdateGroup,
        expected: Option<Version>,
    ) -> Result<Group> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, scope, Action::GroupsManage).await?;
                let tree = GroupTree::new(&state.groups);
                let before = tree.get(id).ok_or_else(|| Error::not_found("group"))?.clone();
                require_version(expected, before.version)?;
                let mut after = before.clone();
                if let Some(parent_id) = command.parent_id.filter(|parent| *parent != before.parent_id) {
                    require_movable(&tree, &before, parent_id)?;
                    after.parent_id = parent_id;
                    if let Some(parent) = parent_id {
                        self.require_grant(caller, &state.workspace, parent).await?;
                    }
                }
                if let Some(name) = command.name.clone() {
                    after.name = name;
                }
                if after == before {
                    return Ok((Changeset::new(), after));
                }
                if after.name != before.name {
                    change.retire_group_name(&before)?;
                    change.take_group_name(&after)?;
                }
                (after.updated_at, after.version) = (change.now, before.version.next());
                let bound = state.assignments.iter().any(|assignment| assignment.group_id == id);
                if bound && after.name != before.name {
                    change.cluster_changed();
                }
                change.update(after.clone());
                change.access_changed();
                change.audit("group.update", format!("{workspace}/{id}"), &before, &after);
                Ok((change.finish().0, after))
            })
            .await
    }

    /// Deletes a group that has neither child groups nor members, with its role assignments.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Conflict` with code `group_not_empty`, `too_many_retired_group_names`, `preset_group`, `precondition_failed`
    ///   or `workspace_deleting`.
    pub async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: GroupId,
        expected: Option<Version>,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let (mut change, state) =
                    self.0.begin_with_state(caller, scope, Action::GroupsManage).await?;
                let tree = GroupTree::new(&state.groups);
                let group = tree.get(id).ok_or_else(|| Error::not_found("group"))?;
                require_version(expected, group.version)?;
                if group.preset.is_some() {
                    return Err(Error::conflict("preset_group", "preset groups cannot be deleted"));
                }
                let members = self.0.store.list_memberships(organization, workspace, &[id]).await?;
                if !members.is_empty() || tree.children(Some(id)).next().is_some() {
                    let message = "the group still has members or child groups; remove them first";
                    return Err(Error::conflict("group_not_empty", message));
                }
                if state.assignments.iter().any(|assignment| assignment.group_id == id) {
                    change.cluster_changed();
                }
                change.retire_group_name(group)?;
                change.delete(RecordKey::Group(organization, workspace, id));
                change.access_changed();
                change.audit("group.delete", format!("{workspace}/{id}"), group, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Lists the direct members of a group, or with `effective` also the members of its descendants.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups; `Invalid` for a cursor of another list.
    pub async fn members(
        &self,
        caller: &Caller,
        group_scope: (OrganizationId, WorkspaceId, GroupId),
        effective: bool,
        page: &PageRequest,
    ) -> Result<Page<GroupMember>> {
        let (organization, workspace, id) = group_scope;
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        let groups = match effective {
            true => {
                let facts = self.0.reads(caller).facts(&root).await?;
                let tree = GroupTree::new(&facts.groups);
                tree.get(id).ok_or_else(|| Error::not_found("group"))?;
                tree.with_descendants(id)
            }
            false => vec![self.find(organization, workspace, id).await?.id],
        };
        let mut through: BTreeMap<UserId, Vec<GroupId>> = BTreeMap::new();
        for membership in self.0.store.list_memberships(organization, workspace, &groups).await? {
            through.entry(membership.user_id).or_default().push(membership.group_id);
        }
        let after: Option<UserId> = page.after_id()?;
        let rest = through.into_iter().filter(|(user, _)| after.is_none_or(|after| *user > after));
        let found = page.page(rest.take(page.limit() + 1).collect(), |(user, _)| user.to_string());
        let ids: Vec<UserId> = found.items.iter().map(|(user, _)| *user).collect();
        let mut users: BTreeMap<UserId, User> =
            self.0.store.find_users(&ids).await?.into_iter().map(|user| (user.id, user)).collect();
        let member = |(id, through)| Some(GroupMember { user: users.remove(&id)?, through });
        Ok(Page { items: found.items.into_iter().filter_map(member).collect(), next: found.next })
    }

    /// Adds a user to a group. Does nothing if the user is already a direct member.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a member of the organization.
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn add_member(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: GroupId,
        user: UserId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let mut change = self.0.begin(caller, scope, Action::GroupsManage).await?;
                self.find(organization, workspace, id).await?;
                self.require_grant(caller, &change.workspace, id).await?;
                let member = self.0.store.find_member(organization, user).await?;
                member.ok_or_else(|| Error::not_found("member of the organization"))?;
                if self.0.groups_of(&change.workspace, user).await?.contains(&id) {
                    return Ok((Changeset::new(), ()));
                }
                let (membership, precondition) =
                    self.0.membership(caller, (organization, workspace), id, user);
                change.precondition(precondition);
                change.insert(membership);
                change.access_changed();
                change.audit("group.add_member", format!("{workspace}/{id}/{user}"), (), user);
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Removes a user from a group.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a direct member of the group.
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: GroupId,
        user: UserId,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let mut change = self.0.begin(caller, scope, Action::GroupsManage).await?;
                if !self.0.groups_of(&change.workspace, user).await?.contains(&id) {
                    return Err(Error::not_found("group member"));
                }
                change.delete(RecordKey::Membership(organization, workspace, id, user));
                change.access_changed();
                change.audit("group.remove_member", format!("{workspace}/{id}/{user}"), user, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Checks that a caller may grant the right that membership of a group gives. Each change of members outdates the
    /// cached access facts, so they are loaded only for a caller whose scopes do not cover every right.
    async fn require_grant(&self, caller: &Caller, workspace: &Workspace, group: GroupId) -> Result<()> {
        if check_right_grant(&caller.principal, WorkspaceRight::Admin).is_ok() {
            return Ok(());
        }
        let facts = self.0.facts(workspace).await?;
        check_right_grant(&caller.principal, facts.right_of(group))
    }

    /// Lists the groups of a user, ancestors included, each with the path from a direct membership.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a member of the organization.
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn groups_of(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<(Group, GroupPath)>> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        let reads = self.0.reads(caller);
        let (member, direct, facts) =
            try_join!(reads.membership(organization, user), reads.groups(&root, user), reads.facts(&root))?;
        member.ok_or_else(|| Error::not_found("member of the organization"))?;
        let tree = GroupTree::new(&facts.groups);
        let named = |path: GroupPath| Some((tree.get(path.group_id)?.clone(), path));
        Ok(tree.effective_paths(&direct).into_iter().filter_map(named).collect())
    }

    async fn find(&self, organization: OrganizationId, workspace: WorkspaceId, id: GroupId) -> Result<Group> {
        self.0.store.find_group(organization, workspace, id).await?.ok_or_else(|| Error::not_found("group"))
    }
}

/// Checks that a subtree of `height` levels can be placed below `parent`.
fn require_parent(tree: &GroupTree<'_>, parent: GroupId, height: usize) -> Result<()> {
    if tree.get(parent).is_none() {
        return Err(Error::invalid("parent_id", "there is no such group in this workspace"));
    }
    let max_depth = limits::MAX_GROUP_DEPTH;
    if tree.with_ancestors(parent).count() + height > max_depth {
        return Err(Error::invalid(
            "parent_id",
            format!("the group tree can have at most {max_depth} levels"),
        ));
    }
    Ok(())
}

fn require_movable(tree: &GroupTree<'_>, group: &Group, parent: Option<GroupId>) -> Result<()> {
    if group.preset.is_some() {
        return Err(Error::conflict("preset_group", "preset groups cannot be moved"));
    }
    let Some(parent) = parent else { return Ok(()) };
    if tree.would_cycle(group.id, parent) {
        return Err(Error::conflict("cycle", "a group cannot be moved below itself or its descendants"));
    }
    let depth = |id: &GroupId| tree.with_ancestors(*id).count();
    let below = tree.with_descendants(group.id);
    let height = below.iter().map(depth).max().unwrap_or(0) + 1 - depth(&group.id);
    require_parent(tree, parent, height)
}
