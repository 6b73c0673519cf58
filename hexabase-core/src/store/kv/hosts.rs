use async_trait::async_trait;

use super::KvTenantStore;
use super::view::{Reads as _, Space};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::store::HostStore;

#[async_trait]
impl<S: Space> HostStore for KvTenantStore<S> {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        self.space.view().await?.find(RecordKey::Host(name.clone())).await
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        // Keys of hosts are ordered by name.
        self.space.view().await?.all(&[]).await
    }
}
