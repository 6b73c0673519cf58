//! System of record on a PostgreSQL server (14 or newer).
//!
//! - A read takes one round trip, even with row-level security: see [`scope`]. The read that nearly every request
//!   starts with is combined with concurrent ones into one statement: see [`batch_loader`].
//! - A commit takes three round trips, whatever its size: `BEGIN`, which names the organization; one statement for all
//!   steps; and `COMMIT`. Steps whose order matters take one more each: see [`batches`].
//! - Programs work as the role `hexabase_app`, to which the row-level security policies apply. Only
//!   [`PostgresStore::migrate`] works as the owner of the tables.

mod batch_loader;
mod error;
mod migrations;
mod placeholders;
mod pool;
mod row;
mod scope;
mod session;
mod statement_batch;

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::time::sleep;

use crate::sql::{Engine, Expect, Query, SEARCH_CONNECTIONS, SEARCH_TIMEOUT, SqlStore, Step};
use batch_loader::BatchLoader;
use migrations::{MIGRATIONS, MigrationSource};
use pool::Connections;
use row::arguments;
use scope::TransactionScope;
use session::SessionOptions;
use statement_batch::{StatementBatch, batches};

/// Number of prepared statements that a connection caches.
const STATEMENT_CACHE_CAPACITY: usize = 512;
/// Maximum number of attempts of a transaction that concurrent transactions abort.
const MAX_TRANSACTION_ATTEMPTS: u32 = 4;
/// Delay before such a transaction is repeated, multiplied by the number of attempts. Without it, the transaction could take
/// its locks again before the one that waits for them wakes up, and be aborted again.
const TRANSACTION_RETRY_DELAY: Duration = Duration::from_millis(10);
/// Advisory lock that serializes the claiming of outbox messages: "outbox" in ASCII.
const OUTBOX_ADVISORY_LOCK: i64 = 0x6f75_7462_6f78;

/// [`TenantStore`](hexabase_core::store::TenantStore) on a PostgreSQL server.
pub type PostgresStore = SqlStore<PostgresEngine>;

/// Configuration of a [`PostgresStore`].
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// URL of the database: `postgres://user:password@host:port/database`, with options such as
    /// `?sslmode=verify-full`.
    pub url: SecretString,
    /// Maximum number of connections of this process, without two more for searches.
    pub connections: u32,
    /// Maximum wait for a connection while all are in use or the server is starting.
    pub acquire_timeout: Duration,
    /// Maximum duration of a statement, after which the server cancels it.
    pub statement_timeout: Duration,
}

impl PostgresConfig {
    /// Returns the default configuration for a database: 16 connections, 3 seconds to acquire one, 10 seconds per
    /// statement.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            connections: 16,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(10),
        }
    }

    fn options(&self) -> Result<PgConnectOptions> {
        let invalid_url = || Error::invalid("database_url", "must be the URL of a PostgreSQL database");
        let url = self.url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(invalid_url());
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| invalid_url().caused_by(error))?;
        Ok(options
            .application_name("hexabase")
            // PgBouncer rejects this startup parameter, and no column is a floating-point number.
            .extra_float_digits(None)
            .statement_cache_capacity(STATEMENT_CACHE_CAPACITY)
            .disable_statement_logging())
    }

    /// Returns the options for connections of the role to which the row-level security policies apply.
    fn app_role_options(&self) -> Result<SessionOptions> {
        let options = self.role_options(self.statement_timeout)?;
        // Every statement uses an index whatever its values are, so one generic plan per statement is enough.
        Ok(options.options([("plan_cache_mode", "force_generic_plan")]))
    }

    /// Same as [`Self::app_role_options`], for searches.
    fn search_options(&self) -> Result<SessionOptions> {
        let options = self.role_options(self.statement_timeout.min(SEARCH_TIMEOUT))?;
        Ok(options.options([
            // Which of the indexes finds the fewest rows depends on the values of the filter.
            ("plan_cache_mode", "force_custom_plan"),
            // Each index of an organization has the order of the page. The planner does not know the size of the
            // organization: it would sort all of its rows if it expected few, or read those of others by their age.
            ("enable_sort", "off"),
            ("enable_incremental_sort", "off"),
            ("enable_bitmapscan", "off"),
        ]))
    }

    fn role_options(&self, statement_timeout: Duration) -> Result<SessionOptions> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        Ok(SessionOptions::new(self.options()?).options([
            ("role", migrations::ROLE.to_owned()),
            ("statement_timeout", milliseconds(statement_timeout)),
            ("lock_timeout", milliseconds(statement_timeout / 2)),
            ("idle_in_transaction_session_timeout", milliseconds(statement_timeout)),
        ]))
    }
}

/// Connections of a [`PostgresStore`].
#[derive(Clone)]
pub struct PostgresEngine {
    connections: Connections,
    searches: Connections,
    batch_loader: BatchLoader,
}

impl PostgresStore {
    /// Connects to a database to which all migrations have been applied.
    ///
    /// # Errors
    /// - `Unavailable` if the server does not respond or rejects the user, the row-level security policies do not apply to
    ///   the connections, or a pooler assigns a connection per transaction.
    /// - `Conflict` with code `schema_drift` if the schema is missing or does not work with this program.
    /// - `Invalid` for a malformed URL.
    pub async fn connect(config: &PostgresConfig) -> Result<Self> {
        Self::connect_with(config, MIGRATIONS).await
    }

    async fn connect_with(config: &PostgresConfig, migrations: &[MigrationSource]) -> Result<Self> {
        session::refuse_transaction_pooling(&config.app_role_options()?, config.acquire_timeout).await?;
        let connections =
            Connections::new(config.app_role_options()?, config.connections, config.acquire_timeout)?;
        let mut connection = connections.get().await?;
        migrations::verify(&mut connection, migrations).await?;
        connection.release();
        let searches =
            Connections::new(config.search_options()?, SEARCH_CONNECTIONS, config.acquire_timeout)?;
        let batch_loader = BatchLoader::new(connections.clone());
        Ok(Self(PostgresEngine { connections, searches, batch_loader }))
    }

    /// Applies the missing migrations as the user of the URL, who owns the tables and, the first time, must be allowed
    /// to create a role. Programs keep running meanwhile.
    ///
    /// # Errors
    /// - `Unavailable` if the server does not respond, another process has been migrating for a minute, or a pooler assigns
    ///   a connection per transaction.
    /// - `Conflict` with code `schema_drift` if another build created the schema.
    /// - `Invalid` for a malformed URL, or a user who may not create the role.
    pub async fn migrate(config: &PostgresConfig) -> Result<()> {
        Self::migrate_with(config, MIGRATIONS).await
    }

    async fn migrate_with(config: &PostgresConfig, migrations: &[MigrationSource]) -> Result<()> {
        let session = SessionOptions::new(config.options()?);
        session::refuse_transaction_pooling(&session, config.acquire_timeout).await?;
        let mut connection = session.open(config.acquire_timeout).await?;
        migrations::run(&mut connection, migrations).await
    }
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PostgresEngine")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

async fn rows(connection: &mut PgConnection, query: &Query) -> Result<Vec<PgRow>, sqlx::Error> {
    let arguments = arguments(&query.values).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_with(query.sql.clone(), arguments).fetch_all(connection).await
}

async fn affected_rows(connection: &mut PgConnection, query: &Query) -> Result<u64, sqlx::Error> {
    let arguments = arguments(&query.values).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_with(query.sql.clone(), arguments)
        .execute(connection)
        .await
        .map(|result| result.rows_affected())
}

/// Returns the rows of a read. If the connection turns out to be lost, the read is repeated on another one, which is
/// harmless.
async fn read_with_retry(connections: &Connections, query: &Query) -> Result<Vec<PgRow>> {
    for _ in 0..connections.max_attempts() {
        let mut connection = connections.get().await?;
        match rows(&mut connection, query).await {
            Err(error) if error::is_connection_lost(&error) => {}
            result => return connection.release_after(result),
        }
    }
    Err(pool::all_connections_lost())
}

impl PostgresEngine {
    async fn try_commit(&self, batches: &[StatementBatch]) -> Result<(), TransactionError> {
        // A single statement is a transaction by itself, unless the policies require the name of an organization.
        if let [batch] = batches
            && let [step] = batch.steps.as_slice()
            && batch.scope == TransactionScope::default()
            && step.expect == Expect::Inserted
        {
            let mut connection = self.connections.get().await?;
            return match affected_rows(&mut connection, &step.query).await {
                Err(error) if error::is_serialization_failure(&error) => {
                    Err(TransactionError::SerializationFailure(error::unavailable(error)))
                }
                Err(error) if self.connections.discard_if_read_only(&error) => {
                    Err(TransactionError::ConnectionLost(error::unavailable(error)))
                }
                Err(error) if !error::is_connection_lost(&error) => {
                    connection.release_after(Ok(()))?;
                    Err(TransactionError::Failed(error::from_step(step, error)))
                }
                outcome => Ok(connection.release_after(outcome.map(drop))?),
            };
        }
        let scopes = batches.iter().map(|batch| batch.scope);
        let scope = scopes.fold(TransactionScope::default(), TransactionScope::or);
        let mut transaction = self.connections.begin(&scope::begin(scope)).await?;
        match self.execute_batches(&mut transaction, batches, scope).await {
            Ok(()) => {}
            Err(error @ TransactionError::ConnectionLost(_)) => return Err(error),
            Err(error) => {
                transaction.rollback().await;
                return Err(error);
            }
        }
        transaction.commit().await.map_err(|error| match error::is_serialization_failure(&error) {
            true => TransactionError::SerializationFailure(error::unavailable(error)),
            false => TransactionError::Failed(error::from_sqlx(error)),
        })
    }

    /// Executes the batches in order, each within its scope.
    async fn execute_batches(
        &self,
        transaction: &mut PgConnection,
        batches: &[StatementBatch],
        mut scope: TransactionScope,
    ) -> Result<(), TransactionError> {
        for batch in batches {
            if batch.scope.excludes(scope) {
                rows(transaction, &scope::change(batch.scope)).await.map_err(error::from_sqlx)?;
                scope = batch.scope.or(scope);
            }
            self.execute_batch(transaction, batch).await?;
        }
        Ok(())
    }

    /// Executes the steps of a batch, and checks the effect of each.
    async fn execute_batch(
        &self,
        transaction: &mut PgConnection,
        batch: &StatementBatch,
    ) -> Result<(), TransactionError> {
        let counts = match batch.steps.as_slice() {
            [only] if only.expect != Expect::Found => {
                affected_rows(transaction, &only.query).await.map(|count| vec![count])
            }
            steps => {
                rows(transaction, &batch.statement()).await.and_then(|rows| row_counts(&rows, steps.len()))
            }
        };
        let counts = counts.map_err(|error| match batch.step_for_table(table_of(&error).as_deref()) {
            _ if error::is_serialization_failure(&error) => {
                TransactionError::SerializationFailure(error::unavailable(error))
            }
            _ if self.connections.discard_if_read_only(&error) || error::is_connection_lost(&error) => {
                TransactionError::ConnectionLost(error::unavailable(error))
            }
            Some(step) => TransactionError::Failed(error::from_step(step, error)),
            None => TransactionError::Failed(error::from_sqlx(error)),
        })?;
        for (step, count) in batch.steps.iter().zip(counts) {
            step.check(count)?;
        }
        Ok(())
    }
}

/// Reason why a transaction was rolled back.
enum TransactionError {
    /// Concurrent transactions aborted it; it may be retried.
    SerializationFailure(Error),
    /// Its connection was lost before the commit, or leads to a server that rejects writes; it may be retried on another
    /// connection.
    ConnectionLost(Error),
    /// It cannot succeed, or the server failed; it is not retried.
    Failed(Error),
}

impl From<Error> for TransactionError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn row_counts(rows: &[PgRow], steps: usize) -> Result<Vec<u64>, sqlx::Error> {
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    (0..steps).map(|index| row.try_get::<i64, _>(index).map(i64::unsigned_abs)).collect()
}

fn table_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|reason| reason.table()).map(str::to_owned)
}

#[async_trait]
impl Engine for PostgresEngine {
    type Row = PgRow;

    const BILLING_SCHEDULE: &'static str = "billing_schedule";
    const WORKSPACE_SCHEDULE: &'static str = "workspace_schedule";
    const USAGE_SCHEDULE: &'static str = "usage_schedule";
    const USAGE_REPORT_HOURS: &'static str = "usage_report_hours";
    const LIVE_EVENT_AGES: &'static str = "live_event_ages";
    const TASK_AGES: &'static str = "task_ages";
    const AUDIT_EVENT_AGES: &'static str = "audit_event_ages";
    const OUTBOX_RELAY: &'static str = "outbox_relay";
    const SEALED_MAILS: &'static str = "sealed_mails";
    const SKIP_LOCKED: &'static str = " FOR UPDATE SKIP LOCKED";
    const JSON_ELEMENTS: &'static str = "json_array_elements_text";

    fn in_subquery(subquery: &str) -> String {
        // With `IN`, a generic plan, which expects any number of results, reads the whole table.
        format!("= ANY (ARRAY ({subquery}))")
    }

    async fn fetch(&self, query: Query) -> Result<Vec<PgRow>> {
        read_with_retry(&self.connections, &scope::scoped_read(query)).await
    }

    async fn fetch_batched(&self, query: Query) -> Result<Vec<PgRow>> {
        self.batch_loader.fetch(query).await
    }

    async fn search(&self, query: Query) -> Result<Vec<PgRow>> {
        read_with_retry(&self.searches, &scope::scoped_read(query)).await.map_err(error::from_search)
    }

    async fn fetch_in_snapshot(&self, queries: Vec<Query>) -> Result<Vec<Vec<PgRow>>> {
        // The first read takes the snapshot.
        let mut snapshot = self.connections.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let mut found = Vec::with_capacity(queries.len());
        for query in queries {
            found.push(rows(&mut snapshot, &scope::scoped_read(query)).await.map_err(error::from_sqlx)?);
        }
        snapshot.commit().await.map_err(error::from_sqlx)?;
        Ok(found)
    }

    async fn execute(&self, query: Query) -> Result<u64> {
        let mut is_retry = false;
        loop {
            let mut connection = self.connections.get().await?;
            match affected_rows(&mut connection, &query).await {
                Err(error) if self.connections.discard_if_read_only(&error) && !is_retry => is_retry = true,
                outcome => return connection.release_after(outcome),
            }
        }
    }

    async fn write_returning(&self, query: Query) -> Result<Vec<PgRow>> {
        let mut is_retry = false;
        loop {
            let mut connection = self.connections.get().await?;
            match rows(&mut connection, &query).await {
                Err(error) if self.connections.discard_if_read_only(&error) && !is_retry => is_retry = true,
                outcome => return connection.release_after(outcome),
            }
        }
    }

    async fn write_serialized(&self, query: Query) -> Result<Vec<PgRow>> {
        // The lock comes first, so that the statement sees the writes of the previous holder.
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({OUTBOX_ADVISORY_LOCK})");
        let mut is_retry = false;
        loop {
            let mut transaction = self.connections.begin(&begin).await?;
            match rows(&mut transaction, &query).await {
                Err(error) if self.connections.discard_if_read_only(&error) && !is_retry => is_retry = true,
                written => {
                    let written = written.map_err(error::from_sqlx)?;
                    transaction.commit().await.map_err(error::from_sqlx)?;
                    return Ok(written);
                }
            }
        }
    }

    async fn commit(&self, steps: Vec<Step>) -> Result<()> {
        let batches = batches(steps);
        let (mut attempt, mut is_reconnected) = (1, false);
        loop {
            match self.try_commit(&batches).await {
                Err(TransactionError::SerializationFailure(_)) if attempt < MAX_TRANSACTION_ATTEMPTS => {
                    sleep(TRANSACTION_RETRY_DELAY * attempt).await;
                    attempt += 1;
                }
                Err(TransactionError::ConnectionLost(_)) if !is_reconnected => is_reconnected = true,
                Err(
                    TransactionError::SerializationFailure(error)
                    | TransactionError::ConnectionLost(error)
                    | TransactionError::Failed(error),
                ) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;
