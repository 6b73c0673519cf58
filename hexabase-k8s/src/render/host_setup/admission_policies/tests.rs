//! The expressions of the policies, evaluated by a CEL interpreter.

use std::sync::Arc;

use cel::{Context, Env, Value as CelValue};
use hexabase_core::fixture;
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
        for policy in policies().into_iter().filter(|policy| policy.resources.contains(&self.resource)) {
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
    for invalid in
        ["", "hexabase.ai", "vcluster.loft.sh/skip-translate", "a/b/c", "-a", "a,,b", "UPPER.example"]
    {
        let error = HostConfig::default().set("tenant_metadata", invalid).unwrap_err();
        assert!(error.contains("reserved"), "{invalid}: {error}");
    }
    let mut config = HostConfig::default();
    config.set("tenant_metadata", "strimzi.io, prometheus.io/scrape").unwrap();
    assert_eq!(config.tenant_metadata, ["strimzi.io", "prometheus.io/scrape"]);
}
