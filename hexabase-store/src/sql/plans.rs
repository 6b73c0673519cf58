use std::collections::BTreeMap;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{PlanUse, StoredPlans};
use hexabase_core::name::PlanId;
use hexabase_core::store::PlanStore;

use super::table::select;
use super::{Cells, Engine, Query, Reads as _, SqlStore};

#[async_trait]
impl<E: Engine> PlanStore for SqlStore<E> {
    async fn read_plans(&self) -> Result<StoredPlans> {
        let stored = self.0.find_one(select::<StoredPlans>("")).await?;
        stored.ok_or_else(|| Error::unexpected("the table plans has no row; the migrations insert one"))
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        let query = Query::new(
            "SELECT plan_id, kubernetes_version, \
             COUNT(DISTINCT CASE WHEN workspace_id IS NULL THEN organization_id END), COUNT(workspace_id) \
             FROM plan_users GROUP BY plan_id, kubernetes_version",
        );
        let mut uses = BTreeMap::<PlanId, PlanUse>::new();
        // Organizations have no version, so they are in a row of their own.
        for row in &self.0.fetch(query).await? {
            let mut cells = Cells::new(row);
            let used = uses.entry(cells.parse()?).or_default();
            used.kubernetes_versions.extend(cells.parse_or_null()?);
            used.organizations += cells.number::<u32>()?;
            used.workspaces += cells.number::<u32>()?;
        }
        Ok(uses)
    }
}
