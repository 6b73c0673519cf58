use crate::error::Result;
use crate::id::{EventId, OrganizationId};
use crate::model::{AuditEvent, AuditFilter, Event};
use crate::page::{Page, PageRequest};
use crate::store::decorator::store_part;

store_part! {
    /// Audit log and live events of organizations.
    pub trait EventStore {
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
}
