//! What operators want otherwise, as a real vCluster takes it: by its strict reader, and in what runs.

use hexabase_core::fixture;
use hexabase_k8s::HostSettings;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{from_value, json};

use crate::OnHost;
use crate::host::admin;
use crate::people::bring_up;

const WANTED: &str = "
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
async fn a_vcluster_does_what_operators_want_otherwise() {
    let mut settings = HostSettings::default();
    settings.set("vcluster_overrides", WANTED).unwrap();
    let host = OnHost::with(settings).await;
    let cluster = fixture::tenant_cluster("one");
    let tenant = bring_up(&host, &cluster).await;

    let name_server =
        Api::<Deployment>::namespaced(tenant.clone(), "kube-system").get("coredns").await.unwrap();
    let spec = name_server.spec.unwrap();
    assert_eq!(spec.replicas, Some(2));
    let container = &spec.template.spec.unwrap().containers[0];
    assert_eq!(container.resources.as_ref().unwrap().requests.as_ref().unwrap()["cpu"].0, "30m");

    // The API server has the plugin: it changes what it is told about images.
    let pod = json!({
        "metadata": { "name": "asked" },
        "spec": { "containers": [{ "name": "a", "image": "a.example/b:c", "imagePullPolicy": "Never" }] },
    });
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let pods: Api<Pod> = Api::namespaced(tenant, "default");
    let made = pods.create(&dry, &from_value(pod).unwrap()).await.unwrap();
    assert_eq!(made.spec.unwrap().containers[0].image_pull_policy.as_deref(), Some("Always"));

    let name = &cluster.target.name;
    let control_plane = Api::<StatefulSet>::namespaced(admin().await, name).get(name).await.unwrap();
    let pod = control_plane.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.node_selector.unwrap()["kubernetes.io/os"], "linux");
    assert_eq!(pod.tolerations.unwrap()[0].value.as_deref(), Some("control-planes"));
    assert_eq!(pod.priority_class_name.as_deref(), Some("system-cluster-critical"));
}
