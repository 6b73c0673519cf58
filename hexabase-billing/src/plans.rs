//! Plan files.

use hexabase_core::error::{Error, Result};
use hexabase_core::model::Plan;
use hexabase_core::plans;
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
    plans::validate(&file.plans)?;
    Ok(file.plans)
}

/// Returns the message of a parse error with its line number, as one line of text.
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', "; "))
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
