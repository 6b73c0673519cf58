//! Control planes that are up and hand out no kubeconfig.
//!
//! vCluster writes it into a Secret once, when its controllers start. Whoever removes that, or the Service which owns it, locks
//! Hexabase out until the control plane is started anew.

use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use tokio::time::Instant;

use super::observe::is_up;
use super::power::stateful_set;
use super::{VClusterProvisioner, text};
use crate::labels;
use crate::object::{Kind, Objects};
use crate::render::host::CONTROL_PLANE;

/// For how long a control plane may be up without a Secret. It takes a second as a rule; where there are several, and the one
/// that leads them has died, until the next one leads; and ten more after every failure.
const PATIENCE: Duration = Duration::from_secs(120);
/// For how long it may be where starting it anew was to no avail, as where the host refuses the Secret: twice as long each
/// time, up to this. Its users have it meanwhile.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);

/// A control plane that was found up and without a Secret.
#[derive(Debug, Clone)]
pub(super) struct Mute {
    /// Its pods.
    pods: Vec<String>,
    /// When they were found so.
    since: Instant,
    /// For how long they may be.
    patience: Duration,
}

impl VClusterProvisioner {
    /// Starts a control plane without a Secret anew that has been up for too long.
    pub(super) async fn restart_if_mute(&self, target: &TenantTarget, on_host: &Objects) -> Result<()> {
        let name = &target.name;
        if !stateful_set(target, on_host).is_some_and(is_up) {
            return Ok(());
        }
        let selector = format!("app={CONTROL_PLANE},{}={name},!{}", labels::RELEASE, labels::SYNCED_BY);
        let pods = self.host.list(Kind::POD, Some(name), &selector).await?;
        let pods: Vec<String> = pods.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).collect();
        let known = self.mute.get(name);
        let patience = known.as_ref().map_or(PATIENCE, |mute| mute.patience);
        let Some(mute) = known.filter(|mute| mute.pods == pods) else {
            self.mute.insert(name.clone(), Mute { pods, since: Instant::now(), patience });
            return Ok(());
        };
        if mute.since.elapsed() < patience {
            return Ok(());
        }
        tracing::warn!(cluster = %name, "it hands out no kubeconfig any more, and is started anew");
        self.host.delete_all(Kind::POD, name, &selector).await?;
        self.mute.insert(name.clone(), Mute { patience: (2 * patience).min(LONGEST), ..mute });
        Ok(())
    }
}
