//! Database of the system of record, as the configuration names it.

use std::path::PathBuf;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_store::PostgresConfig;

/// Database of the system of record.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// SQLite database in this file.
    Sqlite(PathBuf),
    /// PostgreSQL database.
    Postgres(PostgresConfig),
}

impl Database {
    /// Parses the URL of the database; `None` is the default file. `connections` is the maximum number of connections.
    ///
    /// # Errors
    /// The rule that the URL breaks.
    pub(crate) fn parse(
        url: Option<SecretString>,
        connections: Option<u32>,
    ) -> std::result::Result<Self, &'static str> {
        const RULE: &str = "must be sqlite:// and a file name, as in sqlite://hexabase.db, or the URL of a PostgreSQL \
                            database, as in postgres://hexabase@db.example/hexabase";
        let url = url.unwrap_or_else(|| "sqlite://hexabase.db".into());
        let text = url.expose_secret();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let config = PostgresConfig::new(url);
            let connections = connections.unwrap_or(config.connections).max(2);
            return Ok(Self::Postgres(PostgresConfig { connections, ..config }));
        }
        let file = text.strip_prefix("sqlite://").ok_or(RULE)?;
        if file.is_empty() || file.contains(['?', '\0']) { Err(RULE) } else { Ok(Self::Sqlite(file.into())) }
    }

    /// Returns the configuration of a PostgreSQL database.
    ///
    /// # Errors
    /// `Invalid` for another database.
    pub(crate) fn into_postgres(self) -> Result<PostgresConfig> {
        match self {
            Self::Postgres(config) => Ok(config),
            Self::Sqlite(_) => {
                let message = "must be postgres:// for --check: SQLite databases are migrated by every process that opens them";
                Err(Error::invalid("database_url", message))
            }
        }
    }
}
