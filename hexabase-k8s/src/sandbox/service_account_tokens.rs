//! Tokens of ServiceAccounts: those that a controller issues for Secrets of type `kubernetes.io/service-account-token`, and
//! those that clients request for a limited time (subresource `token`).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::clock::{Clock as _, SystemClock, after};
use hexabase_core::id_source::{IdSource as _, SystemIds};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::authorization::User;
use super::cluster::Cluster;
use super::path::Target;
use super::response::{StatusError, StatusResult};
use super::state::{Name, State, name_of};

/// Limits of the lifetime of a requested token, and its default, in seconds, as on a real API server.
const LIFETIMES: std::ops::RangeInclusive<u64> = 600..=1 << 32;
const DEFAULT_LIFETIME: u64 = 3_600;
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// Token that was requested for a ServiceAccount. It is valid as long as the ServiceAccount exists.
#[derive(Debug)]
pub(super) struct BoundToken {
    account: Name,
    account_uid: Value,
    expires_at: Timestamp,
}

impl State {
    /// Issues a token for a ServiceAccount, as its subresource `token` does.
    pub(super) fn issue_bound_token(
        &mut self,
        target: &Target,
        mut request: Value,
        now: Timestamp,
    ) -> StatusResult<Value> {
        let name = target.name.clone().unwrap_or_default();
        let account = self.get("", "serviceaccounts", &target.namespace, &name);
        let account = account.ok_or_else(|| StatusError::not_found("serviceaccounts", &name))?;
        let account_uid = account["metadata"]["uid"].clone();
        let seconds = request["spec"]["expirationSeconds"].as_u64().unwrap_or(DEFAULT_LIFETIME);
        if !LIFETIMES.contains(&seconds) {
            let message = "spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes or larger than 2^32 seconds";
            return Err(StatusError::invalid("TokenRequest", &name, message));
        }
        let expires_at = after(now, Duration::from_secs(seconds));
        let token = format!("sandbox.{}", SystemIds::default().uuid(now));
        self.bound_tokens.retain(|_, token| now < token.expires_at);
        let account = (target.namespace.clone(), name);
        self.bound_tokens.insert(token.clone(), BoundToken { account, account_uid, expires_at });
        request["kind"] = json!("TokenRequest");
        request["apiVersion"] = json!("authentication.k8s.io/v1");
        request["spec"]["expirationSeconds"] = json!(seconds);
        let expires_at = expires_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        request["status"] = json!({ "token": token, "expirationTimestamp": expires_at });
        Ok(request)
    }

    /// Returns the ServiceAccount of a requested token that is still valid.
    fn account_of_bound_token(&self, token: &str, now: Timestamp) -> Option<Name> {
        let bound = self.bound_tokens.get(token).filter(|bound| now < bound.expires_at)?;
        let (namespace, name) = &bound.account;
        let account = self.get("", "serviceaccounts", namespace, name)?;
        (account["metadata"]["uid"] == bound.account_uid).then(|| bound.account.clone())
    }
}

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
    let of_secret = || {
        let secret = state.all("", "secrets", "").find(is_token)?;
        let account = secret["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_str()?;
        Some((name_of(secret).0, account.to_owned()))
    };
    let (namespace, account) = state.account_of_bound_token(token, SystemClock.now()).or_else(of_secret)?;
    let groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    Some(User::authenticated(format!("system:serviceaccount:{namespace}:{account}"), groups))
}
