//! Complete installation: backends, a host cluster, and processes that use them.

use std::process::{Command, Output};

use hexabase_test_servers::{Nats, Postgres, Redis};
use tempfile::TempDir;

use crate::process::{Process, old_program, program};

/// Master key: 32 bytes in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Backends for one test, with a sandbox in a separate process as host cluster, which survives the other processes.
pub(crate) struct Installation {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    pub(crate) nats: Nats,
    pub(crate) database: String,
    /// Database user of the processes.
    pub(crate) user: &'static str,
    pub(crate) cluster: Process,
    pub(crate) folder: TempDir,
    /// Rate limits and limits on free resources have their defaults, instead of being off.
    default_limits: bool,
}

/// Settings that turn off rate limits and limits on free resources.
const NO_LIMITS: [&str; 5] = [
    "HEXABASE_REQUESTS_PER_MINUTE",
    "HEXABASE_SIGN_INS_PER_MINUTE",
    "HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION",
    "HEXABASE_MAX_OWNED_ORGANIZATIONS",
    "HEXABASE_MAX_FREE_WORKSPACES_PER_USER",
];

impl Installation {
    /// Starts the backends and migrates a new database. Rate limits and limits on free resources are off.
    pub(crate) async fn new() -> Self {
        Self::start_backends(false).await
    }

    /// Starts the backends and migrates a new database. All limits have their defaults.
    pub(crate) async fn with_default_limits() -> Self {
        Self::start_backends(true).await
    }

    async fn start_backends(default_limits: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
        let database = postgres.database().await;
        let cluster = Process::start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]).await;
        let installation =
            Self { postgres, redis, nats, database, user: "postgres", cluster, folder, default_limits };
        let migrated = installation.run(&["migrate"]);
        assert!(migrated.contains("up to date"), "{migrated}");
        installation
    }

    fn environment(&self, user: &str) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("HEXABASE_DATABASE_URL", self.postgres.url_as(user, &self.database)),
            ("HEXABASE_REDIS_URL", self.redis.url().to_owned()),
            ("HEXABASE_NATS_URL", self.nats.url().to_owned()),
            ("HEXABASE_MASTER_KEY", MASTER_KEY.to_owned()),
            ("HEXABASE_PUBLIC_URL", "http://127.0.0.1:8080".to_owned()),
            ("HEXABASE_KUBECONFIG", "sandbox.kubeconfig".to_owned()),
            ("HEXABASE_TENANT_ADDRESS", self.cluster.tenant_address()),
            ("HEXABASE_MAIL_DIRECTORY", "mail".to_owned()),
            ("HEXABASE_DEV", "true".to_owned()),
        ];
        if !self.default_limits {
            environment.extend(NO_LIMITS.map(|name| (name, "0".to_owned())));
        }
        environment
    }

    /// Starts an `api` or `worker` process.
    pub(crate) async fn start(&self, name: &str, command: &str) -> Process {
        self.spawn(name, command, program(self.folder.path()), self.environment(self.user)).await
    }

    /// Starts a process of the previous release.
    pub(crate) async fn start_old(&self, name: &str, command: &str) -> Process {
        let help = old_program(self.folder.path()).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        // The previous release rejects variables that it does not know.
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

    /// Runs a command to completion and returns its standard output.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.run_as(self.user, arguments)
    }

    /// Runs a command to completion as a database user, and returns its standard output.
    pub(crate) fn run_as(&self, user: &str, arguments: &[&str]) -> String {
        let output = self.try_as(user, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that may fail, as a database user.
    pub(crate) fn try_as(&self, user: &str, arguments: &[&str]) -> Output {
        program(self.folder.path()).args(arguments).envs(self.environment(user)).output().unwrap()
    }
}
