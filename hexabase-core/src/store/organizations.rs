use std::collections::BTreeMap;

use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{Inventory, Member, Organization, OrganizationCounts, ServiceAccount};
use crate::name::PlanId;
use crate::page::{Page, PageRequest};
use crate::store::decorator::store_part;

store_part! {
    /// Organizations with their service accounts and inventories.
    pub trait OrganizationStore {

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

        /// Finds a service account.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_service_account(
            &self,
            organization: OrganizationId,
            id: UserId,
        ) -> Result<Option<ServiceAccount>>;

        /// Lists the service accounts of an organization, each with its membership, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_service_accounts(
            &self,
            organization: OrganizationId,
            page: &PageRequest,
        ) -> Result<Page<(ServiceAccount, Member)>>;

        /// Lists the inventories of an organization by name, at most [`MAX_INVENTORIES`](crate::limits::MAX_INVENTORIES).
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_inventories(&self, organization: OrganizationId) -> Result<Vec<Inventory>>;
    }
}
