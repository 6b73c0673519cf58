use std::collections::BTreeMap;

use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::model::{PlanUse, StoredPlans};
use hexabase_core::name::PlanId;
use hexabase_core::store::PlanStore;

use super::table::select;
use super::{Cells, Engine, Query, Reads as _, SqlStore};

#[async_trait]
impl<E: Engine> PlanStore for SqlStore<E> {
    async fn find_plans(&self) -> Result<Option<StoredPlans>> {
        self.0.find_one(select::<StoredPlans>("")).await
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        let query = Query::new(
            "SELECT plan_id, COUNT(DISTINCT CASE WHEN workspace_id IS NULL THEN organization_id END), \
             COUNT(workspace_id) FROM plan_users GROUP BY plan_id",
        );
        let rows = self.0.fetch(query).await?;
        let read = |row: &E::Row| {
            let mut cells = Cells::new(row);
            let plan = cells.parse()?;
            Ok((plan, PlanUse { organizations: cells.number()?, workspaces: cells.number()? }))
        };
        rows.iter().map(read).collect()
    }
}
