//! A compromised tenant API server does no harm beyond its own tenant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::SecretString;
use hexabase_k8s::render::host_objects;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, ServiceConnector, TenantConnector, VClusterProvisioner};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::host_setup::{eventually, get, sandbox_with, send};

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

/// Number of ConfigMaps of a tenant that carry the labels of Hexabase.
const LABELLED_CONFIG_MAPS: usize = 2_000;

/// Traffic of a client since it was last reset.
#[derive(Debug, Default)]
struct Traffic {
    requests: AtomicUsize,
    /// Bytes of responses, except those of watches.
    response_bytes: AtomicUsize,
    /// Bytes of watches.
    watch_bytes: AtomicUsize,
}

impl Traffic {
    fn reset(&self) {
        for counter in [&self.requests, &self.response_bytes, &self.watch_bytes] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Client of the host whose traffic is counted, watches included.
fn counting_client(sandbox: &Sandbox) -> (Client, Arc<Traffic>) {
    let (client, traffic) = (sandbox.host_client(), Arc::new(Traffic::default()));
    let service = {
        let traffic = traffic.clone();
        tower::service_fn(move |request: http::Request<Body>| {
            let (client, traffic) = (client.clone(), traffic.clone());
            async move {
                traffic.requests.fetch_add(1, Ordering::Relaxed);
                let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
                let response = client.send(request).await?;
                Ok::<_, kube::Error>(response.map(|body| {
                    body.map_frame(move |frame| {
                        let bytes = frame.data_ref().map_or(0, |data| data.len());
                        let counter = if is_watch { &traffic.watch_bytes } else { &traffic.response_bytes };
                        counter.fetch_add(bytes, Ordering::Relaxed);
                        frame
                    })
                }))
            }
        })
    };
    (Client::new(service, "default"), traffic)
}

/// ConfigMap that a tenant labelled like an object of Hexabase, as the syncer copies it to the host.
fn labelled_config_map(tenant: &TenantCluster, number: usize) -> Value {
    let mut labels =
        host_objects(tenant, &HostConfig::default()).unwrap()[0].body["metadata"]["labels"].clone();
    labels["vcluster.loft.sh/managed-by"] = json!(tenant.target.name);
    labels["vcluster.loft.sh/namespace"] = json!("shop");
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": format!("map-{number}-x-shop-x-{}", tenant.target.name), "labels": labels },
        "data": { "text": "a".repeat(1_000) },
    })
}

/// Ready tenant on a host whose provisioner has a counting client.
async fn counted_tenant() -> (Sandbox, Arc<VClusterProvisioner>, Arc<Traffic>, TenantCluster) {
    let sandbox = sandbox_with(&[]).await;
    let (client, traffic) = counting_client(&sandbox);
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), HostConfig::default());
    let tenant = fixture::tenant_cluster("shop");
    eventually("applied", || async { provisioner.apply(&tenant).await.map(|applied| applied.tenant) })
        .await
        .unwrap();
    eventually("clean", || async { Ok(provisioner.plan(&tenant).await?.is_empty()) }).await.unwrap();
    (sandbox, Arc::new(provisioner), traffic, tenant)
}

#[tokio::test]
async fn synced_objects_with_labels_of_hexabase_are_neither_listed_nor_deleted() {
    let (sandbox, provisioner, traffic, tenant) = counted_tenant().await;
    let reconcile = || async {
        traffic.reset();
        assert_eq!(provisioner.plan(&tenant).await.unwrap(), []);
        assert!(provisioner.apply(&tenant).await.unwrap().tenant);
        (traffic.requests.load(Ordering::Relaxed), traffic.response_bytes.load(Ordering::Relaxed))
    };
    let before = reconcile().await;
    let admin = sandbox.host_client();
    let config_maps = format!("/api/v1/namespaces/{}/configmaps", tenant.target.name);
    let existing = get(&admin, &config_maps).await["items"].as_array().unwrap().len();
    for number in 0..LABELLED_CONFIG_MAPS {
        assert_eq!(send(&admin, "POST", &config_maps, &labelled_config_map(&tenant, number)).await, 201);
    }
    let after = reconcile().await;
    assert_eq!(after.0, before.0, "requests");
    assert!(after.1 < before.1 + 10_000, "{} bytes instead of {}", after.1, before.1);
    let left = get(&admin, &config_maps).await["items"].as_array().unwrap().len();
    assert_eq!(left, existing + LABELLED_CONFIG_MAPS);
}

#[tokio::test]
async fn synced_objects_with_labels_of_hexabase_are_not_watched() {
    let (sandbox, provisioner, traffic, tenant) = counted_tenant().await;
    let mut watch = JoinSet::new();
    let watching = provisioner.clone();
    watch.spawn(async move { watching.watch(&|_| ()).await });
    let is_unchanged = || async { Ok(provisioner.unchanged(&tenant).await?.is_some()) };
    eventually("unchanged", || async {
        provisioner.observe(&tenant.target).await?;
        provisioner.plan(&tenant).await?;
        is_unchanged().await
    })
    .await
    .unwrap();

    traffic.reset();
    let admin = sandbox.host_client();
    let config_maps = format!("/api/v1/namespaces/{}/configmaps", tenant.target.name);
    for number in 0..LABELLED_CONFIG_MAPS {
        assert_eq!(send(&admin, "POST", &config_maps, &labelled_config_map(&tenant, number)).await, 201);
    }
    assert!(is_unchanged().await.unwrap());
    // A watch reports the changes of a kind in their order, so the others have passed once this one is seen.
    let mut own = labelled_config_map(&tenant, LABELLED_CONFIG_MAPS);
    own["metadata"]["labels"].as_object_mut().unwrap().remove("vcluster.loft.sh/managed-by");
    assert_eq!(send(&admin, "POST", &config_maps, &own).await, 201);
    eventually("the stray object is seen", || async { Ok(!is_unchanged().await?) }).await.unwrap();
    let watched = traffic.watch_bytes.load(Ordering::Relaxed);
    assert!(watched < 10_000, "{watched} bytes");
}
