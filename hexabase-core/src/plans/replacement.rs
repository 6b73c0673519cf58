//! Changes of plans by operators, and their combination with the plans of the configuration.

use std::collections::BTreeMap;

use super::PlanCatalog;
use crate::billing;
use crate::changeset::Precondition;
use crate::error::{Error, Result};
use crate::model::{Plan, PlanUse, PlanUsers, StoredPlans, UnitPrice};
use crate::name::PlanId;

/// Returns the plans that apply: the stored ones, and of the configuration the plans that no operator has changed or
/// removed. If an operator and the configuration changed the same plan, the operator's change applies.
#[must_use]
pub fn merge(stored: &StoredPlans, configured: &[Plan]) -> Vec<Plan> {
    let find = |plans: &'_ [Plan], id: &PlanId| plans.iter().position(|plan| plan.id == *id);
    let mut merged = stored.plans.clone();
    for plan in configured {
        let seed = find(&stored.configured, &plan.id).map(|index| &stored.configured[index]);
        match (seed, find(&merged, &plan.id)) {
            // Unchanged by operators since it was configured.
            (Some(seed), Some(index)) if merged[index] == *seed => merged[index] = plan.clone(),
            (None, None) => merged.push(plan.clone()),
            (_, Some(_)) | (Some(_), None) => {}
        }
    }
    merged
}

/// Checks that plans may replace the current ones: no user of a plan loses it, is charged more or in another currency,
/// needs another store for Kubernetes objects, or is left on a workspace that its plans no longer allow. Returns the
/// preconditions under which that remains so until the commit.
///
/// # Errors
/// `Conflict` with code `plan_in_use`, or `plan_not_retired` for the removal of a plan that is still sold.
pub fn check_replacement(
    current: &PlanCatalog,
    replacement: &[Plan],
    uses: &BTreeMap<PlanId, PlanUse>,
) -> Result<Vec<Precondition>> {
    let mut checks = Checks { uses, unused: Vec::new() };
    let after = |plan: &Plan| replacement.iter().find(|after| after.id == plan.id);
    for before in current.iter() {
        match after(before) {
            Some(after) => checks.change(before, after)?,
            None => checks.removal(before)?,
        }
    }
    let kept: Vec<_> = current.iter().filter_map(|before| Some((before, after(before)?))).collect();
    for &organization in &kept {
        for &workspace in &kept {
            checks.order(organization, workspace)?;
        }
    }
    Ok(checks.unused)
}

/// Rules for users of plans, with the users that a rule requires to be absent.
struct Checks<'a> {
    uses: &'a BTreeMap<PlanId, PlanUse>,
    unused: Vec<Precondition>,
}

impl Checks<'_> {
    fn has(&self, plan: &Plan, users: &PlanUsers) -> bool {
        self.uses.get(&plan.id).is_some_and(|used| used.has(users))
    }

    /// Requires that a plan has no users of these kinds, now and at the commit.
    fn require_unused<const N: usize>(
        &mut self,
        plan: &Plan,
        users: [PlanUsers; N],
        rule: &str,
    ) -> Result<()> {
        if users.iter().any(|users| self.has(plan, users)) {
            return Err(self.in_use(plan, rule));
        }
        for users in users {
            let precondition = Precondition::PlanUnused(plan.id.clone(), users);
            if !self.unused.contains(&precondition) {
                self.unused.push(precondition);
            }
        }
        Ok(())
    }

    fn removal(&mut self, plan: &Plan) -> Result<()> {
        let rule = "cannot be removed; set retired, so that it is no longer sold";
        self.require_unused(plan, [PlanUsers::Organizations, PlanUsers::Workspaces], rule)?;
        // An order of the plan can still be in progress.
        if !plan.retired {
            let id = &plan.id;
            let message =
                format!("the plan {id} is still sold; set retired first, and remove it with another change");
            return Err(Error::conflict("plan_not_retired", message));
        }
        Ok(())
    }

    fn change(&mut self, before: &Plan, after: &Plan) -> Result<()> {
        let currency = |plan: &Plan| plan.price.map(|price| price.monthly.currency);
        if currency(before) != currency(after) {
            let rule = "cannot change the currency of its price, nor begin or cease to have a price; add another plan";
            self.require_unused(before, [PlanUsers::Organizations, PlanUsers::Workspaces], rule)?;
        }
        // Prices of existing subscriptions do not change, but their quantities follow the included numbers.
        let included = |plan: &Plan| plan.price.map_or([None; 2], |price| [price.workspace, price.node]);
        let includes_less = |(before, after): (Option<UnitPrice>, Option<UnitPrice>)| {
            before.zip(after).is_some_and(|(before, after)| after.included < before.included)
        };
        if included(before).into_iter().zip(included(after)).any(includes_less) {
            let rule = "cannot include fewer workspaces or nodes in its price; add another plan";
            self.require_unused(before, [PlanUsers::Organizations], rule)?;
        }
        if !before.control_plane.has_same_storage_layout(&after.control_plane) {
            let rule = "cannot change to another store for Kubernetes objects, or to an etcd of another size; add another plan";
            self.require_unused(before, [PlanUsers::Workspaces], rule)?;
        }
        // Node pools of a plan without dedicated nodes would prevent every change of their workspace.
        if before.dedicated_nodes && !after.dedicated_nodes {
            let rule = "cannot cease to allow dedicated nodes; add another plan";
            self.require_unused(before, [PlanUsers::Workspaces], rule)?;
        }
        // A workspace is upgraded to the next minor version only, which the plan may not offer either.
        for version in before.kubernetes_versions.iter().filter(|it| !after.kubernetes_versions.contains(it))
        {
            let rule = format!("cannot drop Kubernetes {version} before its workspaces are upgraded");
            self.require_unused(before, [PlanUsers::WorkspacesWith(version.clone())], &rule)?;
        }
        Ok(())
    }

    /// Checks that organizations on a plan may still have the workspaces that they may have now. Each plan is given
    /// before and after the change.
    fn order(&mut self, organization: (&Plan, &Plan), workspace: (&Plan, &Plan)) -> Result<()> {
        let covers = |organization: &Plan, workspace: &Plan| {
            billing::covers(organization.display_order, workspace.display_order)
        };
        if !covers(organization.0, workspace.0) || covers(organization.1, workspace.1) {
            return Ok(());
        }
        let (users, other) = (&workspace.0.id, &organization.0.id);
        let rule = format!(
            "cannot be above {other} in the display order: organizations on {other} may have workspaces on {users}"
        );
        match self.has(organization.0, &PlanUsers::Organizations) {
            true => self.require_unused(workspace.0, [PlanUsers::Workspaces], &rule),
            false => self.require_unused(organization.0, [PlanUsers::Organizations], &rule),
        }
    }

    fn in_use(&self, plan: &Plan, rule: &str) -> Error {
        let PlanUse { organizations, workspaces, .. } = self.uses.get(&plan.id).cloned().unwrap_or_default();
        let id = &plan.id;
        let message = format!(
            "the plan {id} is used by {organizations} organizations and {workspaces} workspaces, so it {rule}"
        );
        Error::conflict("plan_in_use", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::model::{ControlPlaneStore, Currency, Money, Price};

    fn named(id: &str, name: &str) -> Plan {
        Plan { name: name.to_owned(), ..fixture::plan(id) }
    }

    fn names(stored: &StoredPlans, configured: &[Plan]) -> Vec<String> {
        merge(stored, configured).into_iter().map(|plan| format!("{}={}", plan.id, plan.name)).collect()
    }

    #[test]
    fn a_plan_follows_the_configuration_until_an_operator_changes_it() {
        let configured = vec![named("a", "1"), named("b", "1"), named("c", "1")];
        // The operator changed b, removed c and added d.
        let plans = vec![named("a", "1"), named("b", "operator"), named("d", "operator")];
        let stored = StoredPlans { configured: configured.clone(), ..fixture::stored_plans(plans) };
        assert_eq!(names(&stored, &configured), ["a=1", "b=operator", "d=operator"]);
        let changed = [named("a", "2"), named("b", "2"), named("c", "2"), named("d", "2"), named("e", "2")];
        assert_eq!(names(&stored, &changed), ["a=2", "b=operator", "d=operator", "e=2"]);
        assert_eq!(
            names(&stored, &[]),
            ["a=1", "b=operator", "d=operator"],
            "the configuration removes nothing"
        );
    }

    fn priced(id: &str, currency: &str) -> Plan {
        let monthly = Money { amount: 100, currency: Currency::parse(currency).unwrap() };
        let price = Price {
            monthly,
            yearly: None,
            workspace: None,
            node: None,
            usage: Default::default(),
            trial_days: 0,
        };
        Plan { price: Some(price), ..fixture::plan(id) }
    }

    #[test]
    fn users_of_a_plan_keep_it_with_its_currency_and_store() {
        let (free, paid) = (fixture::plan("free"), priced("paid", "usd"));
        let retired = Plan { retired: true, ..fixture::plan("old") };
        let current = PlanCatalog::new(vec![free.clone(), paid.clone(), retired.clone()]).unwrap();
        let etcd = |plan: &Plan| {
            let mut changed = plan.clone();
            changed.control_plane.store = ControlPlaneStore::Etcd;
            changed
        };
        let including = |included| {
            let mut plan = priced("paid", "usd");
            let monthly = plan.price.unwrap().monthly;
            plan.price.as_mut().unwrap().workspace = Some(UnitPrice { included, monthly, yearly: None });
            plan
        };
        let three = including(3);
        let current_three = PlanCatalog::new(vec![three]).unwrap();
        let uses = uses_of("paid", 1, &[]);
        let outcome = |included| check_replacement(&current_three, &[including(included)], &uses);
        assert_eq!(outcome(2).unwrap_err().code(), "plan_in_use");
        assert!(outcome(4).is_ok());
        let code = |plans: &[Plan], uses: BTreeMap<PlanId, PlanUse>| {
            check_replacement(&current, plans, &uses).err().map(|error| error.code().to_owned())
        };
        let [in_use, not_retired] = ["plan_in_use", "plan_not_retired"].map(|code| Some(code.to_owned()));
        for (plans, id, by_users, by_none) in [
            (vec![free.clone(), paid.clone(), retired.clone()], "paid", None, None),
            (vec![free.clone(), priced("paid", "eur"), retired.clone()], "paid", in_use.clone(), None),
            (vec![priced("free", "usd"), paid.clone(), retired.clone()], "free", in_use.clone(), None),
            (vec![etcd(&free), paid.clone(), retired.clone()], "free", in_use.clone(), None),
            (vec![free.clone(), retired.clone()], "paid", in_use.clone(), not_retired),
            (vec![free, paid], "old", in_use, None),
        ] {
            assert_eq!(code(&plans, uses_of(id, 1, &["1.36"])), by_users, "{id}");
            assert_eq!(code(&plans, BTreeMap::new()), by_none, "{id}");
        }
    }

    /// Uses of one plan by organizations, and by one workspace for each Kubernetes version.
    fn uses_of(id: &str, organizations: u32, versions: &[&str]) -> BTreeMap<PlanId, PlanUse> {
        let kubernetes_versions = versions.iter().map(|version| version.parse().unwrap()).collect();
        let workspaces = u32::try_from(versions.len()).unwrap();
        let used = PlanUse { organizations, workspaces, kubernetes_versions };
        BTreeMap::from([(PlanId::parse(id).unwrap(), used)])
    }

    fn offering(versions: &[&str]) -> Plan {
        let kubernetes_versions = versions.iter().map(|version| version.parse().unwrap()).collect();
        Plan { kubernetes_versions, ..fixture::plan("small") }
    }

    #[test]
    fn a_kubernetes_version_is_dropped_after_its_workspaces_are_upgraded() {
        let current = PlanCatalog::new(vec![offering(&["1.34", "1.35", "1.36"])]).unwrap();
        let outcome = |versions: &[&str]| {
            check_replacement(&current, &[offering(&["1.36", "1.37"])], &uses_of("small", 1, versions))
        };
        let error = outcome(&["1.36", "1.35"]).unwrap_err();
        assert_eq!(error.code(), "plan_in_use");
        assert!(error.message().contains("cannot drop Kubernetes 1.35 "), "{error}");
        let small = PlanId::parse("small").unwrap();
        let unused = ["1.34", "1.35"].map(|version| {
            Precondition::PlanUnused(small.clone(), PlanUsers::WorkspacesWith(version.parse().unwrap()))
        });
        assert_eq!(outcome(&["1.36"]).unwrap(), unused);
    }

    #[test]
    fn workspaces_of_a_plan_do_not_get_above_the_plans_of_their_organizations() {
        let at = |id: &str, display_order| Plan { display_order, ..fixture::plan(id) };
        let current = PlanCatalog::new(vec![at("a", 1), at("b", 2), at("c", 3)]).unwrap();
        let outcome = |plans: &[Plan], users: &[(&str, u32, &[&str])]| {
            let uses =
                users.iter().flat_map(|(id, number, versions)| uses_of(id, *number, versions)).collect();
            check_replacement(&current, plans, &uses)
        };
        // Organizations on b may have workspaces on a.
        let raised = [at("a", 3), at("b", 2), at("c", 4)];
        let error = outcome(&raised, &[("a", 0, &["1.36"]), ("b", 1, &[])]).unwrap_err();
        assert_eq!(error.code(), "plan_in_use");
        assert!(error.message().contains("cannot be above b in the display order"), "{error}");
        let unused = |id: &str, users| vec![Precondition::PlanUnused(PlanId::parse(id).unwrap(), users)];
        let no_workspaces = outcome(&raised, &[("b", 1, &[])]).unwrap();
        assert_eq!(no_workspaces, unused("a", PlanUsers::Workspaces));
        let no_organizations = outcome(&raised, &[("a", 1, &["1.36"]), ("c", 1, &["1.36"])]).unwrap();
        assert_eq!(no_organizations, unused("b", PlanUsers::Organizations));
        let spread = [at("a", 10), at("b", 20), at("c", 20)];
        assert_eq!(outcome(&spread, &[("a", 1, &["1.36"]), ("b", 1, &["1.36"])]).unwrap(), []);
    }

    #[test]
    fn workspaces_keep_the_permission_to_have_dedicated_nodes() {
        let with = |dedicated_nodes| Plan { dedicated_nodes, ..fixture::plan("small") };
        let current = PlanCatalog::new(vec![with(true)]).unwrap();
        let error = check_replacement(&current, &[with(false)], &uses_of("small", 1, &["1.36"])).unwrap_err();
        assert_eq!(error.code(), "plan_in_use");
        check_replacement(&current, &[with(false)], &uses_of("small", 1, &[])).unwrap();
    }
}
