use super::setup::populate;
use crate::changeset::{Changeset, Precondition};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{Organization, PlanUse, StoredPlans, Workspace};
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
    let uses = store.count_plan_uses().await.unwrap();
    let expected = [("large", 1, 1), ("old", 0, 2), ("small", 1, 1)];
    let expected =
        expected.map(|(name, organizations, workspaces)| (plan(name), PlanUse { organizations, workspaces }));
    assert_eq!(uses.into_iter().collect::<Vec<_>>(), expected);
}
