//! The plans of an installation.

use crate::error::{Error, Result};
use crate::model::{Meter, Plan};
use crate::name::PlanId;

/// The plans, in the order in which they are shown. The first one that is sold is what an organization begins with.
#[derive(Debug, Clone)]
pub struct PlanCatalog(Vec<Plan>);

impl PlanCatalog {
    /// A catalog of these plans.
    ///
    /// # Errors
    /// `Invalid` when none is sold, or when two have the same id.
    pub fn new(mut plans: Vec<Plan>) -> Result<Self> {
        plans.sort_by(|left, right| (left.display_order, &left.id).cmp(&(right.display_order, &right.id)));
        if plans.iter().all(|plan| plan.retired) {
            return Err(Error::invalid("plans", "must have at least one plan that is sold"));
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
        self.sold().next().unwrap_or(&self.0[0])
    }

    /// What any plan charges for by use.
    #[must_use]
    pub fn charged_meters(&self) -> Vec<Meter> {
        let charged = |meter: &Meter| {
            self.0.iter().any(|plan| plan.price.is_some_and(|price| price.usage[*meter].is_some()))
        };
        Meter::ALL.iter().copied().filter(charged).collect()
    }

    /// A plan for somebody who wants it, and is on these: one that is sold, or one of those.
    ///
    /// # Errors
    /// `Invalid` for any other.
    pub fn choose(&self, wanted: &PlanId, on: &[&PlanId]) -> Result<&Plan> {
        let refused =
            |why| Error::invalid("plan_id", format!("{why}; GET /api/v1/plans lists those that are sold"));
        let plan = self.find(wanted).ok_or_else(|| refused("there is no such plan"))?;
        match plan.retired && !on.contains(&wanted) {
            true => Err(refused("it is not sold any more")),
            false => Ok(plan),
        }
    }

    /// Those that are sold, in order.
    pub fn sold(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter().filter(|plan| !plan.retired)
    }

    /// All plans, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn catalog(retired: &[&str]) -> Result<PlanCatalog> {
        let plan = |(place, name): (usize, &&str)| Plan {
            display_order: u32::try_from(place).unwrap_or_default(),
            retired: retired.contains(name),
            ..fixture::plan(name)
        };
        PlanCatalog::new(["old", "new"].iter().enumerate().map(plan).collect())
    }

    #[test]
    fn a_retired_plan_is_only_for_those_who_are_on_it() {
        let plans = catalog(&["old"]).unwrap();
        let [old, new] = ["old", "new"].map(|name| PlanId::parse(name).unwrap());
        assert_eq!(plans.first().id, new);
        assert_eq!(plans.sold().map(|plan| &plan.id).collect::<Vec<_>>(), [&new]);
        assert_eq!(plans.choose(&old, &[&old]).unwrap().id, old);
        assert_eq!(plans.choose(&new, &[&old]).unwrap().id, new);
        let refused = plans.choose(&old, &[&new]).unwrap_err().to_string();
        assert!(refused.contains("not sold any more"), "{refused}");
        assert!(plans.of(&old).is_ok(), "whoever is on it has it");
    }

    #[test]
    fn something_has_to_be_sold() {
        assert!(catalog(&["old", "new"]).is_err());
        assert!(PlanCatalog::new(Vec::new()).is_err());
    }
}
