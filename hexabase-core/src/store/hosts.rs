use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::store::decorator::store_part;

store_part! {
    /// Host clusters that operators registered.
    pub trait HostStore {
        /// Finds a registered host cluster.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>>;

        /// Lists all registered host clusters, ordered by name.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_hosts(&self) -> Result<Vec<RegisteredHost>>;
    }
}
