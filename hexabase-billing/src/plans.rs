//! Plans, as a file.

use hexabase_core::error::{Check, Error, Result};
use hexabase_core::model::{ControlPlaneStore, Plan, Price};
use hexabase_core::plans::PlanCatalog;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::Resource;
use serde::Deserialize;

/// The file that comes with Hexabase, for whoever wants to begin with it.
pub const BUILT_IN: &str = include_str!("../plans.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    plans: Vec<Plan>,
}

/// The plans that come with Hexabase.
///
/// # Panics
/// Never: a test reads them.
#[must_use]
pub fn built_in() -> Vec<Plan> {
    parse(BUILT_IN).unwrap_or_else(|error| unreachable!("the built-in plans are valid: {error}"))
}

/// Reads a plan file.
///
/// # Errors
/// `Invalid` when it is no TOML of the right shape, and for plans that could not work, naming each field.
pub fn parse(text: &str) -> Result<Vec<Plan>> {
    let file: File = toml::from_str(text).map_err(|error| Error::invalid("plans", located(text, &error)))?;
    let mut check = Check::default();
    for (place, plan) in file.plans.iter().enumerate() {
        check_plan(&mut check, &format!("plans[{place}]"), plan);
    }
    check.done()?;
    PlanCatalog::new(file.plans.clone())?;
    Ok(file.plans)
}

/// What is wrong and in which line, in one line.
fn located(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', "; "))
}

fn check_plan(check: &mut Check, place: &str, plan: &Plan) {
    check.require(!plan.name.trim().is_empty(), format!("{place}.name"), "must not be empty");
    check_quota(check, place, plan);
    let limits = [
        ("workspaces", plan.limits.workspaces, 1),
        ("members", plan.limits.members, 1),
        ("projects", plan.limits.projects, 1),
        // The three groups that every workspace begins with.
        ("groups", plan.limits.groups, 3),
    ];
    for (name, limit, least) in limits {
        check.require(limit >= least, format!("{place}.limits.{name}"), format!("must be {least} or more"));
    }
    check_control_plane(check, place, plan);
    check_versions(check, place, plan);
    if let Some(price) = &plan.price {
        check_price(check, &format!("{place}.price"), price);
    }
}

/// All of a subscription is paid in one currency and in one rhythm.
fn check_price(check: &mut Check, place: &str, price: &Price) {
    let mut amounts = vec![("monthly".to_owned(), price.monthly)];
    amounts.extend(price.yearly.map(|yearly| ("yearly".to_owned(), yearly)));
    for (name, unit) in [("workspace", price.workspace), ("node", price.node)] {
        let Some(unit) = unit else { continue };
        amounts.push((format!("{name}.monthly"), unit.monthly));
        amounts.extend(unit.yearly.map(|yearly| (format!("{name}.yearly"), yearly)));
        let fits = unit.yearly.is_some() == price.yearly.is_some();
        let message = "must be there if the plan has a yearly price, and only then";
        check.require(fits, format!("{place}.{name}.yearly"), message);
    }
    let used = price.usage.iter().filter_map(|(meter, price)| Some((meter, (*price)?)));
    amounts.extend(used.map(|(meter, price)| (format!("usage.{meter}.per_thousand"), price.per_thousand)));
    for (name, money) in amounts {
        check.require(money.amount >= 0, format!("{place}.{name}.amount"), "must not be negative");
        let same = money.currency == price.monthly.currency;
        check.require(same, format!("{place}.{name}.currency"), "must be that of the monthly price");
    }
}

/// Without processor time, memory and pods nothing can be measured against the plan.
fn check_quota(check: &mut Check, place: &str, plan: &Plan) {
    for resource in [Resource::Cpu, Resource::Memory, Resource::Pods] {
        let given = plan.quota.get(resource).is_some_and(|amount| amount > Quantity::ZERO);
        check.require(given, format!("{place}.quota.{resource}"), "must be given, and more than nothing");
    }
    for (resource, amount) in plan.quota.iter().filter(|(resource, _)| resource.is_count()) {
        check.require(amount.is_whole(), format!("{place}.quota.{resource}"), "must be a whole number");
    }
}

fn check_control_plane(check: &mut Check, place: &str, plan: &Plan) {
    let built = &plan.control_plane;
    let replicas = match built.store {
        ControlPlaneStore::Sqlite => built.replicas == 1,
        ControlPlaneStore::Etcd => matches!(built.replicas, 1 | 3 | 5),
    };
    let message = "must be 1 with the store sqlite, and 1, 3 or 5 with etcd";
    check.require(replicas, format!("{place}.control_plane.replicas"), message);
    for (name, amount) in [("cpu", built.cpu), ("memory", built.memory), ("storage", built.storage)] {
        let message = "must be more than nothing";
        check.require(amount > Quantity::ZERO, format!("{place}.control_plane.{name}"), message);
    }
    let message = "must not be less than memory";
    check.require(built.memory_limit >= built.memory, format!("{place}.control_plane.memory_limit"), message);
}

/// Clusters go up one minor version at a time, so a gap in the list would be a dead end.
fn check_versions(check: &mut Check, place: &str, plan: &Plan) {
    let numbers: Vec<_> = plan.kubernetes_versions.iter().map(|version| version.numbers()).collect();
    let next = |pair: &[(u16, u16)]| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1;
    let fine = !numbers.is_empty() && numbers.windows(2).all(next);
    let message = "must be one or more minor versions without a gap, oldest first";
    check.require(fine, format!("{place}.kubernetes_versions"), message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_built_in_plans_are_valid_and_begin_with_a_free_one() {
        let plans = built_in();
        assert_eq!(plans.len(), 3);
        assert!(plans[0].price.is_none());
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let text = BUILT_IN.replacen("display_order = 1", "display_order = 1\ncolour = 'red'", 1);
        let error = parse(&text).unwrap_err().to_string();
        let line = text.lines().position(|line| line.starts_with("colour")).unwrap() + 1;
        assert!(error.contains(&format!("line {line}: unknown field `colour`")), "{error}");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
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
    fn a_price_is_in_one_currency_and_as_often_for_workspaces_as_for_the_plan() {
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
    fn usage_is_priced_in_the_plans_currency_and_by_meters_that_there_are() {
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
        assert!(error.to_string().contains("no meter"), "{error}");
    }

    #[test]
    fn two_plans_of_one_id_are_refused() {
        let error = parse(&BUILT_IN.replace("\"team\"", "\"starter\"")).unwrap_err();
        assert!(error.to_string().contains("the plan starter twice"), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_value_makes_reading_panic(value in "[-0-9a-zA-Z\".]{0,12}") {
            let _ = parse(&BUILT_IN.replacen("\"200m\"", &value, 1));
        }
    }
}
