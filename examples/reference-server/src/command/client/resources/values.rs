//! Values of arguments, parsed to JSON.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// Prefix of the names of preset roles.
const PRESET_PREFIX: &str = "hexabase:";
/// Preset roles, without the prefix.
const PRESETS: [&str; 5] =
    ["workspace-admin", "workspace-viewer", "project-admin", "project-editor", "project-viewer"];

/// Returns the seconds of a unit of durations.
fn unit_seconds(unit: &str) -> Option<u64> {
    Some(match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    })
}

/// Parses a duration such as `90s`, `15m`, `1h` or `7d`.
///
/// # Errors
/// A description of the form.
pub(in crate::command::client) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || "must be a number with one of the units s, m, h and d, such as 15m".to_owned();
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = unit_seconds(text.get(digits.len()..).unwrap_or_default()).ok_or_else(invalid)?;
    let count: u64 = digits.parse().map_err(|_| invalid())?;
    count.checked_mul(unit).map(Duration::from_secs).ok_or_else(invalid)
}

/// Parses a time: RFC 3339, or a duration before now, or after it if `is_future`.
///
/// # Errors
/// `Invalid` with the name of the argument.
pub(super) fn parse_time(name: &str, text: &str, now: Timestamp, is_future: bool) -> Result<Value> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(json!(time.to_string()));
    }
    let invalid = || {
        let message = "must be a time such as 2026-11-30T00:00:00Z, or a duration such as 7d";
        Error::invalid(name, message)
    };
    let distance = SignedDuration::try_from(parse_duration(text).map_err(|_| invalid())?);
    let distance = distance.map_err(|_| invalid())?;
    let time = if is_future { now.checked_add(distance) } else { now.checked_sub(distance) };
    Ok(json!(time.map_err(|_| invalid())?.to_string()))
}

/// Parses amounts of resources, such as `cpu=2` and `memory=4Gi`.
///
/// # Errors
/// `Invalid` with the name of the argument.
pub(super) fn parse_amounts(name: &str, texts: &[String]) -> Result<Value> {
    let mut amounts = Map::new();
    for text in texts {
        let (resource, amount) = text.split_once('=').ok_or_else(|| {
            Error::invalid(name, format!("{text:?} must have the form RESOURCE=AMOUNT, such as memory=4Gi"))
        })?;
        amounts.insert(resource.replace('-', "_"), json!(amount));
    }
    Ok(Value::Object(amounts))
}

/// Parses a rule of a role, such as `get,list:pods,deployments.apps`: verbs, and resources with their API group after a
/// dot. There is one rule for each API group.
///
/// # Errors
/// `Invalid` with the name of the argument.
pub(super) fn parse_rule(name: &str, text: &str) -> Result<Vec<Value>> {
    let invalid = || {
        let message =
            format!("{text:?} must have the form VERBS:RESOURCES, such as get,list:pods,deployments.apps");
        Error::invalid(name, message)
    };
    let (verbs, resources) = text.split_once(':').ok_or_else(invalid)?;
    let split = |list: &str| -> Vec<String> {
        list.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let (verbs, resources) = (split(verbs), split(resources));
    if verbs.is_empty() || resources.is_empty() {
        return Err(invalid());
    }
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for resource in &resources {
        let (resource, group) = split_resource(resource);
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, resources)) => resources.push(resource),
            None => groups.push((group, vec![resource])),
        }
    }
    let rule = |(group, resources): (&str, Vec<String>)| json!({ "api_groups": [group], "resources": resources, "verbs": verbs });
    Ok(groups.into_iter().map(rule).collect())
}

/// Returns a resource without its API group, and the group: `deployments.apps/scale` is `deployments/scale` of `apps`.
pub(in crate::command::client) fn split_resource(text: &str) -> (String, &str) {
    let (name, subresource) = text.split_once('/').map_or((text, ""), |(name, rest)| (name, rest));
    let (plural, group) = name.split_once('.').unwrap_or((name, ""));
    match subresource.is_empty() {
        true => (plural.to_owned(), group),
        false => (format!("{plural}/{subresource}"), group),
    }
}

/// Returns the name of a preset role with its prefix; `None` for another role.
pub(super) fn preset_role(text: &str) -> Option<String> {
    let bare = text.strip_prefix(PRESET_PREFIX).unwrap_or(text);
    (text.starts_with(PRESET_PREFIX) || PRESETS.contains(&bare)).then(|| format!("{PRESET_PREFIX}{bare}"))
}

/// Parses a number.
///
/// # Errors
/// `Invalid` with the name of the argument.
pub(super) fn parse_number(name: &str, text: &str) -> Result<Value> {
    let integer = text.parse::<i64>().ok().map(Value::from);
    let number = integer.or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::Number));
    number.ok_or_else(|| Error::invalid(name, format!("{text:?} must be a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_times_are_parsed() {
        assert_eq!(parse_duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(parse_duration("7d").unwrap(), Duration::from_secs(604_800));
        for text in
            ["", "7", "d", "7w", "-7d", "7 d", "1h30m", "99999999999999999999d", "9999999999999999999d"]
        {
            parse_duration(text).unwrap_err();
        }
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        for (text, is_future, expected) in [
            ("1d", false, "2026-11-29T12:00:00Z"),
            ("1d", true, "2026-12-01T12:00:00Z"),
            ("2026-01-01T00:00:00Z", false, "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse_time("since", text, now, is_future).unwrap(), json!(expected));
        }
        parse_time("since", "999999999d", now, false).unwrap_err();
        parse_time("since", "yesterday", now, false).unwrap_err();
    }

    #[test]
    fn rules_have_one_api_group_each() {
        let expected = [
            json!({ "api_groups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"] }),
            json!({ "api_groups": ["apps"], "resources": ["deployments", "deployments/scale"],
                "verbs": ["get", "list"] }),
        ];
        let rule = "get, list:pods,deployments.apps,pods/log,deployments.apps/scale";
        assert_eq!(parse_rule("rule", rule).unwrap(), expected);
        for text in ["get", ":pods", "get:", "get:,"] {
            parse_rule("rule", text).unwrap_err();
        }
        assert_eq!(
            split_resource("ingresses.networking.k8s.io"),
            ("ingresses".to_owned(), "networking.k8s.io")
        );
    }

    #[test]
    fn amounts_numbers_and_presets_are_parsed() {
        let amounts = parse_amounts("quota", &["cpu=500m".to_owned(), "config-maps=3".to_owned()]).unwrap();
        assert_eq!(amounts, json!({ "cpu": "500m", "config_maps": "3" }));
        parse_amounts("quota", &["cpu".to_owned()]).unwrap_err();
        assert_eq!(parse_number("n", "3").unwrap(), json!(3));
        assert_eq!(parse_number("n", "0.5").unwrap(), json!(0.5));
        parse_number("n", "NaN").unwrap_err();
        assert_eq!(preset_role("project-editor").as_deref(), Some("hexabase:project-editor"));
        assert_eq!(preset_role("hexabase:unknown").as_deref(), Some("hexabase:unknown"));
        assert_eq!(preset_role("deployer"), None);
    }
}
