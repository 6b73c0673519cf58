use std::time::Duration;

use jiff::Timestamp;

use super::{Intent, enter, intent};
use crate::backoff;
use crate::clock::{after, until, whole_microseconds};
use crate::error::Error;
use crate::model::{Condition, ConditionStatus, Drift, DriftEntry, Hold, Phase, Usage, Workspace};
use crate::provisioner::{Applied, ControlPlaneState, NO_UPGRADE_PATH, Observation};

/// How often to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest time between two looks at something that is under way.
    pub shortest_poll: Duration,
    /// The longest time between two looks at something that is under way. Until then it is a sixteenth of the time that it
    /// has been under way, so that clusters which hang do not take the workers' time from others.
    pub longest_poll: Duration,
    /// The shortest time between two looks at something under way that announces when it gets further. Until the longest it is
    /// as long again as it has been under way: not everything that may be amiss is announced.
    pub announced_poll: Duration,
    /// The wait after the first failure; it doubles with every further one.
    pub first_retry: Duration,
    /// The longest wait after failures.
    pub longest_retry: Duration,
    /// The time between two looks at something that is as it should be, to find drift.
    pub resync: Duration,
    /// After how many failures in a row a workspace that worked counts as degraded.
    pub failures_until_degraded: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            shortest_poll: Duration::from_millis(50),
            longest_poll: Duration::from_secs(60),
            announced_poll: Duration::from_secs(5),
            first_retry: Duration::from_millis(500),
            longest_retry: Duration::from_secs(300),
            resync: Duration::from_secs(300),
            failures_until_degraded: 3,
        }
    }
}

/// What one look brought.
#[derive(Debug, Default)]
pub struct Seen {
    /// What there was, if that could be found out.
    pub observation: Option<Observation>,
    /// What was applied, if anything was.
    pub applied: Option<Applied>,
    /// What differed before it was applied, if that was compared.
    pub drift: Option<Vec<DriftEntry>>,
    /// What went wrong, if something did.
    pub error: Option<Error>,
}

impl Seen {
    /// What a look brought of which it was known beforehand that everything is as it should be: nothing was compared anew.
    #[must_use]
    pub fn unchanged(observation: Observation) -> Self {
        Self { observation: Some(observation), applied: Some(Applied::everything()), ..Self::default() }
    }
}

/// What follows from a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The workspace with its new status and the time of the next look.
    pub workspace: Workspace,
    /// Whether the cluster is gone and the workspace can be forgotten.
    pub gone: bool,
}

/// What a look says about a workspace, and when to look again. `random` spreads the looks.
#[must_use]
pub fn assess(before: &Workspace, seen: &Seen, pace: &Pace, now: Timestamp, random: u64) -> Assessment {
    let mut workspace = before.clone();
    let gone = match &seen.error {
        Some(error) => {
            failed(&mut workspace, error, pace, now);
            false
        }
        None => succeeded(&mut workspace, seen, pace, now),
    };
    record(&mut workspace, seen, now);
    let end_of_cut = workspace.cuts.iter().map(|cut| cut.until).min();
    let announced = seen.observation.as_ref().is_some_and(|observation| observation.announced);
    workspace.reconcile_at = next_look(&workspace, announced, pace, now, random)
        .map(|at| end_of_cut.map_or(at, |end| at.min(end.max(now))));
    set_conditions(&mut workspace, seen, now);
    Assessment { workspace, gone }
}

fn failed(workspace: &mut Workspace, error: &Error, pace: &Pace, now: Timestamp) {
    workspace.status.failures = workspace.status.failures.saturating_add(1);
    let worked = workspace.status.observed_generation > 0;
    let phase = match workspace.status.phase {
        Phase::Deleting => Phase::Deleting,
        _ if !error.is_retryable() => Phase::Failed,
        Phase::Ready | Phase::Updating
            if worked && workspace.status.failures >= pace.failures_until_degraded =>
        {
            Phase::Degraded
        }
        Phase::Pending => Phase::Provisioning,
        current => current,
    };
    enter(workspace, phase, now);
    if error.code() == NO_UPGRADE_PATH {
        // Something else runs than is known here, such as after a database came from a backup.
        workspace.status.kubernetes_version = None;
    }
    workspace.status.reason = reason_of(error);
    workspace.status.message = error.message().to_owned();
}

/// The error's code as Kubernetes writes reasons: `quota_exceeded` is `QuotaExceeded`.
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

/// Whether the cluster is gone.
fn succeeded(workspace: &mut Workspace, seen: &Seen, pace: &Pace, now: Timestamp) -> bool {
    workspace.status.failures = 0;
    let Some(observation) = &seen.observation else { return false };
    let state = &observation.control_plane;
    if intent(workspace) == Intent::Remove {
        enter(workspace, Phase::Deleting, now);
        return *state == ControlPlaneState::Absent;
    }
    let (phase, reason, message) = match intent(workspace) {
        Intent::Run => running(workspace, seen.applied.as_ref(), state),
        Intent::Sleep | Intent::Remove => sleeping(workspace, state),
    };
    let overdue = until(workspace.status.phase_since, now) > pace.longest_retry;
    if matches!(phase, Phase::Ready | Phase::Suspended) {
        workspace.status.observed_generation = workspace.generation;
        if phase == Phase::Ready {
            workspace.status.kubernetes_version = Some(workspace.kubernetes_version.clone());
        }
    } else if phase == workspace.status.phase && overdue && message.is_empty() {
        workspace.status.message =
            "this takes longer than it should; operators can see why in the logs".to_owned();
        return false;
    }
    enter(workspace, phase, now);
    workspace.status.reason = reason;
    workspace.status.message = message;
    false
}

fn running(
    workspace: &Workspace,
    applied: Option<&Applied>,
    state: &ControlPlaneState,
) -> (Phase, String, String) {
    let worked = workspace.status.observed_generation > 0;
    let under_way = match workspace.status.phase {
        Phase::Suspended | Phase::Suspending | Phase::Resuming => Phase::Resuming,
        _ if !worked => Phase::Provisioning,
        Phase::Ready | Phase::Degraded if workspace.is_settled() => Phase::Degraded,
        _ => Phase::Updating,
    };
    let tenant = applied.is_some_and(|applied| applied.tenant);
    let waiting = applied.and_then(|applied| applied.nodes.as_ref()?.waiting.as_ref());
    match state {
        ControlPlaneState::Ready if tenant => match waiting {
            None => (Phase::Ready, String::new(), String::new()),
            Some((reason, message)) => (under_way, reason.clone(), message.clone()),
        },
        ControlPlaneState::Ready => (under_way, "ApplyingTenant".to_owned(), String::new()),
        ControlPlaneState::Broken { reason, message } => {
            (if worked { Phase::Degraded } else { Phase::Failed }, reason.clone(), message.clone())
        }
        ControlPlaneState::Starting { message } => {
            (under_way, "ControlPlaneStarting".to_owned(), message.clone())
        }
        _ => (under_way, "ControlPlaneNotReady".to_owned(), String::new()),
    }
}

fn sleeping(workspace: &Workspace, state: &ControlPlaneState) -> (Phase, String, String) {
    let phase = match state {
        ControlPlaneState::Stopped | ControlPlaneState::Absent => Phase::Suspended,
        _ => Phase::Suspending,
    };
    let why = |text: fn(Hold) -> &'static str| workspace.held.map(text).unwrap_or_default().to_owned();
    (phase, why(Hold::reason), why(Hold::message))
}

/// Notes what was found out, whatever follows from it.
fn record(workspace: &mut Workspace, seen: &Seen, now: Timestamp) {
    let status = &mut workspace.status;
    if let Some(observation) = &seen.observation {
        if observation.api_endpoint.is_some() {
            status.api_endpoint.clone_from(&observation.api_endpoint);
            status.certificate_authority.clone_from(&observation.certificate_authority);
        }
        if let Some(used) = &observation.usage {
            let projects = observation.project_usage.clone();
            status.usage = Some(Usage { observed_at: now, workspace: used.clone(), projects });
        }
    }
    if let Some(applied) = seen.applied.as_ref().filter(|applied| applied.tenant) {
        status.refused_projects.clone_from(&applied.refused_projects);
    }
    if let Some(nodes) = seen.applied.as_ref().and_then(|applied| applied.nodes.as_ref()) {
        status.node_pools.clone_from(&nodes.pools);
    }
    if let Some(entries) = &seen.drift {
        status.drift = Some(Drift { checked_at: now, entries: entries.clone() });
    }
}

fn next_look(
    workspace: &Workspace,
    announced: bool,
    pace: &Pace,
    now: Timestamp,
    random: u64,
) -> Option<Timestamp> {
    let failures = workspace.status.failures;
    let elapsed = until(workspace.status.phase_since, now);
    let wait = match workspace.status.phase {
        _ if failures > 0 => backoff::delay(failures, pace.first_retry, pace.longest_retry, random),
        Phase::Suspended => return None,
        // Failed is looked at again as well: what stood in the way may be gone.
        Phase::Ready | Phase::Failed => backoff::delay(1, pace.resync, pace.resync, random),
        _ if announced => elapsed.max(pace.announced_poll).min(pace.longest_poll),
        _ => backoff::poll(elapsed, pace.shortest_poll, pace.longest_poll),
    };
    Some(whole_microseconds(after(now, wait)))
}

fn set_conditions(workspace: &mut Workspace, seen: &Seen, now: Timestamp) {
    let status = &mut workspace.status;
    let conditions = &mut status.conditions;
    let is = |fine: bool| if fine { ConditionStatus::True } else { ConditionStatus::False };
    let or = |reason: &str, other: &str| if reason.is_empty() { other.to_owned() } else { reason.to_owned() };

    let ready = status.phase == Phase::Ready;
    let reason = match status.phase {
        Phase::Ready => "Ready",
        Phase::Suspended => "Suspended",
        _ => "InProgress",
    };
    let reason = or(&status.reason, reason);
    Condition::set(conditions, "Ready", is(ready), &reason, &status.message, now);

    let synced = status.failures == 0 && status.observed_generation == workspace.generation;
    let reason = or(if synced { "" } else { &status.reason }, if synced { "Synced" } else { "InProgress" });
    Condition::set(conditions, "Synced", is(synced), &reason, if synced { "" } else { &status.message }, now);

    if let Some(observation) = &seen.observation {
        let up = observation.control_plane == ControlPlaneState::Ready;
        let reason = format!("{:?}", observation.control_plane);
        let reason = reason.split([' ', '{']).next().unwrap_or_default();
        Condition::set(conditions, "ControlPlaneReady", is(up), reason, "", now);
    }
    let refused = &status.refused_projects;
    let message = refused.values().next().map(String::as_str).unwrap_or_default();
    let reason = if refused.is_empty() { "Applied" } else { "NamespaceTaken" };
    Condition::set(conditions, "ProjectsReady", is(refused.is_empty()), reason, message, now);
}
