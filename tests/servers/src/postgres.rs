use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use crate::Certificates;
use crate::process::{Owner, Server, directory, find, free_port};
use crate::unique;

/// PostgreSQL server with a superuser.
#[derive(Debug)]
pub struct Postgres {
    /// URL without the name of a database.
    server: String,
    process: Option<Server>,
}

impl Postgres {
    /// Returns the server at `HEXABASE_TEST_POSTGRES_URL`, or starts one. The URL has no database name, and its user
    /// can create databases. Tests are separated by databases; see [`Self::database`].
    ///
    /// # Panics
    /// If PostgreSQL is not installed; the message says how to install it.
    #[must_use]
    pub fn shared() -> Self {
        match std::env::var("HEXABASE_TEST_POSTGRES_URL") {
            Ok(url) => Self { server: url.trim_end_matches('/').to_owned(), process: None },
            Err(_) => Self::start(),
        }
    }

    /// Starts a server with `fsync=off`. It is fast; committed data survives a crash of the server, but not of the
    /// machine.
    ///
    /// # Panics
    /// If PostgreSQL is not installed; the message says how to install it.
    #[must_use]
    pub fn start() -> Self {
        Self::configured(&[])
    }

    /// Starts a server that supports TLS.
    ///
    /// # Panics
    /// If PostgreSQL is not installed; the message says how to install it.
    #[must_use]
    pub fn with_tls(certificates: &Certificates) -> Self {
        let (certificate, key) = (certificates.certificate(), certificates.key());
        let certificate = format!("ssl_cert_file={}", certificate.display());
        Self::configured(&["ssl=on", &certificate, &format!("ssl_key_file={}", key.display())])
    }

    fn configured(extra: &[&str]) -> Self {
        let directories = debian_directories();
        let (initdb, postgres) =
            (find("initdb", &directories, "postgresql"), find("postgres", &directories, "postgresql"));
        let owner = Owner::instead_of_root("postgres");
        let (port, directory) = (free_port(), directory(owner));
        let data = directory.path().join("data");
        let mut make = Command::new(initdb);
        make.args("-A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 -D".split(' ')).arg(&data);
        make.current_dir(directory.path());
        Owner::apply_to(owner, &mut make);
        let output = make.output().expect("initdb cannot be started");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        Self::launch(postgres, (owner, directory), port, extra)
    }

    /// Starts a standby, which receives all changes of this server. This must not be a shared server.
    ///
    /// # Panics
    /// If this server cannot be copied.
    #[must_use]
    pub fn standby(&self) -> Self {
        let directories = debian_directories();
        let (copy, postgres) =
            (find("pg_basebackup", &directories, "postgresql"), find("postgres", &directories, "postgresql"));
        let owner = Owner::instead_of_root("postgres");
        let (port, directory) = (free_port(), directory(owner));
        let mut copy = Command::new(copy);
        copy.args("--write-recovery-conf --checkpoint=fast --no-sync --pgdata".split(' '));
        copy.arg(directory.path().join("data")).arg("--dbname").arg(self.url_of("postgres"));
        copy.current_dir(directory.path());
        Owner::apply_to(owner, &mut copy);
        let output = copy.output().expect("pg_basebackup cannot be started");
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        Self::launch(postgres, (owner, directory), port, &[])
    }

    fn launch(program: PathBuf, place: (Option<Owner>, TempDir), port: u16, extra: &[&str]) -> Self {
        let data = place.1.path().join("data");
        let mut arguments =
            vec!["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()];
        let settings = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=400",
            "fsync=off",
            "full_page_writes=off",
        ];
        arguments.extend(
            settings.iter().chain(extra).flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]),
        );
        let process = Server::start(program, arguments, place, port, "QUIT");
        Self { server: format!("postgres://postgres@127.0.0.1:{port}"), process: Some(process) }
    }

    /// Makes a standby accept writes, and waits until it does.
    ///
    /// # Panics
    /// If it is no standby.
    pub async fn promote(&self) {
        self.execute("postgres", "SELECT pg_promote()").await;
    }

    /// Port of the server; `None` for a shared server.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.process.as_ref().map(Server::port)
    }

    /// URL of the server, without a database name.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.server
    }

    /// URL of a database for the superuser.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("{}/{database}", self.server)
    }

    /// URL of a database for another user.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        let address = self.server.rsplit_once('@').map_or(self.server.as_str(), |(_, address)| address);
        format!("postgres://{user}@{address}/{database}")
    }

    /// Creates an empty database and returns its name. It is not dropped, because the data of the server is temporary.
    ///
    /// # Panics
    /// If the database cannot be created.
    pub async fn database(&self) -> String {
        let name = unique("test");
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        name
    }

    /// Executes statements as the superuser.
    ///
    /// # Panics
    /// If a statement fails.
    pub async fn execute(&self, database: &str, sql: &str) {
        let mut superuser = self.connect(database).await;
        let done = superuser.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Connects as the superuser. Waits while a started server is not ready yet.
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
        panic!("{url}: the database system does not finish starting up");
    }

    /// Stops the server: with a fast shutdown (`SIGINT`) for `gently`, otherwise with an immediate one (`SIGQUIT`), so
    /// that the next start performs a recovery. Does nothing to a shared server.
    pub fn stop(&mut self, gently: bool) {
        if let Some(process) = &mut self.process {
            process.end(if gently { "INT" } else { "QUIT" });
        }
    }

    /// Starts the server again, on the same port and with the same data.
    pub fn resume(&mut self) {
        if let Some(process) = &mut self.process {
            process.resume();
        }
    }

    /// Returns the path of a client program of PostgreSQL, such as `pg_dump`.
    ///
    /// # Panics
    /// If it is not installed; the message says how to install it.
    #[must_use]
    pub fn tool(name: &str) -> PathBuf {
        find(name, &debian_directories(), "postgresql-client")
    }
}

/// Directories in which Debian installs PostgreSQL, newest version first.
fn debian_directories() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    directories.sort_unstable();
    directories.reverse();
    directories
}
