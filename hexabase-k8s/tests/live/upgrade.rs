//! Upgrade of a running vCluster to the next release.

use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_k8s::HostConfig;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::PostParams;
use serde_json::{from_value, json};

use crate::HostHarness;
use crate::host::admin;
use crate::user_access::start_tenant;

fn config_with_version(version: &str) -> HostConfig {
    let mut config = HostConfig::default();
    config.set("vcluster_version", version).unwrap();
    config
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn an_upgraded_vcluster_keeps_its_objects_and_cannot_be_downgraded() {
    let before = HostHarness::with_config(config_with_version("0.36.1")).await;
    let cluster = fixture::tenant_cluster("one");
    let tenant = start_tenant(&before, &cluster).await;
    let config_map: ConfigMap =
        from_value(json!({ "metadata": { "name": "persistent" }, "data": { "a": "b" } })).unwrap();
    Api::namespaced(tenant, "default").create(&PostParams::default(), &config_map).await.unwrap();

    let after = HostHarness::without_cleanup(config_with_version("0.37.0")).await;
    after.provisioner.apply(&cluster).await.unwrap();
    let tenant = start_tenant(&after, &cluster).await;
    let found = Api::<ConfigMap>::namespaced(tenant, "default").get("persistent").await.unwrap();
    assert_eq!(found.data, config_map.data);
    let name = &cluster.target.name;
    let pod = Api::<Pod>::namespaced(admin().await, name).get(&format!("{name}-0")).await.unwrap();
    let image = pod.spec.unwrap().containers.remove(0).image.unwrap();
    assert!(image.ends_with(":0.37.0"), "{image}");
    assert_eq!(after.provisioner.plan(&cluster).await.unwrap(), []);

    let error = before.provisioner.apply(&cluster).await.unwrap_err();
    assert_eq!(error.code(), "no_upgrade_path", "{error}");
}
