//! Missing kubeconfig: restarts control planes that are up but have no kubeconfig Secret.
//!
//! vCluster writes the Secret once, when its controllers start. If a user deletes it, or the Service that owns it,
//! Hexabase has no access until the control plane restarts.

use hexabase_core::error::Result;

use super::observe::is_up;
use super::pass::Pass;
use super::text;
use crate::labels;
use crate::object::Kind;
use crate::render::host::CONTROL_PLANE;

impl Pass<'_> {
    /// Restarts a control plane whose kubeconfig Secret has been missing for longer than the timeout.
    pub(super) async fn restart_without_kubeconfig(&self) -> Result<()> {
        let (name, host, cache) = (&self.target.name, &self.provisioner.host, &self.provisioner.cache);
        if !self.object(Kind::STATEFUL_SET, name).is_some_and(is_up) {
            return Ok(());
        }
        let selector = format!("app={CONTROL_PLANE},{}={name},!{}", labels::RELEASE, labels::SYNCED_BY);
        let pods = host.list(Kind::POD, Some(name), &selector).await?;
        let pods = pods.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).collect();
        if let Some(timeout) = cache.record_missing_kubeconfig(name, pods) {
            tracing::warn!(cluster = %name, ?timeout, "restarting control plane: kubeconfig Secret missing");
            host.delete_all(Kind::POD, name, &selector).await?;
            cache.record_restart(name);
        }
        Ok(())
    }
}
