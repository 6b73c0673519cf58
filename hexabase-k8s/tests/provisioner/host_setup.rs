//! What Hexabase is allowed on a host cluster is enough for all it does there, and not more.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::fixture::{self, THEN};
use hexabase_core::model::ControlPlaneStore;
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_core::quantity::Quantity;
use hexabase_k8s::render::{host_objects, host_setup};
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, SandboxOptions, User};
use hexabase_k8s::{HostIdentity, HostSettings, Kind, Object, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::InSandbox;
use super::nodes::{pool, set_aside};

pub(crate) fn settings() -> HostSettings {
    exposed_by("ingress/passthrough")
}

pub(crate) fn exposed_by(exposure: &str) -> HostSettings {
    HostSettings {
        identity: Some(HostIdentity::default()),
        endpoint: "https://{name}.tenants.example".to_owned(),
        exposure: exposure.parse().unwrap(),
        ingress: Some("nginx/ingress-nginx/{name}.apps.example".parse().unwrap()),
        ..HostSettings::default()
    }
}

/// Sends a request, and answers the status code.
pub(crate) async fn send(client: &Client, method: &str, path: &str, body: &Value) -> u16 {
    let request =
        http::Request::builder().method(method).uri(path).header("content-type", "application/json");
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap().status().as_u16()
}

/// What is at a path.
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

/// A prepared sandbox, and Hexabase on it as nobody more than what was applied makes of it.
async fn with(access: &[Object]) -> (Sandbox, VClusterProvisioner) {
    let sandbox = prepared(access).await;
    let client = Client::new(restricted(&sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), settings());
    (sandbox, provisioner)
}

/// A sandbox that takes no time for anything, and to which an administrator has applied `access`.
pub(crate) async fn prepared(access: &[Object]) -> Sandbox {
    let sandbox = Sandbox::start(SandboxOptions {
        startup: Duration::ZERO,
        termination: Duration::ZERO,
        ..SandboxOptions::default()
    });
    // The sandbox evaluates no expressions; on a real host these narrow it further.
    let policies = [Kind::ADMISSION_POLICY, Kind::ADMISSION_POLICY_BINDING];
    for object in access.iter().filter(|object| !policies.contains(&object.kind)) {
        assert_eq!(send(&sandbox.host_client(), "POST", &path(object), &object.body).await, 201);
    }
    sandbox
}

/// The host as Hexabase sees it that was given nothing but what it asks for.
pub(crate) fn restricted(sandbox: &Sandbox) -> SandboxApi {
    let HostIdentity { namespace, name } = HostIdentity::default();
    let user = User::authenticated(format!("system:serviceaccount:{namespace}:{name}"), Vec::new());
    sandbox.host().with_user(user)
}

mod what_is_allowed_is_enough {
    use super::{InSandbox, necessary, with};

    hexabase_core::cluster_provisioner_conformance!(async {
        let (sandbox, provisioner) = with(&necessary()).await;
        (InSandbox::new(sandbox, provisioner), ())
    });
}

/// Objects of every kind that look like ours and should not be there.
fn strays(cluster: &TenantCluster, settings: &HostSettings) -> Vec<Object> {
    let mut objects = host_objects(cluster, settings).unwrap();
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

/// How often anything is tried: the sandbox takes its turns between.
const ATTEMPTS: usize = 100;

pub(crate) async fn until<F: Future<Output = Result<bool>>>(
    what: &str,
    attempt: impl Fn() -> F,
) -> Result<()> {
    let mut refusals = 0;
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                refusals += u8::from(is_refusal(&error));
                // Rights that were just given are known by the next attempt.
                if !error.is_retryable() || refusals > 2 {
                    return Err(error);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(Error::unexpected(what.to_owned()))
}

/// A tenant with a control plane of three replicas and an etcd.
pub(crate) fn of_three(name: &str) -> TenantCluster {
    let mut cluster = fixture::tenant_cluster(name);
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    cluster
}

/// All that Hexabase does with a tenant's cluster on its host.
pub(crate) async fn live(sandbox: &Sandbox, provisioner: &VClusterProvisioner) -> Result<()> {
    let admin = sandbox.host_client();
    let mut cluster = of_three("shop");
    let target = cluster.target.clone();
    let reaches = |wanted: ControlPlaneState| {
        let target = target.clone();
        async move { Ok(provisioner.observe(&target).await?.control_plane == wanted) }
    };
    let applied = |cluster: &TenantCluster| {
        let cluster = cluster.clone();
        move || {
            let cluster = cluster.clone();
            async move { provisioner.apply(&cluster).await.map(|applied| applied.tenant) }
        }
    };
    until("applying", applied(&cluster)).await?;
    until("ready", || reaches(ControlPlaneState::Ready)).await?;

    let strays = strays(&cluster, &settings());
    for stray in &strays {
        assert_eq!(send(&admin, "POST", &path(stray), &stray.body).await, 201, "{}", stray.name);
    }
    until("strays noticed", applied(&cluster)).await?;
    for stray in &strays {
        let place = format!("{}/{}", path(stray), stray.name);
        until("strays removed", || async { Ok(send(&admin, "GET", &place, &Value::Null).await == 404) })
            .await?;
    }

    cluster.control_plane.storage = Quantity::gibibytes(500);
    until("applied", applied(&cluster)).await?;
    until("as planned", || async { Ok(provisioner.plan(&cluster).await?.is_empty()) }).await?;
    let claim = format!("/api/v1/namespaces/{0}/persistentvolumeclaims/data-{0}-etcd-2", target.name);
    let claim = admin.request::<Value>(http::Request::get(claim).body(Vec::new()).unwrap()).await.unwrap();
    if claim["spec"]["resources"]["requests"]["storage"] != "500Gi" {
        return Err(Error::unexpected("the volume did not grow"));
    }

    // A pod of the tenant that nobody looks after once its control plane sleeps.
    let orphan = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "orphan", "labels": { "vcluster.loft.sh/managed-by": target.name } },
        "spec": { "containers": [{ "name": "a", "image": "a" }] },
    });
    let pods = format!("/api/v1/namespaces/{}/pods", target.name);
    assert_eq!(send(&admin, "POST", &pods, &orphan).await, 201);
    until("asleep", || async {
        provisioner.suspend(&target, THEN).await?;
        reaches(ControlPlaneState::Stopped).await
    })
    .await?;
    until("resumed", || async { provisioner.resume(&target).await.map(|()| true) }).await?;
    until("awake", || reaches(ControlPlaneState::Ready)).await?;

    // Somebody takes our rights away: they are given again.
    let way_in =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings/hexabase", target.name);
    assert_eq!(send(&admin, "DELETE", &way_in, &Value::Null).await, 200);
    until("let in again", applied(&cluster)).await?;

    until("deleted", || async { provisioner.delete(&target).await.map(|()| true) }).await?;
    until("gone", || reaches(ControlPlaneState::Absent)).await
}

/// All that Hexabase does with routes at a Gateway, where a host knows them.
async fn be_routed(sandbox: &Sandbox) -> Result<()> {
    let admin = sandbox.host_client();
    make_routes_known(sandbox).await;
    let settings = exposed_by("gateway/edge/tenants");
    let client = Client::new(restricted(sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), settings.clone());
    let cluster = fixture::tenant_cluster("routed");
    let applied = || async { provisioner.apply(&cluster).await.map(|_| true) };
    until("routed", applied).await?;
    let mut strays = strays(&cluster, &settings);
    strays.retain(|object| object.kind == Kind::TLS_ROUTE);
    let [stray] = strays.as_slice() else { panic!("one route: {strays:?}") };
    let routes = path(stray);
    assert_eq!(send(&admin, "POST", &routes, &stray.body).await, 201);
    until("the stray removed", applied).await?;
    let left = get(&admin, &routes).await;
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left["items"][0]["spec"]["hostnames"][0], format!("{}.tenants.example", cluster.target.name));
    until("deleted", || async { provisioner.delete(&cluster.target).await.map(|()| true) }).await
}

/// Defines TLSRoutes, with as much as makes them known.
pub(crate) async fn make_routes_known(sandbox: &Sandbox) {
    let Kind { group, version, kind, plural, .. } = Kind::TLS_ROUTE;
    let schema =
        json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "names": { "kind": kind, "plural": plural, "singular": "tlsroute", "listKind": "TLSRouteList" },
            "scope": "Namespaced",
            "versions": [{ "name": version, "served": true, "storage": true, "schema": schema }],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(&sandbox.host_client(), "POST", definitions, &definition).await, 201);
}

/// All that Hexabase does with nodes of a tenant's own.
pub(crate) async fn have_nodes(sandbox: &Sandbox, provisioner: &VClusterProvisioner) -> Result<()> {
    let admin = sandbox.host_client();
    set_aside(&admin, "one").await;
    let without = fixture::tenant_cluster("own");
    let target = without.target.clone();
    let with = TenantCluster { node_pools: vec![pool(1)], ..without.clone() };
    let settled = |tenant: &TenantCluster| {
        let tenant = tenant.clone();
        async move {
            let nodes = provisioner.apply(&tenant).await?.nodes;
            Ok(nodes.is_some_and(|nodes| nodes.waiting.is_none()))
        }
    };
    until("given a node", || settled(&with)).await?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "there" },
        "spec": { "nodeName": "one", "containers": [{ "name": "a", "image": "a" }] },
    });
    assert_eq!(send(&admin, "POST", &format!("/api/v1/namespaces/{}/pods", target.name), &pod).await, 201);
    until("the node given back", || settled(&without)).await?;
    let node = get(&admin, "/api/v1/nodes/one").await;
    if !node["metadata"]["labels"]["hexabase.ai/node-pool"].is_null() {
        return Err(Error::unexpected("the node was not given back"));
    }
    until("deleted", || async { provisioner.delete(&target).await.map(|()| true) }).await?;
    until("gone", || async {
        Ok(provisioner.observe(&target).await?.control_plane == ControlPlaneState::Absent)
    })
    .await
}

#[tokio::test]
async fn a_whole_life_is_allowed() {
    let (sandbox, provisioner) = with(&necessary()).await;
    live(&sandbox, &provisioner).await.unwrap();
    have_nodes(&sandbox, &provisioner).await.unwrap();
    be_routed(&sandbox).await.unwrap();
}

#[tokio::test]
async fn a_host_that_knows_of_nothing_that_leads_to_tenants_goes_on_without() {
    let mut access = necessary();
    for role in access.iter_mut().filter(|object| object.kind == Kind::CLUSTER_ROLE) {
        let rules = role.body["rules"].as_array_mut().unwrap();
        let unknown = ["ingresses", "tlsroutes", "poddisruptionbudgets", "leases"];
        rules.retain(|rule| !unknown.iter().any(|resource| rule["resources"] == json!([resource])));
    }
    let sandbox = prepared(&access).await;
    let client = Client::new(restricted(&sandbox), "default");
    let settings = HostSettings { ingress: None, ..exposed_by("internal") };
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), settings);
    let cluster = fixture::tenant_cluster("shop");
    until("applied", || async { provisioner.apply(&cluster).await.map(|applied| applied.tenant) })
        .await
        .unwrap();
    assert_eq!(provisioner.plan(&cluster).await.unwrap(), []);
}

/// What Hexabase cannot do without: anything but watching.
fn necessary() -> Vec<Object> {
    let access = host_setup(&HostIdentity::default()).into_iter();
    access.filter(|object| object.name != "hexabase-watch").collect()
}

/// The same access with one verb of one rule less, for each; and what is missing then.
fn each_without_one_verb() -> Vec<(String, Vec<Object>)> {
    let access = necessary();
    let mut fewer = Vec::new();
    for (place, role) in access.iter().enumerate().filter(|(_, object)| object.kind == Kind::CLUSTER_ROLE) {
        for (number, rule) in role.body["rules"].as_array().unwrap().iter().enumerate() {
            for (position, verb) in rule["verbs"].as_array().unwrap().iter().enumerate() {
                let mut less = access.clone();
                let verbs = less[place].body["rules"][number]["verbs"].as_array_mut().unwrap();
                verbs.remove(position);
                if verbs.is_empty() {
                    less[place].body["rules"].as_array_mut().unwrap().remove(number);
                }
                fewer.push((format!("{}: {verb} {}", role.name, rule["resources"][0]), less));
            }
        }
    }
    fewer
}

/// Whether it failed for want of a right, and not for anything else.
fn is_refusal(error: &Error) -> bool {
    let consequences = [
        "the rights in the namespace are not known yet",
        "the volume did not grow",
        "the node was not given back",
    ];
    error.kind() == ErrorKind::Forbidden || consequences.iter().any(|text| error.to_string().contains(text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_allowed_can_be_left_out() {
    let fewer = each_without_one_verb();
    assert!(fewer.len() > 50, "only {} verbs", fewer.len());
    let lives = fewer.into_iter().map(|(what, access)| {
        tokio::spawn(async move {
            let (sandbox, provisioner) = with(&access).await;
            let all = async {
                live(&sandbox, &provisioner).await?;
                have_nodes(&sandbox, &provisioner).await?;
                be_routed(&sandbox).await
            };
            match all.await {
                Ok(()) => Some(what),
                Err(error) if is_refusal(&error) => None,
                Err(error) => panic!("without {what}: {error:?}"),
            }
        })
    });
    let mut needless = Vec::new();
    for life in lives.collect::<Vec<_>>() {
        needless.extend(life.await.unwrap());
    }
    assert!(needless.is_empty(), "these are not needed: {needless:#?}");
}

#[test]
fn nothing_is_allowed_on_the_whole_cluster_but_namespaces_and_ones_own_role_in_them() {
    let access = host_setup(&HostIdentity::default());
    let everywhere =
        access.iter().find(|object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase");
    let rules = everywhere.unwrap().body["rules"].as_array().unwrap();
    let named: Vec<&str> = rules.iter().map(|rule| rule["resources"][0].as_str().unwrap()).collect();
    assert_eq!(named, ["namespaces", "rolebindings", "clusterroles"]);
    assert_eq!(rules[2]["verbs"], json!(["bind"]));
    let nodes =
        access.iter().find(|object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase-nodes");
    let allowed = json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"] }]);
    assert_eq!(nodes.unwrap().body["rules"], allowed);
    let of_nodes = |object: &&Object| object.name == "hexabase-nodes";
    let roles = access.iter().filter(|object| object.kind == Kind::CLUSTER_ROLE && !of_nodes(object));
    let all = serde_json::to_string(&roles.map(|object| &object.body).collect::<Vec<_>>()).unwrap();
    for forbidden in ["escalate", "impersonate", "tokenreviews", "nodes"] {
        assert!(!all.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn an_identity_is_a_namespace_and_a_name() {
    let identity: HostIdentity = "hexabase-system/hexabase".parse().unwrap();
    assert_eq!(
        (identity.clone(), identity.to_string()),
        (HostIdentity::default(), "hexabase-system/hexabase".to_owned())
    );
    for wrong in ["", "hexabase", "a/", "/b", "a/b/c", "A/b", "a/-b"] {
        assert!(wrong.parse::<HostIdentity>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn no_ingress_of_a_tenant_comes_to_a_host_without_a_guard_on_them() {
    let mut access = necessary();
    for namespace in access.iter_mut().filter(|object| object.kind == Kind::NAMESPACE) {
        // As an earlier release left it.
        namespace.body["metadata"]["annotations"] = json!({ "hexabase.ai/guards": "hexabase-tenants" });
    }
    let (sandbox, provisioner) = with(&access).await;
    let cluster = fixture::tenant_cluster("shop");
    let error = provisioner.apply(&cluster).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("hexabase host-setup"), "{error}");
    let namespace = format!("/api/v1/namespaces/{}", cluster.target.name);
    assert_eq!(send(&sandbox.host_client(), "GET", &namespace, &Value::Null).await, 404, "nothing was made");
}
