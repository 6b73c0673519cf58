use super::setup::{
    acme, assignment, audit, dev, inventory, later, membership, populate, role, session, task, verifier,
};
use crate::changeset::{Changeset, IdempotencyRecord, Precondition, RecordKey, Write};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{OrganizationId, UserId, WorkspaceId};
use crate::model::OrganizationRole;
use crate::name::DisplayName;
use crate::store::TenantStore;
use crate::version::Version;

/// A commit whose last write fails changes nothing.
pub async fn a_failed_commit_changes_nothing(store: &dyn TenantStore) {
    populate(store).await;
    let failing = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::group("new"))
        .delete(RecordKey::Group(acme(), dev(), id("ops")))
        .audit(audit("entry", "group.create", FIXTURE_TIME))
        .insert(fixture::group("staff"));
    assert_eq!(store.commit(failing).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.find_user(id("ann")).await.unwrap(), None);
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!(state.groups.len(), 2);
    let log = store.list_audit_events(acme(), &Default::default(), &Default::default()).await.unwrap();
    assert!(log.items.is_empty());
}

/// Each precondition fails once its subject has changed.
pub async fn a_failed_precondition_is_a_version_conflict(store: &dyn TenantStore) {
    let (organization, workspace) = populate(store).await;
    let alive = session("session", id("owner"), later(60));
    let owner = store.find_user(id("owner")).await.unwrap().unwrap();
    let host = fixture::registered_host("fra-1");
    let name = host.host.name.clone();
    store.commit(Changeset::new().insert(alive.clone()).insert(host.clone())).await.unwrap();
    let changes =
        Changeset::new().organization(organization, FIXTURE_TIME).workspace(workspace, FIXTURE_TIME);
    store.commit(changes.user(owner, FIXTURE_TIME).session(alive).host(host, FIXTURE_TIME)).await.unwrap();

    let old = Version::FIRST;
    let broken = [
        Precondition::User(id("owner"), old),
        Precondition::Session(id("session"), old),
        Precondition::Organization(acme(), old),
        Precondition::Workspace(acme(), dev(), old),
        Precondition::Workspace(id("other"), dev(), old.next()),
        Precondition::Host(name.clone(), old),
        Precondition::Member(acme(), id("stranger")),
        Precondition::Lease("never acquired".to_owned(), 1),
    ];
    for precondition in broken {
        let error = store.commit(Changeset::new().precondition(precondition.clone())).await.unwrap_err();
        assert!(error.is_version_conflict(), "{precondition:?}: {error}");
    }
    let holding = Changeset::new()
        .precondition(Precondition::User(id("owner"), old.next()))
        .precondition(Precondition::Session(id("session"), old.next()))
        .precondition(Precondition::Organization(acme(), old.next()))
        .precondition(Precondition::Workspace(acme(), dev(), old.next()))
        .precondition(Precondition::Host(name, old.next()))
        .precondition(Precondition::Member(acme(), id("owner")));
    store.commit(holding).await.unwrap();
}

/// A changeset may itself invalidate its precondition.
pub async fn preconditions_are_checked_before_the_writes(store: &dyn TenantStore) {
    let (organization, _) = populate(store).await;
    let leave = Changeset::new()
        .precondition(Precondition::Member(acme(), id("owner")))
        .organization(organization, later(1))
        .delete(RecordKey::Member(acme(), id("owner")));
    store.commit(leave).await.unwrap();
    let after = store.find_organization(acme()).await.unwrap().unwrap();
    assert_eq!((after.version, after.updated_at), (Version::FIRST.next(), later(1)));
}

/// Inserting an existing record fails with `AlreadyExists` and names the kind of the record.
pub async fn inserting_an_existing_record_names_its_kind(store: &dyn TenantStore) {
    populate(store).await;
    let cases = [
        (Changeset::new().insert(fixture::user("owner")), "user"),
        (Changeset::new().insert(fixture::organization("acme")), "organization"),
        (Changeset::new().insert(fixture::member(acme(), id("owner"), OrganizationRole::Member)), "member"),
        (Changeset::new().insert(fixture::workspace("dev")), "workspace"),
        (Changeset::new().insert(fixture::group("staff")), "group"),
        (Changeset::new().insert(fixture::project("shop")), "project"),
    ];
    for (changeset, noun) in cases {
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::AlreadyExists, &*format!("{noun} already exists"))
        );
    }
}

/// Two records of one kind cannot have the same name in the same scope, and can in different ones.
pub async fn names_are_unique_within_their_scope(store: &dyn TenantStore) {
    populate(store).await;
    let mut user = fixture::user("ann");
    user.email = fixture::user("owner").email;
    let mut organization = fixture::organization("other");
    organization.name = fixture::organization("acme").name;
    let mut workspace = fixture::workspace("other");
    workspace.name = fixture::workspace("dev").name;
    let mut group = fixture::group("other");
    group.name = fixture::group("staff").name;
    let mut project = fixture::project("other");
    project.name = fixture::project("shop").name;
    let duplicates = [
        Changeset::new().insert(user),
        Changeset::new().insert(organization),
        Changeset::new().insert(workspace.clone()),
        Changeset::new().insert(group),
        Changeset::new().insert(project),
    ];
    for changeset in duplicates {
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    let mut second = assignment("second", "staff", None);
    store.commit(Changeset::new().insert(assignment("first", "staff", None))).await.unwrap();
    assert!(store.commit(Changeset::new().insert(second.clone())).await.is_err());
    second.group_id = id("ops");
    store.commit(Changeset::new().insert(second)).await.unwrap();

    workspace.organization_id = id("other");
    store.commit(Changeset::new().insert(fixture::organization("other")).insert(workspace)).await.unwrap();
}

/// Updating or deleting a missing record fails with `NotFound`.
pub async fn updating_or_deleting_a_missing_record_is_not_found(store: &dyn TenantStore) {
    populate(store).await;
    let mut foreign = fixture::group("staff");
    foreign.organization_id = id("other");
    let changesets = [
        Changeset::new().update(fixture::user("ann")),
        Changeset::new().update(fixture::group("missing")),
        Changeset::new().update(foreign),
        Changeset::new().delete(RecordKey::Group(acme(), dev(), id("missing"))),
        Changeset::new().delete(RecordKey::Group(id("other"), dev(), id("staff"))),
        Changeset::new().delete(RecordKey::Membership(acme(), dev(), id("staff"), id("ann"))),
        Changeset::new().delete(RecordKey::Workspace(id("other"), dev())),
        Changeset::new().delete(RecordKey::Organization(id("other"))),
    ];
    for changeset in changesets {
        let described = format!("{changeset:?}");
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{described}");
    }
}

/// Inserting a record whose owner is missing fails with `NotFound`.
pub async fn inserting_into_a_missing_owner_is_not_found(store: &dyn TenantStore) {
    populate(store).await;
    let other: WorkspaceId = id("other");
    let mut group = fixture::group("lost");
    group.workspace_id = other;
    let mut child = fixture::group("child");
    child.parent_id = Some(id("missing"));
    let mut workspace = fixture::workspace("lost");
    workspace.organization_id = id("other");
    let mut orphan = fixture::project("orphan");
    orphan.parent_id = Some(id("missing"));
    let changesets = [
        Changeset::new().insert(group),
        Changeset::new().insert(child),
        Changeset::new().insert(workspace),
        Changeset::new().insert(orphan),
        Changeset::new().insert(membership("missing", "owner")),
        Changeset::new().insert(assignment("a", "missing", None)),
        Changeset::new().insert(assignment("a", "staff", Some("missing"))),
        Changeset::new().insert(fixture::member(id("other"), id("owner"), OrganizationRole::Member)),
        Changeset::new().insert(session("s", id("stranger"), later(60))),
    ];
    for changeset in changesets {
        let described = format!("{changeset:?}");
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{described}: {error}");
    }
}

/// Moving a record to a missing owner fails with `NotFound`.
pub async fn moving_a_record_to_a_missing_owner_is_not_found(store: &dyn TenantStore) {
    populate(store).await;
    store.commit(Changeset::new().insert(fixture::alert_rule("rule"))).await.unwrap();
    let mut group = fixture::group("ops");
    group.parent_id = Some(id("missing"));
    let mut project = fixture::project("shop");
    project.parent_id = Some(id("missing"));
    let mut rule = fixture::alert_rule("rule");
    rule.project_id = Some(id("missing"));
    let changesets =
        [Changeset::new().update(group), Changeset::new().put(project), Changeset::new().update(rule)];
    for changeset in changesets {
        let described = format!("{changeset:?}");
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{described}: {error}");
    }
}

/// An entry of the audit log is not replaced by another one.
pub async fn an_audit_event_is_stored_once(store: &dyn TenantStore) {
    populate(store).await;
    let entry = |action| Changeset::new().audit(audit("entry", action, FIXTURE_TIME));
    store.commit(entry("group.create")).await.unwrap();
    assert_eq!(store.commit(entry("group.delete")).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    let log = store.list_audit_events(acme(), &Default::default(), &Default::default()).await.unwrap();
    assert_eq!(log.items.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["group.create"]);
}

/// Exactly one of many concurrent commits with a precondition on the same version succeeds.
pub async fn of_concurrent_commits_on_one_version_exactly_one_succeeds(store: &dyn TenantStore) {
    let (_, workspace) = populate(store).await;
    let racers = (0..8).map(|number| {
        let mut mine = workspace.clone();
        mine.display_name = Some(DisplayName::parse(&format!("racer {number}")).unwrap());
        store.commit(
            Changeset::new().workspace(mine, FIXTURE_TIME).insert(fixture::group(&format!("racer-{number}"))),
        )
    });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(error.is_version_conflict(), "{error}");
    }
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!((state.workspace.version, state.groups.len()), (Version::FIRST.next(), 3));
}

fn response(user: UserId, key: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        user_id: user,
        key: key.to_owned(),
        fingerprint: verifier(3).hash(),
        response: vec![0, 159, 255],
        created_at: FIXTURE_TIME,
        expires_at: later(60),
    }
}

fn with_response(record: &IdempotencyRecord) -> Changeset {
    Changeset { idempotency: Some(record.clone()), ..Changeset::new() }
}

/// A response is found by its user and key until it expires; the same key of another user is a different record.
pub async fn a_response_is_stored_for_its_user_until_it_expires(store: &dyn TenantStore) {
    let mine = response(id("ann"), "key");
    store.commit(with_response(&mine)).await.unwrap();
    assert_eq!(store.find_idempotency(id("ann"), "key", FIXTURE_TIME).await.unwrap(), Some(mine));
    assert_eq!(store.find_idempotency(id("bob"), "key", FIXTURE_TIME).await.unwrap(), None);
    assert_eq!(store.find_idempotency(id("ann"), "other", FIXTURE_TIME).await.unwrap(), None);
    assert_eq!(store.find_idempotency(id("ann"), "key", later(60)).await.unwrap(), None);
    store.commit(with_response(&response(id("bob"), "key"))).await.unwrap();
    let renewed =
        IdempotencyRecord { created_at: later(61), expires_at: later(99), ..response(id("ann"), "key") };
    store.commit(with_response(&renewed)).await.unwrap();
    assert_eq!(store.find_idempotency(id("ann"), "key", later(70)).await.unwrap(), Some(renewed));
}

/// A key with a stored response rejects the commit, and none of its writes are applied.
pub async fn a_used_idempotency_key_rejects_the_whole_commit(store: &dyn TenantStore) {
    store.commit(with_response(&response(id("ann"), "key"))).await.unwrap();
    let error = store
        .commit(with_response(&response(id("ann"), "key")).insert(fixture::user("ann")))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::AlreadyExists, "idempotency_key_used"));
    assert_eq!(store.find_user(id("ann")).await.unwrap(), None);
}

/// A deletion removes the owned records, and no others.
pub async fn deleting_removes_everything_owned_by_the_record(store: &dyn TenantStore) {
    populate(store).await;
    let mut role = role("reader");
    role.project_id = id("shop");
    let nested = Changeset::new()
        .insert(membership("ops", "owner"))
        .insert(assignment("in-shop", "ops", Some("shop")))
        .insert(assignment("whole", "staff", None))
        .insert(role)
        .insert(task("t"))
        .insert(inventory("git"))
        .insert(fixture::organization("other"));
    store.commit(nested).await.unwrap();

    store.commit(Changeset::new().delete(RecordKey::Project(acme(), dev(), id("shop")))).await.unwrap();
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!((state.projects.len(), state.roles.len(), state.assignments.len()), (0, 0, 1));

    store.commit(Changeset::new().delete(RecordKey::Group(acme(), dev(), id("ops")))).await.unwrap();
    assert!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap().is_empty());

    store.commit(Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    assert!(store.load_workspace(acme(), dev()).await.unwrap().is_none());
    assert!(store.find_task(acme(), dev(), id("t")).await.unwrap().is_none());

    store.commit(Changeset::new().delete(RecordKey::Organization(acme()))).await.unwrap();
    assert!(store.find_member(acme(), id("owner")).await.unwrap().is_none());
    assert_eq!(store.list_inventories(acme()).await.unwrap(), []);
    assert!(store.find_organization(id("other")).await.unwrap().is_some());
    assert!(store.find_user(id("owner")).await.unwrap().is_some());
}

/// A group or project with children is not deleted by itself.
pub async fn a_record_with_children_is_not_deleted(store: &dyn TenantStore) {
    populate(store).await;
    let mut child = fixture::project("web");
    child.parent_id = Some(id("shop"));
    store.commit(Changeset::new().insert(child)).await.unwrap();
    for key in [RecordKey::Group(acme(), dev(), id("staff")), RecordKey::Project(acme(), dev(), id("shop"))] {
        assert!(store.commit(Changeset::new().delete(key)).await.is_err());
    }
    // Deleting the organization deletes them together with their children.
    store.commit(Changeset::new().delete(RecordKey::Organization(acme()))).await.unwrap();
    assert!(store.load_workspace(acme(), dev()).await.unwrap().is_none());
}

/// Leaving removes a user from all groups of the organization, and changes only the affected workspaces.
pub async fn leaving_groups_increments_the_versions_of_affected_workspaces(store: &dyn TenantStore) {
    populate(store).await;
    let memberships = Changeset::new()
        .insert(fixture::workspace("calm"))
        .insert(membership("staff", "owner"))
        .insert(membership("ops", "owner"))
        .insert(membership("ops", "ann"));
    store.commit(memberships).await.unwrap();
    store.commit(Changeset::new().write(Write::LeaveGroups(acme(), id("owner")))).await.unwrap();

    assert!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap().is_empty());
    assert_eq!(store.list_groups_of(acme(), dev(), id("ann")).await.unwrap(), [id("ops")]);
    let left = store.find_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!((left.version, left.access_version), (Version::FIRST.next(), 2));
    let calm = store.find_workspace(acme(), id("calm")).await.unwrap().unwrap();
    assert_eq!((calm.version, calm.access_version), (Version::FIRST, 1));
    let other: OrganizationId = id("other");
    store.commit(Changeset::new().write(Write::LeaveGroups(other, id("ann")))).await.unwrap();
    assert_eq!(store.list_groups_of(acme(), dev(), id("ann")).await.unwrap(), [id("ops")]);
}

/// All sessions of the user that are alive are revoked, and those of other users are not.
pub async fn revoking_sessions_revokes_those_that_are_alive(store: &dyn TenantStore) {
    let over = session("over", id("ann"), later(5));
    let sessions = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::user("bob"))
        .insert(session("one", id("ann"), later(60)))
        .insert(session("two", id("ann"), later(60)))
        .insert(over.clone())
        .insert(session("bobs", id("bob"), later(60)));
    store.commit(sessions).await.unwrap();
    store.commit(Changeset::new().write(Write::RevokeSessions(id("ann"), later(10)))).await.unwrap();
    let one = store.find_session(id("one")).await.unwrap().unwrap();
    assert_eq!((one.revoked_at, one.version), (Some(later(10)), Version::FIRST.next()));
    assert_eq!(store.find_session(id("over")).await.unwrap(), Some(over));
    assert_eq!(store.find_session(id("bobs")).await.unwrap().unwrap().revoked_at, None);
    let mut revoked = store.list_revoked_sessions(later(10)).await.unwrap();
    revoked.sort_unstable();
    let mut expected = vec![id("one"), id("two")];
    expected.sort_unstable();
    assert_eq!(revoked, expected);
    assert!(store.list_revoked_sessions(later(11)).await.unwrap().is_empty());
}

/// A name is free after its record was deleted or renamed.
pub async fn a_name_is_free_after_its_record_is_deleted_or_renamed(store: &dyn TenantStore) {
    populate(store).await;
    let mut renamed = fixture::group("ops");
    renamed.parent_id = Some(id("staff"));
    renamed.name = fixture::group("operations").name;
    store.commit(Changeset::new().update(renamed)).await.unwrap();
    let mut reused = fixture::group("heir");
    reused.name = fixture::group("ops").name;
    store.commit(Changeset::new().insert(reused)).await.unwrap();

    store.commit(Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    let mut second = fixture::workspace("second");
    second.name = fixture::workspace("dev").name;
    store.commit(Changeset::new().insert(second)).await.unwrap();
}
