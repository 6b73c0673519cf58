//! The plans of an installation.

use crate::error::{Error, Result};
use crate::model::{Meter, Plan};
use crate::name::PlanId;

/// The plans that can be bought, in the order in which they are shown. The first one is what an
/// organization begins with.
#[derive(Debug, Clone)]
pub struct PlanCatalog(Vec<Plan>);

impl PlanCatalog {
    /// A catalog of these plans.
    ///
    /// # Errors
    /// `Invalid` when there is none, or when two have the same id.
    pub fn new(mut plans: Vec<Plan>) -> Result<Self> {
        plans.sort_by(|left, right| (left.display_order, &left.id).cmp(&(right.display_order, &right.id)));
        if plans.is_empty() {
            return Err(Error::invalid("plans", "must have at least one plan"));
        }
        let mut ids: Vec<&PlanId> = plans.iter().map(|plan| &plan.id).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("plans", format!("has the plan {} twice", twice[0])));
        }
        Ok(Self(plans))
    }

    /// A plan.
    #[must_use]
    pub fn find(&self, id: &PlanId) -> Option<&Plan> {
        self.0.iter().find(|plan| plan.id == *id)
    }

    /// The plan that something is on.
    ///
    /// # Errors
    /// `Unavailable` when an operator removed the plan while something was on it.
    pub fn of(&self, id: &PlanId) -> Result<&Plan> {
        let missing =
            || Error::unavailable(format!("the plan {id} is not configured any more")).with("plan", id);
        self.find(id).ok_or_else(missing)
    }

    /// What an organization begins with.
    #[must_use]
    pub fn first(&self) -> &Plan {
        &self.0[0]
    }

    /// What any plan charges for by use.
    #[must_use]
    pub fn charged_meters(&self) -> Vec<Meter> {
        let charged = |meter: &Meter| {
            self.0.iter().any(|plan| plan.price.is_some_and(|price| price.usage[*meter].is_some()))
        };
        Meter::ALL.iter().copied().filter(charged).collect()
    }

    /// All plans, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter()
    }
}
