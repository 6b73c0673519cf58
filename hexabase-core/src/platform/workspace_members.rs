use super::{Caller, PlatformInner};
use crate::access::{Action, GroupTree};
use crate::changeset::{Precondition, RecordKey};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId, WorkspaceId};
use crate::model::{GroupPreset, Membership, User};
use crate::page::{Page, PageRequest};

/// Members of workspaces: users in any group of the workspace.
#[derive(Debug, Clone, Copy)]
pub struct WorkspaceMembers<'a>(pub(super) &'a PlatformInner);

impl WorkspaceMembers<'_> {
    /// Lists the members of a workspace.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's groups.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<User>> {
        self.0.permit_in(caller, organization, workspace, None, Action::GroupsRead).await?;
        let ids = self.0.store.list_workspace_members(organization, workspace, page).await?;
        let items = self.0.store.find_users(&ids.items).await?;
        Ok(Page { items, next: ids.next })
    }

    /// Adds a user to the group `WorkspaceMembers`. Does nothing if the user is already in it.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a member of the organization.
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn add(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<()> {
        let state = self.0.permit_in(caller, organization, workspace, None, Action::GroupsManage).await?;
        let facts = self.0.facts(&state).await?;
        let members_group = facts.groups.iter().find(|group| group.preset == Some(GroupPreset::Members));
        let members_group =
            members_group.ok_or_else(|| Error::unexpected("the workspace has no group WorkspaceMembers"))?;
        super::Groups(self.0).add_member(caller, organization, workspace, members_group.id, user).await
    }

    /// Removes a user from all groups of a workspace. The user receives no more cluster tokens; with `revoke_now`,
    /// existing tokens lose all permissions of these groups as soon as the cluster has been reconciled.
    ///
    /// # Errors
    /// - `NotFound` if the user is in no group.
    /// - `NotFound` or `Forbidden` according to the caller's groups.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn remove(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        user: UserId,
        revoke_now: bool,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let mut change = self.0.begin(caller, scope, Action::GroupsManage).await?;
                let groups = self.0.groups_of(&change.workspace, user).await?;
                if groups.is_empty() {
                    return Err(Error::not_found("member"));
                }
                for group in &groups {
                    change.delete(RecordKey::Membership(organization, workspace, *group, user));
                }
                change.access_changed();
                if revoke_now {
                    let facts = self.0.facts(&change.workspace).await?;
                    let groups = GroupTree::new(&facts.groups).effective(&groups).into_iter().collect();
                    change.revoke_access(user, groups);
                }
                let after = revoke_now.then(|| serde_json::json!({ "now": true }));
                change.audit("workspace_member.remove", format!("{workspace}/{user}"), &groups, after);
                Ok((change.finish().0, ()))
            })
            .await
    }
}

impl PlatformInner {
    /// Creates a membership of a group, with the precondition that the user is a member of the organization.
    pub(super) fn membership(
        &self,
        caller: &Caller,
        (organization_id, workspace_id): (OrganizationId, WorkspaceId),
        group_id: crate::id::GroupId,
        user_id: UserId,
    ) -> (Membership, Precondition) {
        let added_by = caller.principal.user_id;
        let created_at = self.now();
        let membership =
            Membership { organization_id, workspace_id, group_id, user_id, added_by, created_at };
        (membership, Precondition::Member(organization_id, user_id))
    }
}
