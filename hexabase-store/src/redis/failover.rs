//! Connection to one address, behind which the server may change.
//!
//! After a failover the address leads to another server, but an open connection still ends at the demoted one. That
//! server responds to every write with an error, so the connection never breaks by itself. Such a response ends the
//! connection, and the command is sent once more on a new one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use ::redis::{
    Client, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
};
use tokio::time::Instant;

/// Minimum age of a connection that replaced another one, before it is replaced as well. While the address still leads
/// to the demoted server, this bounds the number of new connections.
const MIN_CONNECTION_AGE: Duration = Duration::from_millis(100);

/// Multiplexed connection to the server behind an address.
#[derive(Clone)]
pub(super) struct FailoverConnection(Arc<Shared>);

/// Connection that all clones share, and how to replace it.
struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    current: Mutex<CurrentConnection>,
}

#[derive(Clone)]
struct CurrentConnection {
    manager: ConnectionManager,
    /// Number of connections before this one.
    number: u64,
    /// Time at which it replaced another connection; `None` for the first one.
    replaced_at: Option<Instant>,
}

impl FailoverConnection {
    /// Connects to the server.
    pub(super) async fn connect(client: Client, config: ConnectionManagerConfig) -> RedisResult<Self> {
        let manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        let current = CurrentConnection { manager, number: 0, replaced_at: None };
        Ok(Self(Arc::new(Shared { client, config, current: Mutex::new(current) })))
    }

    fn current(&self) -> CurrentConnection {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the connection with this number, and returns the new one. Concurrent callers replace it once. `None` if
    /// the connection is too new to be replaced.
    fn replace(&self, number: u64) -> Option<ConnectionManager> {
        let Shared { client, config, current } = &*self.0;
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.number == number {
            if current.replaced_at.is_some_and(|at| at.elapsed() < MIN_CONNECTION_AGE) {
                return None;
            }
            // It connects with the first command.
            let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone());
            current.manager = manager.ok()?;
            current.number += 1;
            current.replaced_at = Some(Instant::now());
            tracing::info!("the Redis server does not accept writes; connecting again");
        }
        Some(current.manager.clone())
    }
}

impl ConnectionLike for FailoverConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let CurrentConnection { mut manager, number, .. } = self.current();
            let response = manager.req_packed_command(command).await.and_then(Value::extract_error);
            match response {
                Err(error) if is_of_wrong_server(&error) => match self.replace(number) {
                    Some(mut manager) => manager.req_packed_command(command).await,
                    None => Err(error),
                },
                response => response,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move { self.current().manager.req_packed_commands(commands, offset, count).await })
    }

    fn get_db(&self) -> i64 {
        self.current().manager.get_db()
    }
}

/// `true` if the server has not executed the command, because it is a replica (`READONLY`, `MASTERDOWN`) or is still
/// loading its data (`LOADING`): another server may be the right one by now.
fn is_of_wrong_server(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading,
        ) => true,
        // Before Redis 7, the error of a script contains that of its command.
        ErrorKind::Server(ServerErrorKind::ResponseError) => {
            error.detail().is_some_and(|detail| detail.contains("-READONLY "))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_wrong_server_are_recognized() {
        for (response, is_wrong) in [
            ("-READONLY You can't write against a read only replica.\r\n", true),
            ("-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", true),
            ("-LOADING Redis is loading the dataset in memory\r\n", true),
            (
                "-ERR Error running script: @user_script: 3: -READONLY You can't write against a replica.\r\n",
                true,
            ),
            ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", false),
            ("-ERR value is not READONLY\r\n", false),
            ("-NOPERM this user has no permissions\r\n", false),
        ] {
            let value = redis::parse_redis_value(response.as_bytes()).unwrap();
            assert_eq!(is_of_wrong_server(&value.extract_error().unwrap_err()), is_wrong, "{response}");
        }
    }
}
