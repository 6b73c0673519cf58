use async_trait::async_trait;

use super::MemoryStore;
use crate::changeset::{Key, Stored};
use crate::error::Result;
use crate::model::RegisteredHost;
use crate::name::HostClusterName;
use crate::store::HostStore;

#[async_trait]
impl HostStore for MemoryStore {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        Ok(self.lock().get(&Key::Host(name.clone())).cloned())
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        // Records sort by key, and keys of hosts by name.
        Ok(self.lock().records.values().filter_map(Stored::of).cloned().collect())
    }
}
