use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::model::RegisteredHost;
use hexabase_core::name::HostClusterName;
use hexabase_core::store::HostStore;

use super::table::select;
use super::{Engine, Reads as _, SqlStore};

#[async_trait]
impl<E: Engine> HostStore for SqlStore<E> {
    async fn find_host(&self, name: &HostClusterName) -> Result<Option<RegisteredHost>> {
        self.0.find_one(select::<RegisteredHost>("WHERE name = $1").text(name)).await
    }

    async fn list_hosts(&self) -> Result<Vec<RegisteredHost>> {
        self.0.find_all(select::<RegisteredHost>("ORDER BY name")).await
    }
}
