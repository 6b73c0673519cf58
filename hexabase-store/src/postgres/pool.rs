//! The connections to the server.
//!
//! The driver's own pool asks the server whether a connection is well whenever one is given back, which costs every read
//! a second round trip. Here whoever sees a connection fail throws it away, and the others are taken as they are.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use hexabase_core::error::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tokio::time::{Instant, sleep};

use super::error;

/// How long a connection is used before it is replaced, so that a server that was added gets its share.
const LIFETIME: Duration = Duration::from_secs(1_800);
/// How often to knock at a server that is being started.
const KNOCK: Duration = Duration::from_millis(50);

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    options: PgConnectOptions,
    patience: Duration,
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<PgConnection, sqlx::Error> {
        let begun = Instant::now();
        loop {
            match self.options.connect().await {
                Err(error) if error::is_a_closed_door(&error) && begun.elapsed() < self.patience => {
                    sleep(KNOCK).await;
                }
                made => return made,
            }
        }
    }

    async fn recycle(&self, _: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        match metrics.age() < LIFETIME {
            true => Ok(()),
            false => Err(RecycleError::message("it has been used for long enough")),
        }
    }
}

/// Up to so many connections, made as they are needed.
#[derive(Debug, Clone)]
pub(super) struct Connections(Pool<Connector>);

impl Connections {
    pub(super) fn new(options: PgConnectOptions, most: u32, patience: Duration) -> Result<Self> {
        let pool = Pool::builder(Connector { options, patience })
            .max_size(usize::try_from(most).unwrap_or(usize::MAX))
            .wait_timeout(Some(patience))
            .runtime(Runtime::Tokio1)
            .build();
        pool.map(Self).map_err(|error| Error::unexpected("no pool can be made").caused_by(error))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.status().size
    }

    /// How many tries it takes to come by a connection that works, if every one that there is turns out to be lost.
    pub(super) fn tries(&self) -> usize {
        self.0.status().max_size + 1
    }

    /// A connection.
    pub(super) async fn get(&self) -> Result<Loan> {
        let connection = self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error::unavailable(error),
            other => Error::unavailable("every connection to the database is in use").caused_by(other),
        })?;
        Ok(Loan(Some(connection)))
    }

    /// Begins a transaction with this statement; on another connection if the first one turns out to be lost, as all
    /// may be when the server was started anew. Nothing has been done yet, so that is safe.
    pub(super) async fn begin(&self, statement: &str) -> Result<Loan> {
        for _ in 0..self.tries() {
            let mut begun = self.get().await?;
            match begun.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await {
                Err(error) if error::is_a_lost_connection(&error) => {}
                Err(error) => return Err(error::from_sqlx(error)),
                Ok(_) => return Ok(begun),
            }
        }
        Err(lost())
    }
}

/// All connections are lost, and new ones are as well.
pub(super) fn lost() -> Error {
    Error::unavailable("every connection to the database is lost")
}

/// A connection on loan, in a transaction or not. Whoever drops it instead of giving it back throws it away: it is lost,
/// or whoever had it was cut off half-way, and then the next one would get what is left of their answer.
pub(super) struct Loan(Option<Object<Connector>>);

impl Loan {
    /// Gives it back, for others to use.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }

    /// Gives it back after a statement of its own, unless that lost it.
    pub(super) fn settle<T>(self, outcome: Result<T, sqlx::Error>) -> Result<T> {
        if !outcome.as_ref().is_err_and(error::is_a_lost_connection) {
            self.give_back();
        }
        outcome.map_err(error::from_sqlx)
    }

    /// Makes what was done in a transaction so, and gives the connection back.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        self.end("COMMIT").await
    }

    /// Undoes what was done in a transaction, and gives the connection back.
    pub(super) async fn roll_back(self) {
        if let Err(error) = self.end("ROLLBACK").await {
            tracing::debug!(%error, "a transaction was not undone by us; the server does it");
        }
    }

    async fn end(mut self, word: &'static str) -> Result<(), sqlx::Error> {
        self.execute(sqlx::raw_sql(word)).await?;
        self.give_back();
        Ok(())
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}

impl Deref for Loan {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "it is only taken by whoever consumes the loan")]
    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("a loan has a connection until it ends")
    }
}

impl DerefMut for Loan {
    #[expect(clippy::expect_used, reason = "it is only taken by whoever consumes the loan")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a loan has a connection until it ends")
    }
}
