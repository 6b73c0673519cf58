//! Remembered organization and workspace, in `hexabase/contexts.json` beside the saved logins: a default, and others for
//! directories.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use hexabase_core::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ServerArgs;
use super::api::Api;
use super::output::escape;
use super::resources::Scope;
use super::saved_logins::state_folder;
use crate::command::print_line;
use crate::files;

/// Remembered object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::command) struct Remembered {
    /// Id, which requests have.
    pub(in crate::command) id: String,
    /// Name at the time when it was remembered.
    pub(in crate::command) name: String,
}

/// Server, organization and workspace that commands use without flags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::command) struct Context {
    /// URL of the server that has the objects.
    pub(in crate::command) server: Option<String>,
    pub(in crate::command) organization: Option<Remembered>,
    pub(in crate::command) workspace: Option<Remembered>,
}

/// All remembered contexts.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Contexts {
    default: Context,
    /// Contexts of directories and of those in them.
    directories: BTreeMap<PathBuf, Context>,
}

impl Contexts {
    /// Reads the file; without a file nothing is remembered.
    ///
    /// # Errors
    /// `Invalid` if the file cannot be used.
    pub(super) fn read() -> Result<Self> {
        let file = file()?;
        match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                let message = format!("{} is corrupt; remove it and run hexabase use again", file.display());
                Error::invalid("contexts", message).caused_by(error)
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unusable(&file, error)),
        }
    }

    fn write(&self) -> Result<()> {
        let file = file()?;
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::unexpected("the contexts cannot be serialized").caused_by(error))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(|error| unusable(folder, error))?;
        files::replace_private(&file, &text).map_err(|error| unusable(&file, error))
    }

    /// Returns the context of the current directory.
    ///
    /// # Errors
    /// `Invalid` if the current directory cannot be determined.
    pub(super) fn current(&self) -> Result<Context> {
        Ok(self.find(&current_directory()?).clone())
    }

    /// Returns the context of a directory: its own, or that of the nearest directory that contains it, or the default.
    fn find(&self, directory: &Path) -> &Context {
        directory.ancestors().find_map(|ancestor| self.directories.get(ancestor)).unwrap_or(&self.default)
    }
}

fn file() -> Result<PathBuf> {
    Ok(state_folder()?.join("contexts.json"))
}

fn current_directory() -> Result<PathBuf> {
    std::env::current_dir().map_err(|error| unusable(Path::new("."), error))
}

fn unusable(file: &Path, error: std::io::Error) -> Error {
    Error::invalid("file", format!("{} cannot be used: {error}", file.display()))
}

/// Remember the organization and the workspace that commands use without flags, in general or in a directory. Without
/// options, show them.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  hexabase use --organization acme --workspace shop\n  hexabase use --directory --workspace shop\n  hexabase use --clear"
)]
pub(crate) struct Use {
    #[command(flatten)]
    server: ServerArgs,

    /// Organization, by name or id.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,

    /// Workspace, by name or id. Its organization is remembered with it.
    #[arg(long, value_name = "WORKSPACE")]
    workspace: Option<String>,

    /// Remember them for the current directory and those in it only.
    #[arg(long)]
    directory: bool,

    /// Forget the context, and that of the current directory only with --directory.
    #[arg(long, conflicts_with_all = ["organization", "workspace"])]
    clear: bool,
}

impl Use {
    /// Changes or shows the context.
    ///
    /// # Errors
    /// `NotFound` or `Invalid` for an unknown or ambiguous name, and those of the file.
    pub(crate) async fn execute(&self) -> Result<()> {
        let mut contexts = Contexts::read()?;
        if !self.clear && self.organization.is_none() && self.workspace.is_none() {
            return print_line(&escape(&contexts.current()?.to_string()));
        }
        let context = match self.clear {
            true => Context::default(),
            false => self.find().await?,
        };
        match (self.directory, self.clear) {
            (true, true) => drop(contexts.directories.remove(&current_directory()?)),
            (true, false) => drop(contexts.directories.insert(current_directory()?, context.clone())),
            (false, _) => contexts.default = context.clone(),
        }
        contexts.write()?;
        print_line(&escape(&format!("{context} (stored in {})", file()?.display())))
    }

    /// Returns the context of the named objects.
    async fn find(&self) -> Result<Context> {
        let api = Api::connect(&self.server)?;
        let names = [("organization", &self.organization), ("workspace", &self.workspace)];
        let selected = names.into_iter().filter_map(|(kind, name)| Some((kind.to_owned(), name.clone()?)));
        let context = Context { workspace: None, ..api.context().clone() };
        let mut scope = Scope::new(&api, selected.collect(), &context);
        let organization = api.get::<Value>(&scope.expand("/organizations/{organization}").await?).await?;
        let workspace = match &self.workspace {
            None => None,
            Some(_) => {
                let path = scope.expand("/organizations/{organization}/workspaces/{workspace}").await?;
                Some(remember(&api.get::<Value>(&path).await?))
            }
        };
        Ok(Context {
            server: Some(api.url().to_owned()),
            organization: Some(remember(&organization)),
            workspace,
        })
    }
}

fn remember(object: &Value) -> Remembered {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Remembered { id: text("id"), name: text("name") }
}

impl fmt::Display for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, organization, workspace } = self;
        let (Some(server), Some(organization)) = (server, organization) else {
            return out.write_str("no organization is remembered; use --organization NAME to remember one");
        };
        write!(out, "organization {}", organization.name)?;
        if let Some(workspace) = workspace {
            write!(out, ", workspace {}", workspace.name)?;
        }
        write!(out, " of {server}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(name: &str) -> Context {
        let organization = Remembered { id: format!("org_{name}"), name: name.to_owned() };
        Context { server: Some("https://one".to_owned()), organization: Some(organization), workspace: None }
    }

    #[test]
    fn the_nearest_directory_decides_and_the_default_is_the_last_choice() {
        let directories = [("/src", "source"), ("/src/shop/api", "api")];
        let directories = directories.map(|(path, name)| (PathBuf::from(path), context(name))).into();
        let contexts = Contexts { default: context("default"), directories };
        for (directory, expected) in [
            ("/src", "source"),
            ("/src/shop", "source"),
            ("/src/shop/api/handlers", "api"),
            ("/src/shop/apis", "source"),
            ("/srcs", "default"),
            ("/", "default"),
        ] {
            assert_eq!(*contexts.find(Path::new(directory)), context(expected), "{directory}");
        }
        let text = serde_json::to_string(&contexts).unwrap();
        assert_eq!(serde_json::from_str::<Contexts>(&text).unwrap(), contexts);
    }

    #[test]
    fn a_context_is_described() {
        let mut context = context("acme");
        assert_eq!(context.to_string(), "organization acme of https://one");
        context.workspace = context.organization.clone();
        assert_eq!(context.to_string(), "organization acme, workspace acme of https://one");
        assert!(Context::default().to_string().contains("--organization NAME"));
    }
}
