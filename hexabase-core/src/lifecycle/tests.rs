use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::error::Error;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{StepState, TaskKind, TaskState, Wait, WaitReason};
use crate::name::KubernetesVersion;
use crate::provisioner::{Applied, NO_UPGRADE_PATH, Observation};

pub(super) fn at(seconds: i64) -> Timestamp {
    FIXTURE_TIME + SignedDuration::from_secs(seconds)
}

pub(super) fn observed(state: ControlPlaneState, tenant: Option<bool>) -> ReconcileOutcome {
    ReconcileOutcome {
        observation: Some(Observation::of(state)),
        applied: tenant.map(|tenant| Applied { tenant, ..Applied::default() }),
        ..ReconcileOutcome::default()
    }
}

fn starting() -> ControlPlaneState {
    ControlPlaneState::Starting(Wait::new(WaitReason::KubeconfigPending))
}

pub(super) fn after(workspace: &Workspace, observed: &ReconcileOutcome, now: Timestamp) -> Workspace {
    assess(workspace, observed, &ReconcileIntervals::default(), now, 0).workspace
}

pub(super) fn ready() -> Workspace {
    after(&fixture::workspace("dev"), &observed(ControlPlaneState::Ready, Some(true)), at(1))
}

#[test]
fn a_new_workspace_goes_through_provisioning_to_ready() {
    let workspace = fixture::workspace("dev");
    let provisioning = after(&workspace, &observed(ControlPlaneState::Absent, Some(false)), at(1));
    assert_eq!(provisioning.status.phase, Phase::Provisioning);
    let waiting = after(&provisioning, &observed(ControlPlaneState::Ready, Some(false)), at(2));
    assert_eq!(
        (waiting.status.phase, waiting.status.reason.as_str()),
        (Phase::Provisioning, "TenantNotApplied")
    );
    let ready = after(&waiting, &observed(ControlPlaneState::Ready, Some(true)), at(3));
    assert_eq!((ready.status.phase, ready.status.observed_generation), (Phase::Ready, 1));
    assert_eq!(ready.status.phase_since, at(3));
    let condition = ready.status.conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Ready"));
}

#[test]
fn the_observed_version_is_recorded_once_the_workspace_is_ready() {
    let version = |text| KubernetesVersion::parse(text).unwrap();
    let mut workspace = fixture::workspace("dev");
    let starting = after(&workspace, &observed(starting(), Some(false)), at(1));
    assert_eq!(starting.status.kubernetes_version, None);
    workspace = after(&starting, &observed(ControlPlaneState::Ready, Some(true)), at(2));
    assert_eq!(workspace.status.kubernetes_version, Some(version("1.36")));
    workspace.kubernetes_version = version("1.37");
    bump_generation(&mut workspace, at(3));
    workspace.power = Power::Suspended;
    let suspended = after(&workspace, &observed(ControlPlaneState::Stopped, None), at(4));
    assert_eq!(suspended.status.phase, Phase::Suspended);
    assert_eq!(suspended.status.kubernetes_version, Some(version("1.36")), "the new version never ran");
    let error = Some(Error::conflict(NO_UPGRADE_PATH, "runs something newer"));
    let lost = after(&suspended, &ReconcileOutcome { error, ..ReconcileOutcome::default() }, at(5));
    assert_eq!((lost.status.phase, lost.status.reason.as_str()), (Phase::Failed, "NoUpgradePath"));
    assert_eq!(lost.status.kubernetes_version, None, "the running version is unknown");
}

#[test]
fn a_new_generation_changes_the_phase_at_once() {
    let mut workspace = ready();
    bump_generation(&mut workspace, at(5));
    assert_eq!((workspace.generation, workspace.status.phase), (2, Phase::Updating));
    assert_eq!(workspace.reconcile_at, Some(at(5)));
    workspace.power = Power::Suspended;
    bump_generation(&mut workspace, at(6));
    assert_eq!(workspace.status.phase, Phase::Suspending);
    workspace.deletion_requested_at = Some(at(7));
    bump_generation(&mut workspace, at(7));
    assert_eq!(workspace.status.phase, Phase::Deleting);
}

#[test]
fn suspension_and_resumption_follow_the_desired_power() {
    let mut workspace = ready();
    workspace.power = Power::Suspended;
    bump_generation(&mut workspace, at(2));
    assert_eq!(next_operation(&workspace, &ControlPlaneState::Ready), Operation::Suspend);
    let suspending = after(&workspace, &observed(ControlPlaneState::Stopping, None), at(3));
    assert_eq!(suspending.status.phase, Phase::Suspending);
    let mut suspended = after(&suspending, &observed(ControlPlaneState::Stopped, None), at(4));
    assert_eq!((suspended.status.phase, suspended.reconcile_at), (Phase::Suspended, None));
    assert!(suspended.is_reconciled(), "suspension is the desired state");
    assert_eq!(next_operation(&suspended, &ControlPlaneState::Stopped), Operation::Nothing);

    suspended.power = Power::Running;
    bump_generation(&mut suspended, at(5));
    assert_eq!(suspended.status.phase, Phase::Resuming);
    assert_eq!(next_operation(&suspended, &ControlPlaneState::Stopped), Operation::ResumeAndApply);
    let resuming = after(&suspended, &observed(starting(), Some(false)), at(6));
    assert_eq!(resuming.status.phase, Phase::Resuming);
    assert_eq!(
        after(&resuming, &observed(ControlPlaneState::Ready, Some(true)), at(7)).status.phase,
        Phase::Ready
    );
}

#[test]
fn deletion_is_repeated_until_the_cluster_is_gone() {
    let mut workspace = ready();
    workspace.deletion_requested_at = Some(at(2));
    bump_generation(&mut workspace, at(2));
    for state in [ControlPlaneState::Ready, ControlPlaneState::Stopped, ControlPlaneState::Terminating] {
        assert_eq!(next_operation(&workspace, &state), Operation::Delete);
        assert!(!assess(&workspace, &observed(state, None), &ReconcileIntervals::default(), at(3), 0).gone);
    }
    let last = assess(
        &workspace,
        &observed(ControlPlaneState::Absent, None),
        &ReconcileIntervals::default(),
        at(4),
        0,
    );
    assert!(last.gone);
}

#[test]
fn a_terminating_cluster_is_not_applied() {
    assert_eq!(next_operation(&ready(), &ControlPlaneState::Terminating), Operation::Nothing);
    assert_eq!(next_operation(&ready(), &ControlPlaneState::Absent), Operation::Apply);
}

#[test]
fn a_failed_renewal_is_repeated_with_the_regular_reconcile() {
    use crate::model::{GitOpsCredential, GitOpsTool};
    use crate::name::HostNamespace;
    let mut workspace = ready();
    let namespace = HostNamespace::parse("argocd").unwrap();
    workspace.status.gitops.insert(GitOpsTool::ArgoCd, GitOpsCredential::unknown(namespace, at(100)));
    let next = |gitops| {
        let outcome = ReconcileOutcome { gitops, ..observed(ControlPlaneState::Ready, Some(true)) };
        after(&workspace, &outcome, at(60))
    };
    let regular = next(Some(Err(Error::unavailable("the tenant does not respond"))));
    assert!(regular.reconcile_at.unwrap() > at(180), "{:?}", regular.reconcile_at);
    assert_eq!(regular.status.phase, Phase::Ready, "nothing else depends on the credentials");
    let condition =
        regular.status.conditions.iter().find(|condition| condition.kind == "GitOpsReady").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "Unavailable"));
    assert_eq!(next(None).reconcile_at, Some(at(100)));
}

#[test]
fn the_condition_of_gitops_tools_is_not_true_with_an_expired_credential() {
    use crate::model::{GitOpsCredential, GitOpsTool};
    use crate::name::HostNamespace;
    let namespace = HostNamespace::parse("argocd").unwrap();
    let credential = GitOpsCredential { expires_at: at(100), ..GitOpsCredential::unknown(namespace, at(90)) };
    let issued = [(GitOpsTool::ArgoCd, credential)].into_iter().collect();
    let mut workspace = ready();
    workspace.status.gitops.clone_from(&issued);
    let outcome =
        ReconcileOutcome { gitops: Some(Ok(issued)), ..observed(ControlPlaneState::Ready, Some(true)) };
    workspace = after(&workspace, &outcome, at(60));
    for (now, expected) in [(60, ("True", "Issued")), (99, ("True", "Issued")), (100, ("False", "Pending"))] {
        workspace = after(&workspace, &failing(Error::unavailable("the host is down")), at(now));
        let condition =
            workspace.status.conditions.iter().find(|condition| condition.kind == "GitOpsReady").unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), expected, "{now}");
    }
}

fn failing(error: Error) -> ReconcileOutcome {
    ReconcileOutcome { error: Some(error), ..ReconcileOutcome::default() }
}

#[test]
fn transient_failures_are_retried_with_back_off_and_degrade_a_ready_workspace() {
    let intervals = ReconcileIntervals::default();
    let mut workspace = ready();
    let mut last = Duration::ZERO;
    for failure in 1..=6 {
        workspace =
            assess(&workspace, &failing(Error::unavailable("the host is down")), &intervals, at(9), u64::MAX)
                .workspace;
        let wait = crate::clock::until(at(9), workspace.reconcile_at.unwrap());
        assert!(wait > last / 2, "{wait:?} after {last:?}");
        last = wait;
        let expected = if failure < 3 { Phase::Ready } else { Phase::Degraded };
        assert_eq!(workspace.status.phase, expected, "after {failure} failures");
    }
    assert_eq!(workspace.status.message, "the host is down");
    let healed = after(&workspace, &observed(ControlPlaneState::Ready, Some(true)), at(99));
    assert_eq!(
        (healed.status.phase, healed.status.failures, healed.status.message.as_str()),
        (Phase::Ready, 0, "")
    );
}

#[test]
fn a_permanent_failure_sets_a_reason_and_is_still_retried() {
    let workspace = fixture::workspace("dev");
    let failed =
        after(&workspace, &failing(Error::conflict("not_ours", "namespace has another owner")), at(1));
    assert_eq!((failed.status.phase, failed.status.reason.as_str()), (Phase::Failed, "NotOurs"));
    assert!(failed.reconcile_at.is_some());
    let mut changed = failed;
    bump_generation(&mut changed, at(2));
    assert_eq!((changed.status.phase, changed.status.reason.as_str()), (Phase::Provisioning, ""));
}

#[test]
fn a_broken_control_plane_degrades_its_workspace() {
    let broken =
        ControlPlaneState::Broken { reason: "CrashLoop".to_owned(), message: "see the logs".to_owned() };
    assert_eq!(after(&ready(), &observed(broken.clone(), Some(false)), at(9)).status.phase, Phase::Degraded);
    let never_up = after(&fixture::workspace("dev"), &observed(broken, Some(false)), at(9));
    assert_eq!((never_up.status.phase, never_up.status.reason.as_str()), (Phase::Failed, "CrashLoop"));
    let down = after(&ready(), &observed(starting(), Some(false)), at(9));
    assert_eq!(
        down.status.phase,
        Phase::Degraded,
        "the desired state is unchanged, and the control plane is down"
    );
}

#[test]
fn the_poll_interval_grows_with_the_time_in_the_phase() {
    let intervals = ReconcileIntervals::default();
    let mut workspace = after(&fixture::workspace("dev"), &observed(starting(), Some(false)), FIXTURE_TIME);
    let wait = |workspace: &Workspace, now| crate::clock::until(now, workspace.reconcile_at.unwrap());
    assert_eq!(wait(&workspace, FIXTURE_TIME), intervals.shortest_poll);
    workspace = after(&workspace, &observed(starting(), Some(false)), at(3_600));
    assert_eq!(wait(&workspace, at(3_600)), intervals.longest_poll);
    assert!(workspace.status.message.contains("since 20"), "{}", workspace.status.message);
}

#[test]
fn a_notifying_provisioner_is_polled_less_often() {
    let intervals = ReconcileIntervals::default();
    let will_notify = ReconcileOutcome {
        observation: Some(Observation::of(starting()).will_notify()),
        ..observed(starting(), Some(false))
    };
    let wait = |workspace: &Workspace, now| crate::clock::until(now, workspace.reconcile_at.unwrap());
    let mut workspace = after(&fixture::workspace("dev"), &will_notify, FIXTURE_TIME);
    assert_eq!(wait(&workspace, FIXTURE_TIME), intervals.notified_poll);
    workspace = after(&workspace, &will_notify, at(20));
    assert_eq!(wait(&workspace, at(20)), Duration::from_secs(20));
    workspace = after(&workspace, &will_notify, at(3_600));
    assert_eq!(wait(&workspace, at(3_600)), intervals.longest_poll);
    let failed = ReconcileOutcome { error: Some(Error::unavailable("the host is down")), ..will_notify };
    workspace = after(&workspace, &failed, at(3_601));
    assert!(
        wait(&workspace, at(3_601)) <= intervals.first_retry,
        "the provisioner does not notify that the host is back"
    );
}

#[test]
fn a_task_shows_its_steps_and_ends_with_its_generation() {
    let workspace = fixture::workspace("dev");
    let task = new_task(fixture::id("t"), &workspace, TaskKind::Create, fixture::id("ann"), FIXTURE_TIME);
    let states = |task: &crate::model::Task| task.steps.iter().map(|step| step.state).collect::<Vec<_>>();

    let first = observed(ControlPlaneState::Absent, Some(false));
    let started = after(&workspace, &first, at(1));
    let task = advance_task(&task, &started, Progress::of(&first), at(1)).unwrap();
    assert_eq!(states(&task), [StepState::Completed, StepState::Running, StepState::Waiting]);
    assert_eq!(task.state, TaskState::Running);
    assert_eq!(advance_task(&task, &started, Progress::of(&first), at(2)), None, "no progress");

    let last = observed(ControlPlaneState::Ready, Some(true));
    let ready = after(&started, &last, at(3));
    let done = advance_task(&task, &ready, Progress::of(&last), at(3)).unwrap();
    assert_eq!((done.state, done.finished_at), (TaskState::Succeeded, Some(at(3))));
    assert_eq!(states(&done), [StepState::Completed; 3]);

    let newer = crate::model::Task { generation: 2, ..task };
    assert!(advance_task(&newer, &ready, Progress::of(&last), at(3)).is_none_or(|task| task.state.is_open()));
}

#[test]
fn a_task_counts_its_failures_and_fails_with_its_workspace() {
    let workspace = fixture::workspace("dev");
    let task = new_task(fixture::id("t"), &workspace, TaskKind::Create, fixture::id("ann"), FIXTURE_TIME);
    let transient = failing(Error::unavailable("the host is down"));
    let retried = after(&workspace, &transient, at(1));
    let task = advance_task(&task, &retried, Progress::of(&transient), at(1)).unwrap();
    assert_eq!((task.state, task.attempts), (TaskState::Running, 1));
    assert_eq!(task.last_error, "Unavailable: the host is down");
    let rejection = failing(Error::quota_exceeded("the host is full"));
    let refused = after(&workspace, &rejection, at(2));
    let failed = advance_task(&task, &refused, Progress::of(&rejection), at(2)).unwrap();
    assert_eq!((failed.state, failed.finished_at), (TaskState::Failed, Some(at(2))));
}

#[test]
fn a_failed_task_is_retried_only_while_it_is_still_intended() {
    use TaskKind::{Create, Delete, Resume, Suspend, Update};
    let retryable = |workspace: &Workspace, open: &[crate::model::Task]| {
        let kinds = [Create, Update, Suspend, Resume, Delete];
        kinds.into_iter().filter(|kind| can_retry(*kind, workspace, open)).collect::<Vec<_>>()
    };
    let running = fixture::workspace("dev");
    let suspended = Workspace { power: Power::Suspended, ..running.clone() };
    let removed = Workspace { deletion_requested_at: Some(at(1)), ..running.clone() };
    assert_eq!(retryable(&running, &[]), [Create, Update, Resume]);
    assert_eq!(retryable(&suspended, &[]), [Update, Suspend]);
    assert_eq!(retryable(&removed, &[]), [Delete]);
    let open = new_task(fixture::id("t"), &running, Update, fixture::id("ann"), FIXTURE_TIME);
    assert_eq!(retryable(&running, &[open]), [Create, Resume], "an update is open");
}

#[test]
fn access_revocations_of_a_user_are_merged() {
    let mut workspace = fixture::workspace("dev");
    let revocation = |user: &str, groups: &[&str], seconds| AccessRevocation {
        user_id: id(user),
        groups: groups.iter().map(|group| id(group)).collect(),
        until: at(seconds),
    };
    for round in 0..100 {
        add_access_revocation(&mut workspace, revocation("ann", &["staff", "ops"], round));
        add_access_revocation(&mut workspace, revocation("ann", &["staff"], 0));
        add_access_revocation(&mut workspace, revocation("bob", &["staff"], round));
    }
    let mut both = revocation("ann", &["staff", "ops"], 99);
    both.groups.sort_unstable();
    assert_eq!(workspace.access_revocations, [both, revocation("bob", &["staff"], 99)]);
}
