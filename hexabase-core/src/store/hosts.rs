use async_trait::async_trait;

use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;

/// The host clusters that operators registered.
#[async_trait]
pub trait HostStore: Send + Sync {
    /// A host cluster.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>>;

    /// All host clusters, by name.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>>;
}
