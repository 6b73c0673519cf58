//! From an order to a cluster, in the sandbox.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_benches::{Pair, Target, median, report};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::desired::{self, Issuer};
use hexabase_core::id::OrganizationId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::lifecycle::Pace;
use hexabase_core::model::{Origin, Phase, Plan, WorkspaceState};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{CreateOrganization, CreateWorkspace, Settings};
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState, Fleet};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform, fixture};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use hexabase_store::SqliteStore;

const URL: &str = "https://hexabase.example";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    one_after_another().await;
    a_thousand().await;
}

/// A platform on SQLite and a sandbox, somebody who buys, and their organization.
struct Shop {
    platform: Platform,
    caller: Caller,
    organization: OrganizationId,
    plan: Plan,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open(sandbox: &Sandbox, pace: Pace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("hexabase.db")).await.unwrap();
        let mut plan = hexabase_billing::plans::built_in().remove(0);
        plan.limits.workspaces = 10_000;
        let name = HostClusterName::parse("sandbox").unwrap();
        let host = HostCluster { name, region: None, cordoned: false, capacity: u32::MAX, sandbox: true };
        let platform = Platform::builder(URL)
            .with_plans(vec![plan.clone()])
            .with_store(Arc::new(store))
            .with_fleet(Fleet::new().with(host, provisioner(sandbox)))
            .with_settings(Settings { pace, ..Settings::new(URL) })
            .build()
            .unwrap();
        let worker = Worker::new(platform.clone(), 8);
        tokio::spawn(async move { worker.run(std::future::pending()).await });
        let email = Email::parse("ann@example.com").unwrap();
        let who = ExternalIdentity { subject: "ann".to_owned(), verified_email: Some(email), name: None };
        let provider = ProviderName::parse("bench").unwrap();
        let user = platform.users().sign_in(&provider, &who, &Origin::default()).await.unwrap();
        let session = platform.ids().id(platform.clock().now());
        let caller = Caller::new(Principal { user_id: user.id, credential: Credential::Session(session) });
        let acme = CreateOrganization {
            name: Slug::parse("acme").unwrap(),
            display_name: DisplayName::parse("Acme").unwrap(),
        };
        let organization = platform.organizations().create(&caller, &acme).await.unwrap().value.id;
        Self { platform, caller, organization, plan, _folder: folder }
    }

    /// Buys a workspace and waits until it is ready.
    async fn buy(&self, number: usize) -> Duration {
        let begun = Instant::now();
        let wanted = CreateWorkspace {
            name: Slug::parse(&format!("shop-{number}")).unwrap(),
            display_name: None,
            plan_id: self.plan.id.clone(),
            region: None,
            kubernetes_version: None,
        };
        let workspaces = self.platform.workspaces();
        let bought = workspaces.create(&self.caller, self.organization, &wanted).await.unwrap();
        let id = bought.value.workspace.id;
        loop {
            let moved = self.platform.moved();
            let now = workspaces.get(&self.caller, self.organization, id).await.unwrap();
            if now.status.phase == Phase::Ready {
                return begun.elapsed();
            }
            moved.await;
        }
    }
}

fn provisioner(sandbox: &Sandbox) -> Arc<dyn ClusterProvisioner> {
    let settings = HostSettings { endpoint: sandbox.endpoint(), ..HostSettings::default() };
    Arc::new(VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), settings))
}

/// The same cluster without a platform: applied, and looked at every millisecond until it is up and done.
async fn bare(sandbox: &Sandbox, plan: &Plan, number: usize) -> Duration {
    let provisioner = provisioner(sandbox);
    let workspace = fixture::workspace(&format!("bare-{number}"));
    let state = WorkspaceState {
        workspace,
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: URL.to_owned(), certificate_authority: None };
    let cluster = desired::workspace(&state, plan, &issuer);
    let begun = Instant::now();
    provisioner.apply(&cluster).await.unwrap();
    while provisioner.observe(&cluster.target).await.unwrap().control_plane != ControlPlaneState::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while !provisioner.apply(&cluster).await.unwrap().tenant {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// With the sandbox as it is: a control plane takes 50 ms to come up.
async fn one_after_another() {
    let sandbox = Sandbox::start(SandboxOptions::default());
    let shop = Shop::open(&sandbox, Pace::default()).await;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for number in 0..31 {
        ours.push(shop.buy(number).await);
        floors.push(bare(&sandbox, &shop.plan, number).await);
    }
    let pair = Pair { ours: median(ours), floor: median(floors) };
    let target = Target::AtMost(Duration::from_millis(500));
    report("create → Ready in the sandbox", "the provisioner alone", pair, target);
}

/// With a sandbox that takes no time, so that only what we do counts.
async fn a_thousand() {
    let options = SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options);
    let pace = Pace { shortest_poll: Duration::from_millis(1), ..Pace::default() };
    let shop = Shop::open(&sandbox, pace).await;
    let mut took = Vec::with_capacity(1_000);
    for number in 0..1_000 {
        took.push(shop.buy(number).await);
    }
    let mean = |some: &[Duration]| some.iter().sum::<Duration>() / 100;
    let pair = Pair { ours: mean(&took[900..]), floor: mean(&took[..100]) };
    report("the last 100 of 1,000 workspaces, each", "the first 100", pair, Target::TimesFloor(1.2));
}
