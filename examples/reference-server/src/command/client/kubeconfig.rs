//! Command `kubeconfig`: adds the cluster of a workspace to the user's kubeconfig.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hexabase_core::error::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::saved_logins::{SavedLogins, write_private_file};
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
        let old_text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unusable(&file, &error.to_string())),
        };
        let existing = parse(&old_text).ok_or_else(|| unusable(&file, "it is not a kubeconfig"))?;
        let added = parse(&text).ok_or_else(|| Error::unavailable("the server's kubeconfig is invalid"))?;
        let merged = merge(existing, &added, &name, !self.no_switch)
            .ok_or_else(|| unusable(&file, "it is not a kubeconfig"))?;
        let text = serde_saphyr::to_string(&merged)
            .map_err(|error| Error::unexpected("the kubeconfig cannot be serialized").caused_by(error))?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unusable(&file, &error.to_string()))?;
        }
        write_private_file(&file, &text)?;
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

fn unusable(file: &std::path::Path, reason: &str) -> Error {
    Error::invalid("kubeconfig", format!("{} cannot be used: {reason}", file.display()))
}

/// Parses a kubeconfig; an empty file is a kubeconfig without entries. `None` if the text is not a map in YAML.
fn parse(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_saphyr::from_str(text).ok()
}

/// Adds the only cluster, user and context of a kubeconfig to another one under a name, and replaces entries of that
/// name. All other entries are kept. `None` if either kubeconfig is malformed.
fn merge(
    mut existing: Map<String, Value>,
    added: &Map<String, Value>,
    name: &str,
    switch: bool,
) -> Option<Map<String, Value>> {
    existing.entry("apiVersion").or_insert_with(|| json!("v1"));
    existing.entry("kind").or_insert_with(|| json!("Config"));
    for (list, field) in [("clusters", "cluster"), ("users", "user")] {
        put_entry(&mut existing, list, name, field, added.get(list)?.get(0)?.get(field)?.clone())?;
    }
    put_entry(&mut existing, "contexts", name, "context", json!({ "cluster": name, "user": name }))?;
    let has_no_context = existing.get("current-context").and_then(Value::as_str).is_none_or(str::is_empty);
    if switch || has_no_context {
        existing.insert("current-context".to_owned(), json!(name));
    }
    Some(existing)
}

fn put_entry(
    kubeconfig: &mut Map<String, Value>,
    list: &str,
    name: &str,
    field: &str,
    value: Value,
) -> Option<()> {
    let entries = kubeconfig.entry(list).or_insert_with(|| json!([]));
    if entries.is_null() {
        *entries = json!([]);
    }
    let entries = entries.as_array_mut()?;
    entries.retain(|entry| entry.get("name").and_then(Value::as_str) != Some(name));
    entries.push(json!({ "name": name, field: value }));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: &str = "
clusters: [{name: shop, cluster: {server: https://shop}}]
users: [{name: ws_1, user: {token: t}}]
contexts: [{name: shop, context: {cluster: shop, user: ws_1}}]
current-context: shop
";
    const EXISTING: &str = "
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- {name: home, cluster: {server: https://home}}
- {name: hexabase_acme_shop, cluster: {server: https://old}}
users: null
contexts: [{name: home, context: {cluster: home, user: me, namespace: mine}}]
current-context: home
";

    fn merged(existing: &str, switch: bool) -> Value {
        let added = parse(ADDED).unwrap();
        Value::Object(merge(parse(existing).unwrap(), &added, "hexabase_acme_shop", switch).unwrap())
    }

    #[test]
    fn empty_file_becomes_a_kubeconfig() {
        let result = merged("", false);
        assert_eq!(
            (&result["kind"], &result["current-context"]),
            (&json!("Config"), &json!("hexabase_acme_shop"))
        );
        assert_eq!(result["users"], json!([{ "name": "hexabase_acme_shop", "user": { "token": "t" } }]));
    }

    #[test]
    fn entries_of_the_name_are_replaced_and_all_others_kept() {
        let result = merged(EXISTING, false);
        assert_eq!(result["preferences"], json!({ "colors": true }));
        assert_eq!(result["contexts"][0]["context"]["namespace"], "mine");
        assert_eq!(result["current-context"], "home");
        assert_eq!(
            result["clusters"],
            json!([
                { "name": "home", "cluster": { "server": "https://home" } },
                { "name": "hexabase_acme_shop", "cluster": { "server": "https://shop" } },
            ])
        );
        assert_eq!(merged(EXISTING, true)["current-context"], "hexabase_acme_shop");
    }

    #[test]
    fn merge_is_idempotent() {
        let once = merged(EXISTING, true);
        assert_eq!(merged(&serde_saphyr::to_string(&once).unwrap(), true), once);
    }
}
