use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::KvTenantStore;
use super::view::{Reads as _, Space, View};
use crate::changeset::RecordKey;
use crate::error::{Error, Result};
use crate::id::OrganizationId;
use crate::model::{BillingAccount, Organization, PlanUse, StoredPlans, Workspace};
use crate::name::PlanId;
use crate::store::PlanStore;

#[async_trait]
impl<S: Space> PlanStore for KvTenantStore<S> {
    async fn read_plans(&self) -> Result<StoredPlans> {
        let found = self.space.view().await?.find(RecordKey::Plans).await?;
        found.ok_or_else(|| Error::unexpected("there is no record of plans"))
    }

    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>> {
        uses(&self.space.view().await?).await
    }
}

/// Counts the users of each plan.
pub(super) async fn uses<V: View>(view: &V) -> Result<BTreeMap<PlanId, PlanUse>> {
    let mut organizations: BTreeSet<(PlanId, OrganizationId)> = BTreeSet::new();
    let mut all = view.records::<Organization>(&[]);
    while let Some(organization) = all.next_record::<Organization>().await? {
        organizations.insert((organization.plan_id, organization.id));
    }
    let mut all = view.records::<BillingAccount>(&[]);
    while let Some(account) = all.next_record::<BillingAccount>().await? {
        let subscribed = account.live_subscription().map(|subscription| &subscription.plan_id);
        let ordered = account.order.as_ref().and_then(|order| order.change.plan_id());
        let plans = [subscribed, ordered].into_iter().flatten().cloned();
        organizations.extend(plans.map(|plan| (plan, account.organization_id)));
    }
    let mut uses: BTreeMap<PlanId, PlanUse> = BTreeMap::new();
    let mut all = view.records::<Workspace>(&[]);
    while let Some(workspace) = all.next_record::<Workspace>().await? {
        let used = uses.entry(workspace.plan_id).or_default();
        used.workspaces += 1;
        used.kubernetes_versions.insert(workspace.kubernetes_version);
    }
    for (plan, _) in organizations {
        uses.entry(plan).or_default().organizations += 1;
    }
    Ok(uses)
}
