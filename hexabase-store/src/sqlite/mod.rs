//! Embedded system of record in one SQLite file.
//!
//! One connection writes and several read; with the write-ahead log they do not wait for each other. A commit is on
//! disk when it is acknowledged (`synchronous = FULL`).

mod error;
mod migrations;
#[cfg(test)]
mod plan_tests;
mod row;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments as _, Executor as _, Sqlite, SqlitePool};

use crate::sql::{Engine, Expect, Query, SEARCH_CONNECTIONS, SEARCH_TIMEOUT, SqlStore, Step, Value};

/// Number of connections that read.
const READ_CONNECTIONS: u32 = 4;
/// Number of instructions of SQLite between two checks of the timeout of a search: well below a millisecond.
const INSTRUCTIONS_PER_CHECK: i32 = 10_000;
/// Number of prepared statements that a connection caches.
const STATEMENT_CACHE_CAPACITY: usize = 256;

/// [`TenantStore`](hexabase_core::store::TenantStore) in one SQLite file.
pub type SqliteStore = SqlStore<SqliteEngine>;

/// Connections of a [`SqliteStore`].
#[derive(Clone)]
pub struct SqliteEngine {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Connections for searches; `None` for a database in memory, which has one connection only.
    searches: Option<SqlitePool>,
}

impl SqliteStore {
    /// Opens the file, creating it if it does not exist, and applies the missing migrations. Only the current user can
    /// read a created file, because it contains hashes of credentials.
    ///
    /// # Errors
    /// - `Unavailable` if the file cannot be opened or written.
    /// - `Conflict` with code `schema_drift` if a newer version or another build created the schema.
    pub async fn open(path: &Path) -> Result<Self> {
        make_private(path).map_err(|error| {
            Error::unavailable("the database file cannot be created")
                .caused_by(error)
                .with("file", path.display())
        })?;
        let options = SqliteConnectOptions::new().filename(path);
        let store = Self::connect(options, READ_CONNECTIONS)
            .await
            .map_err(|error| error.with("file", path.display()))?;
        store.migrate().await?;
        Ok(store)
    }

    /// Creates a database in memory, which is lost with the store.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub async fn in_memory() -> Result<Self> {
        // Every connection to an in-memory database has a private database, so there is one connection only.
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
        let options = options.read_only(true).create_if_missing(false);
        let readers = pool(readers).connect_with(options.clone()).await.map_err(error::unavailable)?;
        let searches = pool(SEARCH_CONNECTIONS).min_connections(0).connect_lazy_with(options);
        Ok(Self(SqliteEngine { writer, readers, searches: Some(searches) }))
    }

    async fn migrate(&self) -> Result<()> {
        migrations::run(&self.0.writer).await
    }
}

/// Creates an empty file if there is none. SQLite creates its other files, such as the write-ahead log, with the same
/// permissions.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop),
    }
}

fn tuned(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(STATEMENT_CACHE_CAPACITY)
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
        Ok(Self { writer: only.clone(), readers: only, searches: None })
    }
}

async fn rows<'c>(
    executor: impl sqlx::Executor<'c, Database = Sqlite>,
    query: Query,
) -> Result<Vec<SqliteRow>> {
    let arguments = arguments(query.values)?;
    sqlx::query_with(query.sql, arguments).fetch_all(executor).await.map_err(error::from_sqlx)
}

async fn affected_rows<'c>(
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
    const WORKSPACE_SCHEDULE: &'static str = "workspaces";
    const USAGE_SCHEDULE: &'static str = "usage_hours";
    const USAGE_REPORT_HOURS: &'static str = "usage_reports";
    const LIVE_EVENT_AGES: &'static str = "live_events";
    const TASK_AGES: &'static str = "tasks";
    const AUDIT_EVENT_AGES: &'static str = "audit_events";
    const OUTBOX_RELAY: &'static str = "outbox";
    const SEALED_MAILS: &'static str = "outbox";
    // There is only one writer.
    const SKIP_LOCKED: &'static str = "";
    const JSON_ELEMENTS: &'static str = "json_each";

    fn in_subquery(subquery: &str) -> String {
        format!("IN ({subquery})")
    }

    async fn fetch(&self, query: Query) -> Result<Vec<SqliteRow>> {
        rows(&self.readers, query).await
    }

    async fn search(&self, query: Query) -> Result<Vec<SqliteRow>> {
        let Some(searches) = &self.searches else { return self.fetch(query).await };
        let mut connection = searches.acquire().await.map_err(error::unavailable)?;
        // Each search replaces the handler of the previous one; these connections serve searches only.
        let mut handle = connection.lock_handle().await.map_err(error::unavailable)?;
        let deadline = Instant::now() + SEARCH_TIMEOUT;
        handle.set_progress_handler(INSTRUCTIONS_PER_CHECK, move || Instant::now() < deadline);
        drop(handle);
        let arguments = arguments(query.values)?;
        sqlx::query_with(query.sql, arguments).fetch_all(&mut *connection).await.map_err(error::from_search)
    }

    async fn fetch_in_snapshot(&self, queries: Vec<Query>) -> Result<Vec<Vec<SqliteRow>>> {
        let mut snapshot = self.readers.begin().await.map_err(error::from_sqlx)?;
        let mut found = Vec::with_capacity(queries.len());
        for query in queries {
            found.push(rows(&mut *snapshot, query).await?);
        }
        snapshot.commit().await.map_err(error::from_sqlx)?;
        Ok(found)
    }

    async fn execute(&self, query: Query) -> Result<u64> {
        affected_rows(&self.writer, query).await.map_err(error::from_sqlx)
    }

    async fn write_returning(&self, query: Query) -> Result<Vec<SqliteRow>> {
        rows(&self.writer, query).await
    }

    async fn write_serialized(&self, query: Query) -> Result<Vec<SqliteRow>> {
        self.write_returning(query).await
    }

    async fn commit(&self, steps: Vec<Step>) -> Result<()> {
        // IMMEDIATE takes the write lock before the first read, so that preconditions hold until the commit.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(error::from_sqlx)?;
        for step in steps {
            let query = step.query.clone();
            let count = if step.expect == Expect::Found {
                let found =
                    transaction.fetch_optional(sqlx::query_with(query.sql, arguments(query.values)?)).await;
                found.map(|row| u64::from(row.is_some()))
            } else {
                affected_rows(&mut *transaction, query).await
            };
            step.check(count.map_err(|error| error::from_step(&step, error))?)?;
        }
        transaction.commit().await.map_err(error::from_sqlx)
    }
}
