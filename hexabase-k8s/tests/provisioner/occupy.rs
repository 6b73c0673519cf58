//! What others do on a cluster that Hexabase then finds there.

use hexabase_core::desired::TenantTarget;
use hexabase_core::id::TypedId as _;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};

async fn make(client: &Client, metadata: Value) {
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

/// A namespace that has nothing to do with Hexabase.
pub(crate) async fn make_namespace(client: Client, name: &str) {
    make(&client, json!({ "name": name })).await;
}

/// The namespace of a tenant, with a quota of the host's administrator that lets no pod in.
pub(crate) async fn leave_no_room(client: Client, target: &TenantTarget) {
    leave_room_for(client, target, 0).await;
}

/// The same with room for some.
pub(crate) async fn leave_room_for(client: Client, target: &TenantTarget, pods: u8) {
    let labels = json!({ "hexabase.ai/workspace-id": target.workspace_id.kubernetes_name() });
    make(&client, json!({ "name": target.name, "labels": labels })).await;
    let quota = json!({ "metadata": { "name": "full" }, "spec": { "hard": { "pods": pods.to_string() } } });
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    let quotas: Api<ResourceQuota> = Api::namespaced(client, &target.name);
    quotas.create(&PostParams::default(), &quota).await.unwrap();
}
