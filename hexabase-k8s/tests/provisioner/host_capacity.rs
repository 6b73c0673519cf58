//! Foreign namespaces and exhausted quotas on a cluster, as the conformance suite needs them.

use hexabase_core::desired::TenantTarget;
use hexabase_core::id::TypedId as _;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

async fn create_namespace_with(client: &Client, metadata: Value) {
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

/// Creates a namespace that Hexabase does not manage.
pub(crate) async fn create_namespace(client: Client, name: &str) {
    create_namespace_with(&client, json!({ "name": name })).await;
}

/// Creates the namespace of a tenant with a quota of the host administrator that allows no pods.
pub(crate) async fn exhaust_quota(client: Client, target: &TenantTarget) {
    set_pod_quota(client, target, 0).await;
}

/// Creates the namespace of a tenant with a quota of the host administrator for this number of pods.
pub(crate) async fn set_pod_quota(client: Client, target: &TenantTarget, pods: u8) {
    let labels = json!({ "hexabase.ai/workspace-id": target.workspace_id.kubernetes_name() });
    create_namespace_with(&client, json!({ "name": target.name, "labels": labels })).await;
    let quota = json!({ "metadata": { "name": "full" }, "spec": { "hard": { "pods": pods.to_string() } } });
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(client, &target.name);
    quotas.create(&PostParams::default(), &quota).await.unwrap();
}
