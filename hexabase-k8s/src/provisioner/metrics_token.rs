//! Token with which a Prometheus of the host scrapes a tenant API server: issued inside the tenant, and copied to its
//! namespace on the host. A lost or changed token is issued or copied again.

use hexabase_core::desired::TenantCluster;
use hexabase_core::error::Result;
use hexabase_core::model::{DriftEntry, DriftScope};
use serde_json::{Value, json};

use super::apply::apply_difference;
use super::{VClusterProvisioner, decoded};
use crate::api_server::ApiServer;
use crate::config::HostConfig;
use crate::difference::compare;
use crate::object::{Kind, Object, ObjectKey, Objects};
use crate::render::host::{TOKEN_KEY, metrics_token};
use crate::render::tenant::metrics::{
    METRICS_NAMESPACE, METRICS_READER, is_metrics_token, metrics_object_key,
};

/// Maximum length of a token. A tenant API server is not trusted to issue a short one.
const MAX_TOKEN_LENGTH: usize = 4_096;
/// Kinds of the objects in a namespace of the tenant.
const KINDS: [Kind; 2] = [Kind::SERVICE_ACCOUNT, Kind::SECRET];

/// `true` if a text that a tenant issued has the form of a token.
pub(super) fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=MAX_TOKEN_LENGTH).contains(&text.len()) && text.bytes().all(is_of_token)
}

/// Returns the token in a Secret of the tenant, as `data` of a Secret on the host. `None` if the tenant has not issued
/// one, or if it is not one.
fn token_of(secret: &Value) -> Option<Value> {
    let token = decoded(secret, TOKEN_KEY).filter(|_| is_metrics_token(secret))?;
    is_token(&token).then(|| json!({ TOKEN_KEY: secret["data"][TOKEN_KEY] }))
}

/// Adds the existing Secret on the host to the desired objects: its content comes from the tenant.
pub(super) fn preserve_metrics_token(
    objects: &mut Vec<Object>,
    desired: &TenantCluster,
    config: &HostConfig,
    host_state: &Objects,
) {
    let key = metrics_token(desired, config, Value::Null).key();
    if let Some(existing) = host_state.get(&key).filter(|_| config.scraping.is_enabled()) {
        objects.push(metrics_token(desired, config, existing["data"].clone()));
    }
}

/// Adds the ServiceAccount and its token to the objects that were listed by their label. They are found by their names
/// only, so that a tenant cannot make Hexabase delete other Secrets by the label.
pub(super) async fn read_metrics_objects(
    api: &ApiServer,
    config: &HostConfig,
    actual: &mut Objects,
) -> Result<()> {
    // After the setting was turned off, the role shows that the others remain: it is deleted last.
    if !config.scraping.is_enabled() && !actual.contains_key(&metrics_object_key(Kind::CLUSTER_ROLE)) {
        return Ok(());
    }
    for kind in KINDS {
        if let Some(found) = api.find(kind, METRICS_NAMESPACE, METRICS_READER).await? {
            actual.insert(metrics_object_key(kind), found);
        }
    }
    Ok(())
}

/// `true` for the ServiceAccount and its token.
pub(super) fn is_metrics_object(key: &ObjectKey) -> bool {
    KINDS.into_iter().any(|kind| metrics_object_key(kind) == *key)
}

/// Deletes the ServiceAccount and its token if scraping is off, and otherwise a Secret with the name of the token that
/// is not one: its type cannot change.
pub(super) async fn delete_obsolete_objects(
    api: &ApiServer,
    config: &HostConfig,
    actual: &Objects,
) -> Result<()> {
    let is_obsolete = |kind: Kind, body: &Value| {
        !config.scraping.is_enabled() || kind == Kind::SECRET && !is_metrics_token(body)
    };
    for kind in KINDS {
        let key = metrics_object_key(kind);
        if let Some(body) = actual.get(&key).filter(|body| is_obsolete(kind, body)) {
            let uid = body.pointer("/metadata/uid").and_then(Value::as_str);
            api.delete(kind, &key.namespace, &key.name, uid).await?;
        }
    }
    Ok(())
}

/// Changes of the Secret on the host; `None` while the tenant has not issued a token.
fn token_changes(
    desired: &TenantCluster,
    config: &HostConfig,
    secret: Option<&Value>,
    host_state: &Objects,
) -> Option<(Object, Objects)> {
    let object = metrics_token(desired, config, secret.and_then(token_of)?);
    let existing = host_state.get(&object.key()).map(|body| (object.key(), body.clone()));
    Some((object, existing.into_iter().collect()))
}

/// Returns the differences of the Secret on the host to the token of the tenant; `None` while there is no token.
pub(super) fn token_drift(
    desired: &TenantCluster,
    config: &HostConfig,
    tenant: &Objects,
    host_state: &Objects,
) -> Option<Vec<DriftEntry>> {
    if !config.scraping.is_enabled() {
        return Some(Vec::new());
    }
    let secret = tenant.get(&metrics_object_key(Kind::SECRET));
    let (object, existing) = token_changes(desired, config, secret, host_state)?;
    Some(compare(DriftScope::Host, &[object], &existing).entries)
}

impl VClusterProvisioner {
    /// Copies the token of the tenant to the host. Without a token, the next reconcile does it: the API server needs a
    /// moment to issue one.
    pub(super) async fn copy_metrics_token(
        &self,
        desired: &TenantCluster,
        config: &HostConfig,
        tenant: &Objects,
        host_state: &Objects,
    ) -> Result<()> {
        let secret = tenant.get(&metrics_object_key(Kind::SECRET));
        self.write_metrics_token(desired, config, secret, host_state).await
    }

    /// Copies the token of a Secret that was just applied in the tenant to the host.
    pub(super) async fn copy_new_metrics_token(
        &self,
        desired: &TenantCluster,
        config: &HostConfig,
        api: &ApiServer,
        host_state: &Objects,
    ) -> Result<()> {
        let secret = api.find(Kind::SECRET, METRICS_NAMESPACE, METRICS_READER).await?;
        self.write_metrics_token(desired, config, secret.as_ref(), host_state).await
    }

    async fn write_metrics_token(
        &self,
        desired: &TenantCluster,
        config: &HostConfig,
        secret: Option<&Value>,
        host_state: &Objects,
    ) -> Result<()> {
        if !config.scraping.is_enabled() {
            return Ok(());
        }
        let Some((object, existing)) = token_changes(desired, config, secret, host_state) else {
            tracing::debug!(cluster = %desired.target.name, "the tenant has not issued a token for Prometheus yet");
            return Ok(());
        };
        apply_difference(&self.host, &compare(DriftScope::Host, &[object], &existing)).await
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn only_a_token_of_the_service_account_is_copied() {
        let secret = |token: &str| {
            json!({
                "metadata": { "annotations": { "kubernetes.io/service-account.name": METRICS_READER } },
                "type": "kubernetes.io/service-account-token",
                "data": { "token": STANDARD.encode(token), "ca.crt": "eA==", "namespace": "eA==" },
            })
        };
        let valid = secret("eyJh-_.eyJi.c2ln");
        assert_eq!(token_of(&valid), Some(json!({ "token": valid["data"]["token"] })));
        for token in ["", "a b", "a\nb: c", "é", &"a".repeat(MAX_TOKEN_LENGTH + 1)] {
            assert_eq!(token_of(&secret(token)), None, "{token}");
        }
        for (pointer, value) in [
            ("/type", json!("Opaque")),
            ("/metadata/annotations", json!({})),
            ("/metadata/annotations", json!({ "kubernetes.io/service-account.name": "default" })),
            ("/data/token", json!("not base64")),
            ("/data", Value::Null),
        ] {
            let mut changed = valid.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_eq!(token_of(&changed), None, "{pointer}");
        }
    }
}
