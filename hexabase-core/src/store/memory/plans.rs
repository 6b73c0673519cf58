use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::changeset::{Record, RecordKey};
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{PlanUse, StoredPlans};
use crate::name::PlanId;
use crate::store::PlanStore;

#[async_trait]
impl PlanStore for MemoryStore {
    async fn read_plans(&self) -> Result<StoredPlans> {
        self.lock()
            .get(&RecordKey::Plans)
            .cloned()
            .ok_or_else(|| Error::unexpected("there is no record of plans"))
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        Ok(self.lock().plan_uses())
    }
}

impl State {
    /// Returns the state of a new store.
    pub(super) fn initial() -> Self {
        let mut state = Self::default();
        state.records.insert_mut(RecordKey::Plans, StoredPlans::initial().into());
        state
    }

    /// Counts the users of each plan.
    pub(super) fn plan_uses(&self) -> BTreeMap<PlanId, PlanUse> {
        let mut uses: BTreeMap<PlanId, PlanUse> = BTreeMap::new();
        let mut organizations: BTreeSet<(PlanId, OrganizationId)> = BTreeSet::new();
        for record in self.records.values() {
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
                    let used = uses.entry(workspace.plan_id.clone()).or_default();
                    used.workspaces += 1;
                    used.kubernetes_versions.insert(workspace.kubernetes_version.clone());
                }
                _ => {}
            }
        }
        for (plan, _) in organizations {
            uses.entry(plan).or_default().organizations += 1;
        }
        uses
    }
}
