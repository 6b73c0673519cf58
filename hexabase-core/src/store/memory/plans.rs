use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use crate::changeset::{Record, RecordKey};
use crate::error::Result;
use crate::model::{PlanUse, StoredPlans};
use crate::name::PlanId;
use crate::store::PlanStore;

#[async_trait]
impl PlanStore for MemoryStore {
    async fn find_plans(&self) -> Result<Option<StoredPlans>> {
        Ok(self.lock().get(&RecordKey::Plans).cloned())
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        let mut uses: BTreeMap<PlanId, PlanUse> = BTreeMap::new();
        for record in self.lock().records.values() {
            match record {
                Record::Organization(organization) => {
                    uses.entry(organization.plan_id.clone()).or_default().organizations += 1;
                }
                Record::Workspace(workspace) => {
                    uses.entry(workspace.plan_id.clone()).or_default().workspaces += 1;
                }
                _ => {}
            }
        }
        Ok(uses)
    }
}
