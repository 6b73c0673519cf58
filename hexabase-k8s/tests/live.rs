//! The vCluster provisioner on a real host cluster with real vClusters, against the suite that every
//! provisioner must pass; by a Hexabase with no more rights than it asks for. Run it with `HEXABASE_TEST_KUBECONFIG`, `--run-ignored only` and one test at a time:
//! the cases use the same two clusters.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::ClusterHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::render::host_access;
use hexabase_k8s::{
    HostIdentity, HostSettings, Kind, ServiceConnector, TenantConnector as _, VClusterProvisioner,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

#[derive(Debug)]
struct OnHost(VClusterProvisioner);

async fn config() -> kube::Config {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap()
}

/// The host as its administrator sees it.
async fn host() -> Client {
    Client::try_from(config().await).unwrap()
}

/// The host as Hexabase sees it, with no more rights than it asks for.
async fn as_hexabase() -> Client {
    let (admin, identity) = (host().await, HostIdentity::default());
    for object in host_access(&identity) {
        let Kind { group, version, plural, .. } = object.kind;
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let place = match object.namespace.as_str() {
            "" => String::new(),
            namespace => format!("namespaces/{namespace}/"),
        };
        let how = "fieldManager=admin&force=true&fieldValidation=Strict";
        let path = format!("{root}/{version}/{place}{plural}/{}?{how}", object.name);
        let (code, answer) = send(&admin, "PATCH", &path, &object.body).await;
        assert!([200, 201].contains(&code), "{}: {answer}", object.name);
    }
    let mut config = config().await;
    config.auth_info.impersonate =
        Some(format!("system:serviceaccount:{}:{}", identity.namespace, identity.name));
    Client::try_from(config).unwrap()
}

/// Sends a request, and answers the status code and the body.
async fn send(client: &Client, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let media_type = "application/apply-patch+yaml";
    let request = http::Request::builder().method(method).uri(path).header("content-type", media_type);
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = client.send(request.body(kube::client::Body::from(bytes)).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

impl OnHost {
    /// A provisioner on a host on which none of the suite's clusters is left.
    async fn start() -> Self {
        let client = host().await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in ["one", "two"] {
            let target = TenantTarget::of(&fixture::workspace(name));
            let _ = namespaces.delete(&target.name, &DeleteParams::default()).await;
            while namespaces.get_opt(&target.name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        let settings = HostSettings {
            // Where control planes are run with another store than the one they are configured with.
            store: std::env::var("HEXABASE_TEST_STORE").unwrap_or_else(|_| HostSettings::default().store),
            identity: Some(HostIdentity::default()),
            ..HostSettings::default()
        };
        Self(VClusterProvisioner::new(as_hexabase().await, Arc::new(ServiceConnector), settings))
    }
}

async fn make_namespace(client: Client, name: &str) {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..Default::default() };
    let namespace = Namespace { metadata, ..Default::default() };
    Api::all(client).create(&PostParams::default(), &namespace).await.unwrap();
}

#[async_trait]
impl ClusterHarness for OnHost {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &self.0
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        make_namespace(host().await, &target.name).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let access = self.0.admin_access(target).await.unwrap();
        let kubeconfig = access.kubeconfig.expose_secret().to_owned().into();
        make_namespace(ServiceConnector.connect(target, &kubeconfig).await.unwrap(), namespace.as_str())
            .await;
    }
}

mod on_a_real_cluster {
    use super::OnHost;

    hexabase_core::cluster_provisioner_conformance!(
        async { (OnHost::start().await, ()) },
        #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
    );
}

/// What the roles would allow, and the policy does not: to reach for namespaces that are no tenant's.
#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn hexabase_keeps_to_the_namespaces_of_tenants() {
    let hexabase = as_hexabase().await;
    let own = format!("bystander-{}", std::process::id());
    make_namespace(host().await, &own).await;
    let neighbour = format!("{own}-2");
    let namespace = |name: &str, labels: Value| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } });
    let adopted = namespace(&own, json!({ "hexabase.ai/workspace-id": "ws-x" }));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": "way-in" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "hexabase-tenant" },
        "subjects": [],
    });
    let bindings = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{own}/rolebindings/way-in");
    let attempts = [
        ("PATCH", bindings, binding),
        ("PATCH", format!("/api/v1/namespaces/{own}"), adopted),
        ("PATCH", format!("/api/v1/namespaces/{neighbour}"), namespace(&neighbour, json!({}))),
        ("DELETE", format!("/api/v1/namespaces/{own}"), Value::Null),
    ];
    for (method, path, body) in attempts {
        let path = format!("{path}?fieldManager=hexabase");
        let mut refused = String::new();
        // An API server takes a moment to hear of a policy; a dry run does no harm until then.
        for _ in 0..100 {
            let (code, answer) = send(&hexabase, method, &format!("{path}&dryRun=All"), &body).await;
            refused = answer["message"].as_str().unwrap_or_default().to_owned();
            if code == 403 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(refused.contains("of workspaces"), "{method} {path}: {refused}");
    }
    let namespaces: Api<Namespace> = Api::all(host().await);
    namespaces.delete(&own, &DeleteParams::default()).await.unwrap();
}
