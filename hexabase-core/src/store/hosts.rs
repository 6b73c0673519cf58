use async_trait::async_trait;

use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;

/// Host clusters that operators registered.
#[async_trait]
pub trait HostStore: Send + Sync {
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
