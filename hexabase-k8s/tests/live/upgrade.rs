//! A vCluster of the next release in the place of one that runs.

use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_k8s::HostSettings;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::PostParams;
use serde_json::{from_value, json};

use crate::OnHost;
use crate::host::admin;
use crate::people::bring_up;

fn running(version: &str) -> HostSettings {
    let mut settings = HostSettings::default();
    settings.set("vcluster_version", version).unwrap();
    settings
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn the_next_vcluster_has_what_the_one_before_it_had_and_there_is_no_way_back() {
    let before = OnHost::with(running("0.36.1")).await;
    let cluster = fixture::tenant_cluster("one");
    let tenant = bring_up(&before, &cluster).await;
    let kept: ConfigMap =
        from_value(json!({ "metadata": { "name": "kept" }, "data": { "a": "b" } })).unwrap();
    Api::namespaced(tenant, "default").create(&PostParams::default(), &kept).await.unwrap();

    let after = OnHost::keeping(running("0.37.0")).await;
    after.provisioner.apply(&cluster).await.unwrap();
    let tenant = bring_up(&after, &cluster).await;
    let found = Api::<ConfigMap>::namespaced(tenant, "default").get("kept").await.unwrap();
    assert_eq!(found.data, kept.data);
    let name = &cluster.target.name;
    let pod = Api::<Pod>::namespaced(admin().await, name).get(&format!("{name}-0")).await.unwrap();
    let image = pod.spec.unwrap().containers.remove(0).image.unwrap();
    assert!(image.ends_with(":0.37.0"), "{image}");
    assert_eq!(after.provisioner.plan(&cluster).await.unwrap(), []);

    let error = before.provisioner.apply(&cluster).await.unwrap_err();
    assert_eq!(error.code(), "no_upgrade_path", "{error}");
}
