//! Platform with a user who orders workspaces.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_core::fixture;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::lifecycle::ReconcileIntervals;
use hexabase_core::model::{Origin, Phase, Plan};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::{CreateOrganization, PlatformConfig};
use hexabase_core::provisioner::{ClusterProvisioner, Fleet};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::SqliteStore;
use tokio::task::JoinSet;

/// Public URL of the platform.
pub const URL: &str = "https://hexabase.example";

/// Platform on SQLite with one host cluster and a worker, and with a user who has an organization.
#[derive(Debug)]
pub struct BenchPlatform {
    platform: Platform,
    caller: Caller,
    organization: OrganizationId,
    /// Plan of the ordered workspaces.
    pub plan: Plan,
    /// Task of the worker. It ends with the platform, so that it does not disturb the next benchmark.
    _worker_task: JoinSet<()>,
    _directory: tempfile::TempDir,
}

impl BenchPlatform {
    /// Creates a platform whose worker processes `concurrency` messages at the same time.
    ///
    /// # Panics
    /// On any error.
    pub async fn new(
        provisioner: Arc<dyn ClusterProvisioner>,
        intervals: ReconcileIntervals,
        concurrency: usize,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("hexabase.db")).await.unwrap();
        let mut plan = hexabase_billing::plans::built_in().remove(0);
        plan.limits.workspaces = 10_000;
        let name = HostClusterName::parse("bench").unwrap();
        let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
        let platform = Platform::builder(URL)
            .with_plans(vec![plan.clone()])
            .with_store(Arc::new(store))
            .with_fleet(Fleet::new().with(host, provisioner))
            .with_config(PlatformConfig {
                intervals,
                max_free_workspaces_per_user: None,
                ..PlatformConfig::new(URL)
            })
            .build()
            .unwrap();
        let worker = Worker::new(platform.clone(), concurrency);
        let mut worker_task = JoinSet::new();
        worker_task.spawn(async move { worker.run(std::future::pending()).await });
        let email = Email::parse("ann@example.com").unwrap();
        let identity = ExternalIdentity {
            subject: "ann".to_owned(),
            verified_email: Some(email),
            name: None,
            auth_time: None,
        };
        let provider = ProviderName::parse("bench").unwrap();
        let user = platform.users().sign_in(&provider, &identity, &Origin::default()).await.unwrap();
        let caller = Caller::for_user(user.id);
        let acme = CreateOrganization {
            name: Slug::parse("acme").unwrap(),
            display_name: DisplayName::parse("Acme").unwrap(),
        };
        let organization = platform.organizations().create(&caller, &acme).await.unwrap().value.id;
        Self { platform, caller, organization, plan, _worker_task: worker_task, _directory: directory }
    }

    /// Orders a workspace and returns its id.
    ///
    /// # Panics
    /// On any error.
    pub async fn order_workspace(&self, name: &str) -> WorkspaceId {
        let request = fixture::create_workspace(name, &self.plan.id);
        let workspaces = self.platform.workspaces();
        let created = workspaces.create(&self.caller, self.organization, &request).await.unwrap();
        created.value.workspace.id
    }

    /// Orders a workspace and waits until it is ready. Returns its id and the duration.
    ///
    /// # Panics
    /// On any error.
    pub async fn order_and_wait(&self, name: &str) -> (WorkspaceId, Duration) {
        let started = Instant::now();
        let id = self.order_workspace(name).await;
        let workspaces = self.platform.workspaces();
        loop {
            let event = self.platform.event_committed(self.organization);
            let now = workspaces.get(&self.caller, self.organization, id).await.unwrap();
            if now.status.phase == Phase::Ready {
                return (id, started.elapsed());
            }
            event.await;
        }
    }

    /// Deletes a workspace.
    ///
    /// # Panics
    /// On any error.
    pub async fn delete_workspace(&self, id: WorkspaceId) {
        let workspaces = self.platform.workspaces();
        workspaces.delete(&self.caller, self.organization, id, None).await.unwrap();
    }
}
