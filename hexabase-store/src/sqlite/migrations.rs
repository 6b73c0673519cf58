//! Schema migrations of SQLite.
//!
//! Migrations only go forward. A released migration never changes: a database whose recorded checksum differs is
//! refused.

use std::borrow::Cow;

use hexabase_core::error::{Error, Result};
use sqlx::SqlSafeStr as _;
use sqlx::SqlitePool;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::error;

/// All migrations, oldest first: version, description and SQL text.
const MIGRATIONS: [(i64, &str, &str); 1] =
    [(1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql"))];

fn migrator() -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect())
}

/// Applies the migrations that the database does not have yet.
pub(super) async fn run(pool: &SqlitePool) -> Result<()> {
    migrator().run(pool).await.map_err(migrate_error)
}

fn migrate_error(error: MigrateError) -> Error {
    let drift = |message: String| Error::conflict("schema_drift", message);
    match error {
        MigrateError::VersionMismatch(version) => drift(format!(
            "migration {version} of this database differs from that of this program: \
             another build created the database; use that build or another file"
        )),
        MigrateError::VersionMissing(version) => drift(format!(
            "this database has migration {version}, which this program does not know; use a newer version of the program"
        )),
        MigrateError::Dirty(version) => drift(format!(
            "migration {version} of this database was interrupted; restore the database from a backup"
        )),
        MigrateError::Execute(error) => error::unavailable(error),
        other => Error::unavailable("migrating the database failed").caused_by(other),
    }
}
