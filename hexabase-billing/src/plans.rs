//! Plan files.

use hexabase_core::container_limits::ContainerLimits;
use hexabase_core::error::{Check, Error, Result};
use hexabase_core::model::{ControlPlaneStore, Plan, Price};
use hexabase_core::plans::PlanCatalog;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::Resource;
use serde::Deserialize;

/// Text of the built-in plan file, as a template for operators.
pub const BUILT_IN: &str = include_str!("../plans.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    plans: Vec<Plan>,
}

/// Returns the built-in plans.
///
/// # Panics
/// Never; a test parses them.
#[must_use]
pub fn built_in() -> Vec<Plan> {
    parse(BUILT_IN).unwrap_or_else(|error| unreachable!("the built-in plans are valid: {error}"))
}

/// Parses a plan file.
///
/// # Errors
/// `Invalid` for a text that is not TOML or has another structure, with the line; for plans that cannot work, with
/// every invalid field.
pub fn parse(text: &str) -> Result<Vec<Plan>> {
    let file: File =
        toml::from_str(text).map_err(|error| Error::invalid("plans", with_line(text, &error)))?;
    let mut check = Check::default();
    for (index, plan) in file.plans.iter().enumerate() {
        check_plan(&mut check, &format!("plans[{index}]"), plan);
    }
    check.done()?;
    PlanCatalog::new(file.plans.clone())?;
    Ok(file.plans)
}

/// Returns the message of a parse error with its line number, as one line of text.
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', "; "))
}

fn check_plan(check: &mut Check, path: &str, plan: &Plan) {
    check.require(!plan.name.trim().is_empty(), format!("{path}.name"), "must not be empty");
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
    use proptest::prelude::*;

    #[test]
    fn built_in_plans_are_valid_and_start_with_a_free_one() {
        let plans = built_in();
        assert_eq!(plans.len(), 3);
        assert!(plans[0].price.is_none());
    }

    #[test]
    fn an_unknown_key_is_rejected_with_its_line() {
        let text = BUILT_IN.replacen("display_order = 1", "display_order = 1\ncolour = 'red'", 1);
        let error = parse(&text).unwrap_err().to_string();
        let line = text.lines().position(|line| line.starts_with("colour")).unwrap() + 1;
        assert!(error.contains(&format!("line {line}: unknown field `colour`")), "{error}");
    }

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let text = BUILT_IN
            .replacen("replicas = 1", "replicas = 2", 1)
            .replacen("pods = \"20\"", "pods = \"2500m\"", 1)
            .replacen("workspaces = 3", "workspaces = 0", 1)
            .replacen("[\"1.35\", \"1.36\"]", "[\"1.36\", \"1.34\"]", 1);
        let error = parse(&text).unwrap_err();
        let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
        let expected = [
            "plans[0].quota.pods",
            "plans[0].limits.workspaces",
            "plans[0].control_plane.replicas",
            "plans[0].kubernetes_versions",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn everything_that_a_tenant_stores_on_its_host_is_limited() {
        let unlimited =
            ["services", "persistent_volume_claims", "secrets", "config_maps", "ephemeral_storage"];
        for name in unlimited {
            let line = BUILT_IN.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
            let error = parse(&BUILT_IN.replacen(&format!("{line}\n"), "", 1)).unwrap_err();
            let fields: Vec<&str> =
                error.violations().iter().map(|violation| violation.field.as_str()).collect();
            assert_eq!(fields, [format!("plans[0].quota.{name}")]);
        }
    }

    #[test]
    fn every_promised_pod_gets_a_request() {
        let error = parse(&BUILT_IN.replacen("pods = \"20\"", "pods = \"2001\"", 1)).unwrap_err();
        assert_eq!(error.violations().len(), 1, "{error}");
        assert!(error.to_string().contains("must be at least 1m for each of the 2001 pods"), "{error}");
        assert!(parse(&BUILT_IN.replacen("pods = \"20\"", "pods = \"2000\"", 1)).is_ok());
    }

    #[test]
    fn extended_resources_are_whole_numbers_of_known_names() {
        let with = |entry: &str| {
            parse(&BUILT_IN.replacen(
                "[plans.limits]",
                &format!("[plans.extended_resources]\n{entry}\n[plans.limits]"),
                1,
            ))
        };
        let plans = with("\"nvidia.com/gpu\" = \"2\"").unwrap();
        let resources = &plans[0].extended_resources;
        let entry = resources.iter().map(|(name, amount)| (name.as_str(), amount.to_string())).next();
        assert_eq!(entry, Some(("nvidia.com/gpu", "2".to_owned())));
        let error = with("\"nvidia.com/gpu\" = \"500m\"").unwrap_err();
        assert!(error.to_string().contains("must be a whole number"), "{error}");
        let error = with("gpu = \"2\"").unwrap_err();
        assert!(error.to_string().contains("as in nvidia.com/gpu"), "{error}");
    }

    #[test]
    fn prices_have_one_currency_and_the_same_intervals() {
        let text = BUILT_IN.replacen("yearly = { amount = 49000, currency = \"usd\" }", "", 1).replacen(
            "amount = 1500, currency = \"usd\"",
            "amount = -1, currency = \"jpy\"",
            1,
        );
        let error = parse(&text).unwrap_err();
        let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
        let expected = ["yearly", "monthly.amount", "monthly.currency"];
        assert_eq!(fields, expected.map(|name| format!("plans[1].price.workspace.{name}")));
    }

    #[test]
    fn usage_prices_have_the_currency_of_the_plan_and_known_meters() {
        let text =
            BUILT_IN.replacen("amount = 5000, currency = \"usd\"", "amount = -1, currency = \"jpy\"", 1);
        let error = parse(&text).unwrap_err();
        let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
        let expected = ["amount", "currency"];
        assert_eq!(
            fields,
            expected.map(|name| format!("plans[1].price.usage.network_transmit.per_thousand.{name}"))
        );
        let error = parse(&BUILT_IN.replacen("usage.network_transmit", "usage.gpu", 1)).unwrap_err();
        assert!(error.to_string().contains("must be cpu, memory"), "{error}");
    }

    #[test]
    fn two_plans_with_the_same_id_are_rejected() {
        let error = parse(&BUILT_IN.replace("\"team\"", "\"starter\"")).unwrap_err();
        assert!(error.to_string().contains("the plan starter twice"), "{error}");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn parsing_an_invalid_value_never_panics(value in "[-0-9a-zA-Z\".]{0,12}") {
            let _ = parse(&BUILT_IN.replacen("\"200m\"", &value, 1));
        }
    }
}
