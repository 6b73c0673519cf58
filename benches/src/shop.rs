//! Somebody who buys workspaces.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_core::access::{Credential, Principal};
use hexabase_core::fixture;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::lifecycle::Pace;
use hexabase_core::model::{Origin, Phase, Plan};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{CreateOrganization, Settings};
use hexabase_core::provisioner::{ClusterProvisioner, Fleet};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::SqliteStore;
use tokio::task::JoinSet;

/// Where the platform says it is.
pub const URL: &str = "https://hexabase.example";

/// A platform on SQLite with one host cluster and a worker, somebody who buys, and their organization.
#[derive(Debug)]
pub struct Shop {
    platform: Platform,
    caller: Caller,
    organization: OrganizationId,
    /// What they buy.
    pub plan: Plan,
    /// Ends with the shop, so that nothing of it is there when the next is measured.
    _working: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl Shop {
    /// A shop whose worker does so many things at a time.
    ///
    /// # Panics
    /// Whenever anything goes wrong.
    pub async fn open(provisioner: Arc<dyn ClusterProvisioner>, pace: Pace, concurrency: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("hexabase.db")).await.unwrap();
        let mut plan = hexabase_billing::plans::built_in().remove(0);
        plan.limits.workspaces = 10_000;
        let name = HostClusterName::parse("bench").unwrap();
        let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
        let platform = Platform::builder(URL)
            .with_plans(vec![plan.clone()])
            .with_store(Arc::new(store))
            .with_fleet(Fleet::new().with(host, provisioner))
            .with_settings(Settings { pace, ..Settings::new(URL) })
            .build()
            .unwrap();
        let worker = Worker::new(platform.clone(), concurrency);
        let mut working = JoinSet::new();
        working.spawn(async move { worker.run(std::future::pending()).await });
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
        Self { platform, caller, organization, plan, _working: working, _folder: folder }
    }

    /// Orders a workspace.
    ///
    /// # Panics
    /// Whenever anything goes wrong.
    pub async fn order(&self, name: &str) -> WorkspaceId {
        let wanted = fixture::order(name, &self.plan.id);
        let workspaces = self.platform.workspaces();
        let bought = workspaces.create(&self.caller, self.organization, &wanted).await.unwrap();
        bought.value.workspace.id
    }

    /// Orders a workspace and waits until it is ready.
    ///
    /// # Panics
    /// Whenever anything goes wrong.
    pub async fn buy(&self, name: &str) -> (WorkspaceId, Duration) {
        let begun = Instant::now();
        let id = self.order(name).await;
        let workspaces = self.platform.workspaces();
        loop {
            let moved = self.platform.moved();
            let now = workspaces.get(&self.caller, self.organization, id).await.unwrap();
            if now.status.phase == Phase::Ready {
                return (id, begun.elapsed());
            }
            moved.await;
        }
    }

    /// Gives a workspace back.
    ///
    /// # Panics
    /// Whenever anything goes wrong.
    pub async fn give_back(&self, id: WorkspaceId) {
        let workspaces = self.platform.workspaces();
        workspaces.delete(&self.caller, self.organization, id, None).await.unwrap();
    }
}
