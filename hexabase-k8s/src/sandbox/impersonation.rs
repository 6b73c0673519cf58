//! Impersonation: requests that act as another user
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation>).

use std::borrow::Cow;

use http::HeaderMap;

use super::authorization::{Attributes, User};
use super::response::{StatusError, StatusResult};
use super::state::State;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
/// Prefix of all headers of impersonation.
const PREFIX: &str = "impersonate-";
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

impl State {
    /// Returns the user that a request acts as: its sender, or the user that its headers name if RBAC allows the sender
    /// to impersonate that user and each of the groups.
    pub(super) fn impersonate<'a>(
        &self,
        sender: &'a User,
        headers: &HeaderMap,
    ) -> StatusResult<Cow<'a, User>> {
        let names: Vec<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        let Some(first) = names.iter().find(|name| name.starts_with(PREFIX)) else {
            return Ok(Cow::Borrowed(sender));
        };
        if let Some(other) =
            names.iter().find(|name| name.starts_with(PREFIX) && ![USER, GROUP].contains(name))
        {
            let message = format!(
                "the sandbox does not support the header {other}: use Impersonate-User and Impersonate-Group only"
            );
            return Err(StatusError::bad_request(message));
        }
        let name = values(headers, USER)?.into_iter().next().filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(StatusError::bad_request(format!("requested {first} without impersonating a user")));
        };
        let groups = values(headers, GROUP)?;
        self.authorize_impersonation(sender, &name, &groups)?;
        Ok(Cow::Owned(User { groups: with_system_groups(&name, groups), name }))
    }

    fn authorize_impersonation(&self, sender: &User, name: &str, groups: &[String]) -> StatusResult<()> {
        let attributes = |resource: &str, namespace: &str, name: &str| Attributes {
            verb: "impersonate".to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        };
        self.authorize(
            sender,
            &match service_account(name) {
                Some((namespace, account)) => attributes("serviceaccounts", namespace, account),
                None => attributes("users", "", name),
            },
        )?;
        groups.iter().try_for_each(|group| self.authorize(sender, &attributes("groups", "", group)))
    }
}

fn values(headers: &HeaderMap, name: &str) -> StatusResult<Vec<String>> {
    let text = |value: &http::HeaderValue| {
        let invalid = |_| StatusError::bad_request(format!("the header {name} is not visible ASCII"));
        value.to_str().map(str::to_owned).map_err(invalid)
    };
    headers.get_all(name).iter().map(text).collect()
}

/// Namespace and name of a service account, from its user name.
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// Adds the groups that every user of this kind has.
fn with_system_groups(user: &str, mut groups: Vec<String>) -> Vec<String> {
    if let Some((namespace, _)) = service_account(user).filter(|_| groups.is_empty()) {
        groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let every_user = if user == User::anonymous().name { UNAUTHENTICATED } else { AUTHENTICATED };
    if !groups.iter().any(|group| [AUTHENTICATED, UNAUTHENTICATED].contains(&group.as_str())) {
        groups.push(every_user.to_owned());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impersonated_users_have_the_groups_of_their_kind() {
        let groups = |user: &str, groups: &[&str]| {
            with_system_groups(user, groups.iter().map(|group| (*group).to_owned()).collect()).join(" ")
        };
        assert_eq!(groups("jane", &[]), "system:authenticated");
        assert_eq!(groups("jane", &["ops"]), "ops system:authenticated");
        assert_eq!(groups("system:anonymous", &[]), "system:unauthenticated");
        assert_eq!(
            groups("system:serviceaccount:web:app", &[]),
            "system:serviceaccounts system:serviceaccounts:web system:authenticated"
        );
        assert_eq!(groups("system:serviceaccount:web:app", &["ops"]), "ops system:authenticated");
        assert_eq!(service_account("system:serviceaccount:web"), None);
    }

    #[tokio::test]
    async fn impersonation_requires_permissions_for_the_user_and_each_group() {
        let sandbox = crate::sandbox::Sandbox::start(Default::default());
        let create = |plural: &str, body: serde_json::Value| {
            sandbox.0.host.create_as_controller("rbac.authorization.k8s.io", plural, "", body);
        };
        let allow = |resource: &str, name: &str| serde_json::json!({ "apiGroups": [""], "resources": [resource], "verbs": ["impersonate"], "resourceNames": [name] });
        let rules = [allow("users", "john"), allow("groups", "ops"), allow("serviceaccounts", "app")];
        create("clusterroles", serde_json::json!({ "metadata": { "name": "r" }, "rules": rules }));
        let binding = serde_json::json!({
            "metadata": { "name": "b" },
            "roleRef": { "kind": "ClusterRole", "name": "r" },
            "subjects": [{ "kind": "User", "name": "jane" }],
        });
        create("clusterrolebindings", binding);
        let jane = User::authenticated("jane".to_owned(), Vec::new());
        let acts_as = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, http::HeaderValue::from_static(value));
            }
            sandbox.0.host.lock().impersonate(&jane, &map).map(|user| user.name.clone())
        };
        assert_eq!(acts_as(&[]).unwrap(), "jane");
        assert_eq!(acts_as(&[(USER, "john"), (GROUP, "ops")]).unwrap(), "john");
        let account = "system:serviceaccount:web:app";
        assert_eq!(acts_as(&[(USER, account)]).unwrap(), account);
        for (headers, code) in [
            (&[(USER, "admin")][..], 403),
            (&[(USER, "john"), (GROUP, "ops"), (GROUP, "system:masters")], 403),
            (&[(USER, "system:serviceaccount:web:other")], 403),
            (&[(GROUP, "ops")], 400),
            (&[(USER, "")], 400),
            (&[(USER, "john"), ("impersonate-uid", "1")], 400),
            (&[(USER, "john"), ("impersonate-extra-scope", "all")], 400),
        ] {
            assert_eq!(acts_as(headers).unwrap_err().code, code, "{headers:?}");
        }
    }
}
