//! One pass over a cluster: it reads the host once, also when it finds drift, and changes between its reads and its writes
//! are neither overwritten nor missed.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::model::WaitReason;
use hexabase_core::provisioner::{Applied, ClusterProvisioner as _, ControlPlaneState, Converged};
use hexabase_core::secret::SecretString;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, TenantConnector, VClusterProvisioner};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower::BoxError;

use super::host_setup::{get, host_config, restricted_host, sandbox_with, send};

type Change = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Requests to a host and its tenants, and what happens during them.
#[derive(Default)]
struct Traffic {
    requests: Mutex<Vec<String>>,
    /// Change of another client before the first request to the host that starts with this text.
    change: Mutex<Option<(&'static str, Change)>>,
    /// Number of further requests to which the host responds; `None` for all.
    reachable_for: Mutex<Option<usize>>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Traffic")
    }
}

impl Traffic {
    /// Records a request, without those of watches. Returns `false` if the host is unreachable.
    async fn pass(&self, line: String) -> bool {
        if line.contains("watch=true") {
            return true;
        }
        let change = self.change.lock().unwrap().take_if(|(start, _)| line.starts_with(*start));
        self.requests.lock().unwrap().push(line);
        if let Some((_, change)) = change {
            change().await;
        }
        match self.reachable_for.lock().unwrap().as_mut() {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    fn client(
        self: &Arc<Self>,
        server: &'static str,
        api: impl Fn() -> Option<Client> + Send + Sync + 'static,
    ) -> Client {
        let traffic = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let (traffic, api) = (traffic.clone(), api());
            let line = format!("{server} {} {}", request.method(), request.uri());
            async move {
                let api = api.ok_or("connection refused")?;
                if !traffic.pass(line).await {
                    return Err(BoxError::from("connection refused"));
                }
                Ok(api.send(request).await?)
            }
        });
        Client::new(service, "default")
    }

    /// Returns the requests since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }

    /// Lets another client make a change before the first request to the host that starts with this text.
    fn change_before<F: Future<Output = ()> + Send + 'static>(
        &self,
        start: &'static str,
        change: impl FnOnce() -> F + Send + 'static,
    ) {
        *self.change.lock().unwrap() = Some((start, Box::new(|| Box::pin(change()))));
    }

    fn is_changed(&self) -> bool {
        self.change.lock().unwrap().is_none()
    }
}

/// Tenants of the current sandbox.
#[derive(Debug)]
struct Tenants {
    sandbox: Arc<Mutex<Sandbox>>,
    traffic: Arc<Traffic>,
}

#[async_trait]
impl TenantConnector for Tenants {
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        let (sandbox, name) = (self.sandbox.lock().unwrap().clone(), target.name.clone());
        Ok(self.traffic.client("tenant", move || Some(Client::new(sandbox.tenant(&name)?, "default"))))
    }
}

/// Provisioner with a host watch, whose requests are recorded.
struct Recorded {
    sandbox: Arc<Mutex<Sandbox>>,
    traffic: Arc<Traffic>,
    provisioner: Arc<VClusterProvisioner>,
    tenant: TenantCluster,
    _watch: JoinSet<()>,
}

async fn yield_briefly() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl Recorded {
    fn start(startup: Duration) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup, ..SandboxOptions::default() });
        Self::on(sandbox, |sandbox| sandbox.host_client(), HostConfig::default())
    }

    fn on(
        sandbox: Sandbox,
        host: impl Fn(&Sandbox) -> Client + Send + Sync + 'static,
        config: HostConfig,
    ) -> Self {
        let (sandbox, traffic) = (Arc::new(Mutex::new(sandbox)), Arc::<Traffic>::default());
        let current = sandbox.clone();
        let client = traffic.client("host", move || Some(host(&current.lock().unwrap())));
        let tenants = Arc::new(Tenants { sandbox: sandbox.clone(), traffic: traffic.clone() });
        let provisioner = Arc::new(VClusterProvisioner::new(client, tenants, config));
        let (mut watch, watcher) = (JoinSet::new(), provisioner.clone());
        watch.spawn(async move { watcher.watch(&|_| ()).await });
        Self { sandbox, traffic, provisioner, tenant: fixture::tenant_cluster("shop"), _watch: watch }
    }

    fn admin(&self) -> Client {
        self.sandbox.lock().unwrap().host_client()
    }

    async fn is_unchanged(&self) -> bool {
        self.provisioner.unchanged(&self.tenant).await.unwrap().is_some()
    }

    /// Reconciles until the tenant is known to be unchanged, as the reconciler does.
    async fn reconcile_until_unchanged(&self) {
        for _ in 0..2_000 {
            if self.is_unchanged().await {
                return;
            }
            match self.provisioner.converge(&self.tenant).await.map(|converged| converged.applied) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) | Err(error) if error.is_retryable() => {}
                failed => panic!("{failed:?}"),
            }
            yield_briefly().await;
        }
        panic!("the tenant never becomes unchanged");
    }

    /// Waits until the host watch has reported a change.
    async fn wait_until_changed(&self) {
        for _ in 0..1_000 {
            if !self.is_unchanged().await {
                return;
            }
            yield_briefly().await;
        }
        panic!("the host watch missed a change");
    }

    async fn converge(&self) -> Converged {
        self.provisioner.converge(&self.tenant).await.unwrap()
    }

    /// URL path of the objects of a kind, by its group and version, in the namespace of the tenant.
    fn path(&self, group: &str, plural: &str, name: &str) -> String {
        format!("{group}/namespaces/{}/{plural}/{name}", self.tenant.target.name)
    }

    fn network_policy(&self) -> String {
        self.path(
            "/apis/networking.k8s.io/v1",
            "networkpolicies",
            &format!("vc-cp-{}", self.tenant.target.name),
        )
    }

    fn stateful_set(&self) -> String {
        self.path("/apis/apps/v1", "statefulsets", &self.tenant.target.name)
    }
}

pub(crate) async fn merge(client: &Client, object_path: &str, patch: &Value) {
    let request = http::Request::patch(object_path).header("content-type", "application/merge-patch+json");
    let response = client.send(request.body(Body::from(patch.to_string().into_bytes())).unwrap()).await;
    assert_eq!(response.unwrap().status(), 200, "{object_path}");
}

fn applied(converged: Converged) -> Applied {
    converged.applied.unwrap().unwrap()
}

/// Fails if a pass has read anything twice. The host watch also reads the version of the host, when it starts.
fn assert_read_once(requests: &[String]) {
    let is_read = |request: &&String| request.contains(" GET ") && !request.ends_with(" /version");
    let mut reads: Vec<_> = requests.iter().filter(is_read).collect();
    reads.sort();
    let twice: Vec<_> = reads.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "read twice: {twice:?}");
}

#[tokio::test]
async fn a_repair_reads_the_host_and_the_tenant_once() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let admin = recorded.admin();
    let allow_all = json!({ "spec": { "ingress": [{}], "egress": [{}] } });
    merge(&admin, &recorded.network_policy(), &allow_all).await;
    recorded.wait_until_changed().await;

    recorded.traffic.take();
    assert!(!recorded.is_unchanged().await);
    let converged = recorded.converge().await;
    let drift = converged.drift.as_deref().unwrap();
    assert!(drift.iter().any(|entry| entry.object.starts_with("NetworkPolicy/")), "{drift:?}");
    assert_eq!(converged.observation.control_plane, ControlPlaneState::Ready);
    assert!(applied(converged).tenant);
    let requests = recorded.traffic.take();
    assert_read_once(&requests);
    let writes: Vec<_> = requests.iter().filter(|request| !request.contains(" GET ")).collect();
    assert!(writes.len() == 1 && writes[0].contains("PATCH"), "{writes:?}");
    // 63 and 40 when observation, comparison and application each read the cluster.
    let to_host = requests.iter().filter(|request| request.starts_with("host ")).count();
    let counted = (requests.len(), to_host);
    assert!(counted.0 <= 27 && counted.1 <= 16, "{counted:?}: {requests:#?}");

    let spec = get(&admin, &recorded.network_policy()).await["spec"].take();
    assert_ne!(spec["ingress"], json!([{}]));
    let converged = recorded.converge().await;
    assert_eq!(converged.drift.as_deref(), Some([].as_slice()));
    assert_read_once(&recorded.traffic.take());
    recorded.reconcile_until_unchanged().await;
    recorded.traffic.take();
    assert!(recorded.is_unchanged().await);
    assert_eq!(recorded.traffic.take().len(), 1);
}

#[tokio::test]
async fn every_pass_of_a_life_reads_nothing_twice() {
    let recorded = Recorded::start(Duration::from_millis(20));
    let target = &recorded.tenant.target;
    for _ in 0..2_000 {
        recorded.traffic.take();
        let converged = recorded.converge().await;
        assert_read_once(&recorded.traffic.take());
        let is_ready = converged.observation.control_plane == ControlPlaneState::Ready;
        if converged.applied.unwrap().unwrap().tenant && is_ready {
            break;
        }
        yield_briefly().await;
    }
    while recorded.provisioner.observe(target).await.unwrap().control_plane != ControlPlaneState::Stopped {
        recorded.traffic.take();
        recorded.provisioner.suspend(target, FIXTURE_TIME).await.unwrap();
        assert_read_once(&recorded.traffic.take());
        yield_briefly().await;
    }
    recorded.traffic.take();
    let converged = recorded.converge().await;
    assert_eq!(converged.observation.control_plane, ControlPlaneState::Stopped);
    assert_read_once(&recorded.traffic.take());
    recorded.reconcile_until_unchanged().await;
    let observed = recorded.provisioner.observe(target).await.unwrap();
    assert_eq!(observed.control_plane, ControlPlaneState::Ready);
}

#[tokio::test]
async fn a_control_plane_that_is_suspended_during_a_pass_stays_suspended() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let (admin, set) = (recorded.admin(), recorded.stateful_set());
    // A difference of the StatefulSet, without which the pass would not write it.
    let labels = json!({ "metadata": { "labels": { "release": "other" } } });
    merge(&admin, &set, &labels).await;
    recorded.wait_until_changed().await;
    recorded.traffic.change_before("host PATCH /apis/apps", {
        let (admin, set) = (admin.clone(), set.clone());
        async move || merge(&admin, &set, &json!({ "spec": { "replicas": 0 } })).await
    });
    recorded.traffic.take();
    let error = recorded.converge().await.applied.unwrap_err();
    assert!(recorded.traffic.is_changed());
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.is_retryable(), "the reconcile is repeated");
    let requests = recorded.traffic.take();
    assert_read_once(&requests);
    assert_eq!(requests.iter().filter(|request| request.contains("PATCH")).count(), 1, "{requests:#?}");
    assert_eq!(get(&admin, &set).await["spec"]["replicas"], 0);

    // The next pass observes the suspension and, since the tenant is to run, ends it.
    recorded.reconcile_until_unchanged().await;
    let found = get(&admin, &set).await;
    assert_eq!(found["spec"]["replicas"], 1);
    assert_ne!(found["metadata"]["labels"]["release"], "other");
}

#[tokio::test]
async fn an_object_that_changes_during_a_pass_is_applied_as_desired() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let (admin, policy) = (recorded.admin(), recorded.network_policy());
    for egress in [json!([{}]), json!([])] {
        merge(&admin, &policy, &json!({ "spec": { "egress": [{}] } })).await;
        recorded.wait_until_changed().await;
        let change = json!({ "spec": { "egress": egress } });
        recorded.traffic.change_before("host PATCH /apis/networking", {
            let (admin, policy) = (admin.clone(), policy.clone());
            async move || merge(&admin, &policy, &change).await
        });
        assert!(applied(recorded.converge().await).tenant);
        assert!(recorded.traffic.is_changed());
        let converged = recorded.converge().await;
        assert_eq!(converged.drift.as_deref(), Some([].as_slice()));
        recorded.reconcile_until_unchanged().await;
    }
}

#[tokio::test]
async fn an_object_that_is_deleted_after_it_was_read_is_created_by_the_next_pass() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let (admin, policy) = (recorded.admin(), recorded.network_policy());
    let service = recorded.path("/api/v1", "services", &recorded.tenant.target.name);
    let drift = json!({ "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 9_999 }] } });
    merge(&admin, &service, &drift).await;
    recorded.wait_until_changed().await;
    recorded.traffic.change_before("host PATCH /api/v1", {
        let (admin, policy) = (admin.clone(), policy.clone());
        async move || assert_eq!(send(&admin, "DELETE", &policy, &json!({})).await, 200)
    });
    assert!(applied(recorded.converge().await).tenant);
    assert!(recorded.traffic.is_changed());
    assert_eq!(send(&admin, "GET", &policy, &json!({})).await, 404, "the pass does not read it again");
    recorded.reconcile_until_unchanged().await;
    assert_eq!(send(&admin, "GET", &policy, &json!({})).await, 200);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_deleted_during_the_first_pass_is_created_while_the_tenant_starts() {
    let recorded = Recorded::start(Duration::from_secs(40));
    let (admin, policy) = (recorded.admin(), recorded.network_policy());
    recorded.traffic.change_before("host PATCH /apis/apps", {
        let (admin, policy) = (admin.clone(), policy.clone());
        async move || {
            // Once the host watch reports the deletion, only its revision shows that it followed the reads.
            assert_eq!(send(&admin, "DELETE", &policy, &json!({})).await, 200);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    assert!(!applied(recorded.converge().await).tenant);
    assert!(recorded.traffic.is_changed());
    assert_eq!(send(&admin, "GET", &policy, &json!({})).await, 404);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let converged = recorded.converge().await;
    assert!(matches!(converged.observation.control_plane, ControlPlaneState::Starting(_)));
    assert_eq!(send(&admin, "GET", &policy, &json!({})).await, 200);
}

#[tokio::test]
async fn a_host_that_becomes_unreachable_during_a_pass_is_repaired_when_it_returns() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let (admin, policy) = (recorded.admin(), recorded.network_policy());
    for reachable_for in 0.. {
        assert!(reachable_for < 100, "a pass has too many requests");
        merge(&admin, &policy, &json!({ "spec": { "egress": [{}] } })).await;
        recorded.wait_until_changed().await;
        recorded.traffic.take();
        *recorded.traffic.reachable_for.lock().unwrap() = Some(reachable_for);
        let converged = recorded.provisioner.converge(&recorded.tenant).await;
        *recorded.traffic.reachable_for.lock().unwrap() = None;
        let requests = recorded.traffic.take();
        assert_read_once(&requests);
        let is_complete = requests.len() <= reachable_for;
        match converged {
            Err(error) => assert!(error.is_retryable() && !is_complete, "{reachable_for}: {error:?}"),
            Ok(Converged { applied: Err(error), .. }) => {
                assert!(error.is_retryable() && !is_complete, "{reachable_for}: {error:?}");
            }
            Ok(converged) => assert!(is_complete || !applied(converged).tenant, "{reachable_for}"),
        }
        recorded.reconcile_until_unchanged().await;
        assert_ne!(get(&admin, &policy).await["spec"]["egress"], json!([{}]), "{reachable_for}");
        if is_complete {
            return;
        }
    }
}

#[tokio::test]
async fn nothing_known_of_a_host_is_used_on_another_one_at_its_address() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let former = recorded.sandbox.lock().unwrap().clone();
    *recorded.sandbox.lock().unwrap() =
        Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
    let before = get(&former.host_client(), &recorded.stateful_set()).await;
    assert!(!recorded.is_unchanged().await, "the new host has none of the Secrets");
    let converged = recorded.converge().await;
    assert_eq!(converged.observation.control_plane, ControlPlaneState::Absent);
    assert!(!applied(converged).tenant);
    for _ in 0..2_000 {
        let converged = recorded.converge().await;
        if converged.observation.control_plane == ControlPlaneState::Ready && applied(converged).tenant {
            break;
        }
        yield_briefly().await;
    }
    let inside = recorded.sandbox.lock().unwrap().tenant(&recorded.tenant.target.name).unwrap();
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/hexabase:workspace-admin";
    assert_eq!(send(&Client::new(inside, "default"), "GET", role, &Value::Null).await, 200);
    assert_eq!(get(&former.host_client(), &recorded.stateful_set()).await, before);
}

#[tokio::test]
async fn lost_permissions_in_a_namespace_are_restored_by_a_pass() {
    let sandbox = sandbox_with(&host_setup(&HostConfig::default())).await;
    let recorded =
        Recorded::on(sandbox, |sandbox| Client::new(restricted_host(sandbox), "default"), host_config());
    recorded.reconcile_until_unchanged().await;
    let binding = recorded.path("/apis/rbac.authorization.k8s.io/v1", "rolebindings", "hexabase");
    assert_eq!(send(&recorded.admin(), "DELETE", &binding, &Value::Null).await, 200);
    let converged = recorded.converge().await;
    let waiting = applied(converged).waiting.unwrap();
    assert_eq!(waiting.reason, WaitReason::PermissionsPending);
    recorded.reconcile_until_unchanged().await;
    assert_eq!(send(&recorded.admin(), "GET", &binding, &Value::Null).await, 200);
}

#[tokio::test]
async fn a_failure_inside_the_tenant_does_not_delay_repairs_on_the_host() {
    let recorded = Recorded::start(Duration::ZERO);
    recorded.reconcile_until_unchanged().await;
    let (admin, policy) = (recorded.admin(), recorded.network_policy());
    merge(&admin, &policy, &json!({ "spec": { "egress": [{}] } })).await;
    recorded.wait_until_changed().await;
    // The tenant API server stops after the observation.
    let sandbox = recorded.sandbox.lock().unwrap().clone();
    let name = recorded.tenant.target.name.clone();
    let stopped = Arc::new(AtomicUsize::new(0));
    recorded.traffic.change_before("tenant GET /api/v1/namespaces?", {
        let (stopped, pod) = (stopped.clone(), format!("/api/v1/namespaces/{name}/pods/{name}-0"));
        async move || {
            stopped.fetch_add(1, Ordering::Relaxed);
            send(&sandbox.host_client(), "DELETE", &pod, &json!({})).await;
        }
    });
    let converged = recorded.converge().await;
    assert_eq!(stopped.load(Ordering::Relaxed), 1);
    assert!(converged.drift.is_some_and(|drift| !drift.is_empty()));
    assert_ne!(get(&admin, &policy).await["spec"]["egress"], json!([{}]));
    recorded.reconcile_until_unchanged().await;
}
