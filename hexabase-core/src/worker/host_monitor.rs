//! [`HostMonitor`] watches the registered host clusters and records their health.

use std::collections::BTreeMap;
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
        while !stop_signal.is_set() {
            // A host that does not answer delays neither the watches of other hosts nor a stop.
            drive_while(&mut watching, self.check_until_stopped(stop_signal)).await;
            let connected = self.0.fleet.all();
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

    async fn check_until_stopped(&self, stop_signal: &StopSignal) {
        let (checked, stopped) = (self.check().fuse(), stop_signal.wait().fuse());
        pin_mut!(checked, stopped);
        select_biased! {
            () = stopped => {}
            checked = checked => if let Err(error) = checked {
                tracing::warn!(%error, "host check failed; repeated at the next interval");
            }
        }
    }

    /// Reads the registered hosts, pings each of them, and records their health, unless another worker holds the lease
    /// for it.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn check(&self) -> Result<()> {
        let hosts = self.0.refresh_hosts().await?;
        if hosts.is_empty() {
            return Ok(());
        }
        self.0.with_lease("hosts", |_| self.ping_all(hosts)).await.map(drop)
    }

    async fn ping_all(&self, hosts: Vec<RegisteredHost>) -> Result<()> {
        let pings = hosts.into_iter().map(|registered| async move {
            let name = registered.host.name.clone();
            let (state, message) = match self.ping(&name).await {
                Ok(()) => (HostState::Healthy, String::new()),
                Err(error) => (HostState::Unreachable, error.to_string().chars().take(MAX_MESSAGE_CHARS).collect()),
            };
            let before = &registered.health;
            if before.state == state && before.message == message {
                return;
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
        });
        join_all(pings).await;
        Ok(())
    }

    async fn ping(&self, name: &HostClusterName) -> Result<()> {
        self.0.provisioner(name).await?.ping().await
    }
}

/// Runs `work` to its end, and polls `others` meanwhile.
async fn drive_while<F: Future>(others: &mut FuturesUnordered<F>, work: impl Future<Output = ()>) {
    let work = work.fuse();
    pin_mut!(work);
    loop {
        select_biased! {
            () = work => return,
            _ = others.select_next_some() => {}
        }
    }
}
