use futures_util::try_join;

use super::commit::require_version;
use super::{Caller, PlatformInner};
use crate::access::{Action, check_role_grant};
use crate::changeset::{Changeset, RecordKey, Write};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{Member, OrganizationCounts, OrganizationRole, User};
use crate::name::Email;
use crate::page::{Page, PageRequest};
use crate::search::MemberFilter;
use crate::version::Version;

/// Members of organizations.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a>(pub(super) &'a PlatformInner);

impl Members<'_> {
    /// Lists the persons in an organization who match a filter.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        filter: &MemberFilter,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>> {
        self.0.permit(caller, organization, Action::MembersRead).await?;
        self.0.store.list_members(organization, filter, page).await
    }

    /// Returns a person in an organization.
    ///
    /// # Errors
    /// `NotFound` if the user is not a member, and `NotFound` or `Forbidden` according to the caller's role.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(Member, User)> {
        self.0.permit(caller, organization, Action::MembersRead).await?;
        let reads = self.0.reads(caller);
        let (member, user) = try_join!(self.find(caller, organization, user), reads.user(user))?;
        Ok((member, user.ok_or_else(|| Error::not_found("member"))?))
    }

    /// Changes the role of a member. Only owners grant or change the owner role, and no caller grants more than it has.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a member.
    /// - `NotFound` or `Forbidden` according to the caller's role.
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
                let own_role = self.0.permit(caller, organization, Action::MembersManage).await?;
                let root = self.0.organization(organization).await?;
                let before = self.find(caller, organization, user).await?;
                require_version(expected, before.version)?;
                if before.role == OrganizationRole::Owner || role == OrganizationRole::Owner {
                    require_owner(own_role)?;
                }
                if before.role == OrganizationRole::Owner && role != OrganizationRole::Owner {
                    require_another_owner(&self.0.store.count_organization(organization).await?)?;
                }
                if before.role == role {
                    return Ok((Changeset::new(), before));
                }
                if !before.role.includes(role) {
                    check_role_grant(&caller.principal, own_role, role)?;
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

    /// Removes a member from an organization and from all groups of its workspaces. Every member may remove
    /// themselves; only owners remove owners.
    ///
    /// # Errors
    /// - `NotFound` if the user is not a member.
    /// - `NotFound` or `Forbidden` according to the caller's role.
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
                let own_role = self.0.permit(caller, organization, action).await?;
                let root = self.0.organization(organization).await?;
                let before = self.find(caller, organization, user).await?;
                require_version(expected, before.version)?;
                if before.role == OrganizationRole::Owner {
                    require_owner(own_role)?;
                    require_another_owner(&self.0.store.count_organization(organization).await?)?;
                }
                let resource = format!("{organization}/{user}");
                let entry = self.0.audit(caller, organization, "member.remove", resource, &before, ());
                let changeset = Changeset::new()
                    .organization(root, self.0.now())
                    // The deletion waits for commits that require the member; leaving sees what they added.
                    .delete(RecordKey::Member(organization, user))
                    .write(Write::LeaveGroups(organization, user))
                    .audit(entry);
                Ok((changeset, ()))
            })
            .await
    }

    /// Returns the membership of a person. Service accounts have their own operations and are not found here.
    async fn find(&self, caller: &Caller, organization: OrganizationId, user: UserId) -> Result<Member> {
        let reads = self.0.reads(caller);
        let (account, member) = try_join!(
            self.0.store.find_service_account(organization, user),
            reads.membership(organization, user),
        )?;
        member.filter(|_| account.is_none()).ok_or_else(|| Error::not_found("member"))
    }
}

impl PlatformInner {
    /// Mail addresses of the members of an organization with one of these roles.
    pub(crate) async fn addresses_of(
        &self,
        organization: OrganizationId,
        roles: &[OrganizationRole],
    ) -> Result<Vec<Email>> {
        let mut found = Vec::new();
        let mut page = PageRequest::largest();
        loop {
            let members = self.store.list_members(organization, &MemberFilter::default(), &page).await?;
            let recipients = members.items.into_iter().filter(|(member, _)| roles.contains(&member.role));
            found.extend(recipients.filter_map(|(_, user)| user.email));
            match members.next {
                Some(next) => page = PageRequest::new(PageRequest::MAX_LIMIT, Some(next)),
                None => return Ok(found),
            }
        }
    }
}

/// Checks that the organization keeps an owner without one of its owners.
///
/// # Errors
/// `Conflict` with code `last_owner`.
pub(super) fn require_another_owner(counts: &OrganizationCounts) -> Result<()> {
    if counts.owners > 1 {
        return Ok(());
    }
    let message = "an organization needs at least one owner; make another member an owner first";
    Err(Error::conflict("last_owner", message))
}

pub(super) fn require_owner(role: OrganizationRole) -> Result<()> {
    if role == OrganizationRole::Owner {
        return Ok(());
    }
    Err(Error::forbidden("only owners can grant, change or remove the owner role"))
}
