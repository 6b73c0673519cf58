use super::billing::account;
use super::setup::populate;
use crate::changeset::{Changeset, Precondition};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{
    BillingAccount, Interval, Order, Organization, PlanUse, StoredPlans, Subscription, SubscriptionChange,
    SubscriptionState, Workspace,
};
use crate::name::PlanId;
use crate::store::TenantStore;
use crate::version::Version;

/// Stored plans read back as written. There is one record, and a commit fails if its version has changed.
pub async fn stored_plans_read_back_and_have_one_version(store: &dyn TenantStore) {
    assert_eq!(store.find_plans().await.unwrap(), None);
    let absent = Changeset::new().precondition(Precondition::Plans(Version::FIRST));
    let error = store.commit(absent.insert(fixture::user("ann"))).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error:?}");
    let first = StoredPlans {
        configured: vec![fixture::plan("old")],
        ..fixture::stored_plans(vec![fixture::plan("a")])
    };
    store.commit(Changeset::new().insert(first.clone())).await.unwrap();
    assert_eq!(store.find_plans().await.unwrap(), Some(first.clone()));
    let again = store.commit(Changeset::new().insert(first.clone())).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);

    let changed = StoredPlans { plans: vec![fixture::plan("b")], updated_by: None, ..first.clone() };
    store.commit(Changeset::new().plans(changed.clone(), FIXTURE_TIME)).await.unwrap();
    let version = first.version.next();
    assert_eq!(store.find_plans().await.unwrap(), Some(StoredPlans { version, ..changed }));
    let error = store.commit(Changeset::new().plans(first.clone(), FIXTURE_TIME)).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error:?}");
    let under = |version| Changeset::new().precondition(Precondition::Plans(version));
    let error = store.commit(under(first.version).insert(fixture::user("ann"))).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error:?}");
    store.commit(under(version).insert(fixture::user("ann"))).await.unwrap();
}

/// The users of a plan are counted in all organizations; a plan without users is not counted.
pub async fn plan_uses_are_counted_in_all_organizations(store: &dyn TenantStore) {
    assert!(store.count_plan_uses().await.unwrap().is_empty());
    populate(store).await;
    let plan = |name: &str| PlanId::parse(name).unwrap();
    let workspace = |name: &str, plan_id| Workspace {
        organization_id: id("globex"),
        plan_id,
        ..fixture::workspace(name)
    };
    let changeset = Changeset::new()
        .insert(Organization { plan_id: plan("large"), ..fixture::organization("globex") })
        .insert(workspace("one", plan("large")))
        .insert(workspace("two", plan("old")))
        .insert(workspace("three", plan("old")));
    store.commit(changeset).await.unwrap();
    let subscribed = |plan_id, state| {
        let subscription = account().subscription.unwrap();
        Some(Subscription { plan_id, state, ..subscription })
    };
    let order = account().order.unwrap();
    let change =
        SubscriptionChange::Subscribe { plan_id: plan("ordered"), interval: Interval::Month, coupon: None };
    let acme = BillingAccount {
        order: Some(Order { change, ..order }),
        subscription: subscribed(plan("subscribed"), SubscriptionState::Incomplete),
        ..account()
    };
    let globex = BillingAccount {
        organization_id: id("globex"),
        customer_id: None,
        order: None,
        subscription: subscribed(plan("ended"), SubscriptionState::Canceled),
        ..account()
    };
    store.commit(Changeset::new().insert(acme).insert(globex)).await.unwrap();
    let uses = store.count_plan_uses().await.unwrap();
    let expected = [("large", 1, 1), ("old", 0, 2), ("ordered", 1, 0), ("small", 1, 1), ("subscribed", 1, 0)];
    let expected =
        expected.map(|(name, organizations, workspaces)| (plan(name), PlanUse { organizations, workspaces }));
    assert_eq!(uses.into_iter().collect::<Vec<_>>(), expected);
}
