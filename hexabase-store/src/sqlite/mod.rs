//! The embedded system of record: one SQLite file.
//!
//! One connection writes, several read; with the write-ahead log they do not wait for each other. A commit
//! is on disk when it is acknowledged (`synchronous = FULL`).

mod error;
mod migrations;
mod row;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments as _, Executor as _, Sqlite, SqlitePool};

use crate::sql::{Engine, Expect, Query, SqlStore, Step, Value};

/// How many connections read.
const READERS: u32 = 4;
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;

/// A [`TenantStore`](hexabase_core::store::TenantStore) in one SQLite file.
pub type SqliteStore = SqlStore<SqliteEngine>;

/// The connections of a [`SqliteStore`].
#[derive(Clone)]
pub struct SqliteEngine {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, which is made if it is not there, and brings its tables up to date. Nobody but this user reads
    /// what is made: hashes of credentials are in it.
    ///
    /// # Errors
    /// - `Unavailable` when the file cannot be opened or written.
    /// - `Conflict` with code `schema_drift` when the tables were not made by this version or an older one.
    pub async fn open(path: &Path) -> Result<Self> {
        make_private(path).map_err(|error| {
            Error::unavailable("the file cannot be made").caused_by(error).with("file", path.display())
        })?;
        let options = SqliteConnectOptions::new().filename(path);
        let store =
            Self::connect(options, READERS).await.map_err(|error| error.with("file", path.display()))?;
        store.migrate().await?;
        Ok(store)
    }

    /// A database that lives in memory and is gone with the store.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn in_memory() -> Result<Self> {
        // All connections of a private in-memory database are one: there is only one.
        let options = SqliteConnectOptions::new().in_memory(true);
        let engine = SqliteEngine::connect_one(options).await?;
        let store = Self(engine);
        store.migrate().await?;
        Ok(store)
    }

    async fn connect(options: SqliteConnectOptions, readers: u32) -> Result<Self> {
        let options =
            tuned(options).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let writer = pool(1).connect_with(options.clone()).await.map_err(error::unavailable)?;
        let readers = pool(readers).connect_with(options.read_only(true).create_if_missing(false)).await;
        Ok(Self(SqliteEngine { writer, readers: readers.map_err(error::unavailable)? }))
    }

    async fn migrate(&self) -> Result<()> {
        migrations::run(&self.0.writer).await
    }
}

/// Makes an empty file if there is none. SQLite gives the files beside it the same permissions.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn tuned(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.foreign_keys(true).busy_timeout(Duration::from_secs(10)).statement_cache_capacity(STATEMENTS)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

impl fmt::Debug for SqliteEngine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SqliteEngine").field("readers", &self.readers.size()).finish_non_exhaustive()
    }
}

fn arguments(values: Vec<Value>) -> Result<SqliteArguments> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text),
            Value::Int(number) => arguments.add(number),
            Value::Bool(truth) => arguments.add(truth),
            Value::Time(time) => arguments.add(time.map(|time| time.as_microsecond())),
            Value::Bytes(bytes) => arguments.add(bytes),
            Value::Json(json) => arguments.add(json),
        };
        added.map_err(|error| Error::unexpected("a value cannot be bound").caused_by(error))?;
    }
    Ok(arguments)
}

impl SqliteEngine {
    async fn connect_one(options: SqliteConnectOptions) -> Result<Self> {
        let only = pool(1).connect_with(tuned(options)).await.map_err(error::unavailable)?;
        Ok(Self { writer: only.clone(), readers: only })
    }
}

async fn rows<'c>(
    executor: impl sqlx::Executor<'c, Database = Sqlite>,
    query: Query,
) -> Result<Vec<SqliteRow>> {
    let arguments = arguments(query.values)?;
    sqlx::query_with(query.sql, arguments).fetch_all(executor).await.map_err(error::from_sqlx)
}

async fn touched<'c>(
    executor: impl sqlx::Executor<'c, Database = Sqlite>,
    query: Query,
) -> Result<u64, sqlx::Error> {
    let arguments = arguments(query.values).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_with(query.sql, arguments).execute(executor).await.map(|done| done.rows_affected())
}

#[async_trait]
impl Engine for SqliteEngine {
    type Row = SqliteRow;

    const BILLING_SCHEDULE: &'static str = "billing_accounts";
    const SCHEDULE: &'static str = "workspaces";
    const USAGE_SCHEDULE: &'static str = "usage_hours";
    const USAGE_REPORT_AGES: &'static str = "usage_reports";
    const EVENT_AGES: &'static str = "live_events";
    // There is only one writer.
    const PASSING_OVER_LOCKED: &'static str = "";
    const ELEMENTS: &'static str = "json_each";

    fn among(subquery: &str) -> String {
        format!("IN ({subquery})")
    }

    async fn fetch(&self, query: Query) -> Result<Vec<SqliteRow>> {
        rows(&self.readers, query).await
    }

    async fn fetch_together(&self, queries: Vec<Query>) -> Result<Vec<Vec<SqliteRow>>> {
        let mut snapshot = self.readers.begin().await.map_err(error::from_sqlx)?;
        let mut found = Vec::with_capacity(queries.len());
        for query in queries {
            found.push(rows(&mut *snapshot, query).await?);
        }
        snapshot.commit().await.map_err(error::from_sqlx)?;
        Ok(found)
    }

    async fn execute(&self, query: Query) -> Result<u64> {
        touched(&self.writer, query).await.map_err(error::from_sqlx)
    }

    async fn write_returning(&self, query: Query) -> Result<Vec<SqliteRow>> {
        rows(&self.writer, query).await
    }

    async fn write_alone(&self, query: Query) -> Result<Vec<SqliteRow>> {
        self.write_returning(query).await
    }

    async fn commit(&self, steps: Vec<Step>) -> Result<()> {
        // IMMEDIATE: the right to write is taken before anything is read, so that guards stay true.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(error::from_sqlx)?;
        for step in steps {
            let query = step.query.clone();
            let count = if step.expect == Expect::Found {
                let found =
                    transaction.fetch_optional(sqlx::query_with(query.sql, arguments(query.values)?)).await;
                found.map(|row| u64::from(row.is_some()))
            } else {
                touched(&mut *transaction, query).await
            };
            step.judge(count.map_err(|error| error::of_step(&step, error))?)?;
        }
        transaction.commit().await.map_err(error::from_sqlx)
    }
}
