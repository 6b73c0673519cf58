use std::time::Duration;

use jiff::Timestamp;

use super::{Intent, enter_phase, intent};
use crate::backoff;
use crate::clock::{after, truncate_to_microseconds, until};
use crate::error::Error;
use crate::model::{
    BillingSuspension, Condition, ConditionStatus, Drift, DriftEntry, Phase, Usage, Workspace,
};
use crate::provisioner::{Applied, ControlPlaneState, NO_UPGRADE_PATH, Observation};

/// Intervals of the reconciler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileIntervals {
    /// Minimum interval between two reconciles of a workspace in transition.
    pub shortest_poll: Duration,
    /// Maximum interval between two reconciles of a workspace in transition. Below it, the interval is a sixteenth of
    /// the time in the current phase, so that clusters that hang do not take workers from others.
    pub longest_poll: Duration,
    /// Minimum interval while the provisioner notifies of the next progress. Up to [`Self::longest_poll`], the
    /// interval is the time in the current phase: not every failure is notified.
    pub notified_poll: Duration,
    /// Wait after the first failure; doubles with each further failure.
    pub first_retry: Duration,
    /// Maximum wait after a failure.
    pub longest_retry: Duration,
    /// Interval between two reconciles of a workspace in its target state, to find drift.
    pub resync: Duration,
    /// Consecutive failures after which a workspace that was ready becomes degraded.
    pub failures_until_degraded: u32,
}

impl Default for ReconcileIntervals {
    fn default() -> Self {
        Self {
            shortest_poll: Duration::from_millis(50),
            longest_poll: Duration::from_secs(60),
            notified_poll: Duration::from_secs(5),
            first_retry: Duration::from_millis(500),
            longest_retry: Duration::from_secs(300),
            resync: Duration::from_secs(300),
            failures_until_degraded: 3,
        }
    }
}

/// Outcome of one reconcile.
#[derive(Debug, Default)]
pub struct ReconcileOutcome {
    /// Observed state of the cluster; `None` if the observation failed or was not reached.
    pub observation: Option<Observation>,
    /// Result of applying the desired state; `None` if nothing was applied.
    pub applied: Option<Applied>,
    /// Differences found before applying; `None` if the cluster was not compared.
    pub drift: Option<Vec<DriftEntry>>,
    /// Failure; `None` if the reconcile succeeded.
    pub error: Option<Error>,
}

impl ReconcileOutcome {
    /// Outcome for a cluster known to be unchanged; nothing was compared.
    #[must_use]
    pub fn unchanged(observation: Observation) -> Self {
        Self { observation: Some(observation), applied: Some(Applied::complete()), ..Self::default() }
    }
}

/// Result of [`assess`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// Workspace with its new status and the time of its next reconcile.
    pub workspace: Workspace,
    /// `true` if the cluster is gone and the workspace's records can be deleted.
    pub gone: bool,
}

/// Derives the status of a workspace and the time of its next reconcile from the outcome of a reconcile. `random`
/// spreads the reconciles.
#[must_use]
pub fn assess(
    before: &Workspace,
    outcome: &ReconcileOutcome,
    intervals: &ReconcileIntervals,
    now: Timestamp,
    random: u64,
) -> Assessment {
    let mut workspace = before.clone();
    let gone = match &outcome.error {
        Some(error) => {
            apply_failure(&mut workspace, error, intervals, now);
            false
        }
        None => apply_success(&mut workspace, outcome, intervals, now),
    };
    record_observation(&mut workspace, outcome, now);
    let end_of_revocation = workspace.access_revocations.iter().map(|revocation| revocation.until).min();
    let will_notify = outcome.observation.as_ref().is_some_and(|observation| observation.will_notify);
    workspace.reconcile_at = next_reconcile_at(&workspace, will_notify, intervals, now, random)
        .map(|at| end_of_revocation.map_or(at, |end| at.min(end.max(now))));
    set_conditions(&mut workspace, outcome, now);
    Assessment { workspace, gone }
}

fn apply_failure(workspace: &mut Workspace, error: &Error, intervals: &ReconcileIntervals, now: Timestamp) {
    workspace.status.failures = workspace.status.failures.saturating_add(1);
    let was_ready = workspace.status.observed_generation > 0;
    let phase = match workspace.status.phase {
        Phase::Deleting => Phase::Deleting,
        _ if !error.is_retryable() => Phase::Failed,
        Phase::Ready | Phase::Updating
            if was_ready && workspace.status.failures >= intervals.failures_until_degraded =>
        {
            Phase::Degraded
        }
        Phase::Pending => Phase::Provisioning,
        current => current,
    };
    enter_phase(workspace, phase, now);
    if error.code() == NO_UPGRADE_PATH {
        // The running version is not the recorded one, for example after the database was restored from a backup.
        workspace.status.kubernetes_version = None;
    }
    workspace.status.reason = reason_of(error);
    workspace.status.message = error.message().to_owned();
}

/// Error code in the form of Kubernetes reasons: `quota_exceeded` becomes `QuotaExceeded`.
fn reason_of(error: &Error) -> String {
    let capitalised = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    error.code().split('_').map(capitalised).collect()
}

/// Applies a reconcile without failure. Returns `true` if the cluster is gone.
fn apply_success(
    workspace: &mut Workspace,
    outcome: &ReconcileOutcome,
    intervals: &ReconcileIntervals,
    now: Timestamp,
) -> bool {
    workspace.status.failures = 0;
    let Some(observation) = &outcome.observation else { return false };
    let state = &observation.control_plane;
    if intent(workspace) == Intent::Remove {
        enter_phase(workspace, Phase::Deleting, now);
        return *state == ControlPlaneState::Absent;
    }
    let (phase, reason, message) = match intent(workspace) {
        Intent::Run => running_status(workspace, outcome.applied.as_ref(), state),
        Intent::Suspend | Intent::Remove => suspended_status(workspace, state),
    };
    let overdue = until(workspace.status.phase_since, now) > intervals.longest_retry;
    if matches!(phase, Phase::Ready | Phase::Suspended) {
        workspace.status.observed_generation = workspace.generation;
        if phase == Phase::Ready {
            workspace.status.kubernetes_version = Some(workspace.kubernetes_version.clone());
        }
    } else if phase == workspace.status.phase && overdue && message.is_empty() {
        workspace.status.message =
            "takes longer than expected; the cause is in the operator's logs".to_owned();
        return false;
    }
    enter_phase(workspace, phase, now);
    workspace.status.reason = reason;
    workspace.status.message = message;
    false
}

fn running_status(
    workspace: &Workspace,
    applied: Option<&Applied>,
    state: &ControlPlaneState,
) -> (Phase, String, String) {
    let was_ready = workspace.status.observed_generation > 0;
    let in_progress = match workspace.status.phase {
        Phase::Suspended | Phase::Suspending | Phase::Resuming => Phase::Resuming,
        _ if !was_ready => Phase::Provisioning,
        Phase::Ready | Phase::Degraded if workspace.is_reconciled() => Phase::Degraded,
        _ => Phase::Updating,
    };
    let tenant = applied.is_some_and(|applied| applied.tenant);
    let waiting = applied.and_then(|applied| applied.nodes.as_ref()?.waiting.as_ref());
    match state {
        ControlPlaneState::Ready if tenant => match waiting {
            None => (Phase::Ready, String::new(), String::new()),
            Some((reason, message)) => (in_progress, reason.clone(), message.clone()),
        },
        ControlPlaneState::Ready => (in_progress, "ApplyingTenant".to_owned(), String::new()),
        ControlPlaneState::Broken { reason, message } => {
            (if was_ready { Phase::Degraded } else { Phase::Failed }, reason.clone(), message.clone())
        }
        ControlPlaneState::Starting { message } => {
            (in_progress, "ControlPlaneStarting".to_owned(), message.clone())
        }
        _ => (in_progress, "ControlPlaneNotReady".to_owned(), String::new()),
    }
}

fn suspended_status(workspace: &Workspace, state: &ControlPlaneState) -> (Phase, String, String) {
    let phase = match state {
        ControlPlaneState::Stopped | ControlPlaneState::Absent => Phase::Suspended,
        _ => Phase::Suspending,
    };
    let suspension_text = |text: fn(BillingSuspension) -> &'static str| {
        workspace.suspension_reason.map(text).unwrap_or_default().to_owned()
    };
    (phase, suspension_text(BillingSuspension::reason), suspension_text(BillingSuspension::message))
}

/// Copies observed facts into the status, independent of the phase.
fn record_observation(workspace: &mut Workspace, outcome: &ReconcileOutcome, now: Timestamp) {
    let status = &mut workspace.status;
    if let Some(observation) = &outcome.observation {
        if observation.api_endpoint.is_some() {
            status.api_endpoint.clone_from(&observation.api_endpoint);
            status.certificate_authority.clone_from(&observation.certificate_authority);
        }
        if let Some(used) = &observation.usage {
            let projects = observation.project_usage.clone();
            status.usage = Some(Usage { observed_at: now, workspace: used.clone(), projects });
        }
    }
    if let Some(applied) = outcome.applied.as_ref().filter(|applied| applied.tenant) {
        status.refused_projects.clone_from(&applied.refused_projects);
    }
    if let Some(nodes) = outcome.applied.as_ref().and_then(|applied| applied.nodes.as_ref()) {
        status.node_pools.clone_from(&nodes.pools);
    }
    if let Some(entries) = &outcome.drift {
        status.drift = Some(Drift { checked_at: now, entries: entries.clone() });
    }
}

fn next_reconcile_at(
    workspace: &Workspace,
    will_notify: bool,
    intervals: &ReconcileIntervals,
    now: Timestamp,
    random: u64,
) -> Option<Timestamp> {
    let failures = workspace.status.failures;
    let elapsed = until(workspace.status.phase_since, now);
    let wait = match workspace.status.phase {
        _ if failures > 0 => backoff::delay(failures, intervals.first_retry, intervals.longest_retry, random),
        Phase::Suspended => return None,
        // Failed workspaces are retried as well: the cause may be gone.
        Phase::Ready | Phase::Failed => backoff::delay(1, intervals.resync, intervals.resync, random),
        _ if will_notify => elapsed.max(intervals.notified_poll).min(intervals.longest_poll),
        _ => backoff::poll(elapsed, intervals.shortest_poll, intervals.longest_poll),
    };
    Some(truncate_to_microseconds(after(now, wait)))
}

fn set_conditions(workspace: &mut Workspace, outcome: &ReconcileOutcome, now: Timestamp) {
    let status = &mut workspace.status;
    let conditions = &mut status.conditions;
    let status_of = |holds: bool| if holds { ConditionStatus::True } else { ConditionStatus::False };
    let reason_or =
        |reason: &str, other: &str| if reason.is_empty() { other.to_owned() } else { reason.to_owned() };

    let ready = status.phase == Phase::Ready;
    let reason = match status.phase {
        Phase::Ready => "Ready",
        Phase::Suspended => "Suspended",
        _ => "InProgress",
    };
    let reason = reason_or(&status.reason, reason);
    Condition::set(conditions, "Ready", status_of(ready), &reason, &status.message, now);

    let synced = status.failures == 0 && status.observed_generation == workspace.generation;
    let reason =
        reason_or(if synced { "" } else { &status.reason }, if synced { "Synced" } else { "InProgress" });
    Condition::set(
        conditions,
        "Synced",
        status_of(synced),
        &reason,
        if synced { "" } else { &status.message },
        now,
    );

    if let Some(observation) = &outcome.observation {
        let up = observation.control_plane == ControlPlaneState::Ready;
        let reason = format!("{:?}", observation.control_plane);
        let reason = reason.split([' ', '{']).next().unwrap_or_default();
        Condition::set(conditions, "ControlPlaneReady", status_of(up), reason, "", now);
    }
    let refused = &status.refused_projects;
    let message = refused.values().next().map(String::as_str).unwrap_or_default();
    let reason = if refused.is_empty() { "Applied" } else { "NamespaceTaken" };
    Condition::set(conditions, "ProjectsReady", status_of(refused.is_empty()), reason, message, now);
}
