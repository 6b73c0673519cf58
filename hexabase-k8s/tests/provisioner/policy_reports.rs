//! Violations of policies of the host, read with the permissions of the host setup.

use hexabase_core::error::ErrorKind;
use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::{HostConfig, Kind, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{eventually, host_config, install_definition, restricted_host, sandbox_with, send};

/// Pod on the host, as a syncer writes it; without `namespace` it is one of the control plane.
fn pod(name: &str, tenant: &str, namespace: Option<&str>) -> Value {
    let (labels, annotations) = match namespace {
        Some(namespace) => (
            json!({ "vcluster.loft.sh/managed-by": tenant, "vcluster.loft.sh/namespace": namespace }),
            json!({ "vcluster.loft.sh/object-name": "web-0" }),
        ),
        None => (json!({ "app": "vcluster" }), json!({})),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": labels, "annotations": annotations },
        "spec": { "containers": [{ "name": "a", "image": "a" }] },
    })
}

#[tokio::test]
async fn violations_are_read_with_the_permissions_of_the_host_setup() {
    let config = HostConfig { policy_reports: true, ..host_config() };
    let sandbox = sandbox_with(&host_setup(&config)).await;
    install_definition(&sandbox, Kind::POLICY_REPORT).await;
    let provisioner = |config: HostConfig| {
        VClusterProvisioner::new(
            Client::new(restricted_host(&sandbox), "default"),
            sandbox.connector(),
            config,
        )
    };
    let (reading, cluster) = (provisioner(config), fixture::tenant_cluster("shop"));
    let missing = reading.policy_findings(&cluster.target).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    eventually("applied", || async { reading.apply(&cluster).await.map(|applied| applied.tenant) })
        .await
        .unwrap();
    assert_eq!(reading.policy_findings(&cluster.target).await.unwrap().items, []);

    let (name, admin) = (&cluster.target.name, sandbox.host_client());
    let pods = format!("/api/v1/namespaces/{name}/pods");
    let reports = format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{name}/policyreports");
    // The name of the first one is a hash; that of the third one looks like one of the namespace `other`.
    let objects = [
        ("hash-0123456789", Some("shop"), name.as_str()),
        ("control-plane-0", None, name.as_str()),
        ("a-x-other-x-tenant", Some("shop"), "ws-other"),
    ];
    for (object, namespace, tenant) in objects {
        assert_eq!(send(&admin, "POST", &pods, &pod(object, tenant, namespace)).await, 201, "{object}");
    }
    for object in ["hash-0123456789", "control-plane-0", "a-x-other-x-tenant", "deleted"] {
        let report = json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport", "metadata": { "name": object },
            "scope": { "apiVersion": "v1", "kind": "Pod", "name": object },
            "results": [{ "policy": "images", "result": "fail", "message": "another registry" }],
        });
        assert_eq!(send(&admin, "POST", &reports, &report).await, 201, "{object}");
    }
    let found = reading.policy_findings(&cluster.target).await.unwrap();
    let names: Vec<_> = found.items.iter().map(|finding| (&*finding.namespace, &*finding.name)).collect();
    assert_eq!((names.as_slice(), found.truncated), (&[("shop", "web-0")][..], false));

    let restricted = Client::new(restricted_host(&sandbox), "default");
    let everywhere = "/apis/wgpolicyk8s.io/v1alpha2/policyreports";
    assert_eq!(send(&restricted, "GET", everywhere, &Value::Null).await, 403);
    let off = provisioner(host_config());
    assert!(!off.has_policy_reports());
    assert_eq!(off.policy_findings(&cluster.target).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
