//! Conformance of the SQLite store, and tests of its own behavior.

use std::collections::BTreeSet;
use std::sync::Arc;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::Changeset;
use hexabase_core::fixture;
use hexabase_core::store::{AlertStore as _, Commit as _, TenantStore, UserStore as _};
use hexabase_store::SqliteStore;

mod in_a_file {
    use super::SqliteStore;

    hexabase_core::tenant_store_conformance!(async {
        let directory = tempfile::tempdir().unwrap();
        (SqliteStore::open(&directory.path().join("test.db")).await.unwrap(), directory)
    });
}

mod in_memory {
    use super::SqliteStore;

    hexabase_core::tenant_store_conformance!(async { (SqliteStore::in_memory().await.unwrap(), ()) });
}

#[tokio::test]
async fn a_commit_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let store = SqliteStore::open(&file).await.unwrap();
    store.commit(Changeset::new().insert(fixture::user("ann"))).await.unwrap();
    drop(store);
    let again = SqliteStore::open(&file).await.unwrap();
    assert_eq!(again.find_user(fixture::id("ann")).await.unwrap(), Some(fixture::user("ann")));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_database_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("test.db")).await.unwrap();
    store.commit(Changeset::new().insert(fixture::user("ann"))).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() > 1, "the write-ahead log must exist: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_database_of_another_build_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    drop(SqliteStore::open(&file).await.unwrap());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'").execute(&pool).await.unwrap();
    pool.close().await;
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "schema_drift"));
    assert!(error.message().contains("migration 1"), "{error}");
}

#[tokio::test]
async fn an_alert_rule_that_cannot_be_read_does_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let mut changeset =
        Changeset::new().insert(fixture::organization("acme")).insert(fixture::workspace("dev"));
    for number in 0..5 {
        changeset = changeset.insert(fixture::alert_rule(&format!("rule-{number}")));
    }
    store.commit(changeset).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    for change in [
        "UPDATE alert_rules SET condition = '{\"metric\":\"later\"}' WHERE name = 'rule-0'",
        "UPDATE alert_rules SET severity = 'later' WHERE name = 'rule-1'",
        "UPDATE alert_rules SET id = 'alr_z' WHERE name = 'rule-2'",
    ] {
        assert_eq!(sqlx::query(change).execute(&pool).await.unwrap().rows_affected(), 1, "{change}");
    }
    pool.close().await;
    for limit in [1, 2, 5] {
        let (mut after, mut readable, mut unreadable) = (None, BTreeSet::new(), BTreeSet::new());
        loop {
            let page = store.list_alert_thresholds(after, limit).await.unwrap();
            readable.extend(page.thresholds.into_iter().map(|threshold| threshold.id));
            unreadable.extend(page.unreadable);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(readable, ["rule-3", "rule-4"].map(|name| fixture::alert_rule(name).id).into(), "{limit}");
        assert_eq!(unreadable.len(), 3, "{unreadable:?}");
        assert!(unreadable.contains("alr_z"), "{unreadable:?}");
    }
}

#[tokio::test]
async fn a_newer_database_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    drop(SqliteStore::open(&file).await.unwrap());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations SELECT 999, 'later', installed_on, success, checksum, execution_time FROM _sqlx_migrations WHERE version = 1";
    sqlx::query(newer).execute(&pool).await.unwrap();
    pool.close().await;
    let error = SqliteStore::open(&file).await.unwrap_err();
    assert!(error.message().contains("999"), "{error}");
}

#[tokio::test]
async fn the_error_names_a_file_that_cannot_be_opened() {
    let error = SqliteStore::open(std::path::Path::new("/nowhere/at/all.db")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("/nowhere/at/all.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_and_readers_do_not_interfere() {
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn TenantStore> =
        Arc::new(SqliteStore::open(&directory.path().join("test.db")).await.unwrap());
    let one = |number: usize| {
        let store = store.clone();
        async move {
            let name = format!("user-{number}");
            store.commit(Changeset::new().insert(fixture::user(&name))).await.unwrap();
            assert!(
                store.find_user(fixture::id(&name)).await.unwrap().is_some(),
                "a read must see every acknowledged commit"
            );
        }
    };
    let all: Vec<_> = (0..200).map(|number| tokio::spawn(one(number))).collect();
    for task in all {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_rejects_writes_is_detected_by_a_ping() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let store = SqliteStore::open(&file).await.unwrap();
    store.ping().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let reject = "CREATE TRIGGER full BEFORE UPDATE ON leases BEGIN SELECT RAISE(ABORT, 'full'); END";
    sqlx::query(reject).execute(&pool).await.unwrap();
    assert!(store.find_user(fixture::id("ann")).await.unwrap().is_none());
    store.ping().await.unwrap_err();
}
