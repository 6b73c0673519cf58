//! Checks of the row-level security when programs connect, directly and through PgBouncer.

use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::changeset::Changeset;
use hexabase_core::error::Error;
use hexabase_core::fixture::{self, id};
use hexabase_core::store::{Commit as _, OrganizationStore as _, UserStore as _};
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::{PgBouncer, Postgres};
use sqlx::{Connection as _, PgConnection};

/// Server with the roles of `deploy/postgres-roles.sh` and a migrated database.
async fn server_with_roles() -> (Postgres, String) {
    let server = Postgres::start();
    let database = server.database().await;
    let roles = format!(
        "CREATE ROLE hexabase_app NOLOGIN; CREATE ROLE hexabase_owner LOGIN IN ROLE hexabase_app; \
         CREATE ROLE hexabase_server LOGIN NOINHERIT IN ROLE hexabase_app; \
         ALTER DATABASE {database} OWNER TO hexabase_owner; ALTER SCHEMA public OWNER TO hexabase_owner"
    );
    server.execute(&database, &roles).await;
    PostgresStore::migrate(&PostgresConfig::new(server.url_as("hexabase_owner", &database))).await.unwrap();
    (server, database)
}

/// Users of the pooler.
const USERS: [&str; 3] = ["postgres", "hexabase_owner", "hexabase_server"];

async fn refusal_of(url: String) -> Error {
    let error = PostgresStore::connect(&PostgresConfig::new(url)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    error
}

#[tokio::test]
async fn programs_work_through_a_pooler_with_a_connection_per_session() {
    let (server, database) = server_with_roles().await;
    let pooler = PgBouncer::start(&server, "session", &USERS);
    PostgresStore::migrate(&PostgresConfig::new(pooler.url_as("hexabase_owner", &database))).await.unwrap();
    for (user, name) in [("hexabase_server", "acme"), ("hexabase_owner", "globex"), ("postgres", "initech")] {
        let store =
            PostgresStore::connect(&PostgresConfig::new(pooler.url_as(user, &database))).await.unwrap();
        let organization = fixture::organization(name);
        store.commit(Changeset::new().insert(organization.clone())).await.unwrap();
        assert_eq!(store.find_organization(organization.id).await.unwrap(), Some(organization));
        store.ping().await.unwrap();
        // The pooler opens other server connections; the store notices and opens sessions of its own.
        let mut superuser = PgConnection::connect(&server.url_of(&database)).await.unwrap();
        let terminated = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                          WHERE usename = $1 AND pid <> pg_backend_pid() AND datname = current_database()";
        let terminated: i64 =
            sqlx::query_scalar(terminated).bind(user).fetch_one(&mut superuser).await.unwrap();
        assert!(terminated > 0, "{user}");
        while store.find_user(id("ann")).await.is_err() {}
        store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn poolers_with_a_connection_per_transaction_or_statement_are_refused() {
    let (server, database) = server_with_roles().await;
    for mode in ["transaction", "statement"] {
        let pooler = PgBouncer::start(&server, mode, &USERS);
        for user in ["hexabase_server", "hexabase_owner"] {
            let error = refusal_of(pooler.url_as(user, &database)).await;
            assert!(error.message().contains("pool_mode = session"), "{mode}: {error}");
        }
        let config = PostgresConfig::new(pooler.url_as("hexabase_owner", &database));
        let error = PostgresStore::migrate(&config).await.unwrap_err();
        assert!(error.message().contains("pool_mode = session"), "{mode}: {error}");
    }
}

#[tokio::test]
async fn programs_do_not_start_without_row_level_security() {
    let (server, database) = server_with_roles().await;
    let url = server.url_as("hexabase_server", &database);
    // Programs cannot access the tables of other programs and of later releases.
    server.execute(&database, "CREATE TABLE other (organization_id text)").await;
    PostgresStore::connect(&PostgresConfig::new(url.clone())).await.unwrap();
    for (fault, remedy, named) in [
        ("ALTER ROLE hexabase_app BYPASSRLS", "ALTER ROLE hexabase_app NOBYPASSRLS", "workspaces"),
        ("ALTER ROLE hexabase_app SUPERUSER", "ALTER ROLE hexabase_app NOSUPERUSER", "organizations"),
        (
            "ALTER TABLE tasks DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE tasks ENABLE ROW LEVEL SECURITY",
            "tasks",
        ),
        (
            "CREATE TABLE later (organization_id text); GRANT SELECT ON later TO hexabase_app",
            "DROP TABLE later",
            "later",
        ),
        (
            "REVOKE hexabase_app FROM hexabase_server",
            "GRANT hexabase_app TO hexabase_server",
            "GRANT hexabase_app",
        ),
    ] {
        server.execute(&database, fault).await;
        let error = refusal_of(url.clone()).await;
        assert!(error.message().contains(named), "{fault}: {error}");
        server.execute(&database, remedy).await;
        PostgresStore::connect(&PostgresConfig::new(url.clone())).await.unwrap();
    }
}

#[tokio::test]
async fn every_new_connection_of_a_running_program_is_checked() {
    let (server, database) = server_with_roles().await;
    let url = server.url_as("hexabase_server", &database);
    let store = PostgresStore::connect(&PostgresConfig::new(url)).await.unwrap();
    store.ping().await.unwrap();
    server.execute(&database, "ALTER ROLE hexabase_app BYPASSRLS").await;
    let terminate =
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'hexabase_server'";
    server.execute(&database, terminate).await;
    let error = store.find_user(id("ann")).await.unwrap_err();
    assert!(error.message().contains("row-level security"), "{error}");
    server.execute(&database, "ALTER ROLE hexabase_app NOBYPASSRLS").await;
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_pooler_with_too_few_connections_is_reported() {
    let (server, database) = server_with_roles().await;
    server.execute(&database, "ALTER ROLE hexabase_server CONNECTION LIMIT 1").await;
    let pooler = PgBouncer::start(&server, "session", &USERS);
    let config = PostgresConfig {
        acquire_timeout: Duration::from_millis(500),
        ..PostgresConfig::new(pooler.url_as("hexabase_server", &database))
    };
    let error = PostgresStore::connect(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
