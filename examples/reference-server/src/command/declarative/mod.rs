//! Commands `apply` and `export`: the objects of organizations as YAML documents.
//!
//! Parsing ([`document`]), the comparison with the server ([`actual`], [`plan`]) and the requests of a plan ([`request`])
//! are pure functions; [`reader`] and [`executor`] connect them with the API.

mod actual;
mod document;
mod executor;
mod files;
mod object;
mod plan;
mod reader;
mod report;
mod request;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hexabase_core::error::{Error, Result};
use hexabase_core::name::Slug;

use self::executor::{Execution, reject};
use self::object::Kind;
use self::plan::PlanOptions;
use self::reader::{Selection, read};
use super::client::ServerArgs;
use super::client::api::Api;
use super::print_line;

/// Create and change the objects of organizations as YAML documents describe them.
///
/// The plan is printed before it is executed. Repeating the command without changes does nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hexabase apply --filename acme.yaml\n  hexabase apply --filename tenants/ --prune --dry-run"
)]
pub(super) struct Apply {
    #[command(flatten)]
    server: ServerArgs,

    /// File with documents, folder with files *.yaml and *.yml, or - for standard input; repeatable.
    #[arg(short, long, required = true, value_name = "PATH")]
    filename: Vec<PathBuf>,

    /// Delete objects that earlier runs created or adopted and that no document describes any more, in the organizations
    /// of the documents. Organizations themselves are never deleted.
    #[arg(long)]
    prune: bool,

    /// Print the plan and change nothing. The exit code is 3 if there are differences.
    #[arg(long)]
    dry_run: bool,

    /// Inventory of the organizations in which created and adopted objects are recorded; one per source of documents.
    #[arg(long, value_name = "NAME", default_value = "git")]
    inventory: Slug,

    /// Do not wait for the workspaces of the documents to be ready.
    #[arg(long)]
    no_wait: bool,

    /// Maximum time in seconds to wait for the workspaces of the documents to be ready.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// Print the objects of organizations as YAML documents for the command apply.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase export --organization acme >acme.yaml")]
pub(super) struct Export {
    #[command(flatten)]
    server: ServerArgs,

    /// Name of an organization; repeatable [default: all that you belong to, except personal ones].
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Vec<String>,
}

impl Apply {
    /// Applies the documents, and returns the exit code.
    ///
    /// # Errors
    /// - `Invalid` for documents that cannot be applied.
    /// - Any error of a request.
    pub(super) async fn execute(self) -> Result<ExitCode> {
        let desired = document::parse(&files::read(&self.filename)?).map_err(|problems| reject(&problems))?;
        if desired.is_empty() {
            return Err(Error::invalid("filename", "contains no documents; files must end in .yaml or .yml"));
        }
        let execution = Execution {
            options: PlanOptions { inventory: self.inventory.to_string(), prune: self.prune },
            dry_run: self.dry_run,
            timeout: (!self.no_wait).then(|| Duration::from_secs(self.timeout)),
        };
        execution.run(&Api::connect(&self.server)?, &desired).await
    }
}

impl Export {
    /// Prints the documents.
    ///
    /// # Errors
    /// - `NotFound` for an organization that the user does not belong to.
    /// - Any error of a request.
    pub(super) async fn execute(self) -> Result<()> {
        let names: BTreeSet<String> = self.organization.into_iter().collect();
        let selection = if names.is_empty() { Selection::Shared } else { Selection::Named(names.clone()) };
        let actual = read(&Api::connect(&self.server)?, &selection).await?;
        for name in names {
            if !actual.objects.contains_key(&object::Key::organization(&name)) {
                return Err(Error::not_found("organization").with("organization", name));
            }
        }
        let exported = actual.objects.iter().filter(|(key, object)| {
            // A new workspace has these objects already, but the member of WSAdmins is the user who creates it.
            !object.is_built_in || key.kind == Kind::GroupMember
        });
        print_line(document::write(exported.map(|(key, object)| (key, &object.spec)))?.trim_end())
    }
}

/// Prints a line to standard error, which is not part of the result.
fn print_progress(line: &str) -> Result<()> {
    let written = writeln!(std::io::stderr(), "{line}");
    written.map_err(|error| Error::unavailable("standard error is closed").caused_by(error))
}
