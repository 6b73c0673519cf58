use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::{PlanUse, StoredPlans};
use crate::name::PlanId;
use crate::store::decorator::store_part;

store_part! {
    /// Plans that an operator changed, and the numbers of their users.
    pub trait PlanStore {
        /// Reads the stored plans.
        ///
        /// # Behaviour
        /// - A new store has [`StoredPlans::initial`]. There is always exactly one record, so that its version is a
        ///   precondition from the first change on.
        /// - Contents that this release does not know are left out and named, see
        ///   [`ReadablePlans`](crate::plans::ReadablePlans).
        ///
        /// # Errors
        /// `Unavailable`.
        async fn read_plans(&self) -> Result<StoredPlans>;

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
}
