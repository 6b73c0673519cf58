//! Overrides of the vCluster configuration: accepted by vCluster's strict parser and effective in running clusters.

use hexabase_core::fixture;
use hexabase_k8s::HostConfig;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{from_value, json};

use crate::HostHarness;
use crate::host::admin;
use crate::user_access::start_tenant;

const OVERRIDES: &str = "
  controlPlane:
    coredns:
      deployment:
        replicas: 2
        resources: { limits: { cpu: 1, memory: 256Mi }, requests: { cpu: 30m, memory: 80Mi } }
    distro:
      k8s:
        apiServer: { extraArgs: [--enable-admission-plugins=AlwaysPullImages] }
        controllerManager: { extraArgs: [--concurrent-deployment-syncs=2] }
    statefulSet:
      scheduling:
        nodeSelector: { kubernetes.io/os: linux }
        tolerations: [{ key: example.com/for, operator: Equal, value: control-planes, effect: NoSchedule }]
        priorityClassName: system-cluster-critical
  sync: { fromHost: { events: { enabled: false } } }";

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_vcluster_follows_the_operators_overrides() {
    let mut config = HostConfig::default();
    config.set("vcluster_overrides", OVERRIDES).unwrap();
    let host = HostHarness::with_config(config).await;
    let cluster = fixture::tenant_cluster("one");
    let tenant = start_tenant(&host, &cluster).await;

    let coredns = Api::<Deployment>::namespaced(tenant.clone(), "kube-system").get("coredns").await.unwrap();
    let spec = coredns.spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let container = &spec.template.spec.unwrap().containers[0];
    assert_eq!(container.resources.as_ref().unwrap().requests.as_ref().unwrap()["cpu"].0, "30m");

    // The admission plugin is active: it changes the pull policy.
    let pod = json!({
        "metadata": { "name": "dry-run" },
        "spec": { "containers": [{ "name": "a", "image": "a.example/b:c", "imagePullPolicy": "Never" }] },
    });
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let pods: Api<Pod> = Api::namespaced(tenant, "default");
    let created = pods.create(&dry_run, &from_value(pod).unwrap()).await.unwrap();
    assert_eq!(created.spec.unwrap().containers[0].image_pull_policy.as_deref(), Some("Always"));

    let name = &cluster.target.name;
    let control_plane = Api::<StatefulSet>::namespaced(admin().await, name).get(name).await.unwrap();
    let pod = control_plane.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.node_selector.unwrap()["kubernetes.io/os"], "linux");
    assert_eq!(pod.tolerations.unwrap()[0].value.as_deref(), Some("control-planes"));
    assert_eq!(pod.priority_class_name.as_deref(), Some("system-cluster-critical"));
}
