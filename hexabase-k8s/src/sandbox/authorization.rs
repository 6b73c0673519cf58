//! Authorization by RBAC, with the rules of Kubernetes.

use serde_json::Value;

use super::kinds::KindInfo;
use super::response::{StatusError, StatusResult};
use super::state::State;

const RBAC: &str = "rbac.authorization.k8s.io";
/// Group whose members have all permissions.
const MASTERS: &str = "system:masters";

/// User that sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User name, prefix included.
    pub name: String,
    /// Groups of the user, prefixes included.
    pub groups: Vec<String>,
}

impl User {
    /// User with all permissions: a member of `system:masters`.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            name: "kubernetes-admin".to_owned(),
            groups: vec![MASTERS.to_owned(), "system:authenticated".to_owned()],
        }
    }

    /// Unauthenticated user.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()] }
    }

    /// Authenticated user with this name and these groups, and `system:authenticated`.
    #[must_use]
    pub fn authenticated(name: String, mut groups: Vec<String>) -> Self {
        groups.push("system:authenticated".to_owned());
        Self { name, groups }
    }

    fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }
}

/// Attributes of a request that RBAC decides on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) verb: String,
    pub(super) group: String,
    /// Plural name of the resource, with its subresource: `pods/log`.
    pub(super) resource: String,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl State {
    pub(super) fn allows(&self, user: &User, attributes: &Attributes) -> bool {
        user.is_master()
            || self.rules_of(user, &attributes.namespace).iter().any(|rule| covers(rule, attributes))
    }

    /// Returns `Forbidden`, in the words of a real API server, if the user lacks the permission.
    pub(super) fn authorize(&self, user: &User, attributes: &Attributes) -> StatusResult<()> {
        if self.allows(user, attributes) {
            return Ok(());
        }
        let Attributes { verb, group, resource, name, namespace } = attributes;
        let scope = if namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace \"{namespace}\"")
        };
        let object = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        Err(StatusError::forbidden(format!(
            "{resource}{object} is forbidden: User \"{}\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {scope}",
            user.name
        )))
    }

    /// `true` if a user may send a request with a lower-case HTTP method to a path that names no resource.
    pub(super) fn allows_path(&self, user: &User, verb: &str, path: &str) -> bool {
        user.is_master() || self.rules_of(user, "").iter().any(|rule| covers_path(rule, verb, path))
    }

    /// Returns `Forbidden` if the user may not send a request to a path that names no resource.
    pub(super) fn authorize_path(&self, user: &User, verb: &str, path: &str) -> StatusResult<()> {
        if self.allows_path(user, verb, path) {
            return Ok(());
        }
        Err(StatusError::forbidden(format!(
            "forbidden: User \"{}\" cannot {verb} path \"{path}\"",
            user.name
        )))
    }

    /// RBAC rules of a user in a namespace, or at the cluster scope for an empty namespace.
    pub(super) fn rules_of(&self, user: &User, namespace: &str) -> Vec<Value> {
        let mut rules = Vec::new();
        for binding in self.all(RBAC, "clusterrolebindings", "").filter(|binding| binds(binding, user)) {
            rules.extend(self.role_rules(&binding["roleRef"], ""));
        }
        if !namespace.is_empty() {
            for binding in self.all(RBAC, "rolebindings", namespace).filter(|binding| binds(binding, user)) {
                rules.extend(self.role_rules(&binding["roleRef"], namespace));
            }
        }
        rules
    }

    fn role_rules(&self, reference: &Value, namespace: &str) -> Vec<Value> {
        let name = reference["name"].as_str().unwrap_or_default();
        let role = match reference["kind"].as_str() {
            Some("ClusterRole") => self.get(RBAC, "clusterroles", "", name),
            _ => self.get(RBAC, "roles", namespace, name),
        };
        role.and_then(|role| role["rules"].as_array().cloned()).unwrap_or_default()
    }

    /// Rejects roles and bindings that would grant more than their author has, unless the author may `escalate` or
    /// `bind`.
    pub(super) fn admit_roles(&self, user: &User, kind: &KindInfo, body: &Value) -> StatusResult<()> {
        if user.is_master() || kind.group != RBAC {
            return Ok(());
        }
        let (namespace, name) = (
            body["metadata"]["namespace"].as_str().unwrap_or_default(),
            body["metadata"]["name"].as_str().unwrap_or_default(),
        );
        let (granted, verb, resource, role) = match kind.kind.as_str() {
            "Role" | "ClusterRole" => {
                let rules = body["rules"].as_array().cloned().unwrap_or_default();
                (rules, "escalate", kind.plural.as_str(), name)
            }
            // The verb `bind` is granted on the role, not on the binding.
            _ => {
                let reference = &body["roleRef"];
                let resource = if reference["kind"] == "ClusterRole" { "clusterroles" } else { "roles" };
                let role = reference["name"].as_str().unwrap_or_default();
                (self.role_rules(reference, namespace), "bind", resource, role)
            }
        };
        let exempt = Attributes {
            verb: verb.to_owned(),
            group: RBAC.to_owned(),
            resource: resource.to_owned(),
            name: role.to_owned(),
            namespace: namespace.to_owned(),
        };
        if self.allows(user, &exempt)
            || granted.iter().all(|rule| self.has_all_permissions(user, rule, namespace))
        {
            return Ok(());
        }
        Err(StatusError::forbidden(format!(
            "{} \"{name}\" is forbidden: user \"{}\" is attempting to grant RBAC permissions not currently held",
            kind.qualified(),
            user.name
        )))
    }

    fn has_all_permissions(&self, user: &User, rule: &Value, namespace: &str) -> bool {
        let strings = |field: &str| -> Vec<String> {
            let items = rule[field].as_array().cloned().unwrap_or_default();
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let names = strings("resourceNames");
        let names = if names.is_empty() { vec![String::new()] } else { names };
        let (groups, resources, verbs) = (strings("apiGroups"), strings("resources"), strings("verbs"));
        let paths = strings("nonResourceURLs");
        let has_paths = paths.iter().all(|path| verbs.iter().all(|verb| self.allows_path(user, verb, path)));
        has_paths
            && groups.iter().all(|group| {
                resources.iter().all(|resource| {
                    verbs.iter().all(|verb| {
                        names.iter().all(|name| {
                            let attributes = Attributes {
                                verb: verb.clone(),
                                group: group.clone(),
                                resource: resource.clone(),
                                name: name.clone(),
                                namespace: namespace.to_owned(),
                            };
                            self.allows(user, &attributes)
                        })
                    })
                })
            })
    }
}

fn binds(binding: &Value, user: &User) -> bool {
    let subjects = binding["subjects"].as_array().into_iter().flatten();
    subjects.into_iter().any(|subject| {
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("User") => name == user.name,
            Some("Group") => user.groups.iter().any(|group| group == name),
            Some("ServiceAccount") => {
                let namespace = subject["namespace"].as_str().unwrap_or_default();
                user.name == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => false,
        }
    })
}

fn covers_path(rule: &Value, verb: &str, path: &str) -> bool {
    let items = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    items("verbs").any(|allowed| allowed == "*" || allowed == verb)
        && items("nonResourceURLs").any(|pattern| {
            pattern == path || pattern.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
        })
}

fn covers(rule: &Value, attributes: &Attributes) -> bool {
    let has = |field: &str, value: &str| {
        rule[field].as_array().is_some_and(|items| items.iter().any(|item| item == "*" || item == value))
    };
    let by_subresource = attributes.resource.split_once('/').is_some_and(|(_, inner)| {
        let any = format!("*/{inner}");
        rule["resources"].as_array().is_some_and(|items| items.iter().any(|item| *item == *any))
    });
    let names = rule["resourceNames"].as_array();
    has("verbs", &attributes.verb)
        && has("apiGroups", &attributes.group)
        && (has("resources", &attributes.resource) || by_subresource)
        && names
            .is_none_or(|names| names.is_empty() || names.iter().any(|name| name == attributes.name.as_str()))
}
