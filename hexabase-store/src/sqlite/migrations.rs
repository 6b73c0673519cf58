//! The tables, step by step. Migrations only ever go forward; one that was released never changes, and a
//! database of which one was changed is refused.

use std::borrow::Cow;

use hexabase_core::error::{Error, Result};
use sqlx::SqlSafeStr as _;
use sqlx::SqlitePool;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::error;

const MIGRATIONS: [(i64, &str, &str); 9] = [
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "outbox by workspace", include_str!("../../migrations/sqlite/0002_outbox_by_workspace.sql")),
    (3, "hosts", include_str!("../../migrations/sqlite/0003_hosts.sql")),
    (4, "node pools", include_str!("../../migrations/sqlite/0004_node_pools.sql")),
    (5, "grants", include_str!("../../migrations/sqlite/0005_grants.sql")),
    (6, "cuts", include_str!("../../migrations/sqlite/0006_cuts.sql")),
    (7, "invitations by email", include_str!("../../migrations/sqlite/0007_invitations_by_email.sql")),
    (8, "billing", include_str!("../../migrations/sqlite/0008_billing.sql")),
    (9, "usage", include_str!("../../migrations/sqlite/0009_usage.sql")),
];

fn migrator() -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

/// Brings the tables up to date.
pub(super) async fn run(pool: &SqlitePool) -> Result<()> {
    migrator().run(pool).await.map_err(meaning)
}

fn meaning(error: MigrateError) -> Error {
    let drift = |message: String| Error::conflict("schema_drift", message);
    match error {
        MigrateError::VersionMismatch(version) => drift(format!(
            "migration {version} of this database is not the one that this program has; \
             it was made by another build: use that one, or another file"
        )),
        MigrateError::VersionMissing(version) => drift(format!(
            "this database has migration {version}, which this program does not know: it is older than the database"
        )),
        MigrateError::Dirty(version) => drift(format!(
            "migration {version} of this database broke off half-way; restore it from a backup"
        )),
        MigrateError::Execute(error) => error::unavailable(error),
        other => Error::unavailable("the tables could not be brought up to date").caused_by(other),
    }
}
