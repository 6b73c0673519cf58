use super::setup::{
    acme, audit, dev, later, nothing, populate, security_event, session, task, token, verifier,
};
use crate::changeset::{Changeset, IdempotencyRecord, SpentRefresh};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::model::{AuditFilter, Event, Session, TaskState};
use crate::page::PageRequest;
use crate::secret::Verifier;
use crate::store::{PruneCutoffs, TenantStore};

fn event(name: &str, at: jiff::Timestamp) -> Event {
    Event {
        id: id(name),
        organization_id: acme(),
        workspace_id: None,
        kind: "x".to_owned(),
        data: serde_json::Value::Null,
        at,
    }
}

fn spent(session: &str, verifier: &Verifier) -> SpentRefresh {
    SpentRefresh { session_id: id(session), hash: verifier.hash(), spent_at: FIXTURE_TIME }
}

/// Deletes batches until none is left, and returns the sizes of the batches.
async fn prune_all(store: &dyn TenantStore, cutoffs: &PruneCutoffs, limit: usize) -> Vec<u64> {
    let mut sizes = Vec::new();
    loop {
        match store.prune(cutoffs, limit).await.unwrap() {
            0 => return sizes,
            size => sizes.push(size),
        }
    }
}

/// Expired records are deleted; all others stay.
pub async fn pruning_deletes_only_expired_records(store: &dyn TenantStore) {
    let response = |key: &str, expires_at| IdempotencyRecord {
        user_id: id("ann"),
        key: key.to_owned(),
        fingerprint: verifier(1).hash(),
        response: Vec::new(),
        created_at: FIXTURE_TIME,
        expires_at,
    };
    let revoked =
        |name: &str, at| Session { revoked_at: Some(later(at)), ..session(name, id("ann"), later(60)) };
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::organization("acme"))
        .insert(session("over", id("ann"), later(10)))
        .insert(spent("over", &verifier(5)))
        .insert(session("alive", id("ann"), later(60)))
        .insert(spent("alive", &verifier(6)))
        .insert(revoked("revoked", 4))
        .insert(revoked("just-revoked", 5))
        .insert(token("token", id("ann")))
        .insert(event("old", later(1)))
        .insert(event("new", later(8)));
    store.commit(Changeset { idempotency: Some(response("over", later(10))), ..changeset }).await.unwrap();
    store
        .commit(Changeset { idempotency: Some(response("valid", later(60))), ..Changeset::new() })
        .await
        .unwrap();

    let cutoffs = PruneCutoffs { now: later(10), events: later(5), ..nothing() };
    assert!(!prune_all(store, &cutoffs, 9).await.is_empty());
    assert_eq!(store.find_session(id("over")).await.unwrap(), None);
    assert_eq!(store.refresh_spent_at(id("over"), &verifier(5).hash()).await.unwrap(), None);
    assert!(store.find_session(id("alive")).await.unwrap().is_some());
    assert!(store.refresh_spent_at(id("alive"), &verifier(6).hash()).await.unwrap().is_some());
    assert_eq!(store.find_session(id("revoked")).await.unwrap(), None);
    assert!(store.find_session(id("just-revoked")).await.unwrap().is_some());
    assert!(store.find_api_token(id("token")).await.unwrap().is_some());
    assert_eq!(store.list_events(acme(), None, 9).await.unwrap(), [event("new", later(8))]);
    assert!(store.find_idempotency(id("ann"), "valid", later(11)).await.unwrap().is_some());
    assert_eq!(store.prune(&cutoffs, 9).await.unwrap(), 0);
}

/// Audit events, security events and finished tasks are deleted after their retention, each on its own.
pub async fn pruning_deletes_audit_events_security_events_and_tasks(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for seconds in 0..4 {
        let mut finished = task(&format!("task-{seconds}"));
        (finished.state, finished.finished_at) = (TaskState::Succeeded, Some(later(seconds)));
        let name = format!("e{seconds}");
        changeset = changeset
            .audit(audit(&name, "group.create", later(seconds)))
            .insert(security_event(&name, id("owner"), later(seconds)))
            .insert(finished);
    }
    store.commit(changeset.insert(task("open"))).await.unwrap();
    let page = PageRequest::default();
    let counts = || async {
        let audit = store.list_audit_events(acme(), &AuditFilter::default(), &page).await.unwrap();
        let security = store.list_security_events(id("owner"), &page).await.unwrap();
        let tasks = store.list_tasks(acme(), dev(), &page).await.unwrap();
        (audit.items.len(), security.items.len(), tasks.items.len())
    };
    let far = later(1_000_000);
    assert_eq!(store.prune(&nothing(), 9).await.unwrap(), 0);
    assert_eq!(prune_all(store, &PruneCutoffs { tasks: far, ..nothing() }, 9).await, [4]);
    assert_eq!(counts().await, (4, 4, 1), "a task that has not finished stays");
    assert_eq!(prune_all(store, &PruneCutoffs { security_events: later(3), ..nothing() }, 9).await, [3]);
    assert_eq!(counts().await, (4, 1, 1));
    assert_eq!(prune_all(store, &PruneCutoffs { audit_events: Some(later(2)), ..nothing() }, 9).await, [2]);
    assert_eq!(counts().await, (2, 1, 1));
}

/// A batch has at most `limit` records of each kind, and repeated batches delete everything.
pub async fn a_batch_of_pruning_is_limited(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new().insert(session("over", id("owner"), later(10)));
    for number in 0..7 {
        let name = format!("e{number}");
        changeset = changeset
            .audit(audit(&name, "group.create", later(1)))
            .insert(security_event(&name, id("owner"), later(1)))
            .insert(event(&name, later(1)))
            .insert(spent("over", &verifier(number)));
    }
    store.commit(changeset).await.unwrap();
    let far = later(1_000);
    let cutoffs = |audit_events| PruneCutoffs { audit_events, ..nothing() };
    assert_eq!(prune_all(store, &cutoffs(Some(far)), 3).await, [3, 3, 1]);
    assert_eq!(prune_all(store, &PruneCutoffs { security_events: far, ..nothing() }, 3).await, [3, 3, 1]);
    assert_eq!(prune_all(store, &PruneCutoffs { events: far, ..nothing() }, 3).await, [3, 3, 1]);
    let sizes = prune_all(store, &PruneCutoffs { now: far, ..nothing() }, 3).await;
    assert_eq!(sizes.iter().sum::<u64>(), 8, "seven refresh tokens and their session");
    assert!(sizes.iter().all(|size| *size <= 4), "at most three tokens and one session: {sizes:?}");
    assert_eq!(store.find_session(id("over")).await.unwrap(), None);
}
