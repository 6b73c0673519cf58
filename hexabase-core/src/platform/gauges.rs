use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::pin_mut;

use super::PlatformInner;
use crate::clock::until;
use crate::error::Result;
use crate::model::Phase;
use crate::name::HostClusterName;
use crate::store::{Lease, PhaseCount};
use crate::telemetry::{self, Backlog};

/// Maximum time for a value to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum number of leases that are listed.
const MAX_LEASES: usize = 100;

/// Gauges of the state of the installation, which a process reads from the database and the queue and passes to the
/// recorder of [`crate::telemetry`]. Every process of an installation records the same values, so they must not be added
/// up over processes. A value that cannot be read within two seconds is recorded as `NaN`.
#[derive(Debug, Clone, Copy)]
pub struct Gauges<'a>(pub(super) &'a PlatformInner);

/// Hosts whose workspaces were counted before: without workspaces they count as zero.
#[derive(Debug, Default)]
pub(super) struct CountedHosts(Mutex<BTreeSet<HostClusterName>>);

impl CountedHosts {
    /// Adds hosts, and returns all.
    fn extend(&self, hosts: impl Iterator<Item = HostClusterName>) -> BTreeSet<HostClusterName> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(hosts);
        all.clone()
    }
}

impl Gauges<'_> {
    /// Records the number and the age of the messages in the outbox and the queue, and the number of dead letters.
    pub async fn record_backlog(&self) {
        self.backlog().await.record();
    }

    /// Returns the number and the age of the messages in the outbox and the queue, and the number of dead letters.
    pub async fn backlog(&self) -> Backlog {
        let (store, queue, now) = (&self.0.store, &self.0.queue, self.0.now());
        let (outbox_messages, oldest_in_outbox, queue_messages, oldest_in_queue, dead_letters) = futures_util::join!(
            self.read("messages in the outbox", store.count_outbox()),
            self.read("oldest message in the outbox", store.oldest_in_outbox()),
            self.read("messages in the queue", queue.depth()),
            self.read("oldest message in the queue", queue.oldest()),
            self.read("dead letters", queue.count_dead_letters()),
        );
        let outbox_age =
            |oldest: Option<_>| oldest.and_then(|id| telemetry::outbox_age(id, now)).unwrap_or_default();
        let queue_age = |oldest: Option<_>| oldest.map(|at| until(at, now)).unwrap_or_default();
        Backlog {
            outbox_messages,
            outbox_age: oldest_in_outbox.map(outbox_age),
            queue_messages,
            queue_age: oldest_in_queue.map(queue_age),
            dead_letters,
        }
    }

    /// Returns the number of workspaces by phase and host; `None` if they could not be counted. The count reads an index
    /// entry per workspace.
    pub async fn count_workspaces(&self) -> Option<Vec<PhaseCount>> {
        self.read("workspaces", self.0.store.count_by_phase()).await
    }

    /// Returns the leases of workers, ordered by name, at most 100; `None` if they could not be read.
    pub async fn leases(&self) -> Option<Vec<Lease>> {
        self.read("leases", self.0.store.list_leases(self.0.now(), MAX_LEASES)).await
    }

    /// Records the number of workspaces by phase and host, and the longest time that one of them has not matched its
    /// desired state. The count reads an index entry per workspace.
    pub async fn record_workspaces(&self) {
        let counts = self.count_workspaces().await;
        let with_workspaces = counts.iter().flatten().map(|count| count.host_cluster.clone());
        let known = self.0.fleet.all().into_keys();
        let hosts = self.0.counted_hosts.extend(with_workspaces.chain(known));
        for (host, phase, workspaces) in by_host_and_phase(counts.as_deref(), &hosts) {
            telemetry::record_workspaces(host, phase, workspaces);
        }
        let since = |counts: Vec<PhaseCount>| counts.iter().filter_map(|count| count.unconverged_since).min();
        let age = |since: Option<_>| since.map(|since| until(since, self.0.now())).unwrap_or_default();
        telemetry::record_unconverged(counts.map(|counts| age(since(counts))));
    }

    /// Returns a value, or `None` after an error or the timeout, which it logs.
    async fn read<T>(&self, value: &'static str, read: impl Future<Output = Result<T>>) -> Option<T> {
        let timeout = self.0.clock.sleep(READ_TIMEOUT);
        pin_mut!(read, timeout);
        match select(read, timeout).await {
            Either::Left((Ok(value), _)) => Some(value),
            Either::Left((Err(error), _)) => {
                tracing::warn!(value, %error, "reading a metric failed; it has no value until the next read");
                None
            }
            Either::Right(_) => {
                tracing::warn!(value, "reading a metric timed out; it has no value until the next read");
                None
            }
        }
    }
}

/// Returns the number of workspaces of each host in each phase, with zeros; `None` if they were not counted.
fn by_host_and_phase<'a>(
    counts: Option<&[PhaseCount]>,
    hosts: &'a BTreeSet<HostClusterName>,
) -> Vec<(&'a HostClusterName, Phase, Option<u64>)> {
    let known: Option<BTreeMap<_, _>> = counts.map(|counts| {
        let entry = |count: &PhaseCount| {
            ((count.host_cluster.clone(), count.phase.as_str()), u64::from(count.workspaces))
        };
        counts.iter().map(entry).collect()
    });
    let workspaces = |host: &HostClusterName, phase: Phase| {
        known.as_ref().map(|known| known.get(&(host.clone(), phase.as_str())).copied().unwrap_or(0))
    };
    let phases =
        |host: &'a HostClusterName| Phase::ALL.iter().map(move |phase| (host, *phase)).collect::<Vec<_>>();
    let all = hosts.iter().flat_map(phases);
    all.map(|(host, phase)| (host, phase, workspaces(host, phase))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> HostClusterName {
        HostClusterName::parse(name).unwrap()
    }

    #[test]
    fn empty_phases_and_removed_hosts_count_as_zero() {
        let counted = CountedHosts::default();
        counted.extend([host("gone")].into_iter());
        let hosts = counted.extend([host("east")].into_iter());
        let ready = PhaseCount {
            host_cluster: host("east"),
            phase: Phase::Ready,
            workspaces: 3,
            unconverged_since: None,
        };
        let all = by_host_and_phase(Some(&[ready]), &hosts);
        assert_eq!(all.len(), 2 * Phase::ALL.len());
        for (name, phase, workspaces) in all {
            let expected = if *name == host("east") && phase == Phase::Ready { 3 } else { 0 };
            assert_eq!(workspaces, Some(expected), "{name} {phase}");
        }
        assert!(by_host_and_phase(None, &hosts).iter().all(|(_, _, workspaces)| workspaces.is_none()));
    }
}
