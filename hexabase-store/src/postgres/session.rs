//! Preparation of connections: their settings, and the check that the row-level security policies apply to them.
//!
//! Settings are set by a statement after the connection is open. As startup options, poolers such as PgBouncer reject or
//! ignore them, and programs would work as the user of the URL, to whom the policies may not apply.

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tokio::time::{Instant, sleep, timeout};

use super::error;
use super::migrations::{self, ROLE};

/// Interval between attempts to connect to a server that is starting.
const CONNECT_RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// Number of rounds in which a pooler may assign other server connections.
const POOLER_PROBES: usize = 2;

/// Tables with data of organizations that the current role can access and whose policies do not apply to it: the role
/// owns them or bypasses policies (`SUPERUSER`, `BYPASSRLS`), or they have none.
const UNPROTECTED_TABLES: &str = "SELECT current_user::text AS role, (\
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c \
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace(current_schema()::text) \
    AND NOT row_security_active(c.oid) \
    AND (has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(c.oid, 'DELETE')) \
    AND (c.relname = 'organizations' OR EXISTS (\
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND NOT a.attisdropped))\
    ) AS tables";

/// How to open a connection, and its settings.
#[derive(Debug, Clone)]
pub(super) struct SessionOptions {
    connection: PgConnectOptions,
    settings: Vec<(&'static str, String)>,
}

impl SessionOptions {
    pub(super) const fn new(connection: PgConnectOptions) -> Self {
        Self { connection, settings: Vec::new() }
    }

    /// Adds settings, by name. Values are constants and numbers of this program.
    #[must_use]
    pub(super) fn options(
        mut self,
        settings: impl IntoIterator<Item = (&'static str, impl Into<String>)>,
    ) -> Self {
        self.settings.extend(settings.into_iter().map(|(name, value)| (name, value.into())));
        self
    }

    /// Opens a connection without the settings. Waits for a server that is starting.
    ///
    /// # Errors
    /// `Unavailable` if the server does not respond within `max_wait`, or rejects the user.
    pub(super) async fn open(&self, max_wait: Duration) -> Result<PgConnection> {
        let started = Instant::now();
        loop {
            match self.connection.connect().await {
                Err(error) if error::is_not_accepting_connections(&error) && started.elapsed() < max_wait => {
                    sleep(CONNECT_RETRY_INTERVAL).await;
                }
                result => return result.map_err(error::unavailable),
            }
        }
    }

    /// Sets the settings of an open connection, and checks that the policies apply to it.
    ///
    /// # Errors
    /// - `Conflict` with code `schema_drift` if the role does not exist.
    /// - `Unavailable` if the user may not work as the role, or policies do not apply to it.
    pub(super) async fn prepare(&self, connection: &mut PgConnection) -> Result<()> {
        let settings: String =
            self.settings.iter().map(|(name, value)| format!("SET {name} = '{value}'; ")).collect();
        let sql = sqlx::raw_sql(AssertSqlSafe(format!("{settings}{UNPROTECTED_TABLES}")));
        let row = sql.fetch_one(connection).await.map_err(setting_error)?;
        let role: String = row.try_get("role").map_err(error::from_sqlx)?;
        let tables: Option<String> = row.try_get("tables").map_err(error::from_sqlx)?;
        match tables {
            _ if role != ROLE => Err(not_applied(&role, "any table")),
            Some(tables) => Err(not_applied(&role, &tables)),
            None => Ok(()),
        }
    }
}

fn setting_error(error: sqlx::Error) -> Error {
    match error.as_database_error().and_then(|reason| reason.code()).as_deref() {
        // There is no such role.
        Some("22023" | "42704") => migrations::not_migrated().caused_by(error),
        Some("42501") => Error::unavailable(format!(
            "the user of database_url may not work as the role {ROLE}; an administrator must run GRANT {ROLE} TO it"
        ))
        .caused_by(error),
        _ => error::from_sqlx(error),
    }
}

fn not_applied(role: &str, tables: &str) -> Error {
    Error::unavailable(format!(
        "row-level security does not apply to {tables} for the role {role}; create the roles as in \
         deploy/postgres-roles.sh, so that {ROLE} owns no table and has neither SUPERUSER nor BYPASSRLS, and let \
         `hexabase migrate` create the tables"
    ))
}

/// Returns an error if a pooler assigns a server connection to each transaction instead of each client connection.
/// Settings, locks and prepared statements of a connection would then belong to any other client.
pub(super) async fn refuse_transaction_pooling(options: &SessionOptions, max_wait: Duration) -> Result<()> {
    let mut connections = [options.open(max_wait).await?, options.open(max_wait).await?];
    let probe = async {
        let first = backends(&mut connections, [0, 1]).await?;
        // Each order finds one way in which poolers reuse the server connections of the previous transactions.
        for order in [[0, 1], [1, 0]].repeat(POOLER_PROBES) {
            if backends(&mut connections, order).await? != first {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let refused = || {
        Error::unavailable(
            "the pooler in front of PostgreSQL assigns a connection per transaction or statement; set pool_mode = \
             session in PgBouncer, or let database_url lead to PostgreSQL itself",
        )
    };
    match timeout(max_wait, probe).await {
        Ok(Ok(false)) => Ok(()),
        Ok(Ok(true)) => Err(refused()),
        // PgBouncer rejects transactions if it assigns a connection per statement (`protocol_violation`).
        Ok(Err(error)) if error::is_protocol_violation(&error) => Err(refused().caused_by(error)),
        Ok(Err(error)) => Err(error::unavailable(error)),
        Err(elapsed) => {
            let message =
                "PostgreSQL does not accept two connections at the same time; allow more, also in a pooler";
            Err(Error::unavailable(message).caused_by(elapsed))
        }
    }
}

/// Returns the server process of each connection during concurrent transactions, which begin in this order.
async fn backends(connections: &mut [PgConnection; 2], order: [usize; 2]) -> Result<[i32; 2], sqlx::Error> {
    let mut processes = [0; 2];
    for index in order {
        let (Some(connection), Some(process)) = (connections.get_mut(index), processes.get_mut(index)) else {
            continue;
        };
        let begin = sqlx::raw_sql("BEGIN; SELECT pg_backend_pid()");
        *process = begin.fetch_one(connection).await?.try_get(0)?;
    }
    for connection in connections {
        sqlx::raw_sql("COMMIT").execute(connection).await?;
    }
    Ok(processes)
}
