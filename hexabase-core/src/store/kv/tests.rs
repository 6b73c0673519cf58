//! The store over an ordered map, alone and with another process that intervenes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::view::Space as _;
use super::{KeyRange, KeyValueBatch, KeyValueSnapshot, KeyValueStore, KvTenantStore, MAX_ATTEMPTS, Result};
use crate::changeset::{Changeset, Precondition, RecordKey, Write};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::model::{AlertRule, Event, Group, Membership, OrganizationRole, PlanUsers, Session};
use crate::name::ProviderName;
use crate::store::{
    AccessStore as _, AlertStore as _, Commit as _, CredentialStore as _, EventStore as _, LeaseStore as _,
    PlanStore as _, PruneCutoffs, UserStore as _, WorkStore as _, WorkspaceStore as _,
};
use crate::version::Version;

/// Key-value store in an ordered map. Clones share the map.
#[derive(Debug, Clone, Default)]
struct MapStore(Arc<Mutex<Map>>);

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

#[async_trait]
impl KeyValueStore for MapStore {
    async fn snapshot(&self) -> Result<Box<dyn KeyValueSnapshot>> {
        Ok(Box::new(self.0.lock().unwrap().clone()))
    }

    async fn commit(&self, batch: KeyValueBatch) -> Result<bool> {
        let mut map = self.0.lock().unwrap();
        if batch.checks.iter().any(|(key, value)| map.get(key) != value.as_ref()) {
            return Ok(false);
        }
        for (key, value) in batch.writes {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(true)
    }
}

#[async_trait]
impl KeyValueSnapshot for Map {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.get(key).cloned())
    }

    async fn scan(&self, range: &KeyRange) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let all = self.range(range.from.clone()..range.until.clone());
        let entry = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        Ok(match range.descending {
            true => all.rev().take(range.limit).map(entry).collect(),
            false => all.take(range.limit).map(entry).collect(),
        })
    }
}

mod map_store {
    use super::{KvTenantStore, MapStore};

    crate::tenant_store_conformance!(async { (KvTenantStore::over(MapStore::default()), ()) });
}

mod key_values {
    use super::MapStore;

    crate::key_value_store_conformance!(async { (MapStore::default(), ()) });
}

/// Key-value store to which another process commits a changeset immediately before the next batch.
#[derive(Debug, Default)]
struct Interrupted {
    map: MapStore,
    intervention: Mutex<Option<Changeset>>,
    /// Number of writes of the largest batch.
    largest_batch: AtomicUsize,
}

#[async_trait]
impl KeyValueStore for Interrupted {
    async fn snapshot(&self) -> Result<Box<dyn KeyValueSnapshot>> {
        self.map.snapshot().await
    }

    async fn commit(&self, batch: KeyValueBatch) -> Result<bool> {
        let intervention = self.intervention.lock().unwrap().take();
        if let Some(changeset) = intervention {
            KvTenantStore::over(self.map.clone()).commit(changeset).await?;
        }
        self.largest_batch.fetch_max(batch.writes.len(), Ordering::SeqCst);
        self.map.commit(batch).await
    }
}

/// Returns a store with an organization, a workspace, a group and a project.
async fn populated(more: Changeset) -> KvTenantStore<Interrupted> {
    let store = KvTenantStore::over(Interrupted::default());
    let populate = Changeset::new()
        .insert(fixture::user("owner"))
        .insert(fixture::organization("acme"))
        .insert(fixture::member(id("acme"), id("owner"), OrganizationRole::Owner))
        .insert(fixture::workspace("dev"))
        .insert(fixture::group("staff"))
        .insert(fixture::project("shop"));
    let populate = Changeset { writes: [populate.writes, more.writes].concat(), ..populate };
    store.commit(populate).await.unwrap();
    store
}

/// Commits a changeset while another process commits another one first.
async fn commit_after(
    store: &KvTenantStore<Interrupted>,
    intervention: Changeset,
    changeset: Changeset,
) -> Result<()> {
    *store.space.intervention.lock().unwrap() = Some(intervention);
    let result = store.commit(changeset).await;
    assert!(store.space.intervention.lock().unwrap().is_none(), "the other process did not intervene");
    result
}

fn acme() -> OrganizationId {
    id("acme")
}

fn dev() -> WorkspaceId {
    id("dev")
}

fn in_shop(name: &str) -> AlertRule {
    AlertRule { project_id: Some(id("shop")), ..fixture::alert_rule(name) }
}

fn membership(group: &str) -> Membership {
    Membership {
        organization_id: acme(),
        workspace_id: dev(),
        group_id: id(group),
        user_id: id("owner"),
        added_by: id("owner"),
        created_at: FIXTURE_TIME,
    }
}

fn session(name: &str) -> Session {
    Session {
        id: id(name),
        user_id: id("owner"),
        parent_id: None,
        provider: ProviderName::parse("dev").unwrap(),
        refresh_hash: None,
        cookie_hash: None,
        grant: None,
        device: String::new(),
        address: None,
        authenticated_at: None,
        created_at: FIXTURE_TIME,
        used_at: FIXTURE_TIME,
        expires_at: FIXTURE_TIME + SignedDuration::from_hours(1),
        revoked_at: None,
        version: Version::FIRST,
    }
}

#[tokio::test]
async fn a_record_that_is_added_while_its_owner_is_deleted_is_deleted_too() {
    let store = populated(Changeset::new()).await;
    let key = RecordKey::Project(acme(), dev(), id("shop"));
    let added = Changeset::new().insert(in_shop("added"));
    commit_after(&store, added, Changeset::new().delete(key)).await.unwrap();
    assert_eq!(store.count_alert_rules(acme(), dev()).await.unwrap(), 0);

    // An owner may have a larger key than what it owns.
    let mut names = ["one", "two"];
    names.sort_by_key(|name| id::<GroupId>(name));
    let [child, parent] = names;
    let groups = Changeset::new().insert(fixture::group(child)).insert(fixture::group(parent));
    store.commit(groups).await.unwrap();
    let moved = Group { parent_id: Some(id(parent)), ..fixture::group(child) };
    store.commit(Changeset::new().update(moved)).await.unwrap();

    let added = Changeset::new().insert(membership("staff"));
    commit_after(&store, added, Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    assert_eq!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap(), Vec::<GroupId>::new());
    let rest = store.space.map.0.lock().unwrap().len();
    let unchanged = KvTenantStore::over(MapStore::default());
    let same = Changeset::new()
        .insert(fixture::user("owner"))
        .insert(fixture::organization("acme"))
        .insert(fixture::member(acme(), id("owner"), OrganizationRole::Owner));
    unchanged.commit(same).await.unwrap();
    assert_eq!(rest, unchanged.space.0.lock().unwrap().len(), "nothing of the workspace is left");
}

/// Changeset that adds the owner of the organization to a group, provided that they are a member.
fn join(group: &str) -> Changeset {
    Changeset::new().precondition(Precondition::Member(acme(), id("owner"))).insert(membership(group))
}

#[tokio::test]
async fn a_member_who_joins_a_group_during_the_removal_leaves_it() {
    let member = RecordKey::Member(acme(), id("owner"));
    let leave = || Changeset::new().write(Write::LeaveGroups(acme(), id("owner")));
    for remove in
        [leave().delete(member.clone()), Changeset::new().delete(member).write(leave().writes[0].clone())]
    {
        let store = populated(Changeset::new()).await;
        commit_after(&store, join("staff"), remove).await.unwrap();
        assert_eq!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap(), Vec::<GroupId>::new());
    }
    // Also without the removal of the member, from all groups.
    let other = Changeset::new().insert(fixture::group("ops")).insert(membership("ops"));
    let store = populated(other).await;
    commit_after(&store, join("staff"), leave()).await.unwrap();
    assert_eq!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap(), Vec::<GroupId>::new());
}

#[tokio::test]
async fn a_member_who_is_removed_in_the_meantime_does_not_join_a_group() {
    let store = populated(Changeset::new()).await;
    let member = RecordKey::Member(acme(), id("owner"));
    let error = commit_after(&store, Changeset::new().delete(member), join("staff")).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error}");
}

#[tokio::test]
async fn a_record_whose_owner_is_deleted_in_the_meantime_is_not_inserted() {
    let store = populated(Changeset::new()).await;
    let gone = Changeset::new().delete(RecordKey::Project(acme(), dev(), id("shop")));
    let error = commit_after(&store, gone, Changeset::new().insert(in_shop("late"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_group_that_gets_a_child_in_the_meantime_is_not_deleted() {
    let store = populated(Changeset::new()).await;
    let mut child = fixture::group("child");
    child.parent_id = Some(id("staff"));
    let delete = Changeset::new().delete(RecordKey::Group(acme(), dev(), id("staff")));
    let error = commit_after(&store, Changeset::new().insert(child), delete).await.unwrap_err();
    assert_eq!(error.code(), "has_children");
}

#[tokio::test]
async fn a_name_that_is_taken_in_the_meantime_is_not_given_twice() {
    let store = populated(Changeset::new()).await;
    let mut twin = fixture::user("twin");
    twin.email = fixture::user("ann").email;
    let other = Changeset::new().insert(fixture::user("ann"));
    let error = commit_after(&store, other, Changeset::new().insert(twin)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.find_user(id("twin")).await.unwrap(), None);
}

#[tokio::test]
async fn a_version_that_changes_in_the_meantime_is_a_version_conflict() {
    let store = populated(Changeset::new()).await;
    let change = || Changeset::new().workspace(fixture::workspace("dev"), FIXTURE_TIME);
    let error = commit_after(&store, change(), change()).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error}");
}

#[tokio::test]
async fn a_session_that_begins_while_all_are_revoked_is_revoked_too() {
    let store = populated(Changeset::new().insert(session("first"))).await;
    let revoke = Changeset::new().write(Write::RevokeSessions(id("owner"), FIXTURE_TIME));
    commit_after(&store, Changeset::new().insert(session("second")), revoke).await.unwrap();
    assert_eq!(store.list_sessions(id("owner"), FIXTURE_TIME).await.unwrap(), []);
    assert_eq!(store.list_revoked_sessions(FIXTURE_TIME).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_plan_that_is_used_in_the_meantime_is_not_unused() {
    let store = populated(Changeset::new()).await;
    let stored = store.read_plans().await.unwrap();
    let mut workspace = fixture::workspace("second");
    workspace.plan_id = crate::name::PlanId::parse("rare").unwrap();
    let unused = Precondition::PlanUnused(workspace.plan_id.clone(), PlanUsers::Workspaces);
    let remove = Changeset::new().precondition(unused).plans(stored.clone(), FIXTURE_TIME);
    let uses = Changeset::new().precondition(Precondition::Plans(stored.version)).insert(workspace);
    let error = commit_after(&store, uses, remove).await.unwrap_err();
    assert!(error.is_version_conflict(), "{error}");
    assert_eq!(store.read_plans().await.unwrap(), stored);
}

#[tokio::test]
async fn a_lease_that_is_acquired_in_the_meantime_excludes_the_second_holder() {
    let map = MapStore::default();
    let (one, other) = (KvTenantStore::over(map.clone()), KvTenantStore::over(map));
    let ttl = std::time::Duration::from_secs(9);
    let mut stale = one.space.begin().await.unwrap();
    assert!(stale.lease("relay").await.unwrap().is_none());
    let lease = other.acquire_lease("relay", "other", FIXTURE_TIME, ttl).await.unwrap().unwrap();
    stale.put_lease(super::LeaseRow {
        name: "relay".to_owned(),
        holder: Some("one".to_owned()),
        token: 1,
        expires_at: Timestamp::MAX,
    });
    assert!(!one.space.finish(stale).await.unwrap());
    assert_eq!(other.list_leases(FIXTURE_TIME, 9).await.unwrap(), [lease]);
}

/// Key-value store in which another process always intervenes.
#[derive(Debug, Default)]
struct Contended(MapStore, AtomicUsize);

#[async_trait]
impl KeyValueStore for Contended {
    async fn snapshot(&self) -> Result<Box<dyn KeyValueSnapshot>> {
        self.0.snapshot().await
    }

    async fn commit(&self, _: KeyValueBatch) -> Result<bool> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Ok(false)
    }
}

#[tokio::test]
async fn a_commit_ends_after_a_limited_number_of_interventions() {
    let store = KvTenantStore::over(Contended::default());
    let error = store.commit(Changeset::new().insert(fixture::user("ann"))).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert_eq!(store.space.1.load(Ordering::SeqCst), MAX_ATTEMPTS);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_named_without_its_content() {
    let map = MapStore::default();
    let store = KvTenantStore::over(map.clone());
    let (ann, bob): (UserId, UserId) = (id("ann"), id("bob"));
    store.commit(Changeset::new().insert(fixture::user("ann")).insert(fixture::user("bob"))).await.unwrap();
    let key = super::Section::Record.of(&RecordKey::User(ann));
    map.0.lock().unwrap().insert(key, b"{\"Record\":{\"User\":\"secret\"}}".to_vec());
    let error = store.find_user(ann).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert!(store.find_user(bob).await.unwrap().is_some());
}

#[tokio::test]
async fn an_alert_rule_that_cannot_be_read_does_not_hide_the_others() {
    let rules = Changeset::new().insert(in_shop("first")).insert(in_shop("second"));
    let store = populated(rules).await;
    let key = super::Section::Record.of(&RecordKey::AlertRule(acme(), dev(), id("first")));
    store.space.map.0.lock().unwrap().insert(key, b"{}".to_vec());
    let page = store.list_alert_thresholds(None, 9).await.unwrap();
    assert_eq!((page.thresholds.len(), page.unreadable.len()), (1, 1));
}

#[tokio::test]
async fn a_workspace_loads_from_one_snapshot_of_the_store() {
    let store = populated(Changeset::new()).await;
    let view = store.space.view().await.unwrap();
    store.commit(Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    assert!(store.load_workspace(acme(), dev()).await.unwrap().is_none());
    let key = super::Section::Record.of(&RecordKey::Group(acme(), dev(), id("staff")));
    assert!(view.get(&key).await.unwrap().is_some());
}

fn event(number: usize) -> Event {
    Event {
        id: id(&format!("event-{number}")),
        organization_id: acme(),
        workspace_id: None,
        kind: "x".to_owned(),
        data: serde_json::Value::Null,
        at: FIXTURE_TIME,
    }
}

#[tokio::test]
async fn pruning_has_small_batches_and_continues_after_a_kind_that_fails() {
    let events = (0..400).map(event).fold(Changeset::new(), Changeset::insert);
    let store = populated(events.insert(session("broken"))).await;
    let key = super::Section::Record.of(&RecordKey::Session(id("broken")));
    store.space.map.0.lock().unwrap().insert(key, b"{}".to_vec());
    store.space.largest_batch.store(0, Ordering::SeqCst);

    let end = FIXTURE_TIME + SignedDuration::from_hours(2);
    let cutoffs = PruneCutoffs {
        now: end,
        events: end,
        security_events: end,
        tasks: end,
        audit_events: None,
        usage: end,
    };
    let error = store.prune(&cutoffs, 1000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(store.list_events(acme(), None, 9).await.unwrap(), []);
    let largest = store.space.largest_batch.load(Ordering::SeqCst);
    assert!((50..400).contains(&largest), "{largest}");
}

#[tokio::test]
async fn the_workspaces_of_a_host_become_due_in_small_batches() {
    let workspaces = (0..120).map(|number| fixture::workspace(&format!("workspace-{number}")));
    let store = populated(workspaces.fold(Changeset::new(), Changeset::insert)).await;
    store.space.largest_batch.store(0, Ordering::SeqCst);
    let host = fixture::workspace("dev").host_cluster;
    assert_eq!(store.make_due(&host, FIXTURE_TIME).await.unwrap(), 121);
    assert_eq!(store.list_due_workspaces(FIXTURE_TIME, 999).await.unwrap().len(), 121);
    let largest = store.space.largest_batch.load(Ordering::SeqCst);
    assert!((50..121).contains(&largest), "{largest}");
}
