//! State of one tenant in the host cache, and its transitions. Pure functions.

use std::time::Duration;

use tokio::time::Instant;

use super::metadata::{Digest, Revision};

/// Time for which an unresponsive tenant API server only receives readiness checks, so that a reconcile waits for it
/// only once.
const UNRESPONSIVE_BACKOFF: Duration = Duration::from_secs(5);
/// Time for which an applied state is trusted while the tenant does not respond, unless one of its objects is deleted.
const APPLIED_TTL: Duration = Duration::from_secs(60);
/// Maximum time for which a control plane may be up without a kubeconfig Secret. Writing it normally takes a second;
/// if the leader of several replicas dies, it takes until the next one is elected, plus ten seconds per failed
/// attempt.
const KUBECONFIG_TIMEOUT: Duration = Duration::from_secs(120);
/// Upper bound of the restart back-off, which doubles after each restart without a Secret. A restart does not help if,
/// for example, the host rejects the Secret; users can still use the control plane in the meantime.
const MAX_RESTART_BACKOFF: Duration = Duration::from_secs(6 * 60 * 60);

/// State of a tenant, as the passes over it have found it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TenantState {
    connection: Connection,
    /// Desired state that was last applied to the host.
    applied: Option<AppliedState>,
}

/// Connection to the API server of a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
enum Connection {
    /// No obstacle is known.
    #[default]
    Usable,
    /// It did not respond at this time.
    Unresponsive(Instant),
    /// Its control plane is up, and has not written the kubeconfig Secret.
    NoKubeconfig(MissingKubeconfig),
}

/// Control plane that is up and has no kubeconfig Secret.
#[derive(Debug, Clone, PartialEq)]
struct MissingKubeconfig {
    /// Uids of its pods.
    pods: Vec<String>,
    /// Time at which the missing Secret was first noticed for these pods.
    since: Instant,
    /// Time after `since` at which the control plane is restarted.
    timeout: Duration,
}

/// Desired state that was applied to the host, with the revision of the host's objects before it, and the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AppliedState {
    pub(super) desired: Digest,
    pub(super) revision: Revision,
    pub(super) at: Instant,
}

/// Finding of a pass that changes the state of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// The desired state was applied to the host.
    Applied(AppliedState),
    /// The tenant API server responded.
    Responded,
    /// The tenant API server did not respond.
    NotResponding,
    /// The kubeconfig Secret exists.
    KubeconfigFound,
    /// The kubeconfig Secret is missing, while the control plane is up with these pods.
    KubeconfigMissing(Vec<String>),
    /// The pods of the control plane were deleted because of the missing kubeconfig Secret.
    Restarted,
}

impl TenantState {
    /// Returns the state after an event.
    pub(super) fn after(self, event: Event, now: Instant) -> Self {
        let Self { connection, applied } = self;
        match event {
            Event::Applied(applied) => Self { connection, applied: Some(applied) },
            Event::Responded => Self { connection: Connection::Usable, applied },
            Event::NotResponding => Self { connection: Connection::Unresponsive(now), applied },
            Event::KubeconfigFound => Self { connection: connection.with_kubeconfig(), applied },
            Event::KubeconfigMissing(pods) => {
                Self { connection: connection.without_kubeconfig(pods, now), applied }
            }
            Event::Restarted => Self { connection: connection.restarted(), applied },
        }
    }

    /// `true` if nothing is known of the tenant, as of one that is not in the cache.
    pub(super) fn is_initial(&self) -> bool {
        *self == Self::default()
    }

    /// `true` if the tenant API server did not respond recently.
    pub(super) fn is_unresponsive(&self, now: Instant) -> bool {
        matches!(self.connection, Connection::Unresponsive(since) if now - since < UNRESPONSIVE_BACKOFF)
    }

    /// Returns the revision before the application of `desired`, if it was applied recently.
    pub(super) fn revision_of_applied(&self, desired: &Digest, now: Instant) -> Option<Revision> {
        let is_recent =
            |applied: &&AppliedState| applied.desired == *desired && now - applied.at < APPLIED_TTL;
        self.applied.as_ref().filter(is_recent).map(|applied| applied.revision)
    }

    /// Returns the timeout of the missing kubeconfig Secret if it is over, so that the control plane is due for a restart.
    pub(super) fn due_restart(&self, now: Instant) -> Option<Duration> {
        match &self.connection {
            Connection::NoKubeconfig(missing) if now - missing.since >= missing.timeout => {
                Some(missing.timeout)
            }
            _ => None,
        }
    }
}

impl Connection {
    fn with_kubeconfig(self) -> Self {
        match self {
            Self::NoKubeconfig(_) => Self::Usable,
            other => other,
        }
    }

    /// The time counts per set of pods; the back-off of earlier restarts stays.
    fn without_kubeconfig(self, pods: Vec<String>, now: Instant) -> Self {
        Self::NoKubeconfig(match self {
            Self::NoKubeconfig(missing) if missing.pods == pods => missing,
            Self::NoKubeconfig(missing) => MissingKubeconfig { pods, since: now, ..missing },
            Self::Usable | Self::Unresponsive(_) => {
                MissingKubeconfig { pods, since: now, timeout: KUBECONFIG_TIMEOUT }
            }
        })
    }

    fn restarted(self) -> Self {
        match self {
            Self::NoKubeconfig(missing) => {
                let timeout = (2 * missing.timeout).min(MAX_RESTART_BACKOFF);
                Self::NoKubeconfig(MissingKubeconfig { timeout, ..missing })
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = [7; 32];

    fn missing(pods: &[&str], since: Instant, timeout: Duration) -> Connection {
        let pods = pods.iter().map(|pod| (*pod).to_owned()).collect();
        Connection::NoKubeconfig(MissingKubeconfig { pods, since, timeout })
    }

    #[test]
    fn every_event_leads_from_every_state_to_the_documented_one() {
        let start = Instant::now();
        let now = start + Duration::from_secs(1_000);
        let (usable, unresponsive) = (Connection::Usable, Connection::Unresponsive(start));
        let without = missing(&["a"], start, Duration::from_secs(240));
        let fresh = missing(&["a"], now, KUBECONFIG_TIMEOUT);
        let pods =
            |pods: &[&str]| Event::KubeconfigMissing(pods.iter().map(|pod| (*pod).to_owned()).collect());
        let longest = missing(&["a"], start, MAX_RESTART_BACKOFF);
        let table = [
            (&usable, Event::Responded, &usable),
            (&usable, Event::NotResponding, &Connection::Unresponsive(now)),
            (&usable, Event::KubeconfigFound, &usable),
            (&usable, pods(&["a"]), &fresh),
            (&usable, Event::Restarted, &usable),
            (&unresponsive, Event::Responded, &usable),
            (&unresponsive, Event::NotResponding, &Connection::Unresponsive(now)),
            // The Secret says nothing about the responses.
            (&unresponsive, Event::KubeconfigFound, &unresponsive),
            (&unresponsive, pods(&["a"]), &fresh),
            (&unresponsive, Event::Restarted, &unresponsive),
            (&without, Event::Responded, &usable),
            (&without, Event::NotResponding, &Connection::Unresponsive(now)),
            (&without, Event::KubeconfigFound, &usable),
            (&without, pods(&["a"]), &without),
            (&without, pods(&["b"]), &missing(&["b"], now, Duration::from_secs(240))),
            (&without, Event::Restarted, &missing(&["a"], start, Duration::from_secs(480))),
            (&longest, Event::Restarted, &longest),
        ];
        let applied = Some(AppliedState { desired: DIGEST, revision: Revision::default(), at: start });
        for (before, event, after) in table {
            for applied in [None, applied] {
                let state = TenantState { connection: before.clone(), applied };
                let expected = TenantState { connection: after.clone(), applied };
                assert_eq!(state.after(event.clone(), now), expected, "{before:?}, {event:?}");
            }
        }
        for connection in [usable, unresponsive, without] {
            let state = TenantState { connection: connection.clone(), applied: None };
            let later = AppliedState { desired: DIGEST, revision: Revision::default(), at: now };
            let expected = TenantState { connection, applied: Some(later) };
            assert_eq!(state.after(Event::Applied(later), now), expected);
        }
    }

    #[test]
    fn states_end_with_their_time() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let state = |connection| TenantState { connection, applied: None };
        let unresponsive = state(Connection::Unresponsive(start));
        assert!(unresponsive.is_unresponsive(after(4)) && !unresponsive.is_unresponsive(after(5)));
        assert!(!state(Connection::Usable).is_unresponsive(start));
        let without = state(missing(&["a"], start, KUBECONFIG_TIMEOUT));
        assert_eq!(without.due_restart(after(119)), None);
        assert_eq!(without.due_restart(after(120)), Some(KUBECONFIG_TIMEOUT));
        assert_eq!(unresponsive.due_restart(after(9_999)), None);
        let applied = AppliedState { desired: DIGEST, revision: Revision::default(), at: start };
        let applied = TenantState::default().after(Event::Applied(applied), start);
        assert_eq!(applied.revision_of_applied(&DIGEST, after(59)), Some(Revision::default()));
        assert_eq!(applied.revision_of_applied(&DIGEST, after(60)), None);
        assert_eq!(applied.revision_of_applied(&[0; 32], start), None);
        assert!(TenantState::default().is_initial() && !applied.is_initial());
    }
}
