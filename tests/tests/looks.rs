//! When workers look at workspaces: when something was asked for, when a cluster moves, and now and then.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, Request};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock, ManualClock, SystemClock};
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::id::{OrganizationId, SessionId, TypedId as _, WorkspaceId};
use hexabase_core::lifecycle::Pace;
use hexabase_core::model::{OrganizationRole, Phase, Workspace};
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::Settings;
use hexabase_core::provisioner::{ClusterProvisioner, Fleet, MemoryProvisioner};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use kube::Client;
use serde_json::Value;

const ISSUER: &str = "https://hexabase.example";
const HOUR: Duration = Duration::from_secs(3_600);
/// Time enough for all that is quick.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody with one workspace.
struct Shop {
    platform: Platform,
    ann: Caller,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl Shop {
    async fn open(cluster: Arc<dyn ClusterProvisioner>, clock: Arc<dyn Clock>, pace: Pace) -> Self {
        let name = HostClusterName::parse("east").unwrap();
        let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
        let platform = Platform::builder(ISSUER)
            .with_plans(vec![fixture::plan("small")])
            .with_clock(clock)
            .with_fleet(Fleet::new().with(host, cluster))
            .with_settings(Settings { pace, ..Settings::new(ISSUER) })
            .build()
            .unwrap();
        let (acme, ann) = (fixture::organization("acme"), fixture::user("ann"));
        let owner = fixture::member(acme.id, ann.id, OrganizationRole::Owner);
        let changeset = Changeset::new().insert(acme.clone()).insert(ann.clone()).insert(owner);
        platform.store().commit(changeset).await.unwrap();
        let credential = Credential::Session(id::<SessionId>("ann"));
        let ann = Caller::new(Principal { user_id: ann.id, credential });
        let wanted = fixture::order("shop", &platform.plans().first().id);
        let bought = platform.workspaces().create(&ann, acme.id, &wanted).await.unwrap();
        Self { platform, ann, organization: acme.id, workspace: bought.value.workspace.id }
    }

    async fn now(&self) -> Workspace {
        let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
        found.unwrap().unwrap()
    }

    /// Waits until the workspace is in this phase, or gone.
    async fn is(&self, wanted: Option<Phase>) {
        self.moves_until(async || {
            let found = self.platform.store().find_workspace(self.organization, self.workspace).await;
            (found.unwrap().map(|workspace| workspace.status.phase) == wanted).then_some(())
        })
        .await;
    }

    /// Waits until there is something, looking whenever something was reported.
    async fn moves_until<T>(&self, there: impl AsyncFn() -> Option<T>) {
        loop {
            let moved = self.platform.moved();
            if there().await.is_some() {
                return;
            }
            moved.await;
        }
    }
}

/// What a host answers, if it has it.
async fn ask(host: &Client, method: Method, place: &str) -> Option<Value> {
    let request = Request::builder().method(method).uri(place).body(Vec::new()).unwrap();
    host.request(request).await.ok()
}

#[tokio::test]
async fn however_often_a_workspace_is_changed_one_look_at_it_waits() {
    let clock = Arc::new(ManualClock::new(THEN));
    let cluster = Arc::new(MemoryProvisioner::new(clock.clone(), HOUR));
    let shop = Shop::open(cluster, clock.clone(), Pace::default()).await;
    let worker = Worker::new(shop.platform.clone(), 8);
    let workspaces = shop.platform.workspaces();
    for _ in 0..5 {
        workspaces.suspend(&shop.ann, shop.organization, shop.workspace).await.unwrap();
        worker.turn().await.unwrap();
        workspaces.resume(&shop.ann, shop.organization, shop.workspace).await.unwrap();
        worker.turn().await.unwrap();
    }
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        worker.turn().await.unwrap();
    }
    assert_eq!(shop.now().await.status.phase, Phase::Resuming);
    assert_eq!(shop.platform.queue().depth().await.unwrap(), 1);
}

#[tokio::test]
async fn a_workspace_is_looked_at_when_its_cluster_gets_further_or_comes_to_harm() {
    let sandbox = Sandbox::start(SandboxOptions::default());
    let settings = HostSettings { endpoint: sandbox.endpoint(), ..HostSettings::default() };
    let cluster = Arc::new(VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), settings));
    // What is announced is not looked at by the clock while this test lasts.
    let pace = Pace { longest_poll: HOUR, announced_poll: HOUR, ..Pace::default() };
    let shop = Shop::open(cluster, Arc::new(SystemClock), pace).await;
    let worker = Worker::new(shop.platform.clone(), 8);
    let working = tokio::spawn(async move { worker.run(std::future::pending()).await });
    let life = async {
        shop.is(Some(Phase::Ready)).await;
        let name = shop.workspace.kubernetes_name();
        let host = sandbox.host_client();
        let control_plane = format!("/apis/apps/v1/namespaces/{name}/statefulsets/{name}");
        ask(&host, Method::DELETE, &control_plane).await.unwrap();
        shop.is(Some(Phase::Degraded)).await;
        shop.is(Some(Phase::Ready)).await;

        let wall = format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/default-deny");
        ask(&host, Method::DELETE, &wall).await.unwrap();
        shop.moves_until(async || ask(&host, Method::GET, &wall).await).await;
        let workspaces = shop.platform.workspaces();
        workspaces.delete(&shop.ann, shop.organization, shop.workspace, None).await.unwrap();
        shop.is(None).await;
    };
    tokio::time::timeout(PATIENCE, life).await.unwrap();
    working.abort();
}
