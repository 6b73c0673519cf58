//! Notifications of committed live events, per organization.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;

use crate::id::OrganizationId;

/// Signals of the organizations for which a task waits. An organization without a waiting task has no entry, so the
/// commits of one organization wake no task of another, and the memory use follows the number of tasks.
#[derive(Debug, Clone, Default)]
pub(super) struct EventSignals(Arc<Mutex<BTreeMap<OrganizationId, Signal>>>);

#[derive(Debug, Default)]
struct Signal {
    committed: Event,
    waiting: usize,
}

impl EventSignals {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<OrganizationId, Signal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notifies the tasks that wait for an organization.
    pub(super) fn notify(&self, organization: OrganizationId) {
        if let Some(signal) = self.lock().get(&organization) {
            signal.committed.notify(usize::MAX);
        }
    }

    /// Completes after the next notification of an organization; those between this call and the first poll count.
    pub(super) fn listen(&self, organization: OrganizationId) -> impl Future<Output = ()> + Send + use<> {
        let mut signals = self.lock();
        let signal = signals.entry(organization).or_default();
        signal.waiting += 1;
        let listener = signal.committed.listen();
        let registration = Registration { signals: self.clone(), organization };
        async move {
            listener.await;
            drop(registration);
        }
    }
}

/// Entry of a waiting task. The last one of an organization removes the signal.
struct Registration {
    signals: EventSignals,
    organization: OrganizationId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut signals = self.signals.lock();
        if let Some(signal) = signals.get_mut(&self.organization) {
            signal.waiting -= 1;
            if signal.waiting == 0 {
                signals.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::fixture::id;

    #[test]
    fn a_notification_wakes_the_tasks_of_its_organization_only() {
        let (signals, acme, globex) = (EventSignals::default(), id("acme"), id("globex"));
        let (first, second, other) = (signals.listen(acme), signals.listen(acme), signals.listen(globex));
        signals.notify(acme);
        assert!(first.now_or_never().is_some() && second.now_or_never().is_some());
        assert!(other.now_or_never().is_none());
    }

    #[test]
    fn an_organization_without_waiting_tasks_has_no_entry() {
        let (signals, acme) = (EventSignals::default(), id("acme"));
        signals.notify(acme);
        let (first, second) = (signals.listen(acme), signals.listen(acme));
        assert_eq!(signals.lock().len(), 1);
        drop(first);
        assert_eq!(signals.lock().len(), 1);
        signals.notify(acme);
        assert!(second.now_or_never().is_some());
        assert_eq!(signals.lock().len(), 0);
    }
}
