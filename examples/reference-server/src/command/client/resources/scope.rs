//! Objects that a command refers to: their ids, found by name.

use std::collections::BTreeMap;

use hexabase_core::error::{Error, ErrorKind, Result};
use serde_json::Value;

use super::references::{NameList, Reference, find, placeholders};
use crate::command::client::api::Api;
use crate::command::client::api::names::{Candidate, select};
use crate::command::client::context::Context;
use crate::command::client::output::{field, text_of};

/// Maximum number of objects of a kind among which a name is searched.
const MAX_NAMES: usize = 10_000;
/// Name of the caller as a member.
const SELF: &str = "me";

/// Ids of the objects of a command.
pub(in crate::command::client) struct Scope<'a> {
    api: &'a Api,
    /// Names or ids that the user gave, by placeholder.
    selected: BTreeMap<String, String>,
    /// Found ids, by placeholder.
    ids: BTreeMap<String, String>,
}

impl<'a> Scope<'a> {
    /// Returns a scope with the names that the user gave, by placeholder. The remembered organization and workspace are
    /// used for others.
    pub(in crate::command::client) fn new(
        api: &'a Api,
        selected: BTreeMap<String, String>,
        remembered: &Context,
    ) -> Self {
        let mut scope = Self { api, selected, ids: BTreeMap::new() };
        let Some(organization) = &remembered.organization else { return scope };
        let is_remembered = |name: &String| *name == organization.id || *name == organization.name;
        if !scope.selected.get("organization").is_none_or(is_remembered) {
            return scope;
        }
        // The id of a workspace of another organization is found anywhere.
        let has_id = scope.selected.get("workspace").is_some_and(|name| name.starts_with("ws_"));
        if !has_id {
            scope.selected.insert("organization".to_owned(), organization.id.clone());
        }
        // The remembered workspace is one of the remembered organization.
        if let Some(workspace) = &remembered.workspace {
            scope.selected.entry("workspace".to_owned()).or_insert_with(|| workspace.id.clone());
        }
        scope
    }

    /// Returns the path with the ids of its placeholders.
    ///
    /// # Errors
    /// - `NotFound` for an unknown name.
    /// - `Invalid` for an ambiguous name, or if the user must select an organization or workspace.
    pub(in crate::command::client) async fn expand(&mut self, path: &'static str) -> Result<String> {
        for placeholder in placeholders(path) {
            if self.ids.contains_key(placeholder) {
                continue;
            }
            match (placeholder, self.selected.get(placeholder).cloned()) {
                ("organization", None) if self.selected.contains_key("workspace") => {
                    self.find_workspace_anywhere().await?;
                }
                (_, Some(name)) => {
                    let id = self.resolve(placeholder, &name).await?.id;
                    self.ids.insert(placeholder.to_owned(), id);
                }
                (_, None) => {
                    let id = self.find_only(placeholder).await?;
                    self.ids.insert(placeholder.to_owned(), id);
                }
            }
        }
        self.fill(path)
    }

    /// Returns the object of a kind with a name or id. The ids of the objects that contain it are known.
    ///
    /// # Errors
    /// `NotFound` for an unknown name, and `Invalid` for an ambiguous one.
    pub(in crate::command::client) async fn resolve(
        &self,
        placeholder: &str,
        name: &str,
    ) -> Result<Candidate> {
        let unknown = || Error::unexpected(format!("{placeholder} is no kind of objects"));
        let reference = find(placeholder).ok_or_else(unknown)?;
        if placeholder == "user" && name == SELF {
            let caller: Value = self.api.get("/auth/me").await?;
            return Ok(candidate(&caller, "id", &["email", "name"], ""));
        }
        if reference.is_id(name) {
            return Ok(Candidate {
                id: name.to_owned(),
                names: vec![name.to_owned()],
                context: String::new(),
            });
        }
        let candidates = self.candidates(reference).await?;
        select(reference.noun, reference.command, &candidates, name).cloned()
    }

    /// Returns all objects of a kind.
    ///
    /// # Errors
    /// Those of the API.
    pub(in crate::command::client) async fn all(&self, placeholder: &str) -> Result<Vec<Candidate>> {
        let unknown = || Error::unexpected(format!("{placeholder} is no kind of objects"));
        self.candidates(find(placeholder).ok_or_else(unknown)?).await
    }

    /// Returns the found id for a placeholder.
    pub(in crate::command::client) fn id(&self, placeholder: &str) -> Option<&str> {
        self.ids.get(placeholder).map(String::as_str)
    }

    async fn candidates(&self, reference: &Reference) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for (index, list) in reference.lists.iter().enumerate() {
            match self.read(list, &self.fill(list.path)?, "").await {
                Ok(found) => candidates.extend(found),
                // Members may not list all kinds of users.
                Err(error) if index > 0 && error.kind() == ErrorKind::Forbidden => {}
                Err(error) => return Err(error),
            }
        }
        Ok(candidates)
    }

    async fn read(&self, list: &NameList, path: &str, context: &str) -> Result<Vec<Candidate>> {
        let items = match list.is_paged {
            true => self.api.list::<Value>(path, &[], MAX_NAMES).await?.items,
            false => self.api.list_unpaged::<Value>(path, &[]).await?.items,
        };
        Ok(items.iter().map(|item| candidate(item, list.id, list.names, context)).collect())
    }

    /// Finds the selected workspace in all organizations of the caller.
    async fn find_workspace_anywhere(&mut self) -> Result<()> {
        let name = self.selected.get("workspace").cloned().unwrap_or_default();
        let kinds = (find("organization"), find("workspace"));
        let (Some(organizations), Some(workspaces)) = kinds else { return Ok(()) };
        let mut candidates = Vec::new();
        let mut owners = BTreeMap::new();
        for organization in self.candidates(organizations).await? {
            for list in workspaces.lists {
                let path = list.path.replace("{organization}", &organization.id);
                let context = organization.names.first().map_or("", String::as_str);
                for workspace in self.read(list, &path, context).await? {
                    owners.insert(workspace.id.clone(), organization.id.clone());
                    candidates.push(workspace);
                }
            }
        }
        let id = select(workspaces.noun, workspaces.command, &candidates, &name)?.id.clone();
        if let Some(organization) = owners.remove(&id) {
            self.ids.insert("organization".to_owned(), organization);
        }
        self.ids.insert("workspace".to_owned(), id);
        Ok(())
    }

    /// Returns the id of the only object of a kind.
    async fn find_only(&self, placeholder: &str) -> Result<String> {
        let candidates = self.all(placeholder).await?;
        match candidates.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => {
                let message = format!(
                    "you can access no {placeholder}; create one with hexabase {placeholder}s create"
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
            several => {
                let names = several.iter().take(10).filter_map(|it| it.names.first()).map(String::as_str);
                let names = names.collect::<Vec<_>>().join(", ");
                let message = format!(
                    "is not selected; use --{placeholder} NAME, or hexabase use to remember one of these: {names}"
                );
                Err(Error::invalid(placeholder, message))
            }
        }
    }

    /// Replaces the placeholders of a path by known ids.
    fn fill(&self, path: &'static str) -> Result<String> {
        let mut filled = path.to_owned();
        for placeholder in placeholders(path) {
            let id = self.ids.get(placeholder).ok_or_else(|| {
                Error::invalid(placeholder, format!("is needed for this name; use --{placeholder} NAME"))
            })?;
            let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if id.is_empty() || !id.bytes().all(is_safe) || id.starts_with('.') {
                return Err(Error::invalid(placeholder, format!("{id:?} is not an id")));
            }
            filled = filled.replace(&format!("{{{placeholder}}}"), id);
        }
        Ok(filled)
    }
}

fn candidate(item: &Value, id: &str, names: &[&str], context: &str) -> Candidate {
    let names = names.iter().map(|name| field(item, name)).filter(|name| !name.is_null()).map(text_of);
    Candidate { id: text_of(field(item, id)), names: names.collect(), context: context.to_owned() }
}
