//! Schema migrations of PostgreSQL, applied while programs keep running.
//!
//! Migrations only go forward. A released migration never changes: a database whose recorded checksum differs is
//! rejected. Migrations expand first and contract later: columns that a migration adds are used by the next program,
//! and columns that no supported program uses are dropped by a later migration, which raises `schema_compatibility`.

use std::borrow::Cow;
use std::time::Duration;

use hexabase_core::error::{Error, Result, Retry};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, SqlSafeStr as _};

use super::error;

/// One step of the schema: version, description and SQL text.
pub(super) type MigrationSource = (i64, &'static str, &'static str);

/// All migrations, oldest first.
pub(super) const MIGRATIONS: &[MigrationSource] =
    &[(1, "initial", include_str!("../../migrations/postgres/0001_initial.sql"))];

/// Role that programs work as.
pub(super) const ROLE: &str = "hexabase_app";

/// Advisory lock of the process that migrates: "hexabase" in ASCII.
const ADVISORY_LOCK: i64 = 0x6865_7861_6261_7365;
/// Interval between attempts to take the lock, and number of attempts: one minute in total.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(250);
const LOCK_ATTEMPTS: u32 = 240;

/// Timeouts of the session. A migration waits only briefly for a lock, because other statements queue up behind it.
const SESSION_TIMEOUTS: &str = "SET lock_timeout = '5s'; SET statement_timeout = 0";

/// Creates the role unless it exists. A role belongs to the server, not to the database, so that the migration of
/// another database may create it at the same time.
const CREATE_ROLE: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hexabase_app') THEN
        CREATE ROLE hexabase_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$";
const GRANT_ROLE: &str = "DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'hexabase_app', 'MEMBER') THEN
        EXECUTE format('GRANT hexabase_app TO %I', current_user);
    END IF;
EXCEPTION WHEN unique_violation OR internal_error THEN NULL;
END $$";

fn migrator(migrations: &[MigrationSource]) -> Migrator {
    let migration = |(version, name, sql): &MigrationSource| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(migrations.iter().map(migration).collect());
    // The advisory lock is taken by `run`; migrations of a newer program are accepted as long as `verify` accepts them.
    migrator.set_locking(false).set_ignore_missing(true);
    migrator
}

/// Applies the migrations that the database does not have yet.
pub(super) async fn run(connection: &mut PgConnection, migrations: &[MigrationSource]) -> Result<()> {
    connection.execute(SESSION_TIMEOUTS).await.map_err(error::unavailable)?;
    lock(connection).await?;
    let migrated = async {
        for sql in [CREATE_ROLE, GRANT_ROLE] {
            connection.execute(sql).await.map_err(role_error)?;
        }
        migrator(migrations).run_direct(None, &mut *connection, false).await.map_err(migrate_error)
    }
    .await;
    // Closing the connection would release the lock as well.
    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(ADVISORY_LOCK).execute(connection).await;
    migrated.and(unlock.map(drop).map_err(error::unavailable))
}

/// Takes the migration lock by polling. A blocking wait inside a statement would hold a snapshot open and deadlock with
/// `CREATE INDEX CONCURRENTLY`.
async fn lock(connection: &mut PgConnection) -> Result<()> {
    for _ in 0..LOCK_ATTEMPTS {
        let taken = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(ADVISORY_LOCK);
        if taken.fetch_one(&mut *connection).await.map_err(error::unavailable)? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
    Err(Error::unavailable(
        "another process has been migrating this database for a minute; try again when it has ended",
    ))
}

/// Checks that a program with these migrations works with the schema of the database.
///
/// # Errors
/// `Conflict` with code `schema_drift` if the schema is missing, older, incompatible, or from another build.
pub(super) async fn verify(connection: &mut PgConnection, migrations: &[MigrationSource]) -> Result<()> {
    let missing = |error: sqlx::Error| match error.as_database_error().and_then(|reason| reason.code()) {
        // There is no such table, or no right to see it yet.
        Some(code) if code == "42P01" || code == "42501" => not_migrated().caused_by(error),
        _ => error::from_sqlx(error),
    };
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *connection)
            .await
            .map_err(missing)?;
    for migration in migrator(migrations).iter() {
        let found = applied.iter().find(|(version, _)| *version == migration.version);
        let (_, checksum) = found.ok_or_else(not_migrated)?;
        if *checksum != *migration.checksum {
            return Err(migrate_error(MigrateError::VersionMismatch(migration.version)));
        }
    }
    let least: i64 = sqlx::query_scalar("SELECT least_migration FROM schema_compatibility")
        .fetch_one(connection)
        .await
        .map_err(error::from_sqlx)?;
    let known = migrations.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    if least > known {
        let message = format!(
            "this program is too old for the database: it knows migration {known}, the database requires {least}"
        );
        return Err(drift(message));
    }
    Ok(())
}

/// Returns the error for a database without the schema of this program. A retry may succeed, because another process may
/// be migrating it.
pub(super) fn not_migrated() -> Error {
    drift("the schema of this database is missing or outdated; run `hexabase migrate` first".to_owned())
        .with_retry(Retry::Soon)
}

fn role_error(error: sqlx::Error) -> Error {
    let message = "cannot be created by this user; an administrator must run CREATE ROLE hexabase_app NOLOGIN, and \
                   GRANT hexabase_app TO the user that migrates and to the user of the programs";
    Error::invalid("the role hexabase_app", message).caused_by(error)
}

fn drift(message: String) -> Error {
    Error::conflict("schema_drift", message)
}

fn migrate_error(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMismatch(version) => drift(format!(
            "migration {version} of this database differs from that of this program: another build created the database"
        )),
        MigrateError::Dirty(version) => drift(format!(
            "migration {version} of this database was interrupted; inspect the schema and restore a backup"
        )),
        MigrateError::Execute(error) => error::unavailable(error),
        other => Error::unavailable("migrating the database failed").caused_by(other),
    }
}
