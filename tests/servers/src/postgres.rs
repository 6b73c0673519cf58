use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::Certificates;
use crate::process::{Owner, Server, directory, find, free_port};
use crate::unique;

/// A PostgreSQL server, and a superuser on it.
#[derive(Debug)]
pub struct Postgres {
    /// Without the name of a database.
    server: String,
    own: Option<Server>,
}

impl Postgres {
    /// The server that `HEXABASE_TEST_POSTGRES_URL` names, or one of its own. The URL names no database, and a user
    /// who may make some. Keep apart from others by a [`Self::database`].
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_POSTGRES_URL") {
            Ok(url) => Self { server: url.trim_end_matches('/').to_owned(), own: None },
            Err(_) => Self::start(),
        }
    }

    /// A server of its own. It does not wait for disks, so it is quick, and what was committed survives the death
    /// of the server but not that of the machine.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn start() -> Self {
        Self::configured(&[])
    }

    /// A server of its own that can speak TLS.
    ///
    /// # Panics
    /// When there is none, saying how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let certificate = format!("ssl_cert_file={}", certificate.display());
        Self::configured(&["ssl=on", &certificate, &format!("ssl_key_file={}", key.display())])
    }

    fn configured(more: &[&str]) -> Self {
        let places = debian_places();
        let (initdb, postgres) =
            (find("initdb", &places, "postgresql"), find("postgres", &places, "postgresql"));
        let owner = Owner::instead_of_root("postgres");
        let (port, directory) = (free_port(), directory(owner));
        let data = directory.path().join("data");
        let mut make = Command::new(initdb);
        make.args("-A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 -D".split(' ')).arg(&data);
        make.current_dir(directory.path());
        Owner::applied(owner, &mut make);
        let made = make.output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut arguments =
            vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()];
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=400",
            "fsync=off",
            "full_page_writes=off",
        ];
        arguments
            .extend(settings.iter().chain(more).flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
        let own = Server::start(postgres, arguments, (owner, directory), port, "QUIT");
        Self { server: format!("postgres://postgres@127.0.0.1:{port}"), own: Some(own) }
    }

    /// Where it is, without a database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server
    }

    /// Where a database of it is, for the superuser.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("{}/{database}", self.server)
    }

    /// Where a database of it is, for another user.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        let place = self.server.rsplit_once('@').map_or(self.server.as_str(), |(_, place)| place);
        format!("postgres://{user}@{place}/{database}")
    }

    /// A new, empty database: its name. It is not removed, as the server is thrown away.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn database(&self) -> String {
        let name = unique("test");
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        name
    }

    /// Runs statements as the superuser.
    ///
    /// # Panics
    /// When they fail.
    pub async fn execute(&self, database: &str, sql: &str) {
        let mut superuser = self.connect(database).await;
        let done = superuser.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A connection of the superuser. A server that has just been started says for a moment that it is not ready.
    async fn connect(&self, database: &str) -> PgConnection {
        let url = self.url_of(database);
        for _ in 0..1_000 {
            match PgConnection::connect(&url).await {
                Ok(connection) => return connection,
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{url}: {error}"),
            }
        }
        panic!("{url}: the database system is starting up, and does not come to an end");
    }

    /// Ends it: `gently` lets nobody finish but writes everything down, otherwise it recovers at the next start.
    /// Does nothing to a shared one.
    pub fn stop(&mut self, gently: bool) {
        if let Some(own) = &mut self.own {
            own.end(if gently { "INT" } else { "QUIT" });
        }
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        if let Some(own) = &mut self.own {
            own.resume();
        }
    }

    /// A program that comes with it, such as `pg_dump`.
    ///
    /// # Panics
    /// When it is not installed, saying how to do that.
    #[must_use]
    pub fn tool(name: &str) -> PathBuf {
        find(name, &debian_places(), "postgresql-client")
    }
}

/// Where Debian keeps the servers, the newest first.
fn debian_places() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    places.sort_unstable();
    places.reverse();
    places
}
