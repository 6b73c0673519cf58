//! Credentials of GitOps tools: tokens that a tenant issues for a ServiceAccount with the role that was chosen, in Secrets
//! of the namespaces on the host that the operator allows.
//!
//! Hexabase has no permission to read Secrets in these namespaces: they hold those of the operator. It reads its own ones by
//! an empty patch, which an admission policy rejects for all others.

use std::collections::BTreeMap;

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{
    GITOPS_TOKEN_LIFETIME, GitOpsAccess, GitOpsCredential, GitOpsCredentials, GitOpsTool,
};
use hexabase_core::name::HostNamespace;
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::host_setup_check::apply_command;
use super::metrics_token::is_token;
use super::{Namespace, VClusterProvisioner, decoded, text};
use crate::api_server::ApiServer;
use crate::labels::Labels;
use crate::object::{Kind, Object};
use crate::render::host::{GitOpsConnection, gitops_label, gitops_secret_name};
use crate::render::tenant::gitops::{GITOPS_NAMESPACE, account_of};

/// Maximum length of a certificate authority. A tenant's control plane is not trusted to write a short one.
const MAX_AUTHORITY_LENGTH: usize = 65_536;

/// Digest of values that must not be in clear text next to them, in hexadecimal.
fn digest(value: &str) -> String {
    Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Keys that Hexabase writes. A tool may add others.
const KEYS: [&str; 7] = ["name", "server", "project", "config", "namespaces", "clusterResources", "value"];

/// State of a Secret in its annotation: digests of what its content is for, and of the content.
fn state_of(connection: &GitOpsConnection, account_uid: &str, data: &Value) -> String {
    let own = data.as_object().into_iter().flatten().filter(|(key, _)| KEYS.contains(&key.as_str()));
    let sorted: BTreeMap<&String, &Value> = own.collect();
    format!("{}.{}", digest(&format!("{connection:?} {account_uid}")), digest(&format!("{sorted:?}")))
}

/// Returns the description of an existing Secret if it is valid: for this connection and ServiceAccount, unchanged, and not
/// due for renewal.
fn valid_credential(
    existing: &Value,
    namespace: &HostNamespace,
    connection: &GitOpsConnection,
    account_uid: &str,
    labels: &Labels,
    now: Timestamp,
) -> Option<GitOpsCredential> {
    let annotation = |key: &str| existing.pointer("/metadata/annotations")?.get(key)?.as_str();
    let time = |key: &str| annotation(key)?.parse::<Timestamp>().ok();
    let state = state_of(connection, account_uid, &existing["data"]);
    let credential = GitOpsCredential {
        namespace: namespace.clone(),
        expires_at: time(labels.token_expires_at())?,
        renew_at: time(labels.token_renew_at())?,
    };
    // An annotation that was changed by hand must not keep a token for ever.
    let latest = GitOpsCredential::issued(namespace.clone(), None, now).renew_at;
    let is_valid = annotation(labels.credential_state()) == Some(&state)
        && now < credential.renew_at
        && credential.renew_at <= latest;
    is_valid.then_some(credential)
}

fn is_own(secret: &Value, target: &TenantTarget, labels: &Labels) -> bool {
    let label = secret.pointer("/metadata/labels").and_then(|found| found.get(labels.workspace()));
    label.and_then(Value::as_str) == Some(target.workspace_id.kubernetes_name().as_str())
}

/// Returns the certificate authority that a control plane wrote; `None` for a public one.
///
/// # Errors
/// `Unavailable` if it does not have the form of a certificate authority.
fn certificate_authority(admin_secret: &Value) -> Result<Option<String>> {
    const KEY: &str = "certificate-authority";
    if admin_secret.pointer("/data").and_then(|data| data.get(KEY)).is_none() {
        return Ok(None);
    }
    let is_pem = |authority: &String| {
        authority.starts_with("-----BEGIN CERTIFICATE-----")
            && authority.len() <= MAX_AUTHORITY_LENGTH
            && authority.bytes().all(|byte| byte.is_ascii_graphic() || b" \r\n".contains(&byte))
    };
    let authority = decoded(admin_secret, KEY).filter(is_pem);
    let invalid = || Error::unavailable("the control plane has written no valid certificate authority");
    authority.map(Some).ok_or_else(invalid)
}

impl VClusterProvisioner {
    pub(super) async fn issue_credentials(
        &self,
        desired: &TenantCluster,
        now: Timestamp,
    ) -> Result<GitOpsCredentials> {
        self.remove_credentials(&desired.target, |tool, namespace| {
            desired.gitops.get(&tool).is_some_and(|access| access.namespace == *namespace)
        })
        .await?;
        if desired.gitops.is_empty() {
            return Ok(GitOpsCredentials::new());
        }
        for (tool, access) in &desired.gitops {
            self.config.gitops_namespaces.check(*tool, &access.namespace).map_err(|rule| {
                let namespace = &access.namespace;
                Error::unsupported(format!("the namespace {namespace} for {tool} {rule}"))
            })?;
        }
        let target = &desired.target;
        if self.namespace(target).await? != Namespace::Owned {
            return Err(Error::not_found("cluster"));
        }
        let not_ready =
            || Error::unavailable("the tenant API server is not ready for credentials of GitOps tools");
        let secret = self.admin_secret(target).await?.ok_or_else(not_ready)?;
        let authority = certificate_authority(&secret)?;
        let tenant = self.connect_with(target, &secret).await?.ok_or_else(not_ready)?;
        let mut issued = GitOpsCredentials::new();
        for (tool, access) in &desired.gitops {
            let connection = GitOpsConnection::of(desired, &self.config, (*tool, access), authority.clone());
            let credential =
                self.issue_credential(desired, (*tool, access), &connection, &tenant.api, now).await?;
            issued.insert(*tool, credential);
        }
        Ok(issued)
    }

    /// Keeps a valid credential, or replaces it.
    async fn issue_credential(
        &self,
        desired: &TenantCluster,
        (tool, access): (GitOpsTool, &GitOpsAccess),
        connection: &GitOpsConnection,
        tenant: &ApiServer,
        now: Timestamp,
    ) -> Result<GitOpsCredential> {
        let (target, labels, namespace) = (&desired.target, &self.config.labels, &access.namespace);
        let account = tenant.find(Kind::SERVICE_ACCOUNT, GITOPS_NAMESPACE, account_of(tool)).await?;
        let account_uid = account.as_ref().map(|account| text(account, "/metadata/uid").to_owned());
        let account_uid = account_uid.ok_or_else(|| {
            let message = format!(
                "the ServiceAccount {GITOPS_NAMESPACE}/{} is missing in the tenant cluster; a namespace of this name that was \
                 not created by Hexabase must be deleted",
                account_of(tool)
            );
            Error::unavailable(message)
        })?;
        let existing = self.own_credential(target, tool, namespace).await?;
        if let Some(valid) = existing
            .as_ref()
            .and_then(|existing| valid_credential(existing, namespace, connection, &account_uid, labels, now))
        {
            return Ok(valid);
        }
        let response = tenant.create_token(GITOPS_NAMESPACE, account_of(tool), GITOPS_TOKEN_LIFETIME).await?;
        let token = text(&response, "/status/token");
        if !is_token(token) {
            return Err(Error::unavailable("the tenant API server issued no valid token"));
        }
        let expires_at = text(&response, "/status/expirationTimestamp").parse().ok();
        let credential = GitOpsCredential::issued(namespace.clone(), expires_at, now);
        let data = connection.data(&SecretString::from(token));
        let object = self.credential_secret(desired, (tool, &credential), connection, &account_uid, data);
        self.host.apply(&object).await.map_err(|error| self.explain(error, namespace))?;
        tracing::info!(cluster = %target.name, %tool, %namespace, expires_at = %credential.expires_at, "credential of a GitOps tool issued");
        Ok(credential)
    }

    fn credential_secret(
        &self,
        desired: &TenantCluster,
        (tool, credential): (GitOpsTool, &GitOpsCredential),
        connection: &GitOpsConnection,
        account_uid: &str,
        data: Value,
    ) -> Object {
        let (labels, target) = (&self.config.labels, &desired.target);
        let (key, value) = gitops_label(tool);
        let metadata = json!({
            "name": gitops_secret_name(&target.name, tool),
            "namespace": credential.namespace,
            "labels": {
                key: value,
                labels.managed(): "true",
                labels.organization(): target.organization_id.kubernetes_name(),
                labels.workspace(): target.workspace_id.kubernetes_name(),
            },
            "annotations": {
                labels.title(): desired.workspace_name,
                labels.credential_state(): state_of(connection, account_uid, &data),
                labels.token_expires_at(): credential.expires_at,
                labels.token_renew_at(): credential.renew_at,
            },
        });
        Object::new(Kind::SECRET, json!({ "metadata": metadata, "type": "Opaque", "data": data }))
    }

    /// Returns the Secret of a tool if it exists.
    ///
    /// # Errors
    /// `Unsupported` if another object has its name, or Hexabase has no permission for the namespace.
    async fn own_credential(
        &self,
        target: &TenantTarget,
        tool: GitOpsTool,
        namespace: &HostNamespace,
    ) -> Result<Option<Value>> {
        let name = gitops_secret_name(&target.name, tool);
        let read = self.host.merge(Kind::SECRET, namespace.as_str(), &name, &json!({})).await;
        let found = read.map_err(|error| self.explain(error, namespace))?;
        match found {
            Some(found) if !is_own(&found, target, &self.config.labels) => {
                let message =
                    format!("the Secret {namespace}/{name} was not created for this workspace; delete it");
                Err(Error::unsupported(message))
            }
            found => Ok(found),
        }
    }

    /// Removes the credentials of a tenant from the allowed namespaces, except those to keep. A namespace without
    /// permission has none of Hexabase.
    pub(super) async fn remove_credentials(
        &self,
        target: &TenantTarget,
        is_kept: impl Fn(GitOpsTool, &HostNamespace) -> bool,
    ) -> Result<()> {
        for (tool, namespace) in self.config.gitops_namespaces.iter() {
            if is_kept(tool, namespace) {
                continue;
            }
            match self.own_credential(target, tool, namespace).await {
                Ok(None) => {}
                Ok(Some(secret)) => {
                    let (name, uid) = (text(&secret, "/metadata/name"), text(&secret, "/metadata/uid"));
                    self.host.delete(Kind::SECRET, namespace.as_str(), name, Some(uid)).await?;
                }
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    tracing::warn!(%error, cluster = %target.name, "credentials of GitOps tools cannot be removed from a namespace");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds the remedy to an error of a namespace of a GitOps tool.
    fn explain(&self, error: Error, namespace: &HostNamespace) -> Error {
        let remedy = match error.kind() {
            ErrorKind::NotFound => format!(
                "the namespace {namespace} does not exist on the host cluster; the operator creates it"
            ),
            ErrorKind::Forbidden => format!(
                "Hexabase may not write this Secret in the namespace {namespace} of the host cluster; its operator runs `{}`",
                apply_command(&self.config)
            ),
            _ => return error,
        };
        Error::unsupported(remedy).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hexabase_core::fixture::{self, FIXTURE_TIME};
    use hexabase_core::model::PresetRole;
    use jiff::SignedDuration;

    use super::*;
    use crate::config::HostConfig;

    #[test]
    fn only_a_certificate_authority_is_copied() {
        let written = |authority: &str| {
            certificate_authority(&json!({ "data": { "certificate-authority": STANDARD.encode(authority) } }))
        };
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert_eq!(written(pem).unwrap().as_deref(), Some(pem));
        for hostile in ["", "MIIB", "-----BEGIN CERTIFICATE-----\u{0}", "-----BEGIN CERTIFICATE-----é"] {
            assert_eq!(written(hostile).unwrap_err().kind(), ErrorKind::Unavailable, "{hostile:?}");
        }
        assert!(written(&format!("{pem}{}", "A".repeat(MAX_AUTHORITY_LENGTH))).is_err());
        assert!(certificate_authority(&json!({ "data": { "certificate-authority": 7 } })).is_err());
        assert_eq!(certificate_authority(&json!({})).unwrap(), None);
    }

    #[test]
    fn a_credential_is_valid_only_unchanged_for_its_connection_and_before_its_renewal() {
        let (cluster, config) = (fixture::tenant_cluster("shop"), HostConfig::default());
        let namespace = HostNamespace::parse("argocd").unwrap();
        let labels = &config.labels;
        let connection = |role, authority: &str| {
            let access = GitOpsAccess { namespace: namespace.clone(), role };
            GitOpsConnection::of(&cluster, &config, (GitOpsTool::ArgoCd, &access), Some(authority.to_owned()))
        };
        let own = connection(PresetRole::ProjectAdmin, "ca");
        let data = own.data(&SecretString::from("token"));
        let secret = |renew_at: Timestamp| {
            json!({
                "metadata": { "annotations": {
                    labels.credential_state(): state_of(&own, "uid", &data),
                    labels.token_expires_at(): FIXTURE_TIME + SignedDuration::from_hours(12),
                    labels.token_renew_at(): renew_at,
                } },
                "data": data,
            })
        };
        let valid = |secret: &Value, connection: &GitOpsConnection, uid: &str, now| {
            valid_credential(secret, &namespace, connection, uid, labels, now).is_some()
        };
        let issued = secret(FIXTURE_TIME + SignedDuration::from_hours(8));
        let later = |hours| FIXTURE_TIME + SignedDuration::from_hours(hours);
        assert!(valid(&issued, &own, "uid", later(0)) && valid(&issued, &own, "uid", later(7)));
        assert!(!valid(&issued, &own, "uid", later(8)), "due");
        assert!(!valid(&issued, &own, "other", later(1)), "the ServiceAccount was created again");
        assert!(!valid(&issued, &connection(PresetRole::WorkspaceAdmin, "ca"), "uid", later(1)));
        assert!(!valid(&issued, &connection(PresetRole::ProjectAdmin, "new"), "uid", later(1)));
        assert!(!valid(&secret(later(900)), &own, "uid", later(1)), "a changed annotation");
        let mut extended = issued.clone();
        extended["data"]["shard"] = json!("MQ==");
        assert!(valid(&extended, &own, "uid", later(1)), "Argo CD adds the shard");
        let mut changed = issued.clone();
        changed["data"]["server"] = json!("aHR0cHM6Ly9ldmls");
        assert!(!valid(&changed, &own, "uid", later(1)));
        assert!(!valid(&json!({}), &own, "uid", later(1)));
    }
}
