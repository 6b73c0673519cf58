//! Triggers of reconciles: requests and change notifications of tenant clusters.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request};
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock, ManualClock, SystemClock};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::id::{OrganizationId, TypedId as _, WorkspaceId};
use hexabase_core::lifecycle::ReconcileIntervals;
use hexabase_core::model::{OrganizationRole, Phase, Workspace};
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::PlatformConfig;
use hexabase_core::provisioner::{ClusterProvisioner, Fleet, MemoryProvisioner};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use kube::Client;
use serde_json::Value;

const ISSUER: &str = "https://hexabase.example";
const HOUR: Duration = Duration::from_secs(3_600);
/// Maximum duration of a workspace lifecycle.
const LIFECYCLE_TIMEOUT: Duration = Duration::from_secs(60);

/// User with one workspace.
struct Setup {
    platform: Platform,
    ann: Caller,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl Setup {
    async fn new(
        cluster: Arc<dyn ClusterProvisioner>,
        clock: Arc<dyn Clock>,
        intervals: ReconcileIntervals,
    ) -> Self {
        let name = HostClusterName::parse("east").unwrap();
        let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
        let platform = Platform::builder(ISSUER)
            .with_plans(vec![fixture::plan("small")])
            .with_clock(clock)
            .with_fleet(Fleet::new().with(host, cluster))
            .with_config(PlatformConfig { intervals, ..PlatformConfig::new(ISSUER) })
            .build()
            .unwrap();
        let (acme, ann) = (fixture::organization("acme"), fixture::user("ann"));
        let owner = fixture::member(acme.id, ann.id, OrganizationRole::Owner);
        let changeset = Changeset::new().insert(acme.clone()).insert(ann.clone()).insert(owner);
        platform.store().commit(changeset).await.unwrap();
        let ann = Caller::for_user(ann.id);
        let order = fixture::create_workspace("shop", &platform.plans().default_plan().id);
        let created = platform.workspaces().create(&ann, acme.id, &order).await.unwrap();
        Self { platform, ann, organization: acme.id, workspace: created.value.workspace.id }
    }

    async fn load_workspace(&self) -> Workspace {
        let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
        found.unwrap().unwrap()
    }

    /// Waits until the workspace is in this phase, or deleted for `None`.
    async fn wait_for_phase(&self, expected: Option<Phase>) {
        self.wait_until(async || {
            let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
            (found.unwrap().map(|workspace| workspace.status.phase) == expected).then_some(())
        })
        .await;
    }

    /// Waits until `condition` returns a value. It is checked after each committed event.
    async fn wait_until<T>(&self, condition: impl AsyncFn() -> Option<T>) {
        loop {
            let event = self.platform.event_committed(self.organization);
            if condition().await.is_some() {
                return;
            }
            event.await;
        }
    }
}

/// Response of the host, or `None` for an error.
async fn request(host: &Client, method: Method, path: &str) -> Option<Value> {
    let http_request = Request::builder().method(method).uri(path).body(Vec::new()).unwrap();
    host.request(http_request).await.ok()
}

#[tokio::test]
async fn repeated_changes_leave_one_queued_reconcile() {
    let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
    let cluster = Arc::new(MemoryProvisioner::new(clock.clone(), HOUR));
    let setup = Setup::new(cluster, clock.clone(), ReconcileIntervals::default()).await;
    let worker = Worker::new(setup.platform.clone(), 8);
    let workspaces = setup.platform.workspaces();
    for _ in 0..5 {
        workspaces.suspend(&setup.ann, setup.organization, setup.workspace).await.unwrap();
        worker.run_once().await.unwrap();
        workspaces.resume(&setup.ann, setup.organization, setup.workspace).await.unwrap();
        worker.run_once().await.unwrap();
    }
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        worker.run_once().await.unwrap();
    }
    assert_eq!(setup.load_workspace().await.status.phase, Phase::Resuming);
    assert_eq!(setup.platform.queue().depth().await.unwrap(), 1);
}

#[tokio::test]
async fn a_workspace_is_reconciled_when_its_cluster_progresses_or_degrades() {
    let sandbox = Sandbox::start(SandboxOptions::default());
    let config = HostConfig { endpoint: sandbox.endpoint(), ..HostConfig::default() };
    let cluster = Arc::new(VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config));
    // Polling intervals are longer than this test, so that only notifications trigger reconciles.
    let intervals =
        ReconcileIntervals { longest_poll: HOUR, notified_poll: HOUR, ..ReconcileIntervals::default() };
    let setup = Setup::new(cluster, Arc::new(SystemClock), intervals).await;
    let worker = Worker::new(setup.platform.clone(), 8);
    let worker_task = tokio::spawn(async move { worker.run(std::future::pending()).await });
    let lifecycle = async {
        setup.wait_for_phase(Some(Phase::Ready)).await;
        let name = setup.workspace.kubernetes_name();
        let host = sandbox.host_client();
        let control_plane = format!("/apis/apps/v1/namespaces/{name}/statefulsets/{name}");
        request(&host, Method::DELETE, &control_plane).await.unwrap();
        setup.wait_for_phase(Some(Phase::Degraded)).await;
        setup.wait_for_phase(Some(Phase::Ready)).await;

        let network_policy =
            format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/default-deny");
        request(&host, Method::DELETE, &network_policy).await.unwrap();
        setup.wait_until(async || request(&host, Method::GET, &network_policy).await).await;
        let workspaces = setup.platform.workspaces();
        workspaces.delete(&setup.ann, setup.organization, setup.workspace, None).await.unwrap();
        setup.wait_for_phase(None).await;
    };
    tokio::time::timeout(LIFECYCLE_TIMEOUT, lifecycle).await.unwrap();
    worker_task.abort();
}
