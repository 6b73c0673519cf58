//! Reads the objects of organizations through the API.

use std::collections::BTreeSet;

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, ErrorKind, Result};
use serde_json::Value;

use super::actual::{Actual, WorkspaceLists, text};
use crate::command::client::api::Api;

/// Maximum number of objects of one list.
const MAX_ITEMS: usize = 20_000;

/// Organizations to read.
pub(super) enum Selection {
    /// Those with these names.
    Named(BTreeSet<String>),
    /// All that the user belongs to, except personal ones.
    Shared,
}

impl Selection {
    fn has(&self, organization: &Value) -> bool {
        match self {
            Self::Named(names) => organization["name"].as_str().is_some_and(|name| names.contains(name)),
            Self::Shared => organization["personal"] != true,
        }
    }
}

/// Reads all objects of the selected organizations that documents can describe.
pub(super) async fn read(api: &Api, selection: &Selection) -> Result<Actual> {
    let me: Value = api.get("/auth/me").await?;
    let caller = text(&me, "id")?;
    let mut actual = Actual::default();
    for organization in list(api, "/organizations").await? {
        if selection.has(&organization) {
            read_organization(api, &organization, caller, &mut actual).await?;
        }
    }
    Ok(actual)
}

async fn read_organization(api: &Api, organization: &Value, caller: &str, actual: &mut Actual) -> Result<()> {
    actual.add_organization(organization)?;
    let (name, id) = (text(organization, "name")?, text(organization, "id")?);
    let path = format!("/organizations/{id}");
    let members = list(api, &format!("{path}/members")).await?;
    let invitations = list(api, &format!("{path}/invitations")).await?;
    let accounts = list(api, &format!("{path}/service-accounts")).await?;
    actual.add_people(name, (&members, &invitations), &accounts, SystemClock.now())?;
    let inventories = api.list_unpaged::<Value>(&format!("{path}/inventories"), &[]).await?;
    actual.add_inventories(name, &inventories.items)?;
    for workspace in list(api, &format!("{path}/workspaces")).await? {
        // The name of a workspace that is being deleted becomes free, and nothing in it can change.
        if workspace["phase"] == "deleting" {
            continue;
        }
        let path = format!("{path}/workspaces/{}", text(&workspace, "id")?);
        match read_workspace(api, &path).await {
            Ok(lists) => {
                let key = actual.add_workspace(name, &workspace)?;
                actual.add_contents(&key, &lists, caller)?;
            }
            // Deleted in the meantime.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read_workspace(api: &Api, path: &str) -> Result<WorkspaceLists> {
    let mut lists = WorkspaceLists {
        groups: list(api, &format!("{path}/groups")).await?,
        projects: list(api, &format!("{path}/projects")).await?,
        assignments: list(api, &format!("{path}/role-assignments")).await?,
        alert_rules: list(api, &format!("{path}/alert-rules")).await?,
        node_pools: list(api, &format!("{path}/node-pools")).await?,
        ..WorkspaceLists::default()
    };
    for group in &lists.groups {
        let id = text(group, "id")?;
        lists.members.insert(id.to_owned(), contents(api, &format!("{path}/groups/{id}/members")).await?);
    }
    for project in &lists.projects {
        let id = text(project, "id")?;
        lists.roles.insert(id.to_owned(), contents(api, &format!("{path}/projects/{id}/roles")).await?);
        lists.assignments.extend(contents(api, &format!("{path}/projects/{id}/role-assignments")).await?);
    }
    Ok(lists)
}

/// Returns the items of a list of a group or project; none if it has been deleted since it was listed.
async fn contents(api: &Api, path: &str) -> Result<Vec<Value>> {
    match list(api, path).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        result => result,
    }
}

/// Returns all items of a list.
pub(super) async fn list(api: &Api, path: &str) -> Result<Vec<Value>> {
    let items = api.list::<Value>(path, &[], MAX_ITEMS).await?;
    match items.truncated {
        // A part of a list would make existing objects look absent.
        true => Err(Error::unsupported(format!("{path} has more than {MAX_ITEMS} objects"))),
        false => Ok(items.items),
    }
}
