//! Command line: one module per group of subcommands.

mod admin;
mod billing;
mod client;
mod declarative;
mod exit_code;
mod healthcheck;
mod migrate;
mod quickstart;
mod sandbox;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use hexabase_api::{ApiConfig, document};
use hexabase_billing::StripeBilling;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::GitOpsNamespaces;
use hexabase_k8s::render::{host_setup, kyverno_policies, manifest};
use hexabase_k8s::{HostConfig, HostIdentity, Labels, ScrapeJobs, TenantScraping, alert_rules};

use crate::config::{ProcessConfig, Sources};

/// Multi-tenant Kubernetes: organizations, workspaces, projects, groups and roles.
///
/// Start a development server, which needs no other service: hexabase serve --dev
#[derive(Debug, Parser)]
#[command(name = "hexabase", version, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the API and a worker in one process. With --dev no other service is needed.
    Serve(Box<Sources>),
    /// Run the API only; separate workers do the background work.
    Api(Box<Sources>),
    /// Run a worker only. It serves health checks and metrics, on port 8081 by default.
    Worker(Box<Sources>),
    /// Migrate the database schema and exit. SQLite databases are also migrated by every process that opens them;
    /// PostgreSQL databases only by this command, as the owner of the tables, while other processes keep running.
    /// With --check it changes nothing and reports whether the schema is up to date.
    Migrate(Box<migrate::Migrate>),
    /// Administer signing keys, the master key, dead letters and leases.
    Admin(Box<admin::Admin>),
    /// Show and change the billing of an organization; as an operator, synchronize Stripe with the plans, and verify
    /// reported usage.
    Billing(billing::Billing),
    /// Print the manifest that the administrator of a host cluster applies once: a ServiceAccount with only the
    /// permissions that Hexabase uses, and admission policies. hexabase host-setup | kubectl apply --server-side -f -
    HostSetup(HostSetup),
    /// Print the rules file with which Prometheus evaluates the alert rules of tenants.
    AlertRules(AlertRules),
    /// Print the OpenAPI document of the API.
    Openapi(Openapi),
    /// Sign in to a server. The tokens are stored in a file that only you can read, for the other commands.
    Login(client::Login),
    /// Sign out of a server.
    Logout(client::Logout),
    /// Add the cluster of a workspace to your kubeconfig, and switch to its context.
    Kubeconfig(client::Kubeconfig),
    /// Print a token for the cluster of a workspace, as a credential plugin of kubectl. It is issued for the API token
    /// in HEXABASE_TOKEN, the CI token in HEXABASE_ID_TOKEN, the token of a GitHub Actions job, or your login, in this
    /// order.
    Credential(client::Credential),
    /// Remember the organization and the workspace that commands use without flags, in general or in a directory.
    /// Without options, show them.
    Use(client::Use),
    #[command(flatten)]
    Resource(client::ResourceCommand),
    /// Explain why a member may or may not perform an action in a workspace: the groups and roles that allow it.
    Why(client::Why),
    /// Print log lines of a workspace, oldest first, and with --follow those to come.
    Logs(client::Logs),
    /// Create and change the objects of organizations as YAML documents describe them.
    Apply(declarative::Apply),
    /// Print the objects of organizations as YAML documents for the command apply.
    Export(declarative::Export),
    /// Print the completions of this program for a shell.
    Completions(client::Completions),
    /// Serve an empty sandbox, a Kubernetes API without workloads, for use with kubectl.
    Sandbox(sandbox::Options),
    /// Check that a server on this machine is ready: exit code 0 if it responds to /readyz with success.
    Healthcheck(healthcheck::Healthcheck),
    /// Print the version.
    Version,
}

#[derive(Debug, clap::Args)]
struct Openapi {
    /// Include the development provider.
    #[arg(long)]
    dev: bool,
}

#[derive(Debug, clap::Args)]
struct AlertRules {
    /// Scrape jobs of the kubelets' cAdvisor in Prometheus, separated by commas [default: kubelet].
    #[arg(long, env = "HEXABASE_PROMETHEUS_KUBELET_JOB", value_name = "JOB", value_delimiter = ',')]
    prometheus_kubelet_job: Option<Vec<String>>,

    /// Scrape jobs of kube-state-metrics in Prometheus, separated by commas [default: kube-state-metrics].
    #[arg(
        long,
        env = "HEXABASE_PROMETHEUS_KUBE_STATE_METRICS_JOB",
        value_name = "JOB",
        value_delimiter = ','
    )]
    prometheus_kube_state_metrics_job: Option<Vec<String>>,

    /// Scrape jobs of the tenant API servers in Prometheus, separated by commas [default: vcluster].
    #[arg(long, env = "HEXABASE_PROMETHEUS_API_SERVER_JOB", value_name = "JOB", value_delimiter = ',')]
    prometheus_api_server_job: Option<Vec<String>>,

    /// Interval in seconds at which Prometheus scrapes these jobs; the longest if they differ.
    #[arg(long, env = "HEXABASE_PROMETHEUS_SCRAPE_SECONDS", value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=150))]
    prometheus_scrape_seconds: u64,
}

impl AlertRules {
    fn render(self) -> String {
        let defaults = ScrapeJobs::default();
        let jobs = ScrapeJobs {
            kubelet: self.prometheus_kubelet_job.unwrap_or(defaults.kubelet),
            kube_state_metrics: self.prometheus_kube_state_metrics_job.unwrap_or(defaults.kube_state_metrics),
            api_servers: self.prometheus_api_server_job.unwrap_or(defaults.api_servers),
        };
        alert_rules(&jobs, Duration::from_secs(self.prometheus_scrape_seconds))
    }
}

#[derive(Debug, clap::Args)]
struct HostSetup {
    /// ServiceAccount that Hexabase uses on the host, as NAMESPACE/NAME.
    #[arg(long, env = "HEXABASE_HOST_SERVICE_ACCOUNT", value_name = "NAMESPACE/NAME", default_value_t)]
    host_service_account: HostIdentity,

    /// Domain of the labels, annotations and taints of Hexabase, as in the configuration of its processes [default:
    /// hexabase.ai].
    #[arg(
        long,
        env = "HEXABASE_LABEL_DOMAIN",
        value_name = "DOMAIN",
        default_value_t,
        hide_default_value = true
    )]
    label_domain: Labels,

    /// Scraping of tenant API servers, as in the configuration of the processes of Hexabase: service-monitor adds the
    /// permission for ServiceMonitors [default: off].
    #[arg(
        long,
        env = "HEXABASE_SCRAPE_TENANTS",
        value_name = "OBJECTS",
        default_value_t,
        hide_default_value = true
    )]
    scrape_tenants: TenantScraping,

    /// Namespaces in which tenants may have credentials for GitOps tools, as in the configuration of the processes of
    /// Hexabase: adds the permission to write them there. The namespaces must exist [default: none].
    #[arg(
        long,
        env = "HEXABASE_GITOPS_NAMESPACES",
        value_name = "TOOL/NAMESPACE,…",
        default_value_t,
        hide_default_value = true
    )]
    gitops_namespaces: GitOpsNamespaces,

    /// Reports of policies, as in the configuration of the processes of Hexabase: kyverno adds the permission to read them
    /// [default: off].
    #[arg(long, env = "HEXABASE_POLICY_REPORTS", value_name = "REPORTS")]
    policy_reports: Option<String>,

    /// Include the tenant admission policies as Kyverno policies, for hosts with Kyverno 1.17 or newer: its reports
    /// then list rejected objects.
    #[arg(long)]
    kyverno: bool,
}

impl HostSetup {
    fn render(self) -> Result<String> {
        let mut config = HostConfig {
            identity: Some(self.host_service_account),
            labels: self.label_domain,
            scraping: self.scrape_tenants,
            gitops_namespaces: self.gitops_namespaces,
            ..HostConfig::default()
        };
        if let Some(reports) = &self.policy_reports {
            config.set("policy_reports", reports).map_err(|rule| Error::invalid("policy_reports", rule))?;
        }
        if let Err((option, message)) = config.check() {
            return Err(Error::invalid(option, message));
        }
        let mut objects = host_setup(&config);
        if self.kyverno {
            objects.extend(kyverno_policies(&config.labels));
        }
        manifest(&objects)
    }
}

/// Runs the program with the arguments and environment of the process.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    let is_of_client = command.is_of_client();
    match execute(command) {
        Ok(code) => code,
        Err(error) => {
            // The terminal gets one line; the log has the details.
            tracing::debug!(?error, "command failed");
            let mut line = format!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(source) = cause {
                line.push_str(&format!(": {source}"));
                cause = source.source();
            }
            // If standard error is closed, there is no other place to report this.
            let _ = writeln!(std::io::stderr(), "{}", client::escape(&line.replace('\n', " ")));
            if is_of_client { exit_code::of_client(&error) } else { ExitCode::FAILURE }
        }
    }
}

impl Command {
    /// `true` for commands that send requests to a server; their exit codes distinguish kinds of errors.
    const fn is_of_client(&self) -> bool {
        match self {
            Self::Billing(billing) => billing.is_of_client(),
            Self::Login(_)
            | Self::Logout(_)
            | Self::Kubeconfig(_)
            | Self::Credential(_)
            | Self::Use(_)
            | Self::Resource(_)
            | Self::Why(_)
            | Self::Logs(_)
            | Self::Apply(_)
            | Self::Export(_) => true,
            _ => false,
        }
    }
}

/// Executes a command, and returns the exit code of a successful one.
fn execute(command: Command) -> Result<ExitCode> {
    let done: Result<()> = match command {
        Command::Serve(sources) => serve::serve(read_config(*sources)?, serve::Role::All),
        Command::Api(sources) => serve::serve(read_config(*sources)?, serve::Role::Api),
        Command::Worker(sources) => serve::serve(read_config(*sources)?, serve::Role::Worker),
        Command::Migrate(migrate) => {
            let database = ProcessConfig::read_database(migrate.sources.clone(), environment())?;
            runtime()?.block_on(migrate.execute(database))
        }
        Command::Admin(admin) => {
            let config = read_config(admin.sources.clone())?;
            runtime()?.block_on(admin.execute(config))
        }
        Command::Billing(billing) => billing.execute(),
        Command::HostSetup(setup) => print_line(setup.render()?.trim_end()),
        Command::AlertRules(rules) => print_line(rules.render().trim_end()),
        Command::Openapi(Openapi { dev }) => {
            let webhooks = Some(StripeBilling::WEBHOOKS);
            let document = document(&ApiConfig::default().product, dev, webhooks).to_pretty_json();
            let document = document.map_err(|error| {
                Error::unexpected("the OpenAPI document cannot be serialized").caused_by(error)
            })?;
            print_line(&document)
        }
        Command::Login(login) => runtime()?.block_on(login.execute()),
        Command::Logout(logout) => runtime()?.block_on(logout.execute()),
        Command::Kubeconfig(kubeconfig) => runtime()?.block_on(kubeconfig.execute()),
        Command::Credential(credential) => runtime()?.block_on(credential.execute()),
        Command::Use(context) => runtime()?.block_on(context.execute()),
        Command::Resource(resource) => runtime()?.block_on(resource.execute()),
        Command::Why(why) => runtime()?.block_on(why.execute()),
        Command::Logs(logs) => runtime()?.block_on(logs.execute()),
        Command::Apply(apply) => return runtime()?.block_on(apply.execute()),
        Command::Export(export) => runtime()?.block_on(export.execute()),
        Command::Completions(completions) => completions.execute(CommandLine::command()),
        Command::Sandbox(options) => runtime()?.block_on(sandbox::serve(options)),
        Command::Healthcheck(healthcheck) => runtime()?.block_on(healthcheck.execute()),
        Command::Version => print_line(concat!("hexabase ", env!("CARGO_PKG_VERSION"))),
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn read_config(sources: Sources) -> Result<ProcessConfig> {
    ProcessConfig::read(sources, environment())
}

/// Returns the environment. Variables that are not Unicode belong to other programs; clap rejects such values of its own
/// variables.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::unexpected("the async runtime cannot be started").caused_by(error))
}

/// Prints a line to standard output.
fn print_line(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|error| Error::unavailable("standard output is closed").caused_by(error))
}
