//! Limit ranges for containers (<https://kubernetes.io/docs/concepts/policy/limit-range/>).

use serde_json::Value;

use super::{containers, containers_mut, resource_list, set_missing};

/// Limits of a limit range that apply to containers. The sandbox ignores those for pods and volume claims.
pub(super) fn container_limits(range: &Value) -> impl Iterator<Item = &Value> {
    let limits = range["spec"]["limits"].as_array().into_iter().flatten();
    limits.filter(|limit| limit["type"] == "Container")
}

/// Sets the values that a limit range leaves out: the default limit is the maximum, and the default request is the
/// default limit, otherwise the minimum.
pub(in crate::sandbox) fn complete(range: &mut Value) {
    let limits = range["spec"]["limits"].as_array_mut().into_iter().flatten();
    for limit in limits.filter(|limit| limit["type"] == "Container") {
        for (field, source) in [("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")]
        {
            for (resource, amount) in limit[source].as_object().cloned().unwrap_or_default() {
                if limit[field].get(&resource).is_none() {
                    limit[field][resource] = amount;
                }
            }
        }
    }
}

/// Returns the rule that a limit range breaks: its values must be in ascending order.
pub(in crate::sandbox) fn contradiction(range: &Value) -> Option<String> {
    let ascending = ["min", "defaultRequest", "default", "max"];
    container_limits(range).find_map(|limit| {
        ascending.iter().enumerate().find_map(|(index, lower)| {
            ascending[index + 1..].iter().find_map(|upper| {
                let bounds = resource_list(&limit[*upper]);
                let exceeds = |(resource, amount): &(String, _)| {
                    bounds.get(resource).is_some_and(|bound| amount > bound)
                };
                let (resource, amount) = resource_list(&limit[*lower]).into_iter().find(exceeds)?;
                Some(format!(
                    "spec.limits.{lower}[{resource}]: Invalid value: \"{amount}\": must not exceed {upper}"
                ))
            })
        })
    })
}

/// Sets the requests and limits that containers leave out.
pub(super) fn set_defaults(limits: &[&Value], pod: &mut Value) {
    for container in containers_mut(pod) {
        for limit in limits {
            set_missing(container, "limits", &limit["default"]);
            set_missing(container, "requests", &limit["defaultRequest"]);
        }
    }
}

/// Returns the limits that containers violate. A maximum requires a limit, and a minimum a request.
pub(super) fn violations(limits: &[&Value], pod: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    for (container, limit) in
        containers(pod).flat_map(|container| limits.iter().map(move |limit| (container, limit)))
    {
        let amounts = |field| resource_list(&container["resources"][field]);
        let (requested, limited) = (amounts("requests"), amounts("limits"));
        for (resource, min) in resource_list(&limit["min"]) {
            let rule = format!("minimum {resource} usage per Container is {min}");
            match (requested.get(&resource), limited.get(&resource)) {
                (None, _) => violations.push(format!("{rule}. No request is specified")),
                (Some(request), _) if *request < min => {
                    violations.push(format!("{rule}, but request is {request}"))
                }
                (_, Some(limit)) if *limit < min => violations.push(format!("{rule}, but limit is {limit}")),
                _ => {}
            }
        }
        for (resource, max) in resource_list(&limit["max"]) {
            let rule = format!("maximum {resource} usage per Container is {max}");
            match (requested.get(&resource), limited.get(&resource)) {
                (_, None) => violations.push(format!("{rule}. No limit is specified")),
                (_, Some(limit)) if *limit > max => violations.push(format!("{rule}, but limit is {limit}")),
                (Some(request), _) if *request > max => {
                    violations.push(format!("{rule}, but request is {request}"))
                }
                _ => {}
            }
        }
    }
    violations
}
