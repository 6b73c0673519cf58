//! Plans of the statements over tables that tenants make large: each of them searches an index.

use hexabase_core::ErrorKind;
use hexabase_core::fixture::{FIXTURE_TIME, id};
use hexabase_core::id::EventId;
use hexabase_core::model::AuditFilter;
use hexabase_core::page::{PageRequest, time_position};
use hexabase_core::store::PruneCutoffs;

use super::{SqliteEngine, SqliteStore};
use crate::sql::{
    Cells, Engine as _, Query, count_by_phase, list_security_events, list_tasks, prune, search_audit_events,
};

/// Returns the steps of the plan of a statement.
async fn plan(store: &SqliteStore, query: Query) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {}", query.sql.as_str());
    let rows = store.0.fetch(Query { values: query.values, ..Query::assembled(sql) }).await.unwrap();
    let detail = |row| {
        let mut cells = Cells::new(row);
        (0..3).for_each(|_| drop(cells.number::<i64>()));
        cells.string().unwrap()
    };
    rows.iter().map(|row| detail(row)).collect()
}

async fn assert_searches_an_index(store: &SqliteStore, query: Query) {
    let sql = query.sql.as_str().to_owned();
    let steps = plan(store, query).await;
    let is_bad = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
    assert!(!steps.iter().any(is_bad), "{sql}: {steps:#?}");
}

#[tokio::test]
async fn every_search_list_and_deletion_searches_an_index() {
    let store = SqliteStore::in_memory().await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    let position = time_position(FIXTURE_TIME, id::<EventId>("position"));
    for number in 0..32_u8 {
        let has = |bit: u8| number >> bit & 1 == 1;
        let filter = AuditFilter {
            actor: has(0).then(|| id("ann")),
            action: some("group.create").filter(|_| has(1)),
            resource: some("r").filter(|_| has(2)),
            since: has(3).then_some(FIXTURE_TIME),
            until: has(4).then_some(FIXTURE_TIME),
        };
        for after in [None, Some(position.clone())] {
            let query = search_audit_events(id("acme"), &filter, &PageRequest::new(9, after)).unwrap();
            assert_searches_an_index(&store, query).await;
        }
    }
    let page = PageRequest::default();
    assert_searches_an_index(&store, list_tasks(id("acme"), id("dev"), &page).unwrap()).await;
    assert_searches_an_index(&store, list_security_events(id("ann"), &page).unwrap()).await;
    let cutoffs = PruneCutoffs {
        now: FIXTURE_TIME,
        events: FIXTURE_TIME,
        security_events: FIXTURE_TIME,
        tasks: FIXTURE_TIME,
        audit_events: Some(FIXTURE_TIME),
        usage: FIXTURE_TIME,
    };
    for query in prune::statements::<SqliteEngine>(&cutoffs, 9) {
        // Leases are few: one per workspace at most.
        if !query.sql.as_str().contains("leases") {
            assert_searches_an_index(&store, query).await;
        }
    }
}

#[tokio::test]
async fn a_search_beyond_its_timeout_asks_for_a_narrower_filter() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("test.db")).await.unwrap();
    let endless = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n";
    let error = store.0.search(Query::new(endless)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "search_timeout"), "{error:?}");
    let again = store.0.search(Query::new("SELECT COUNT(*) FROM users")).await.unwrap();
    assert_eq!(again.len(), 1, "the connection remains usable");
}

#[tokio::test]
async fn workspaces_are_counted_by_an_index_alone() {
    let store = SqliteStore::in_memory().await.unwrap();
    let steps = plan(&store, count_by_phase::<SqliteEngine>()).await;
    assert_eq!(steps, ["SCAN workspaces USING COVERING INDEX workspaces_on_host"]);
}
