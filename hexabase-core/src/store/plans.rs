use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{PlanUse, StoredPlans};
use crate::name::PlanId;

/// Plans that an operator changed, and the numbers of their users.
#[async_trait]
pub trait PlanStore: Send + Sync {
    /// Finds the stored plans; `None` until an operator changes the plans.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_plans(&self) -> Result<Option<StoredPlans>>;

    /// Counts the organizations and workspaces on each plan. An organization counts for the plan it is on, the plan of its
    /// subscription unless that has ended, and the plan it has ordered.
    ///
    /// # Behaviour
    /// - An organization counts once per plan.
    /// - Plans without users are not included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_plan_uses(&self) -> Result<BTreeMap<PlanId, PlanUse>>;
}
