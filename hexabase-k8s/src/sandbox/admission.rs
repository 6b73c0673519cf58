//! Admission of objects before they are stored: quotas, and defaults from limit ranges.

use std::collections::BTreeMap;

use hexabase_core::quantity::Quantity;
use serde_json::{Value, json};

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::state::State;

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

fn add(amounts: &mut Amounts, key: String, amount: Quantity) {
    let entry = amounts.entry(key).or_insert(Quantity::ZERO);
    *entry = entry.plus(amount);
}

/// Usage that an object adds to a quota, by the quota's keys.
fn quota_usage(kind: &KindInfo, body: &Value) -> Amounts {
    let mut amounts = Amounts::new();
    let one = Quantity::units(1);
    add(&mut amounts, format!("count/{}", kind.qualified()), one);
    if kind.group.is_empty() {
        add(&mut amounts, kind.plural.clone(), one);
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod")
            if !["Succeeded", "Failed"].contains(&body["status"]["phase"].as_str().unwrap_or_default()) =>
        {
            for (requirement, prefix) in [("requests", "requests."), ("limits", "limits.")] {
                for resource in ["cpu", "memory", "ephemeral-storage"] {
                    let amount = pod_amount(body, requirement, resource);
                    add(&mut amounts, format!("{prefix}{resource}"), amount);
                }
            }
        }
        ("", "PersistentVolumeClaim") => {
            add(
                &mut amounts,
                "requests.storage".to_owned(),
                quantity(&body["spec"]["resources"]["requests"]["storage"]),
            );
        }
        ("", "Service") if body["spec"]["type"] == "LoadBalancer" => {
            add(&mut amounts, "services.loadbalancers".to_owned(), one);
        }
        ("", "Service") if body["spec"]["type"] == "NodePort" => {
            add(&mut amounts, "services.nodeports".to_owned(), one)
        }
        _ => {}
    }
    amounts
}

/// Sum over all containers, or the largest init container if that is more.
fn pod_amount(pod: &Value, requirement: &str, resource: &str) -> Quantity {
    let amounts = |field: &str| -> Vec<Quantity> {
        let containers = pod["spec"][field].as_array().cloned().unwrap_or_default();
        containers.iter().map(|container| quantity(&container["resources"][requirement][resource])).collect()
    };
    let sum = amounts("containers").into_iter().fold(Quantity::ZERO, Quantity::plus);
    amounts("initContainers").into_iter().fold(sum, Quantity::max)
}

impl State {
    /// Rejects an object that would exceed a quota of its namespace.
    pub(super) fn admit_to_quota(&self, kind: &KindInfo, body: &Value) -> StatusResult<()> {
        let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default();
        if namespace.is_empty() {
            return Ok(());
        }
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        let requested = quota_usage(kind, body);
        for quota in self.all("", "resourcequotas", namespace) {
            let used = self.used(quota, namespace);
            let quota_name = quota["metadata"]["name"].as_str().unwrap_or_default();
            let hard = quota["spec"]["hard"].as_object().cloned().unwrap_or_default();
            for (key, limit) in &hard {
                let Some(amount) = requested.get(key).copied() else { continue };
                let is_request = key.starts_with("requests.") || key.starts_with("limits.");
                if kind.kind == "Pod" && is_request && amount.is_zero() {
                    let message = format!(
                        "pods \"{name}\" is forbidden: failed quota: {quota_name}: must specify {key}"
                    );
                    return Err(StatusError::forbidden(message));
                }
                let (limit, in_use) = (quantity(limit), used.get(key).copied().unwrap_or(Quantity::ZERO));
                if !amount.is_zero() && in_use.plus(amount) > limit {
                    return Err(StatusError::forbidden(format!(
                        "{} \"{name}\" is forbidden: exceeded quota: {quota_name}, requested: {key}={amount}, used: {key}={in_use}, limited: {key}={limit}",
                        kind.qualified()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Current usage of a quota, by the keys of its hard limits.
    fn used(&self, quota: &Value, namespace: &str) -> Amounts {
        let mut used = Amounts::new();
        for resource in self.resources() {
            let Some(kind) = self.kinds.of_resource(&resource.0, &resource.1).cloned() else { continue };
            if !kind.namespaced {
                continue;
            }
            for (_, stored) in self.scan(&resource, namespace) {
                for (key, amount) in quota_usage(&kind, &stored.body) {
                    add(&mut used, key, amount);
                }
            }
        }
        let hard = quota["spec"]["hard"].as_object().cloned().unwrap_or_default();
        hard.keys().map(|key| (key.clone(), used.get(key).copied().unwrap_or(Quantity::ZERO))).collect()
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
                .used(&quota, namespace)
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

    /// Sets the requests and limits that containers leave out, from the limit ranges of their namespace.
    pub(super) fn apply_limit_ranges(&self, kind: &KindInfo, body: &mut Value) {
        if kind.kind != "Pod" {
            return;
        }
        let namespace = body["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let ranges = self.all("", "limitranges", &namespace);
        let limits = ranges.filter_map(|range| range["spec"]["limits"].as_array()).flatten();
        let limits: Vec<Value> = limits.filter(|limit| limit["type"] == "Container").cloned().collect();
        for field in ["containers", "initContainers"] {
            let containers = body["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
            for container in containers {
                for limit in &limits {
                    set_missing(container, "limits", &limit["default"]);
                    // A container that sets only a limit requests the same amount.
                    let own_limits = container["resources"]["limits"].clone();
                    let explicit: Value = own_limits
                        .as_object()
                        .into_iter()
                        .flatten()
                        .filter(|(resource, _)| limit["default"].get(*resource).is_none())
                        .map(|(resource, amount)| (resource.clone(), amount.clone()))
                        .collect::<serde_json::Map<_, _>>()
                        .into();
                    set_missing(container, "requests", &limit["defaultRequest"]);
                    set_missing(container, "requests", &explicit);
                }
            }
        }
    }
}

fn set_missing(container: &mut Value, requirement: &str, defaults: &Value) {
    for (resource, amount) in defaults.as_object().into_iter().flatten() {
        if container["resources"][requirement].get(resource).is_none() {
            container["resources"][requirement][resource.as_str()] = amount.clone();
        }
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
