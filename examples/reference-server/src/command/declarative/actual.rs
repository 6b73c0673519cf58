//! Objects as they are on the server, from the responses of the API.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_core::error::{Error, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::object::{Key, Kind, Object};
use super::spec::from_server;

/// Objects of the organizations that the documents concern.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Actual {
    pub(super) objects: BTreeMap<Key, Object>,
    /// Objects of each inventory, by the names of the organization and of the inventory.
    pub(super) inventories: BTreeMap<(String, String), BTreeSet<String>>,
    /// Workspaces with objects that no document can describe, such as node pools.
    pub(super) with_others: BTreeSet<Key>,
}

/// Objects of one workspace, as the API returns them.
#[derive(Debug, Default)]
pub(super) struct WorkspaceLists {
    pub(super) groups: Vec<Value>,
    /// Members of each group, by its id.
    pub(super) members: BTreeMap<String, Vec<Value>>,
    pub(super) projects: Vec<Value>,
    /// Roles of each project, by its id.
    pub(super) roles: BTreeMap<String, Vec<Value>>,
    /// Role assignments of the workspace and of all projects.
    pub(super) assignments: Vec<Value>,
    pub(super) alert_rules: Vec<Value>,
    pub(super) node_pools: Vec<Value>,
}

/// Text of a field of an object.
///
/// # Errors
/// `Unexpected` if it is absent.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    object[field].as_str().ok_or_else(|| {
        Error::unexpected(format!("the server sent an object without {field}; use the version of the server"))
    })
}

/// Names of objects by their ids.
fn names(objects: &[Value]) -> BTreeMap<String, String> {
    let pair =
        |object: &Value| Some((object["id"].as_str()?.to_owned(), object["name"].as_str()?.to_owned()));
    objects.iter().filter_map(pair).collect()
}

impl Actual {
    fn insert(&mut self, key: Key, object: &Value, spec: Value) -> Result<()> {
        let id = text(object, "id")?.to_owned();
        self.insert_with(key, &id, id.clone(), object["version"].as_u64(), spec)
    }

    fn insert_with(
        &mut self,
        key: Key,
        id: &str,
        reference: String,
        version: Option<u64>,
        spec: Value,
    ) -> Result<()> {
        let spec = from_server(&key, spec)?;
        let object = Object { id: id.to_owned(), reference, version, spec, is_built_in: false };
        self.objects.insert(key, object);
        Ok(())
    }

    /// Adds an organization.
    pub(super) fn add_organization(&mut self, object: &Value) -> Result<()> {
        let key = Key::organization(text(object, "name")?);
        // Every change inside an organization increments its version, so changes are not conditional on it.
        let id = text(object, "id")?;
        let spec = json!({ "display_name": object["display_name"] });
        self.insert_with(key, id, id.to_owned(), None, spec)
    }

    /// Adds the members, invitations and service accounts of an organization. Expired invitations are absent.
    pub(super) fn add_people(
        &mut self,
        organization: &str,
        (members, invitations): (&[Value], &[Value]),
        service_accounts: &[Value],
        now: Timestamp,
    ) -> Result<()> {
        for invitation in invitations {
            let expires_at: Option<Timestamp> = text(invitation, "expires_at")?.parse().ok();
            if expires_at.is_some_and(|expires_at| expires_at <= now) {
                continue;
            }
            let key = Key::in_organization(Kind::Member, organization, text(invitation, "email")?);
            self.insert(key, invitation, json!({ "role": invitation["role"] }))?;
        }
        for member in members {
            let user = &member["user"];
            // Persons without a verified address cannot be named in documents.
            let Some(email) = user["email"].as_str() else { continue };
            let key = Key::in_organization(Kind::Member, organization, email);
            let id = text(user, "id")?;
            let spec = json!({ "role": member["role"] });
            self.insert_with(key, id, id.to_owned(), member["version"].as_u64(), spec)?;
        }
        for account in service_accounts {
            let key = Key::in_organization(Kind::ServiceAccount, organization, text(account, "name")?);
            self.insert(key, account, json!({ "role": account["role"] }))?;
        }
        Ok(())
    }

    /// Adds a workspace.
    pub(super) fn add_workspace(&mut self, organization: &str, object: &Value) -> Result<Key> {
        let key = Key::in_organization(Kind::Workspace, organization, text(object, "name")?);
        let spec = json!({
            "display_name": object["display_name"],
            "plan_id": object["plan_id"],
            "kubernetes_version": object["kubernetes_version"],
        });
        // Every change inside a workspace increments its version, so only its deletion is conditional on it: contents
        // that were created since they were read are not deleted.
        self.insert(key.clone(), object, spec)?;
        Ok(key)
    }

    /// Adds the objects of a workspace. `caller` is the id of the user of the credential, who is an administrator of the
    /// workspaces that it creates.
    pub(super) fn add_contents(
        &mut self,
        workspace: &Key,
        lists: &WorkspaceLists,
        caller: &str,
    ) -> Result<()> {
        let here = Key { workspace: Some(workspace.name.clone()), ..workspace.clone() };
        let (groups, projects) = (names(&lists.groups), names(&lists.projects));
        let name_of = |names: &BTreeMap<String, String>, id: &Value| {
            id.as_str().and_then(|id| names.get(id)).map_or(Value::Null, |name| json!(name))
        };
        let mut admins = None;
        for group in &lists.groups {
            let key = here.sibling(Kind::Group, text(group, "name")?);
            self.insert(key.clone(), group, json!({ "parent": name_of(&groups, &group["parent_id"]) }))?;
            if !group["preset"].is_null() {
                self.mark_built_in(&key);
            }
            if group["preset"] == "admins" {
                admins = Some(key.name);
            }
        }
        for (group, members) in &lists.members {
            let Some(name) = groups.get(group) else { continue };
            for member in members {
                let user = &member["user"];
                let user_name = match user["kind"].as_str() {
                    Some("service_account") => text(user, "name")?,
                    _ => match user["email"].as_str() {
                        Some(email) => email,
                        None => continue,
                    },
                };
                let id = text(user, "id")?;
                let key = here.nested(Kind::GroupMember, Some(name), user_name);
                self.insert_with(key.clone(), id, format!("{group}/{id}"), None, json!({}))?;
                if id == caller && admins.as_ref() == Some(name) {
                    self.mark_built_in(&key);
                }
            }
        }
        let mut roles = BTreeMap::new();
        for project in &lists.projects {
            let key = here.sibling(Kind::Project, text(project, "name")?);
            let spec = json!({
                "display_name": project["display_name"],
                "parent": name_of(&projects, &project["parent_id"]),
                "quota": project["quota"],
            });
            self.insert(key, project, spec)?;
        }
        for (project, of_project) in &lists.roles {
            let Some(name) = projects.get(project) else { continue };
            roles.extend(names(of_project));
            for role in of_project {
                let key = here.nested(Kind::Role, Some(name), text(role, "name")?);
                self.insert(key, role, json!({ "rules": role["rules"] }))?;
            }
        }
        for assignment in &lists.assignments {
            let (group, role) = (text(assignment, "group_id")?, text(assignment, "role")?);
            // Objects of an assignment that was listed after them can be unknown.
            let Some(group) = groups.get(group) else { continue };
            let role =
                if role.starts_with("rol_") { roles.get(role).map(String::as_str) } else { Some(role) };
            let Some(role) = role else { continue };
            let project = name_of(&projects, &assignment["project_id"]);
            let key = here.nested(Kind::RoleAssignment, project.as_str(), &format!("{group}/{role}"));
            self.insert(key.clone(), assignment, json!({ "group": group, "role": role }))?;
            if admins.as_ref() == Some(group) && role == "hexabase:workspace-admin" {
                self.mark_built_in(&key);
            }
        }
        for rule in &lists.alert_rules {
            let key = here.sibling(Kind::AlertRule, text(rule, "name")?);
            let mut spec = json!({ "project": name_of(&projects, &rule["project"]) });
            for field in
                ["metric", "comparison", "threshold", "percent_of_quota", "for", "severity", "notify"]
            {
                spec[field] = rule[field].clone();
            }
            self.insert(key, rule, spec)?;
        }
        if !lists.node_pools.is_empty() {
            self.with_others.insert(workspace.clone());
        }
        Ok(())
    }

    /// Adds the inventories of an organization.
    pub(super) fn add_inventories(&mut self, organization: &str, inventories: &[Value]) -> Result<()> {
        for inventory in inventories {
            let objects = inventory["objects"].as_array().into_iter().flatten();
            let objects = objects.filter_map(Value::as_str).map(str::to_owned).collect();
            let name = text(inventory, "name")?.to_owned();
            self.inventories.insert((organization.to_owned(), name), objects);
        }
        Ok(())
    }

    fn mark_built_in(&mut self, key: &Key) {
        if let Some(object) = self.objects.get_mut(key) {
            object.is_built_in = true;
        }
    }
}
