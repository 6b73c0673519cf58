use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::{EventId, InvitationId, OrganizationId, UserId};
use crate::model::{
    AuditEvent, AuditFilter, Event, Invitation, Member, Organization, OrganizationCounts, ServiceAccount,
    User,
};
use crate::page::{Page, PageRequest};

/// Organizations, the people in them, and what is on record about them.
#[async_trait]
pub trait OrganizationStore: Send + Sync {
    /// An organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>>;

    /// The organizations that a user belongs to, each with the membership, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>>;

    /// How much there is in an organization.
    ///
    /// # Behaviour
    /// - Of an organization that does not exist there is nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts>;

    /// A user's place in an organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_member(&self, organization: OrganizationId, user: UserId) -> Result<Option<Member>>;

    /// The persons in an organization, in the order of their ids. Service accounts are not among them.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_members(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<(Member, User)>>;

    /// An invitation, open or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_invitation(
        &self,
        organization: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<Invitation>>;

    /// The invitations, wherever into, of whoever has this user's address, that are open at this moment, in the order of
    /// their organizations: the first 50.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_open_invitations(&self, user: UserId, now: Timestamp) -> Result<Vec<Invitation>>;

    /// The invitations of an organization, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_invitations(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<Invitation>>;

    /// A service account.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>>;

    /// The service accounts of an organization, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>>;

    /// The audit log of an organization, newest first.
    ///
    /// # Behaviour
    /// - The log outlives the organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>>;

    /// The live events of an organization after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>>;

    /// The newest live event of an organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>>;
}
