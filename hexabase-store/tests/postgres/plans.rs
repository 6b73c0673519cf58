//! Changes of the plans at the same time as commits that begin to use one.

use hexabase_core::changeset::{Changeset, Precondition};
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::model::{PlanUsers, StoredPlans};
use hexabase_core::name::PlanId;
use hexabase_core::store::{Commit as _, PlanStore as _};
use hexabase_core::version::Version;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::two_tenants;

#[tokio::test]
async fn a_change_of_the_plans_sees_the_commits_that_it_has_waited_for() {
    let (server, database, store) = two_tenants().await;
    let plan = PlanId::parse("large").unwrap();
    // Another transaction begins to use the plan, with its version as a precondition.
    let mut other = PgConnection::connect(&server.url_of(&database)).await.unwrap();
    let begin =
        "BEGIN; SELECT 1 FROM plans WHERE version = 1 FOR SHARE; UPDATE organizations SET plan_id = 'large'";
    other.execute(sqlx::raw_sql(begin)).await.unwrap();

    let unused = Precondition::PlanUnused(plan, PlanUsers::Organizations);
    let plans = vec![fixture::plan("small")];
    let change = Changeset::new()
        .precondition(unused)
        .plans(StoredPlans { plans, ..StoredPlans::initial() }, FIXTURE_TIME);
    let decide = async {
        let mut watcher = PgConnection::connect(&server.url_of(&database)).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        other.execute("COMMIT").await.unwrap();
    };
    let (changed, ()) = tokio::join!(store.commit(change.clone()), decide);
    assert!(changed.unwrap_err().is_version_conflict());
    assert_eq!(store.read_plans().await.unwrap().version, Version::FIRST);

    other.execute("UPDATE organizations SET plan_id = 'small'").await.unwrap();
    store.commit(change).await.unwrap();
    assert_eq!(store.read_plans().await.unwrap().version, Version::FIRST.next());
}
