//! Conformance of the PostgreSQL store, and tests of its own behavior.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod failover;
mod plans;
mod row_level_security;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::{Changeset, Precondition, RecordKey};
use hexabase_core::error::Result;
use hexabase_core::fixture::{self, id};
use hexabase_core::id::{InvitationId, UserId};
use hexabase_core::id_source::SeededIds;
use hexabase_core::model::{Invitation, OrganizationRole, User};
use hexabase_core::secret::Verifier;
use hexabase_core::store::{
    AccessStore as _, AlertStore as _, Commit as _, OrganizationStore as _, TenantStore, UserStore as _,
    WorkspaceStore as _,
};
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::Postgres;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tokio::task::JoinHandle;

mod conformance {
    use super::{config, migrated_database};
    use hexabase_store::PostgresStore;

    hexabase_core::tenant_store_conformance!(async {
        let (server, database) = migrated_database().await;
        (PostgresStore::connect(&config(&server, &database)).await.unwrap(), server)
    });
}

fn config(server: &Postgres, database: &str) -> PostgresConfig {
    PostgresConfig { connections: 8, ..PostgresConfig::new(server.url_of(database)) }
}

/// Returns a database to which all migrations have been applied.
async fn migrated_database() -> (Postgres, String) {
    let server = Postgres::shared();
    let database = server.database().await;
    PostgresStore::migrate(&config(&server, &database)).await.unwrap();
    (server, database)
}

/// Returns a store with two organizations that have one workspace each.
async fn two_tenants() -> (Postgres, String, PostgresStore) {
    let (server, database) = migrated_database().await;
    let store = PostgresStore::connect(&config(&server, &database)).await.unwrap();
    for name in ["acme", "globex"] {
        let organization = fixture::organization(name);
        let mut workspace = fixture::workspace("dev");
        (workspace.id, workspace.organization_id) = (id(&format!("dev-of-{name}")), organization.id);
        let member = fixture::member(organization.id, id("ann"), OrganizationRole::Owner);
        store.commit(Changeset::new().insert(organization).insert(workspace).insert(member)).await.unwrap();
    }
    (server, database, store)
}

/// Returns a connection of a user who has only the privileges of the programs.
async fn intruder(server: &Postgres, database: &str) -> PgConnection {
    let user = hexabase_test_servers::unique("intruder");
    server.execute(database, &format!("CREATE ROLE {user} LOGIN IN ROLE hexabase_app")).await;
    let mut intruder = PgConnection::connect(&server.url_as(&user, database)).await.unwrap();
    intruder.execute("SET ROLE hexabase_app").await.unwrap();
    intruder
}

#[tokio::test]
async fn hostile_sql_sees_one_organization_only() {
    let (server, database, _store) = two_tenants().await;
    let mut intruder = intruder(&server, &database).await;
    let (acme, globex) = (fixture::organization("acme").id, fixture::organization("globex").id);
    let tables = "organizations members invitations service_accounts inventories workspaces workspace_groups \
                  group_members projects project_roles role_assignments alert_rules tasks live_events audit_events outbox api_tokens \
                  organization_directory";

    // Without a scope no rows are visible.
    for table in tables.split_whitespace() {
        let all = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT * FROM {table}")));
        assert!(all.fetch_all(&mut intruder).await.unwrap().is_empty(), "{table}");
    }

    // With a scope, a wrong condition reaches no other organization.
    let name = format!("SET hexabase.organization_id = '{acme}'");
    intruder.execute(sqlx::AssertSqlSafe(name)).await.unwrap();
    for hostile in [
        format!("SELECT organization_id FROM workspaces WHERE organization_id = '{globex}' OR true"),
        "SELECT organization_id FROM workspaces".to_owned(),
        "SELECT w.organization_id FROM members m FULL JOIN workspaces w ON true".to_owned(),
        "TABLE members".to_owned(),
        "SELECT (SELECT max(organization_id) FROM workspaces)".to_owned(),
        "WITH x AS (DELETE FROM members RETURNING organization_id) SELECT * FROM x".to_owned(),
        "UPDATE workspaces SET display_name = 'mine' RETURNING organization_id".to_owned(),
        "SELECT organization_id FROM workspaces FOR UPDATE".to_owned(),
    ] {
        let found = sqlx::query(sqlx::AssertSqlSafe(hostile.clone())).fetch_all(&mut intruder).await.unwrap();
        assert!(!found.is_empty(), "{hostile}");
        assert!(found.iter().all(|row| row.get::<String, _>(0) == acme.to_string()), "{hostile}");
    }

    // The directory of operators is empty in the scope of a tenant.
    let directory = "SELECT id FROM organization_directory";
    assert!(sqlx::query(directory).fetch_all(&mut intruder).await.unwrap().is_empty());

    // A condition that PostgreSQL evaluates before the policy does not see other rows either.
    let spy = "CREATE TEMP TABLE seen (id text); \
               CREATE FUNCTION pg_temp.peek(id text) RETURNS bool COST 0.0000001 LANGUAGE plpgsql AS \
               $$ BEGIN INSERT INTO seen VALUES (id); RETURN true; END $$; \
               SELECT FROM workspaces WHERE pg_temp.peek(organization_id)";
    intruder.execute(spy).await.unwrap();
    let seen: Vec<String> = sqlx::query_scalar("SELECT id FROM seen").fetch_all(&mut intruder).await.unwrap();
    assert_eq!(seen, [acme.to_string()]);

    // Statements that would bypass the policy are rejected.
    for rejected in [
        format!("INSERT INTO members VALUES ('{globex}', 'usr_me', 'owner', now(), now(), 1)"),
        format!("UPDATE workspaces SET organization_id = '{globex}'"),
        "SET row_security = off; SELECT * FROM workspaces".to_owned(),
        "ALTER TABLE workspaces DISABLE ROW LEVEL SECURITY".to_owned(),
        "DROP POLICY organization_scope ON workspaces".to_owned(),
        "CREATE POLICY mine ON workspaces USING (true)".to_owned(),
        "TRUNCATE workspaces".to_owned(),
        "SET ROLE postgres".to_owned(),
        "SET SESSION AUTHORIZATION postgres".to_owned(),
        "ALTER ROLE hexabase_app BYPASSRLS".to_owned(),
        "COPY workspaces TO PROGRAM 'cat'".to_owned(),
        format!("INSERT INTO outbox VALUES ('msg_me', 'reconcile', '{globex}', NULL, '', now())"),
        "UPDATE outbox_relay SET payload = ''".to_owned(),
        "INSERT INTO api_tokens VALUES ('tok_me', 'usr_me', NULL, 'mine', '[]', '', now(), NULL, NULL)"
            .to_owned(),
        "SELECT name FROM workspace_schedule".to_owned(),
        "DELETE FROM workspace_schedule".to_owned(),
        "UPDATE workspace_schedule SET host_cluster = 'elsewhere'".to_owned(),
        "UPDATE audit_events SET action = 'nothing'".to_owned(),
        "DELETE FROM audit_events".to_owned(),
    ] {
        let outcome = intruder.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(rejected.clone()))).await;
        assert!(outcome.is_err(), "{rejected}");
        intruder.execute("SET row_security = on").await.unwrap();
    }
}

#[tokio::test]
async fn a_user_scope_reads_invitations_to_its_own_address_and_changes_none() {
    let (server, database, store) = two_tenants().await;
    let invitation = |name: &str, organization: &str| Invitation {
        id: id(name),
        organization_id: id(organization),
        email: fixture::user(name).email.unwrap(),
        role: OrganizationRole::Member,
        hash: Verifier::generate(&SeededIds::new(1)).hash(),
        invited_by: id("owner"),
        created_at: fixture::FIXTURE_TIME,
        expires_at: fixture::FIXTURE_TIME,
    };
    let robot = User { email: None, ..fixture::user("robot") };
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::user("bob"))
        .insert(robot)
        .insert(invitation("ann", "acme"))
        .insert(invitation("bob", "globex"));
    store.commit(changeset).await.unwrap();
    let mut intruder = intruder(&server, &database).await;
    for (name, expected) in
        [("ann", vec![id::<InvitationId>("ann")]), ("robot", vec![]), ("outsider", vec![])]
    {
        let scope = format!("SET hexabase.user_id = '{}'", id::<UserId>(name));
        intruder.execute(sqlx::AssertSqlSafe(scope)).await.unwrap();
        let all = sqlx::query_scalar::<_, String>("SELECT id FROM invitations").fetch_all(&mut intruder);
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(all.await.unwrap(), expected, "{name}");
        for change in ["UPDATE invitations SET role = 'owner'", "DELETE FROM invitations"] {
            assert_eq!(intruder.execute(change).await.unwrap().rows_affected(), 0, "{change}");
        }
    }
}

/// Tables whose rows belong to no organization: to a user, to the installation, or to the migrations.
const TABLES_WITHOUT_ORGANIZATION: [&str; 14] = [
    "_sqlx_migrations",
    "hosts",
    "idempotency",
    "identities",
    "leases",
    "metered_hours",
    "plans",
    "schema_compatibility",
    "security_events",
    "sessions",
    "signing_keys",
    "spent_refresh_tokens",
    "users",
    "webhook_events",
];

#[tokio::test]
async fn every_table_with_an_organization_has_a_policy() {
    let (server, database) = migrated_database().await;
    let mut superuser = PgConnection::connect(&server.url_of(&database)).await.unwrap();
    let tables = "SELECT c.relname::text, c.relrowsecurity, EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid), \
                  EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id') \
                  FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1";
    let tables: Vec<(String, bool, bool, bool)> =
        sqlx::query_as(tables).fetch_all(&mut superuser).await.unwrap();
    let mut open = Vec::new();
    for (table, is_enabled, has_policy, has_organization) in tables {
        assert_eq!(is_enabled, has_policy, "{table}");
        if !is_enabled {
            assert!(!has_organization, "{table} has no policy");
            open.push(table);
        }
    }
    assert_eq!(
        open, TABLES_WITHOUT_ORGANIZATION,
        "a new table needs a policy, or is listed here and in ADR 6"
    );
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE c.relrowsecurity AND a.attname <> 'organization_id' ORDER BY 1",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    // Indexes for reads of the platform and of users, and those of the table of organizations, whose id is the
    // organization.
    let platform = [
        "alert_rules_by_id",
        "api_tokens_of_user",
        "api_tokens_pkey",
        "audit_events_by_age",
        "billing_accounts_by_customer",
        "billing_accounts_due",
        "invitations_by_email",
        "live_events_by_age",
        "members_by_user",
        "organizations_by_creator",
        "organizations_name_key",
        "organizations_pkey",
        "outbox_by_workspace",
        "outbox_pkey",
        "tasks_by_age",
        "usage_hours_by_hour",
        "usage_reports_by_hour",
        "workspaces_by_id",
        "workspaces_due",
        "workspaces_on_host",
    ];
    assert_eq!(loose, platform, "every other index of a tenant table must start with the organization");
}

#[tokio::test]
async fn one_commit_writes_records_of_no_organization_and_of_two() {
    let (_server, _database, store) = two_tenants().await;
    let user = fixture::user("ann");
    let rename = |name: &str| {
        let mut organization = fixture::organization(name);
        organization.display_name = hexabase_core::name::DisplayName::parse("renamed").unwrap();
        organization
    };
    let both = Changeset::new().insert(user.clone()).update(rename("acme")).update(rename("globex"));
    store.commit(both).await.unwrap();
    for name in ["acme", "globex"] {
        let found = store.find_organization(id(name)).await.unwrap().unwrap();
        assert_eq!(found.display_name, rename(name).display_name);
    }
    assert_eq!(store.find_user(user.id).await.unwrap(), Some(user));
    let taken = Changeset::new().update(rename("acme")).insert(fixture::organization("globex"));
    assert_eq!(store.commit(taken).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn a_precondition_holds_until_the_commit_is_done() {
    let (server, database, store) = two_tenants().await;
    let ann = id("ann");
    let mut other = PgConnection::connect(&server.url_of(&database)).await.unwrap();
    // Another transaction is about to remove the member that the commit depends on.
    other.execute("BEGIN").await.unwrap();
    other.execute("DELETE FROM members").await.unwrap();
    let organization = fixture::organization("acme");
    let guarded = Changeset::new()
        .precondition(Precondition::Member(organization.id, ann))
        .delete(RecordKey::Workspace(organization.id, id("dev-of-acme")));
    let commit = store.commit(guarded);
    let decide = async {
        // The commit is observed to wait for the other transaction.
        let mut watcher = PgConnection::connect(&server.url_of(&database)).await.unwrap();
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        other.execute("COMMIT").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(commit, decide);
    assert!(outcome.unwrap_err().is_version_conflict());
    assert!(store.find_workspace(organization.id, id("dev-of-acme")).await.unwrap().is_some());
}

/// Blocks all reads of members until the returned connection commits or is dropped.
async fn lock_members(server: &Postgres, database: &str) -> PgConnection {
    let mut other = PgConnection::connect(&server.url_of(database)).await.unwrap();
    other.execute("BEGIN; LOCK TABLE members IN ACCESS EXCLUSIVE MODE").await.unwrap();
    other
}

/// Maximum number of concurrent statements of the batch loader.
const MAX_CONCURRENT_STATEMENTS: i64 = 2;

/// Waits until that many statements wait for a lock, and returns their number.
async fn wait_for_blocked_statements(server: &Postgres, database: &str) -> i64 {
    let mut watcher = PgConnection::connect(&server.url_of(database)).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    loop {
        let count = sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watcher).await.unwrap();
        if count >= MAX_CONCURRENT_STATEMENTS {
            return count;
        }
        tokio::task::yield_now().await;
    }
}

/// Starts 100 concurrent reads of workspaces.
fn concurrent_reads(store: &PostgresStore) -> Vec<JoinHandle<Result<bool>>> {
    let read = |number: usize| {
        let (store, name) = (store.clone(), ["acme", "globex"][number % 2]);
        tokio::spawn(async move {
            let dev = id(&format!("dev-of-{name}"));
            let found = store.find_workspace_for(id(name), id("ann"), dev).await?;
            Ok(found.is_some_and(|(_, workspace)| workspace.is_some_and(|workspace| workspace.id == dev)))
        })
    };
    (0..100).map(read).collect()
}

#[tokio::test]
async fn concurrent_reads_share_few_statements() {
    let (server, database, store) = two_tenants().await;
    let mut lock = lock_members(&server, &database).await;
    let reads = concurrent_reads(&store);
    assert_eq!(wait_for_blocked_statements(&server, &database).await, MAX_CONCURRENT_STATEMENTS);
    lock.execute("COMMIT").await.unwrap();
    for read in reads {
        assert!(read.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn a_cancelled_read_does_not_block_the_others() {
    let (server, database, store) = two_tenants().await;
    let mut lock = lock_members(&server, &database).await;
    let mut reads = concurrent_reads(&store);
    wait_for_blocked_statements(&server, &database).await;
    // The first two reads hold the permits; of the others, every third is cancelled as well.
    let is_cancelled = |number: usize| number < 2 || number.is_multiple_of(3);
    for read in reads.iter().enumerate().filter(|(number, _)| is_cancelled(*number)).map(|(_, read)| read) {
        read.abort();
    }
    lock.execute("COMMIT").await.unwrap();
    for (_, read) in reads.iter_mut().enumerate().filter(|(number, _)| !is_cancelled(*number)) {
        assert!(read.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn a_failed_statement_fails_the_reads_of_its_batch_and_no_later_ones() {
    let (server, database, _) = two_tenants().await;
    let statement_timeout = Duration::from_millis(200);
    let config = PostgresConfig { statement_timeout, ..config(&server, &database) };
    let store = PostgresStore::connect(&config).await.unwrap();
    let mut lock = lock_members(&server, &database).await;
    for read in concurrent_reads(&store) {
        let error = read.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(format!("{error:?}").contains("timeout"), "the cause must be preserved: {error:?}");
    }
    lock.execute("COMMIT").await.unwrap();
    for read in concurrent_reads(&store) {
        assert!(read.await.unwrap().unwrap());
    }
}

#[tokio::test]
async fn a_database_without_a_schema_is_rejected_with_the_remedy() {
    let server = Postgres::shared();
    let database = server.database().await;
    server.execute(&database, "CREATE ROLE unrelated_role").await;
    PostgresStore::migrate(&config(&server, &server.database().await)).await.unwrap();
    let error = PostgresStore::connect(&config(&server, &database)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "schema_drift"));
    assert!(error.message().contains("hexabase migrate"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_build_is_rejected() {
    let (server, database) = migrated_database().await;
    server.execute(&database, "UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1").await;
    let config = config(&server, &database);
    for error in [
        PostgresStore::connect(&config).await.unwrap_err(),
        PostgresStore::migrate(&config).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "schema_drift"));
        assert!(error.message().contains("migration 1"), "{error}");
    }
}

#[tokio::test]
async fn an_alert_rule_that_cannot_be_read_does_not_hide_the_others() {
    let (server, database) = migrated_database().await;
    let store = PostgresStore::connect(&config(&server, &database)).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    let mut changeset = Changeset::new().insert(fixture::workspace("dev"));
    for number in 0..3 {
        changeset = changeset.insert(fixture::alert_rule(&format!("rule-{number}")));
    }
    store.commit(changeset).await.unwrap();
    server.execute(&database, "UPDATE alert_rules SET condition = '{}' WHERE name = 'rule-0'").await;
    server.execute(&database, "UPDATE alert_rules SET severity = 'later' WHERE name = 'rule-1'").await;
    let page = store.list_alert_thresholds(None, 9).await.unwrap();
    let [readable, first, second] = ["rule-2", "rule-0", "rule-1"].map(|name| fixture::alert_rule(name).id);
    assert_eq!(page.thresholds.iter().map(|threshold| threshold.id).collect::<Vec<_>>(), [readable]);
    let unreadable: BTreeSet<String> = page.unreadable.into_iter().collect();
    assert_eq!(unreadable, [first, second].map(|id| id.to_string()).into());
}

#[tokio::test]
async fn a_newer_schema_is_accepted_until_it_drops_something() {
    let (server, database) = migrated_database().await;
    let ahead = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (900, 'later', true, '\\x00', 0); ALTER TABLE workspaces ADD COLUMN later text";
    server.execute(&database, ahead).await;
    let config = config(&server, &database);
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    store.commit(Changeset::new().insert(fixture::workspace("dev"))).await.unwrap();
    assert!(store.find_workspace(id("acme"), id("dev")).await.unwrap().is_some());

    server.execute(&database, "UPDATE schema_compatibility SET least_migration = 900").await;
    let error = PostgresStore::connect(&config).await.unwrap_err();
    assert!(error.message().contains("too old"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_migrations_succeed() {
    let server = Postgres::shared();
    let database = server.database().await;
    let migrate = || {
        let config = config(&server, &database);
        tokio::spawn(async move { PostgresStore::migrate(&config).await })
    };
    for task in [migrate(), migrate(), migrate(), migrate()] {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deadlocked_transactions_are_retried() {
    let (_server, _database, store) = two_tenants().await;
    let store: Arc<dyn TenantStore> = Arc::new(store);
    // Each task updates the two organizations in the opposite order of the other.
    let change = |names: [&'static str; 2]| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                let both = names.map(fixture::organization);
                let changeset =
                    both.into_iter().fold(Changeset::new(), |changeset, one| changeset.update(one));
                store.commit(changeset).await.unwrap();
            }
        })
    };
    for task in [change(["acme", "globex"]), change(["globex", "acme"])] {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_store_reconnects_after_a_server_restart() {
    let mut server = Postgres::start();
    let database = server.database().await;
    let config = config(&server, &database);
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    for graceful in [true, false] {
        server.stop(graceful);
        server.resume();
        assert!(store.find_organization(id("acme")).await.unwrap().is_some());
        store.commit(Changeset::new().update(fixture::organization("acme"))).await.unwrap();
    }
    server.stop(true);
    let error = store.find_organization(id("acme")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_statement_is_cancelled_after_its_timeout() {
    let (server, database) = migrated_database().await;
    let mut config = config(&server, &database);
    config.statement_timeout = std::time::Duration::from_millis(200);
    let store = PostgresStore::connect(&config).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    let mut other = PgConnection::connect(&server.url_of(&database)).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("LOCK TABLE organizations").await.unwrap();
    let groups =
        store.list_groups(id("acme"), id("dev"), None, &hexabase_core::page::PageRequest::default()).await;
    assert!(groups.is_ok(), "other tables must not be affected");
    let error = store.find_organization(id("acme")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_password_is_not_shown() {
    let config = PostgresConfig::new("postgres://ann:hunter2@127.0.0.1:1/none");
    let error = PostgresStore::connect(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{config:?} {error:?} {error}").contains("hunter2"));
    let error = PostgresStore::connect(&PostgresConfig::new("mysql://hunter2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_cancelled_operation_leaves_nothing_on_its_connection() {
    let (server, database) = migrated_database().await;
    let store = PostgresStore::connect(&config(&server, &database)).await.unwrap();
    store.commit(Changeset::new().insert(fixture::organization("acme"))).await.unwrap();
    let mut other = PgConnection::connect(&server.url_of(&database)).await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute("LOCK TABLE organizations").await.unwrap();
    // The operations are cancelled while they wait, in the middle of a read and of a commit.
    let change = || store.commit(Changeset::new().update(fixture::organization("acme")));
    for _ in 0..4 {
        let timeout = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(timeout, store.find_organization(id("acme"))).await.is_err());
        assert!(tokio::time::timeout(timeout, change()).await.is_err());
    }
    other.execute("COMMIT").await.unwrap();
    for _ in 0..8 {
        assert_eq!(store.find_organization(id("acme")).await.unwrap(), Some(fixture::organization("acme")));
        assert_eq!(store.find_user(id("ann")).await.unwrap(), None);
        change().await.unwrap();
    }
}

#[tokio::test]
async fn a_read_only_database_is_detected_by_a_ping() {
    let (server, database) = migrated_database().await;
    let store = PostgresStore::connect(&config(&server, &database)).await.unwrap();
    store.ping().await.unwrap();
    let statement = format!("ALTER DATABASE {database} SET default_transaction_read_only = on");
    server.execute(&database, &statement).await;
    let read_only = PostgresStore::connect(&config(&server, &database)).await.unwrap();
    assert!(read_only.find_user(id("ann")).await.unwrap().is_none());
    read_only.ping().await.unwrap_err();
}
