//! Quotas of namespaces (<https://kubernetes.io/docs/concepts/policy/resource-quotas/>).

use hexabase_core::quantity::Quantity;
use serde_json::Value;

use super::{Amounts, containers, list, quantity, resource_list};
use crate::sandbox::kinds::KindInfo;

/// Resources of containers that a quota requires once it limits them.
const REQUIRED: [(&str, &str, &str); 6] = [
    ("cpu", "requests", "cpu"),
    ("limits.cpu", "limits", "cpu"),
    ("limits.memory", "limits", "memory"),
    ("memory", "requests", "memory"),
    ("requests.cpu", "requests", "cpu"),
    ("requests.memory", "requests", "memory"),
];

/// Reason for which a quota rejects an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// Containers do not request a limited resource.
    Unspecified(String),
    /// The object exceeds a limit.
    Exceeded { key: String, requested: Quantity, used: Quantity, limit: Quantity },
}

impl Rejection {
    /// Returns the message of the API server for a quota with this name.
    pub(super) fn with_quota(&self, quota: &str) -> String {
        match self {
            Self::Unspecified(missing) => format!("failed quota: {quota}: must specify {missing}"),
            Self::Exceeded { key, requested, used, limit } => format!(
                "exceeded quota: {quota}, requested: {key}={requested}, used: {key}={used}, limited: {key}={limit}"
            ),
        }
    }
}

/// Returns the reason for which a quota rejects a new object; `None` if it admits it.
pub(super) fn rejection(kind: &KindInfo, body: &Value, hard: &Amounts, used: &Amounts) -> Option<Rejection> {
    if (kind.group.as_str(), kind.kind.as_str()) == ("", "Pod")
        && let Some(missing) = unspecified(body, hard)
    {
        return Some(Rejection::Unspecified(missing));
    }
    usage(kind, body).into_iter().find_map(|(key, requested)| {
        let limit = *hard.get(&key)?;
        let used = used.get(&key).copied().unwrap_or(Quantity::ZERO);
        let exceeded = !requested.is_zero() && used.plus(requested) > limit;
        exceeded.then_some(Rejection::Exceeded { key, requested, used, limit })
    })
}

/// Returns the limited resources that containers leave out, with the containers.
fn unspecified(pod: &Value, hard: &Amounts) -> Option<String> {
    let missing =
        REQUIRED.iter().filter(|(key, ..)| hard.contains_key(*key)).filter_map(|(key, field, resource)| {
            let missing =
                containers(pod).filter(|container| container["resources"][*field].get(*resource).is_none());
            let names: Vec<&str> = missing.filter_map(|container| container["name"].as_str()).collect();
            (!names.is_empty()).then(|| format!("{key} for: {}", names.join(",")))
        });
    let missing: Vec<String> = missing.collect();
    (!missing.is_empty()).then(|| missing.join("; "))
}

fn add(amounts: &mut Amounts, key: impl Into<String>, amount: Quantity) {
    let entry = amounts.entry(key.into()).or_insert(Quantity::ZERO);
    *entry = entry.plus(amount);
}

/// Usage that an object adds to a quota, by the quota's keys.
pub(super) fn usage(kind: &KindInfo, body: &Value) -> Amounts {
    let mut amounts = Amounts::new();
    let one = Quantity::units(1);
    match (kind.group.as_str(), kind.kind.as_str()) {
        // Quotas do not count events.
        ("" | "events.k8s.io", "Event") => return amounts,
        ("", "Pod")
            if !["Succeeded", "Failed"].contains(&body["status"]["phase"].as_str().unwrap_or_default()) =>
        {
            amounts = pod_usage(body);
            add(&mut amounts, "pods", one);
        }
        ("", "PersistentVolumeClaim") => {
            add(
                &mut amounts,
                "requests.storage",
                quantity(&body["spec"]["resources"]["requests"]["storage"]),
            );
        }
        ("", "Service") => {
            let of_type = |name: &str| body["spec"]["type"] == name;
            let ports = body["spec"]["ports"].as_array().map_or(0, Vec::len) as u64;
            if of_type("LoadBalancer") {
                add(&mut amounts, "services.loadbalancers", one);
            }
            let allocated = of_type("LoadBalancer") && body["spec"]["allocateLoadBalancerNodePorts"] != false;
            if of_type("NodePort") || allocated {
                add(&mut amounts, "services.nodeports", Quantity::units(ports));
            }
        }
        _ => {}
    }
    if kind.group.is_empty() && kind.kind != "Pod" {
        add(&mut amounts, kind.plural.clone(), one);
    }
    add(&mut amounts, format!("count/{}", kind.qualified()), one);
    amounts
}

/// Usage of a pod that has not ended.
fn pod_usage(pod: &Value) -> Amounts {
    let mut usage = Amounts::new();
    for (resource, amount) in pod_amounts(pod, "requests") {
        if ["cpu", "memory", "ephemeral-storage"].contains(&resource.as_str()) {
            add(&mut usage, resource.clone(), amount);
        }
        add(&mut usage, format!("requests.{resource}"), amount);
    }
    for (resource, amount) in pod_amounts(pod, "limits") {
        add(&mut usage, format!("limits.{resource}"), amount);
    }
    usage
}

/// Requests or limits of a pod: the sum over all containers and sidecars, or an init container with the sidecars before
/// it if that is more.
fn pod_amounts(pod: &Value, field: &str) -> Amounts {
    let plus = |mut sum: Amounts, more: &Amounts| {
        for (resource, amount) in more {
            add(&mut sum, resource.clone(), *amount);
        }
        sum
    };
    let amounts = |container: &Value| resource_list(&container["resources"][field]);
    let (mut sidecars, mut largest) = (Amounts::new(), Amounts::new());
    for container in list(pod, "initContainers") {
        let running = plus(sidecars.clone(), &amounts(container));
        if container["restartPolicy"] == "Always" {
            sidecars = running.clone();
        }
        for (resource, amount) in running {
            let entry = largest.entry(resource).or_insert(Quantity::ZERO);
            *entry = amount.max(*entry);
        }
    }
    let mut total = list(pod, "containers").fold(sidecars, |sum, container| plus(sum, &amounts(container)));
    for (resource, amount) in largest {
        let entry = total.entry(resource).or_insert(Quantity::ZERO);
        *entry = amount.max(*entry);
    }
    total
}
