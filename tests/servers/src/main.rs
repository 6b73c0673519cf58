//! Starts one server of each kind, runs a command with the addresses in its environment, and stops the servers.

use std::process::{Command, ExitCode};

use hexabase_test_servers::{Nats, Postgres, Redis};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().expect("missing argument: the command to run, such as cargo nextest run");
    // Servers whose addresses are in the environment already are used as they are.
    let (postgres, redis, nats) = (Postgres::shared(), Redis::shared(), Nats::shared());
    let status = Command::new(program)
        .args(arguments)
        .env("HEXABASE_TEST_POSTGRES_URL", postgres.url())
        .env("HEXABASE_TEST_REDIS_URL", redis.url())
        .env("HEXABASE_TEST_NATS_URL", nats.url())
        .status()
        .expect("the command cannot be started");
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
