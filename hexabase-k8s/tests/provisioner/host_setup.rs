//! Permissions of Hexabase on a host cluster: sufficient for all of its operations, and minimal.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::model::{ConditionStatus, ControlPlaneStore};
use hexabase_core::provisioner::{Applied, ClusterProvisioner, ControlPlaneState};
use hexabase_core::quantity::Quantity;
use hexabase_k8s::render::{host_objects, host_setup};
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, SandboxOptions, User};
use hexabase_k8s::{HostConfig, HostIdentity, Kind, Object, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::SandboxHarness;
use super::nodes::{add_reserved_node, pool};

pub(crate) fn host_config() -> HostConfig {
    config_with_exposure("ingress/passthrough")
}

pub(crate) fn config_with_exposure(exposure: &str) -> HostConfig {
    HostConfig {
        identity: Some(HostIdentity::default()),
        endpoint: "https://{name}.tenants.example".to_owned(),
        exposure: exposure.parse().unwrap(),
        ingress: Some("nginx/ingress-nginx/{name}.apps.example".parse().unwrap()),
        metrics_server: Some("kube-system/metrics-server".parse().unwrap()),
        ..HostConfig::default()
    }
}

/// Sends a request, and returns the status code of the response.
pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> u16 {
    let request =
        http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap().status().as_u16()
}

/// Returns the object or list at a path.
pub(crate) async fn get(client: &Client, path: &str) -> Value {
    client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
}

pub(crate) fn path(object: &Object) -> String {
    let Kind { group, version, plural, .. } = object.kind;
    let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    match object.namespace.as_str() {
        "" => format!("{root}/{version}/{plural}"),
        namespace => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
    }
}

/// Sandbox to which an administrator has applied `access`, and a provisioner that has only these permissions.
async fn restricted_provisioner(access: &[Object]) -> (Sandbox, VClusterProvisioner) {
    let sandbox = sandbox_with(access).await;
    let client = Client::new(restricted_host(&sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), host_config());
    (sandbox, provisioner)
}

/// Sandbox without simulated delays to which an administrator has applied `access`.
pub(crate) async fn sandbox_with(access: &[Object]) -> Sandbox {
    let sandbox = Sandbox::start(SandboxOptions {
        startup: Duration::ZERO,
        termination: Duration::ZERO,
        ..SandboxOptions::default()
    });
    for object in access {
        assert_eq!(send(&sandbox.host_client(), "POST", &path(object), &object.body).await, 201);
    }
    sandbox
}

/// API server of the host, called as the service account of Hexabase.
pub(crate) fn restricted_host(sandbox: &Sandbox) -> SandboxApi {
    let HostIdentity { namespace, name } = HostIdentity::default();
    let user = User::authenticated(format!("system:serviceaccount:{namespace}:{name}"), Vec::new());
    sandbox.host().with_user(user)
}

mod conformance_with_required_access {
    use super::{SandboxHarness, required_access, restricted_provisioner};

    hexabase_core::cluster_provisioner_conformance!(async {
        let (sandbox, provisioner) = restricted_provisioner(&required_access()).await;
        (SandboxHarness::new(sandbox, provisioner), ())
    });
}

/// Objects of every kind with the labels of Hexabase that the desired state does not contain.
fn strays(cluster: &TenantCluster, host_config: &HostConfig) -> Vec<Object> {
    let mut objects = host_objects(cluster, host_config).unwrap();
    objects.retain(|object| object.kind != Kind::NAMESPACE);
    for object in &mut objects {
        object.name = format!("stray-{}", object.name);
        object.body["metadata"]["name"] = json!(object.name);
        if object.kind == Kind::STATEFUL_SET {
            object.body["spec"]["replicas"] = json!(0);
        }
    }
    objects
}

/// Maximum number of attempts. The controllers of the sandbox run between attempts.
const MAX_ATTEMPTS: usize = 100;

pub(crate) async fn eventually<F: Future<Output = Result<bool>>>(
    description: &str,
    attempt: impl Fn() -> F,
) -> Result<()> {
    let mut permission_errors = 0;
    for _ in 0..MAX_ATTEMPTS {
        match attempt().await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                permission_errors += u8::from(is_missing_permission(&error));
                // Permissions that were granted a moment ago take effect by the next attempt.
                if !error.is_retryable() || permission_errors > 2 {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(Error::unexpected(description.to_owned()))
}

/// Applies a cluster. A wait for permissions is an error.
async fn apply(provisioner: &VClusterProvisioner, cluster: &TenantCluster) -> Result<Applied> {
    let applied = provisioner.apply(cluster).await?;
    match &applied.waiting {
        Some(wait) => Err(Error::unavailable(wait.reason.description())),
        None => Ok(applied),
    }
}

/// Tenant with a control plane of three replicas and an etcd.
pub(crate) fn three_replicas(name: &str) -> TenantCluster {
    let mut cluster = fixture::tenant_cluster(name);
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    cluster
}

/// Runs all operations on a tenant cluster, except those on dedicated nodes and Gateway routes.
pub(crate) async fn full_lifecycle(sandbox: &Sandbox, provisioner: &VClusterProvisioner) -> Result<()> {
    let admin = sandbox.host_client();
    let mut cluster = three_replicas("shop");
    let target = cluster.target.clone();
    let reaches = |desired: ControlPlaneState| {
        let target = target.clone();
        async move { Ok(provisioner.observe(&target).await?.control_plane == desired) }
    };
    let applied = |cluster: &TenantCluster| {
        let cluster = cluster.clone();
        move || {
            let cluster = cluster.clone();
            async move { apply(provisioner, &cluster).await.map(|applied| applied.tenant) }
        }
    };
    eventually("cluster applied", applied(&cluster)).await?;
    eventually("cluster ready", || reaches(ControlPlaneState::Ready)).await?;

    let strays = strays(&cluster, &host_config());
    for stray in &strays {
        assert_eq!(send(&admin, "POST", &path(stray), &stray.body).await, 201, "{}", stray.name);
    }
    eventually("cluster with strays applied", applied(&cluster)).await?;
    for stray in &strays {
        let stray_path = format!("{}/{}", path(stray), stray.name);
        eventually("strays deleted", || async {
            Ok(send(&admin, "GET", &stray_path, &Value::Null).await == 404)
        })
        .await?;
    }

    cluster.control_plane.storage = Quantity::gibibytes(500);
    eventually("larger volume applied", applied(&cluster)).await?;
    eventually("drift repaired", || async { Ok(provisioner.plan(&cluster).await?.is_empty()) }).await?;
    let claim = format!("/api/v1/namespaces/{0}/persistentvolumeclaims/data-{0}-etcd-2", target.name);
    let claim = admin.request::<Value>(http::Request::get(claim).body(Vec::new()).unwrap()).await.unwrap();
    if claim["spec"]["resources"]["requests"]["storage"] != "500Gi" {
        return Err(Error::unexpected("the volume did not grow"));
    }

    // A pod of the tenant without an owner, which suspension has to delete.
    let orphan = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "orphan", "labels": { "vcluster.loft.sh/managed-by": target.name } },
        "spec": { "containers": [{ "name": "a", "image": "a" }] },
    });
    let pods = format!("/api/v1/namespaces/{}/pods", target.name);
    assert_eq!(send(&admin, "POST", &pods, &orphan).await, 201);
    eventually("cluster suspended", || async {
        provisioner.suspend(&target, FIXTURE_TIME).await?;
        reaches(ControlPlaneState::Stopped).await
    })
    .await?;
    eventually("resume accepted", || async { provisioner.resume(&target).await.map(|()| true) }).await?;
    eventually("cluster resumed", || reaches(ControlPlaneState::Ready)).await?;

    // The RoleBinding of Hexabase in the namespace is restored.
    let role_binding =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/hexabase", target.name);
    assert_eq!(send(&admin, "DELETE", &role_binding, &Value::Null).await, 200);
    eventually("RoleBinding restored", applied(&cluster)).await?;

    eventually("deletion accepted", || async { provisioner.delete(&target).await.map(|()| true) }).await?;
    eventually("cluster deleted", || reaches(ControlPlaneState::Absent)).await
}

/// Runs all operations on routes of a Gateway, on a host with the Gateway API.
async fn gateway_lifecycle(sandbox: &Sandbox) -> Result<()> {
    let admin = sandbox.host_client();
    install_definition(sandbox, Kind::TLS_ROUTE).await;
    let config = config_with_exposure("gateway/edge/tenants");
    let client = Client::new(restricted_host(sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), config.clone());
    let cluster = fixture::tenant_cluster("routed");
    let applied = || async { apply(&provisioner, &cluster).await.map(|_| true) };
    eventually("route applied", applied).await?;
    let mut strays = strays(&cluster, &config);
    strays.retain(|object| object.kind == Kind::TLS_ROUTE);
    let [stray] = strays.as_slice() else { panic!("expected one route: {strays:?}") };
    let routes = path(stray);
    assert_eq!(send(&admin, "POST", &routes, &stray.body).await, 201);
    eventually("stray route deleted", applied).await?;
    let remaining = get(&admin, &routes).await;
    assert_eq!(remaining["items"].as_array().unwrap().len(), 1, "{remaining}");
    assert_eq!(
        remaining["items"][0]["spec"]["hostnames"][0],
        format!("{}.tenants.example", cluster.target.name)
    );
    eventually("deletion accepted", || async { provisioner.delete(&cluster.target).await.map(|()| true) })
        .await
}

/// Installs a minimal CustomResourceDefinition of a kind.
pub(crate) async fn install_definition(sandbox: &Sandbox, kind: Kind) {
    let Kind { group, version, kind, plural, .. } = kind;
    let names = json!({
        "kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List"),
    });
    let schema =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(&sandbox.host_client(), "POST", definitions, &definition).await, 201);
}

/// Runs all operations on dedicated nodes.
pub(crate) async fn node_lifecycle(sandbox: &Sandbox, provisioner: &VClusterProvisioner) -> Result<()> {
    let admin = sandbox.host_client();
    add_reserved_node(&admin, "one").await;
    let without_pool = fixture::tenant_cluster("own");
    let target = without_pool.target.clone();
    let with_pool = TenantCluster { node_pools: vec![pool(1)], ..without_pool.clone() };
    let nodes_settled = |tenant: &TenantCluster| {
        let tenant = tenant.clone();
        async move {
            let nodes = apply(provisioner, &tenant).await?.nodes;
            Ok(nodes.is_some_and(|nodes| nodes.waiting.is_none()))
        }
    };
    eventually("node assigned", || nodes_settled(&with_pool)).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "on-node" },
        "spec": { "nodeName": "one", "containers": [{ "name": "a", "image": "a" }] },
    });
    assert_eq!(send(&admin, "POST", &format!("/api/v1/namespaces/{}/pods", target.name), &pod).await, 201);
    eventually("node released", || nodes_settled(&without_pool)).await?;
    let node = get(&admin, "/api/v1/nodes/one").await;
    if !node["metadata"]["labels"]["hexabase.ai/node-pool"].is_null() {
        return Err(Error::unexpected("the node was not released"));
    }
    eventually("deletion accepted", || async { provisioner.delete(&target).await.map(|()| true) }).await?;
    eventually("cluster deleted", || async {
        Ok(provisioner.observe(&target).await?.control_plane == ControlPlaneState::Absent)
    })
    .await
}

/// Runs the isolation self-check, which acts as the control plane of a tenant.
async fn isolation_check(provisioner: &VClusterProvisioner) -> Result<()> {
    let cluster = fixture::tenant_cluster("checked");
    eventually("cluster applied", || async {
        provisioner.apply(&cluster).await.map(|applied| applied.tenant)
    })
    .await?;
    let checks = provisioner.check_isolation(&cluster).await?;
    match checks.iter().find(|check| check.kind == "ActsAsControlPlane").map(|check| check.status) {
        Some(ConditionStatus::True) => Ok(()),
        _ => Err(Error::unexpected("the control plane was not impersonated")),
    }
}

#[tokio::test]
async fn the_required_access_suffices_for_the_full_lifecycle() {
    let (sandbox, provisioner) = restricted_provisioner(&required_access()).await;
    full_lifecycle(&sandbox, &provisioner).await.unwrap();
    node_lifecycle(&sandbox, &provisioner).await.unwrap();
    gateway_lifecycle(&sandbox).await.unwrap();
    isolation_check(&provisioner).await.unwrap();
}

#[tokio::test]
async fn kinds_for_exposure_metrics_and_replicas_are_optional() {
    let mut access = required_access();
    for role in access.iter_mut().filter(|object| object.kind == Kind::CLUSTER_ROLE) {
        let rules = role.body["rules"].as_array_mut().unwrap();
        let unknown = ["ingresses", "tlsroutes", "poddisruptionbudgets", "leases"];
        rules.retain(|rule| rule["apiGroups"] != json!(["metrics.k8s.io"]));
        rules.retain(|rule| !unknown.iter().any(|resource| rule["resources"] == json!([resource])));
    }
    let sandbox = sandbox_with(&access).await;
    let client = Client::new(restricted_host(&sandbox), "default");
    let config = HostConfig { ingress: None, metrics_server: None, ..config_with_exposure("internal") };
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), config);
    let cluster = fixture::tenant_cluster("shop");
    eventually("cluster applied", || async {
        provisioner.apply(&cluster).await.map(|applied| applied.tenant)
    })
    .await
    .unwrap();
    assert_eq!(provisioner.plan(&cluster).await.unwrap(), []);
}

/// Permissions that Hexabase requires: all except watching, which is optional.
fn required_access() -> Vec<Object> {
    let access = host_setup(&HostConfig::default()).into_iter();
    access.filter(|object| object.name != "hexabase-watch").collect()
}

/// Variants of the required access, each without one verb of one rule, with a description of the missing verb.
fn access_without_each_verb() -> Vec<(String, Vec<Object>)> {
    let access = required_access();
    let mut variants = Vec::new();
    for (index, role) in access.iter().enumerate().filter(|(_, object)| object.kind == Kind::CLUSTER_ROLE) {
        for (rule_index, rule) in role.body["rules"].as_array().unwrap().iter().enumerate() {
            for (verb_index, verb) in rule["verbs"].as_array().unwrap().iter().enumerate() {
                let mut reduced = access.clone();
                let verbs = reduced[index].body["rules"][rule_index]["verbs"].as_array_mut().unwrap();
                verbs.remove(verb_index);
                if verbs.is_empty() {
                    reduced[index].body["rules"].as_array_mut().unwrap().remove(rule_index);
                }
                variants.push((format!("{}: {verb} {}", role.name, rule["resources"][0]), reduced));
            }
        }
    }
    variants
}

/// `true` if the error is a missing permission or a consequence of one.
fn is_missing_permission(error: &Error) -> bool {
    let consequences = [
        "the permissions in the namespace are not effective yet",
        "the volume did not grow",
        "the node was not released",
        "the control plane was not impersonated",
    ];
    error.kind() == ErrorKind::Forbidden || consequences.iter().any(|text| error.to_string().contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_granted_verb_is_required() {
    let variants = access_without_each_verb();
    assert!(variants.len() > 50, "expected more than 50 verbs, found {}", variants.len());
    let runs = variants.into_iter().map(|(description, access)| {
        tokio::spawn(async move {
            let (sandbox, provisioner) = restricted_provisioner(&access).await;
            let all = async {
                full_lifecycle(&sandbox, &provisioner).await?;
                node_lifecycle(&sandbox, &provisioner).await?;
                gateway_lifecycle(&sandbox).await?;
                isolation_check(&provisioner).await
            };
            match all.await {
                Ok(()) => Some(description),
                Err(error) if is_missing_permission(&error) => None,
                Err(error) => panic!("without {description}: {error:?}"),
            }
        })
    });
    let mut unneeded = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        unneeded.extend(run.await.unwrap());
    }
    assert!(unneeded.is_empty(), "permissions that are not required: {unneeded:#?}");
}

#[test]
fn cluster_wide_access_covers_only_namespaces_and_the_own_role_binding() {
    let access = host_setup(&HostConfig::default());
    let cluster_wide =
        access.iter().find(|object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase");
    let rules = cluster_wide.unwrap().body["rules"].as_array().unwrap();
    let resources: Vec<&str> = rules.iter().map(|rule| rule["resources"][0].as_str().unwrap()).collect();
    assert_eq!(resources, ["namespaces", "rolebindings", "clusterroles"]);
    assert_eq!(rules[2]["verbs"], json!(["bind"]));
    let nodes =
        access.iter().find(|object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase-nodes");
    let allowed = json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"] }]);
    assert_eq!(nodes.unwrap().body["rules"], allowed);
    let of_nodes = |object: &&Object| object.name == "hexabase-nodes";
    let roles = access.iter().filter(|object| object.kind == Kind::CLUSTER_ROLE && !of_nodes(object));
    let all = serde_json::to_string(&roles.map(|object| &object.body).collect::<Vec<_>>()).unwrap();
    for forbidden in ["escalate", "tokenreviews", "serviceaccounts/token", "nodes"] {
        assert!(!all.contains(forbidden), "{forbidden}");
    }
    let impersonating = access.iter().filter(|object| object.body.to_string().contains("\"impersonate\""));
    let impersonating: Vec<&str> = impersonating.map(|object| object.name.as_str()).collect();
    assert_eq!(impersonating, ["hexabase-tenant"], "only in the namespaces of tenants");
}

#[test]
fn a_host_identity_parses_as_namespace_and_name() {
    let identity: HostIdentity = "hexabase-system/hexabase".parse().unwrap();
    assert_eq!(
        (identity.clone(), identity.to_string()),
        (HostIdentity::default(), "hexabase-system/hexabase".to_owned())
    );
    for invalid in ["", "hexabase", "a/", "/b", "a/b/c", "A/b", "a/-b"] {
        assert!(invalid.parse::<HostIdentity>().is_err(), "{invalid}");
    }
}

#[tokio::test]
async fn tenant_ingresses_require_the_ingress_admission_policy() {
    let mut access = required_access();
    for namespace in access.iter_mut().filter(|object| object.kind == Kind::NAMESPACE) {
        // As after the host setup of an earlier release.
        namespace.body["metadata"]["annotations"] =
            json!({ "hexabase.ai/admission-policies": "hexabase-tenants" });
    }
    let (sandbox, provisioner) = restricted_provisioner(&access).await;
    let cluster = fixture::tenant_cluster("shop");
    let error = provisioner.apply(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("hexabase host-setup"), "{error}");
    let namespace = format!("/api/v1/namespaces/{}", cluster.target.name);
    assert_eq!(
        send(&sandbox.host_client(), "GET", &namespace, &Value::Null).await,
        404,
        "nothing is created"
    );
}
