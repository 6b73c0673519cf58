use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::MemoryStore;
use crate::changeset::{Record, RecordKey};
use crate::error::Result;
use crate::id::OrganizationId;
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
        let mut organizations: BTreeSet<(PlanId, OrganizationId)> = BTreeSet::new();
        for record in self.lock().records.values() {
            match record {
                Record::Organization(organization) => {
                    organizations.insert((organization.plan_id.clone(), organization.id));
                }
                Record::BillingAccount(account) => {
                    let subscribed = account.live_subscription().map(|subscription| &subscription.plan_id);
                    let ordered = account.order.as_ref().and_then(|order| order.change.plan_id());
                    let plans = [subscribed, ordered].into_iter().flatten().cloned();
                    organizations.extend(plans.map(|plan| (plan, account.organization_id)));
                }
                Record::Workspace(workspace) => {
                    uses.entry(workspace.plan_id.clone()).or_default().workspaces += 1;
                }
                _ => {}
            }
        }
        for (plan, _) in organizations {
            uses.entry(plan).or_default().organizations += 1;
        }
        Ok(uses)
    }
}
