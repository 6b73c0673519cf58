//! Changes of plans by operators, and their combination with the plans of the configuration.

use std::collections::BTreeMap;

use super::PlanCatalog;
use crate::error::{Error, Result};
use crate::model::{Plan, PlanUse, StoredPlans, UnitPrice};
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
/// or needs another store for Kubernetes objects.
///
/// # Errors
/// `Conflict` with code `plan_in_use`, or `plan_not_retired` for the removal of a plan that is still sold.
pub fn check_replacement(
    current: &PlanCatalog,
    replacement: &[Plan],
    uses: &BTreeMap<PlanId, PlanUse>,
) -> Result<()> {
    for before in current.iter() {
        let used = uses.get(&before.id).copied().unwrap_or_default();
        match replacement.iter().find(|plan| plan.id == before.id) {
            Some(after) => check_change(before, after, used)?,
            None => check_removal(before, used)?,
        }
    }
    Ok(())
}

fn check_removal(plan: &Plan, used: PlanUse) -> Result<()> {
    let id = &plan.id;
    if used != PlanUse::default() {
        return Err(in_use(id, used, "cannot be removed; set retired, so that it is no longer sold"));
    }
    // An order of the plan can still be in progress.
    if !plan.retired {
        let message =
            format!("the plan {id} is still sold; set retired first, and remove it with another change");
        return Err(Error::conflict("plan_not_retired", message));
    }
    Ok(())
}

fn check_change(before: &Plan, after: &Plan, used: PlanUse) -> Result<()> {
    let currency = |plan: &Plan| plan.price.map(|price| price.monthly.currency);
    if used != PlanUse::default() && currency(before) != currency(after) {
        let rule =
            "cannot change the currency of its price, nor begin or cease to have a price; add another plan";
        return Err(in_use(&before.id, used, rule));
    }
    // Prices of existing subscriptions do not change, but their quantities follow the included numbers.
    let included = |plan: &Plan| plan.price.map_or([None; 2], |price| [price.workspace, price.node]);
    let includes_less = |(before, after): (Option<UnitPrice>, Option<UnitPrice>)| {
        before.zip(after).is_some_and(|(before, after)| after.included < before.included)
    };
    if used.organizations > 0 && included(before).into_iter().zip(included(after)).any(includes_less) {
        let rule = "cannot include fewer workspaces or nodes in its price; add another plan";
        return Err(in_use(&before.id, used, rule));
    }
    if used.workspaces > 0 && !before.control_plane.has_same_storage_layout(&after.control_plane) {
        let rule = "cannot change to another store for Kubernetes objects, or to an etcd of another size; add another plan";
        return Err(in_use(&before.id, used, rule));
    }
    Ok(())
}

fn in_use(id: &PlanId, used: PlanUse, rule: &str) -> Error {
    let PlanUse { organizations, workspaces } = used;
    let message = format!(
        "the plan {id} is used by {organizations} organizations and {workspaces} workspaces, so it {rule}"
    );
    Error::conflict("plan_in_use", message)
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
        let uses =
            BTreeMap::from([(PlanId::parse("paid").unwrap(), PlanUse { organizations: 1, workspaces: 0 })]);
        let outcome = |included| check_replacement(&current_three, &[including(included)], &uses);
        assert_eq!(outcome(2).unwrap_err().code(), "plan_in_use");
        assert!(outcome(4).is_ok());
        let used = PlanUse { organizations: 1, workspaces: 1 };
        let code = |plans: &[Plan], id: &str, used: PlanUse| {
            let uses = BTreeMap::from([(PlanId::parse(id).unwrap(), used)]);
            check_replacement(&current, plans, &uses).err().map(|error| error.code().to_owned())
        };
        let [in_use, not_retired] = ["plan_in_use", "plan_not_retired"].map(|code| Some(code.to_owned()));
        let unused = PlanUse::default();
        for (plans, id, by_users, by_none) in [
            (vec![free.clone(), paid.clone(), retired.clone()], "paid", None, None),
            (vec![free.clone(), priced("paid", "eur"), retired.clone()], "paid", in_use.clone(), None),
            (vec![priced("free", "usd"), paid.clone(), retired.clone()], "free", in_use.clone(), None),
            (vec![etcd(&free), paid.clone(), retired.clone()], "free", in_use.clone(), None),
            (vec![free.clone(), retired.clone()], "paid", in_use.clone(), not_retired),
            (vec![free, paid], "old", in_use, None),
        ] {
            assert_eq!(code(&plans, id, used), by_users, "{id}");
            assert_eq!(code(&plans, id, unused), by_none, "{id}");
        }
    }
}
