//! Missing kubeconfig: restarts control planes that are up but have no kubeconfig Secret.
//!
//! vCluster writes the Secret once, when its controllers start. If a user deletes it, or the Service that owns it,
//! Hexabase has no access until the control plane restarts.

use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use tokio::time::Instant;

use super::observe::is_up;
use super::suspend::stateful_set;
use super::{VClusterProvisioner, text};
use crate::labels;
use crate::object::{Kind, Objects};
use crate::render::host::CONTROL_PLANE;

/// Maximum time for which a control plane may be up without a kubeconfig Secret. Writing it normally takes a second;
/// if the leader of several replicas dies, it takes until the next one is elected, plus ten seconds per failed
/// attempt.
const KUBECONFIG_TIMEOUT: Duration = Duration::from_secs(120);
/// Upper bound of the restart back-off, which doubles after each restart without a Secret. A restart does not help if,
/// for example, the host rejects the Secret; users can still use the control plane in the meantime.
const MAX_RESTART_BACKOFF: Duration = Duration::from_secs(6 * 60 * 60);

/// Control plane that is up and has no kubeconfig Secret.
#[derive(Debug, Clone)]
pub(super) struct MissingKubeconfig {
    /// Uids of its pods.
    pods: Vec<String>,
    /// Time at which the missing Secret was first noticed for these pods.
    since: Instant,
    /// Time after `since` at which the control plane is restarted.
    timeout: Duration,
}

impl VClusterProvisioner {
    /// Restarts a control plane whose kubeconfig Secret has been missing for longer than the timeout.
    pub(super) async fn restart_without_kubeconfig(
        &self,
        target: &TenantTarget,
        host_state: &Objects,
    ) -> Result<()> {
        let name = &target.name;
        if !stateful_set(target, host_state).is_some_and(is_up) {
            return Ok(());
        }
        let selector = format!("app={CONTROL_PLANE},{}={name},!{}", labels::RELEASE, labels::SYNCED_BY);
        let pods = self.host.list(Kind::POD, Some(name), &selector).await?;
        let pods: Vec<String> = pods.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).collect();
        let known = self.missing_kubeconfig.get(name);
        let timeout = known.as_ref().map_or(KUBECONFIG_TIMEOUT, |missing| missing.timeout);
        let Some(missing) = known.filter(|missing| missing.pods == pods) else {
            self.missing_kubeconfig
                .insert(name.clone(), MissingKubeconfig { pods, since: Instant::now(), timeout });
            return Ok(());
        };
        if missing.since.elapsed() < timeout {
            return Ok(());
        }
        tracing::warn!(cluster = %name, ?timeout, "restarting control plane: kubeconfig Secret missing");
        self.host.delete_all(Kind::POD, name, &selector).await?;
        let timeout = (2 * timeout).min(MAX_RESTART_BACKOFF);
        self.missing_kubeconfig.insert(name.clone(), MissingKubeconfig { timeout, ..missing });
        Ok(())
    }
}
