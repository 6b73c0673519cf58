use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::error::Error;
use crate::fixture::{self, THEN};
use crate::model::{StepState, TaskKind, TaskState};
use crate::name::KubernetesVersion;
use crate::provisioner::{Applied, NO_UPGRADE_PATH, Observation};

fn at(seconds: i64) -> Timestamp {
    THEN + SignedDuration::from_secs(seconds)
}

fn seen(state: ControlPlaneState, tenant: Option<bool>) -> Seen {
    Seen {
        observation: Some(Observation::of(state)),
        applied: tenant.map(|tenant| Applied { tenant, ..Applied::default() }),
        ..Seen::default()
    }
}

fn starting() -> ControlPlaneState {
    ControlPlaneState::Starting { message: String::new() }
}

fn after(workspace: &Workspace, seen: &Seen, now: Timestamp) -> Workspace {
    assess(workspace, seen, &Pace::default(), now, 0).workspace
}

fn ready() -> Workspace {
    after(&fixture::workspace("dev"), &seen(ControlPlaneState::Ready, Some(true)), at(1))
}

#[test]
fn a_new_workspace_goes_through_provisioning_to_ready() {
    let workspace = fixture::workspace("dev");
    let provisioning = after(&workspace, &seen(ControlPlaneState::Absent, Some(false)), at(1));
    assert_eq!(provisioning.status.phase, Phase::Provisioning);
    let waiting = after(&provisioning, &seen(ControlPlaneState::Ready, Some(false)), at(2));
    assert_eq!(
        (waiting.status.phase, waiting.status.reason.as_str()),
        (Phase::Provisioning, "ApplyingTenant")
    );
    let ready = after(&waiting, &seen(ControlPlaneState::Ready, Some(true)), at(3));
    assert_eq!((ready.status.phase, ready.status.observed_generation), (Phase::Ready, 1));
    assert_eq!(ready.status.phase_since, at(3));
    let condition = ready.status.conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Ready"));
}

#[test]
fn a_version_has_run_once_the_workspace_is_ready_with_it() {
    let version = |text| KubernetesVersion::parse(text).unwrap();
    let mut workspace = fixture::workspace("dev");
    let starting = after(&workspace, &seen(starting(), Some(false)), at(1));
    assert_eq!(starting.status.kubernetes_version, None);
    workspace = after(&starting, &seen(ControlPlaneState::Ready, Some(true)), at(2));
    assert_eq!(workspace.status.kubernetes_version, Some(version("1.36")));
    workspace.kubernetes_version = version("1.37");
    ask(&mut workspace, at(3));
    workspace.power = Power::Suspended;
    let asleep = after(&workspace, &seen(ControlPlaneState::Stopped, None), at(4));
    assert_eq!(asleep.status.phase, Phase::Suspended);
    assert_eq!(asleep.status.kubernetes_version, Some(version("1.36")), "the new one never ran");
    let error = Some(Error::conflict(NO_UPGRADE_PATH, "runs something newer"));
    let lost = after(&asleep, &Seen { error, ..Seen::default() }, at(5));
    assert_eq!((lost.status.phase, lost.status.reason.as_str()), (Phase::Failed, "NoUpgradePath"));
    assert_eq!(lost.status.kubernetes_version, None, "nobody knows any more");
}

#[test]
fn asking_for_something_new_shows_at_once() {
    let mut workspace = ready();
    ask(&mut workspace, at(5));
    assert_eq!((workspace.generation, workspace.status.phase), (2, Phase::Updating));
    assert_eq!(workspace.reconcile_at, Some(at(5)));
    workspace.power = Power::Suspended;
    ask(&mut workspace, at(6));
    assert_eq!(workspace.status.phase, Phase::Suspending);
    workspace.deletion_requested_at = Some(at(7));
    ask(&mut workspace, at(7));
    assert_eq!(workspace.status.phase, Phase::Deleting);
}

#[test]
fn sleeping_and_waking_follow_what_was_asked() {
    let mut workspace = ready();
    workspace.power = Power::Suspended;
    ask(&mut workspace, at(2));
    assert_eq!(next_operation(&workspace, &ControlPlaneState::Ready), Operation::Suspend);
    let suspending = after(&workspace, &seen(ControlPlaneState::Stopping, None), at(3));
    assert_eq!(suspending.status.phase, Phase::Suspending);
    let mut asleep = after(&suspending, &seen(ControlPlaneState::Stopped, None), at(4));
    assert_eq!((asleep.status.phase, asleep.reconcile_at), (Phase::Suspended, None));
    assert!(asleep.is_settled(), "sleep is what was asked for");
    assert_eq!(next_operation(&asleep, &ControlPlaneState::Stopped), Operation::Nothing);

    asleep.power = Power::Running;
    ask(&mut asleep, at(5));
    assert_eq!(asleep.status.phase, Phase::Resuming);
    assert_eq!(next_operation(&asleep, &ControlPlaneState::Stopped), Operation::ResumeAndApply);
    let waking = after(&asleep, &seen(starting(), Some(false)), at(6));
    assert_eq!(waking.status.phase, Phase::Resuming);
    assert_eq!(after(&waking, &seen(ControlPlaneState::Ready, Some(true)), at(7)).status.phase, Phase::Ready);
}

#[test]
fn removal_goes_on_until_nothing_is_left() {
    let mut workspace = ready();
    workspace.deletion_requested_at = Some(at(2));
    ask(&mut workspace, at(2));
    for state in [ControlPlaneState::Ready, ControlPlaneState::Stopped, ControlPlaneState::Terminating] {
        assert_eq!(next_operation(&workspace, &state), Operation::Delete);
        assert!(!assess(&workspace, &seen(state, None), &Pace::default(), at(3), 0).gone);
    }
    let last = assess(&workspace, &seen(ControlPlaneState::Absent, None), &Pace::default(), at(4), 0);
    assert!(last.gone);
}

#[test]
fn what_somebody_else_is_removing_is_not_built_on() {
    assert_eq!(next_operation(&ready(), &ControlPlaneState::Terminating), Operation::Nothing);
    assert_eq!(next_operation(&ready(), &ControlPlaneState::Absent), Operation::Apply);
}

fn failing(error: Error) -> Seen {
    Seen { error: Some(error), ..Seen::default() }
}

#[test]
fn passing_faults_are_tried_again_with_growing_waits_and_degrade_what_worked() {
    let pace = Pace::default();
    let mut workspace = ready();
    let mut last = Duration::ZERO;
    for failure in 1..=6 {
        workspace =
            assess(&workspace, &failing(Error::unavailable("the host is down")), &pace, at(9), u64::MAX)
                .workspace;
        let wait = crate::clock::until(at(9), workspace.reconcile_at.unwrap());
        assert!(wait > last / 2, "{wait:?} after {last:?}");
        last = wait;
        let expected = if failure < 3 { Phase::Ready } else { Phase::Degraded };
        assert_eq!(workspace.status.phase, expected, "after {failure} failures");
    }
    assert_eq!(workspace.status.message, "the host is down");
    let healed = after(&workspace, &seen(ControlPlaneState::Ready, Some(true)), at(99));
    assert_eq!(
        (healed.status.phase, healed.status.failures, healed.status.message.as_str()),
        (Phase::Ready, 0, "")
    );
}

#[test]
fn a_refusal_fails_with_a_reason_and_is_still_tried_again() {
    let workspace = fixture::workspace("dev");
    let failed = after(&workspace, &failing(Error::conflict("not_ours", "it is somebody else's")), at(1));
    assert_eq!((failed.status.phase, failed.status.reason.as_str()), (Phase::Failed, "NotOurs"));
    assert!(failed.reconcile_at.is_some());
    let mut asked = failed;
    ask(&mut asked, at(2));
    assert_eq!((asked.status.phase, asked.status.reason.as_str()), (Phase::Provisioning, ""));
}

#[test]
fn a_control_plane_that_broke_down_degrades_its_workspace() {
    let broken =
        ControlPlaneState::Broken { reason: "CrashLoop".to_owned(), message: "see the logs".to_owned() };
    assert_eq!(after(&ready(), &seen(broken.clone(), Some(false)), at(9)).status.phase, Phase::Degraded);
    let never_up = after(&fixture::workspace("dev"), &seen(broken, Some(false)), at(9));
    assert_eq!((never_up.status.phase, never_up.status.reason.as_str()), (Phase::Failed, "CrashLoop"));
    let down = after(&ready(), &seen(starting(), Some(false)), at(9));
    assert_eq!(down.status.phase, Phase::Degraded, "nothing was asked for, and it is not up");
}

#[test]
fn what_is_quick_is_looked_at_often_and_what_is_slow_less_so() {
    let pace = Pace::default();
    let mut workspace = after(&fixture::workspace("dev"), &seen(starting(), Some(false)), THEN);
    let wait = |workspace: &Workspace, now| crate::clock::until(now, workspace.reconcile_at.unwrap());
    assert_eq!(wait(&workspace, THEN), pace.shortest_poll);
    workspace = after(&workspace, &seen(starting(), Some(false)), at(3_600));
    assert_eq!(wait(&workspace, at(3_600)), pace.longest_poll);
    assert!(workspace.status.message.contains("longer than it should"));
}

#[test]
fn what_announces_when_it_gets_further_is_left_alone() {
    let pace = Pace::default();
    let announced =
        Seen { observation: Some(Observation::of(starting()).announced()), ..seen(starting(), Some(false)) };
    let wait = |workspace: &Workspace, now| crate::clock::until(now, workspace.reconcile_at.unwrap());
    let mut workspace = after(&fixture::workspace("dev"), &announced, THEN);
    assert_eq!(wait(&workspace, THEN), pace.announced_poll);
    workspace = after(&workspace, &announced, at(20));
    assert_eq!(wait(&workspace, at(20)), Duration::from_secs(20));
    workspace = after(&workspace, &announced, at(3_600));
    assert_eq!(wait(&workspace, at(3_600)), pace.longest_poll);
    let failed = Seen { error: Some(Error::unavailable("the host is down")), ..announced };
    workspace = after(&workspace, &failed, at(3_601));
    assert!(wait(&workspace, at(3_601)) <= pace.first_retry, "nobody announces that the host is back");
}

#[test]
fn a_task_shows_its_steps_and_ends_with_its_generation() {
    let workspace = fixture::workspace("dev");
    let task = new_task(fixture::id("t"), &workspace, TaskKind::Create, fixture::id("ann"), THEN);
    let states = |task: &crate::model::Task| task.steps.iter().map(|step| step.state).collect::<Vec<_>>();

    let first = seen(ControlPlaneState::Absent, Some(false));
    let started = after(&workspace, &first, at(1));
    let task = advance_task(&task, &started, Progress::of(&first), at(1)).unwrap();
    assert_eq!(states(&task), [StepState::Done, StepState::Running, StepState::Waiting]);
    assert_eq!(task.state, TaskState::Running);
    assert_eq!(advance_task(&task, &started, Progress::of(&first), at(2)), None, "nothing moved");

    let last = seen(ControlPlaneState::Ready, Some(true));
    let ready = after(&started, &last, at(3));
    let done = advance_task(&task, &ready, Progress::of(&last), at(3)).unwrap();
    assert_eq!((done.state, done.finished_at), (TaskState::Succeeded, Some(at(3))));
    assert_eq!(states(&done), [StepState::Done; 3]);

    let newer = crate::model::Task { generation: 2, ..task };
    assert!(advance_task(&newer, &ready, Progress::of(&last), at(3)).is_none_or(|task| task.state.is_open()));
}

#[test]
fn a_task_counts_its_failures_and_fails_with_its_workspace() {
    let workspace = fixture::workspace("dev");
    let task = new_task(fixture::id("t"), &workspace, TaskKind::Create, fixture::id("ann"), THEN);
    let trouble = failing(Error::unavailable("the host is down"));
    let shaken = after(&workspace, &trouble, at(1));
    let task = advance_task(&task, &shaken, Progress::of(&trouble), at(1)).unwrap();
    assert_eq!((task.state, task.attempts), (TaskState::Running, 1));
    assert_eq!(task.last_error, "Unavailable: the host is down");
    let refusal = failing(Error::quota_exceeded("the host is full"));
    let refused = after(&workspace, &refusal, at(2));
    let failed = advance_task(&task, &refused, Progress::of(&refusal), at(2)).unwrap();
    assert_eq!((failed.state, failed.finished_at), (TaskState::Failed, Some(at(2))));
}
