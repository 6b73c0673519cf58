//! Admission of objects before they are stored: defaults, and limits of limit ranges and quotas.

pub(super) mod limit_ranges;
mod quotas;

use std::collections::BTreeMap;

use hexabase_core::quantity::Quantity;
use serde_json::{Value, json};

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::state::State;

/// Amounts by resource or quota key.
type Amounts = BTreeMap<String, Quantity>;

/// Amount of a quantity, which is a string or a number in JSON.
fn quantity(value: &Value) -> Quantity {
    let parsed = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    parsed.unwrap_or(Quantity::ZERO)
}

/// Amounts of a resource list, such as the requests of a container.
fn resource_list(list: &Value) -> Amounts {
    let amounts = list.as_object().into_iter().flatten();
    amounts.map(|(resource, amount)| (resource.clone(), quantity(amount))).collect()
}

fn list<'a>(pod: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    pod["spec"][field].as_array().into_iter().flatten()
}

/// Containers of a pod that limit ranges and quotas apply to.
fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "containers").chain(list(pod, "initContainers"))
}

fn containers_mut(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    let spec = pod["spec"].as_object_mut().into_iter().flatten();
    let lists = spec.filter(|(field, _)| ["containers", "initContainers"].contains(&field.as_str()));
    lists.filter_map(|(_, list)| list.as_array_mut()).flatten()
}

/// Sets the requests that containers leave out to their limits.
pub(super) fn default_requests_to_limits(pod: &mut Value) {
    for container in containers_mut(pod) {
        let limits = container["resources"]["limits"].clone();
        set_missing(container, "requests", &limits);
    }
}

/// Rejects containers that request more than their limit.
pub(super) fn check_requests(kind: &KindInfo, pod: &Value) -> StatusResult<()> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    for container in containers(pod) {
        let limits = resource_list(&container["resources"]["limits"]);
        for (resource, request) in resource_list(&container["resources"]["requests"]) {
            if let Some(limit) = limits.get(&resource).filter(|limit| request > **limit) {
                let container = container["name"].as_str().unwrap_or_default();
                return Err(StatusError::invalid(
                    &kind.kind,
                    name,
                    &format!(
                        "spec.containers[{container}].resources.requests: Invalid value: \"{request}\": must be less than or equal to {resource} limit of {limit}"
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn set_missing(container: &mut Value, requirement: &str, defaults: &Value) {
    for (resource, amount) in defaults.as_object().into_iter().flatten() {
        if container["resources"][requirement].get(resource).is_none() {
            container["resources"][requirement][resource.as_str()] = amount.clone();
        }
    }
}

impl State {
    /// Rejects an object that would exceed a quota of its namespace.
    pub(super) fn admit_to_quota(&self, kind: &KindInfo, body: &Value) -> StatusResult<()> {
        let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default();
        if namespace.is_empty() {
            return Ok(());
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        for quota in self.all("", "resourcequotas", namespace) {
            let hard = resource_list(&quota["spec"]["hard"]);
            if let Some(reason) = quotas::rejection(kind, body, &hard, &self.used(&hard, namespace)) {
                let quota = quota["metadata"]["name"].as_str().unwrap_or_default();
                let message =
                    format!("{} \"{name}\" is forbidden: {}", kind.qualified(), reason.with_quota(quota));
                return Err(StatusError::forbidden(message));
            }
        }
        Ok(())
    }

    /// Current usage of the resources in a quota's hard limits.
    fn used(&self, hard: &Amounts, namespace: &str) -> Amounts {
        let mut used: Amounts = hard.keys().map(|key| (key.clone(), Quantity::ZERO)).collect();
        for resource in self.resources() {
            let Some(kind) = self.kinds.of_resource(&resource.0, &resource.1).filter(|kind| kind.namespaced)
            else {
                continue;
            };
            for (_, stored) in self.scan(&resource, namespace) {
                for (key, amount) in quotas::usage(kind, &stored.body) {
                    used.entry(key).and_modify(|used| *used = used.plus(amount));
                }
            }
        }
        used
    }

    /// Updates the status of the quotas in a namespace. No-op for cluster-scoped objects, which no quota counts.
    pub(super) fn update_quota_status(&mut self, namespace: &str) {
        if namespace.is_empty() {
            return;
        }
        let Some(kind) = self.kinds.of_resource("", "resourcequotas").cloned() else { return };
        let quotas: Vec<Value> = self.all("", "resourcequotas", namespace).cloned().collect();
        for mut quota in quotas {
            let used: BTreeMap<String, String> = self
                .used(&resource_list(&quota["spec"]["hard"]), namespace)
                .into_iter()
                .map(|(key, amount)| (key, amount.to_string()))
                .collect();
            let status = json!({ "hard": quota["spec"]["hard"], "used": used });
            if quota["status"] != status {
                quota["status"] = status;
                let managers = self.managers_of(&kind, &quota);
                self.store(&kind, quota, managers);
            }
        }
    }

    /// Limits for containers in a namespace, from its limit ranges.
    fn container_limits<'a>(&'a self, namespace: &'a str) -> Vec<&'a Value> {
        self.all("", "limitranges", namespace).flat_map(limit_ranges::container_limits).collect()
    }

    /// Sets the requests and limits that containers leave out, from the limit ranges of their namespace.
    pub(super) fn apply_limit_ranges(&self, kind: &KindInfo, body: &mut Value) {
        if kind.kind == "Pod" {
            let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
            limit_ranges::set_defaults(&self.container_limits(&namespace), body);
        }
    }

    /// Rejects a pod that violates a limit range of its namespace.
    pub(super) fn admit_to_limit_ranges(&self, kind: &KindInfo, body: &Value) -> StatusResult<()> {
        if kind.kind != "Pod" {
            return Ok(());
        }
        let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default();
        let violations = limit_ranges::violations(&self.container_limits(namespace), body);
        if violations.is_empty() {
            return Ok(());
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let message = format!("pods \"{name}\" is forbidden: [{}]", violations.join(", "));
        Err(StatusError::forbidden(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_strings_or_numbers() {
        for (value, amount) in [
            (json!("1500m"), Quantity::milli(1_500)),
            (json!("+2"), Quantity::units(2)),
            (json!(2), Quantity::units(2)),
            (json!(0.5), Quantity::milli(500)),
            (json!(1e3), Quantity::units(1_000)),
            (json!(null), Quantity::ZERO),
        ] {
            assert_eq!(quantity(&value), amount, "{value}");
        }
    }
}
