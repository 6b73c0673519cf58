//! Host setup check: compares the setup that the administrator applied to a host with the one that this release needs.
//!
//! Hexabase may not read roles and policies of the host, but namespaces. So the namespace that
//! [`host_setup`](crate::render::host_setup) creates lists the rest of the setup in annotations.

use hexabase_core::error::{Error, Result};
use serde_json::Value;

use super::VClusterProvisioner;
use crate::labels;
use crate::object::Kind;
use crate::render::{INGRESS_POLICY, setup_digest};

impl VClusterProvisioner {
    /// Returns an annotation of Hexabase's namespace on the host.
    async fn setup_annotation(&self, annotation: &str) -> Result<Option<String>> {
        let identity = self.config.identity.clone().unwrap_or_default();
        let namespace = self.host.find(Kind::NAMESPACE, "", &identity.namespace).await?;
        let annotations = namespace.as_ref().and_then(|body| body.pointer("/metadata/annotations"));
        Ok(annotations.and_then(|all| all.get(annotation)).and_then(Value::as_str).map(str::to_owned))
    }

    /// Requires the admission policy for Ingresses if tenants may publish Ingresses on the host.
    ///
    /// # Errors
    /// `Unsupported` if the host does not have the policy.
    pub(super) async fn require_ingress_policy(&self) -> Result<()> {
        if self.config.ingress.is_none() {
            return Ok(());
        }
        let admission_policies = self.setup_annotation(labels::ADMISSION_POLICIES).await?.unwrap_or_default();
        if admission_policies.split(',').any(|policy| policy == INGRESS_POLICY) {
            return Ok(());
        }
        let message = format!(
            "tenant_ingress requires the admission policy {INGRESS_POLICY} on the host; run `hexabase host-setup | \
             kubectl apply --server-side -f -` there, or remove the setting"
        );
        Err(Error::unsupported(message))
    }

    /// Logs a warning if no host setup, or that of another release, was applied.
    pub(super) async fn warn_about_host_setup(&self) {
        if self.is_sandbox().await {
            return;
        }
        let expected = setup_digest(&self.config.identity.clone().unwrap_or_default());
        match self
            .setup_annotation(labels::SETUP)
            .await
            .map(|applied| setup_warning(applied.as_deref(), &expected))
        {
            Ok(None) => {}
            Ok(Some(setup_warning)) => tracing::warn!("{setup_warning}"),
            Err(error) => tracing::debug!(%error, "checking the host setup failed"),
        }
    }

    /// `true` if the host is a sandbox, which runs no workloads and needs no protection.
    async fn is_sandbox(&self) -> bool {
        self.client
            .apiserver_version()
            .await
            .is_ok_and(|version| version.platform == labels::SANDBOX_PLATFORM)
    }
}

/// Returns a warning if the applied digest differs from the one of this release.
fn setup_warning(applied: Option<&str>, expected: &str) -> Option<&'static str> {
    match applied {
        Some(applied) if applied == expected => None,
        Some(_) => Some(
            "the host setup of another release is applied; apply the output of `hexabase host-setup` again for the \
             permissions and admission policies of this release",
        ),
        None => Some(
            "no host setup is applied, so no admission policy restricts the control planes of tenants; apply the output of \
             `hexabase host-setup`, even if Hexabase acts as an administrator",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_different_host_setup_is_reported() {
        assert_eq!(setup_warning(Some("this"), "this"), None);
        assert!(setup_warning(Some("that"), "this").unwrap().contains("another release"));
        assert!(setup_warning(None, "this").unwrap().contains("no host setup is applied"));
    }
}
