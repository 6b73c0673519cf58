//! Plans of the statements over tables that tenants make large: each of them reads few rows, by an index.

use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::after;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{EventId, OrganizationId, UserId, WorkspaceId};
use hexabase_core::model::AuditFilter;
use hexabase_core::page::{PageRequest, time_position};
use hexabase_core::store::{
    Commit as _, EventStore as _, OrganizationStore as _, PruneCutoffs, WorkStore as _,
};
use hexabase_test_servers::Postgres;
use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::Row as _;

use super::pool::Connections;
use super::{PostgresConfig, PostgresEngine, PostgresStore, rows, scope};
use crate::sql::{Engine as _, Query, Value, list_security_events, list_tasks, prune, search_audit_events};

/// Number of rows per table, one per second.
const ROWS: u32 = 60_000;
/// Maximum number of rows that a statement may visit for 50 items.
const MAX_VISITED: f64 = 400.0;

/// Statements that fill the tables. The oldest 20 rows belong to a quiet organization; half of the others belong to one
/// organization, workspace and user, and the rest to 50 others. Of the audit events every 100th has another action,
/// every 1,000th another actor, and each resource has 5.
fn rows_of_tenants() -> String {
    let mine = |own: String| format!("CASE WHEN n % 2 = 0 THEN '{own}' ELSE 'other_' || n % 50 END");
    let quiet = id::<OrganizationId>("quiet");
    let org = mine(id::<OrganizationId>("acme").to_string());
    let org = format!("CASE WHEN n <= 20 THEN '{quiet}' ELSE {org} END");
    let ws = mine(id::<WorkspaceId>("dev").to_string());
    let user = mine(id::<UserId>("ann").to_string());
    let (at, number) =
        (format!("timestamptz '{FIXTURE_TIME}' + n * interval '1 second'"), "lpad(n::text, 26, '0')");
    let ann = id::<UserId>("ann");
    let tables = [
        format!(
            "audit_events SELECT {org}, 'evt_' || {number}, CASE WHEN n % 1000 = 0 THEN 'usr_rare' ELSE '{ann}' END, \
             NULL, NULL, CASE WHEN n % 100 = 0 THEN 'rare' ELSE 'common' END, 'resource-' || n / 5, 'null', 'null', \
             NULL, '', '', {at}"
        ),
        format!("security_events SELECT {user}, 'evt_' || {number}, 'sign_in', NULL, NULL, '', {at}"),
        format!("live_events SELECT {org}, 'evt_' || {number}, NULL, 'x', 'null', {at}"),
        format!(
            "tasks SELECT {org}, {ws}, 'tsk_' || {number}, 'create', 'succeeded', 1, '[]', 1, '', 'x', {at}, {at}, {at}, 1"
        ),
        format!(
            "sessions SELECT 'ses_' || {number}, {user}, NULL, 'dev', NULL, NULL, 'null', '', NULL, NULL, {at}, {at}, \
             {at}, CASE WHEN n % 2 = 0 THEN {at} END, 1"
        ),
        format!("spent_refresh_tokens SELECT 'ses_' || {number}, 'h', {at}"),
        format!("idempotency SELECT {user}, n::text, '', '', {at}, {at}"),
        format!("webhook_events SELECT n::text, 'x', 'cus', {at}, {at}"),
        format!("metered_hours SELECT {at}, {at}"),
        format!("usage_hours SELECT {org}, {at}, {ws}, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1"),
        format!("usage_reports SELECT {org}, {at}, 1, 1, 1, 1, 1, 1, 1"),
    ];
    // Rows that they refer to are not needed.
    let mut script = "SET session_replication_role = replica;".to_owned();
    for table in tables {
        script.push_str(&format!("INSERT INTO {table} FROM generate_series(1, {ROWS}) AS n;"));
    }
    script + "ANALYZE"
}

async fn filled_store() -> (Postgres, PostgresStore) {
    let server = Postgres::shared();
    let database = server.database().await;
    let config = PostgresConfig::new(server.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    server.execute(&database, &rows_of_tenants()).await;
    (server, PostgresStore::connect(&config).await.unwrap())
}

/// Runs a statement in a transaction that is rolled back, and returns its plan.
async fn plan(connections: &Connections, query: Query) -> Json {
    let query = scope::scoped_read(query);
    let sql = format!("EXPLAIN (ANALYZE, FORMAT JSON) {}", query.sql.as_str());
    let query = Query { values: query.values, ..Query::assembled(sql) };
    let mut transaction = connections.begin("BEGIN").await.unwrap();
    let found = rows(&mut transaction, &query).await.unwrap();
    transaction.rollback().await;
    let plan: String = found[0].get_unchecked(0);
    serde_json::from_str::<Json>(&plan).unwrap()[0]["Plan"].take()
}

/// Adds up the rows that the scans of tables visited.
fn visited(plan: &Json) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let removed = number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
    let own = if plan["Relation Name"].is_null() { 0.0 } else { number("Actual Rows") + removed };
    let children = plan["Plans"].as_array().into_iter().flatten();
    own * number("Actual Loops") + children.map(visited).sum::<f64>()
}

fn assert_reads_few_rows(plan: &Json, what: &str) {
    let text = plan.to_string();
    assert!(!text.contains("Seq Scan"), "{what}: {plan}");
    assert!(visited(plan) <= MAX_VISITED, "{what} visits {} rows: {plan}", visited(plan));
}

fn second(number: u32) -> Timestamp {
    after(FIXTURE_TIME, Duration::from_secs(u64::from(number)))
}

#[tokio::test]
async fn every_search_and_list_of_a_large_tenant_reads_few_rows() {
    let (_server, store) = filled_store().await;
    let PostgresEngine { searches, connections, .. } = &store.0;
    let text = |text: &str| Some(text.to_owned());
    let none = AuditFilter::default;
    let half = Some(second(ROWS / 2));
    let filters = [
        none(),
        AuditFilter { actor: Some(id("ann")), ..none() },
        AuditFilter { actor: Some(id("absent")), ..none() },
        AuditFilter { action: text("common"), ..none() },
        AuditFilter { action: text("rare"), ..none() },
        AuditFilter { action: text("absent"), ..none() },
        AuditFilter { resource: text("resource-7"), ..none() },
        AuditFilter { resource: text("absent"), ..none() },
        AuditFilter { since: half, ..none() },
        AuditFilter { until: half, ..none() },
        AuditFilter { until: Some(FIXTURE_TIME), ..none() },
        AuditFilter { action: text("rare"), until: half, ..none() },
        AuditFilter { actor: Some(id("ann")), since: half, until: half, ..none() },
        AuditFilter {
            actor: Some(id("ann")),
            action: text("common"),
            resource: text("resource-7"),
            ..none()
        },
        AuditFilter { action: text("common"), resource: text("absent"), until: half, ..none() },
    ];
    let position = time_position(second(ROWS / 3), id::<EventId>("position"));
    for filter in &filters {
        for after in [None, Some(position.clone())] {
            let page = PageRequest::new(50, after);
            for organization in ["acme", "quiet", "absent"] {
                let query = search_audit_events(id(organization), filter, &page).unwrap();
                let what = format!("{organization} {filter:?} {page:?}");
                assert_reads_few_rows(&plan(searches, query).await, &what);
            }
        }
    }
    for after in [None, Some(second(ROWS / 2))] {
        let position = |prefix: &str| after.map(|_| format!("{prefix}_{:026}", ROWS / 2));
        // Positions of generated rows are no ids, so the value is replaced.
        let at = |query: Query, prefix: &str| match position(prefix) {
            Some(text) => {
                let mut query = query;
                let last = query.values.len() - 2;
                query.values[last] = Value::Text(Some(text));
                query
            }
            None => query,
        };
        let page = PageRequest::new(50, None);
        let tasks = at(list_tasks(id("acme"), id("dev"), &page).unwrap(), "tsk");
        assert_reads_few_rows(&plan(connections, tasks).await, "tasks");
        let events = at(list_security_events(id("ann"), &page).unwrap(), "evt");
        assert_reads_few_rows(&plan(connections, events).await, "security events");
    }
}

#[tokio::test]
async fn a_batch_of_pruning_reads_few_rows_and_leaves_recent_audit_events() {
    let (server, store) = filled_store().await;
    let far = second(2 * ROWS);
    let cutoffs = PruneCutoffs {
        now: far,
        events: far,
        security_events: far,
        tasks: far,
        audit_events: Some(far),
        usage: far,
    };
    for query in prune::statements::<PostgresEngine>(&cutoffs, 50) {
        let sql = query.sql.as_str().to_owned();
        // Leases are few: one per workspace at most.
        if !sql.contains("leases") {
            assert_reads_few_rows(&plan(&store.0.connections, query).await, &sql);
        }
    }
    assert_eq!(
        store.prune(&cutoffs, 10).await.unwrap(),
        130,
        "ten for each statement except that for leases"
    );
    // The view does not contain the audit events of the last 30 days.
    let database = server.database().await;
    let config = PostgresConfig::new(server.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    server
        .execute(
            &database,
            "INSERT INTO audit_events SELECT 'org_1', n::text, NULL, NULL, NULL, 'a', 'r', 'null', 'null', NULL, '', '', \
             now() - n * interval '10 days' FROM generate_series(1, 5) AS n",
        )
        .await;
    let store = PostgresStore::connect(&config).await.unwrap();
    let cutoffs =
        PruneCutoffs { audit_events: Some(after(far, Duration::from_secs(4_000_000_000))), ..cutoffs };
    assert_eq!(store.prune(&cutoffs, 10).await.unwrap(), 3, "those of 30, 40 and 50 days ago");
}

#[tokio::test]
async fn a_search_beyond_its_timeout_asks_for_a_narrower_filter() {
    let server = Postgres::shared();
    let config = PostgresConfig::new(server.url_of(&server.database().await));
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    let slow =
        Query::new("SELECT pg_sleep(30) FROM organizations WHERE id = $1").for_organization(id("acme"));
    let error = store.0.search(slow).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "search_timeout"), "{error:?}");
    assert!(error.to_string().contains("since and until"), "{error}");
    // The connection remains usable.
    let page = PageRequest::default();
    let found = store.list_audit_events(id("acme"), &AuditFilter::default(), &page).await.unwrap();
    assert_eq!(found.items, []);
}

#[tokio::test]
async fn searches_leave_connections_to_other_requests() {
    let server = Postgres::shared();
    let config =
        PostgresConfig { connections: 1, ..PostgresConfig::new(server.url_of(&server.database().await)) };
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    let slow = || {
        let query = Query::new("SELECT pg_sleep(30) FROM organizations WHERE id = $1");
        store.0.search(query.for_organization(id("acme")))
    };
    let searches = futures_util::future::join_all((0..8).map(|_| slow()));
    let others = async {
        for _ in 0..20 {
            store.find_organization(id("acme")).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = searches => panic!("other requests waited for the searches"),
        () = others => {}
    }
}
