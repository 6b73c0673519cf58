use std::collections::BTreeMap;

use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::access::{Action, GroupPath, GroupTree};
use crate::changeset::{Changeset, Key};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::limits;
use crate::model::{Group, User};
use crate::name::GroupName;
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Groups of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a>(pub(super) &'a Parts);

/// What a new group is like.
#[derive(Debug, Clone)]
pub struct CreateGroup {
    /// Its name, unique in the workspace.
    pub name: GroupName,
    /// The group it is part of; none for a root.
    pub parent_id: Option<GroupId>,
}

/// What to change about a group; what is not given stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateGroup {
    /// Its name.
    pub name: Option<GroupName>,
    /// The group it is part of; `Some(None)` makes it a root.
    pub parent_id: Option<Option<GroupId>>,
}

/// Somebody in a group, and the groups through which they are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Who.
    pub user: User,
    /// The groups they were put in that make them a member: this one or descendants of it.
    pub through: Vec<GroupId>,
}

impl Groups<'_> {
    /// Makes a group.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `AlreadyExists` when the name is taken in the workspace.
    /// - `Invalid` for a parent that there is not, or that lies too deep.
    /// - `QuotaExceeded` when the plan allows no more.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateGroup,
    ) -> Result<Done<Group>> {
        self.0
            .once(caller, || async {
                let place = (organization, workspace, None);
                let (mut change, state) = self.0.begin_whole(caller, place, Action::GroupsManage).await?;
                limits::another_group(state.groups.len(), self.0.plans.of(&state.workspace.plan_id)?)?;
                let tree = GroupTree::new(&state.groups);
                if let Some(parent) = command.parent_id {
                    require_place(&tree, parent, 1)?;
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
                change.insert(group.clone());
                change.access_changed();
                change.audit("group.create", format!("{workspace}/{}", group.id), (), &group);
                Ok((change.finish().0, group))
            })
            .await
    }

    /// The groups of a workspace, oldest first.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Group>> {
        self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        self.0.store.list_groups(organization, workspace, page).await
    }

    /// All groups of a workspace at once, in the order of their ids, for a tree.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn all(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<Group>> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        Ok(self.0.facts(&root).await?.groups.clone())
    }

    /// A group.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
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

    /// Renames or moves a group. Its roles are bound anew under the new name.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `AlreadyExists` when the name is taken in the workspace.
    /// - `Invalid` for a parent that there is not, or that lies too deep.
    /// - `Conflict` with code `cycle`, `preset_group`, `precondition_failed` or `workspace_deleting`.
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
                let place = (organization, workspace, None);
                let (mut change, state) = self.0.begin_whole(caller, place, Action::GroupsManage).await?;
                let tree = GroupTree::new(&state.groups);
                let before = tree.get(id).ok_or_else(|| Error::not_found("group"))?.clone();
                require_version(expected, before.version)?;
                let mut after = before.clone();
                if let Some(parent_id) = command.parent_id.filter(|parent| *parent != before.parent_id) {
                    require_movable(&tree, &before, parent_id)?;
                    after.parent_id = parent_id;
                }
                if let Some(name) = command.name.clone() {
                    after.name = name;
                }
                if after == before {
                    return Ok((Changeset::new(), after));
                }
                (after.updated_at, after.version) = (change.now, before.version.next());
                let bound = state.assignments.iter().any(|given| given.group_id == id);
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

    /// Removes a group that has neither children nor members, with the roles it was given.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    /// - `Conflict` with code `group_not_empty`, `preset_group`, `precondition_failed` or
    ///   `workspace_deleting`.
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
                let place = (organization, workspace, None);
                let (mut change, state) = self.0.begin_whole(caller, place, Action::GroupsManage).await?;
                let tree = GroupTree::new(&state.groups);
                let group = tree.get(id).ok_or_else(|| Error::not_found("group"))?;
                require_version(expected, group.version)?;
                if group.preset.is_some() {
                    return Err(Error::conflict(
                        "preset_group",
                        "this group belongs to every workspace and stays",
                    ));
                }
                let members = self.0.store.list_memberships(organization, workspace, &[id]).await?;
                if !members.is_empty() || tree.children(Some(id)).next().is_some() {
                    let message = "the group still has members or child groups; remove them first";
                    return Err(Error::conflict("group_not_empty", message));
                }
                if state.assignments.iter().any(|given| given.group_id == id) {
                    change.cluster_changed();
                }
                change.delete(Key::Group(organization, workspace, id));
                change.access_changed();
                change.audit("group.delete", format!("{workspace}/{id}"), group, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Who is in a group: who was put in it, or with `effective` also who is in one of its descendants.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say; `Invalid` for a position of another list.
    pub async fn members(
        &self,
        caller: &Caller,
        place: (OrganizationId, WorkspaceId, GroupId),
        effective: bool,
        page: &PageRequest,
    ) -> Result<Page<GroupMember>> {
        let (organization, workspace, id) = place;
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        self.find(organization, workspace, id).await?;
        let groups = match effective {
            true => GroupTree::new(&self.0.facts(&root).await?.groups).with_descendants(id),
            false => vec![id],
        };
        let mut through: BTreeMap<UserId, Vec<GroupId>> = BTreeMap::new();
        for place in self.0.store.list_memberships(organization, workspace, &groups).await? {
            through.entry(place.user_id).or_default().push(place.group_id);
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

    /// Puts somebody in a group. Who is in it already stays.
    ///
    /// # Errors
    /// - `NotFound` when they do not belong to the organization.
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
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
                let place = (organization, workspace, None);
                let mut change = self.0.begin(caller, place, Action::GroupsManage).await?;
                self.find(organization, workspace, id).await?;
                let member = self.0.store.find_member(organization, user).await?;
                member.ok_or_else(|| Error::not_found("member of the organization"))?;
                if self.0.groups_of(&change.workspace, user).await?.contains(&id) {
                    return Ok((crate::changeset::Changeset::new(), ()));
                }
                let (membership, guard) = self.0.membership(caller, (organization, workspace), id, user);
                change.guard(guard);
                change.insert(membership);
                change.access_changed();
                change.audit("group.add_member", format!("{workspace}/{id}/{user}"), (), user);
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Takes somebody out of a group.
    ///
    /// # Errors
    /// - `NotFound` when they were not put in it.
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
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
                let place = (organization, workspace, None);
                let mut change = self.0.begin(caller, place, Action::GroupsManage).await?;
                if !self.0.groups_of(&change.workspace, user).await?.contains(&id) {
                    return Err(Error::not_found("group member"));
                }
                change.delete(Key::Membership(organization, workspace, id, user));
                change.access_changed();
                change.audit("group.remove_member", format!("{workspace}/{id}/{user}"), user, ());
                Ok((change.finish().0, ()))
            })
            .await
    }

    /// Everything somebody is in, each with the way that leads there. Everybody may ask about themselves.
    ///
    /// # Errors
    /// - `NotFound` when they do not belong to the organization.
    /// - `NotFound`, `Forbidden` as the caller's role and groups say.
    pub async fn groups_of(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<(Group, GroupPath)>> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        let member = self.0.store.find_member(organization, user).await?;
        member.ok_or_else(|| Error::not_found("member of the organization"))?;
        let direct = self.0.groups_of(&root, user).await?;
        let facts = self.0.facts(&root).await?;
        let tree = GroupTree::new(&facts.groups);
        let named = |path: GroupPath| Some((tree.get(path.group_id)?.clone(), path));
        Ok(tree.explain(&direct).into_iter().filter_map(named).collect())
    }

    async fn find(&self, organization: OrganizationId, workspace: WorkspaceId, id: GroupId) -> Result<Group> {
        self.0.store.find_group(organization, workspace, id).await?.ok_or_else(|| Error::not_found("group"))
    }
}

/// Whether something `height` groups high can go below `parent`.
fn require_place(tree: &GroupTree<'_>, parent: GroupId, height: usize) -> Result<()> {
    if tree.get(parent).is_none() {
        return Err(Error::invalid("parent_id", "there is no such group in this workspace"));
    }
    let deepest = limits::MAX_GROUP_DEPTH;
    if tree.with_ancestors(parent).count() + height > deepest {
        return Err(Error::invalid("parent_id", format!("groups can lie at most {deepest} deep")));
    }
    Ok(())
}

fn require_movable(tree: &GroupTree<'_>, group: &Group, parent: Option<GroupId>) -> Result<()> {
    if group.preset.is_some() {
        return Err(Error::conflict(
            "preset_group",
            "this group belongs to every workspace and stays where it is",
        ));
    }
    let Some(parent) = parent else { return Ok(()) };
    if tree.would_cycle(group.id, parent) {
        return Err(Error::conflict("cycle", "a group cannot become part of itself or of its descendants"));
    }
    let depth_of = |id: &GroupId| tree.with_ancestors(*id).count();
    let below = tree.with_descendants(group.id);
    let height = below.iter().map(depth_of).max().unwrap_or(0) + 1 - depth_of(&group.id);
    require_place(tree, parent, height)
}
