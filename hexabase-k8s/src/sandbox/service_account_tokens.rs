//! Controller that issues tokens for Secrets of type `kubernetes.io/service-account-token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::authorization::User;
use super::cluster::Cluster;
use super::state::{Name, name_of};

const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Writes a token into a new Secret, or deletes the Secret if its ServiceAccount does not exist.
pub(super) fn issue_token(cluster: &Cluster, secret: &Value) {
    let (namespace, name) = name_of(secret);
    let mut state = cluster.lock();
    // The current state: the Secret may have changed since the event.
    let resource = (String::new(), "secrets".to_owned());
    let Some(stored) = state.find(&resource, &(namespace.clone(), name.clone())).cloned() else { return };
    if stored.body["type"] != TOKEN_TYPE || stored.body["data"]["token"].is_string() {
        return;
    }
    let Some(kind) = state.kinds.of_resource("", "secrets").cloned() else { return };
    let account = stored.body["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str();
    let account = account.and_then(|account| state.get("", "serviceaccounts", &namespace, account)).cloned();
    let Some(account) = account else { return state.begin_deletion(&kind, &(namespace, name), false) };
    let mut body = (*stored.body).clone();
    let uid = body["metadata"]["uid"].as_str().unwrap_or_default();
    body["data"] = json!({
        "token": STANDARD.encode(format!("sandbox.{uid}")),
        "ca.crt": STANDARD.encode("sandbox"),
        "namespace": STANDARD.encode(&namespace),
    });
    body["metadata"]["annotations"]["kubernetes.io/service-account.uid"] = account["metadata"]["uid"].clone();
    state.store(&kind, body, stored.managers.to_vec());
}

/// Deletes the Secrets with tokens of a deleted ServiceAccount.
pub(super) fn revoke_tokens(cluster: &Cluster, (namespace, account): &Name) {
    let mut state = cluster.lock();
    let Some(kind) = state.kinds.of_resource("", "secrets").cloned() else { return };
    let is_token = |secret: &&Value| {
        let annotations = &secret["metadata"]["annotations"];
        secret["type"] == TOKEN_TYPE && annotations["kubernetes.io/service-account.name"] == account.as_str()
    };
    let tokens: Vec<Name> = state.all("", "secrets", namespace).filter(is_token).map(name_of).collect();
    for token in tokens {
        state.begin_deletion(&kind, &token, false);
    }
}

/// Returns the ServiceAccount to which a token was issued, as a user. `None` for a token that is not valid, or no longer.
pub(super) fn user_of_token(cluster: &Cluster, token: &str) -> Option<User> {
    let encoded = STANDARD.encode(token);
    let state = cluster.lock();
    let is_token = |secret: &&Value| secret["type"] == TOKEN_TYPE && secret["data"]["token"] == encoded;
    let secret = state.all("", "secrets", "").find(is_token)?;
    let account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str()?;
    let (namespace, _) = name_of(secret);
    let groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    Some(User::authenticated(format!("system:serviceaccount:{namespace}:{account}"), groups))
}
