//! Administration of an installation: plans, organizations, signing keys, the master key, dead letters, leases, the
//! isolation of tenants and the monitoring.

mod isolation;
mod master_key;
mod monitoring;
mod organizations;
mod plans;

use clap::{Args, Subcommand};
use hexabase_auth::Auth;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::model::SigningKey;
use hexabase_core::queue::DeadLetter;
use hexabase_core::store::Lease;
use serde_json::{Value, json};

use super::print_line;
use crate::compose;
use crate::config::{ProcessConfig, Sources};
use master_key::MasterKey;

/// Maximum number of listed items.
const LIST_LIMIT: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct Admin {
    #[command(subcommand)]
    subject: Subject,

    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    pub(super) sources: Sources,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// Signing keys of tokens.
    Keys {
        #[command(subcommand)]
        action: Keys,
    },
    /// Rotation of the master key.
    MasterKey {
        #[command(subcommand)]
        action: MasterKey,
    },
    /// Messages that were delivered as often as allowed without success.
    DeadLetters {
        #[command(subcommand)]
        action: DeadLetters,
    },
    /// Isolation of tenants on their host clusters.
    Isolation {
        #[command(subcommand)]
        action: isolation::Action,
    },
    /// Series that Hexabase reads from Prometheus.
    Monitoring {
        #[command(subcommand)]
        action: monitoring::Action,
    },
    /// All organizations of the installation.
    Organizations {
        #[command(subcommand)]
        action: organizations::Action,
    },
    /// Plans of the installation.
    Plans {
        #[command(subcommand)]
        action: plans::Action,
    },
    /// Exclusive, expiring rights of workers to work on an item.
    Leases {
        #[command(subcommand)]
        action: Leases,
    },
}

/// Action on records of the database or the queue.
enum Records {
    Keys(Keys),
    MasterKey(MasterKey),
    DeadLetters(DeadLetters),
    Leases(Leases),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// List all keys, oldest first.
    List,
    /// Create the next key for each algorithm in use. It is published for ten minutes before it signs; tokens that
    /// older keys signed stay valid.
    Rotate,
    /// Revoke a leaked key. Tokens that it signed are rejected within 30 seconds.
    Retire {
        /// Id of the key.
        // One of 64 ids begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// List dead letters with their reasons, oldest first.
    List,
    /// Return dead letters to the queue, as if they had never been delivered.
    Retry {
        /// Ids of the messages.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<MessageId>,

        /// Retry all dead letters.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Leases {
    /// List the leases that are held.
    List,
    /// Release a lease in place of its holder, so that it can be acquired before it expires. Once it is acquired
    /// again, commits of the previous holder are rejected.
    Release {
        /// Name of the lease.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

impl Admin {
    pub(super) async fn execute(self, config: ProcessConfig) -> Result<()> {
        let json = self.json;
        let subject = match self.subject {
            Subject::Isolation { action } => return action.execute(&config, json).await,
            Subject::Monitoring { action } => return action.execute(&config, json).await,
            Subject::Organizations { action } => {
                return action.execute(&compose::connect_platform(&config).await?, json).await;
            }
            Subject::Plans { action } => {
                return action.execute(&compose::connect_platform(&config).await?, json).await;
            }
            Subject::Keys { action } => Records::Keys(action),
            Subject::MasterKey { action } => Records::MasterKey(action),
            Subject::DeadLetters { action } => Records::DeadLetters(action),
            Subject::Leases { action } => Records::Leases(action),
        };
        let auth = compose::connect_auth(&config).await?;
        match subject {
            Records::MasterKey(action) => action.execute(auth.platform(), json).await,
            Records::Keys(Keys::List) => print_items(json, &auth.keys().list().await?, key_line, key_json),
            Records::Keys(Keys::Rotate) => {
                let created = auth.keys().rotate().await?;
                print_items(json, &created, |key| format!("{} signs in ten minutes", key.kid), key_json)
            }
            Records::Keys(Keys::Retire { kid }) => {
                auth.keys().retire(&kid).await?;
                print_items(json, &[kid], |kid| format!("{kid} is revoked"), |kid| json!(kid))
            }
            Records::DeadLetters(DeadLetters::List) => {
                print_items(json, &list_dead_letters(&auth).await?, dead_letter_line, dead_letter_json)
            }
            Records::DeadLetters(DeadLetters::Retry { ids, all }) => {
                let ids = match all {
                    true => list_dead_letters(&auth).await?.iter().map(|letter| letter.message.id).collect(),
                    false => ids,
                };
                for id in &ids {
                    if !auth.platform().queue().retry_dead_letter(*id).await? {
                        return Err(Error::not_found("dead letter").with("id", id));
                    }
                }
                print_items(json, &ids, |id| format!("{id} is queued again"), |id| json!(id))
            }
            Records::Leases(Leases::List) => {
                print_items(json, &list_leases(&auth).await?, lease_line, lease_json)
            }
            Records::Leases(Leases::Release { name }) => {
                let lease = list_leases(&auth).await?.into_iter().find(|lease| lease.name == name);
                let lease = lease.ok_or_else(|| Error::not_found("lease").with("name", &name))?;
                auth.platform().store().release_lease(&lease).await?;
                print_items(json, &[lease], |lease| format!("{} is released", lease.name), lease_json)
            }
        }
    }
}

async fn list_dead_letters(auth: &Auth) -> Result<Vec<DeadLetter>> {
    auth.platform().queue().dead_letters(LIST_LIMIT).await
}

async fn list_leases(auth: &Auth) -> Result<Vec<Lease>> {
    let platform = auth.platform();
    platform.store().list_leases(platform.clock().now(), LIST_LIMIT).await
}

/// Prints one line per item, or all items as a JSON array.
fn print_items<T>(
    json: bool,
    items: &[T],
    line: impl Fn(&T) -> String,
    value: impl Fn(&T) -> Value,
) -> Result<()> {
    if json {
        return print_line(&Value::Array(items.iter().map(value).collect()).to_string());
    }
    items.iter().try_for_each(|item| print_line(&line(item)))
}

fn key_line(key: &SigningKey) -> String {
    let end = key.retires_at.map_or_else(String::new, |at| format!(", retires {at}"));
    format!("{} {} created {}{end}", key.kid, key.algorithm, key.created_at)
}

fn key_json(key: &SigningKey) -> Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created_at": key.created_at,
        "retires_at": key.retires_at,
    })
}

fn dead_letter_line(letter: &DeadLetter) -> String {
    let DeadLetter { message, attempts, reason, at } = letter;
    let workspace = message.workspace_id.map_or(String::new(), |workspace| format!(" for {workspace}"));
    format!("{} {at} {}{workspace}, delivered {attempts} times: {reason}", message.id, message.topic.as_str())
}

/// The payload is not printed: it can be encrypted and confidential.
fn dead_letter_json(letter: &DeadLetter) -> Value {
    json!({
        "id": letter.message.id,
        "topic": letter.message.topic,
        "organization_id": letter.message.organization_id,
        "workspace_id": letter.message.workspace_id,
        "attempts": letter.attempts,
        "reason": letter.reason,
        "at": letter.at,
    })
}

fn lease_line(lease: &Lease) -> String {
    format!("{} until {} with token {}", lease.name, lease.expires_at, lease.token)
}

fn lease_json(lease: &Lease) -> Value {
    json!({ "name": lease.name, "token": lease.token, "expires_at": lease.expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        action: Keys,
    }

    #[test]
    fn a_key_whose_id_begins_with_a_hyphen_can_be_retired() {
        let Keys::Retire { kid } = Line::parse_from(["keys", "retire", "-cDf"]).action else {
            unreachable!("another action was parsed");
        };
        assert_eq!(kid, "-cDf");
    }
}
