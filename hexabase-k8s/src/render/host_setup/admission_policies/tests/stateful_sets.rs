//! The expressions of the policy for StatefulSets.

use super::*;

/// StatefulSet of the tenant's control plane.
fn stateful_set() -> Value {
    let cluster = fixture::tenant_cluster("shop");
    let objects = host_objects(&cluster, &HostConfig::default()).unwrap();
    objects.into_iter().find(|object| object.kind == Kind::STATEFUL_SET).unwrap().body
}

#[test]
fn a_control_plane_restarts_itself_after_a_rotation_of_certificates() {
    let before = stateful_set();
    let rotated = |time: &str| {
        let mut set = before.clone();
        set["spec"]["template"]["metadata"]["annotations"]["vcluster.loft.sh/cert-rotation-at"] = json!(time);
        set
    };
    let first = rotated("2026-01-02T03:04:05Z");
    assert_eq!(update("statefulsets", &before, &first), Vec::<String>::new());
    assert_eq!(
        update("statefulsets", &first, &rotated("2026-04-02T03:04:05.123+02:00")),
        Vec::<String>::new()
    );
    assert_rejected(
        &update("statefulsets", &first, &rotated("cluster-admin")),
        "cert-rotation-at, to a time",
    );
    assert_rejected(&update("statefulsets", &first, &before), "cert-rotation-at");
}

#[test]
fn a_control_plane_changes_nothing_else_of_its_stateful_sets() {
    let before = stateful_set();
    let labels = json!({ "app": "vcluster", "release": "another" });
    for (pointer, value) in [
        ("/metadata/annotations", json!({ "loft.sh/paused": "true" })),
        ("/metadata/labels", labels.clone()),
        ("/metadata/ownerReferences", json!([])),
        ("/metadata/finalizers", json!(["example.com/stay"])),
        ("/spec/replicas", json!(100)),
        ("/spec/selector/matchLabels", labels.clone()),
        ("/spec/serviceName", json!("another")),
        ("/spec/updateStrategy", json!({ "type": "OnDelete" })),
        ("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", json!("Delete")),
        ("/spec/volumeClaimTemplates/0/spec/volumeName", json!("pv-of-another")),
        ("/spec/minReadySeconds", json!(3600)),
        ("/spec/template/metadata/labels", labels),
        ("/spec/template/metadata/finalizers", json!(["example.com/stay"])),
        ("/spec/template/spec/nodeName", json!("control-plane-1")),
        ("/spec/template/spec/hostNetwork", json!(true)),
        ("/spec/template/spec/tolerations", json!([{ "operator": "Exists" }])),
        ("/spec/template/spec/priorityClassName", json!("system-node-critical")),
        ("/spec/template/spec/containers/0/image", json!("evil.example/image")),
        (
            "/spec/template/spec/volumes/0",
            json!({ "name": "v", "nfs": { "server": "10.0.0.5", "path": "/" } }),
        ),
    ] {
        let mut after = before.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = after.pointer_mut(parent).unwrap();
        match field.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[field] = value,
        }
        assert_rejected(&update("statefulsets", &before, &after), "change nothing of its StatefulSets");
    }
    let mut runtime = before.clone();
    runtime["spec"]["template"]["metadata"]["annotations"]["io.katacontainers.config.hypervisor.path"] =
        json!("/bin/sh");
    assert_rejected(&update("statefulsets", &before, &runtime), "no annotation of its pods");
    assert_rejected(&creation("statefulsets", before), "change nothing of its StatefulSets");
}
