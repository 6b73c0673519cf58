//! Whether a host has what its administrator applies before Hexabase acts on it.
//!
//! The namespace that [`host_setup`](crate::render::host_setup) makes says what came with it: Hexabase may read no role and no
//! policy of the host, but namespaces.

use hexabase_core::error::{Error, Result};
use serde_json::Value;

use super::VClusterProvisioner;
use crate::labels;
use crate::object::Kind;
use crate::render::{INGRESS_GUARD, setup_digest};

impl VClusterProvisioner {
    /// What the host's namespace of Hexabase says of an annotation.
    async fn said_of_setup(&self, annotation: &str) -> Result<Option<String>> {
        let identity = self.settings.identity.clone().unwrap_or_default();
        let namespace = self.host.find(Kind::NAMESPACE, "", &identity.namespace).await?;
        let annotations = namespace.as_ref().and_then(|body| body.pointer("/metadata/annotations"));
        Ok(annotations.and_then(|all| all.get(annotation)).and_then(Value::as_str).map(str::to_owned))
    }

    /// Refuses to let Ingresses of tenants onto a host that has no guard on them.
    ///
    /// # Errors
    /// `Unsupported` where that is so.
    pub(super) async fn require_guard_on_ingresses(&self) -> Result<()> {
        if self.settings.ingress.is_none() {
            return Ok(());
        }
        let guards = self.said_of_setup(labels::GUARDS).await?.unwrap_or_default();
        if guards.split(',').any(|guard| guard == INGRESS_GUARD) {
            return Ok(());
        }
        let message = format!(
            "tenant_ingress needs the policy {INGRESS_GUARD} on the host, which it does not have: run `hexabase host-setup | \
             kubectl apply --server-side -f -` there, or take the setting back"
        );
        Err(Error::unsupported(message))
    }

    /// Says so where nobody prepared the host, or another release did.
    pub(super) async fn mention_setup(&self) {
        if self.is_sandbox().await {
            return;
        }
        let wanted = setup_digest(&self.settings.identity.clone().unwrap_or_default());
        match self.said_of_setup(labels::SETUP).await.map(|applied| shortcoming(applied.as_deref(), &wanted))
        {
            Ok(None) => {}
            Ok(Some(shortcoming)) => tracing::warn!("{shortcoming}"),
            Err(error) => tracing::debug!(%error, "it is not known how the host was prepared"),
        }
    }

    /// Whether nothing runs on the host, and nothing of it can come to harm.
    async fn is_sandbox(&self) -> bool {
        self.client
            .apiserver_version()
            .await
            .is_ok_and(|version| version.platform == labels::SANDBOX_PLATFORM)
    }
}

/// What is wanting of a host, by what identifies the setup that was applied to it and the one that this release wants.
fn shortcoming(applied: Option<&str>, wanted: &str) -> Option<&'static str> {
    match applied {
        Some(applied) if applied == wanted => None,
        Some(_) => Some(
            "what `hexabase host-setup` writes is not what was applied to the host: apply it again, for the rights and the \
             guards of this release",
        ),
        None => Some(
            "nothing guards the host against what control planes of tenants write: apply what `hexabase host-setup` writes, \
             also where Hexabase acts as an administrator",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_wanting_unless_this_release_prepared_it() {
        assert_eq!(shortcoming(Some("this"), "this"), None);
        assert!(shortcoming(Some("that"), "this").unwrap().contains("apply it again"));
        assert!(shortcoming(None, "this").unwrap().contains("nothing guards the host"));
    }
}
