use async_trait::async_trait;

use crate::error::Result;
use crate::model::OrganizationSummary;
use crate::page::{Page, PageRequest};
use crate::search::SearchText;

/// Text searches, as [`search`](crate::search) defines them.
#[async_trait]
pub trait SearchStore: Send + Sync {
    /// Lists the organizations whose id, name or display name contains `text`, or all organizations, oldest first.
    ///
    /// # Behaviour
    /// - The counts and the billing state are those of each organization.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` with code `search_timeout` if the search takes too long.
    async fn search_organizations(
        &self,
        text: Option<SearchText>,
        page: &PageRequest,
    ) -> Result<Page<OrganizationSummary>>;
}
