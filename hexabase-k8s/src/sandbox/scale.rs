//! Subresource `scale` of workloads: their number of pods.

use serde_json::{Value, json};

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};

/// `true` if a kind has the subresource.
pub(super) fn is_scalable(kind: &KindInfo) -> bool {
    let scalable = ["deployments", "replicasets", "statefulsets", "replicationcontrollers"];
    !kind.custom && scalable.contains(&kind.plural.as_str())
}

/// Scale of a workload.
pub(super) fn scale_of(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let fields = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": fields.map(|field| (field.to_owned(), metadata[field].clone())).into_iter().collect::<serde_json::Map<_, _>>(),
        "spec": { "replicas": workload["spec"]["replicas"] },
        "status": { "replicas": workload["status"]["replicas"].as_u64().unwrap_or(0) },
    })
}

/// Merge patch of a workload with the number of pods of a scale.
pub(super) fn change(scale: &Value) -> StatusResult<Value> {
    let Some(replicas) = scale["spec"]["replicas"].as_u64() else {
        let name = scale["metadata"]["name"].as_str().unwrap_or_default();
        let message = "spec.replicas: Invalid value: must be greater than or equal to 0";
        return Err(StatusError::invalid("Scale", name, message));
    };
    let version = &scale["metadata"]["resourceVersion"];
    let mut patch = json!({ "spec": { "replicas": replicas } });
    if version.is_string() {
        patch["metadata"]["resourceVersion"] = version.clone();
    }
    Ok(patch)
}
