use std::collections::BTreeSet;
use std::time::Duration;

use super::tests::{after, at, observed, ready};
use super::*;
use crate::clock::until;
use crate::fixture::{self, FIXTURE_TIME};
use crate::model::{Wait, WaitReason};
use crate::provisioner::{Applied, Observation, TenantNodes};

fn starting(reason: WaitReason) -> ReconcileOutcome {
    observed(ControlPlaneState::Starting(Wait::with_detail(reason, "details of the host")), Some(false))
}

fn up_with(applied: Applied) -> ReconcileOutcome {
    ReconcileOutcome { applied: Some(applied), ..observed(ControlPlaneState::Ready, None) }
}

/// Returns a workspace and the outcome of a reconcile that waits for this reason.
fn waiting_for(reason: WaitReason) -> (Workspace, ReconcileOutcome) {
    let mut workspace = fixture::workspace("dev");
    let outcome = match reason {
        WaitReason::NamespaceTerminating => observed(ControlPlaneState::Terminating, None),
        WaitReason::PermissionsPending => {
            up_with(Applied { waiting: Some(Wait::new(reason)), ..Applied::default() })
        }
        WaitReason::ControlPlaneMissing => observed(ControlPlaneState::Absent, Some(false)),
        WaitReason::PodMissing
        | WaitReason::VolumePending
        | WaitReason::NodePending
        | WaitReason::ImagePending
        | WaitReason::ObjectPending
        | WaitReason::PodCrashing
        | WaitReason::PodStarting
        | WaitReason::RollingOut
        | WaitReason::KubeconfigPending
        | WaitReason::ControllersStarting
        | WaitReason::ApiServerStarting
        | WaitReason::LoadBalancerPending => starting(reason),
        WaitReason::TenantNotApplied => up_with(Applied::default()),
        WaitReason::ProjectNamespaceTerminating => {
            let waiting_projects = BTreeSet::from([fixture::id("web")]);
            up_with(Applied { waiting_projects, ..Applied::default() })
        }
        WaitReason::NoFreeNodes | WaitReason::ReleasingNodes | WaitReason::ChangingNodes => {
            let nodes = TenantNodes { waiting: Some(Wait::new(reason)), ..TenantNodes::default() };
            up_with(Applied { nodes: Some(nodes), ..Applied::complete() })
        }
        WaitReason::Stopping => {
            workspace.power = Power::Suspended;
            bump_generation(&mut workspace, at(0));
            observed(ControlPlaneState::Stopping, None)
        }
        WaitReason::Deleting => {
            workspace.deletion_requested_at = Some(at(0));
            bump_generation(&mut workspace, at(0));
            observed(ControlPlaneState::Terminating, None)
        }
    };
    (workspace, outcome)
}

#[test]
fn every_wait_says_what_it_waits_for_since_when_and_the_remedy() {
    for reason in WaitReason::ALL {
        let (workspace, outcome) = waiting_for(*reason);
        let first = after(&workspace, &outcome, at(1));
        let later = after(&first, &outcome, at(31));
        let status = &later.status;
        assert_eq!(status.waiting.map(|waiting| (waiting.reason, waiting.since)), Some((*reason, at(1))));
        assert_eq!(status.reason, reason.as_str());
        let since = at(1).to_string();
        for part in [reason.description(), reason.remedy(), since.as_str()] {
            assert!(status.message.contains(part), "{reason}: {}", status.message);
        }
        let condition = status.conditions.iter().find(|condition| condition.kind == "Ready").unwrap();
        assert_eq!((&condition.reason, &condition.message), (&status.reason, &status.message));
        assert!(later.reconcile_at.is_some_and(|next| next > at(31)), "{reason}");
    }
    let done = after(&ready(), &observed(ControlPlaneState::Ready, Some(true)), at(9));
    assert_eq!((done.status.waiting, done.status.message.as_str()), (None, ""));
}

#[test]
fn a_wait_fails_the_workspace_only_after_its_timeout() {
    for reason in WaitReason::ALL.iter().filter(|reason| reason.timeout().is_some()) {
        let (workspace, outcome) = waiting_for(*reason);
        let timeout = i64::try_from(reason.timeout().unwrap().as_secs()).unwrap();
        let mut workspace = after(&workspace, &outcome, at(0));
        for seconds in [1, 30, timeout - 1] {
            workspace = after(&workspace, &outcome, at(seconds));
            assert_eq!(workspace.status.phase, Phase::Provisioning, "{reason} after {seconds} s");
        }
        let failed = after(&workspace, &outcome, at(timeout));
        assert_eq!((failed.status.phase, failed.status.reason.as_str()), (Phase::Failed, reason.as_str()));
        let still = after(&failed, &outcome, at(timeout + 60));
        assert_eq!(still.status.waiting.unwrap().since, at(0), "{reason}");
        let next = after(&still, &starting(WaitReason::ApiServerStarting), at(timeout + 61));
        assert_eq!(next.status.phase, Phase::Provisioning, "it progresses after {reason}");
        let ready = after(&next, &observed(ControlPlaneState::Ready, Some(true)), at(timeout + 62));
        assert_eq!((ready.status.phase, ready.status.message.as_str()), (Phase::Ready, ""));
    }
}

#[test]
fn a_workspace_that_was_ready_degrades_while_it_waits_for_a_volume() {
    let mut resuming = ready();
    resuming.power = Power::Suspended;
    bump_generation(&mut resuming, at(2));
    resuming = after(&resuming, &observed(ControlPlaneState::Stopped, None), at(3));
    resuming.power = Power::Running;
    bump_generation(&mut resuming, at(4));
    let late = starting(WaitReason::VolumePending);
    let waiting = after(&resuming, &late, at(5));
    assert_eq!(waiting.status.phase, Phase::Resuming);
    assert_eq!(after(&waiting, &late, at(5 + 900)).status.phase, Phase::Degraded);
}

#[test]
fn the_next_wait_is_polled_soon_however_long_the_last_one_took() {
    let wait = |workspace: &Workspace, now| until(now, workspace.reconcile_at.unwrap());
    let late = after(&fixture::workspace("dev"), &starting(WaitReason::VolumePending), at(0));
    let late = after(&late, &starting(WaitReason::VolumePending), at(880));
    assert!(wait(&late, at(880)) > Duration::from_secs(30));
    // Several such waits follow each other, and the workspace has to be ready two seconds after its control plane.
    let next = after(&late, &starting(WaitReason::KubeconfigPending), at(881));
    assert!(wait(&next, at(881)) < Duration::from_secs(1));
    let mut changing = next;
    for second in 882..7_200 {
        let reasons = [WaitReason::TenantNotApplied, WaitReason::ApiServerStarting];
        changing = after(&changing, &starting(reasons[second % 2]), at(i64::try_from(second).unwrap()));
    }
    let bounded = wait(&changing, at(7_199));
    assert!(bounded > Duration::from_secs(7), "a cluster that keeps changing is polled every {bounded:?}");
}

#[test]
fn failed_workspaces_are_polled_unless_the_provisioner_notifies() {
    let broken =
        || ControlPlaneState::Broken { reason: "FailedCreate".to_owned(), message: "over quota".to_owned() };
    let outcome = |will_notify| {
        let observation = Observation { will_notify, ..Observation::of(broken()) };
        ReconcileOutcome { observation: Some(observation), ..observed(broken(), Some(false)) }
    };
    let intervals = ReconcileIntervals::default();
    let wait = |will_notify, seconds| {
        let failed = after(&fixture::workspace("dev"), &outcome(will_notify), FIXTURE_TIME);
        let failed = after(&failed, &outcome(will_notify), at(seconds));
        assert_eq!(failed.status.phase, Phase::Failed);
        until(at(seconds), failed.reconcile_at.unwrap())
    };
    assert!(wait(false, 10) < Duration::from_secs(1));
    assert_eq!(wait(false, 86_400), intervals.longest_poll);
    assert_eq!(wait(true, 1), intervals.notified_poll);
    assert_eq!(wait(true, 86_400), intervals.resync);
}

#[test]
fn a_project_waits_since_its_first_reconcile() {
    let outcome = waiting_for(WaitReason::ProjectNamespaceTerminating).1;
    let first = after(&ready(), &outcome, at(10));
    let later = after(&first, &outcome, at(40));
    assert_eq!(later.status.waiting_projects.get(&fixture::id("web")), Some(&at(10)));
    let condition = later.status.conditions.iter().find(|known| known.kind == "ProjectsReady").unwrap();
    assert_eq!(condition.reason, "ProjectNamespaceTerminating");
    let done = after(&later, &observed(ControlPlaneState::Ready, Some(true)), at(41));
    assert!(done.status.waiting_projects.is_empty());
}
