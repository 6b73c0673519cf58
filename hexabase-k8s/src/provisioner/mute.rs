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

/// The pods of a control plane that was found up and without a Secret, and when that was.
#[derive(Debug, Clone)]
pub(super) struct Mute {
    pods: Vec<String>,
    since: Instant,
}

impl VClusterProvisioner {
    /// Starts a control plane anew that has been up without a Secret for too long.
    pub(super) async fn restart_if_mute(&self, target: &TenantTarget, on_host: &Objects) -> Result<()> {
        let name = &target.name;
        let up = stateful_set(target, on_host).is_some_and(is_up);
        if !up || self.admin_secret(target).await?.is_some() {
            drop(self.mute.remove(name));
            return Ok(());
        }
        let selector = format!("app={CONTROL_PLANE},{}={name},!{}", labels::RELEASE, labels::SYNCED_BY);
        let pods = self.host.list(Kind::POD, Some(name), &selector).await?;
        let pods: Vec<String> = pods.iter().map(|pod| text(pod, "/metadata/uid").to_owned()).collect();
        match self.mute.get(name).filter(|mute| mute.pods == pods) {
            None => self.mute.insert(name.clone(), Mute { pods, since: Instant::now() }),
            Some(mute) if mute.since.elapsed() < PATIENCE => {}
            Some(_) => {
                tracing::warn!(cluster = %name, "it hands out no kubeconfig any more, and is started anew");
                self.host.delete_all(Kind::POD, name, &selector).await?;
            }
        }
        Ok(())
    }
}
