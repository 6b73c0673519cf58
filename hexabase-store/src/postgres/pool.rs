//! Connection pool.
//!
//! The driver's own pool checks a connection with the server whenever it is returned, which costs every read a second
//! round trip. This pool returns connections unchecked; a caller that sees a connection fail discards it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use hexabase_core::error::{Error, Result};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _};

use super::error;
use super::session::SessionOptions;

/// Maximum age of a connection, after which it is replaced, so that an added server receives its share of connections.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(1_800);

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    options: SessionOptions,
    acquire_timeout: Duration,
    /// Time before which connections were opened that are not used again; `None` for none.
    discarded_until: Mutex<Option<Instant>>,
}

impl Connector {
    fn is_discarded(&self, opened_at: Instant) -> bool {
        let until = *self.discarded_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| opened_at <= until)
    }
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = Error;

    async fn create(&self) -> Result<PgConnection> {
        let mut connection = self.options.open(self.acquire_timeout).await?;
        self.options.prepare(&mut connection).await?;
        Ok(connection)
    }

    async fn recycle(&self, _: &mut PgConnection, metrics: &Metrics) -> RecycleResult<Error> {
        if self.is_discarded(metrics.created) {
            return Err(RecycleError::message("connection may lead to a server that rejects writes"));
        }
        match metrics.age() < MAX_CONNECTION_AGE {
            true => Ok(()),
            false => Err(RecycleError::message("connection has reached its maximum age")),
        }
    }
}

/// Pool of connections, which are opened on demand.
#[derive(Debug, Clone)]
pub(super) struct Connections(Pool<Connector>);

impl Connections {
    pub(super) fn new(
        options: SessionOptions,
        max_connections: u32,
        acquire_timeout: Duration,
    ) -> Result<Self> {
        let pool = Pool::builder(Connector { options, acquire_timeout, discarded_until: Mutex::default() })
            .max_size(usize::try_from(max_connections).unwrap_or(usize::MAX))
            .wait_timeout(Some(acquire_timeout))
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(Self)
            .map_err(|error| Error::unexpected("the connection pool cannot be created").caused_by(error))
    }

    /// Returns the number of open connections.
    pub(super) fn len(&self) -> usize {
        self.0.status().size
    }

    /// Returns the number of attempts after which a working connection is found even if every pooled one is lost.
    pub(super) fn max_attempts(&self) -> usize {
        self.0.status().max_size + 1
    }

    /// Takes a connection from the pool or opens one.
    pub(super) async fn get(&self) -> Result<PooledConnection> {
        let connection = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            other => Error::unavailable("all connections to the database are in use").caused_by(other),
        })?;
        Ok(PooledConnection(Some(connection)))
    }

    /// `true` if a write was rejected because the server is no longer the primary. Then no open connection is used again:
    /// after a failover behind one address, the open ones lead to the former primary, and new ones to its successor.
    pub(super) fn discard_if_read_only(&self, error: &sqlx::Error) -> bool {
        let is_read_only = error::is_read_only(error);
        if is_read_only {
            tracing::debug!("the PostgreSQL server rejects writes; connecting again");
            let until = &mut *self.0.manager().discarded_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = Some(Instant::now());
        }
        is_read_only
    }

    /// Begins a transaction with a statement. If the connection turns out to be lost, as all may be after a restart of
    /// the server, it tries another one; nothing has been executed yet, so that is safe.
    pub(super) async fn begin(&self, statement: &str) -> Result<PooledConnection> {
        for _ in 0..self.max_attempts() {
            let mut connection = self.get().await?;
            match connection.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await {
                Err(error) if error::is_connection_lost(&error) => {}
                Err(error) => return Err(error::from_sqlx(error)),
                Ok(_) => return Ok(connection),
            }
        }
        Err(all_connections_lost())
    }
}

/// Returns the error for a pool in which all connections are lost, new ones included.
pub(super) fn all_connections_lost() -> Error {
    Error::unavailable("all connections to the database are lost")
}

/// Connection taken from the pool, in a transaction or not. Dropping it without [`Self::release`] closes it: it is
/// lost, or its caller was cancelled, and the next caller would receive the rest of the pending response.
pub(super) struct PooledConnection(Option<Object<Connector>>);

impl PooledConnection {
    /// Returns the connection to the pool.
    pub(super) fn release(mut self) {
        drop(self.0.take());
    }

    /// Returns the connection to the pool after a statement, unless the statement lost it.
    pub(super) fn release_after<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T> {
        if !outcome.as_ref().is_err_and(error::is_connection_lost) {
            self.release();
        }
        outcome.map_err(error::from_sqlx)
    }

    /// Commits the transaction and returns the connection to the pool.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    /// Rolls the transaction back and returns the connection to the pool.
    pub(super) async fn rollback(self) {
        if let Err(error) = self.end("ROLLBACK").await {
            tracing::debug!(%error, "rollback failed; the server rolls back when the connection closes");
        }
    }

    async fn end(mut self, command: &'static str) -> Result<(), sqlx::Error> {
        self.execute(sqlx::raw_sql(command)).await?;
        self.release();
        Ok(())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Deref for PooledConnection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "the connection is only taken by methods that consume self")]
    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("a pooled connection is present until it is released")
    }
}

impl DerefMut for PooledConnection {
    #[expect(clippy::expect_used, reason = "the connection is only taken by methods that consume self")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a pooled connection is present until it is released")
    }
}
