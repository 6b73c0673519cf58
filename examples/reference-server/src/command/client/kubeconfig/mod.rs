//! Command `kubeconfig`: adds the cluster of a workspace to the user's kubeconfig.

mod file;
mod merge;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hexabase_core::error::{Error, Result};
use reqwest::Method;
use serde::Deserialize;

use super::ServerArgs;
use super::api::{Api, Request};
use super::resources::Scope;
use crate::command::print_line;

/// Source of kubectl's tokens.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum AuthMethod {
    /// Command hexabase credential.
    #[default]
    Exec,
    /// Command kubectl oidc-login.
    Kubelogin,
    /// Token in the kubeconfig, valid for ten minutes.
    Token,
}

/// Options for the entry of a cluster in the kubeconfig.
#[derive(Debug, Args)]
struct EntryOptions {
    /// Source of kubectl's tokens.
    #[arg(long, value_enum, default_value_t)]
    auth: AuthMethod,

    /// Kubeconfig file to change [default: the first file in KUBECONFIG, or ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Keep the current context.
    #[arg(long)]
    no_switch: bool,

    /// Print the kubeconfig of the workspace, and change no file.
    #[arg(long)]
    stdout: bool,
}

/// Add the cluster of a workspace to your kubeconfig, and switch to its context.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase kubeconfig --workspace shop")]
pub(crate) struct Kubeconfig {
    #[command(flatten)]
    server: ServerArgs,

    /// Workspace, by name or id.
    #[arg(long, value_name = "WORKSPACE")]
    workspace: String,

    /// Organization of the workspace, by name or id; required if several organizations have a workspace of that name.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,

    #[command(flatten)]
    entry: EntryOptions,
}

/// Add the cluster of a workspace to your kubeconfig, and switch to its context.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  hexabase workspaces connect shop")]
pub(crate) struct Connect {
    #[command(flatten)]
    server: ServerArgs,

    /// Workspace, by name or id [default: the selected one].
    #[arg(value_name = "WORKSPACE")]
    workspace: Option<String>,

    /// Organization, by name or id [default: that of hexabase use].
    #[arg(long, value_name = "ORGANIZATION", env = "HEXABASE_ORGANIZATION")]
    organization: Option<String>,

    #[command(flatten)]
    entry: EntryOptions,
}

impl Kubeconfig {
    /// Fetches the kubeconfig and merges it into the user's.
    pub(crate) async fn execute(&self) -> Result<()> {
        let api = Api::connect(&self.server)?;
        self.entry.add(&api, Some(&self.workspace), self.organization.as_ref()).await
    }
}

impl Connect {
    /// Fetches the kubeconfig and merges it into the user's.
    pub(crate) async fn execute(&self) -> Result<()> {
        let api = Api::connect(&self.server)?;
        self.entry.add(&api, self.workspace.as_ref(), self.organization.as_ref()).await
    }
}

/// Organization or workspace.
#[derive(Debug, Deserialize)]
struct NamedResource {
    name: String,
}

impl EntryOptions {
    async fn add(&self, api: &Api, workspace: Option<&String>, organization: Option<&String>) -> Result<()> {
        let names = [("organization", organization), ("workspace", workspace)];
        let selected = names.into_iter().filter_map(|(kind, name)| Some((kind.to_owned(), name?.clone())));
        let mut scope = Scope::new(api, selected.collect(), api.context());
        let workspace_path = scope.expand("/organizations/{organization}/workspaces/{workspace}").await?;
        let auth = self.auth.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let request = Request::new(Method::GET, format!("{workspace_path}/kubeconfig")).query("auth", &auth);
        let text = api.send(&request).await?.text;
        if self.stdout {
            return print_line(text.trim_end());
        }
        let organization: NamedResource =
            api.get(&scope.expand("/organizations/{organization}").await?).await?;
        let workspace: NamedResource = api.get(&workspace_path).await?;
        let name = format!("hexabase_{}_{}", organization.name, workspace.name);
        let file = self.file()?;
        let added =
            merge::parse(&text).ok_or_else(|| Error::unavailable("the server's kubeconfig is invalid"))?;
        file::change(&file, |text| merge::merge(text, &added, &name, !self.no_switch)).await?;
        print_line(&format!("context {name} added to {}", file.display()))
    }

    fn file(&self) -> Result<PathBuf> {
        if let Some(file) = &self.kubeconfig {
            return Ok(file.clone());
        }
        let configured = std::env::var_os("KUBECONFIG");
        let first =
            configured.and_then(|all| std::env::split_paths(&all).find(|file| !file.as_os_str().is_empty()));
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
        first.or_else(home).ok_or_else(|| Error::invalid("HOME", "is not set; set it or use --kubeconfig"))
    }
}

fn unusable(file: &Path, reason: &str) -> Error {
    Error::invalid("kubeconfig", format!("{} cannot be used: {reason}", file.display()))
}
