//! The tables, step by step, while programs go on working with them.
//!
//! Migrations only ever go forward; one that was released never changes, and a database of which one was changed is
//! refused. They expand first and contract later: what a migration adds is used by the next program, and what
//! nothing uses any more is removed by a later one, which raises `schema_compatibility`.

use std::borrow::Cow;
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, SqlSafeStr as _};

use super::error;

/// Every migration: its number, what it is called, and its text.
const MIGRATIONS: [(i64, &str, &str); 10] = [
    (1, "initial", include_str!("../../migrations/postgres/0001_initial.sql")),
    (2, "row level security", include_str!("../../migrations/postgres/0002_row_level_security.sql")),
    (3, "room in the outbox", include_str!("../../migrations/postgres/0003_room_in_the_outbox.sql")),
    (4, "hosts", include_str!("../../migrations/postgres/0004_hosts.sql")),
    (5, "node pools", include_str!("../../migrations/postgres/0005_node_pools.sql")),
    (6, "grants", include_str!("../../migrations/postgres/0006_grants.sql")),
    (7, "cuts", include_str!("../../migrations/postgres/0007_cuts.sql")),
    (8, "invitations by email", include_str!("../../migrations/postgres/0008_invitations_by_email.sql")),
    (9, "billing", include_str!("../../migrations/postgres/0009_billing.sql")),
    (10, "usage", include_str!("../../migrations/postgres/0010_usage.sql")),
];

/// The role that programs work as.
pub(super) const ROLE: &str = "hexabase_app";

/// Held by whoever migrates: "hexabase" in ASCII.
const LOCK: i64 = 0x6865_7861_6261_7365;
/// How often, and how many times, to try for it.
const EVERY: Duration = Duration::from_millis(250);
const TRIES: u32 = 240;

/// No migration waits long for a lock, as everybody else would wait behind it.
const PATIENCE: &str = "SET lock_timeout = '5s'; SET statement_timeout = 0";

/// The role is the server's, not the database's: others may make it at the same moment.
const MAKE_ROLE: &str = "DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hexabase_app') THEN
        CREATE ROLE hexabase_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$";
const TAKE_ROLE: &str = "DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'hexabase_app', 'MEMBER') THEN
        EXECUTE format('GRANT hexabase_app TO %I', current_user);
    END IF;
EXCEPTION WHEN unique_violation OR internal_error THEN NULL;
END $$";

/// The versions of the tables that there ever were, oldest first.
pub(super) fn versions() -> impl Iterator<Item = i64> {
    MIGRATIONS.iter().map(|(version, ..)| *version)
}

fn migrator() -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*version, Cow::Borrowed(*name), MigrationType::Simple, (*sql).into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().map(migration).collect());
    // The lock is ours, and a database that is ahead of this program may still do.
    migrator.set_locking(false).set_ignore_missing(true);
    migrator
}

/// Brings the tables up to date, or to an older state if that is asked for.
pub(super) async fn run(connection: &mut PgConnection, up_to: Option<i64>) -> Result<()> {
    connection.execute(PATIENCE).await.map_err(error::unavailable)?;
    lock(connection).await?;
    let migrated = async {
        for sql in [MAKE_ROLE, TAKE_ROLE] {
            connection.execute(sql).await.map_err(without_role)?;
        }
        migrator().run_direct(up_to, &mut *connection, false).await.map_err(meaning)
    }
    .await;
    // A connection that ends gives the lock back as well.
    let unlock = sqlx::query("SELECT pg_advisory_unlock($1)").bind(LOCK).execute(connection).await;
    migrated.and(unlock.map(drop).map_err(error::unavailable))
}

/// Tries for the lock, without waiting in it: a wait inside of a statement would hold up those who build indexes
/// while others write.
async fn lock(connection: &mut PgConnection) -> Result<()> {
    for _ in 0..TRIES {
        let taken = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
        if taken.fetch_one(&mut *connection).await.map_err(error::unavailable)? {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
    Err(Error::unavailable("somebody else is migrating this database, and does not come to an end"))
}

/// Makes sure that this program works with the tables as they are.
pub(super) async fn verify(connection: &mut PgConnection) -> Result<()> {
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
    for migration in migrator().iter() {
        let found = applied.iter().find(|(version, _)| *version == migration.version);
        let (_, checksum) = found.ok_or_else(not_migrated)?;
        if *checksum != *migration.checksum {
            return Err(meaning(MigrateError::VersionMismatch(migration.version)));
        }
    }
    let least: i64 = sqlx::query_scalar("SELECT least_migration FROM schema_compatibility")
        .fetch_one(connection)
        .await
        .map_err(error::from_sqlx)?;
    let known = versions().max().unwrap_or_default();
    if least > known {
        let message = format!(
            "this database has been migrated to {least}, and this program, which knows {known}, is too old for it"
        );
        return Err(drift(message));
    }
    Ok(())
}

fn not_migrated() -> Error {
    drift("the tables of this database are missing or old: run `hexabase migrate` first".to_owned())
}

fn without_role(error: sqlx::Error) -> Error {
    let message = "cannot be made by this user: let an administrator run CREATE ROLE hexabase_app NOLOGIN and \
                   GRANT hexabase_app TO whoever migrates and whoever the programs sign in as";
    Error::invalid("the role hexabase_app", message).caused_by(error)
}

fn drift(message: String) -> Error {
    Error::conflict("schema_drift", message)
}

fn meaning(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMismatch(version) => drift(format!(
            "migration {version} of this database is not the one that this program has; it was made by another build"
        )),
        MigrateError::Dirty(version) => drift(format!(
            "migration {version} of this database broke off half-way; look at what it left, and restore a backup"
        )),
        MigrateError::Execute(error) => error::unavailable(error),
        other => Error::unavailable("the tables could not be brought up to date").caused_by(other),
    }
}
