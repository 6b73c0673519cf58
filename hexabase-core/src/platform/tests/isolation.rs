//! Isolation checks: on request, on a schedule, and their reports.

use std::sync::Arc;
use std::time::Duration;

use super::{START_UP, Setup};
use crate::clock::{Clock as _, ManualClock};
use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{ConditionStatus, IsolationReport};
use crate::name::HostClusterName;
use crate::placement::HostCluster;
use crate::platform::{Caller, Platform, PlatformConfig};
use crate::provisioner::{Fleet, MemoryProvisioner};
use crate::worker::IsolationChecker;
use crate::{fixture, platform};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Organization with a workspace that is ready, on a host whose isolation can be broken.
struct Tenant {
    setup: Setup,
    provisioner: Arc<MemoryProvisioner>,
    ann: Caller,
    organization: OrganizationId,
    workspace: WorkspaceId,
}

impl Tenant {
    async fn new(configure: impl FnOnce(&mut PlatformConfig)) -> Self {
        let mut setup = Setup::new();
        let clock = Arc::new(ManualClock::default());
        let provisioner = Arc::new(MemoryProvisioner::new(clock.clone(), START_UP));
        let host = HostCluster::new(HostClusterName::parse("memory").unwrap());
        let mut config = PlatformConfig::new("https://hexabase.example");
        configure(&mut config);
        setup.platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .with_clock(clock.clone())
            .with_fleet(Fleet::new().with(host, provisioner.clone()))
            .with_config(config)
            .build()
            .unwrap();
        setup.clock = clock;
        let ann = setup.sign_in("ann").await;
        let organization = setup.create_organization(&ann, "acme").await.id;
        let workspace = setup.create_workspace(&ann, organization, "dev", "small").await.unwrap();
        for _ in 0..5 {
            setup.run_worker(Duration::from_secs(5)).await;
        }
        Self { setup, provisioner, ann, organization, workspace }
    }

    fn isolation(&self) -> platform::Isolation<'_> {
        self.setup.platform.isolation()
    }

    async fn report(&self) -> Option<IsolationReport> {
        self.isolation().report(&self.ann, self.organization, self.workspace).await.unwrap()
    }

    async fn request_due(&self) -> usize {
        IsolationChecker::new(&self.setup.platform).request_due().await.unwrap()
    }

    fn break_isolation(&self, broken: bool) {
        self.provisioner.break_isolation(&TenantTarget::by_id(self.organization, self.workspace), broken);
    }

    fn failures(&self) -> Vec<u64> {
        self.setup.platform.isolation_failures().into_values().collect()
    }
}

#[tokio::test]
async fn a_worker_runs_requested_checks_and_stores_the_report() {
    let tenant = Tenant::new(|_| {}).await;
    assert_eq!(tenant.report().await, None);
    let request =
        tenant.isolation().request(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
    assert_eq!(tenant.report().await, None, "only workers talk to host clusters");
    tenant.setup.run_worker(Duration::ZERO).await;
    let passed = tenant.report().await.unwrap();
    assert!(passed.collected_at >= request.value.requested_at);
    assert_eq!((passed.status(), tenant.failures()), (ConditionStatus::True, vec![0]));

    tenant.break_isolation(true);
    let error =
        tenant.isolation().request(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    tenant.setup.clock.advance(Duration::from_secs(60));
    tenant.isolation().request(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
    tenant.setup.run_worker(Duration::ZERO).await;
    let failed = tenant.report().await.unwrap();
    assert_eq!((failed.status(), tenant.failures()), (ConditionStatus::False, vec![1]));
    assert_eq!(failed.conditions[0].last_transition_time, failed.collected_at);
    assert_ne!(failed.conditions[0].result.remedy, "");
}

#[tokio::test]
async fn only_callers_who_see_the_workspace_see_its_isolation() {
    let tenant = Tenant::new(|_| {}).await;
    let eve = tenant.setup.sign_in("eve").await;
    tenant.setup.create_organization(&eve, "evil").await;
    let report = tenant.isolation().report(&eve, tenant.organization, tenant.workspace).await;
    assert_eq!(report.unwrap_err().kind(), ErrorKind::NotFound);
    let request = tenant.isolation().request(&eve, tenant.organization, tenant.workspace).await;
    assert_eq!(request.unwrap_err().kind(), ErrorKind::NotFound);
    // The request of a stranger takes no token of the workspace.
    tenant.isolation().request(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
}

#[tokio::test]
async fn each_workspace_is_checked_once_per_interval() {
    let tenant = Tenant::new(|_| {}).await;
    assert_eq!(tenant.request_due().await, 1);
    assert_eq!(tenant.request_due().await, 0, "the check is already requested");
    tenant.setup.run_worker(Duration::ZERO).await;
    let first = tenant.report().await.unwrap().collected_at;
    tenant.setup.clock.advance(DAY - Duration::from_secs(60));
    assert_eq!(tenant.request_due().await, 0);
    tenant.setup.clock.advance(Duration::from_secs(61));
    assert_eq!(tenant.request_due().await, 1);
    tenant.setup.run_worker(Duration::ZERO).await;
    let second = tenant.report().await.unwrap();
    assert!(second.collected_at > first);
    assert_eq!(second.conditions[0].last_transition_time, first, "the status has not changed");
}

#[tokio::test]
async fn a_check_that_could_not_run_is_repeated_soon() {
    let tenant = Tenant::new(|_| {}).await;
    let target = TenantTarget::by_id(tenant.organization, tenant.workspace);
    crate::provisioner::ClusterProvisioner::delete(&*tenant.provisioner, &target).await.unwrap();
    assert_eq!(tenant.request_due().await, 1);
    let checker = IsolationChecker::new(&tenant.setup.platform);
    assert_eq!(checker.check(tenant.organization, tenant.workspace).await.unwrap(), None);
    assert_eq!(tenant.request_due().await, 0);
    tenant.setup.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(tenant.request_due().await, 1);
}

#[tokio::test]
async fn a_requested_check_without_a_run_is_requested_again_soon() {
    let tenant = Tenant::new(|_| {}).await;
    assert_eq!(tenant.request_due().await, 1);
    // As after a crash between the marker and the message: no worker runs the check.
    tenant.setup.clock.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(tenant.request_due().await, 1);
}

#[tokio::test]
async fn scheduled_checks_can_be_disabled() {
    let tenant = Tenant::new(|config| config.isolation_check_interval = None).await;
    assert_eq!(tenant.request_due().await, 0);
    tenant.isolation().request(&tenant.ann, tenant.organization, tenant.workspace).await.unwrap();
    tenant.setup.run_worker(Duration::ZERO).await;
    assert_eq!(tenant.report().await.unwrap().collected_at, tenant.setup.clock.now());
    tenant.setup.clock.advance(3 * DAY);
    assert_eq!(tenant.report().await, None, "an outdated report proves nothing");
}
