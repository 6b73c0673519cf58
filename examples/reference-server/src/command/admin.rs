//! Looking after an installation: keys, dead letters and leases.

use clap::{Args, Subcommand};
use hexabase_auth::Auth;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::model::SigningKey;
use hexabase_core::queue::DeadLetter;
use hexabase_core::store::Lease;
use serde_json::{Value, json};

use super::say;
use crate::compose;
use crate::settings::{Settings, Sources};

/// How many of a kind are shown.
const SHOWN: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct Admin {
    #[command(subcommand)]
    subject: Subject,

    /// Write JSON.
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    pub(super) sources: Sources,
}

#[derive(Debug, Subcommand)]
enum Subject {
    /// The keys that sign tokens.
    Keys {
        #[command(subcommand)]
        action: Keys,
    },
    /// Messages that were given up, after they had been delivered as often as they may be.
    DeadLetters {
        #[command(subcommand)]
        action: DeadLetters,
    },
    /// Who works on what: as long as somebody holds a lease, nobody else does.
    Leases {
        #[command(subcommand)]
        action: Leases,
    },
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Show all keys, oldest first.
    List,
    /// Make the keys that come next, one for each algorithm in use. They are shown for ten minutes before they sign; what
    /// older keys signed stays valid.
    Rotate,
    /// Take back a key that others may know: nothing that it signed is good any more, within half a minute.
    Retire {
        /// Which.
        kid: String,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// Show them, oldest first, with the reason.
    List,
    /// Send them on their way again, as if they had never been delivered.
    Retry {
        /// Which.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<MessageId>,

        /// All of them.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Leases {
    /// Show those that are held.
    List,
    /// Give one back in its holder's stead, so that others need not wait until it runs out. As soon as somebody else
    /// takes it, its holder cannot change anything any more.
    Release {
        /// Which.
        #[arg(value_name = "NAME")]
        name: String,
    },
}

impl Admin {
    pub(super) async fn carry_out(self, settings: Settings) -> Result<()> {
        let auth = compose::operate(&settings).await?;
        let json = self.json;
        match self.subject {
            Subject::Keys { action: Keys::List } => {
                show(json, &auth.signing_keys().await?, key_line, key_json)
            }
            Subject::Keys { action: Keys::Rotate } => {
                let next = auth.rotate_keys().await?;
                show(json, &next, |key| format!("{} signs in ten minutes", key.kid), key_json)
            }
            Subject::Keys { action: Keys::Retire { kid } } => {
                auth.retire_key(&kid).await?;
                show(json, &[kid], |kid| format!("{kid} is taken back"), |kid| json!(kid))
            }
            Subject::DeadLetters { action: DeadLetters::List } => {
                show(json, &dead_letters(&auth).await?, letter_line, letter_json)
            }
            Subject::DeadLetters { action: DeadLetters::Retry { ids, all } } => {
                let ids = match all {
                    true => dead_letters(&auth).await?.iter().map(|letter| letter.message.id).collect(),
                    false => ids,
                };
                for id in &ids {
                    if !auth.platform().queue().retry_dead_letter(*id).await? {
                        return Err(Error::not_found("dead letter").with("id", id));
                    }
                }
                show(json, &ids, |id| format!("{id} is on its way again"), |id| json!(id))
            }
            Subject::Leases { action: Leases::List } => {
                show(json, &leases(&auth).await?, lease_line, lease_json)
            }
            Subject::Leases { action: Leases::Release { name } } => {
                let held = leases(&auth).await?.into_iter().find(|lease| lease.name == name);
                let held = held.ok_or_else(|| Error::not_found("lease").with("name", &name))?;
                auth.platform().store().release_lease(&held).await?;
                show(json, &[held], |lease| format!("{} is free", lease.name), lease_json)
            }
        }
    }
}

async fn dead_letters(auth: &Auth) -> Result<Vec<DeadLetter>> {
    auth.platform().queue().dead_letters(SHOWN).await
}

async fn leases(auth: &Auth) -> Result<Vec<Lease>> {
    let platform = auth.platform();
    platform.store().list_leases(platform.clock().now(), SHOWN).await
}

/// Writes things one per line, or as one JSON array.
fn show<T>(json: bool, things: &[T], line: impl Fn(&T) -> String, value: impl Fn(&T) -> Value) -> Result<()> {
    if json {
        return say(&Value::Array(things.iter().map(value).collect()).to_string());
    }
    things.iter().try_for_each(|thing| say(&line(thing)))
}

fn key_line(key: &SigningKey) -> String {
    let end = key.retires_at.map_or_else(String::new, |at| format!(", retires {at}"));
    format!("{} {} made {}{end}", key.kid, key.algorithm, key.created_at)
}

fn key_json(key: &SigningKey) -> Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "created_at": key.created_at,
        "retires_at": key.retires_at,
    })
}

fn letter_line(letter: &DeadLetter) -> String {
    let DeadLetter { message, attempts, reason, at } = letter;
    let about = message.workspace_id.map_or(String::new(), |workspace| format!(" about {workspace}"));
    format!("{} {} {}{about}, delivered {attempts} times: {reason}", message.id, at, message.topic.as_str())
}

/// The payload is left out: it is sealed, and nobody's business.
fn letter_json(letter: &DeadLetter) -> Value {
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
