//! Names of organizations as identities: the tokens of registered clients carry them (`acme:admin`), so the name of a
//! deleted organization is reserved until such tokens have expired. A lease is the reservation: the deletion acquires it
//! for that time, and the creation of an organization needs it.

use std::time::Duration;

use super::PlatformInner;
use super::change::ISSUED_TOKEN_LIFETIME;
use crate::changeset::Precondition;
use crate::error::{Error, Result, Retry};
use crate::model::Organization;
use crate::name::Slug;
use crate::store::Lease;

/// Holder of the leases of all creations: they do not exclude each other, since names are unique anyway.
const CREATION: &str = "creation";
/// Time after which the lease of a creation expires if its process ends.
const CREATION_LEASE_TTL: Duration = Duration::from_secs(30);

fn lease_name(name: &Slug) -> String {
    format!("organization-name/{name}")
}

impl PlatformInner {
    /// Reserves the name of an organization until all tokens that carry it have expired. Returns the precondition of
    /// the commit that deletes the organization.
    ///
    /// # Errors
    /// `Unavailable` also while another request tries to create an organization with this name.
    pub(super) async fn reserve_organization_name(
        &self,
        organization: &Organization,
    ) -> Result<Precondition> {
        let (name, holder) = (lease_name(&organization.name), organization.id.to_string());
        let lease = self.store.acquire_lease(&name, &holder, self.now(), ISSUED_TOKEN_LIFETIME).await?;
        let is_used = || Error::unavailable("another request uses the name of the organization; try again");
        Ok(lease.ok_or_else(is_used)?.precondition())
    }

    /// Acquires the right to create an organization with a name. The commit checks the lease, and
    /// [`Self::release_organization_name`] ends it.
    ///
    /// # Errors
    /// `Conflict` with code `organization_name_reserved` if tokens may carry the name of a deleted organization.
    pub(super) async fn take_organization_name(&self, name: &Slug) -> Result<Lease> {
        let lease =
            self.store.acquire_lease(&lease_name(name), CREATION, self.now(), CREATION_LEASE_TTL).await?;
        lease.ok_or_else(|| {
            let minutes = ISSUED_TOKEN_LIFETIME.as_secs() / 60;
            let message = format!(
                "tokens may still carry the name {name} for an organization that was deleted in the last {minutes} \
                 minutes; choose another name, or repeat the request in {minutes} minutes"
            );
            let error = Error::conflict("organization_name_reserved", message);
            error.with_retry(Retry::After(ISSUED_TOKEN_LIFETIME))
        })
    }

    pub(super) async fn release_organization_name(&self, lease: &Lease) {
        if let Err(error) = self.store.release_lease(lease).await {
            tracing::debug!(%error, lease = lease.name, "releasing lease failed; it expires by itself");
        }
    }
}
