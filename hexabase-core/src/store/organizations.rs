use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::{EventId, InvitationId, OrganizationId, UserId};
use crate::model::{
    AuditEvent, AuditFilter, Event, Inventory, Invitation, Member, Organization, OrganizationCounts,
    ServiceAccount, User,
};
use crate::name::{Email, PlanId};
use crate::page::{Page, PageRequest};
use crate::search::MemberFilter;

/// Organizations, their members, invitations and service accounts, the audit log and the live events.
#[async_trait]
pub trait OrganizationStore: Send + Sync {
    /// Finds an organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>>;

    /// Lists the organizations of a user, each with the user's membership, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_organizations(
        &self,
        user: UserId,
        page: &PageRequest,
    ) -> Result<Page<(Organization, Member)>>;

    /// Counts the members, owners, invitations, service accounts and workspaces of an organization.
    ///
    /// # Behaviour
    /// - All counts of an organization that does not exist are zero.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_organization(&self, id: OrganizationId) -> Result<OrganizationCounts>;

    /// Counts the organizations that a user created, without the personal one. Organizations of other owners are
    /// included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_created_organizations(&self, user: UserId) -> Result<u32>;

    /// Counts the workspaces in all organizations that a user created, by plan.
    ///
    /// # Behaviour
    /// - Workspaces of other users are included; plans without workspaces are not.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_created_workspaces(&self, user: UserId) -> Result<BTreeMap<PlanId, u32>>;

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

    /// Finds a service account.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_service_account(
        &self,
        organization: OrganizationId,
        id: UserId,
    ) -> Result<Option<ServiceAccount>>;

    /// Lists the service accounts of an organization, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_service_accounts(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Page<ServiceAccount>>;

    /// Lists the inventories of an organization by name, at most [`MAX_INVENTORIES`](crate::limits::MAX_INVENTORIES).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>>;

    /// Lists the audit log of an organization, newest first.
    ///
    /// # Behaviour
    /// - The log remains after the organization is deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_audit_events(
        &self,
        organization: OrganizationId,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditEvent>>;

    /// Lists the live events of an organization after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_events(
        &self,
        organization: OrganizationId,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<Event>>;

    /// Returns the id of the newest live event of an organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn newest_event(&self, organization: OrganizationId) -> Result<Option<EventId>>;
}
