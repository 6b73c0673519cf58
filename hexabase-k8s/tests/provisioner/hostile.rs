//! A control plane that somebody has taken over does no harm beyond its own tenant.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::{self, THEN};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::SecretString;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostSettings, ServiceConnector, TenantConnector, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::timeout;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::host_setup::{prepared, until};

/// How long anything may be held up by a tenant.
const PATIENCE: Duration = Duration::from_secs(60);

/// Leads to somebody else's server instead of one tenant, by the kubeconfig that they wrote.
#[derive(Debug)]
struct TakenOver {
    victim: TenantTarget,
    address: String,
    kubeconfig: SecretString,
    others: Arc<dyn TenantConnector>,
}

#[async_trait]
impl TenantConnector for TakenOver {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        match *target == self.victim {
            true => {
                let host = HostSettings { address: self.address.clone(), ..HostSettings::default() };
                ServiceConnector::new(&host).connect(target, &self.kubeconfig).await
            }
            false => self.others.connect(target, kubeconfig).await,
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

/// Two tenants that are ready.
struct Tenants {
    evil: TenantCluster,
    good: TenantCluster,
    sandbox: Sandbox,
}

impl Tenants {
    async fn start() -> Self {
        let sandbox = prepared(&[]).await;
        let (evil, good) = (fixture::tenant_cluster("evil"), fixture::tenant_cluster("good"));
        let honest =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
        for tenant in [&evil, &good] {
            let applied = || async { honest.apply(tenant).await.map(|applied| applied.tenant) };
            until("applied", applied).await.unwrap();
        }
        Self { evil, good, sandbox }
    }

    /// A provisioner that meets somebody else in the place of the evil one.
    fn provisioner(&self, address: String, kubeconfig: SecretString) -> VClusterProvisioner {
        let others = self.sandbox.connector();
        let connector = TakenOver { victim: self.evil.target.clone(), address, kubeconfig, others };
        VClusterProvisioner::new(self.sandbox.host_client(), Arc::new(connector), HostSettings::default())
    }
}

/// Does everything that is done with a tenant while its API server answers like this, and sees that it comes to an end,
/// that little is asked, and that its neighbour is well.
async fn harmless(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) {
    let tenants = Tenants::start().await;
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let provisioner =
        tenants.provisioner(server.uri(), kubeconfig(&server.uri(), &json!({ "token": "ours" })));

    let (evil, good) = (&tenants.evil, &tenants.good);
    let meddling = async {
        let observed = timeout(PATIENCE, provisioner.observe(&evil.target)).await.unwrap();
        assert!(observed.is_ok(), "{observed:?}");
        for outcome in [
            timeout(PATIENCE, provisioner.plan(evil)).await.unwrap().map(drop),
            timeout(PATIENCE, provisioner.apply(evil)).await.unwrap().map(drop),
        ] {
            let said = outcome.map_or_else(|error| format!("{error} {error:?}"), |()| String::new());
            assert!(said.len() < 10_000, "it is repeated in full: {} bytes", said.len());
        }
        // These need nothing of it.
        timeout(PATIENCE, provisioner.suspend(&evil.target, THEN)).await.unwrap().unwrap();
        timeout(PATIENCE, provisioner.delete(&evil.target)).await.unwrap().unwrap();
    };
    let neighbour = async {
        let observed = provisioner.observe(&good.target).await.unwrap();
        assert_eq!(observed.control_plane, ControlPlaneState::Ready);
        assert!(provisioner.plan(good).await.unwrap().is_empty());
        assert!(provisioner.apply(good).await.unwrap().tenant);
    };
    tokio::join!(meddling, neighbour);
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

/// Answers well as long as no list is asked for.
fn well_but_for_lists(request: &Request, list: impl Fn() -> ResponseTemplate) -> ResponseTemplate {
    let is_list =
        request.method.as_str() == "GET" && request.url.query().is_some_and(|query| query.contains("limit="));
    match is_list {
        true => list(),
        false => ok(&json!({ "metadata": { "name": "default" } })),
    }
}

#[tokio::test]
async fn one_that_does_not_answer() {
    harmless(|_| ResponseTemplate::new(200).set_delay(Duration::from_secs(3_600))).await;
}

#[tokio::test]
async fn one_that_says_to_come_back_tomorrow() {
    harmless(|_| ResponseTemplate::new(429).insert_header("Retry-After", "86400")).await;
}

#[tokio::test]
async fn one_that_is_away_until_tomorrow() {
    harmless(|_| ResponseTemplate::new(503).insert_header("Retry-After", "86400")).await;
}

#[tokio::test]
async fn one_that_complains_at_length() {
    harmless(|_| ResponseTemplate::new(500).set_body_string("no ".repeat(1 << 20))).await;
}

#[tokio::test]
async fn one_that_complains_at_length_in_the_proper_form() {
    let status =
        json!({ "kind": "Status", "status": "Failure", "message": "no ".repeat(1 << 20), "code": 200 });
    harmless(move |_| ResponseTemplate::new(422).set_body_json(&status)).await;
}

#[tokio::test]
async fn one_that_sends_elsewhere() {
    let elsewhere = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).expect(0).mount(&elsewhere).await;
    let to = elsewhere.uri();
    harmless(move |_| ResponseTemplate::new(307).insert_header("Location", to.as_str())).await;
    elsewhere.verify().await;
}

#[tokio::test]
async fn one_with_endless_lists() {
    let page = json!({ "items": ["a".repeat(1 << 20)], "metadata": { "continue": "more" } });
    harmless(move |request| well_but_for_lists(request, || ok(&page))).await;
}

#[tokio::test]
async fn one_with_endless_empty_lists() {
    let page = json!({ "items": [], "metadata": { "continue": "more" } });
    harmless(move |request| well_but_for_lists(request, || ok(&page))).await;
}

#[tokio::test]
async fn one_with_lists_of_something_else() {
    let items = [
        json!(7),
        json!({ "a": 1 }),
        json!([7, null, "a", [], { "metadata": [] }, { "metadata": { "name": 7, "labels": "none" } }]),
        json!([{ "metadata": { "name": "shop", "labels": { "hexabase.ai/managed": true } }, "status": [] }]),
    ];
    let turn = std::sync::atomic::AtomicUsize::new(0);
    harmless(move |request| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        well_but_for_lists(request, || ok(&json!({ "items": items[turn % items.len()] })))
    })
    .await;
}

#[tokio::test]
async fn one_that_answers_in_no_language() {
    harmless(|_| ResponseTemplate::new(200).set_body_bytes(vec![0xff; 100_000])).await;
}

#[tokio::test]
async fn one_that_nests_without_end() {
    harmless(|_| ResponseTemplate::new(200).set_body_string("[".repeat(1 << 20))).await;
}

#[tokio::test]
async fn a_kubeconfig_runs_no_program_and_reads_no_file() {
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
        provisioner.observe(&tenants.evil.target).await.unwrap();
    }
    assert!(!trace.exists(), "a program was run");
    let asked = server.received_requests().await.unwrap();
    assert!(!asked.is_empty());
    assert!(asked.iter().all(|request| !request.headers.contains_key("authorization")), "a file was read");
}

#[tokio::test]
async fn a_kubeconfig_does_not_say_where_its_tenant_is() {
    let tenants = Tenants::start().await;
    let (place, inside_the_network) = (MockServer::start().await, MockServer::start().await);
    Mock::given(any()).respond_with(|_: &Request| ok(&json!({}))).mount(&place).await;
    let elsewhere = kubeconfig(&inside_the_network.uri(), &json!({ "token": "ours" }));
    let provisioner = tenants.provisioner(place.uri(), elsewhere);
    provisioner.observe(&tenants.evil.target).await.unwrap();
    assert!(!place.received_requests().await.unwrap().is_empty());
    assert!(inside_the_network.received_requests().await.unwrap().is_empty(), "it was led elsewhere");
}

#[tokio::test]
async fn what_a_tenant_says_is_not_taken_for_a_fault_of_ours() {
    let tenants = Tenants::start().await;
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(400)).mount(&server).await;
    let provisioner = tenants.provisioner(server.uri(), kubeconfig(&server.uri(), &json!({})));
    let refused = provisioner.apply(&tenants.evil).await.unwrap_err();
    assert_ne!(refused.kind(), ErrorKind::Unexpected);
}
