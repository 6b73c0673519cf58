//! A real tenant that nobody uses: it does not move by itself, so that looks at it cost next to nothing; and it is looked at
//! closely as soon as somebody touches it, and who that was is told.

use std::time::Duration;

use hexabase_core::conformance::cluster_provisioner::ClusterHarness as _;
use hexabase_core::fixture;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::OnHost;
use super::host::admin;

/// How long a tenant has to stay as it is, and how long it may take to get there.
const QUIET: u32 = 20;
const PATIENCE: u32 = 120;

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_that_nobody_uses_does_not_move_and_a_hand_on_it_is_noticed() {
    let host = OnHost::start().await;
    let provisioner = host.provisioner();
    let tenant = fixture::tenant_cluster("one");
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let (mut quiet, mut seconds) = (0, 0);
    while quiet < QUIET {
        second.tick().await;
        seconds += 1;
        assert!(seconds < PATIENCE, "it does not come to rest");
        if provisioner.unchanged(&tenant).await.unwrap().is_some() {
            quiet += 1;
            continue;
        }
        quiet = 0;
        if provisioner.apply(&tenant).await.is_ok_and(|applied| applied.tenant) {
            provisioner.observe(&tenant.target).await.unwrap();
            provisioner.plan(&tenant).await.unwrap();
        }
    }

    let name = &tenant.target.name;
    let services: Api<Service> = Api::namespaced(admin().await, name);
    let patch = json!({ "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 9999 }] } });
    let somebody = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
    services.patch(name, &somebody, &Patch::Strategic(patch)).await.unwrap();
    while provisioner.unchanged(&tenant).await.unwrap().is_some() {
        second.tick().await;
        seconds += 1;
        assert!(seconds < PATIENCE, "it goes unnoticed");
    }
    let drift = provisioner.plan(&tenant).await.unwrap();
    let changed = drift.iter().find(|entry| entry.field.contains("targetPort"));
    assert_eq!(changed.unwrap().managers, ["somebody"], "{drift:?}");
    provisioner.apply(&tenant).await.unwrap();
    assert_eq!(provisioner.plan(&tenant).await.unwrap(), []);
}
