use async_trait::async_trait;

use super::MemoryStore;
use crate::changeset::{RecordKey, Stored};
use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::store::HostStore;

#[async_trait]
impl HostStore for MemoryStore {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        Ok(self.lock().get(&RecordKey::Host(name.clone())).cloned())
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        // Records are ordered by key, and the keys of hosts by name.
        Ok(self.lock().records.values().filter_map(Stored::of).cloned().collect())
    }
}
