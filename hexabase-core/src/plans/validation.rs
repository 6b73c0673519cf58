//! Rules for plans, the same for the configuration and for changes by operators.

use super::PlanCatalog;
use crate::container_limits::ContainerLimits;
use crate::error::{Check, Result};
use crate::model::{ControlPlaneStore, Plan, Price};
use crate::quantity::Quantity;
use crate::quota::Resource;

/// Maximum number of plans.
const MAX_PLANS: usize = 100;
/// Maximum length of the name of a plan, in characters.
const MAX_NAME_LENGTH: usize = 100;
/// Maximum length of the description of a plan, in characters.
const MAX_DESCRIPTION_LENGTH: usize = 1_000;

/// Checks that plans can work.
///
/// # Errors
/// `Invalid` with every invalid field, if all plans are retired, or if two plans have the same id.
pub fn validate(plans: &[Plan]) -> Result<()> {
    let mut check = Check::default();
    check.require(plans.len() <= MAX_PLANS, "plans", format!("must be at most {MAX_PLANS} plans"));
    for (index, plan) in plans.iter().enumerate() {
        check_plan(&mut check, &format!("plans[{index}]"), plan);
    }
    check.done()?;
    PlanCatalog::new(plans.to_vec()).map(drop)
}

fn check_plan(check: &mut Check, path: &str, plan: &Plan) {
    check.require(!plan.name.trim().is_empty(), format!("{path}.name"), "must not be empty");
    check_text(check, format!("{path}.name"), &plan.name, MAX_NAME_LENGTH);
    check_text(check, format!("{path}.description"), &plan.description, MAX_DESCRIPTION_LENGTH);
    check_quota(check, path, plan);
    let limits = [
        ("workspaces", plan.limits.workspaces, 1),
        ("members", plan.limits.members, 1),
        ("projects", plan.limits.projects, 1),
        // Every workspace starts with three groups.
        ("groups", plan.limits.groups, 3),
    ];
    for (name, limit, min) in limits {
        check.require(limit >= min, format!("{path}.limits.{name}"), format!("must be {min} or more"));
    }
    check_control_plane(check, path, plan);
    check_versions(check, path, plan);
    if let Some(price) = &plan.price {
        check_price(check, &format!("{path}.price"), price);
    }
}

fn check_text(check: &mut Check, path: String, text: &str, max_length: usize) {
    let is_valid = text.chars().count() <= max_length && !text.chars().any(char::is_control);
    check.require(
        is_valid,
        path,
        format!("must be at most {max_length} characters without control characters"),
    );
}

/// Checks that all amounts of a price have one currency, and that all parts can be paid in the same intervals.
fn check_price(check: &mut Check, path: &str, price: &Price) {
    let mut amounts = vec![("monthly".to_owned(), price.monthly)];
    amounts.extend(price.yearly.map(|yearly| ("yearly".to_owned(), yearly)));
    for (name, unit) in [("workspace", price.workspace), ("node", price.node)] {
        let Some(unit) = unit else { continue };
        amounts.push((format!("{name}.monthly"), unit.monthly));
        amounts.extend(unit.yearly.map(|yearly| (format!("{name}.yearly"), yearly)));
        let matches = unit.yearly.is_some() == price.yearly.is_some();
        let message = "must be set if and only if the plan has a yearly price";
        check.require(matches, format!("{path}.{name}.yearly"), message);
    }
    let metered = price.usage.iter().filter_map(|(meter, price)| Some((meter, (*price)?)));
    amounts.extend(metered.map(|(meter, price)| (format!("usage.{meter}.per_thousand"), price.per_thousand)));
    for (name, money) in amounts {
        check.require(money.amount >= 0, format!("{path}.{name}.amount"), "must not be negative");
        let same = money.currency == price.monthly.currency;
        check.require(same, format!("{path}.{name}.currency"), "must be the currency of the monthly price");
    }
}

/// Resources without which pods cannot be limited.
const REQUIRED: [Resource; 4] = [Resource::Cpu, Resource::Memory, Resource::EphemeralStorage, Resource::Pods];
/// Kinds of which a tenant without a limit could fill the store of its host.
const COUNTED: [Resource; 4] =
    [Resource::Services, Resource::PersistentVolumeClaims, Resource::Secrets, Resource::ConfigMaps];

/// Checks that the quota limits pods and all that a tenant stores on its host.
fn check_quota(check: &mut Check, path: &str, plan: &Plan) {
    for resource in REQUIRED {
        let set = plan.quota.get(resource).is_some_and(|amount| amount > Quantity::ZERO);
        check.require(set, format!("{path}.quota.{resource}"), "must be set, and greater than zero");
    }
    for resource in COUNTED {
        let message = "must be set: the store of the host could not hold any number of them";
        check.require(plan.quota.get(resource).is_some(), format!("{path}.quota.{resource}"), message);
    }
    for (resource, amount) in plan.quota.iter().filter(|(resource, _)| resource.is_count()) {
        check.require(amount.is_whole(), format!("{path}.quota.{resource}"), "must be a whole number");
    }
    let pods = plan.quota.get(Resource::Pods).map_or(0, Quantity::whole_units);
    for resource in ContainerLimits::RESOURCES {
        let Some((min, amount)) = ContainerLimits::min_request(resource).zip(plan.quota.get(resource)) else {
            continue;
        };
        let message = format!("must be at least {min} for each of the {pods} pods");
        check.require(amount.share(pods, min) >= min, format!("{path}.quota.{resource}"), message);
    }
    for (name, amount) in &plan.extended_resources {
        let message = "must be a whole number";
        check.require(amount.is_whole(), format!("{path}.extended_resources.{name}"), message);
    }
}

fn check_control_plane(check: &mut Check, path: &str, plan: &Plan) {
    let control_plane = &plan.control_plane;
    let replicas = match control_plane.store {
        ControlPlaneStore::Sqlite => control_plane.replicas == 1,
        ControlPlaneStore::Etcd => matches!(control_plane.replicas, 1 | 3 | 5),
    };
    let message = "must be 1 with the store sqlite, and 1, 3 or 5 with etcd";
    check.require(replicas, format!("{path}.control_plane.replicas"), message);
    let amounts =
        [("cpu", control_plane.cpu), ("memory", control_plane.memory), ("storage", control_plane.storage)];
    for (name, amount) in amounts {
        let message = "must be greater than zero";
        check.require(amount > Quantity::ZERO, format!("{path}.control_plane.{name}"), message);
    }
    let message = "must not be less than memory";
    let sufficient = control_plane.memory_limit >= control_plane.memory;
    check.require(sufficient, format!("{path}.control_plane.memory_limit"), message);
}

/// Checks that the versions have no gap: a cluster is upgraded by one minor version at a time and could not get past
/// it.
fn check_versions(check: &mut Check, path: &str, plan: &Plan) {
    let numbers: Vec<_> = plan.kubernetes_versions.iter().map(|version| version.major_minor()).collect();
    let follows = |pair: &[(u16, u16)]| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1;
    let valid = !numbers.is_empty() && numbers.windows(2).all(follows);
    let message = "must be one or more minor versions without a gap, oldest first";
    check.require(valid, format!("{path}.kubernetes_versions"), message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{KubernetesVersion, PlanId};

    #[test]
    fn the_plan_for_programs_that_define_theirs_in_code_is_valid() {
        let version = KubernetesVersion::parse("1.36").unwrap();
        validate(&[Plan::small(PlanId::parse("standard").unwrap(), version)]).unwrap();
    }
}
