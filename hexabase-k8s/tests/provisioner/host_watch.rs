//! The host watch: reconciles of unchanged tenants cost one request, and no change is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::fixture;
use hexabase_core::model::WaitReason;
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState, Observation};
use hexabase_k8s::render::{host_objects, host_setup};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, Kind, Object, VClusterProvisioner};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::host_setup::{
    config_with_exposure, get, install_definition, path, restricted_host, sandbox_with, send,
};

/// Ready tenant on a watched host.
struct WatchedTenant {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    tenant: TenantCluster,
    /// Number of requests to the host, watches included.
    request_count: Arc<AtomicUsize>,
    _watch: JoinSet<()>,
}

/// Lets the controllers of the sandbox and the host watch run.
async fn yield_briefly() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Provisioner with a running host watch that calls `on_change`, and its number of requests to the host.
fn start_host_watch(
    on_change: impl Fn(&TenantTarget) + Send + Sync + 'static,
    sandbox: &Sandbox,
    client: Client,
    host_config: HostConfig,
) -> (Arc<VClusterProvisioner>, Arc<AtomicUsize>, JoinSet<()>) {
    let request_count = Arc::new(AtomicUsize::new(0));
    let service = {
        let request_count = request_count.clone();
        tower::service_fn(move |request: http::Request<Body>| {
            request_count.fetch_add(1, Ordering::Relaxed);
            let client = client.clone();
            async move { client.send(request).await }
        })
    };
    let client = Client::new(service, "default");
    let provisioner = Arc::new(VClusterProvisioner::new(client, sandbox.connector(), host_config));
    let mut watch = JoinSet::new();
    let watcher = provisioner.clone();
    watch.spawn(async move { watcher.watch(&on_change).await });
    (provisioner, request_count, watch)
}

impl WatchedTenant {
    async fn start() -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        Self::on(sandbox.clone(), sandbox.host_client(), HostConfig::default()).await
    }

    /// Ready tenant on a host that the provisioner reaches by `client`.
    async fn on(sandbox: Sandbox, client: Client, host_config: HostConfig) -> Self {
        let (provisioner, request_count, watch) = start_host_watch(|_| (), &sandbox, client, host_config);
        let tenant = fixture::tenant_cluster("shop");
        while !provisioner.apply(&tenant).await.is_ok_and(|applied| applied.tenant) {
            yield_briefly().await;
        }
        // A tenant accepts writes before its pods are reported as ready.
        while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Ready {
            yield_briefly().await;
        }
        Self { sandbox, provisioner, tenant, request_count, _watch: watch }
    }

    /// Full comparison, as of a tenant without cached state.
    async fn compare_fully(&self) {
        let observed = self.provisioner.observe(&self.tenant.target).await.unwrap();
        assert_eq!(observed.control_plane, ControlPlaneState::Ready);
        assert_eq!(self.provisioner.plan(&self.tenant).await.unwrap(), []);
    }

    async fn is_unchanged(&self) -> bool {
        self.provisioner.unchanged(&self.tenant).await.unwrap().is_some()
    }

    /// Compares until the tenant is known to be unchanged.
    async fn wait_until_unchanged(&self) {
        for _ in 0..1_000 {
            self.compare_fully().await;
            if self.is_unchanged().await {
                return;
            }
            yield_briefly().await;
        }
        panic!("the tenant never becomes unchanged");
    }

    /// Waits until the host watch has reported a change.
    async fn wait_until_changed(&self, description: &str) {
        for _ in 0..1_000 {
            if !self.is_unchanged().await {
                return;
            }
            yield_briefly().await;
        }
        panic!("the host watch missed a change: {description}");
    }
}

#[tokio::test]
async fn an_unchanged_tenant_costs_one_request() {
    let watched = WatchedTenant::start().await;
    watched.wait_until_unchanged().await;
    let before = watched.request_count.load(Ordering::Relaxed);
    assert!(watched.is_unchanged().await);
    assert_eq!(watched.request_count.load(Ordering::Relaxed) - before, 1);
    let unchanged = watched.provisioner.unchanged(&watched.tenant).await.unwrap().unwrap();
    assert_eq!(unchanged, watched.provisioner.observe(&watched.tenant.target).await.unwrap());
}

#[tokio::test]
async fn every_change_on_the_host_is_detected() {
    let watched = WatchedTenant::start().await;
    let admin = watched.sandbox.host_client();
    for object in host_objects(&watched.tenant, &HostConfig::default()).unwrap() {
        watched.wait_until_unchanged().await;
        let object_path = format!("{}/{}", path(&object), object.name);
        let annotation = json!({ "metadata": { "annotations": { "example.com/touched": "true" } } });
        assert_eq!(merge(&admin, &object_path, &annotation).await, 200, "{object_path}");
        watched.wait_until_changed(&object_path).await;
    }
    watched.wait_until_unchanged().await;
    let secret = format!("/api/v1/namespaces/{0}/secrets/vc-{0}", watched.tenant.target.name);
    assert_eq!(merge(&admin, &secret, &json!({ "data": { "more": "bW9yZQ==" } })).await, 200);
    watched.wait_until_changed("a new kubeconfig").await;
    watched.wait_until_unchanged().await;
    let stray = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "stray", "labels": host_objects(&watched.tenant, &HostConfig::default()).unwrap()[0].body["metadata"]["labels"] },
    });
    let maps = format!("/api/v1/namespaces/{}/configmaps", watched.tenant.target.name);
    assert_eq!(send(&admin, "POST", &maps, &stray).await, 201);
    watched.wait_until_changed("a stray object").await;
}

async fn merge(client: &Client, object_path: &str, patch: &Value) -> u16 {
    let request = http::Request::patch(object_path).header("content-type", "application/merge-patch+json");
    client
        .send(request.body(Body::from(patch.to_string().into_bytes())).unwrap())
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_changed_desired_state_is_not_reported_as_unchanged() {
    let watched = WatchedTenant::start().await;
    watched.wait_until_unchanged().await;
    let larger =
        TenantCluster { isolation: hexabase_core::model::Isolation::Restricted, ..watched.tenant.clone() };
    assert_eq!(watched.provisioner.unchanged(&larger).await.unwrap(), None);
}

/// Failure of a watch request.
#[derive(Debug, Clone, Copy)]
enum WatchFault {
    /// Response 500.
    ServerError,
    /// Response 410: the resource version is too old.
    Expired,
    /// Stream with an error event about a resource version that is too old.
    ErrorEvent,
    /// Stream that ends at once.
    EmptyStream,
    /// Stream that ends within an event.
    TruncatedEvent,
    /// Stream that is not JSON.
    InvalidEvent,
}

fn expired_status() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old" })
}

impl WatchFault {
    const ALL: [Self; 6] = [
        Self::ServerError,
        Self::Expired,
        Self::ErrorEvent,
        Self::EmptyStream,
        Self::TruncatedEvent,
        Self::InvalidEvent,
    ];

    /// Response to the watch request.
    fn response(self) -> http::Response<Body> {
        let response = |code: u16, body: String| {
            let response = http::Response::builder().status(code).header("content-type", "application/json");
            response.body(Body::from(body.into_bytes())).unwrap()
        };
        match self {
            Self::ServerError => response(500, "internal error".to_owned()),
            Self::Expired => response(410, expired_status().to_string()),
            Self::ErrorEvent => {
                response(200, format!("{}\n", json!({ "type": "ERROR", "object": expired_status() })))
            }
            Self::EmptyStream => response(200, String::new()),
            Self::TruncatedEvent => response(200, r#"{"type":"MODIFIED","obj"#.to_owned()),
            Self::InvalidEvent => response(200, "<html></html>\n".to_owned()),
        }
    }
}

/// Client of the host for which every other watch fails.
fn host_with_watch_faults(sandbox: &Sandbox, fault: WatchFault) -> Client {
    let (host, watch_count) = (sandbox.host_client(), Arc::new(AtomicUsize::new(0)));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let is_faulty = is_watch && watch_count.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let host = host.clone();
        async move { if is_faulty { Ok(fault.response()) } else { host.send(request).await } }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn a_failing_watch_hides_no_change() {
    for fault in WatchFault::ALL {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        let host = host_with_watch_faults(&sandbox, fault);
        let watched = WatchedTenant::on(sandbox, host, HostConfig::default()).await;
        let admin = watched.sandbox.host_client();
        for attempt in 0..5 {
            // Failed watches are retried within this time.
            tokio::time::sleep(Duration::from_secs(30)).await;
            watched.wait_until_unchanged().await;
            let name = &watched.tenant.target.name;
            let service = format!("/api/v1/namespaces/{name}/services/{name}");
            let change = json!({ "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": 9_000 + attempt }] } });
            assert_eq!(merge(&admin, &service, &change).await, 200);
            watched.wait_until_changed(&format!("a change in spite of {fault:?}")).await;
            assert_ne!(watched.provisioner.plan(&watched.tenant).await.unwrap(), [], "{fault:?}");
            watched.provisioner.apply(&watched.tenant).await.unwrap();
            // Working watches end within this time, and the next ones fail.
            tokio::time::sleep(Duration::from_secs(400)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_tenant_is_compared_fully_every_30_minutes() {
    let watched = WatchedTenant::start().await;
    watched.wait_until_unchanged().await;
    tokio::time::sleep(Duration::from_secs(1_700)).await;
    assert!(watched.is_unchanged().await);
    tokio::time::sleep(Duration::from_secs(101)).await;
    assert!(!watched.is_unchanged().await);
}

const INGRESS: &str = "ingress/passthrough";
const GATEWAY: &str = "gateway/edge/tenants";

/// `true` if a tenant with this exposure becomes unchanged with these permissions.
async fn becomes_unchanged(access: Vec<Object>, exposure: &'static str) -> bool {
    let sandbox = sandbox_with(&access).await;
    install_definition(&sandbox, Kind::TLS_ROUTE).await;
    let host = Client::new(restricted_host(&sandbox), "default");
    let watched = WatchedTenant::on(sandbox, host, config_with_exposure(exposure)).await;
    let mut unchanged = 0;
    for _ in 0..20 {
        // Between a successful list and a rejected watch the cache looks complete for a moment.
        unchanged = if watched.is_unchanged().await { unchanged + 1 } else { 0 };
        if unchanged == 5 {
            return true;
        }
        watched.compare_fully().await;
        yield_briefly().await;
    }
    false
}

#[tokio::test]
async fn without_the_watch_permission_every_reconcile_compares_fully() {
    let mut access = host_setup(&HostConfig::default());
    for exposure in ["internal", INGRESS, GATEWAY] {
        assert!(becomes_unchanged(access.clone(), exposure).await);
    }
    access.retain(|object| object.name != "hexabase-watch");
    assert!(!becomes_unchanged(access, "internal").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_watched_kind_is_required_and_secrets_are_not_watched() {
    let access = host_setup(&HostConfig::default());
    let is_watch_role =
        |object: &Object| object.kind == Kind::CLUSTER_ROLE && object.name == "hexabase-watch";
    let role_index = access.iter().position(is_watch_role).unwrap();
    let rules = access[role_index].body["rules"].as_array().unwrap().clone();
    assert!(rules.iter().all(|rule| rule["resources"] != json!(["secrets"])));
    let mut runs = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        for (without, remaining_verb) in [("list", "watch"), ("watch", "list")] {
            let mut reduced = access.clone();
            reduced[role_index].body["rules"][number]["verbs"] = json!([remaining_verb]);
            let exposure = if rule["resources"] == json!(["tlsroutes"]) { GATEWAY } else { INGRESS };
            runs.push((
                format!("{without} {}", rule["resources"]),
                tokio::spawn(becomes_unchanged(reduced, exposure)),
            ));
        }
    }
    for (description, unchanged) in runs {
        assert!(!unchanged.await.unwrap(), "{description} is not required");
    }
}

/// Tenant that is created on a watched host, and reconciled when a notification or a poll interval demands it.
struct NewTenant {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    tenant: TenantCluster,
    request_count: Arc<AtomicUsize>,
    notifications: UnboundedReceiver<TenantTarget>,
    _watch: JoinSet<()>,
}

impl NewTenant {
    /// New tenant on a host whose control planes take `startup` to become ready.
    fn start(startup: Duration) -> Self {
        Self::on(SandboxOptions { startup, ..SandboxOptions::default() })
    }

    /// New tenant on a host with these delays.
    fn on(options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options);
        let client = sandbox.host_client();
        let (sender, notifications) = unbounded_channel();
        let sender = move |target: &TenantTarget| sender.send(target.clone()).unwrap();
        let (provisioner, request_count, watch) =
            start_host_watch(sender, &sandbox, client, HostConfig::default());
        let tenant = fixture::tenant_cluster("shop");
        Self { sandbox, provisioner, tenant, request_count, notifications, _watch: watch }
    }

    async fn observe(&self) -> Observation {
        self.provisioner.observe(&self.tenant.target).await.unwrap()
    }

    /// Waits until the next reconcile is due: for a notification if one is promised.
    async fn wait_for_requeue(&mut self, observation: &Observation) {
        match observation.will_notify {
            true => assert_eq!(self.notifications.recv().await.as_ref(), Some(&self.tenant.target)),
            false => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }

    /// Reconciles until the tenant is ready. Returns the number of observations that promised a notification.
    async fn reconcile_until_ready(&mut self) -> usize {
        let mut will_notify = 0;
        loop {
            let observation = self.observe().await;
            let applied = self.provisioner.apply(&self.tenant).await.unwrap();
            if observation.control_plane == ControlPlaneState::Ready && applied.tenant {
                return will_notify;
            }
            will_notify += usize::from(observation.will_notify);
            self.wait_for_requeue(&observation).await;
        }
    }

    async fn expect_notification(&mut self, object_path: &str) {
        let notification = tokio::time::timeout(Duration::from_secs(60), self.notifications.recv()).await;
        assert_eq!(
            notification.unwrap_or_else(|_| panic!("no notification of {object_path}")),
            Some(self.tenant.target.clone())
        );
    }

    /// Reconciles until the tenant has no drift and no notification is pending.
    async fn reconcile_until_clean(&mut self) {
        loop {
            self.reconcile_until_ready().await;
            yield_briefly().await;
            let no_notification = self.notifications.try_recv().is_err();
            if no_notification && self.provisioner.plan(&self.tenant).await.unwrap().is_empty() {
                return;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn progress_of_a_tenant_is_notified() {
    let mut new_tenant = NewTenant::start(Duration::from_secs(60));
    let start = tokio::time::Instant::now();
    assert!(new_tenant.reconcile_until_ready().await > 0);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(65), "{elapsed:?}");
    let requests = new_tenant.request_count.load(Ordering::Relaxed);
    assert!(requests < 150, "{requests} requests until the tenant was ready");
    assert!(new_tenant.observe().await.will_notify, "degradation of a ready tenant is notified, too");

    new_tenant.provisioner.delete(&new_tenant.tenant.target).await.unwrap();
    loop {
        let observation = new_tenant.observe().await;
        if observation.control_plane == ControlPlaneState::Absent {
            break;
        }
        new_tenant.wait_for_requeue(&observation).await;
    }
    new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
    assert!(matches!(new_tenant.observe().await.control_plane, ControlPlaneState::Starting(_)));
}

#[tokio::test(start_paused = true)]
async fn late_volumes_nodes_and_images_are_waits_that_end_at_once() {
    let (late, startup) = (Duration::from_secs(88), Duration::from_secs(1));
    let options = || SandboxOptions { startup, ..SandboxOptions::default() };
    for (options, reason) in [
        (SandboxOptions { volume_delay: late, ..options() }, WaitReason::VolumePending),
        (SandboxOptions { node_delay: late, ..options() }, WaitReason::NodePending),
        (SandboxOptions { image_delay: late, ..options() }, WaitReason::ImagePending),
    ] {
        let mut new_tenant = NewTenant::on(options);
        let (start, mut waits) = (tokio::time::Instant::now(), Vec::new());
        loop {
            let observation = new_tenant.observe().await;
            match &observation.control_plane {
                ControlPlaneState::Starting(wait) => waits.push(wait.reason),
                ControlPlaneState::Absent => {}
                ControlPlaneState::Ready => break,
                other => panic!("{reason}: {other:?}"),
            }
            new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
            new_tenant.wait_for_requeue(&observation).await;
            // The first wait of a pod starts a moment after its creation.
            yield_briefly().await;
        }
        let elapsed = start.elapsed();
        assert!(elapsed < late + startup + Duration::from_secs(2), "{reason}: {elapsed:?}");
        assert!(waits.len() < 100, "{reason}: {} observations", waits.len());
    }
}

#[tokio::test(start_paused = true)]
async fn objects_deleted_during_the_start_are_recreated() {
    let mut new_tenant = NewTenant::start(Duration::from_secs(20));
    new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
    let name = new_tenant.tenant.target.name.clone();
    let admin = new_tenant.sandbox.host_client();
    for object_path in [
        format!("/apis/apps/v1/namespaces/{name}/statefulsets/{name}"),
        format!("/api/v1/namespaces/{name}/services/{name}"),
    ] {
        // Earlier progress is notified first.
        while !new_tenant.observe().await.will_notify || {
            yield_briefly().await;
            new_tenant.notifications.try_recv().is_ok()
        } {}
        assert_eq!(send(&admin, "DELETE", &object_path, &json!({})).await, 200, "{object_path}");
        assert_eq!(
            new_tenant.notifications.recv().await.as_ref(),
            Some(&new_tenant.tenant.target),
            "{object_path}"
        );
        new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
        assert_eq!(send(&admin, "GET", &object_path, &json!({})).await, 200, "{object_path}");
    }
    new_tenant.reconcile_until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn deleted_objects_and_changed_network_policies_are_notified() {
    let mut new_tenant = NewTenant::start(Duration::ZERO);
    let admin = new_tenant.sandbox.host_client();
    let objects = host_objects(&new_tenant.tenant, &HostConfig::default()).unwrap();
    // Secrets are not watched. Deleting an object of the other kinds also removes objects that only a restarted tenant
    // creates again.
    let excluded = [Kind::NAMESPACE, Kind::SECRET, Kind::SERVICE, Kind::STATEFUL_SET];
    for object in objects.iter().filter(|object| !excluded.contains(&object.kind)) {
        let object_path = format!("{}/{}", path(object), object.name);
        new_tenant.reconcile_until_clean().await;
        assert_eq!(send(&admin, "DELETE", &object_path, &json!({})).await, 200, "{object_path}");
        new_tenant.expect_notification(&object_path).await;
        new_tenant.reconcile_until_clean().await;
        assert_eq!(send(&admin, "GET", &object_path, &json!({})).await, 200, "{object_path}");
        if object.kind == Kind::NETWORK_POLICY {
            let allow_all = json!({ "spec": { "ingress": [{}], "egress": [{}] } });
            assert_eq!(merge(&admin, &object_path, &allow_all).await, 200, "{object_path}");
            new_tenant.expect_notification(&object_path).await;
            new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
            assert_eq!(new_tenant.provisioner.plan(&new_tenant.tenant).await.unwrap(), []);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_a_kubeconfig_is_restarted_after_its_timeout() {
    let mut new_tenant = NewTenant::start(Duration::from_secs(10));
    let name = new_tenant.tenant.target.name.clone();
    let admin = new_tenant.sandbox.host_client();
    for resource in [format!("secrets/vc-{name}"), format!("services/{name}")] {
        new_tenant.reconcile_until_clean().await;
        let object_path = format!("/api/v1/namespaces/{name}/{resource}");
        assert_eq!(send(&admin, "DELETE", &object_path, &json!({})).await, 200, "{object_path}");
        let start = tokio::time::Instant::now();
        while new_tenant.observe().await.control_plane == ControlPlaneState::Ready {
            yield_briefly().await;
        }
        while new_tenant.observe().await.control_plane != ControlPlaneState::Ready {
            new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let elapsed = start.elapsed().as_secs();
        assert!((120..240).contains(&elapsed), "ready {elapsed} s after the deletion of {object_path}");
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_without_a_kubeconfig_back_off() {
    let mut new_tenant = NewTenant::start(Duration::ZERO);
    new_tenant.reconcile_until_clean().await;
    let name = new_tenant.tenant.target.name.clone();
    let admin = new_tenant.sandbox.host_client();
    let (secret, pod) = (
        format!("/api/v1/namespaces/{name}/secrets/vc-{name}"),
        format!("/api/v1/namespaces/{name}/pods/{name}-0"),
    );
    let (mut starts, mut uid) = (Vec::new(), Value::Null);
    let start = tokio::time::Instant::now();
    while start.elapsed() < Duration::from_secs(3_600) {
        send(&admin, "DELETE", &secret, &json!({})).await;
        new_tenant.provisioner.apply(&new_tenant.tenant).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        let now = get(&admin, &pod).await["metadata"]["uid"].take();
        if now != uid {
            starts.push(start.elapsed());
            uid = now;
        }
    }
    let intervals: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(intervals.len() >= 3 && intervals.is_sorted(), "{intervals:?}");
    assert!(intervals.len() <= 5, "{intervals:?}");
}

#[tokio::test]
async fn without_a_host_watch_nothing_is_notified() {
    let sandbox =
        Sandbox::start(SandboxOptions { startup: Duration::from_secs(60), ..SandboxOptions::default() });
    let provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
    let tenant = fixture::tenant_cluster("shop");
    provisioner.apply(&tenant).await.unwrap();
    let observed = provisioner.observe(&tenant.target).await.unwrap();
    assert!(matches!(observed.control_plane, ControlPlaneState::Starting(_)));
    assert!(!observed.will_notify);
}
