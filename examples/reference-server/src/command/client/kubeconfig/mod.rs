//! Command `kubeconfig`: adds the cluster of a workspace to the user's kubeconfig.

mod file;
mod merge;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use hexabase_core::error::{Error, ErrorKind, Result};
use serde::Deserialize;

use super::saved_logins::SavedLogins;
use super::{Server, ServerArgs};
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

/// Add the cluster of a workspace to your kubeconfig, and switch to its context.
#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    #[command(flatten)]
    server: ServerArgs,

    /// Workspace, by name or id.
    #[arg(long, value_name = "WORKSPACE")]
    workspace: String,

    /// Organization of the workspace, by name or id; required if several organizations have a workspace of that name.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,

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

#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<NamedResource>,
    next_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct NamedResource {
    id: String,
    name: String,
}

impl NamedResource {
    fn matches(&self, name_or_id: &str) -> bool {
        self.id == name_or_id || self.name == name_or_id
    }
}

impl Kubeconfig {
    /// Fetches the kubeconfig and merges it into the user's.
    pub(crate) async fn execute(&self) -> Result<()> {
        let logins = SavedLogins::read()?;
        let server = self.server.connect(&logins)?;
        let mut bearer = logins.access_token(&server).await?;
        let found = match self.find_workspace(&server, &bearer).await {
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                bearer = SavedLogins::replace_rejected(&server, &bearer).await?;
                self.find_workspace(&server, &bearer).await
            }
            result => result,
        };
        let (organization, workspace) = found?;
        let auth = self.auth.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let path = format!(
            "{}/api/v1/organizations/{}/workspaces/{}/kubeconfig?auth={auth}",
            server.url, organization.id, workspace.id
        );
        let response = server.send(server.http.get(path).bearer_auth(&bearer)).await?;
        let text = response.map_err(|error| error.into_error("returned no kubeconfig"))?;
        if self.stdout {
            return print_line(text.trim_end());
        }
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

    /// Finds the requested workspace and its organization.
    async fn find_workspace(&self, server: &Server, bearer: &str) -> Result<(NamedResource, NamedResource)> {
        let mut found = Vec::new();
        for organization in list_all(server, bearer, "/api/v1/organizations").await? {
            if self.organization.as_ref().is_some_and(|requested| !organization.matches(requested)) {
                continue;
            }
            let path = format!("/api/v1/organizations/{}/workspaces", organization.id);
            let workspaces = list_all(server, bearer, &path).await?.into_iter();
            let matching = workspaces.filter(|workspace| workspace.matches(&self.workspace));
            found.extend(matching.map(|workspace| (organization.clone(), workspace)));
        }
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => {
                let message = format!("{} is not a workspace that you can access", self.workspace);
                Err(Error::invalid("workspace", message))
            }
            several => {
                let several: Vec<&str> = several.iter().map(|(org, _)| org.name.as_str()).collect();
                let message = format!("must be one of {}: each has such a workspace", several.join(", "));
                Err(Error::invalid("organization", message))
            }
        }
    }
}

async fn list_all(server: &Server, bearer: &str, path: &str) -> Result<Vec<NamedResource>> {
    let mut items = Vec::new();
    let mut page_path = format!("{path}?limit=200");
    loop {
        let page: Page = server.get(&page_path, bearer).await?;
        items.extend(page.items);
        match page.next_cursor {
            Some(cursor) => page_path = format!("{path}?limit=200&cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

fn unusable(file: &Path, reason: &str) -> Error {
    Error::invalid("kubeconfig", format!("{} cannot be used: {reason}", file.display()))
}
