use super::commit::require_version;
use super::{Caller, Parts};
use crate::access::Action;
use crate::changeset::{Changeset, Key, Write};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, OrganizationRole, User};
use crate::page::{Page, PageRequest};
use crate::version::Version;

/// Members of organizations.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a>(pub(super) &'a Parts);

impl Members<'_> {
    /// The people in an organization.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role says.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        self.0.permit(caller, organization, Action::MembersRead).await?;
        self.0.store.list_members(organization, page).await
    }

    /// Changes somebody's role. Only owners make owners, and only owners change owners.
    ///
    /// # Errors
    /// - `NotFound` when the user is no member.
    /// - `Forbidden` as the caller's role says.
    /// - `Conflict` with code `last_owner` or `precondition_failed`.
    pub async fn set_role(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: UserId,
        role: OrganizationRole,
        expected: Option<Version>,
    ) -> Result<Member> {
        self.0
            .transact(|| async {
                let own = self.0.permit(caller, organization, Action::MembersManage).await?;
                let root = self.0.organization(organization).await?;
                let before = self.find(organization, user).await?;
                require_version(expected, before.version)?;
                if before.role == OrganizationRole::Owner || role == OrganizationRole::Owner {
                    require_owner(own)?;
                }
                if before.role == OrganizationRole::Owner && role != OrganizationRole::Owner {
                    self.keep_an_owner(organization).await?;
                }
                if before.role == role {
                    return Ok((Changeset::new(), before));
                }
                let now = self.0.now();
                let version = before.version.next();
                let after = Member { role, updated_at: now, version, ..before.clone() };
                let resource = format!("{organization}/{user}");
                let entry = self.0.audit(caller, organization, "member.set_role", resource, &before, &after);
                let changeset = Changeset::new().organization(root, now).update(after.clone()).audit(entry);
                Ok((changeset, after))
            })
            .await
    }

    /// Takes somebody out of an organization, and out of every group of its workspaces. Everybody may
    /// leave; only owners remove owners.
    ///
    /// # Errors
    /// - `NotFound` when the user is no member.
    /// - `Forbidden` as the caller's role says.
    /// - `Conflict` with code `last_owner` or `precondition_failed`.
    pub async fn remove(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: UserId,
        expected: Option<Version>,
    ) -> Result<()> {
        let leaving = user == caller.principal.user_id;
        let action = if leaving { Action::MembersLeave } else { Action::MembersManage };
        self.0
            .transact(|| async {
                let own = self.0.permit(caller, organization, action).await?;
                let root = self.0.organization(organization).await?;
                let before = self.find(organization, user).await?;
                require_version(expected, before.version)?;
                if before.role == OrganizationRole::Owner {
                    require_owner(own)?;
                    self.keep_an_owner(organization).await?;
                }
                let resource = format!("{organization}/{user}");
                let entry = self.0.audit(caller, organization, "member.remove", resource, &before, ());
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    .write(Write::LeaveGroups(organization, user))
                    .delete(Key::Member(organization, user))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// A person's membership. Service accounts have their own calls and are not found here.
    async fn find(&self, organization: OrganizationId, user: UserId) -> Result<Member> {
        let missing = || Error::not_found("member");
        if self.0.store.find_service_account(organization, user).await?.is_some() {
            return Err(missing());
        }
        self.0.store.find_member(organization, user).await?.ok_or_else(missing)
    }

    async fn keep_an_owner(&self, organization: OrganizationId) -> Result<()> {
        if self.0.store.count_organization(organization).await?.owners > 1 {
            return Ok(());
        }
        let message = "the last owner must stay one; make somebody else an owner first";
        Err(Error::conflict("last_owner", message))
    }
}

pub(super) fn require_owner(role: OrganizationRole) -> Result<()> {
    if role == OrganizationRole::Owner {
        return Ok(());
    }
    Err(Error::forbidden("what concerns owners is for owners only"))
}
