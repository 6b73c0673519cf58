use std::time::Duration;

use super::setup::{acme, dev, later, populate};
use crate::changeset::{Changeset, OutboxMessage, Topic};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{MessageId, TypedId as _};
use crate::model::{OngoingWait, Phase, WaitReason, WorkspaceStatus};
use crate::name::HostClusterName;
use crate::store::{PhaseCount, TenantStore};
use crate::trace::TraceParent;
use uuid::Uuid;

const CLAIM_TTL: Duration = Duration::from_secs(30);

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: if number.is_multiple_of(2) { Topic::Reconcile } else { Topic::Mail },
        organization_id: acme(),
        workspace_id: (number.is_multiple_of(2)).then(dev),
        payload: vec![0, 255, 7],
        trace_parent: (number.is_multiple_of(2)).then_some(TraceParent {
            trace_id: number,
            span_id: 1,
            is_sampled: true,
        }),
    }
}

fn with_messages(numbers: impl IntoIterator<Item = u128>) -> Changeset {
    numbers.into_iter().fold(Changeset::new(), |changeset, number| changeset.message(message(number)))
}

/// Messages are ordered by id, and not claimed again while they are claimed.
pub async fn claimed_messages_are_ordered_and_not_claimed_twice(store: &dyn TenantStore) {
    store.commit(with_messages([3, 1])).await.unwrap();
    store.commit(with_messages([2])).await.unwrap();
    assert_eq!(store.claim_outbox(2, FIXTURE_TIME, CLAIM_TTL).await.unwrap(), [message(1), message(2)]);
    assert_eq!(store.claim_outbox(9, FIXTURE_TIME, CLAIM_TTL).await.unwrap(), [message(3)]);
    assert!(store.claim_outbox(9, later(29), CLAIM_TTL).await.unwrap().is_empty());
    assert_eq!(store.claim_outbox(9, later(30), CLAIM_TTL).await.unwrap().len(), 3);
}

/// While a message of a workspace is claimed, later ones of the same workspace are not claimed; others are.
pub async fn later_messages_of_a_workspace_wait_for_earlier_ones(store: &dyn TenantStore) {
    let other = OutboxMessage { workspace_id: Some(id("other")), ..message(6) };
    store.commit(with_messages([2, 3, 4]).message(other.clone())).await.unwrap();
    assert_eq!(store.claim_outbox(1, FIXTURE_TIME, CLAIM_TTL).await.unwrap(), [message(2)]);
    assert_eq!(store.claim_outbox(9, FIXTURE_TIME, CLAIM_TTL).await.unwrap(), [message(3), other]);
    assert!(store.claim_outbox(9, FIXTURE_TIME, CLAIM_TTL).await.unwrap().is_empty());
    store.finish_outbox(&[message(2).id]).await.unwrap();
    assert_eq!(store.claim_outbox(9, FIXTURE_TIME, CLAIM_TTL).await.unwrap(), [message(4)]);
}

/// A message stays in the outbox until it is finished; finishing it twice is not an error.
pub async fn messages_stay_until_they_are_finished(store: &dyn TenantStore) {
    store.commit(with_messages([1, 2])).await.unwrap();
    assert_eq!(store.count_outbox().await.unwrap(), 2);
    store.claim_outbox(9, FIXTURE_TIME, CLAIM_TTL).await.unwrap();
    for _ in 0..2 {
        store.finish_outbox(&[message(1).id]).await.unwrap();
    }
    store.finish_outbox(&[]).await.unwrap();
    assert_eq!(store.count_outbox().await.unwrap(), 1);
    assert_eq!(store.claim_outbox(9, later(60), CLAIM_TTL).await.unwrap(), [message(2)]);
}

/// The messages of a failed commit are not stored.
pub async fn a_failed_commit_leaves_no_message(store: &dyn TenantStore) {
    populate(store).await;
    assert!(store.commit(with_messages([1]).insert(fixture::group("staff"))).await.is_err());
    assert_eq!(store.count_outbox().await.unwrap(), 0);
}

/// Workspaces are due from their due time on; the most overdue come first.
pub async fn due_workspaces_are_listed_most_overdue_first(store: &dyn TenantStore) {
    let due = |name: &str, at| {
        let mut workspace = fixture::workspace(name);
        workspace.reconcile_at = at;
        workspace
    };
    let changeset = Changeset::new()
        .insert(fixture::organization("acme"))
        .insert(due("soon", Some(later(20))))
        .insert(due("late", Some(later(5))))
        .insert(due("later", Some(later(10))))
        .insert(due("never", None));
    store.commit(changeset).await.unwrap();
    let names = |at, limit| async move { store.list_due_workspaces(at, limit).await.unwrap() };
    assert_eq!(names(later(10), 9).await, [(acme(), id("late")), (acme(), id("later"))]);
    assert_eq!(names(later(99), 1).await, [(acme(), id("late"))]);
    assert!(names(later(4), 9).await.is_empty());
}

/// Workspaces are counted by host, and can all be made due.
pub async fn workspaces_on_a_host_are_counted_and_made_due(store: &dyn TenantStore) {
    let host = |name: &str| HostClusterName::parse(name).unwrap();
    let on = |name: &str, host_name: &str, at| {
        let mut workspace = fixture::workspace(name);
        workspace.host_cluster = host(host_name);
        workspace.reconcile_at = at;
        workspace
    };
    let changeset = Changeset::new()
        .insert(fixture::organization("acme"))
        .insert(on("a", "east", None))
        .insert(on("b", "east", Some(later(500))))
        .insert(on("c", "west", None));
    store.commit(changeset).await.unwrap();
    let counts = store.count_by_host().await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [(host("east"), 2), (host("west"), 1)]);
    assert_eq!(store.make_due(&host("east"), later(3)).await.unwrap(), 2);
    let mut due = store.list_due_workspaces(later(3), 9).await.unwrap();
    due.sort_unstable();
    let mut expected = vec![(acme(), id("a")), (acme(), id("b"))];
    expected.sort_unstable();
    assert_eq!(due, expected);
    assert_eq!(store.find_workspace(acme(), id("b")).await.unwrap().unwrap().reconcile_at, Some(later(3)));
}

/// Workspaces are counted by host and phase, with the earliest start of a phase in which work continues.
pub async fn workspaces_are_counted_by_host_and_phase(store: &dyn TenantStore) {
    let host = |name: &str| HostClusterName::parse(name).unwrap();
    let on = |name: &str, host_name: &str, phase, since| {
        let mut workspace = fixture::workspace(name);
        workspace.host_cluster = host(host_name);
        workspace.status = WorkspaceStatus { phase, phase_since: since, ..WorkspaceStatus::new(since) };
        workspace
    };
    assert_eq!(store.count_by_phase().await.unwrap(), []);
    let changeset = Changeset::new()
        .insert(fixture::organization("acme"))
        .insert(on("a", "east", Phase::Updating, later(7)))
        .insert(on("b", "east", Phase::Updating, later(3)))
        .insert(on("c", "east", Phase::Ready, later(1)))
        .insert(on("d", "west", Phase::Updating, later(5)));
    store.commit(changeset).await.unwrap();
    let counts = async || {
        let mut counts = store.count_by_phase().await.unwrap();
        counts.sort_by_key(|count| (count.host_cluster.clone(), count.phase.as_str()));
        counts
    };
    let count = |host_name: &str, phase, workspaces, unconverged_since| PhaseCount {
        host_cluster: host(host_name),
        phase,
        workspaces,
        unconverged_since,
    };
    let ready = count("east", Phase::Ready, 1, None);
    let west = count("west", Phase::Updating, 1, Some(later(5)));
    let expected = [ready.clone(), count("east", Phase::Updating, 2, Some(later(3))), west.clone()];
    assert_eq!(counts().await, expected);

    let mut waiting = store.find_workspace(acme(), id("b")).await.unwrap().unwrap();
    waiting.status.waiting = Some(OngoingWait { reason: WaitReason::TenantNotApplied, since: later(3) });
    store.commit(Changeset::new().workspace(waiting, later(9))).await.unwrap();
    assert_eq!(counts().await, [ready, count("east", Phase::Updating, 2, Some(later(7))), west]);
}

/// The oldest message has the least id, whether it is claimed or not.
pub async fn the_oldest_message_of_the_outbox_is_found(store: &dyn TenantStore) {
    assert_eq!(store.oldest_in_outbox().await.unwrap(), None);
    store.commit(with_messages([3, 1])).await.unwrap();
    store.claim_outbox(1, FIXTURE_TIME, CLAIM_TTL).await.unwrap();
    assert_eq!(store.oldest_in_outbox().await.unwrap(), Some(message(1).id));
    store.finish_outbox(&[message(1).id]).await.unwrap();
    assert_eq!(store.oldest_in_outbox().await.unwrap(), Some(message(3).id));
}
