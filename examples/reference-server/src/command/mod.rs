//! What the program does, by its subcommands.

mod admin;
mod banner;
mod billing;
mod client;
mod sandbox;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hexabase_core::error::{Error, Result};
use hexabase_k8s::HostIdentity;
use hexabase_k8s::render::{host_setup, kyverno_policies, manifest};

use crate::compose;
use crate::settings::{Settings, Sources};

/// Multi-tenant Kubernetes: organizations, workspaces, projects, groups and roles.
///
/// Try it without anything else: hexabase serve --dev
#[derive(Debug, Parser)]
#[command(name = "hexabase", version, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and do the work, in one process. With --dev it needs nothing else.
    Serve(Box<Sources>),
    /// Serve the API only; workers do the work.
    Api(Box<Sources>),
    /// Do the work only. Health and figures are served on port 8081 if not said otherwise.
    Worker(Box<Sources>),
    /// Bring the database up to date and stop. A file is also brought up to date by whoever opens it; a server is
    /// only by this command, as the owner of the tables, while others go on working.
    Migrate(Box<Sources>),
    /// Look after an installation: signing keys, dead letters, leases.
    Admin(Box<admin::Admin>),
    /// Look after what Stripe sells.
    Billing(billing::Billing),
    /// Write what Hexabase needs on a host cluster to standard output, for its administrator to apply once: a
    /// ServiceAccount with no more rights than it uses. hexabase host-setup | kubectl apply --server-side -f -
    HostSetup(HostSetup),
    /// Write the OpenAPI document of the API to standard output.
    Openapi(Openapi),
    /// Sign in at a server. What comes of it is kept in a file of yours, and used by the commands below.
    Login(client::Login),
    /// Sign out at a server.
    Logout(client::Logout),
    /// Let kubectl into a workspace: put its cluster in among those in your kubeconfig, and switch to it.
    Kubeconfig(client::Kubeconfig),
    /// Get a token for a workspace's cluster, as kubectl asks for it: with the API token in the variable HEXABASE_TOKEN, the
    /// token of a CI system in HEXABASE_ID_TOKEN, the one that GitHub Actions gives a job, or else as you signed in.
    Credential(client::Credential),
    /// Serve an empty Kubernetes API that runs nothing, to look at it with kubectl.
    Sandbox(sandbox::Options),
    /// Say which version this is.
    Version,
}

#[derive(Debug, clap::Args)]
struct Openapi {
    /// Describe the development provider too.
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, clap::Args)]
struct HostSetup {
    /// The ServiceAccount.
    #[arg(long, env = "HEXABASE_HOST_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME", default_value_t)]
    host_service_account: HostIdentity,

    /// Write the guard on what tenants' control planes write as policies of Kyverno as well, for hosts where it is installed
    /// (1.17 or newer): its reports then show what was refused.
    #[arg(long)]
    kyverno: bool,
}

/// Runs the program with the arguments and the environment of the process.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    match carry_out(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever started the program reads one line; the rest is in the log.
            tracing::debug!(?error, "gave up");
            let mut line = format!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(deeper) = cause {
                line.push_str(&format!(": {deeper}"));
                cause = deeper.source();
            }
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{}", line.replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> Result<()> {
    match command {
        Command::Serve(sources) => serve::serve(settings(*sources)?, serve::Role::Everything),
        Command::Api(sources) => serve::serve(settings(*sources)?, serve::Role::Api),
        Command::Worker(sources) => serve::serve(settings(*sources)?, serve::Role::Worker),
        Command::Migrate(sources) => {
            let database = settings(*sources)?.database;
            runtime()?.block_on(compose::migrate(&database))?;
            say("the database is up to date")
        }
        Command::Admin(admin) => {
            let settings = settings(admin.sources.clone())?;
            runtime()?.block_on(admin.carry_out(settings))
        }
        Command::Billing(billing) => billing.carry_out(),
        Command::HostSetup(HostSetup { host_service_account, kyverno }) => {
            let mut objects = host_setup(&host_service_account);
            if kyverno {
                objects.extend(kyverno_policies());
            }
            say(manifest(&objects)?.trim_end())
        }
        Command::Openapi(Openapi { dev }) => {
            let document = crate::document(dev).to_pretty_json();
            say(&document.map_err(|error| Error::unexpected("cannot be written as JSON").caused_by(error))?)
        }
        Command::Login(login) => runtime()?.block_on(login.carry_out()),
        Command::Logout(logout) => runtime()?.block_on(logout.carry_out()),
        Command::Kubeconfig(kubeconfig) => runtime()?.block_on(kubeconfig.carry_out()),
        Command::Credential(credential) => runtime()?.block_on(credential.carry_out()),
        Command::Sandbox(options) => runtime()?.block_on(sandbox::serve(options)),
        Command::Version => say(concat!("hexabase ", env!("CARGO_PKG_VERSION"))),
    }
}

fn settings(sources: Sources) -> Result<Settings> {
    Settings::read(sources, std::env::vars())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unexpected("the program cannot start").caused_by(error))
}

/// Writes a line to standard output.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|error| Error::unavailable("standard output is closed").caused_by(error))
}
