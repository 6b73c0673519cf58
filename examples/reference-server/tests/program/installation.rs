//! A whole installation: servers, a cluster, and programs that work on them.

use std::process::{Command, Output};

use hexabase_test_servers::{Nats, Postgres, Redis};
use tempfile::TempDir;

use crate::process::{Process, old_program, program};

/// 32 bytes, in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Servers of its own, and a sandbox as a process of its own: a cluster that lives on when programs die.
pub(crate) struct Installation {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) nats: Nats,
    pub(crate) database: String,
    /// Whom programs sign in to the database as.
    pub(crate) user: &'static str,
    pub(crate) cluster: Process,
    pub(crate) folder: TempDir,
}

impl Installation {
    /// With a database that has been migrated.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
        let database = postgres.database().await;
        let cluster = Process::start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]).await;
        let installation = Self { postgres, redis, nats, database, user: "postgres", cluster, folder };
        let migrated = installation.run(&["migrate"]);
        assert!(migrated.contains("up to date"), "{migrated}");
        installation
    }

    fn environment(&self, user: &str) -> Vec<(&'static str, String)> {
        vec![
            ("HEXABASE_DATABASE_URL", self.postgres.url_as(user, &self.database)),
            ("HEXABASE_REDIS_URL", self.redis.url().to_owned()),
            ("HEXABASE_NATS_URL", self.nats.url().to_owned()),
            ("HEXABASE_MASTER_KEY", MASTER_KEY.to_owned()),
            ("HEXABASE_PUBLIC_URL", "http://127.0.0.1:8080".to_owned()),
            ("HEXABASE_KUBECONFIG", "sandbox.kubeconfig".to_owned()),
            ("HEXABASE_TENANT_ADDRESS", self.cluster.tenant_address()),
            ("HEXABASE_MAIL_DIRECTORY", "mail".to_owned()),
            ("HEXABASE_REQUESTS_PER_MINUTE", "0".to_owned()),
            ("HEXABASE_SIGN_INS_PER_MINUTE", "0".to_owned()),
            ("HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", "0".to_owned()),
            ("HEXABASE_DEV", "true".to_owned()),
        ]
    }

    /// Starts a program that goes on: `api` or `worker`.
    pub(crate) async fn start(&self, name: &str, command: &str) -> Process {
        self.spawn(name, command, program(self.folder.path()), self.environment(self.user)).await
    }

    /// The same of the release before this one.
    pub(crate) async fn start_old(&self, name: &str, command: &str) -> Process {
        let help = old_program(self.folder.path()).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        // It refuses what it does not know.
        let mut environment = self.environment(self.user);
        environment.retain(|(name, _)| help.contains(name));
        self.spawn(name, command, old_program(self.folder.path()), environment).await
    }

    async fn spawn(
        &self,
        name: &str,
        command: &str,
        mut program: Command,
        environment: Vec<(&'static str, String)>,
    ) -> Process {
        program.args([command, "--listen", "127.0.0.1:0"]).envs(environment);
        Process::spawn(name, self.folder.path(), &mut program).await
    }

    /// Runs a program that comes to an end, and answers what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.run_as(self.user, arguments)
    }

    /// The same as another user of the database.
    pub(crate) fn run_as(&self, user: &str, arguments: &[&str]) -> String {
        let done = self.try_as(user, arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs a program that may fail.
    pub(crate) fn try_as(&self, user: &str, arguments: &[&str]) -> Output {
        program(self.folder.path()).args(arguments).envs(self.environment(user)).output().unwrap()
    }
}
