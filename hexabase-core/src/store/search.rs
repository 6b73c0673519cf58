use crate::error::Result;
use crate::id::{OrganizationId, UserId};
use crate::model::{Group, OrganizationSummary, Project};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::decorator::store_part;

store_part! {
    /// Text searches, as [`search`](crate::search) defines them.
    pub trait SearchStore {
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

        /// Lists the groups whose names contain `text`, ordered by workspace and id, at most `limit`: in all workspaces of an
        /// organization, or with `member` only in those in which that user is in a group.
        ///
        /// # Errors
        /// `Unavailable`; `Invalid` with code `search_timeout` if the search takes too long.
        async fn search_groups(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            text: &SearchText,
            limit: usize,
        ) -> Result<Vec<Group>>;

        /// Lists the projects whose names or display names contain `text`, ordered by workspace and id, at most `limit`: in
        /// the workspaces as for [`Self::search_groups`].
        ///
        /// # Errors
        /// `Unavailable`; `Invalid` with code `search_timeout` if the search takes too long.
        async fn search_projects(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            text: &SearchText,
            limit: usize,
        ) -> Result<Vec<Project>>;
    }
}
