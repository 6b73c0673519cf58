use std::fmt::Write as _;

use crate::Postgres;
use crate::process::{Owner, Server, directory, find, free_port};

/// PgBouncer in front of a PostgreSQL server, with its default configuration.
#[derive(Debug)]
pub struct PgBouncer(Server);

impl PgBouncer {
    /// Starts a pooler with a pool mode (`session`, `transaction` or `statement`) and these users, who need no password.
    ///
    /// # Panics
    /// If PgBouncer is not installed; the message says how to install it.
    #[must_use]
    pub fn start(server: &Postgres, mode: &str, users: &[&str]) -> Self {
        let program = find("pgbouncer", &[], "pgbouncer");
        let owner = Owner::instead_of_root("postgres");
        let (port, directory) = (free_port(), directory(owner));
        let (file, user_file) = (directory.path().join("pgbouncer.ini"), directory.path().join("users.txt"));
        let mut user_list = String::new();
        for user in users {
            writeln!(user_list, "\"{user}\" \"\"").expect("a string cannot be written");
        }
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\n",
            server.port().expect("the pooler needs a server of its own"),
            user_file.display(),
        );
        for (path, text) in [(&file, configuration), (&user_file, user_list)] {
            std::fs::write(path, text).expect("the configuration cannot be written");
            Owner::restrict(owner, path, 0o600);
        }
        Self(Server::start(program, vec![file.display().to_string()], (owner, directory), port, "KILL"))
    }

    /// URL of a database for a user.
    #[must_use]
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.0.port())
    }
}
