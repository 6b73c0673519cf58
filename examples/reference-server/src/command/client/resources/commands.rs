//! Commands of the command line, derived from the declarations.

use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches, Subcommand};
use hexabase_core::error::Result;

use super::catalog::{BILLING, GROUPS, METRIC_NAMES};
use super::references::find;
use super::{Group, Operation, Output, Wait, execute};
use crate::command::client::ServerArgs;
use crate::command::client::kubeconfig::Connect;
use crate::command::client::output::Format;

/// Group and name of the command that adds a cluster to the kubeconfig.
const CONNECTING_GROUP: &str = "workspaces";
const CONNECT: &str = "connect";
/// Name of the option with the version of an object.
pub(super) const IF_VERSION: &str = "if-version";
/// Maximum number of items of a list without `--limit`.
const DEFAULT_LIMIT: &str = "1000";

/// Command for an operation of the API, with its arguments.
#[derive(Debug)]
pub(in crate::command) enum ResourceCommand {
    /// Declared operation.
    Operation(&'static Operation, Box<ArgMatches>),
    /// Command `workspaces connect`.
    Connect(Box<Connect>),
}

/// Command for an operation of billing, below the command `billing`.
#[derive(Debug)]
pub(in crate::command) struct BillingCommand(&'static Operation, Box<ArgMatches>);

/// Options of every command for an operation.
#[derive(Debug, clap::Args)]
pub(in crate::command::client) struct CommonOptions {
    #[command(flatten)]
    pub(in crate::command::client) server: ServerArgs,

    /// Format of the output.
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(in crate::command::client) output: Format,
}

impl ResourceCommand {
    /// Sends the request and prints the result.
    ///
    /// # Errors
    /// The errors of the API, and those of invalid arguments.
    pub(in crate::command) async fn execute(&self) -> Result<()> {
        match self {
            Self::Operation(operation, matches) => execute::execute(operation, matches).await,
            Self::Connect(connect) => connect.execute().await,
        }
    }
}

impl BillingCommand {
    /// Sends the request and prints the result.
    ///
    /// # Errors
    /// The errors of the API, and those of invalid arguments.
    pub(in crate::command) async fn execute(&self) -> Result<()> {
        execute::execute(self.0, &self.1).await
    }
}

fn find_group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name == name)
}

impl FromArgMatches for ResourceCommand {
    fn from_arg_matches(matches: &ArgMatches) -> clap::error::Result<Self> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let (operation, arguments) = matches.subcommand().ok_or_else(missing)?;
        if (name, operation) == (CONNECTING_GROUP, CONNECT) {
            return Ok(Self::Connect(Box::new(Connect::from_arg_matches(arguments)?)));
        }
        let operation = find_group(name).and_then(|group| group.find(operation)).ok_or_else(missing)?;
        Ok(Self::Operation(operation, Box::new(arguments.clone())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> clap::error::Result<()> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for ResourceCommand {
    fn augment_subcommands(command: Command) -> Command {
        GROUPS.iter().fold(command, |command, group| command.subcommand(group.command()))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        find_group(name).is_some()
    }
}

impl FromArgMatches for BillingCommand {
    fn from_arg_matches(matches: &ArgMatches) -> clap::error::Result<Self> {
        let found = matches.subcommand().and_then(|(name, arguments)| Some((BILLING.find(name)?, arguments)));
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (operation, arguments) = found.ok_or_else(missing)?;
        Ok(Self(operation, Box::new(arguments.clone())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> clap::error::Result<()> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for BillingCommand {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(BILLING.operations.iter().map(Operation::command))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        BILLING.find(name).is_some()
    }
}

impl Group {
    fn find(&self, name: &str) -> Option<&'static Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    fn command(&self) -> Command {
        let command = Command::new(self.name).about(sentence(self.about)).subcommand_required(true);
        let command = command.arg_required_else_help(true).disable_help_subcommand(true);
        let operations = self.operations.iter().map(Operation::command);
        let example = self.operations.iter().flat_map(|operation| operation.examples).next();
        let command = match example {
            Some(example) => command.after_help(format!("Example:\n  {example}")),
            None => command,
        };
        let command = command.subcommands(operations);
        match self.name == CONNECTING_GROUP {
            true => command.subcommand(Connect::augment_args(Command::new(CONNECT))),
            false => command,
        }
    }
}

impl Operation {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        for (index, subject) in self.subjects.iter().enumerate() {
            let is_optional = self.is_subject_optional && index + 1 == self.subjects.len();
            command = command.arg(subject_arg(subject, !is_optional));
        }
        command = command.args(self.arguments.iter().map(|argument| argument.to_clap()));
        let scope_names = ["organization", "workspace", "project"];
        let needed = |name: &str| {
            // A workspace is found in all organizations, unless one is selected.
            self.is_flag(name) && !self.arguments.iter().any(|argument| argument.name == name)
        };
        command = command.args(scope_names.into_iter().filter(|name| needed(name)).map(scope_arg));
        if self.path_in_project.is_some() {
            command = command.arg(scope_arg("project").required(false));
        }
        if let Output::Items { is_paged: true, .. } = self.output {
            let help = "Maximum number of items";
            let limit = Arg::new("limit").long("limit").value_name("NUMBER").help(help);
            let limit = limit.value_parser(clap::value_parser!(u32).range(1..=100_000));
            command = command.arg(limit.default_value(DEFAULT_LIMIT));
        }
        if self.is_conditional() {
            let help = "Change the object only if it has this version, as in its JSON [default: any]";
            let version = Arg::new(IF_VERSION).long(IF_VERSION).value_name("VERSION").help(help);
            command = command.arg(version.value_parser(clap::value_parser!(u64)));
        }
        if self.is_confirmed {
            let help = "Skip the question for the name";
            command = command.arg(Arg::new("yes").long("yes").help(help).action(ArgAction::SetTrue));
        }
        if self.wait != Wait::Never {
            command = command.args(wait_args());
        }
        // The declared description comes after the arguments, since those of a derived type bring their own.
        let command = CommonOptions::augment_args(command).about(sentence(self.about));
        let examples: Vec<String> = self.examples.iter().map(|example| format!("  {example}")).collect();
        let title = if examples.len() == 1 { "Example" } else { "Examples" };
        command.after_help(format!("{title}:\n{}", examples.join("\n")))
    }
}

/// Returns a description without its full stop, as clap does with those of derived commands.
fn sentence(text: &'static str) -> &'static str {
    text.strip_suffix('.').unwrap_or(text)
}

fn subject_arg(placeholder: &'static str, is_required: bool) -> Arg {
    let noun = find(placeholder).map_or(placeholder, |reference| reference.noun);
    let by = match find(placeholder).is_some_and(|reference| reference.lists.is_empty()) {
        true => "",
        false => ", by name or id",
    };
    let selected = if is_required { "" } else { " [default: the selected one]" };
    let mut noun = noun.to_owned();
    if let Some(first) = noun.get_mut(..1).filter(|first| *first != "A") {
        first.make_ascii_uppercase();
    }
    let arg = Arg::new(placeholder)
        .value_name(placeholder.to_ascii_uppercase())
        .help(format!("{noun}{by}{selected}"))
        .required(is_required);
    match placeholder == "metric" {
        true => arg.value_parser(clap::builder::PossibleValuesParser::new(METRIC_NAMES)),
        false => arg,
    }
}

fn scope_arg(name: &'static str) -> Arg {
    let arg = Arg::new(name).long(name).value_name(name.to_ascii_uppercase());
    match name {
        "organization" => arg
            .env("HEXABASE_ORGANIZATION")
            .help("Organization, by name or id [default: that of hexabase use]"),
        "workspace" => {
            arg.env("HEXABASE_WORKSPACE").help("Workspace, by name or id [default: that of hexabase use]")
        }
        _ => arg.required(true).help("Project, by name or id"),
    }
}

fn wait_args() -> [Arg; 2] {
    let wait = Arg::new("wait").long("wait").action(ArgAction::SetTrue);
    let timeout =
        Arg::new("timeout").long("timeout").value_name("DURATION").requires("wait").default_value("15m");
    [
        wait.help("Wait until the operation is complete, and show its progress"),
        timeout.value_parser(super::values::parse_duration).help("Maximum time to wait, such as 90s or 15m"),
    ]
}
