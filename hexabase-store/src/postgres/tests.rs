use hexabase_core::ErrorKind;
use hexabase_core::changeset::Changeset;
use hexabase_core::fixture;
use hexabase_core::store::{Commit as _, OrganizationStore as _, WorkspaceStore as _};
use hexabase_test_servers::Postgres;

use super::migrations::{MIGRATIONS, MigrationSource};
use super::{PostgresConfig, PostgresStore};

/// A migration that a later release might bring: it only adds objects.
const NEXT: MigrationSource = (
    1_000,
    "synthetic",
    "ALTER TABLE workspaces ADD COLUMN later text; \
     ALTER TABLE tasks ADD COLUMN later bigint NOT NULL DEFAULT 7; \
     CREATE INDEX workspaces_later ON workspaces (organization_id, later)",
);

/// A migration of the release after that: it removes what no supported program uses, and says so.
const CONTRACTING: MigrationSource = (
    1_001,
    "synthetic contraction",
    "ALTER TABLE tasks DROP COLUMN later; UPDATE schema_compatibility SET least_migration = 1000",
);

/// All migrations, followed by `next`.
fn with(next: &[MigrationSource]) -> Vec<MigrationSource> {
    [MIGRATIONS, next].concat()
}

async fn assert_data_is_readable(store: &PostgresStore) {
    let (organization, workspace) = (fixture::organization("acme"), fixture::workspace("dev"));
    assert_eq!(store.find_organization(organization.id).await.unwrap(), Some(organization.clone()));
    assert_eq!(store.find_workspace(organization.id, workspace.id).await.unwrap(), Some(workspace));
}

#[tokio::test]
async fn next_migration_keeps_data_and_lets_old_and_new_programs_run_side_by_side() {
    let server = Postgres::shared();
    let config = PostgresConfig::new(server.url_of(&server.database().await));
    PostgresStore::migrate(&config).await.unwrap();
    let old = PostgresStore::connect(&config).await.unwrap();
    let (organization, workspace) = (fixture::organization("acme"), fixture::workspace("dev"));
    old.commit(Changeset::new().insert(organization).insert(workspace)).await.unwrap();

    let next = with(&[NEXT]);
    let error = PostgresStore::connect_with(&config, &next).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "schema_drift"), "not migrated yet");

    PostgresStore::migrate_with(&config, &next).await.unwrap();
    let new = PostgresStore::connect_with(&config, &next).await.unwrap();
    let restarted = PostgresStore::connect(&config).await.unwrap();
    for store in [&old, &new, &restarted] {
        assert_data_is_readable(store).await;
        store.commit(Changeset::new().update(fixture::organization("acme"))).await.unwrap();
    }

    // An old program that migrates leaves the newer schema alone.
    PostgresStore::migrate(&config).await.unwrap();
    assert_data_is_readable(&PostgresStore::connect_with(&config, &next).await.unwrap()).await;
}

#[tokio::test]
async fn contracting_migration_refuses_programs_that_are_too_old() {
    let server = Postgres::shared();
    let config = PostgresConfig::new(server.url_of(&server.database().await));
    PostgresStore::migrate_with(&config, &with(&[NEXT, CONTRACTING])).await.unwrap();
    let error = PostgresStore::connect(&config).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, "schema_drift"));
    assert!(PostgresStore::connect_with(&config, &with(&[NEXT])).await.is_ok());
}
