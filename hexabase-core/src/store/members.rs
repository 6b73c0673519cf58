use jiff::Timestamp;

use crate::error::Result;
use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::{Invitation, Member, User};
use crate::name::Email;
use crate::page::{Page, PageRequest};
use crate::search::MemberFilter;
use crate::store::decorator::store_part;

store_part! {
    /// Members of organizations, and invitations.
    pub trait MemberStore {
        /// Finds the membership of a user in an organization.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>>;

        /// Lists the persons in an organization, ordered by user id. Service accounts are not included.
        ///
        /// # Behaviour
        /// - Only members who match the filter are listed, and pages are filled with them.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_members(
            &self,
            organization: OrganizationId,
            filter: &MemberFilter,
            page: &PageRequest,
        ) -> Result<Page<(Member, User)>>;

        /// Finds an invitation, open or expired.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_invitation(
            &self,
            organization: OrganizationId,
            id: InvitationId,
        ) -> Result<Option<Invitation>>;

        /// Lists the invitations of an organization to an e-mail address, open and expired, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_invitations_to(
            &self,
            organization: OrganizationId,
            email: &Email,
        ) -> Result<Vec<Invitation>>;

        /// Counts the invitations to an e-mail address, into any organization, that are open at `now`.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn count_open_invitations(&self, email: &Email, now: Timestamp) -> Result<u32>;

        /// Lists the invitations to the e-mail address of a user, into any organization, that are open at `now`, ordered
        /// by organization: the first 50.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>>;

        /// Lists the invitations of an organization, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_invitations(
            &self,
            organization: OrganizationId,
            page: &PageRequest,
        ) -> Result<Page<Invitation>>;
    }
}
