//! Hosts without the host setup of this release receive no workspaces.

use std::sync::Arc;

use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::fixture;
use hexabase_core::name::Slug;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, Kind, Object, VClusterProvisioner};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::Service as _;

use super::host_setup::{eventually, get, sandbox_with, send};

/// Client of the sandbox's host that reports another platform, as real API servers do.
fn real_host(sandbox: &Sandbox) -> Client {
    let sandbox = sandbox.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let mut host = sandbox.host();
        async move {
            if request.uri().path() == "/version" {
                let version = json!({ "major": "1", "minor": "36", "platform": "linux/amd64" });
                return Ok::<_, Error>(http::Response::new(Body::from(version.to_string().into_bytes())));
            }
            let (head, body) = host.call(request).await.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            Ok(http::Response::from_parts(head, Body::from(bytes.to_vec())))
        }
    });
    Client::new(service, "default")
}

/// Host setup whose namespace has one changed annotation.
fn setup_with(annotation: &str, value: Value) -> Vec<Object> {
    let mut objects = host_setup(&HostConfig::default());
    for namespace in objects.iter_mut().filter(|object| object.kind == Kind::NAMESPACE) {
        namespace.body["metadata"]["annotations"][annotation] = value.clone();
    }
    objects
}

fn provisioner(sandbox: &Sandbox, config: HostConfig) -> Arc<VClusterProvisioner> {
    Arc::new(VClusterProvisioner::new(real_host(sandbox), sandbox.connector(), config))
}

#[tokio::test]
async fn a_host_without_the_host_setup_of_this_release_receives_no_workspaces() {
    let digest = "hexabase.ai/host-setup";
    for (setup, problem) in [
        (Vec::new(), "no host setup is applied"),
        (setup_with(digest, json!("0123456789abcdef")), "older than this release"),
    ] {
        let sandbox = sandbox_with(&setup).await;
        let provisioner = provisioner(&sandbox, HostConfig::default());
        let cluster = fixture::tenant_cluster("shop");
        for error in [provisioner.apply(&cluster).await.unwrap_err(), provisioner.ping().await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let message = error.message();
            assert!(
                message.contains(problem) && message.contains("hexabase host-setup | kubectl"),
                "{message}"
            );
        }
        let namespace = format!("/api/v1/namespaces/{}", cluster.target.name);
        assert_eq!(send(&sandbox.host_client(), "GET", &namespace, &Value::Null).await, 404);
    }
}

#[tokio::test]
async fn the_host_setup_of_this_and_of_newer_releases_is_accepted() {
    let mut newer = setup_with("hexabase.ai/host-setup", json!("0123456789abcdef"));
    newer[0].body["metadata"]["annotations"]["hexabase.ai/host-setup-release"] = json!("999.0.0");
    for setup in [host_setup(&HostConfig::default()), newer] {
        let sandbox = sandbox_with(&setup).await;
        let provisioner = provisioner(&sandbox, HostConfig::default());
        provisioner.ping().await.unwrap();
        provisioner.apply(&fixture::tenant_cluster("shop")).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_without_host_setup_is_used_if_the_configuration_says_so() {
    let mut config = HostConfig::default();
    config.set("host_setup", "optional").unwrap();
    let sandbox = sandbox_with(&[]).await;
    provisioner(&sandbox, config).apply(&fixture::tenant_cluster("shop")).await.unwrap();
    assert!(HostConfig::default().set("host_setup", "maybe").is_err());
}

#[tokio::test]
async fn a_host_with_the_setup_of_another_label_domain_is_refused() {
    let mut other = HostConfig::default();
    other.set("label_domain", "k8s.acme.example").unwrap();
    let mut optional = other.clone();
    optional.set("host_setup", "optional").unwrap();
    let cluster = fixture::tenant_cluster("shop");
    for (applied, config) in [
        (HostConfig::default(), other.clone()),
        (HostConfig::default(), optional),
        (other, HostConfig::default()),
    ] {
        let sandbox = sandbox_with(&host_setup(&applied)).await;
        let refused = provisioner(&sandbox, config.clone());
        // Not even a sandbox is used.
        let in_sandbox = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
        for error in [
            refused.ping().await.unwrap_err(),
            refused.apply(&cluster).await.unwrap_err(),
            in_sandbox.ping().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let remedy = format!("set label_domain to {}", applied.labels.domain());
            assert!(error.message().contains(&remedy), "{error}");
        }
        let namespace = format!("/api/v1/namespaces/{}", cluster.target.name);
        assert_eq!(send(&sandbox.host_client(), "GET", &namespace, &Value::Null).await, 404);
    }
}

#[tokio::test]
async fn existing_tenants_still_receive_changes_on_a_host_with_an_older_setup() {
    let sandbox = sandbox_with(&host_setup(&HostConfig::default())).await;
    let admin = sandbox.host_client();
    let mut cluster = fixture::tenant_cluster("shop");
    provisioner(&sandbox, HostConfig::default()).apply(&cluster).await.unwrap();
    let namespace = "/api/v1/namespaces/hexabase-system";
    let mut older = get(&admin, namespace).await;
    older["metadata"]["annotations"]["hexabase.ai/host-setup"] = json!("0123456789abcdef");
    assert_eq!(send(&admin, "PUT", namespace, &older).await, 200);
    cluster.workspace_name = Slug::parse("renamed").unwrap();
    let later = provisioner(&sandbox, HostConfig::default());
    eventually("change applied", || async {
        later.apply(&cluster).await?;
        let path = format!("/api/v1/namespaces/{}", cluster.target.name);
        Ok(get(&admin, &path).await["metadata"]["annotations"]["hexabase.ai/title"] == "renamed")
    })
    .await
    .unwrap();
}

/// Client of a host that responds to every request with a status.
fn host_that_responds(status: u16) -> Client {
    let service = tower::service_fn(move |_: http::Request<Body>| async move {
        let body = json!({ "kind": "Status", "code": status, "message": "rejected", "reason": "Forbidden" });
        let response = http::Response::builder().status(status);
        response.body(Body::from(body.to_string().into_bytes()))
    });
    Client::new(service, "default")
}

#[tokio::test]
async fn a_host_that_rejects_a_client_without_credentials_is_healthy() {
    let sandbox = sandbox_with(&[]).await;
    let new = |host: Client| VClusterProvisioner::new(host, sandbox.connector(), HostConfig::default());
    for status in [401, 403] {
        new(host_that_responds(status)).ping().await.unwrap_err();
        new(host_that_responds(status)).without_credentials().ping().await.unwrap();
    }
    new(host_that_responds(503)).without_credentials().ping().await.unwrap_err();
    // Without the host setup no client finds the host healthy.
    let error = new(real_host(&sandbox)).without_credentials().ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
