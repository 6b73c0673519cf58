use super::world::{acme, assignment, audit, build, dev, later, membership, role, session, task, verifier};
use crate::changeset::{Changeset, Guard, IdempotencyRecord, Key, Write};
use crate::error::ErrorKind;
use crate::fixture::{self, THEN, id};
use crate::id::{OrganizationId, UserId, WorkspaceId};
use crate::model::OrganizationRole;
use crate::name::DisplayName;
use crate::store::TenantStore;
use crate::version::Version;

/// A commit of which the last write fails changes nothing.
pub async fn a_commit_that_fails_leaves_nothing_behind(store: &dyn TenantStore) {
    build(store).await;
    let doomed = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::group("new"))
        .delete(Key::Group(acme(), dev(), id("ops")))
        .audit(audit("entry", "group.create", THEN))
        .insert(fixture::group("staff"));
    assert_eq!(store.commit(doomed).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(store.find_user(id("ann")).await.unwrap(), None);
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!(state.groups.len(), 2);
    let log = store.list_audit_events(acme(), &Default::default(), &Default::default()).await.unwrap();
    assert!(log.items.is_empty());
}

/// Each guard refuses once what it guards has changed.
pub async fn a_guard_that_no_longer_holds_is_a_version_conflict(store: &dyn TenantStore) {
    let (organization, workspace) = build(store).await;
    let alive = session("session", id("owner"), later(60));
    let owner = store.find_user(id("owner")).await.unwrap().unwrap();
    let host = fixture::registered_host("fra-1");
    let name = host.host.name.clone();
    store.commit(Changeset::new().insert(alive.clone()).insert(host.clone())).await.unwrap();
    let changes = Changeset::new().organization(organization, THEN).workspace(workspace, THEN);
    store.commit(changes.user(owner, THEN).session(alive).host(host, THEN)).await.unwrap();

    let old = Version::FIRST;
    let broken = [
        Guard::User(id("owner"), old),
        Guard::Session(id("session"), old),
        Guard::Organization(acme(), old),
        Guard::Workspace(acme(), dev(), old),
        Guard::Workspace(id("other"), dev(), old.next()),
        Guard::Host(name.clone(), old),
        Guard::Member(acme(), id("stranger")),
        Guard::Lease("nobody's".to_owned(), 1),
    ];
    for guard in broken {
        let error = store.commit(Changeset::new().guard(guard.clone())).await.unwrap_err();
        assert!(error.is_version_conflict(), "{guard:?}: {error}");
    }
    let holding = Changeset::new()
        .guard(Guard::User(id("owner"), old.next()))
        .guard(Guard::Session(id("session"), old.next()))
        .guard(Guard::Organization(acme(), old.next()))
        .guard(Guard::Workspace(acme(), dev(), old.next()))
        .guard(Guard::Host(name, old.next()))
        .guard(Guard::Member(acme(), id("owner")));
    store.commit(holding).await.unwrap();
}

/// A changeset may itself end what it is guarded by.
pub async fn guards_are_checked_against_the_state_before_the_writes(store: &dyn TenantStore) {
    let (organization, _) = build(store).await;
    let leave = Changeset::new()
        .guard(Guard::Member(acme(), id("owner")))
        .organization(organization, later(1))
        .delete(Key::Member(acme(), id("owner")));
    store.commit(leave).await.unwrap();
    let after = store.find_organization(acme()).await.unwrap().unwrap();
    assert_eq!((after.version, after.updated_at), (Version::FIRST.next(), later(1)));
}

/// Inserting what is there fails with `AlreadyExists` and names the thing.
pub async fn inserting_what_is_there_names_the_thing(store: &dyn TenantStore) {
    build(store).await;
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

/// Two things of one kind cannot have the same name in the same place, and can in different ones.
pub async fn names_are_unique_where_they_should_be(store: &dyn TenantStore) {
    build(store).await;
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
    let twins = [
        Changeset::new().insert(user),
        Changeset::new().insert(organization),
        Changeset::new().insert(workspace.clone()),
        Changeset::new().insert(group),
        Changeset::new().insert(project),
    ];
    for changeset in twins {
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    let mut second = assignment("second", "staff", None);
    store.commit(Changeset::new().insert(assignment("first", "staff", None))).await.unwrap();
    assert!(store.commit(Changeset::new().insert(second.clone())).await.is_err());
    second.group_id = id("ops");
    store.commit(Changeset::new().insert(second)).await.unwrap();

    workspace.organization_id = id("elsewhere");
    store
        .commit(Changeset::new().insert(fixture::organization("elsewhere")).insert(workspace))
        .await
        .unwrap();
}

/// Updating or deleting what is missing fails with `NotFound`.
pub async fn updating_or_deleting_what_is_missing_is_not_found(store: &dyn TenantStore) {
    build(store).await;
    let mut foreign = fixture::group("staff");
    foreign.organization_id = id("other");
    let changesets = [
        Changeset::new().update(fixture::user("ann")),
        Changeset::new().update(fixture::group("nobody")),
        Changeset::new().update(foreign),
        Changeset::new().delete(Key::Group(acme(), dev(), id("nobody"))),
        Changeset::new().delete(Key::Group(id("other"), dev(), id("staff"))),
        Changeset::new().delete(Key::Membership(acme(), dev(), id("staff"), id("ann"))),
        Changeset::new().delete(Key::Workspace(id("other"), dev())),
        Changeset::new().delete(Key::Organization(id("other"))),
    ];
    for changeset in changesets {
        let described = format!("{changeset:?}");
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{described}");
    }
}

/// Inserting into something missing fails with `NotFound`.
pub async fn inserting_into_something_missing_is_not_found(store: &dyn TenantStore) {
    build(store).await;
    let elsewhere: WorkspaceId = id("elsewhere");
    let mut group = fixture::group("lost");
    group.workspace_id = elsewhere;
    let mut child = fixture::group("child");
    child.parent_id = Some(id("nobody"));
    let mut workspace = fixture::workspace("lost");
    workspace.organization_id = id("other");
    let mut orphan = fixture::project("orphan");
    orphan.parent_id = Some(id("nobody"));
    let changesets = [
        Changeset::new().insert(group),
        Changeset::new().insert(child),
        Changeset::new().insert(workspace),
        Changeset::new().insert(orphan),
        Changeset::new().insert(membership("nobody", "owner")),
        Changeset::new().insert(assignment("a", "nobody", None)),
        Changeset::new().insert(assignment("a", "staff", Some("nowhere"))),
        Changeset::new().insert(fixture::member(id("other"), id("owner"), OrganizationRole::Member)),
        Changeset::new().insert(session("s", id("stranger"), later(60))),
    ];
    for changeset in changesets {
        let described = format!("{changeset:?}");
        let error = store.commit(changeset).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{described}: {error}");
    }
}

/// Of commits guarded by the same version exactly one succeeds, however many race.
pub async fn of_two_commits_on_one_version_exactly_one_succeeds(store: &dyn TenantStore) {
    let (_, workspace) = build(store).await;
    let racers = (0..8).map(|number| {
        let mut mine = workspace.clone();
        mine.display_name = Some(DisplayName::parse(&format!("racer {number}")).unwrap());
        store
            .commit(Changeset::new().workspace(mine, THEN).insert(fixture::group(&format!("racer-{number}"))))
    });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(error.is_version_conflict(), "{error}");
    }
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!((state.workspace.version, state.groups.len()), (Version::FIRST.next(), 3));
}

fn reply(user: UserId, key: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        user_id: user,
        key: key.to_owned(),
        fingerprint: verifier(3).hash(),
        reply: vec![0, 159, 255],
        created_at: THEN,
        expires_at: later(60),
    }
}

fn with_reply(record: &IdempotencyRecord) -> Changeset {
    Changeset { idempotency: Some(record.clone()), ..Changeset::new() }
}

/// A reply is found by its user and key until it expires; keys of different users never meet.
pub async fn a_reply_is_kept_for_its_user_until_it_expires(store: &dyn TenantStore) {
    let mine = reply(id("ann"), "key");
    store.commit(with_reply(&mine)).await.unwrap();
    assert_eq!(store.find_idempotency(id("ann"), "key", THEN).await.unwrap(), Some(mine));
    assert_eq!(store.find_idempotency(id("bob"), "key", THEN).await.unwrap(), None);
    assert_eq!(store.find_idempotency(id("ann"), "other", THEN).await.unwrap(), None);
    assert_eq!(store.find_idempotency(id("ann"), "key", later(60)).await.unwrap(), None);
    store.commit(with_reply(&reply(id("bob"), "key"))).await.unwrap();
    let renewed =
        IdempotencyRecord { created_at: later(61), expires_at: later(99), ..reply(id("ann"), "key") };
    store.commit(with_reply(&renewed)).await.unwrap();
    assert_eq!(store.find_idempotency(id("ann"), "key", later(70)).await.unwrap(), Some(renewed));
}

/// A key that is there already refuses the commit, and nothing of it happens.
pub async fn a_used_idempotency_key_refuses_the_whole_commit(store: &dyn TenantStore) {
    store.commit(with_reply(&reply(id("ann"), "key"))).await.unwrap();
    let error =
        store.commit(with_reply(&reply(id("ann"), "key")).insert(fixture::user("ann"))).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::AlreadyExists, "idempotency_key_used"));
    assert_eq!(store.find_user(id("ann")).await.unwrap(), None);
}

/// What belongs to a thing goes with it, and nothing else does.
pub async fn deleting_takes_what_belongs_to_it(store: &dyn TenantStore) {
    build(store).await;
    let mut role = role("reader");
    role.project_id = id("shop");
    let inside = Changeset::new()
        .insert(membership("ops", "owner"))
        .insert(assignment("in-shop", "ops", Some("shop")))
        .insert(assignment("whole", "staff", None))
        .insert(role)
        .insert(task("t"))
        .insert(fixture::organization("elsewhere"));
    store.commit(inside).await.unwrap();

    store.commit(Changeset::new().delete(Key::Project(acme(), dev(), id("shop")))).await.unwrap();
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!((state.projects.len(), state.roles.len(), state.assignments.len()), (0, 0, 1));

    store.commit(Changeset::new().delete(Key::Group(acme(), dev(), id("ops")))).await.unwrap();
    assert!(store.list_groups_of(acme(), dev(), id("owner")).await.unwrap().is_empty());

    store.commit(Changeset::new().delete(Key::Workspace(acme(), dev()))).await.unwrap();
    assert!(store.load_workspace(acme(), dev()).await.unwrap().is_none());
    assert!(store.find_task(acme(), dev(), id("t")).await.unwrap().is_none());

    store.commit(Changeset::new().delete(Key::Organization(acme()))).await.unwrap();
    assert!(store.find_member(acme(), id("owner")).await.unwrap().is_none());
    assert!(store.find_organization(id("elsewhere")).await.unwrap().is_some());
    assert!(store.find_user(id("owner")).await.unwrap().is_some());
}

/// A group or project with children is not deleted.
pub async fn what_has_children_is_not_deleted(store: &dyn TenantStore) {
    build(store).await;
    let mut child = fixture::project("web");
    child.parent_id = Some(id("shop"));
    store.commit(Changeset::new().insert(child)).await.unwrap();
    for key in [Key::Group(acme(), dev(), id("staff")), Key::Project(acme(), dev(), id("shop"))] {
        assert!(store.commit(Changeset::new().delete(key)).await.is_err());
    }
    // But together with everything around them they go.
    store.commit(Changeset::new().delete(Key::Organization(acme()))).await.unwrap();
    assert!(store.load_workspace(acme(), dev()).await.unwrap().is_none());
}

/// Leaving takes a user out of every group of the organization, and shows in the workspaces concerned only.
pub async fn leaving_groups_raises_the_versions_of_the_workspaces_concerned(store: &dyn TenantStore) {
    build(store).await;
    let places = Changeset::new()
        .insert(fixture::workspace("calm"))
        .insert(membership("staff", "owner"))
        .insert(membership("ops", "owner"))
        .insert(membership("ops", "ann"));
    store.commit(places).await.unwrap();
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

/// All of a user's sessions that are alive end, and nobody else's.
pub async fn revoking_sessions_ends_those_that_are_alive(store: &dyn TenantStore) {
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

/// A name can be used again once whoever had it is gone or is called otherwise.
pub async fn a_name_is_free_again_once_its_owner_is_gone(store: &dyn TenantStore) {
    build(store).await;
    let mut renamed = fixture::group("ops");
    renamed.parent_id = Some(id("staff"));
    renamed.name = fixture::group("operations").name;
    store.commit(Changeset::new().update(renamed)).await.unwrap();
    let mut heir = fixture::group("heir");
    heir.name = fixture::group("ops").name;
    store.commit(Changeset::new().insert(heir)).await.unwrap();

    store.commit(Changeset::new().delete(Key::Workspace(acme(), dev()))).await.unwrap();
    let mut second = fixture::workspace("second");
    second.name = fixture::workspace("dev").name;
    store.commit(Changeset::new().insert(second)).await.unwrap();
}
