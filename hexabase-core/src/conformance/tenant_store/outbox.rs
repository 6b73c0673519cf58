use std::time::Duration;

use super::world::{acme, build, dev, later, session, token, verifier};
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage, SpentRefresh, Topic};
use crate::fixture::{self, THEN, id};
use crate::id::{MessageId, TypedId as _};
use crate::model::Event;
use crate::name::HostClusterName;
use crate::store::TenantStore;
use uuid::Uuid;

const HOLD: Duration = Duration::from_secs(30);

fn message(number: u128) -> OutboxMessage {
    OutboxMessage {
        id: MessageId::from_uuid(Uuid::from_u128(number)),
        topic: if number.is_multiple_of(2) { Topic::Look } else { Topic::Mail },
        organization_id: acme(),
        workspace_id: (number.is_multiple_of(2)).then(dev),
        payload: vec![0, 255, 7],
    }
}

fn with_messages(numbers: impl IntoIterator<Item = u128>) -> Changeset {
    numbers.into_iter().fold(Changeset::new(), |changeset, number| changeset.message(message(number)))
}

/// Messages come in the order of their ids, and are left alone while somebody publishes them.
pub async fn messages_are_claimed_in_order_and_held(store: &dyn TenantStore) {
    store.commit(with_messages([3, 1])).await.unwrap();
    store.commit(with_messages([2])).await.unwrap();
    assert_eq!(store.claim_outbox(2, THEN, HOLD).await.unwrap(), [message(1), message(2)]);
    assert_eq!(store.claim_outbox(9, THEN, HOLD).await.unwrap(), [message(3)]);
    assert!(store.claim_outbox(9, later(29), HOLD).await.unwrap().is_empty());
    assert_eq!(store.claim_outbox(9, later(30), HOLD).await.unwrap().len(), 3);
}

/// While a message of a workspace is being published, later ones of the same workspace wait; others do not.
pub async fn later_messages_of_a_workspace_wait_for_the_earlier_ones(store: &dyn TenantStore) {
    let elsewhere = OutboxMessage { workspace_id: Some(id("other")), ..message(6) };
    store.commit(with_messages([2, 3, 4]).message(elsewhere.clone())).await.unwrap();
    assert_eq!(store.claim_outbox(1, THEN, HOLD).await.unwrap(), [message(2)]);
    assert_eq!(store.claim_outbox(9, THEN, HOLD).await.unwrap(), [message(3), elsewhere]);
    assert!(store.claim_outbox(9, THEN, HOLD).await.unwrap().is_empty());
    store.finish_outbox(&[message(2).id]).await.unwrap();
    assert_eq!(store.claim_outbox(9, THEN, HOLD).await.unwrap(), [message(4)]);
}

/// A message is there until it is finished; finishing it twice does no harm.
pub async fn messages_stay_until_they_are_finished(store: &dyn TenantStore) {
    store.commit(with_messages([1, 2])).await.unwrap();
    assert_eq!(store.count_outbox().await.unwrap(), 2);
    store.claim_outbox(9, THEN, HOLD).await.unwrap();
    for _ in 0..2 {
        store.finish_outbox(&[message(1).id]).await.unwrap();
    }
    store.finish_outbox(&[]).await.unwrap();
    assert_eq!(store.count_outbox().await.unwrap(), 1);
    assert_eq!(store.claim_outbox(9, later(60), HOLD).await.unwrap(), [message(2)]);
}

/// The messages of a commit that failed are not there.
pub async fn a_failed_commit_leaves_no_message(store: &dyn TenantStore) {
    build(store).await;
    assert!(store.commit(with_messages([1]).insert(fixture::group("staff"))).await.is_err());
    assert_eq!(store.count_outbox().await.unwrap(), 0);
}

/// Workspaces are due once their time has come, the most overdue first.
pub async fn due_workspaces_come_most_overdue_first(store: &dyn TenantStore) {
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
    let on = |name: &str, place: &str, at| {
        let mut workspace = fixture::workspace(name);
        workspace.host_cluster = host(place);
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

/// What is over is forgotten; what is not, stays.
pub async fn pruning_forgets_what_is_over_and_nothing_else(store: &dyn TenantStore) {
    let event = |name: &str, at| Event {
        id: id(name),
        organization_id: acme(),
        workspace_id: None,
        kind: "x".to_owned(),
        data: serde_json::Value::Null,
        at,
    };
    let reply = |key: &str, expires_at| IdempotencyRecord {
        user_id: id("ann"),
        key: key.to_owned(),
        fingerprint: verifier(1).hash(),
        reply: Vec::new(),
        created_at: THEN,
        expires_at,
    };
    let spent = SpentRefresh { session_id: id("over"), hash: verifier(5).hash(), spent_at: THEN };
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::organization("acme"))
        .insert(session("over", id("ann"), later(10)))
        .insert(spent)
        .insert(session("alive", id("ann"), later(60)))
        .insert(token("token", id("ann")))
        .insert(event("old", later(1)))
        .insert(event("new", later(8)));
    store.commit(Changeset { idempotency: Some(reply("over", later(10))), ..changeset }).await.unwrap();
    store
        .commit(Changeset { idempotency: Some(reply("kept", later(60))), ..Changeset::new() })
        .await
        .unwrap();

    assert!(store.prune(later(10), later(5)).await.unwrap() >= 3);
    assert_eq!(store.find_session(id("over")).await.unwrap(), None);
    assert_eq!(store.refresh_spent_at(id("over"), &verifier(5).hash()).await.unwrap(), None);
    assert!(store.find_session(id("alive")).await.unwrap().is_some());
    assert!(store.find_api_token(id("token")).await.unwrap().is_some());
    assert_eq!(store.list_events(acme(), None, 9).await.unwrap(), [event("new", later(8))]);
    assert!(store.find_idempotency(id("ann"), "kept", later(11)).await.unwrap().is_some());
    assert_eq!(store.prune(later(10), later(5)).await.unwrap(), 0);
}
