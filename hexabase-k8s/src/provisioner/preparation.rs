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

    /// Says so where the host was prepared by another release, or not at all for whom Hexabase acts as there.
    pub(super) async fn mention_setup(&self) {
        let wanted = setup_digest(&self.settings.identity.clone().unwrap_or_default());
        match self.said_of_setup(labels::SETUP).await {
            Ok(Some(applied)) if applied == wanted => {}
            Ok(None) if self.settings.identity.is_none() => {}
            Ok(_) => tracing::warn!(
                "what `hexabase host-setup` writes is not what was applied to the host: apply it again, for the rights and the \
                 guards of this release"
            ),
            Err(error) => tracing::debug!(%error, "it is not known how the host was prepared"),
        }
    }
}
