//! An idle tenant on a real host: it stays unchanged, so that reconciles are cheap, and a foreign change is detected
//! and reported with its field manager.

use std::time::Duration;

use hexabase_core::conformance::cluster_provisioner::ClusterHarness as _;
use hexabase_core::fixture;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::HostHarness;
use super::host::admin;

/// Number of consecutive seconds without a change that the test requires.
const UNCHANGED_SECONDS: u32 = 20;
/// Maximum duration of the test, in seconds.
const TIMEOUT_SECONDS: u32 = 120;

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn an_idle_tenant_stays_unchanged_and_drift_is_detected() {
    let host = HostHarness::start().await;
    let provisioner = host.provisioner();
    let tenant = fixture::tenant_cluster("one");
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    let (mut unchanged_seconds, mut seconds) = (0, 0);
    while unchanged_seconds < UNCHANGED_SECONDS {
        every_second.tick().await;
        seconds += 1;
        assert!(seconds < TIMEOUT_SECONDS, "the tenant never becomes unchanged");
        if provisioner.unchanged(&tenant).await.unwrap().is_some() {
            unchanged_seconds += 1;
            continue;
        }
        unchanged_seconds = 0;
        if provisioner.apply(&tenant).await.is_ok_and(|applied| applied.tenant) {
            provisioner.observe(&tenant.target).await.unwrap();
            provisioner.plan(&tenant).await.unwrap();
        }
    }

    let name = &tenant.target.name;
    let services: Api<Service> = Api::namespaced(admin().await, name);
    let patch = json!({ "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 9999 }] } });
    let other_manager =
        PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    services.patch(name, &other_manager, &Patch::Strategic(patch)).await.unwrap();
    while provisioner.unchanged(&tenant).await.unwrap().is_some() {
        every_second.tick().await;
        seconds += 1;
        assert!(seconds < TIMEOUT_SECONDS, "the change is not detected");
    }
    let drift = provisioner.plan(&tenant).await.unwrap();
    let changed = drift.iter().find(|entry| entry.field.contains("targetPort"));
    assert_eq!(changed.unwrap().managers, ["kubectl-edit"], "{drift:?}");
    provisioner.apply(&tenant).await.unwrap();
    assert_eq!(provisioner.plan(&tenant).await.unwrap(), []);
}
