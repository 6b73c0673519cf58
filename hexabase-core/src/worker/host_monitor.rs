//! [`HostMonitor`] watches the registered host clusters and records their health.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, abortable, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, pin_mut, select_biased};
use tracing::Instrument as _;

use super::StopSignal;
use super::change_notifier::ChangeNotifier;
use crate::changeset::Changeset;
use crate::error::Result;
use crate::model::{HostHealth, HostState, RegisteredHost};
use crate::name::HostClusterName;
use crate::platform::{Platform, PlatformInner};
use crate::provisioner::ClusterProvisioner;
use crate::telemetry;

/// Interval at which the registered hosts are read and pinged. A worker uses an outdated host connection for at most
/// this long.
const HOST_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// Maximum length of the stored error message of an unreachable host, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Keeps track of the registered host clusters: connects to new ones, watches each of them, and records their health.
#[derive(Debug)]
pub struct HostMonitor<'a>(&'a PlatformInner);

impl<'a> HostMonitor<'a> {
    /// Creates the host monitor of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        let notifier = Arc::new(ChangeNotifier::new(self.0));
        let (monitored, notified) =
            (self.watch_hosts(&notifier, stop_signal).fuse(), notifier.run(self.0).fuse());
        pin_mut!(monitored, notified);
        select_biased! {
            () = notified => {}
            () = monitored => {}
        }
    }

    async fn watch_hosts(&self, notifier: &Arc<ChangeNotifier>, stop_signal: &StopSignal) {
        let mut watched: BTreeMap<HostClusterName, (Arc<dyn ClusterProvisioner>, AbortHandle)> =
            BTreeMap::new();
        let mut watching = FuturesUnordered::new();
        let mut recorded = BTreeSet::new();
        while !stop_signal.is_set() {
            // A host that does not answer delays neither the watches of other hosts nor a stop.
            let health = drive_while(&mut watching, self.check_until_stopped(stop_signal)).await;
            let connected = self.0.fleet.all();
            let is_watch_failing = |name: &HostClusterName| {
                watched.get(name).is_some_and(|(provisioner, _)| provisioner.is_watch_failing())
            };
            recorded = record_states(states_of(&health, is_watch_failing, recorded));
            watched.retain(|name, (provisioner, handle)| {
                let unchanged = connected.get(name).is_some_and(|current| Arc::ptr_eq(current, provisioner));
                if !unchanged {
                    handle.abort();
                }
                unchanged
            });
            for (name, provisioner) in connected {
                watched.entry(name.clone()).or_insert_with(|| {
                    let watched = provisioner.clone();
                    let span = tracing::info_span!("host", %name);
                    let notifier = notifier.clone();
                    let watch =
                        async move { watched.watch(&move |target| notifier.notify_change(target)).await };
                    let (watch, handle) = abortable(watch.instrument(span));
                    watching.push(watch);
                    (provisioner, handle)
                });
            }
            drive_while(&mut watching, stop_signal.sleep(self.0, HOST_CHECK_INTERVAL)).await;
        }
    }

    /// Checks the fixed and the registered hosts, and returns which of them are healthy.
    async fn check_until_stopped(&self, stop_signal: &StopSignal) -> BTreeMap<HostClusterName, bool> {
        let checks = async {
            let (mut health, registered) = futures_util::join!(self.ping_fixed(), self.check_registered());
            match registered {
                Ok(registered) => health.extend(registered),
                Err(error) => tracing::warn!(%error, "host check failed; repeated at the next interval"),
            }
            health
        };
        let (checked, stopped) = (checks.fuse(), stop_signal.wait().fuse());
        pin_mut!(checked, stopped);
        select_biased! {
            () = stopped => BTreeMap::new(),
            health = checked => health,
        }
    }

    async fn ping_fixed(&self) -> BTreeMap<HostClusterName, bool> {
        let pings =
            self.0.fleet.fixed().map(|(host, provisioner)| async move {
                (host.name.clone(), provisioner.ping().await.is_ok())
            });
        join_all(pings).await.into_iter().collect()
    }

    /// Reads the registered hosts, pings each of them, and records their health, unless another worker holds the lease
    /// for it.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn check(&self) -> Result<()> {
        self.check_registered().await.map(drop)
    }

    /// Checks the registered hosts as [`Self::check`] does, and returns which of them are healthy: by the last record if
    /// another worker checks them.
    async fn check_registered(&self) -> Result<BTreeMap<HostClusterName, bool>> {
        let hosts = self.0.refresh_hosts().await?;
        if hosts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let recorded = hosts
            .iter()
            .map(|registered| {
                (registered.host.name.clone(), registered.health.state != HostState::Unreachable)
            })
            .collect();
        let checked = self.0.with_lease("hosts", |_| self.ping_all(hosts)).await?;
        Ok(checked.unwrap_or(recorded))
    }

    async fn ping_all(&self, hosts: Vec<RegisteredHost>) -> Result<BTreeMap<HostClusterName, bool>> {
        let pings = hosts.into_iter().map(|registered| async move {
            let name = registered.host.name.clone();
            let (state, message) = match self.ping(&name).await {
                Ok(()) => (HostState::Healthy, String::new()),
                Err(error) => (HostState::Unreachable, error.to_string().chars().take(MAX_MESSAGE_CHARS).collect()),
            };
            let (before, is_healthy) = (&registered.health, state == HostState::Healthy);
            if before.state == state && before.message == message {
                return (name, is_healthy);
            }
            tracing::info!(host = %name, %state, message, "host health changed");
            let now = self.0.now();
            let since = if before.state == state { before.since } else { now };
            let mut registered = registered;
            registered.health = HostHealth { state, message, since };
            // A concurrent change of the host wins; the next check records the health.
            if let Err(error) = self.0.commit(Changeset::new().host(registered, now)).await {
                tracing::debug!(host = %name, %error, "recording host health failed; repeated at the next check");
            }
            (name, is_healthy)
        });
        Ok(join_all(pings).await.into_iter().collect())
    }

    async fn ping(&self, name: &HostClusterName) -> Result<()> {
        self.0.provisioner(name).await?.ping().await
    }
}

/// Returns for each host whether it is up; `None` for one that was recorded before and is no longer known.
fn states_of(
    health: &BTreeMap<HostClusterName, bool>,
    is_watch_failing: impl Fn(&HostClusterName) -> bool,
    recorded: BTreeSet<HostClusterName>,
) -> BTreeMap<HostClusterName, Option<bool>> {
    let removed = recorded.into_iter().map(|name| (name, None));
    let known =
        health.iter().map(|(name, is_healthy)| (name.clone(), Some(*is_healthy && !is_watch_failing(name))));
    removed.chain(known).collect()
}

/// Records the states of hosts, and returns the hosts.
fn record_states(states: BTreeMap<HostClusterName, Option<bool>>) -> BTreeSet<HostClusterName> {
    states.iter().for_each(|(name, is_up)| telemetry::record_host_up(name, *is_up));
    states.into_keys().collect()
}

/// Runs `work` to its end, and polls `others` meanwhile.
async fn drive_while<F: Future, T>(others: &mut FuturesUnordered<F>, work: impl Future<Output = T>) -> T {
    let work = work.fuse();
    pin_mut!(work);
    loop {
        select_biased! {
            result = work => return result,
            _ = others.select_next_some() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::states_of;
    use crate::name::HostClusterName;

    #[test]
    fn a_host_is_up_if_it_is_healthy_and_watched_and_unknown_once_it_is_removed() {
        let host = |name: &str| HostClusterName::parse(name).unwrap();
        let health: BTreeMap<_, _> =
            [("east", true), ("north", false), ("west", true)].map(|(name, up)| (host(name), up)).into();
        let recorded = BTreeSet::from([host("east"), host("gone")]);
        let states = states_of(&health, |name| *name == host("west"), recorded);
        let expected = [("east", Some(true)), ("gone", None), ("north", Some(false)), ("west", Some(false))];
        assert_eq!(states, expected.map(|(name, up)| (host(name), up)).into());
    }
}
