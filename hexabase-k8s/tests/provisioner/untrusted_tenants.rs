//! A compromised tenant API server does no harm beyond its own tenant.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::SecretString;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, ServiceConnector, TenantConnector, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::timeout;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::host_setup::{eventually, sandbox_with};

/// Maximum duration of a call that involves a compromised tenant.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Connector that leads to an attacker's server, by the attacker's kubeconfig, for one tenant.
#[derive(Debug)]
struct CompromisedConnector {
    compromised: TenantTarget,
    address: String,
    kubeconfig: SecretString,
    inner: Arc<dyn TenantConnector>,
}

#[async_trait]
impl TenantConnector for CompromisedConnector {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        match *target == self.compromised {
            true => {
                let host = HostConfig { address: self.address.clone(), ..HostConfig::default() };
                ServiceConnector::new(&host).connect(target, &self.kubeconfig).await
            }
            false => self.inner.connect(target, kubeconfig).await,
        }
    }
}

fn kubeconfig(server: &str, user: &Value) -> SecretString {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{ "name": "it", "cluster": { "server": server } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "users": [{ "name": "it", "user": user }],
    });
    kubeconfig.to_string().into()
}

/// Two ready tenants, the first of which is compromised later.
struct Tenants {
    compromised: TenantCluster,
    neighbour: TenantCluster,
    sandbox: Sandbox,
}

impl Tenants {
    async fn start() -> Self {
        let sandbox = sandbox_with(&[]).await;
        let (compromised, neighbour) = (fixture::tenant_cluster("evil"), fixture::tenant_cluster("good"));
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
        for tenant in [&compromised, &neighbour] {
            let applied = || async { provisioner.apply(tenant).await.map(|applied| applied.tenant) };
            eventually("applied", applied).await.unwrap();
        }
        Self { compromised, neighbour, sandbox }
    }

    /// Provisioner that reaches an attacker's server instead of the compromised tenant.
    fn provisioner(&self, address: String, kubeconfig: SecretString) -> VClusterProvisioner {
        let inner = self.sandbox.connector();
        let connector =
            CompromisedConnector { compromised: self.compromised.target.clone(), address, kubeconfig, inner };
        VClusterProvisioner::new(self.sandbox.host_client(), Arc::new(connector), HostConfig::default())
    }
}

/// Calls every operation on a tenant whose API server responds like this. Checks that each call ends in time, that
/// errors do not repeat the response in full, and that the neighbour is not affected.
async fn assert_contained(respond: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) {
    let tenants = Tenants::start().await;
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(respond).mount(&server).await;
    let provisioner =
        tenants.provisioner(server.uri(), kubeconfig(&server.uri(), &json!({ "token": "ours" })));

    let (compromised, neighbour) = (&tenants.compromised, &tenants.neighbour);
    let calls = async {
        let observed = timeout(CALL_TIMEOUT, provisioner.observe(&compromised.target)).await.unwrap();
        assert!(observed.is_ok(), "{observed:?}");
        for result in [
            timeout(CALL_TIMEOUT, provisioner.plan(compromised)).await.unwrap().map(drop),
            timeout(CALL_TIMEOUT, provisioner.apply(compromised)).await.unwrap().map(drop),
        ] {
            let error_text = result.map_or_else(|error| format!("{error} {error:?}"), |()| String::new());
            assert!(error_text.len() < 10_000, "the error is not truncated: {} bytes", error_text.len());
        }
        // Suspension and deletion do not depend on the tenant API server.
        timeout(CALL_TIMEOUT, provisioner.suspend(&compromised.target, FIXTURE_TIME)).await.unwrap().unwrap();
        timeout(CALL_TIMEOUT, provisioner.delete(&compromised.target)).await.unwrap().unwrap();
    };
    let neighbour_calls = async {
        let observed = provisioner.observe(&neighbour.target).await.unwrap();
        assert_eq!(observed.control_plane, ControlPlaneState::Ready);
        assert!(provisioner.plan(neighbour).await.unwrap().is_empty());
        assert!(provisioner.apply(neighbour).await.unwrap().tenant);
    };
    tokio::join!(calls, neighbour_calls);
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// Responds as expected to all requests except lists.
fn respond_except_to_lists(request: &Request, list: impl Fn() -> ResponseTemplate) -> ResponseTemplate {
    let is_list =
        request.method.as_str() == "GET" && request.url.query().is_some_and(|query| query.contains("limit="));
    match is_list {
        true => list(),
        false => ok(&json!({ "metadata": { "name": "default" } })),
    }
}

#[tokio::test]
async fn a_server_that_never_responds_is_contained() {
    assert_contained(|_| ResponseTemplate::new(200).set_delay(Duration::from_secs(3_600))).await;
}

#[tokio::test]
async fn a_server_that_rate_limits_for_a_day_is_contained() {
    assert_contained(|_| ResponseTemplate::new(429).insert_header("Retry-After", "86400")).await;
}

#[tokio::test]
async fn a_server_that_is_unavailable_for_a_day_is_contained() {
    assert_contained(|_| ResponseTemplate::new(503).insert_header("Retry-After", "86400")).await;
}

#[tokio::test]
async fn a_server_with_huge_error_bodies_is_contained() {
    assert_contained(|_| ResponseTemplate::new(500).set_body_string("no ".repeat(1 << 20))).await;
}

#[tokio::test]
async fn a_server_with_huge_status_messages_is_contained() {
    let status =
        json!({ "kind": "Status", "status": "Failure", "message": "no ".repeat(1 << 20), "code": 200 });
    assert_contained(move |_| ResponseTemplate::new(422).set_body_json(&status)).await;
}

#[tokio::test]
async fn a_server_that_redirects_is_contained() {
    let other_server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&other_server).await;
    let to = other_server.uri();
    assert_contained(move |_| ResponseTemplate::new(307).insert_header("Location", to.as_str())).await;
    other_server.verify().await;
}

#[tokio::test]
async fn a_server_with_endless_lists_is_contained() {
    let page = json!({ "items": ["a".repeat(1 << 20)], "metadata": { "continue": "more" } });
    assert_contained(move |request| respond_except_to_lists(request, || ok(&page))).await;
}

#[tokio::test]
async fn a_server_with_endless_empty_lists_is_contained() {
    let page = json!({ "items": [], "metadata": { "continue": "more" } });
    assert_contained(move |request| respond_except_to_lists(request, || ok(&page))).await;
}

#[tokio::test]
async fn a_server_with_malformed_lists_is_contained() {
    let items = [
        json!(7),
        json!({ "a": 1 }),
        json!([7, null, "a", [], { "metadata": [] }, { "metadata": { "name": 7, "labels": "none" } }]),
        json!([{ "metadata": { "name": "shop", "labels": { "hexabase.ai/managed": true } }, "status": [] }]),
    ];
    let request_count = std::sync::atomic::AtomicUsize::new(0);
    assert_contained(move |request| {
        let request_count = request_count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        respond_except_to_lists(request, || ok(&json!({ "items": items[request_count % items.len()] })))
    })
    .await;
}

#[tokio::test]
async fn a_server_that_responds_with_binary_data_is_contained() {
    assert_contained(|_| ResponseTemplate::new(200).set_body_bytes(vec![0xff; 100_000])).await;
}

#[tokio::test]
async fn a_server_with_deeply_nested_json_is_contained() {
    assert_contained(|_| ResponseTemplate::new(200).set_body_string("[".repeat(1 << 20))).await;
}

#[tokio::test]
async fn a_kubeconfig_cannot_run_programs_or_read_files() {
    let tenants = Tenants::start().await;
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(|_: &Request| ok(&json!({}))).mount(&server).await;
    let folder = tempfile::tempdir().unwrap();
    let (trace, token) = (folder.path().join("trace"), folder.path().join("token"));
    std::fs::write(&token, "a secret of the worker").unwrap();
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [trace],
        "interactiveMode": "Never",
    });
    for user in [json!({ "exec": exec }), json!({ "tokenFile": token })] {
        let provisioner = tenants.provisioner(server.uri(), kubeconfig(&server.uri(), &user));
        provisioner.observe(&tenants.compromised.target).await.unwrap();
    }
    assert!(!trace.exists(), "the kubeconfig ran a program");
    let requests = server.received_requests().await.unwrap();
    assert!(!requests.is_empty());
    assert!(
        requests.iter().all(|request| !request.headers.contains_key("authorization")),
        "the kubeconfig read a file"
    );
}

#[tokio::test]
async fn the_server_address_in_a_kubeconfig_is_ignored() {
    let tenants = Tenants::start().await;
    let (service_address, internal_server) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(|_: &Request| ok(&json!({}))).mount(&service_address).await;
    let kubeconfig = kubeconfig(&internal_server.uri(), &json!({ "token": "ours" }));
    let provisioner = tenants.provisioner(service_address.uri(), kubeconfig);
    provisioner.observe(&tenants.compromised.target).await.unwrap();
    assert!(!service_address.received_requests().await.unwrap().is_empty());
    assert!(
        internal_server.received_requests().await.unwrap().is_empty(),
        "the kubeconfig's server address was used"
    );
}

#[tokio::test]
async fn an_error_of_a_tenant_is_not_reported_as_an_internal_error() {
    let tenants = Tenants::start().await;
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(400)).mount(&server).await;
    let provisioner = tenants.provisioner(server.uri(), kubeconfig(&server.uri(), &json!({})));
    let error = provisioner.apply(&tenants.compromised).await.unwrap_err();
    assert_ne!(error.kind(), ErrorKind::Unexpected);
}
