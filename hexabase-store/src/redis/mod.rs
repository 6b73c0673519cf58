//! Short-lived data on a Redis server (6.2 or newer) or cluster.
//!
//! Every operation except the check of two markers accesses one key, so that a cluster can distribute the keys freely;
//! a hash tag keeps the keys of a hash-tag group in one slot. Operations that must be atomic are scripts. Every key
//! has a TTL. Buckets use the server's clock, so that replicas whose clocks differ agree.

mod failover;
mod marker_cache;
mod scripts;

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManagerConfig};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture, ScriptInvocation,
    ServerErrorKind, TlsCertificates, Value, cmd,
};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, Rate};
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};

use failover::FailoverConnection;
use marker_cache::MarkerCache;
use scripts::Scripts;
use tokio::time::Instant;

/// Lifetime of the value that a ping writes.
const PING_TTL: Duration = Duration::from_secs(60);

/// Configuration of a [`RedisEphemeral`].
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// URL of one server, or URLs of several nodes of a cluster: `redis://user:password@host:port/database`, with the
    /// scheme `rediss` for TLS. A user with an access control list needs `+get +mget +set +del +eval +evalsha
    /// +script|load +time +ping` on `~hexabase:*`.
    pub urls: Vec<SecretString>,
    /// Prefix of all keys, which separates several installations on one server.
    pub prefix: String,
    /// Certificates of the trusted authorities, in PEM; `None` for those of the system.
    pub authority: Option<Vec<u8>>,
    /// Maximum wait for a response. Short, so that requests fail fast while Redis is down.
    pub timeout: Duration,
}

impl RedisConfig {
    /// Returns the default configuration for one server or the nodes of a cluster: key prefix `hexabase`, timeout 500
    /// ms.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = impl Into<SecretString>>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            prefix: "hexabase".to_owned(),
            authority: None,
            timeout: Duration::from_millis(500),
        }
    }
}

/// [`EphemeralStore`] on a Redis server or cluster.
pub struct RedisEphemeral {
    connection: RedisConnection,
    prefix: String,
    scripts: Scripts,
    marker_cache: MarkerCache,
}

impl fmt::Debug for RedisEphemeral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisEphemeral").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Multiplexed connection that reconnects by itself.
#[derive(Clone)]
enum RedisConnection {
    Single(FailoverConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(command),
            Self::Cluster(connection) => connection.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(commands, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

impl RedisEphemeral {
    /// Connects to a server, or to a cluster if there are several URLs.
    ///
    /// # Errors
    /// - `Unavailable` if no server responds.
    /// - `Invalid` if a URL is malformed or there is none.
    pub async fn connect(config: &RedisConfig) -> Result<Self> {
        let invalid_url =
            |error| Error::invalid("redis_url", "must be the URL of a Redis server").caused_by(error);
        let tls = TlsCertificates { client_tls: None, root_cert: config.authority.clone() };
        let urls: Vec<&str> = config.urls.iter().map(|url| url.expose_secret()).collect();
        let connection = match urls.as_slice() {
            [] => return Err(Error::invalid("redis_url", "is missing")),
            [url] => {
                let client = match config.authority {
                    Some(_) => Client::build_with_tls(*url, tls).map_err(invalid_url)?,
                    None => Client::open(*url).map_err(invalid_url)?,
                };
                let manager_config = ConnectionManagerConfig::new()
                    .set_number_of_retries(1)
                    .set_max_delay(config.timeout / 4)
                    .set_connection_timeout(Some(config.timeout))
                    .set_response_timeout(Some(config.timeout));
                let connection = FailoverConnection::connect(client, manager_config).await;
                RedisConnection::Single(connection.map_err(unavailable)?)
            }
            urls => {
                let builder = ClusterClient::builder(urls.iter().copied())
                    .retries(2)
                    .connection_timeout(config.timeout)
                    .response_timeout(config.timeout);
                let builder = if config.authority.is_some() { builder.certs(tls) } else { builder };
                let client = builder.build().map_err(invalid_url)?;
                RedisConnection::Cluster(client.get_async_connection().await.map_err(unavailable)?)
            }
        };
        let (prefix, scripts) = (config.prefix.clone(), Scripts::default());
        Ok(Self { connection, prefix, scripts, marker_cache: MarkerCache::new() })
    }

    /// Returns the Redis key of a value. For a key of a hash-tag group, only the group decides the slot and so the
    /// node of a cluster (hash tag of Redis Cluster).
    fn value_key(&self, key: &str) -> String {
        match key.split_once('/') {
            Some((group, rest)) => format!("{}:v:{{{group}}}/{rest}", self.prefix),
            None => format!("{}:v:{key}", self.prefix),
        }
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        command.query_async(&mut self.connection.clone()).await
    }

    /// Runs a script, and loads it into the server if necessary.
    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, RedisError> {
        let mut connection = self.connection.clone();
        match call.invoke_async(&mut connection).await {
            // The server to which it was loaded turned out to be the wrong one, and its successor lacks it.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call.invoke_async(&mut connection).await
            }
            result => result,
        }
    }

    /// Sends a command that is safe to repeat, and repeats it once if the server has dropped the connection, as after
    /// a restart.
    async fn query_idempotent<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        match self.query(command).await {
            Err(error) if error.is_connection_dropped() => self.query(command).await.map_err(unavailable),
            result => result.map_err(unavailable),
        }
    }
}

fn unavailable(error: RedisError) -> Error {
    Error::unavailable("Redis does not respond").caused_by(error)
}

/// Converts a TTL for Redis: at least 1 ms, and finite.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX.unsigned_abs() / 2)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[async_trait]
impl EphemeralStore for RedisEphemeral {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        let mut put = cmd("SET");
        put.arg(self.value_key(key)).arg(value).arg("PX").arg(milliseconds(ttl));
        self.query_idempotent(&put).await
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        let mut put = cmd("SET");
        put.arg(self.value_key(key)).arg(value).arg("NX").arg("PX").arg(milliseconds(ttl));
        // Redis returns "OK" if it stored the value, and nil if there was one.
        self.query::<Option<String>>(&put).await.map(|put| put.is_some()).map_err(unavailable)
    }

    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool> {
        let mut call = self.scripts.compare_and_set.key(self.value_key(key));
        call.arg(expected).arg(value).arg(milliseconds(ttl));
        self.invoke(&call).await.map_err(unavailable)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut get = cmd("GET");
        get.arg(self.value_key(key));
        self.query_idempotent(&get).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let call = self.scripts.take.key(self.value_key(key));
        self.invoke(&call).await.map_err(unavailable)
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        try_join_all(keys.iter().map(|key| self.put(key, b"1", ttl))).await?;
        marker_cache::wait_until_results_expire().await;
        Ok(())
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        let cache_key = format!("{first}\n{second}");
        if let Some(present) = self.marker_cache.get(&cache_key) {
            return Ok(present);
        }
        let mut get = cmd("MGET");
        for key in [first, second] {
            get.arg(self.value_key(key));
        }
        let requested_at = Instant::now();
        let (first, second): (Option<Value>, Option<Value>) = self.query_idempotent(&get).await?;
        let present = [first.is_some(), second.is_some()];
        self.marker_cache.insert(cache_key, requested_at, present);
        Ok(present)
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        let step = rate.period / rate.burst.max(1);
        let mut call = self.scripts.take_token.key(format!("{}:b:{bucket}", self.prefix));
        // The script counts in microseconds; a refill interval of zero would disable the limit.
        call.arg(microseconds(step).max(1)).arg(microseconds(rate.period).max(1));
        let (allowed, reset, wait): (bool, u64, u64) = match self.invoke(&call).await {
            Err(error) if error.is_connection_dropped() => self.invoke(&call).await,
            result => result,
        }
        .map_err(unavailable)?;
        let reset_after = Duration::from_micros(reset);
        let left = rate.period.saturating_sub(reset_after).as_nanos() / step.as_nanos().max(1);
        Ok(Allowance {
            allowed,
            remaining: if allowed { u32::try_from(left).unwrap_or(rate.burst) } else { 0 },
            retry_after: match (allowed, left) {
                (false, _) => Duration::from_micros(wait),
                (true, 0) => step,
                (true, _) => Duration::ZERO,
            },
            reset_after,
        })
    }

    async fn ping(&self) -> Result<()> {
        // A full or read-only server still responds to PING. In a cluster this tests one node.
        self.put("ping", b"", PING_TTL).await
    }
}
