//! Short-lived facts on a Redis server (6.2 or newer) or cluster.
//!
//! Every operation but the question for two announcements is about one key, so a cluster can spread them as it likes; a shelf
//! of keys is one slot of a cluster, by a hash tag. What has to be atomic is a script.
//! Every key has an end. Buckets go by the server's clock, so that replicas whose clocks differ agree.

mod announcements;
mod scripts;

use std::fmt;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{Client, Cmd, FromRedisValue, Pipeline, RedisError, RedisFuture, TlsCertificates, Value, cmd};
use async_trait::async_trait;
use futures_util::future::try_join_all;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, Rate};
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};

use announcements::Answers;
use scripts::Scripts;
use tokio::time::Instant;

/// Where the server is, and how it is used.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// One URL of a server, or several of the nodes of a cluster: `redis://user:password@host:port/database`, with
    /// `rediss` for TLS. The user of an access control list needs `+get +mget +set +del +eval +evalsha +script|load +time
    /// +ping` on `~hexabase:*`.
    pub urls: Vec<SecretString>,
    /// What keys begin with, for several installations on one server.
    pub prefix: String,
    /// The certificates to trust, in PEM; those of the system if there are none.
    pub authority: Option<Vec<u8>>,
    /// How long an answer may take. Short, so that requests fail fast while Redis is away.
    pub timeout: Duration,
}

impl RedisSettings {
    /// One server, or the nodes of a cluster: keys begin with `hexabase`, and an answer takes half a second at most.
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

/// An [`EphemeralStore`] on a Redis server or cluster.
pub struct RedisEphemeral {
    link: Link,
    prefix: String,
    scripts: Scripts,
    answers: Answers,
}

impl fmt::Debug for RedisEphemeral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisEphemeral").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A connection that many use at once, and that comes back by itself.
#[derive(Clone)]
enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(link) => link.req_packed_command(command),
            Self::Cluster(link) => link.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(link) => link.req_packed_commands(commands, offset, count),
            Self::Cluster(link) => link.req_packed_commands(commands, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}

impl RedisEphemeral {
    /// Connects to a server, or to a cluster where there are several URLs.
    ///
    /// # Errors
    /// - `Unavailable` when nobody answers.
    /// - `Invalid` when a URL is none, or there is none.
    pub async fn connect(settings: &RedisSettings) -> Result<Self> {
        let unusable = |error| Error::invalid("redis_url", "is no URL of a Redis server").caused_by(error);
        let tls = TlsCertificates { client_tls: None, root_cert: settings.authority.clone() };
        let urls: Vec<&str> = settings.urls.iter().map(|url| url.expose_secret()).collect();
        let link = match urls.as_slice() {
            [] => return Err(Error::invalid("redis_url", "is missing")),
            [url] => {
                let client = match settings.authority {
                    Some(_) => Client::build_with_tls(*url, tls).map_err(unusable)?,
                    None => Client::open(*url).map_err(unusable)?,
                };
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(1)
                    .set_max_delay(settings.timeout / 4)
                    .set_connection_timeout(Some(settings.timeout))
                    .set_response_timeout(Some(settings.timeout));
                Link::Single(ConnectionManager::new_with_config(client, config).await.map_err(unavailable)?)
            }
            urls => {
                let builder = ClusterClient::builder(urls.iter().copied())
                    .retries(2)
                    .connection_timeout(settings.timeout)
                    .response_timeout(settings.timeout);
                let builder = if settings.authority.is_some() { builder.certs(tls) } else { builder };
                let client = builder.build().map_err(unusable)?;
                Link::Cluster(client.get_async_connection().await.map_err(unavailable)?)
            }
        };
        let (prefix, scripts) = (settings.prefix.clone(), Scripts::default());
        Ok(Self { link, prefix, scripts, answers: Answers::none() })
    }

    /// Of a key on a shelf only the shelf decides which node of a cluster has it (a hash tag of Redis Cluster).
    fn value_key(&self, key: &str) -> String {
        match key.split_once('/') {
            Some((shelf, rest)) => format!("{}:v:{{{shelf}}}/{rest}", self.prefix),
            None => format!("{}:v:{key}", self.prefix),
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        command.query_async(&mut self.link.clone()).await
    }

    /// Asks something that can be asked twice: the first to notice that the server was started anew does it again.
    async fn ask_again<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        match self.ask(command).await {
            Err(error) if error.is_connection_dropped() => self.ask(command).await.map_err(unavailable),
            answer => answer.map_err(unavailable),
        }
    }
}

fn unavailable(error: RedisError) -> Error {
    Error::unavailable("Redis does not answer").caused_by(error)
}

/// A time to live as Redis takes it; nothing lives for ever, nor for no time at all.
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
        self.ask_again(&put).await
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        let mut put = cmd("SET");
        put.arg(self.value_key(key)).arg(value).arg("NX").arg("PX").arg(milliseconds(ttl));
        // "OK" when it was put, nothing when there was one.
        self.ask::<Option<String>>(&put).await.map(|put| put.is_some()).map_err(unavailable)
    }

    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool> {
        let mut call = self.scripts.compare_and_set.key(self.value_key(key));
        call.arg(expected).arg(value).arg(milliseconds(ttl));
        call.invoke_async(&mut self.link.clone()).await.map_err(unavailable)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let mut get = cmd("GET");
        get.arg(self.value_key(key));
        self.ask_again(&get).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let call = self.scripts.take.key(self.value_key(key));
        call.invoke_async(&mut self.link.clone()).await.map_err(unavailable)
    }

    async fn announce(&self, keys: &[String], ttl: Duration) -> Result<()> {
        try_join_all(keys.iter().map(|key| self.put(key, b"1", ttl))).await?;
        announcements::until_everybody_knows().await;
        Ok(())
    }

    async fn are_announced(&self, keys: [&str; 2]) -> Result<[bool; 2]> {
        let question = keys.join("\n");
        if let Some(answer) = self.answers.to(&question) {
            return Ok(answer);
        }
        let mut get = cmd("MGET");
        for key in keys {
            get.arg(self.value_key(key));
        }
        let asked = Instant::now();
        let (first, second): (Option<Value>, Option<Value>) = self.ask_again(&get).await?;
        let answer = [first.is_some(), second.is_some()];
        self.answers.keep(question, asked, answer);
        Ok(answer)
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        let step = rate.period / rate.burst.max(1);
        let mut call = self.scripts.take_token.key(format!("{}:b:{bucket}", self.prefix));
        // The script counts in microseconds; a token of no length would be no token at all.
        call.arg(microseconds(step).max(1)).arg(microseconds(rate.period).max(1));
        let mut link = self.link.clone();
        let (allowed, reset, wait): (bool, u64, u64) = match call.invoke_async(&mut link).await {
            Err(error) if error.is_connection_dropped() => call.invoke_async(&mut link).await,
            answer => answer,
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
        // A cluster would answer a ping as soon as one of its nodes does; a key asks the one that is responsible.
        self.get("ping").await.map(drop)
    }
}
