//! The system of record on a PostgreSQL server (14 or newer).
//!
//! - A read is one round trip, also with row-level security: see [`scope`]. What nearly every request begins with is
//!   read for many of them at once: see [`gathered`].
//! - A commit is three, whatever it holds: the beginning, which names the organization; all steps in one statement;
//!   and the end. Steps whose order matters take one more each: see [`waves`].
//! - Programs work as the role `hexabase_app`, for which policies hold. Only [`PostgresStore::migrate`] does not.

mod error;
mod gathered;
mod migrations;
mod placeholders;
mod pool;
mod row;
mod scope;
mod waves;

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};

use crate::sql::{Engine, Expect, Query, SqlStore, Step};
use gathered::Gathered;
use pool::Connections;
use row::arguments;
use waves::{Wave, waves};

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 512;
/// How often a transaction is tried that only others' transactions undid.
const ATTEMPTS: u32 = 4;
/// Serialises the claiming of messages: "outbox" in ASCII.
const CLAIMING: i64 = 0x6f75_7462_6f78;

/// A [`TenantStore`](hexabase_core::store::TenantStore) on a PostgreSQL server.
pub type PostgresStore = SqlStore<PostgresEngine>;

/// Where the server is, and how it is used.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database`, with `?sslmode=verify-full` and its like.
    pub url: SecretString,
    /// How many connections this process has at most.
    pub connections: u32,
    /// How long to wait for a connection, while all are in use or the server is being started.
    pub acquire_timeout: Duration,
    /// How long a statement may take before the server gives it up.
    pub statement_timeout: Duration,
}

impl PostgresSettings {
    /// A server: sixteen connections, three seconds to get one, ten for a statement.
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
        let unusable = || Error::invalid("database_url", "is no URL of a PostgreSQL database");
        let url = self.url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(unusable());
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| unusable().caused_by(error))?;
        Ok(options
            .application_name("hexabase")
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging())
    }

    /// As the role that policies hold for.
    fn restricted(&self) -> Result<PgConnectOptions> {
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        Ok(self.options()?.options([
            ("role", migrations::ROLE.to_owned()),
            ("statement_timeout", milliseconds(self.statement_timeout)),
            ("lock_timeout", milliseconds(self.statement_timeout / 2)),
            ("idle_in_transaction_session_timeout", milliseconds(self.statement_timeout)),
            // Every statement goes by an index, whatever its values are: one plan each is enough.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ]))
    }
}

/// The connections of a [`PostgresStore`].
#[derive(Clone)]
pub struct PostgresEngine {
    connections: Connections,
    gathered: Gathered,
}

impl PostgresStore {
    /// Connects to a database whose tables are up to date.
    ///
    /// # Errors
    /// - `Unavailable` when the server does not answer, or refuses the user.
    /// - `Conflict` with code `schema_drift` when the tables are missing, or this program does not work with them.
    /// - `Invalid` when the URL is none.
    pub async fn connect(settings: &PostgresSettings) -> Result<Self> {
        let connections =
            Connections::new(settings.restricted()?, settings.connections, settings.acquire_timeout)?;
        let mut connection = connections.get().await?;
        migrations::verify(&mut connection).await?;
        connection.give_back();
        Ok(Self(PostgresEngine { gathered: Gathered::new(connections.clone()), connections }))
    }

    /// Brings the tables up to date, as the user that the URL names: the owner of the tables, who may make a role
    /// the first time. Programs go on working meanwhile.
    ///
    /// # Errors
    /// - `Unavailable` when the server does not answer, or somebody else is migrating and does not come to an end.
    /// - `Conflict` with code `schema_drift` when the tables were made by another build.
    /// - `Invalid` when the URL is none, or the user may not make the role.
    pub async fn migrate(settings: &PostgresSettings) -> Result<()> {
        Self::migrate_to(settings, None).await
    }

    async fn migrate_to(settings: &PostgresSettings, version: Option<i64>) -> Result<()> {
        let mut connection = settings.options()?.connect().await.map_err(error::unavailable)?;
        migrations::run(&mut connection, version).await
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

async fn touched(connection: &mut PgConnection, query: &Query) -> Result<u64, sqlx::Error> {
    let arguments = arguments(&query.values).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query_with(query.sql.clone(), arguments).execute(connection).await.map(|done| done.rows_affected())
}

/// Reads; on another connection if the first one turns out to be lost, since reading twice does no harm.
async fn read(connections: &Connections, query: &Query) -> Result<Vec<PgRow>> {
    for _ in 0..connections.tries() {
        let mut connection = connections.get().await?;
        match rows(&mut connection, query).await {
            Err(error) if error::is_a_lost_connection(&error) => {}
            read => return connection.settle(read),
        }
    }
    Err(pool::lost())
}

impl PostgresEngine {
    async fn try_commit(&self, waves: &[Wave]) -> Result<(), Undone> {
        // One statement is a transaction by itself, unless policies have to be told whose rows it is about.
        if let [wave] = waves
            && let [step] = wave.steps.as_slice()
            && wave.organization.is_none()
            && step.expect == Expect::Added
        {
            let mut connection = self.connections.get().await?;
            return match touched(&mut connection, &step.query).await {
                Err(error) if error::is_a_collision(&error) => {
                    Err(Undone::ByOthers(error::unavailable(error)))
                }
                Err(error) if !error::is_a_lost_connection(&error) => {
                    connection.settle(Ok(()))?;
                    Err(Undone::Refused(error::of_step(step, error)))
                }
                outcome => Ok(connection.settle(outcome.map(drop))?),
            };
        }
        let organization = waves.iter().find_map(|wave| wave.organization);
        let mut transaction = self.connections.begin(&scope::begin(organization)).await?;
        if let Err(undone) = ride_all(&mut transaction, waves, organization).await {
            transaction.roll_back().await;
            return Err(undone);
        }
        transaction.commit().await.map_err(|error| match error::is_a_collision(&error) {
            true => Undone::ByOthers(error::unavailable(error)),
            false => Undone::Refused(error::from_sqlx(error)),
        })
    }
}

/// Why a transaction was undone.
enum Undone {
    /// Others ran at the same time: it may be tried again.
    ByOthers(Error),
    /// For good.
    Refused(Error),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Runs one wave after the other, and names the organization that each is about.
async fn ride_all(
    transaction: &mut PgConnection,
    waves: &[Wave],
    mut organization: Option<OrganizationId>,
) -> Result<(), Undone> {
    for wave in waves {
        if let Some(other) = wave.organization.filter(|wanted| Some(*wanted) != organization) {
            rows(transaction, &scope::change(other)).await.map_err(error::from_sqlx)?;
            organization = Some(other);
        }
        ride(transaction, wave).await?;
    }
    Ok(())
}

/// Runs the steps of a wave, and judges each.
async fn ride(transaction: &mut PgConnection, wave: &Wave) -> Result<(), Undone> {
    let counted = match wave.steps.as_slice() {
        [only] if only.expect != Expect::Found => {
            touched(transaction, &only.query).await.map(|count| vec![count])
        }
        steps => rows(transaction, &wave.statement()).await.and_then(|rows| counts(&rows, steps.len())),
    };
    let counted = counted.map_err(|error| match wave.step_on(table_of(&error).as_deref()) {
        _ if error::is_a_collision(&error) => Undone::ByOthers(error::unavailable(error)),
        Some(step) => Undone::Refused(error::of_step(step, error)),
        None => Undone::Refused(error::from_sqlx(error)),
    })?;
    for (step, count) in wave.steps.iter().zip(counted) {
        step.judge(count)?;
    }
    Ok(())
}

fn counts(rows: &[PgRow], steps: usize) -> Result<Vec<u64>, sqlx::Error> {
    let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    (0..steps).map(|place| row.try_get::<i64, _>(place).map(i64::unsigned_abs)).collect()
}

fn table_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|reason| reason.table()).map(str::to_owned)
}

#[async_trait]
impl Engine for PostgresEngine {
    type Row = PgRow;

    const BILLING_SCHEDULE: &'static str = "billing_schedule";
    const SCHEDULE: &'static str = "workspace_schedule";
    const USAGE_SCHEDULE: &'static str = "usage_schedule";
    const USAGE_REPORT_AGES: &'static str = "usage_report_ages";
    const EVENT_AGES: &'static str = "live_event_ages";
    const PASSING_OVER_LOCKED: &'static str = " FOR UPDATE SKIP LOCKED";
    const ELEMENTS: &'static str = "json_array_elements_text";

    fn among(subquery: &str) -> String {
        // With `IN`, a plan made for any number of rows reads the whole table.
        format!("= ANY (ARRAY ({subquery}))")
    }

    async fn fetch(&self, query: Query) -> Result<Vec<PgRow>> {
        read(&self.connections, &scope::wrapped(query)).await
    }

    async fn fetch_among_many(&self, query: Query) -> Result<Vec<PgRow>> {
        self.gathered.fetch(query).await
    }

    async fn fetch_together(&self, queries: Vec<Query>) -> Result<Vec<Vec<PgRow>>> {
        // The snapshot is taken by the first read.
        let mut snapshot = self.connections.begin("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let mut found = Vec::with_capacity(queries.len());
        for query in queries {
            found.push(rows(&mut snapshot, &scope::wrapped(query)).await.map_err(error::from_sqlx)?);
        }
        snapshot.commit().await.map_err(error::from_sqlx)?;
        Ok(found)
    }

    async fn execute(&self, query: Query) -> Result<u64> {
        let mut connection = self.connections.get().await?;
        let outcome = touched(&mut connection, &query).await;
        connection.settle(outcome)
    }

    async fn write_returning(&self, query: Query) -> Result<Vec<PgRow>> {
        let mut connection = self.connections.get().await?;
        let outcome = rows(&mut connection, &query).await;
        connection.settle(outcome)
    }

    async fn write_alone(&self, query: Query) -> Result<Vec<PgRow>> {
        // The lock comes first, so that the statement sees what the last holder wrote.
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock({CLAIMING})");
        let mut transaction = self.connections.begin(&begin).await?;
        let written = rows(&mut transaction, &query).await.map_err(error::from_sqlx)?;
        transaction.commit().await.map_err(error::from_sqlx)?;
        Ok(written)
    }

    async fn commit(&self, steps: Vec<Step>) -> Result<()> {
        let waves = waves(steps);
        let mut attempt = 1;
        loop {
            match self.try_commit(&waves).await {
                Err(Undone::ByOthers(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(Undone::ByOthers(error) | Undone::Refused(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
