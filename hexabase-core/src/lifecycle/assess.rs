use std::time::Duration;

use jiff::Timestamp;

use super::{Intent, enter_phase, intent};
use crate::backoff;
use crate::clock::{after, truncate_to_microseconds, until};
use crate::error::Error;
use crate::model::{
    Condition, ConditionStatus, Drift, DriftEntry, GitOpsCredentials, OngoingWait, Phase, Usage, Wait,
    WaitReason, Workspace,
};
use crate::provisioner::{Applied, ControlPlaneState, NO_UPGRADE_PATH, Observation};

/// Intervals of the reconciler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconcileIntervals {
    /// Minimum interval between two reconciles of a workspace in transition.
    pub shortest_poll: Duration,
    /// Maximum interval between two reconciles of a workspace in transition. Below it, the interval is a sixteenth of
    /// the duration of the current wait, and at least one of 960 parts of the time in the current phase, so that
    /// clusters that hang do not take workers from others.
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
    /// Credentials of GitOps tools, or the reason for which they were not issued; `None` if nothing was to be done, or if
    /// it was not possible yet.
    pub gitops: Option<Result<GitOpsCredentials, Error>>,
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
        None => apply_success(&mut workspace, outcome, now),
    };
    record_observation(&mut workspace, outcome, now);
    let end_of_revocation = workspace.access_revocations.iter().map(|revocation| revocation.until).min();
    let will_notify = outcome.observation.as_ref().is_some_and(|observation| observation.will_notify);
    // A failed renewal is repeated with the next regular reconcile.
    let issued = outcome.gitops.as_ref().is_none_or(Result::is_ok);
    let renewal = workspace.status.gitops.values().map(|issued_credential| issued_credential.renew_at).min();
    let due = [end_of_revocation, renewal.filter(|at| issued && *at > now)].into_iter().flatten().min();
    workspace.reconcile_at = next_reconcile_at(&workspace, will_notify, intervals, now, random)
        .map(|at| due.map_or(at, |due| at.min(due.max(now))));
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
fn apply_success(workspace: &mut Workspace, outcome: &ReconcileOutcome, now: Timestamp) -> bool {
    workspace.status.failures = 0;
    let Some(observation) = &outcome.observation else { return false };
    let state = &observation.control_plane;
    let (phase, explanation) = match intent(workspace) {
        Intent::Run => running_status(workspace, outcome.applied.as_ref(), state),
        Intent::Suspend => suspended_status(workspace, state),
        Intent::Remove => (Phase::Deleting, Explanation::of(WaitReason::Deleting)),
    };
    explain(workspace, phase, explanation, now);
    if matches!(phase, Phase::Ready | Phase::Suspended) {
        workspace.status.observed_generation = workspace.generation;
        if phase == Phase::Ready {
            workspace.status.kubernetes_version = Some(workspace.kubernetes_version.clone());
        }
    }
    intent(workspace) == Intent::Remove && *state == ControlPlaneState::Absent
}

/// Explanation of a phase.
enum Explanation {
    /// The target state is reached.
    None,
    Wait(Wait),
    /// Reason and message of something other than a wait.
    Reason(String, String),
}

impl Explanation {
    const fn of(reason: WaitReason) -> Self {
        Self::Wait(Wait::new(reason))
    }
}

/// Enters a phase with its explanation. A wait that exceeds its timeout fails the workspace.
fn explain(workspace: &mut Workspace, phase: Phase, explanation: Explanation, now: Timestamp) {
    let was_ready = workspace.status.observed_generation > 0;
    let (phase, waiting, reason, message) = match explanation {
        Explanation::None => (phase, None, String::new(), String::new()),
        Explanation::Reason(reason, message) => (phase, None, reason, message),
        Explanation::Wait(wait) => {
            let ongoing = OngoingWait::next(workspace.status.waiting, wait.reason, now);
            let timed_out = wait.reason.timeout().is_some_and(|timeout| until(ongoing.since, now) >= timeout);
            let phase = match (timed_out, was_ready) {
                (false, _) => phase,
                (true, true) => Phase::Degraded,
                (true, false) => Phase::Failed,
            };
            (phase, Some(ongoing), wait.reason.as_str().to_owned(), wait.message(ongoing.since))
        }
    };
    enter_phase(workspace, phase, now);
    workspace.status.waiting = waiting;
    workspace.status.reason = reason;
    workspace.status.message = message;
}

fn running_status(
    workspace: &Workspace,
    applied: Option<&Applied>,
    state: &ControlPlaneState,
) -> (Phase, Explanation) {
    let was_ready = workspace.status.observed_generation > 0;
    let in_progress = match workspace.status.phase {
        Phase::Suspended | Phase::Suspending | Phase::Resuming => Phase::Resuming,
        _ if !was_ready => Phase::Provisioning,
        Phase::Ready | Phase::Degraded if workspace.is_reconciled() => Phase::Degraded,
        _ => Phase::Updating,
    };
    let obstacle = applied.and_then(|applied| applied.waiting.clone());
    let wait = match state {
        _ if obstacle.is_some() => {
            return (in_progress, obstacle.map_or(Explanation::None, Explanation::Wait));
        }
        ControlPlaneState::Ready => match pending_part(applied) {
            None => return (Phase::Ready, Explanation::None),
            Some(wait) => wait,
        },
        ControlPlaneState::Broken { reason, message } => {
            let phase = if was_ready { Phase::Degraded } else { Phase::Failed };
            return (phase, Explanation::Reason(reason.clone(), message.clone()));
        }
        ControlPlaneState::Starting(wait) => wait.clone(),
        ControlPlaneState::Terminating => Wait::new(WaitReason::NamespaceTerminating),
        ControlPlaneState::Absent => Wait::new(WaitReason::ControlPlaneMissing),
        // It was resumed in this reconcile.
        ControlPlaneState::Stopping | ControlPlaneState::Stopped => Wait::new(WaitReason::PodMissing),
    };
    (in_progress, Explanation::Wait(wait))
}

/// Returns what is missing in a cluster whose control plane is ready.
fn pending_part(applied: Option<&Applied>) -> Option<Wait> {
    let projects = applied.map(|applied| applied.waiting_projects.len()).unwrap_or_default();
    if projects > 0 {
        let detail = format!("{projects} projects wait");
        return Some(Wait::with_detail(WaitReason::ProjectNamespaceTerminating, detail));
    }
    match applied.filter(|applied| applied.tenant) {
        None => Some(Wait::new(WaitReason::TenantNotApplied)),
        Some(applied) => applied.nodes.as_ref()?.waiting.clone(),
    }
}

fn suspended_status(workspace: &Workspace, state: &ControlPlaneState) -> (Phase, Explanation) {
    let phase = match state {
        ControlPlaneState::Stopped | ControlPlaneState::Absent => Phase::Suspended,
        _ => Phase::Suspending,
    };
    let explanation = match (workspace.imposed_suspension(), phase) {
        (Some((reason, message)), _) => Explanation::Reason(reason.to_owned(), message.to_owned()),
        (None, Phase::Suspended) => Explanation::None,
        (None, _) => Explanation::of(WaitReason::Stopping),
    };
    (phase, explanation)
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
    if let Some(applied) = &outcome.applied {
        let earlier = std::mem::take(&mut status.waiting_projects);
        let since = |id| earlier.get(id).copied().unwrap_or(now);
        status.waiting_projects = applied.waiting_projects.iter().map(|id| (*id, since(id))).collect();
    }
    if let Some(nodes) = outcome.applied.as_ref().and_then(|applied| applied.nodes.as_ref()) {
        status.node_pools.clone_from(&nodes.pools);
    }
    if let Some(Ok(issued)) = &outcome.gitops {
        status.gitops.clone_from(issued);
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
    let in_phase = until(workspace.status.phase_since, now);
    // What a workspace waits for next can come soon, however long the wait before took. The time in the phase still
    // bounds the polls of a cluster that keeps changing between two waits.
    let elapsed = match workspace.status.waiting {
        Some(waiting) => until(waiting.since, now).max(in_phase / 60),
        None => in_phase,
    };
    let wait = match workspace.status.phase {
        _ if failures > 0 => backoff::delay(failures, intervals.first_retry, intervals.longest_retry, random),
        Phase::Suspended => return None,
        Phase::Ready => backoff::delay(1, intervals.resync, intervals.resync, random),
        // The cause of a failure can be gone at any time, too, of which the provisioner then notifies.
        Phase::Failed if will_notify => elapsed.max(intervals.notified_poll).min(intervals.resync),
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
        let (reason, message) = match &observation.control_plane {
            ControlPlaneState::Starting(wait) => (wait.reason.to_string(), wait.reason.description()),
            state => (format!("{state:?}").split([' ', '{']).next().unwrap_or_default().to_owned(), ""),
        };
        Condition::set(conditions, "ControlPlaneReady", status_of(up), &reason, message, now);
    }
    let (refused, waiting) = (&status.refused_projects, &status.waiting_projects);
    let (reason, message) = match (refused.values().next(), waiting.values().min()) {
        (Some(message), _) => ("NamespaceTaken", message.clone()),
        (None, Some(since)) => {
            let wait = Wait::new(WaitReason::ProjectNamespaceTerminating);
            (wait.reason.as_str(), wait.message(*since))
        }
        (None, None) => ("Applied", String::new()),
    };
    let are_ready = refused.is_empty() && waiting.is_empty();
    Condition::set(conditions, "ProjectsReady", status_of(are_ready), reason, &message, now);
    set_gitops_condition(workspace, outcome, now);
}

/// Sets the condition of GitOps tools, which a workspace has only with such tools.
fn set_gitops_condition(workspace: &mut Workspace, outcome: &ReconcileOutcome, now: Timestamp) {
    const KIND: &str = "GitOpsReady";
    let conditions = &mut workspace.status.conditions;
    if workspace.gitops.is_empty() && workspace.status.gitops.is_empty() {
        return conditions.retain(|condition| condition.kind != KIND);
    }
    let is_known = conditions.iter().any(|condition| condition.kind == KIND);
    let are_unexpired = workspace.status.gitops.values().all(|issued| now < issued.expires_at);
    let (status, reason, message) = match &outcome.gitops {
        Some(Ok(_)) => (ConditionStatus::True, "Issued".to_owned(), ""),
        Some(Err(error)) => (ConditionStatus::False, reason_of(error), error.message()),
        None if is_known && are_unexpired => return,
        None => {
            let message = "the credentials are issued once the tenant API server responds";
            (ConditionStatus::False, "Pending".to_owned(), message)
        }
    };
    Condition::set(conditions, KIND, status, &reason, message, now);
}
