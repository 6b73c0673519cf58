use super::billing::account;
use super::setup::populate;
use crate::changeset::{Changeset, Precondition};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{
    BillingAccount, Interval, Order, Organization, PlanUse, PlanUsers, StoredPlans, Subscription,
    SubscriptionChange, SubscriptionState, Workspace,
};
use crate::name::{KubernetesVersion, PlanId};
use crate::store::TenantStore;
use crate::version::Version;

/// A new store has plans of the first version, which is a precondition like every later one.
pub async fn the_first_change_of_the_plans_has_a_version(store: &dyn TenantStore) {
    assert_eq!(store.read_plans().await.unwrap(), StoredPlans::initial());
    let under_first = || Changeset::new().precondition(Precondition::Plans(Version::FIRST));
    store.commit(under_first().insert(fixture::user("ann"))).await.unwrap();
    let change = |name: &str| {
        let plans =
            StoredPlans { version: Version::FIRST, ..fixture::stored_plans(vec![fixture::plan(name)]) };
        Changeset::new().plans(plans, FIXTURE_TIME)
    };
    store.commit(change("a")).await.unwrap();
    for late in [change("b"), under_first().insert(fixture::user("bob"))] {
        let error = store.commit(late).await.unwrap_err();
        assert!(error.is_version_conflict(), "{error:?}");
    }
    assert_eq!(store.read_plans().await.unwrap(), fixture::stored_plans(vec![fixture::plan("a")]));
    assert_eq!(store.find_user(id("bob")).await.unwrap(), None);
}

/// Stored plans read back as written. There is one record, and a commit fails if its version has changed.
pub async fn stored_plans_read_back_and_have_one_version(store: &dyn TenantStore) {
    let first = StoredPlans {
        configured: vec![fixture::plan("old")],
        ..fixture::stored_plans(vec![fixture::plan("a")])
    };
    let initial = StoredPlans { version: Version::FIRST, ..first.clone() };
    store.commit(Changeset::new().plans(initial, FIXTURE_TIME)).await.unwrap();
    assert_eq!(store.read_plans().await.unwrap(), first);
    let again = store.commit(Changeset::new().insert(first.clone())).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);

    let changed = StoredPlans { plans: vec![fixture::plan("b")], updated_by: None, ..first.clone() };
    store.commit(Changeset::new().plans(changed.clone(), FIXTURE_TIME)).await.unwrap();
    let version = first.version.next();
    assert_eq!(store.read_plans().await.unwrap(), StoredPlans { version, ..changed });
    let error = store.commit(Changeset::new().plans(first.clone(), FIXTURE_TIME)).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error:?}");
    let under = |version| Changeset::new().precondition(Precondition::Plans(version));
    let error = store.commit(under(first.version).insert(fixture::user("ann"))).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error:?}");
    store.commit(under(version).insert(fixture::user("ann"))).await.unwrap();
}

/// The plans are changed only if the plans that must be unused are, and unused in the way that is required.
pub async fn the_plans_change_on_the_precondition_that_a_plan_is_unused(store: &dyn TenantStore) {
    let (organization, workspace) = populate(store).await;
    let version = |text: &str| KubernetesVersion::parse(text).unwrap();
    let (used, other) = (workspace.kubernetes_version.clone(), version("1.20"));
    let small = workspace.plan_id.clone();
    let subscribed = PlanId::parse("subscribed").unwrap();
    let subscription = Subscription { plan_id: subscribed.clone(), ..account().subscription.unwrap() };
    let paying = BillingAccount { order: None, subscription: Some(subscription), ..account() };
    store.commit(Changeset::new().insert(paying)).await.unwrap();
    let is_rejected = async |plan: &PlanId, users: PlanUsers| {
        let plans = store.read_plans().await.unwrap();
        // The order of the preconditions does not matter.
        let changeset = Changeset::new().precondition(Precondition::PlanUnused(plan.clone(), users));
        let committed = store.commit(changeset.plans(plans.clone(), FIXTURE_TIME)).await;
        let is_changed = store.read_plans().await.unwrap().version != plans.version;
        assert_eq!(is_changed, committed.is_ok());
        committed.is_err_and(|error| {
            assert!(error.is_version_conflict(), "{error:?}");
            true
        })
    };
    let is_used = [PlanUsers::Organizations, PlanUsers::Workspaces, PlanUsers::WorkspacesWith(used.clone())];
    for users in is_used {
        assert!(is_rejected(&small, users.clone()).await, "{users:?}");
        assert!(!is_rejected(&PlanId::parse("unknown").unwrap(), users.clone()).await, "{users:?}");
    }
    assert!(!is_rejected(&small, PlanUsers::WorkspacesWith(other)).await);
    assert!(is_rejected(&subscribed, PlanUsers::Organizations).await);

    // The workspace moves to another plan, which its organization is not on.
    let large = PlanId::parse("large").unwrap();
    let moved = Workspace { plan_id: large.clone(), ..workspace };
    store.commit(Changeset::new().workspace(moved, FIXTURE_TIME)).await.unwrap();
    assert!(
        !is_rejected(&small, PlanUsers::Workspaces).await
            && !is_rejected(&large, PlanUsers::Organizations).await
    );
    assert!(is_rejected(&large, PlanUsers::WorkspacesWith(used)).await);
    let moved = Organization { plan_id: large, ..organization };
    store.commit(Changeset::new().organization(moved, FIXTURE_TIME)).await.unwrap();
    assert!(!is_rejected(&small, PlanUsers::Organizations).await);
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
    let newer = KubernetesVersion::parse("1.99").unwrap();
    let upgraded = Workspace { kubernetes_version: newer.clone(), ..workspace("four", plan("old")) };
    store.commit(Changeset::new().insert(upgraded)).await.unwrap();
    let uses = store.count_plan_uses().await.unwrap();
    let expected = [("large", 1, 1), ("old", 0, 3), ("ordered", 1, 0), ("small", 1, 1), ("subscribed", 1, 0)];
    let expected = expected.map(|(name, organizations, workspaces)| {
        let usual = (workspaces > 0).then(|| fixture::workspace("dev").kubernetes_version);
        let newer = (name == "old").then(|| newer.clone());
        let kubernetes_versions = usual.into_iter().chain(newer).collect();
        (plan(name), PlanUse { organizations, workspaces, kubernetes_versions })
    });
    assert_eq!(uses.into_iter().collect::<Vec<_>>(), expected);
}
