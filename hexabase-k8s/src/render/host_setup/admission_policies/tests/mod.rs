//! The expressions of the policies, evaluated by a CEL interpreter.

mod ingresses;
mod stateful_sets;

use std::sync::Arc;

use cel::{Context, Env, Value as CelValue};
use hexabase_core::fixture;
use hexabase_core::id::TypedId as _;
use serde_json::{Value, json};

use super::*;
use crate::config::HostConfig;
use crate::render::host_objects;

/// Namespace of the tenant on its host, with these additional keys of labels and annotations.
fn tenant_namespace(additional: &str) -> Value {
    let mut config = HostConfig::default();
    if !additional.is_empty() {
        config.set("tenant_metadata", additional).unwrap();
    }
    host_objects(&fixture::tenant_cluster("shop"), &config).unwrap().swap_remove(0).body
}

/// Write of the tenant's control plane.
struct Write<'a> {
    resource: &'a str,
    old: Value,
    new: Value,
    namespace: Value,
}

impl Write<'_> {
    /// Evaluates a CEL expression with the variables of admission policies.
    fn evaluate(&self, expression: &str, variables: &[(String, CelValue)]) -> CelValue {
        let mut env = Env::stdlib();
        env.add_extension(cel::extensions::strings).unwrap();
        let env = Arc::new(env);
        let program = env.compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let mut context = Context::with_env(env);
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((self.resource, ""));
        let request = json!({
            "namespace": self.namespace["metadata"]["name"],
            "resource": { "resource": resource },
            "subResource": subresource,
        });
        for (name, value) in [
            ("object", &self.new),
            ("oldObject", &self.old),
            ("namespaceObject", &self.namespace),
            ("request", &request),
        ] {
            context.add_variable_from_value(name, cel::to_value(value).unwrap());
        }
        let variables: std::collections::HashMap<String, CelValue> = variables.iter().cloned().collect();
        context.add_variable_from_value("variables", variables);
        program.execute(&context).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Returns the message of each validation that rejects the write, in all policies for its resource.
    fn rejections(&self) -> Vec<String> {
        let mut messages = Vec::new();
        for policy in policies(&Labels::default())
            .into_iter()
            .filter(|policy| policy.resources.contains(&self.resource))
        {
            let text = |value: &Value, field: &str| value[field].as_str().unwrap().to_owned();
            let mut known = Vec::new();
            for variable in policy.variables.as_array().unwrap() {
                let value = self.evaluate(&text(variable, "expression"), &known);
                known.push((text(variable, "name"), value));
            }
            for validation in policy.validations.as_array().unwrap() {
                match self.evaluate(&text(validation, "expression"), &known) {
                    CelValue::Bool(true) => {}
                    CelValue::Bool(false) => {
                        let message = validation["messageExpression"].as_str().map_or_else(
                            || CelValue::from(text(validation, "message")),
                            |expression| self.evaluate(expression, &known),
                        );
                        let CelValue::String(message) = message else { panic!("{message:?} is not a text") };
                        messages.push(message.to_string());
                    }
                    other => panic!("{}: {other:?}", policy.name),
                }
            }
        }
        messages
    }
}

/// Returns the messages that reject the creation of an object.
fn creation(resource: &str, object: Value) -> Vec<String> {
    Write { resource, old: Value::Null, new: object, namespace: tenant_namespace("") }.rejections()
}

/// Returns the messages that reject an update of an object.
fn update(resource: &str, old: &Value, new: &Value) -> Vec<String> {
    Write { resource, old: old.clone(), new: new.clone(), namespace: tenant_namespace("") }.rejections()
}

/// Asserts that one validation rejects a write, with this text in its message.
fn assert_rejected(rejections: &[String], text: &str) {
    assert!(matches!(rejections, [message] if message.contains(text)), "{text}: {rejections:?}");
}

/// Metadata as the syncer writes it, with labels and annotations that the tenant chose.
fn synced(labels: Value, annotations: Value) -> Value {
    let mut metadata = json!({
        "name": "web-x-shop-x-tenant",
        "labels": { "vcluster.loft.sh/managed-by": "tenant", "vcluster.loft.sh/namespace": "shop" },
        "annotations": {
            "vcluster.loft.sh/object-name": "web",
            "vcluster.loft.sh/object-namespace": "shop",
            "vcluster.loft.sh/managed-annotations": "kubectl.kubernetes.io/restartedAt",
        },
    });
    for (field, keys) in [("labels", labels), ("annotations", annotations)] {
        metadata[field].as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    }
    metadata
}

fn service(spec: Value) -> Value {
    let mut service = json!({ "metadata": synced(json!({}), json!({})), "spec": { "type": "ClusterIP" } });
    service["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    service
}

/// Pod as the syncer writes it.
fn pod(spec: Value) -> Value {
    let mut pod = json!({
        "metadata": synced(
            json!({
                "app": "web",
                "app.kubernetes.io/name": "web",
                "pod-template-hash": "5d9",
                "apps.kubernetes.io/pod-index": "0",
                "vcluster.loft.sh/ns-label-x-3d1c": "shop",
            }),
            json!({
                "checksum/config": "1a",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
                "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z",
                "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container a",
                "vcluster.loft.sh/service-account-name": "default",
            }),
        ),
        "spec": { "containers": [{ "name": "a", "image": "nginx" }] },
    });
    pod["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    pod
}

#[test]
fn ordinary_objects_are_accepted() {
    assert_eq!(creation("pods", pod(json!({}))), Vec::<String>::new());
    for spec in
        [json!({}), json!({ "clusterIP": "None" }), json!({ "type": "LoadBalancer", "externalName": "" })]
    {
        assert_eq!(creation("services", service(spec)), Vec::<String>::new());
    }
    assert_eq!(
        creation("services", json!({ "metadata": { "name": "a" }, "spec": { "type": "ClusterIP" } })),
        Vec::<String>::new()
    );
    // The name server that vCluster deploys.
    let dns = json!({
        "metadata": synced(
            json!({
                "k8s-app": "vcluster-kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
                "vcluster.loft.sh/namespace": "kube-system",
            }),
            json!({ "prometheus.io/port": "9153", "prometheus.io/scrape": "true" }),
        ),
        "spec": { "type": "ClusterIP" },
    });
    assert_eq!(creation("services", dns), Vec::<String>::new());
}

#[test]
fn services_take_no_traffic_of_others_and_name_no_servers() {
    for (spec, message) in [
        (json!({ "externalIPs": ["192.0.2.1"] }), "CVE-2020-8554"),
        (json!({ "type": "NodePort" }), "ports of the nodes"),
        (json!({ "type": "ExternalName", "externalName": "metadata.internal" }), "ExternalName"),
        (json!({ "externalName": "metadata.internal" }), "ExternalName"),
        (json!({ "type": "LoadBalancer", "loadBalancerIP": "192.0.2.1" }), "spec.loadBalancerIP"),
    ] {
        assert_rejected(&creation("services", service(spec.clone())), message);
        assert_rejected(&update("services", &service(json!({})), &service(spec)), message);
    }
    // A controller of the host may have set the address.
    let assigned = service(json!({ "type": "LoadBalancer", "loadBalancerIP": "192.0.2.1" }));
    assert_eq!(update("services", &assigned, &assigned), Vec::<String>::new());
}

#[test]
fn workloads_carry_no_instructions_for_controllers_of_the_host() {
    let keys = [
        "external-dns.alpha.kubernetes.io/hostname",
        "metallb.io/loadBalancerIPs",
        "k8s.v1.cni.cncf.io/networks",
        "cni.projectcalico.org/ipAddrs",
        "service.beta.kubernetes.io/aws-load-balancer-eip-allocations",
        "prometheus.io/scrape",
        "io.kubernetes.cri-o.userns-mode",
        "io.katacontainers.config.hypervisor.path",
        "kubernetes.io/ingress-bandwidth",
        "helm.sh.example/a",
    ];
    for resource in ["pods", "services", "persistentvolumeclaims"] {
        for key in keys {
            for field in ["labels", "annotations"] {
                let mut object = if resource == "services" { service(json!({})) } else { pod(json!({})) };
                let before = object.clone();
                object["metadata"][field][key] = json!("a");
                assert_rejected(&creation(resource, object.clone()), key);
                assert_rejected(&update(resource, &before, &object), key);
                // A controller of the host may have added the key.
                assert_eq!(update(resource, &object, &object), Vec::<String>::new(), "{key}");
                let mut changed = object.clone();
                changed["metadata"][field][key] = json!("b");
                assert_rejected(&update(resource, &object, &changed), key);
            }
        }
    }
}

#[test]
fn a_write_to_the_status_of_a_pod_changes_no_other_labels() {
    let mut changed = pod(json!({}));
    changed["metadata"]["annotations"]["k8s.v1.cni.cncf.io/networks"] = json!("operator/private");
    assert_rejected(&update("pods/status", &pod(json!({})), &changed), "k8s.v1.cni.cncf.io/networks");
}

#[test]
fn an_operator_allows_further_labels_and_annotations() {
    let mut object = pod(json!({}));
    object["metadata"]["labels"]["strimzi.io/cluster"] = json!("a");
    object["metadata"]["annotations"]["prometheus.io/scrape"] = json!("true");
    let write = |object: &Value| Write {
        resource: "pods",
        old: Value::Null,
        new: object.clone(),
        namespace: tenant_namespace("strimzi.io,prometheus.io/scrape"),
    };
    assert_eq!(write(&object).rejections(), Vec::<String>::new());
    object["metadata"]["annotations"]["prometheus.io/path"] = json!("/");
    assert_rejected(&write(&object).rejections(), "prometheus.io/path");
}

#[test]
fn no_object_of_a_tenant_poses_as_one_of_hexabase() {
    for resource in ["configmaps", "secrets"] {
        let with = |key: &str| json!({ "metadata": synced(json!({ key: "ws-1" }), json!({})) });
        assert_rejected(&creation(resource, with("hexabase.ai/workspace-id")), "reserved");
        assert_eq!(creation(resource, with("cert-manager.io/certificate-name")), Vec::<String>::new());
    }
    // The control plane writes annotations to its own objects, which have labels of Hexabase.
    let mut own = service(json!({}));
    own["metadata"]["labels"]["hexabase.ai/workspace-id"] = json!("ws-1");
    let mut changed = own.clone();
    changed["metadata"]["annotations"]["vcluster.loft.sh/service-cidr"] = json!("10.96.0.0/12");
    assert_eq!(update("services", &own, &changed), Vec::<String>::new());
}

#[test]
fn objects_are_never_copied_to_the_host_as_written() {
    let skip = json!({ "vcluster.loft.sh/skip-translate": "true" });
    let object = json!({ "metadata": synced(json!({}), skip), "spec": { "type": "ClusterIP" } });
    for resource in ["services", "persistentvolumeclaims", "configmaps"] {
        assert_rejected(&creation(resource, object.clone()), "skip-*");
    }
    // The syncer marks Secrets with tokens of ServiceAccounts.
    let token = json!({ "metadata": synced(json!({}), json!({ "vcluster.loft.sh/skip-backsync": "true" })) });
    assert_eq!(creation("secrets", token), Vec::<String>::new());
}

#[test]
fn reserved_domains_cannot_be_allowed() {
    for invalid in ["", "vcluster.loft.sh/skip-translate", "a/b/c", "-a", "a,,b", "UPPER.example"] {
        let error = HostConfig::default().set("tenant_metadata", invalid).unwrap_err();
        assert!(error.contains("reserved"), "{invalid}: {error}");
    }
    let mut config = HostConfig::default();
    config.set("tenant_metadata", "strimzi.io, prometheus.io/scrape").unwrap();
    assert_eq!(config.tenant_metadata, ["strimzi.io", "prometheus.io/scrape"]);
}

/// Volume claim as the syncer writes it.
fn claim(spec: Value) -> Value {
    let mut claim = json!({
        "metadata": synced(json!({ "app": "web" }), json!({})),
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    claim["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    claim
}

/// Name of the claim with the store of the tenant's control plane.
fn control_plane_claim(suffix: &str) -> String {
    format!("data-{}{suffix}", fixture::tenant_cluster("shop").target.name)
}

#[test]
fn claims_get_new_volumes_or_copies_of_own_ones() {
    let own = json!({ "kind": "PersistentVolumeClaim", "name": "data-web-0-x-shop-x-tenant" });
    for spec in [
        json!({}),
        json!({ "storageClassName": "fast", "volumeName": "" }),
        json!({ "dataSource": own, "dataSourceRef": own }),
    ] {
        assert_eq!(creation("persistentvolumeclaims", claim(spec)), Vec::<String>::new());
    }
    let source =
        |group: Value, kind: &str, name: &str| json!({ "apiGroup": group, "kind": kind, "name": name });
    let snapshot = source(json!("snapshot.storage.k8s.io"), "VolumeSnapshot", "nightly");
    let in_another_namespace =
        json!({ "kind": "PersistentVolumeClaim", "name": "data-web-0-x-shop-x-tenant", "namespace": "b" });
    for source in [
        source(json!(""), "PersistentVolumeClaim", &control_plane_claim("-0")),
        source(json!(""), "PersistentVolumeClaim", &control_plane_claim("-etcd-2")),
        source(json!("a.example"), "PersistentVolumeClaim", "a"),
        snapshot,
    ] {
        let both = claim(json!({ "dataSource": source, "dataSourceRef": source }));
        assert_rejected(&creation("persistentvolumeclaims", both), "data sources");
    }
    for (spec, message) in [
        (json!({ "dataSourceRef": in_another_namespace }), "data sources"),
        (json!({ "volumeName": "pvc-of-another-tenant" }), "spec.volumeName"),
        (json!({ "selector": { "matchLabels": { "a": "b" } } }), "spec.selector"),
        (json!({ "storageClassName": "" }), "spec.storageClassName"),
    ] {
        assert_rejected(&creation("persistentvolumeclaims", claim(spec)), message);
    }
}

#[test]
fn a_bound_claim_can_grow_and_keeps_its_volume() {
    let bound = claim(json!({ "volumeName": "pvc-1", "storageClassName": "fast" }));
    let mut larger = bound.clone();
    larger["spec"]["resources"]["requests"]["storage"] = json!("2Gi");
    assert_eq!(update("persistentvolumeclaims", &bound, &larger), Vec::<String>::new());
    larger["spec"]["volumeName"] = json!("pvc-2");
    assert_rejected(&update("persistentvolumeclaims", &bound, &larger), "spec.volumeName");
    assert_rejected(&update("persistentvolumeclaims", &claim(json!({})), &bound), "spec.volumeName");
    let without_class = claim(json!({ "storageClassName": "" }));
    assert_rejected(&update("persistentvolumeclaims", &claim(json!({})), &without_class), "storageClassName");
    // Claims from before the policy are not stuck.
    let old = claim(
        json!({ "storageClassName": "", "selector": {}, "dataSource": { "kind": "VolumeSnapshot", "name": "a" } }),
    );
    assert_eq!(update("persistentvolumeclaims", &old, &old), Vec::<String>::new());
}

#[test]
fn volumes_of_pods_lead_to_no_server() {
    let with = |volume: Value| {
        let mut volume = volume;
        volume["name"] = json!("v");
        pod(json!({ "volumes": [{ "name": "tmp", "emptyDir": {} }, volume] }))
    };
    for volume in [
        json!({ "configMap": { "name": "a" } }),
        json!({ "secret": { "secretName": "a" } }),
        json!({ "projected": { "sources": [] } }),
        json!({ "downwardAPI": { "items": [] } }),
        json!({ "image": { "reference": "nginx" } }),
        json!({ "persistentVolumeClaim": { "claimName": "data-web-0-x-shop-x-tenant" } }),
    ] {
        assert_eq!(creation("pods", with(volume)), Vec::<String>::new());
    }
    for volume in [
        json!({ "nfs": { "server": "10.0.0.5", "path": "/" } }),
        json!({ "iscsi": { "targetPortal": "10.0.0.5" } }),
        json!({ "csi": { "driver": "nfs.csi.k8s.io" } }),
        json!({ "cephfs": { "monitors": ["10.0.0.5"] } }),
        json!({ "rbd": { "monitors": ["10.0.0.5"] } }),
        json!({ "glusterfs": { "endpoints": "a" } }),
        json!({ "fc": {} }),
        json!({ "flexVolume": { "driver": "a" } }),
        json!({ "gitRepo": { "repository": "https://a.example" } }),
        json!({ "hostPath": { "path": "/" } }),
        json!({ "ephemeral": { "volumeClaimTemplate": {} } }),
    ] {
        let pod = with(volume);
        assert_rejected(&creation("pods", pod.clone()), "volumes must be of the types");
        assert_eq!(update("pods", &pod, &pod), Vec::<String>::new(), "running pods can still be changed");
    }
    let own = with(json!({ "persistentVolumeClaim": { "claimName": control_plane_claim("-0") } }));
    assert_rejected(&creation("pods", own), "volumes of the control plane");
}

#[test]
fn the_addresses_of_pods_are_those_that_the_node_reports() {
    let with_status = |status: Value| {
        let mut pod = pod(json!({}));
        pod["status"] = status;
        pod
    };
    let running = with_status(json!({ "podIP": "10.1.0.2", "podIPs": [{ "ip": "10.1.0.2" }] }));
    let mut ready = running.clone();
    ready["status"]["conditions"] = json!([{ "type": "example.com/ready", "status": "True" }]);
    assert_eq!(update("pods/status", &running, &ready), Vec::<String>::new());
    assert_eq!(update("pods/status", &pod(json!({})), &with_status(json!({}))), Vec::<String>::new());
    for status in [
        json!({ "podIP": "10.0.0.5", "podIPs": [{ "ip": "10.0.0.5" }] }),
        json!({ "podIP": "10.1.0.2", "podIPs": [{ "ip": "10.1.0.2" }, { "ip": "fd00::5" }] }),
        json!({}),
    ] {
        assert_rejected(&update("pods/status", &running, &with_status(status)), "reported by its node");
    }
    assert_rejected(&update("pods/status", &pod(json!({})), &running), "reported by its node");
}

#[test]
fn secrets_receive_no_tokens_of_the_host() {
    let secret = |kind: &str| {
        let annotations = json!({ "kubernetes.io/service-account.name": "vc-tenant" });
        json!({ "metadata": synced(json!({}), annotations), "type": kind })
    };
    assert_eq!(creation("secrets", secret("Opaque")), Vec::<String>::new());
    assert_rejected(&creation("secrets", secret("kubernetes.io/service-account-token")), "token of its own");
}

#[test]
fn patterns_repeat_as_often_as_the_api_server_permits() {
    // The regular expressions of the API server (RE2) have at most 1000 repetitions, unlike those of the interpreter.
    for policy in policies(&Labels::default()) {
        let text = format!("{}{}", policy.variables, policy.validations);
        let counts = text.split(['{', '}', ',']).filter_map(|part| part.parse::<u32>().ok());
        assert!(counts.clone().all(|count| count <= 1000), "{}: {:?}", policy.name, counts.max());
    }
}

#[test]
fn workloads_request_only_resources_of_the_plan() {
    let container = |resources: &Value| json!({ "name": "b", "image": "nginx", "resources": resources });
    let write = |spec: Value, countable: &str| {
        let mut namespace = tenant_namespace("");
        if !countable.is_empty() {
            namespace["metadata"]["annotations"][Labels::default().extended_resources()] = json!(countable);
        }
        Write { resource: "pods", old: Value::Null, new: pod(spec), namespace }
    };
    let native =
        json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "ephemeral-storage": "1Gi" } });
    for list in ["containers", "initContainers"] {
        let spec = json!({ list: [container(&native), container(&json!({}))] });
        assert_eq!(write(spec, "").rejections(), Vec::<String>::new());
        for field in ["requests", "limits"] {
            let resources = json!({ field: { "cpu": "1", "nvidia.com/gpu": "1" } });
            let spec = json!({ list: [container(&native), container(&resources)] });
            assert_rejected(&write(spec.clone(), "").rejections(), "cpu, ephemeral-storage, memory");
            assert_rejected(&write(spec.clone(), "amd.com/gpu").rejections(), "amd.com/gpu");
            assert_eq!(write(spec, "amd.com/gpu,nvidia.com/gpu").rejections(), Vec::<String>::new());
        }
    }
    let of_pod = json!({ "resources": { "limits": { "hugepages-2Mi": "2Mi" } } });
    assert_rejected(&write(of_pod.clone(), "").rejections(), "resources of the plan");
    assert_eq!(update("pods", &pod(of_pod.clone()), &pod(of_pod)), Vec::<String>::new(), "it is running");
    let claims = json!({ "resourceClaims": [{ "name": "gpu", "resourceClaimTemplateName": "gpu" }] });
    assert_rejected(&write(claims, "").rejections(), "spec.resourceClaims");
}

#[test]
fn objects_have_a_bounded_size() {
    let bytes = |count: usize| "a".repeat(count);
    let object = |data: Value| json!({ "metadata": synced(json!({}), json!({})), "data": data });
    for resource in ["configmaps", "secrets"] {
        assert_eq!(creation(resource, object(json!({ "a": bytes(250 << 10) }))), Vec::<String>::new());
        let in_one = object(json!({ "a": bytes(256 << 10) }));
        let in_several = object(json!({ "a": bytes(128 << 10), "b": bytes(128 << 10) }));
        let in_keys: serde_json::Map<_, _> = (0..3_000).map(|n| (format!("{n:0>90}"), json!(""))).collect();
        for large in [in_one, in_several, object(in_keys.into())] {
            assert_rejected(&creation(resource, large.clone()), "must not exceed 256 KiB");
            assert_rejected(&update(resource, &object(json!({})), &large), "must not exceed 256 KiB");
        }
    }
    let with_variable = |value: String| {
        let env = json!([{ "name": "A", "value": value }]);
        pod(json!({ "containers": [{ "name": "a", "image": "nginx", "env": env }] }))
    };
    assert_rejected(&creation("pods", with_variable(bytes(256 << 10))), "must not exceed 256 KiB");
    let event = |message: String| json!({ "metadata": { "name": "a" }, "message": message });
    assert_eq!(creation("events", event(bytes(1024))), Vec::<String>::new());
    assert_rejected(&creation("events", event(bytes(8 << 10))), "events 8 KiB");
}

#[test]
fn pods_tolerate_the_taints_of_dedicated_nodes_only_on_nodes_of_their_workspace() {
    let own = fixture::tenant_cluster("shop").target.workspace_id.kubernetes_name();
    let tolerating = |key: &str, value: Option<&str>, workspace: Option<&str>| {
        let mut spec =
            json!({ "tolerations": [{ "key": key, "operator": "Exists", "effect": "NoSchedule" }] });
        if let Some(value) = value {
            spec["tolerations"][0]["operator"] = json!("Equal");
            spec["tolerations"][0]["value"] = json!(value);
        }
        if let Some(workspace) = workspace {
            spec["nodeSelector"] = json!({ "hexabase.ai/workspace-id": workspace });
        }
        pod(spec)
    };
    for key in ["hexabase.ai/dedicated", "hexabase.ai/node-class"] {
        assert_eq!(creation("pods", tolerating(key, None, Some(&own))), Vec::<String>::new());
        for elsewhere in [None, Some("ws-theirs")] {
            let rejections = creation("pods", tolerating(key, None, elsewhere));
            assert_rejected(&rejections, "the workspace that they are assigned to");
            assert_rejected(
                &update("pods", &pod(json!({})), &tolerating(key, None, elsewhere)),
                "the workspace that they are assigned to",
            );
        }
    }
    for value in ["ws-theirs", &own] {
        let rejections = creation("pods", tolerating("hexabase.ai/workspace-id", Some(value), Some(&own)));
        assert_rejected(&rejections, "of the taints of hexabase.ai");
    }
    assert_eq!(creation("pods", tolerating("example.com/gpu", None, None)), Vec::<String>::new());
}
