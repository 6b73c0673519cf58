//! Limits on what one user creates without paying.

use std::sync::{Arc, Mutex};

use futures_executor::block_on;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Setup, email};
use crate::changeset::Changeset;
use crate::error::ErrorKind;
use crate::fixture;
use crate::id_source::{IdSource, SystemIds};
use crate::model::{Currency, Member, Money, OrganizationRole, PerMeter, Plan, Price};
use crate::name::PlanId;
use crate::page::PageRequest;
use crate::platform::{OrganizationCreation, UpdateWorkspace};
use crate::store::MemoryStore;

/// The free plans `small` and `large`, and the plan `paid`.
fn plans() -> Vec<Plan> {
    let price = Price {
        monthly: Money { amount: 1_000, currency: Currency::parse("usd").unwrap() },
        yearly: None,
        workspace: None,
        node: None,
        usage: PerMeter::default(),
        trial_days: 0,
    };
    let paid = Plan { price: Some(price), display_order: 2, ..fixture::plan("paid") };
    vec![fixture::plan("small"), fixture::plan("large"), paid]
}

/// Ids whose next request runs an action first, such as a concurrent command.
#[derive(Default)]
struct InterruptingIds {
    ids: SystemIds,
    interruption: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl InterruptingIds {
    fn interrupt(&self, action: impl FnOnce() + Send + 'static) {
        *self.interruption.lock().unwrap() = Some(Box::new(action));
    }
}

impl std::fmt::Debug for InterruptingIds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("InterruptingIds")
    }
}

impl IdSource for InterruptingIds {
    fn fill(&self, bytes: &mut [u8]) {
        self.ids.fill(bytes);
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        let interruption = self.interruption.lock().unwrap().take();
        if let Some(action) = interruption {
            action();
        }
        self.ids.uuid(now)
    }
}

#[test]
fn a_user_creates_a_limited_number_of_organizations() {
    block_on(async {
        let setup = Setup::with(|config| config.max_owned_organizations = Some(2));
        let ann = setup.sign_in("ann").await;
        let first = setup.create_organization(&ann, "first").await;
        setup.create_organization(&ann, "second").await;
        let error = setup.try_create_organization(&ann, "third").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);

        // An organization that was handed over still counts.
        let bob = setup.sign_in("bob").await;
        let bob_id = bob.principal.user_id;
        let now = setup.platform.clock().now();
        let owner = Member::new(first.id, bob_id, OrganizationRole::Owner, now);
        let changeset = Changeset::new().organization(first.clone(), now).insert(owner);
        setup.platform.store().commit(changeset).await.unwrap();
        let ann_id = ann.principal.user_id;
        setup.platform.members().remove(&bob, first.id, ann_id, None).await.unwrap();
        assert!(setup.try_create_organization(&ann, "third").await.is_err());

        setup.platform.organizations().delete(&bob, first.id, false, None).await.unwrap();
        setup.create_organization(&ann, "third").await;
        setup.create_organization(&bob, "fourth").await;
    });
}

#[test]
fn of_two_concurrent_creations_only_one_gets_the_last_organization() {
    let (store, ids) = (Arc::new(MemoryStore::new()), Arc::new(InterruptingIds::default()));
    let limit = |config: &mut crate::platform::PlatformConfig| config.max_owned_organizations = Some(1);
    let setup = Setup::on(store.clone(), ids.clone(), plans(), limit);
    let other = Setup::on(store, Arc::new(SystemIds::default()), plans(), limit);
    block_on(async {
        let ann = setup.sign_in("ann").await;
        let concurrent = ann.clone();
        ids.interrupt(move || {
            other.create_organization(&concurrent, "first").now_or_never().unwrap();
        });
        let error = setup.try_create_organization(&ann, "second").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    });
}

#[test]
fn only_platform_administrators_create_organizations_if_so_configured() {
    block_on(async {
        let setup = Setup::with(|config| {
            config.organization_creation = OrganizationCreation::PlatformAdmins;
            config.platform_admins = vec![email("operator")];
            config.max_owned_organizations = Some(1);
            config.max_free_workspaces_per_user = Some(1);
        });
        let (ann, operator) = (setup.sign_in("ann").await, setup.sign_in("operator").await);
        let error = setup.try_create_organization(&ann, "acme").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        let acme = setup.create_organization(&operator, "acme").await;
        setup.create_organization(&operator, "globex").await;
        for name in ["a", "b"] {
            setup.create_workspace(&operator, acme.id, name, "small").await.unwrap();
        }
        let personal =
            setup.platform.organizations().list(&ann, &PageRequest::default()).await.unwrap().items;
        assert!(personal[0].0.personal);
    });
}

#[test]
fn a_reserved_name_is_rejected() {
    block_on(async {
        let setup = Setup::new();
        let ann = setup.sign_in("ann").await;
        let error = setup.try_create_organization(&ann, "support").await.unwrap_err();
        assert_eq!((error.kind(), error.violations()[0].field.as_str()), (ErrorKind::Invalid, "name"));
    });
}

#[test]
fn workspaces_without_a_price_are_limited_over_all_organizations_of_their_creator() {
    block_on(async {
        let setup = Setup::with_plans(plans(), |config| config.max_free_workspaces_per_user = Some(3));
        let ann = setup.sign_in("ann").await;
        let first = setup.create_organization(&ann, "first").await.id;
        let second = setup.create_organization(&ann, "second").await.id;
        let paid = setup.create_workspace(&ann, first, "paid", "paid").await.unwrap();
        let small = setup.create_workspace(&ann, first, "a", "small").await.unwrap();
        setup.create_workspace(&ann, first, "b", "large").await.unwrap();
        setup.create_workspace(&ann, second, "a", "small").await.unwrap();
        for organization in [first, second] {
            let error = setup.create_workspace(&ann, organization, "c", "small").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        }
        setup.create_workspace(&ann, second, "paid", "paid").await.unwrap();

        let change = |id, plan: &str| {
            let command =
                UpdateWorkspace { plan_id: Some(PlanId::parse(plan).unwrap()), ..UpdateWorkspace::default() };
            let (workspaces, ann) = (setup.platform.workspaces(), &ann);
            async move { workspaces.update(ann, first, id, &command, None).await }
        };
        assert_eq!(change(paid, "small").await.unwrap_err().kind(), ErrorKind::QuotaExceeded);
        change(small, "large").await.unwrap();
        change(small, "paid").await.unwrap();
        change(paid, "small").await.unwrap();
    });
}

#[test]
fn of_two_concurrent_creations_only_one_gets_the_last_free_workspace() {
    let (store, ids) = (Arc::new(MemoryStore::new()), Arc::new(InterruptingIds::default()));
    let limit = |config: &mut crate::platform::PlatformConfig| config.max_free_workspaces_per_user = Some(1);
    let setup = Setup::on(store.clone(), ids.clone(), plans(), limit);
    let other = Setup::on(store, Arc::new(SystemIds::default()), plans(), limit);
    block_on(async {
        let ann = setup.sign_in("ann").await;
        let first = setup.create_organization(&ann, "first").await.id;
        let second = setup.create_organization(&ann, "second").await.id;
        let concurrent = ann.clone();
        ids.interrupt(move || {
            let created = other.create_workspace(&concurrent, first, "dev", "small").now_or_never();
            created.unwrap().unwrap();
        });
        let error = setup.create_workspace(&ann, second, "dev", "small").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    });
}
