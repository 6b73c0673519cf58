//! Tests of the services on in-memory backends and a manual clock.

mod abilities;
mod alerts;
mod commit;
mod creation_limits;
mod finding;
mod gitops;
mod invitations;
mod isolation;
mod master_key;
mod plans;
mod policy_reports;
mod retention;
mod strict_calls;
mod suspension;
mod tasks;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::{Caller, CreateOrganization, Platform, PlatformConfig};
use crate::clock::ManualClock;
use crate::error::Result;
use crate::fixture;
use crate::id::{OrganizationId, WorkspaceId};
use crate::id_source::{IdSource, SystemIds};
use crate::identity::ExternalIdentity;
use crate::model::{Organization, Origin, Plan};
use crate::name::{DisplayName, Email, HostClusterName, PlanId, ProviderName, Slug};
use crate::notifier::{Envelope, Notifier};
use crate::placement::HostCluster;
use crate::provisioner::{Fleet, MemoryProvisioner};
use crate::store::{MemoryStore, TenantStore};
use crate::worker::Worker;

/// Time that a control plane takes to start.
const START_UP: Duration = Duration::from_secs(2);

/// Platform in memory with the free plans `small` and `large`.
struct Setup {
    platform: Platform,
    clock: Arc<ManualClock>,
    mails: Arc<SentMails>,
    provisioner: Arc<MemoryProvisioner>,
}

/// Notifier that stores all notifications in memory.
#[derive(Debug, Default)]
struct SentMails(Mutex<Vec<Envelope>>);

#[async_trait]
impl Notifier for SentMails {
    async fn send(&self, envelope: &Envelope) -> Result<()> {
        self.0.lock().unwrap().push(envelope.clone());
        Ok(())
    }
}

impl Setup {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(configure: impl FnOnce(&mut PlatformConfig)) -> Self {
        Self::with_plans(vec![fixture::plan("small"), fixture::plan("large")], configure)
    }

    fn with_plans(plans: Vec<Plan>, configure: impl FnOnce(&mut PlatformConfig)) -> Self {
        Self::on(Arc::new(MemoryStore::new()), Arc::new(SystemIds::default()), plans, configure)
    }

    fn on(
        store: Arc<dyn TenantStore>,
        ids: Arc<dyn IdSource>,
        plans: Vec<Plan>,
        configure: impl FnOnce(&mut PlatformConfig),
    ) -> Self {
        let (clock, mails) = (Arc::new(ManualClock::default()), Arc::new(SentMails::default()));
        let provisioner = Arc::new(MemoryProvisioner::new(clock.clone(), START_UP));
        let host = HostCluster::new(HostClusterName::parse("memory").unwrap());
        let mut config = PlatformConfig::new("https://hexabase.example");
        configure(&mut config);
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(plans)
            .with_store(store)
            .with_ids(ids)
            .with_clock(clock.clone())
            .with_fleet(Fleet::new().with(host, provisioner.clone()))
            .with_config(config)
            .with_notifier(mails.clone())
            .build()
            .unwrap();
        Self { platform, clock, mails, provisioner }
    }

    /// Signs a user in with the address `NAME@example.com`.
    async fn sign_in(&self, name: &str) -> Caller {
        let identity = ExternalIdentity {
            subject: name.to_owned(),
            verified_email: Some(email(name)),
            name: Some(DisplayName::parse(name).unwrap()),
            auth_time: None,
        };
        let provider = ProviderName::parse("dev").unwrap();
        let user = self.platform.users().sign_in(&provider, &identity, &Origin::default()).await.unwrap();
        Caller::for_user(user.id)
    }

    async fn try_create_organization(&self, caller: &Caller, name: &str) -> Result<Organization> {
        let (slug, display_name) = (Slug::parse(name).unwrap(), DisplayName::parse(name).unwrap());
        let command = CreateOrganization { name: slug, display_name };
        Ok(self.platform.organizations().create(caller, &command).await?.value)
    }

    async fn create_organization(&self, caller: &Caller, name: &str) -> Organization {
        self.try_create_organization(caller, name).await.unwrap()
    }

    async fn create_workspace(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        name: &str,
        plan: &str,
    ) -> Result<WorkspaceId> {
        let command = fixture::create_workspace(name, &PlanId::parse(plan).unwrap());
        let created = self.platform.workspaces().create(caller, organization, &command).await?;
        Ok(created.value.workspace.id)
    }

    /// Advances the clock, and processes everything that is due then.
    async fn run_worker(&self, advance: Duration) {
        self.clock.advance(advance);
        while Worker::new(self.platform.clone(), 8).run_once().await.unwrap() > 0 {}
    }
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}
