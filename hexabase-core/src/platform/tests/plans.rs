//! Changes of the plans by operators, as seen by every process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_executor::block_on;

use super::Setup;
use crate::changeset::{Changeset, Precondition};
use crate::error::{Error, ErrorKind};
use crate::fixture::{self, FIXTURE_TIME};
use crate::id_source::SystemIds;
use crate::identity::ExternalIdentity;
use crate::mock::MockTenantStore;
use crate::model::{
    AddOns, AuditEvent, ControlPlaneStore, Currency, Money, PerMeter, Phase, Plan, PlanUse, PlanUsers, Price,
    StoredPlans, UnitPrice,
};
use crate::name::{PlanId, ProviderName};
use crate::page::PageRequest;
use crate::platform::ChoosePlan;
use crate::quantity::Quantity;
use crate::quota::Resource;
use crate::store::{Commit as _, MemoryStore};
use crate::version::Version;

/// Plan that is valid in a configuration.
fn valid(name: &str) -> Plan {
    let counted =
        [Resource::Services, Resource::PersistentVolumeClaims, Resource::Secrets, Resource::ConfigMaps];
    let mut plan = fixture::plan(name);
    plan.quota = plan.quota.with(Resource::EphemeralStorage, Quantity::gibibytes(20));
    plan.quota = counted.into_iter().fold(plan.quota, |quota, it| quota.with(it, Quantity::units(100)));
    plan
}

fn retired(name: &str) -> Plan {
    Plan { retired: true, ..valid(name) }
}

/// Two processes with the plans `large` and `small` in their configuration.
fn replicas() -> (Setup, Setup) {
    let store = Arc::new(MemoryStore::new());
    let replica = || {
        let plans = vec![valid("small"), valid("large")];
        Setup::on(store.clone(), Arc::new(SystemIds::default()), plans, |_| {})
    };
    (replica(), replica())
}

#[test]
fn a_change_applies_in_all_processes_and_has_a_version() {
    block_on(async {
        let (one, other) = replicas();
        let operator = one.sign_in("operator").await;
        let before = one.platform.plan_admin().list().await.unwrap();
        assert_eq!((before.version, before.updated_at), (Version::FIRST, None));
        let used = &before.plans.iter().find(|(plan, _)| plan.id.as_str() == "large").unwrap().1;
        assert_eq!(*used, PlanUse { organizations: 1, ..PlanUse::default() }, "the personal organization");
        other.platform.current_plans().await.unwrap();

        let plans = [valid("small"), Plan { name: "Large".to_owned(), ..valid("large") }, valid("huge")];
        let admin = one.platform.plan_admin();
        let changed = admin.replace(Some(&operator), &plans, Some(before.version)).await.unwrap();
        assert_eq!(changed.version, before.version.next());
        assert_eq!(changed.updated_by, Some(operator.principal.user_id));
        let stale = admin.replace(Some(&operator), &plans[..2], Some(before.version)).await.unwrap_err();
        assert_eq!(stale.code(), "precondition_failed");
        let same = admin.replace(Some(&operator), &plans, None).await.unwrap();
        assert_eq!(same.version, changed.version, "nothing changes");

        assert!(other.platform.plans().find(&PlanId::parse("huge").unwrap()).is_none(), "not read yet");
        other.clock.advance(Duration::from_secs(5));
        let plans = other.platform.current_plans().await.unwrap();
        assert_eq!(plans.find(&PlanId::parse("large").unwrap()).unwrap().name, "Large");
        let history = other.platform.plan_admin().history(&PageRequest::default()).await.unwrap().items;
        let [AuditEvent { action, actor, .. }] = history.as_slice() else { panic!("{history:?}") };
        assert_eq!((action.as_str(), actor.user_id), ("plans.replace", Some(operator.principal.user_id)));
    });
}

#[test]
fn invalid_plans_and_the_removal_of_a_plan_in_use_are_rejected() {
    block_on(async {
        let (setup, _) = replicas();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await;
        setup.create_workspace(&ann, acme.id, "dev", "small").await.unwrap();
        let admin = setup.platform.plan_admin();
        let rejected = async |plans: &[Plan]| admin.replace(None, plans, None).await.unwrap_err();
        let error = rejected(&[fixture::plan("small")]).await;
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.violations()[0].field, "plans[0].quota.ephemeral_storage");
        assert_eq!(rejected(&[retired("small"), retired("large")]).await.kind(), ErrorKind::Invalid);
        let error = rejected(&[Plan { description: "a\0b".to_owned(), ..valid("small") }]).await;
        assert_eq!(error.violations()[0].field, "plans[0].description");
        for remaining in ["small", "large"] {
            assert_eq!(rejected(&[valid(remaining)]).await.code(), "plan_in_use");
        }
        admin.replace(None, &[valid("small"), valid("large"), valid("huge")], None).await.unwrap();
        let without = [valid("small"), valid("large")];
        assert_eq!(rejected(&without).await.code(), "plan_not_retired");
        admin.replace(None, &[valid("small"), valid("large"), retired("huge")], None).await.unwrap();
        let removed = admin.replace(None, &without, None).await.unwrap();
        assert_eq!(removed.plans.len(), 2);
    });
}

#[test]
fn a_workspace_is_not_created_on_a_plan_that_was_retired_meanwhile() {
    block_on(async {
        let (one, other) = replicas();
        let ann = one.sign_in("ann").await;
        let acme = one.create_organization(&ann, "acme").await;
        one.platform
            .plan_admin()
            .replace(None, &[valid("small"), valid("large"), valid("new")], None)
            .await
            .unwrap();
        other.platform.plan_admin().list().await.unwrap();
        let plans = [valid("small"), valid("large"), retired("new")];
        one.platform.plan_admin().replace(None, &plans, None).await.unwrap();
        // The other process does not know yet; its commit fails on the version of the plans.
        let error = other.create_workspace(&ann, acme.id, "dev", "new").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        other.create_workspace(&ann, acme.id, "dev", "small").await.unwrap();
    });
}

#[test]
fn a_commit_that_begins_to_use_a_plan_conflicts_with_the_first_change() {
    block_on(async {
        let (one, other) = replicas();
        let ann = one.sign_in("ann").await;
        let acme = one.create_organization(&ann, "acme").await;
        other.platform.current_plans().await.unwrap();
        let plans = [retired("small"), valid("large")];
        let admin = one.platform.plan_admin();
        admin.replace(None, &plans, Some(Version::FIRST)).await.unwrap();
        // The other process read the plans before the change.
        assert!(!other.platform.plans().default_plan().retired);
        let error = other.create_workspace(&ann, acme.id, "dev", "small").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");

        let late = other.platform.plan_admin().replace(None, &plans[1..], Some(Version::FIRST)).await;
        assert_eq!(late.unwrap_err().code(), "precondition_failed");
    });
}

#[test]
fn a_plan_that_becomes_used_before_the_commit_is_not_changed() {
    block_on(async {
        let large = PlanId::parse("large").unwrap();
        let mut store = MockTenantStore::new();
        store.expect_read_plans().returning(|| Ok(StoredPlans::initial()));
        let (plan, counted) = (large.clone(), AtomicUsize::new(0));
        store.expect_count_plan_uses().times(2).returning(move || {
            let used = PlanUse { workspaces: 1, ..PlanUse::default() };
            let is_first = counted.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(if is_first { BTreeMap::new() } else { BTreeMap::from([(plan.clone(), used)]) })
        });
        let unused = Precondition::PlanUnused(large, PlanUsers::Workspaces);
        store
            .expect_commit()
            .once()
            .withf(move |changeset| changeset.preconditions.contains(&unused))
            .returning(|_| Err(Error::version_conflict("use of the plan")));
        let plans = vec![valid("small"), valid("large")];
        let setup = Setup::on(Arc::new(store), Arc::new(SystemIds::default()), plans, |_| {});
        let mut etcd = valid("large");
        etcd.control_plane.store = ControlPlaneStore::Etcd;
        let error =
            setup.platform.plan_admin().replace(None, &[valid("small"), etcd], None).await.unwrap_err();
        assert_eq!(error.code(), "plan_in_use");
    });
}

/// Process over a store whose plans a newer release has written.
async fn older_release(plans: Vec<Plan>) -> Setup {
    let store = Arc::new(MemoryStore::new());
    let configured = vec![valid("small"), valid("large")];
    let stored = StoredPlans {
        plans,
        configured: configured.clone(),
        unknown: vec!["large.price.discount".to_owned()],
        ..StoredPlans::initial()
    };
    store.commit(Changeset::new().plans(stored, FIXTURE_TIME)).await.unwrap();
    Setup::on(store, Arc::new(SystemIds::default()), configured, |_| {})
}

#[test]
fn an_older_release_uses_the_plans_of_a_newer_one_but_does_not_change_them() {
    block_on(async {
        let changed = Plan { name: "Large".to_owned(), ..valid("large") };
        let setup = older_release(vec![valid("small"), changed]).await;
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await;
        setup.create_workspace(&ann, acme.id, "dev", "large").await.unwrap();
        let plans = setup.platform.current_plans().await.unwrap();
        assert_eq!(plans.find(&PlanId::parse("large").unwrap()).unwrap().name, "Large");
        let error = setup.platform.plan_admin().replace(None, &[valid("large")], None).await.unwrap_err();
        assert_eq!(error.code(), "plans_of_newer_release");
        assert!(error.message().contains("large.price.discount"), "{error}");
    });
}

#[test]
fn an_operator_replaces_stored_plans_that_cannot_be_used() {
    block_on(async {
        let store = Arc::new(MemoryStore::new());
        let configured = vec![valid("small"), valid("large")];
        let unusable = StoredPlans { configured: configured.clone(), ..StoredPlans::initial() };
        let unusable = StoredPlans { plans: vec![retired("small"), retired("large")], ..unusable };
        store.commit(Changeset::new().plans(unusable, FIXTURE_TIME)).await.unwrap();
        let setup = Setup::on(store, Arc::new(SystemIds::default()), configured.clone(), |_| {});
        let stored = setup.platform.plan_admin().list().await.unwrap();
        assert_eq!((stored.plans.len(), stored.version), (2, Version::FIRST.next()));
        // Also by the plans that are in use meanwhile.
        let replaced =
            setup.platform.plan_admin().replace(None, &configured, Some(stored.version)).await.unwrap();
        assert_eq!(replaced.version, stored.version.next());
        assert_eq!(setup.platform.current_plans().await.unwrap().version(), replaced.version);
    });
}

#[test]
fn without_readable_plans_the_last_usable_ones_apply_and_no_plan_is_sold() {
    block_on(async {
        let setup = older_release(Vec::new()).await;
        let plans = setup.platform.current_plans().await.unwrap();
        assert_eq!((plans.iter().count(), plans.version()), (2, Version::FIRST));
        // A first sign-in creates a personal organization, which is on a plan.
        let provider = ProviderName::parse("dev").unwrap();
        let identity =
            ExternalIdentity { subject: "ann".to_owned(), verified_email: None, name: None, auth_time: None };
        let error =
            setup.platform.users().sign_in(&provider, &identity, &Default::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    });
}

#[test]
fn workspaces_of_a_changed_plan_are_changed_by_their_regular_reconciles() {
    block_on(async {
        let (setup, _) = replicas();
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await;
        let mut ids = Vec::new();
        for name in ["one", "two", "three"] {
            ids.push(setup.create_workspace(&ann, acme.id, name, "small").await.unwrap());
        }
        for _ in 0..4 {
            setup.run_worker(super::START_UP).await;
        }
        let due = async || {
            let mut due = Vec::new();
            for id in &ids {
                let workspace = setup.platform.store().find_workspace(acme.id, *id).await.unwrap().unwrap();
                assert_eq!(workspace.status.phase, Phase::Ready);
                due.push(workspace.reconcile_at);
            }
            due
        };
        let before = due().await;
        let mut changed = valid("small");
        changed.quota = changed.quota.with(Resource::Pods, Quantity::units(60));
        setup.platform.plan_admin().replace(None, &[changed, valid("large")], None).await.unwrap();
        assert_eq!(due().await, before, "not all at once");
        assert!(
            before.windows(2).all(|pair| pair[0] != pair[1]),
            "spread over the resync interval: {before:?}"
        );
        let plans = setup.platform.current_plans().await.unwrap();
        assert_eq!(
            plans.find(&PlanId::parse("small").unwrap()).unwrap().quota.get(Resource::Pods),
            Some(Quantity::units(60))
        );
        let resync = setup.platform.config().intervals.resync;
        setup.run_worker(2 * resync).await;
        for id in &ids {
            let workspace = setup.platform.store().find_workspace(acme.id, *id).await.unwrap().unwrap();
            assert!(!workspace.status.drift.unwrap().entries.is_empty(), "the new quota was applied");
        }
    });
}

#[test]
fn an_existing_subscription_is_not_charged_for_workspaces_that_the_plan_begins_to_charge_for() {
    block_on(async {
        let monthly = Money { amount: 1_000, currency: Currency::parse("usd").unwrap() };
        let price = Price {
            monthly,
            yearly: None,
            workspace: None,
            node: None,
            usage: PerMeter::default(),
            trial_days: 0,
        };
        let paid = Plan { price: Some(price), display_order: 2, ..valid("paid") };
        let setup = Setup::with_plans(vec![valid("small"), paid.clone()], |_| {});
        let ann = setup.sign_in("ann").await;
        let acme = setup.create_organization(&ann, "acme").await;
        let billing = setup.platform.billing();
        billing.add_payment_method(&ann, acme.id, "pm_card_visa").await.unwrap();
        let command = ChoosePlan { plan_id: paid.id.clone(), interval: None, coupon: None };
        billing.choose_plan(&ann, acme.id, &command, None).await.unwrap();
        let add_ons = async || {
            let state = billing.state(&ann, acme.id).await.unwrap();
            assert_eq!(state.plan_id, paid.id);
            state.account.subscription.unwrap().add_ons
        };
        assert_eq!(add_ons().await, AddOns::default());

        let workspace = Some(UnitPrice { included: 0, monthly, yearly: None });
        let changed = Plan { price: Some(Price { workspace, ..price }), ..paid.clone() };
        setup.platform.plan_admin().replace(None, &[valid("small"), changed], None).await.unwrap();
        setup.create_workspace(&ann, acme.id, "dev", "paid").await.unwrap();
        setup.run_worker(super::START_UP).await;
        assert_eq!(add_ons().await, AddOns::default(), "until another plan or interval is chosen");
    });
}
