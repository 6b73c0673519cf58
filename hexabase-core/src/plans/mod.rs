//! Plan catalog of an installation.
//!
//! The plans of the configuration apply until an operator changes them. From then on the store has the plans. A plan of
//! the configuration that no operator changed still follows the configuration: see [`merge`]. An older release leaves out
//! the contents of stored plans that it does not know: see [`ReadablePlans`].

mod replacement;
mod stored;
mod validation;

use std::sync::{Arc, PoisonError, RwLock};

pub use replacement::{check_replacement, merge};
pub use stored::ReadablePlans;
pub use validation::validate;

use crate::changeset::Precondition;
use crate::error::{Error, Result};
use crate::model::{Meter, Plan};
use crate::name::PlanId;
use crate::version::Version;

/// All plans, in display order. The first available plan is the plan of new organizations.
#[derive(Debug, Clone)]
pub struct PlanCatalog {
    plans: Vec<Plan>,
    version: Version,
}

impl PlanCatalog {
    /// Creates a catalog.
    ///
    /// # Errors
    /// `Invalid` if all plans are retired, or if two plans have the same id.
    pub fn new(mut plans: Vec<Plan>) -> Result<Self> {
        plans.sort_by(|left, right| (left.display_order, &left.id).cmp(&(right.display_order, &right.id)));
        if plans.iter().all(|plan| plan.retired) {
            return Err(Error::invalid("plans", "must contain at least one plan that is not retired"));
        }
        let mut ids: Vec<&PlanId> = plans.iter().map(|plan| &plan.id).collect();
        ids.sort_unstable();
        if let Some(duplicate) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::invalid("plans", format!("must not contain the plan {} twice", duplicate[0])));
        }
        Ok(Self { plans, version: Version::FIRST })
    }

    /// Returns the catalog with the version of the stored plans.
    #[must_use]
    pub fn at(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// Returns the version: [`Version::FIRST`] until an operator changes the plans.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the precondition that no operator has changed the plans since they were read, for a commit that begins
    /// to use a plan.
    #[must_use]
    pub const fn precondition(&self) -> Precondition {
        Precondition::Plans(self.version)
    }

    /// Returns a plan; `None` if the id is unknown.
    #[must_use]
    pub fn find(&self, id: &PlanId) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.id == *id)
    }

    /// Returns the current plan of an organization or workspace.
    ///
    /// # Errors
    /// `Unavailable` if an operator removed the plan while it was in use.
    pub fn get(&self, id: &PlanId) -> Result<&Plan> {
        let missing =
            || Error::unavailable(format!("the plan {id} is no longer configured")).with("plan", id);
        self.find(id).ok_or_else(missing)
    }

    /// Returns the plan of new organizations.
    #[must_use]
    pub fn default_plan(&self) -> &Plan {
        self.available().next().unwrap_or(&self.plans[0])
    }

    /// Returns the meters that any plan charges.
    #[must_use]
    pub fn charged_meters(&self) -> Vec<Meter> {
        let charged = |meter: &Meter| {
            self.plans.iter().any(|plan| plan.price.is_some_and(|price| price.usage[*meter].is_some()))
        };
        Meter::ALL.iter().copied().filter(charged).collect()
    }

    /// Returns a requested plan, which must be available or one of the `current` plans.
    ///
    /// # Errors
    /// `Invalid` for every other plan.
    pub fn choose(&self, requested: &PlanId, current: &[&PlanId]) -> Result<&Plan> {
        let rejected = |reason| {
            Error::invalid("plan_id", format!("{reason}; GET /api/v1/plans lists the available plans"))
        };
        let plan = self.find(requested).ok_or_else(|| rejected("the plan does not exist"))?;
        match plan.retired && !current.contains(&requested) {
            true => Err(rejected("the plan is retired")),
            false => Ok(plan),
        }
    }

    /// Returns the available plans (those that are not retired), in order.
    pub fn available(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter().filter(|plan| !plan.retired)
    }

    /// Returns all plans, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter()
    }
}

/// Plan catalog as last read from the store, shared by the components of a process.
#[derive(Debug, Clone)]
pub struct CurrentPlans(Arc<RwLock<Arc<PlanCatalog>>>);

impl CurrentPlans {
    /// Returns the catalog.
    #[must_use]
    pub fn get(&self) -> Arc<PlanCatalog> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, catalog: Arc<PlanCatalog>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = catalog;
    }
}

impl From<PlanCatalog> for CurrentPlans {
    fn from(catalog: PlanCatalog) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(catalog))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn catalog(retired: &[&str]) -> Result<PlanCatalog> {
        let plan = |(index, name): (usize, &&str)| Plan {
            display_order: u32::try_from(index).unwrap_or_default(),
            retired: retired.contains(name),
            ..fixture::plan(name)
        };
        PlanCatalog::new(["old", "new"].iter().enumerate().map(plan).collect())
    }

    #[test]
    fn a_retired_plan_can_be_chosen_only_by_its_current_users() {
        let plans = catalog(&["old"]).unwrap();
        let [old, new] = ["old", "new"].map(|name| PlanId::parse(name).unwrap());
        assert_eq!(plans.default_plan().id, new);
        assert_eq!(plans.available().map(|plan| &plan.id).collect::<Vec<_>>(), [&new]);
        assert_eq!(plans.choose(&old, &[&old]).unwrap().id, old);
        assert_eq!(plans.choose(&new, &[&old]).unwrap().id, new);
        let error = plans.choose(&old, &[&new]).unwrap_err().to_string();
        assert!(error.contains("the plan is retired"), "{error}");
        assert!(plans.get(&old).is_ok(), "current users keep the plan");
    }

    #[test]
    fn a_catalog_needs_an_available_plan() {
        assert!(catalog(&["old", "new"]).is_err());
        assert!(PlanCatalog::new(Vec::new()).is_err());
    }
}
