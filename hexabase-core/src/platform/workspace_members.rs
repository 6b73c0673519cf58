use super::{Caller, Parts};
use crate::access::{Action, GroupTree};
use crate::changeset::{Guard, Key};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId, WorkspaceId};
use crate::model::{GroupPreset, Membership, User};
use crate::page::{Page, PageRequest};

/// Members of workspaces: whoever is in any of its groups.
#[derive(Debug, Clone, Copy)]
pub struct WorkspaceMembers<'a>(pub(super) &'a Parts);

impl WorkspaceMembers<'_> {
    /// Everybody in the workspace.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's groups say.
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

    /// Puts somebody in the group of all members, `WorkspaceMembers`. Who is in it already stays.
    ///
    /// # Errors
    /// - `NotFound` when they do not belong to the organization.
    /// - `NotFound`, `Forbidden` as the caller's groups say.
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
        let everybody = facts.groups.iter().find(|group| group.preset == Some(GroupPreset::Members));
        let everybody =
            everybody.ok_or_else(|| Error::unexpected("a workspace without its group of all members"))?;
        super::Groups(self.0).add_member(caller, organization, workspace, everybody.id, user).await
    }

    /// Takes somebody out of every group of the workspace. The next token they ask for is refused; with `at_once` the
    /// tokens that they have lose every right that their groups gave them, as soon as the cluster has followed.
    ///
    /// # Errors
    /// - `NotFound` when they are in none.
    /// - `NotFound`, `Forbidden` as the caller's groups say.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn remove(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        user: UserId,
        at_once: bool,
    ) -> Result<()> {
        self.0
            .transact(|| async {
                let place = (organization, workspace, None);
                let mut change = self.0.begin(caller, place, Action::GroupsManage).await?;
                let groups = self.0.groups_of(&change.workspace, user).await?;
                if groups.is_empty() {
                    return Err(Error::not_found("member"));
                }
                for group in &groups {
                    change.delete(Key::Membership(organization, workspace, *group, user));
                }
                change.access_changed();
                if at_once {
                    let facts = self.0.facts(&change.workspace).await?;
                    let groups = GroupTree::new(&facts.groups).effective(&groups).into_iter().collect();
                    change.cut(user, groups);
                }
                let after = at_once.then(|| serde_json::json!({ "now": true }));
                change.audit("workspace_member.remove", format!("{workspace}/{user}"), &groups, after);
                Ok((change.finish().0, ()))
            })
            .await
    }
}

impl Parts {
    /// A place in a group, and the guard that whoever gets it belongs to the organization.
    pub(super) fn membership(
        &self,
        caller: &Caller,
        (organization_id, workspace_id): (OrganizationId, WorkspaceId),
        group_id: crate::id::GroupId,
        user_id: UserId,
    ) -> (Membership, Guard) {
        let added_by = caller.principal.user_id;
        let created_at = self.now();
        let place = Membership { organization_id, workspace_id, group_id, user_id, added_by, created_at };
        (place, Guard::Member(organization_id, user_id))
    }
}
