//! Requests to the API for the operations of a plan, as a pure function of the ids that are known.

use std::collections::BTreeMap;

use hexabase_core::error::{Error, Result};
use serde_json::{Map, Value, json};

use super::actual::Actual;
use super::object::{Key, Kind, Spec, name_in};
use super::plan::{Operation, Step};

/// Method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Post,
    Put,
    Patch,
    Delete,
}

/// Request for an operation or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// Path below `/api/v1`.
    pub(super) path: String,
    pub(super) body: Option<Value>,
    /// Version of the object on which the change is conditional.
    pub(super) version: Option<u64>,
}

/// Ids of existing objects by their keys.
#[derive(Debug, Default)]
pub(super) struct Ids(BTreeMap<Key, String>);

impl Ids {
    pub(super) fn new(actual: &Actual) -> Self {
        Self(actual.objects.iter().map(|(key, object)| (key.clone(), object.id.clone())).collect())
    }

    pub(super) fn insert(&mut self, key: Key, id: String) {
        self.0.insert(key, id);
    }

    /// Returns the id of an object. It was deleted in the meantime if it has none.
    pub(super) fn get(&self, key: &Key) -> Result<&str> {
        self.0.get(key).map(String::as_str).ok_or_else(|| Error::not_found("object").with("object", key))
    }

    fn optional(&self, key: &Key, kind: Kind, name: Option<&str>) -> Result<Option<&str>> {
        name.map(|name| self.get(&key.sibling(kind, name))).transpose()
    }

    /// Path of the organization or workspace of an object.
    fn parent_path(&self, key: &Key) -> Result<String> {
        let organization = self.get(&Key::organization(&key.organization))?;
        match key.its_workspace() {
            Some(workspace) => {
                Ok(format!("/organizations/{organization}/workspaces/{}", self.get(&workspace)?))
            }
            None => Ok(format!("/organizations/{organization}")),
        }
    }

    /// Path of the list with the objects of the kind of this one.
    fn list_path(&self, key: &Key) -> Result<String> {
        let project = |list: &str| -> Result<String> {
            let path = self.parent_path(key)?;
            match &key.parent {
                Some(project) => {
                    let id = self.get(&key.sibling(Kind::Project, project))?;
                    Ok(format!("{path}/projects/{id}/{list}"))
                }
                None => Ok(format!("{path}/{list}")),
            }
        };
        let simple = |list: &str| -> Result<String> { Ok(format!("{}/{list}", self.parent_path(key)?)) };
        match key.kind {
            Kind::Organization => Ok("/organizations".to_owned()),
            Kind::Member => simple("members"),
            Kind::ServiceAccount => simple("service-accounts"),
            Kind::Workspace => simple("workspaces"),
            Kind::Group => simple("groups"),
            Kind::GroupMember => {
                let group = self.get(&key.sibling(Kind::Group, key.parent.as_deref().unwrap_or_default()))?;
                Ok(format!("{}/groups/{group}/members", self.parent_path(key)?))
            }
            Kind::Project => simple("projects"),
            Kind::Role => project("roles"),
            Kind::RoleAssignment => project("role-assignments"),
            Kind::AlertRule => simple("alert-rules"),
        }
    }
}

/// Returns the requests of an operation, which are sent in this order.
///
/// # Errors
/// `NotFound` if an object that the operation refers to has been deleted in the meantime.
pub(super) fn requests(operation: &Operation, ids: &Ids) -> Result<Vec<ApiRequest>> {
    let key = &operation.key;
    let list = ids.list_path(key)?;
    let object = operation.object.as_ref();
    let has_version = key.kind != Kind::Workspace || operation.step == Step::Delete;
    let version = object.and_then(|object| object.version).filter(|_| has_version);
    let request = |method: Method, path: String, body: Option<Value>| ApiRequest {
        method,
        path,
        body,
        version: if method == Method::Post { None } else { version },
    };
    let id = object.map(|object| object.id.as_str()).unwrap_or_default();
    let is_invitation = object.is_some_and(|object| object.is_invitation());
    let invitations = || -> Result<String> { Ok(format!("{}/invitations", ids.parent_path(key)?)) };
    let mut requests = Vec::new();
    match &operation.step {
        Step::Create if key.kind == Kind::GroupMember => {
            let user = ids.get(&key.of_user())?;
            requests.push(request(Method::Put, format!("{list}/{user}"), None));
        }
        Step::Create => {
            let path = if key.kind == Kind::Member { invitations()? } else { list };
            requests.push(request(Method::Post, path, Some(new_body(key, &operation.spec, ids)?)));
        }
        // The role of an invitation cannot change, so another one replaces it.
        Step::Update(_) if is_invitation => {
            let path = invitations()?;
            requests.push(request(Method::Delete, format!("{path}/{id}"), None));
            requests.push(request(Method::Post, path, Some(new_body(key, &operation.spec, ids)?)));
        }
        Step::Update(_) if matches!(key.kind, Kind::Member | Kind::ServiceAccount) => {
            let path = format!("{}/members/{id}", ids.parent_path(key)?);
            let body = Value::Object(operation.spec.clone());
            // The version of a service account is not that of its membership.
            let version = version.filter(|_| key.kind == Kind::Member);
            requests.push(ApiRequest { version, ..request(Method::Put, path, Some(body)) });
        }
        Step::Update(changes) => {
            let mut body = Map::new();
            for change in changes {
                match (key.kind, change.field) {
                    (Kind::Project, "quota") => {}
                    (Kind::Group, "parent") => {
                        let parent = ids.optional(key, Kind::Group, name_in(&operation.spec, "parent"))?;
                        body.insert("parent_id".to_owned(), json!(parent));
                    }
                    // The new form of the limit replaces the other one.
                    (Kind::AlertRule, "threshold" | "percent_of_quota") if change.after.is_null() => {}
                    (_, field) => {
                        body.insert(field.to_owned(), change.after.clone());
                    }
                }
            }
            let has_quota = key.kind == Kind::Project && changes.iter().any(|change| change.field == "quota");
            // The version is that before both changes.
            let version = version.filter(|_| body.is_empty());
            if !body.is_empty() {
                requests.push(request(Method::Patch, format!("{list}/{id}"), Some(Value::Object(body))));
            }
            if has_quota {
                let body = operation.spec.get("quota").cloned();
                let quota = request(Method::Put, format!("{list}/{id}/quota"), body);
                requests.push(ApiRequest { version, ..quota });
            }
            if key.kind == Kind::Organization {
                requests.iter_mut().for_each(|request| request.path = format!("/organizations/{id}"));
            }
        }
        Step::Delete if is_invitation => {
            requests.push(request(Method::Delete, format!("{}/{id}", invitations()?), None));
        }
        Step::Delete => requests.push(request(Method::Delete, format!("{list}/{id}"), None)),
    }
    Ok(requests)
}

/// Returns the body of the request that creates an object.
fn new_body(key: &Key, spec: &Spec, ids: &Ids) -> Result<Value> {
    let mut body = spec.clone();
    body.retain(|_, value| !value.is_null());
    let mut refer = |field: &str, target: &str, kind: Kind| -> Result<()> {
        body.remove(field);
        if let Some(id) = ids.optional(key, kind, name_in(spec, field))? {
            body.insert(target.to_owned(), json!(id));
        }
        Ok(())
    };
    match key.kind {
        Kind::Group => refer("parent", "parent_id", Kind::Group)?,
        Kind::Project => refer("parent", "parent_id", Kind::Project)?,
        Kind::AlertRule => refer("project", "project", Kind::Project)?,
        Kind::RoleAssignment => {
            refer("group", "group_id", Kind::Group)?;
            let role = name_in(spec, "role").unwrap_or_default();
            if !role.starts_with("hexabase:") {
                let role = ids.get(&key.nested(Kind::Role, key.parent.as_deref(), role))?;
                body.insert("role".to_owned(), json!(role));
            }
            return Ok(Value::Object(body));
        }
        Kind::Member => {
            body.insert("email".to_owned(), json!(key.name));
            return Ok(Value::Object(body));
        }
        Kind::Organization | Kind::ServiceAccount | Kind::Workspace | Kind::GroupMember | Kind::Role => {}
    }
    body.insert("name".to_owned(), json!(key.name));
    Ok(Value::Object(body))
}
