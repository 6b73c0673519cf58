//! Rotation of the master key.

use std::io::Write as _;

use clap::Subcommand;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::platform::SealedCounts;
use hexabase_core::store::SealedKind;
use serde_json::{Value, json};

use super::print_items;

#[derive(Debug, Subcommand)]
pub(super) enum MasterKey {
    /// Count the data that additional keys encrypt. The additional keys can be removed once nothing is left.
    Status,
    /// Encrypt with the master key everything that additional keys encrypt. It can be interrupted and repeated.
    Reseal,
}

/// Sealed data of one kind.
struct Kind {
    name: &'static str,
    counts: SealedCounts,
}

impl MasterKey {
    pub(super) async fn execute(self, platform: &Platform, json: bool) -> Result<()> {
        let rotation = platform.master_key_rotation();
        let mut kinds = Vec::new();
        for kind in SealedKind::ALL {
            let name = name_of(kind);
            let resealed = match self {
                Self::Status => SealedCounts::default(),
                Self::Reseal => rotation.reseal(kind, |counts| print_progress(name, counts)).await?,
            };
            // Counted again, because other processes may have written in the meantime.
            let counts = SealedCounts { resealed: resealed.resealed, ..rotation.count(kind).await? };
            kinds.push(Kind { name, counts });
        }
        let left = rotation.dead_letters().await?;
        kinds.push(Kind {
            name: "dead-letter mails",
            counts: SealedCounts { total: left, left, ..SealedCounts::default() },
        });
        print_items(json, &kinds, line, value)?;
        let unreadable: u64 = kinds.iter().map(|kind| kind.counts.unreadable).sum();
        match unreadable {
            0 => Ok(()),
            _ => Err(Error::invalid(
                "additional_master_key_files",
                format!("lack the key of {unreadable} records; add it and repeat the command"),
            )),
        }
    }
}

const fn name_of(kind: SealedKind) -> &'static str {
    match kind {
        SealedKind::SigningKeys => "signing keys",
        SealedKind::Kubeconfigs => "kubeconfigs",
        SealedKind::Responses => "responses to idempotent requests",
        SealedKind::Mails => "mails in the outbox",
    }
}

/// Prints the progress to standard error, so that standard output has the result only.
fn print_progress(name: &str, counts: SealedCounts) {
    let SealedCounts { total, resealed, .. } = counts;
    // The progress is informative: the work continues without a terminal.
    let _ = writeln!(std::io::stderr(), "{name}: {total} read, {resealed} encrypted again");
}

fn line(kind: &Kind) -> String {
    let Kind { name, counts: SealedCounts { total, resealed, left, unreadable } } = kind;
    let unreadable = if *unreadable > 0 { format!(", {unreadable} unreadable") } else { String::new() };
    format!("{name}: {total} in total, {resealed} encrypted again, {left} left{unreadable}")
}

fn value(kind: &Kind) -> Value {
    let Kind { name, counts: SealedCounts { total, resealed, left, unreadable } } = kind;
    json!({ "kind": name, "total": total, "resealed": resealed, "left": left, "unreadable": unreadable })
}
