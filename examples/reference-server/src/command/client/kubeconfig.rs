//! Letting `kubectl` into a workspace: its kubeconfig, put in among the others that one has.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hexabase_core::error::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::logins::{Logins, replace};
use super::{Server, Which};
use crate::command::say;

/// How kubectl gets its tokens.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Auth {
    /// By running hexabase credential.
    #[default]
    Exec,
    /// By running kubectl oidc-login.
    Kubelogin,
    /// It has one, which is good for ten minutes.
    Token,
}

/// Let kubectl into a workspace: put its cluster in among those in your kubeconfig, and switch to it.
#[derive(Debug, Args)]
pub(crate) struct Kubeconfig {
    #[command(flatten)]
    which: Which,

    /// The workspace, by its name or its id.
    #[arg(long, value_name = "WORKSPACE")]
    workspace: String,

    /// The organization that it belongs to, by its name or its id; needed where several have one of that name.
    #[arg(long, value_name = "ORGANIZATION")]
    organization: Option<String>,

    /// How kubectl gets its tokens.
    #[arg(long, value_enum, default_value_t)]
    auth: Auth,

    /// The kubeconfig [default: the first that KUBECONFIG names, or ~/.kube/config].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Stay in the context that you are in.
    #[arg(long)]
    no_switch: bool,

    /// Write the workspace's kubeconfig to standard output, and change nothing.
    #[arg(long)]
    stdout: bool,
}

#[derive(Debug, Deserialize)]
struct List {
    items: Vec<Named>,
    next_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    id: String,
    name: String,
}

impl Named {
    fn is(&self, wanted: &str) -> bool {
        self.id == wanted || self.name == wanted
    }
}

impl Kubeconfig {
    /// Fetches the kubeconfig and puts it where it belongs.
    pub(crate) async fn carry_out(&self) -> Result<()> {
        let logins = Logins::read()?;
        let server = self.which.server(&logins)?;
        let bearer = logins.access_token(&server).await?;
        let (organization, workspace) = self.find(&server, &bearer).await?;
        let auth = self.auth.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let path = format!(
            "{}/api/v1/organizations/{}/workspaces/{}/kubeconfig?auth={auth}",
            server.url, organization.id, workspace.id
        );
        let answer = server.ask(server.http.get(path).bearer_auth(&bearer)).await?;
        let text = answer.map_err(|failed| failed.into_error("gives no kubeconfig"))?;
        if self.stdout {
            return say(text.trim_end());
        }
        let name = format!("hexabase_{}_{}", organization.name, workspace.name);
        let file = self.file()?;
        let existing = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unusable(&file, &error.to_string())),
        };
        let theirs = parsed(&existing).ok_or_else(|| unusable(&file, "it is no kubeconfig"))?;
        let ours = parsed(&text).ok_or_else(|| Error::unavailable("the server's kubeconfig is none"))?;
        let merged = merged(theirs, &ours, &name, !self.no_switch)
            .ok_or_else(|| unusable(&file, "it is no kubeconfig"))?;
        let text = serde_saphyr::to_string(&merged)
            .map_err(|error| Error::unexpected("a kubeconfig cannot be written as YAML").caused_by(error))?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| unusable(&file, &error.to_string()))?;
        }
        replace(&file, &text)?;
        say(&format!("kubectl knows the workspace as the context {name}, in {}", file.display()))
    }

    fn file(&self) -> Result<PathBuf> {
        if let Some(file) = &self.kubeconfig {
            return Ok(file.clone());
        }
        let named = std::env::var_os("KUBECONFIG");
        let first =
            named.and_then(|all| std::env::split_paths(&all).find(|file| !file.as_os_str().is_empty()));
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
        first.or_else(home).ok_or_else(|| Error::invalid("HOME", "is not set; say where your files are"))
    }

    /// The workspace that is meant, and its organization.
    async fn find(&self, server: &Server, bearer: &str) -> Result<(Named, Named)> {
        let mut found = Vec::new();
        for organization in all(server, bearer, "/api/v1/organizations").await? {
            if self.organization.as_ref().is_some_and(|wanted| !organization.is(wanted)) {
                continue;
            }
            let path = format!("/api/v1/organizations/{}/workspaces", organization.id);
            let workspaces = all(server, bearer, &path).await?.into_iter();
            found.extend(
                workspaces.filter(|one| one.is(&self.workspace)).map(|one| (organization.clone(), one)),
            );
        }
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::invalid("workspace", format!("{} is none that you can see", self.workspace))),
            several => {
                let several: Vec<&str> = several.iter().map(|(org, _)| org.name.as_str()).collect();
                let message = format!("say of which one: {}", several.join(", "));
                Err(Error::invalid("organization", message))
            }
        }
    }
}

async fn all(server: &Server, bearer: &str, path: &str) -> Result<Vec<Named>> {
    let mut items = Vec::new();
    let mut place = format!("{path}?limit=200");
    loop {
        let page: List = server.get(&place, bearer).await?;
        items.extend(page.items);
        match page.next_cursor {
            Some(cursor) => place = format!("{path}?limit=200&cursor={cursor}"),
            None => return Ok(items),
        }
    }
}

fn unusable(file: &std::path::Path, why: &str) -> Error {
    Error::invalid("kubeconfig", format!("{} cannot be used: {why}", file.display()))
}

/// A kubeconfig as its fields; an empty file is an empty one.
fn parsed(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_saphyr::from_str(text).ok()
}

/// A kubeconfig with the one cluster, user and context of another put in under a name, in place of what was called so.
/// Everything else stays as it is.
fn merged(
    mut into: Map<String, Value>,
    from: &Map<String, Value>,
    name: &str,
    switch: bool,
) -> Option<Map<String, Value>> {
    into.entry("apiVersion").or_insert_with(|| json!("v1"));
    into.entry("kind").or_insert_with(|| json!("Config"));
    for (list, field) in [("clusters", "cluster"), ("users", "user")] {
        put(&mut into, list, name, field, from.get(list)?.get(0)?.get(field)?.clone())?;
    }
    put(&mut into, "contexts", name, "context", json!({ "cluster": name, "user": name }))?;
    let nowhere = into.get("current-context").and_then(Value::as_str).is_none_or(str::is_empty);
    if switch || nowhere {
        into.insert("current-context".to_owned(), json!(name));
    }
    Some(into)
}

fn put(into: &mut Map<String, Value>, list: &str, name: &str, field: &str, value: Value) -> Option<()> {
    let all = into.entry(list).or_insert_with(|| json!([]));
    if all.is_null() {
        *all = json!([]);
    }
    let all = all.as_array_mut()?;
    all.retain(|one| one.get("name").and_then(Value::as_str) != Some(name));
    all.push(json!({ "name": name, field: value }));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "
clusters: [{name: shop, cluster: {server: https://shop}}]
users: [{name: ws_1, user: {token: t}}]
contexts: [{name: shop, context: {cluster: shop, user: ws_1}}]
current-context: shop
";
    const THEIRS: &str = "
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

    fn after(existing: &str, switch: bool) -> Value {
        let ours = parsed(OURS).unwrap();
        Value::Object(merged(parsed(existing).unwrap(), &ours, "hexabase_acme_shop", switch).unwrap())
    }

    #[test]
    fn an_empty_kubeconfig_becomes_one() {
        let merged = after("", false);
        assert_eq!(
            (&merged["kind"], &merged["current-context"]),
            (&json!("Config"), &json!("hexabase_acme_shop"))
        );
        assert_eq!(merged["users"], json!([{ "name": "hexabase_acme_shop", "user": { "token": "t" } }]));
    }

    #[test]
    fn what_was_there_stays_and_what_was_called_so_is_replaced() {
        let merged = after(THEIRS, false);
        assert_eq!(merged["preferences"], json!({ "colors": true }));
        assert_eq!(merged["contexts"][0]["context"]["namespace"], "mine");
        assert_eq!(merged["current-context"], "home");
        assert_eq!(
            merged["clusters"],
            json!([
                { "name": "home", "cluster": { "server": "https://home" } },
                { "name": "hexabase_acme_shop", "cluster": { "server": "https://shop" } },
            ])
        );
        assert_eq!(after(THEIRS, true)["current-context"], "hexabase_acme_shop");
    }

    #[test]
    fn doing_it_twice_is_doing_it_once() {
        let once = after(THEIRS, true);
        assert_eq!(after(&serde_saphyr::to_string(&once).unwrap(), true), once);
    }
}
