use super::setup::{acme, assignment, audit, dev, later, membership, populate, session, task, token};
use crate::changeset::{Changeset, RecordKey};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{EventId, GroupId, TypedId};
use crate::id_source::SeededIds;
use crate::model::{
    AuditFilter, Event, Invitation, Organization, OrganizationCounts, OrganizationRole, Phase,
    ServiceAccount, TaskState, User, UserKind, Workspace,
};
use crate::name::{PlanId, Slug};
use crate::page::{Page, PageRequest};
use crate::search::{MemberFilter, WorkspaceFilter};
use crate::secret::Verifier;
use crate::store::{RunningWorkspace, TenantStore};
use crate::version::Version;
use uuid::Uuid;

/// Reads a complete list in pages of `limit`.
async fn all<T, F>(limit: u16, read: impl Fn(PageRequest) -> F) -> Vec<T>
where
    F: Future<Output = crate::Result<Page<T>>>,
{
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = read(PageRequest::new(limit, after)).await.unwrap();
        assert!(page.items.len() <= usize::from(limit));
        items.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return items,
        }
    }
}

/// Pages of any size return every entry once, in the order of the list.
pub async fn pages_have_no_gaps_or_duplicates(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for number in 0..23 {
        changeset = changeset
            .insert(fixture::group(&format!("g{number}")))
            .insert(fixture::project(&format!("p{number}")))
            .insert(fixture::workspace(&format!("w{number}")))
            .insert(token(&format!("t{number}"), id("owner")));
    }
    store.commit(changeset).await.unwrap();
    for limit in [1, 7, 25, 200] {
        let groups =
            all(limit, |page| async move { store.list_groups(acme(), dev(), None, &page).await }).await;
        assert_eq!(groups.len(), 25);
        assert!(groups.is_sorted_by_key(|group| group.id));
        let workspaces = all(limit, |page| async move {
            store.list_workspaces(acme(), None, &WorkspaceFilter::default(), &page).await
        })
        .await;
        assert_eq!(workspaces.len(), 24);
        assert!(workspaces.is_sorted_by_key(|workspace| workspace.id));
        let projects =
            all(limit, |page| async move { store.list_projects(acme(), dev(), None, &page).await }).await;
        assert_eq!(projects.len(), 24);
        let tokens = all(limit, |page| async move { store.list_api_tokens(id("owner"), &page).await }).await;
        assert_eq!(tokens.len(), 23);
    }
}

/// A cursor of another list is rejected.
pub async fn a_cursor_of_another_list_is_rejected(store: &dyn TenantStore) {
    populate(store).await;
    let foreign = PageRequest::new(5, Some("not an id".to_owned()));
    let refused = [
        store.list_groups(acme(), dev(), None, &foreign).await.err(),
        store.list_members(acme(), &MemberFilter::default(), &foreign).await.err(),
        store.list_tasks(acme(), dev(), &foreign).await.err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().kind(), ErrorKind::Invalid);
    }
}

/// Counts cover one organization, and count persons without service accounts.
pub async fn counts_are_limited_to_one_organization(store: &dyn TenantStore) {
    populate(store).await;
    let mut robot = fixture::user("robot");
    (robot.kind, robot.email) = (UserKind::ServiceAccount, None);
    let mut foreign = fixture::workspace("theirs");
    foreign.organization_id = id("other");
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(robot)
        .insert(fixture::member(acme(), id("ann"), OrganizationRole::Member))
        .insert(fixture::member(acme(), id("robot"), OrganizationRole::Admin))
        .insert(fixture::organization("other"))
        .insert(fixture::member(id("other"), id("ann"), OrganizationRole::Owner))
        .insert(foreign);
    store.commit(changeset).await.unwrap();
    let counts = store.count_organization(acme()).await.unwrap();
    let expected =
        OrganizationCounts { members: 2, owners: 1, workspaces: 1, ..OrganizationCounts::default() };
    assert_eq!(counts, expected);
}

/// Counts per creator cover all organizations that the user created, without the personal one and regardless of
/// memberships, and their workspaces by plan.
pub async fn organizations_and_workspaces_are_counted_by_creator(store: &dyn TenantStore) {
    populate(store).await;
    let organization = |name: &str, creator: &str, personal| Organization {
        created_by: id(creator),
        personal,
        ..fixture::organization(name)
    };
    let workspace = |name: &str, organization: &str, plan: &str| Workspace {
        organization_id: id(organization),
        plan_id: PlanId::parse(plan).unwrap(),
        ..fixture::workspace(name)
    };
    let changeset = Changeset::new()
        .insert(organization("second", "owner", false))
        .insert(organization("own", "owner", true))
        .insert(organization("foreign", "ann", false))
        .insert(fixture::member(id("foreign"), id("owner"), OrganizationRole::Owner))
        .insert(workspace("w1", "second", "small"))
        .insert(workspace("w2", "own", "large"))
        .insert(workspace("w3", "foreign", "small"));
    store.commit(changeset).await.unwrap();
    assert_eq!(store.count_created_organizations(id("owner")).await.unwrap(), 2);
    assert_eq!(store.count_created_organizations(id("bob")).await.unwrap(), 0);
    let counts = |user| async move {
        let counts = store.count_created_workspaces(user).await.unwrap();
        counts.into_iter().map(|(plan, count)| (plan.to_string(), count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(id("owner")).await, [("large".to_owned(), 1), ("small".to_owned(), 2)]);
    assert_eq!(counts(id("ann")).await, [("small".to_owned(), 1)]);
    store.commit(Changeset::new().delete(RecordKey::Organization(id("second")))).await.unwrap();
    assert_eq!(store.count_created_organizations(id("owner")).await.unwrap(), 1);
    assert_eq!(counts(id("owner")).await, [("large".to_owned(), 1), ("small".to_owned(), 1)]);
}

/// Members are persons only; organizations and service accounts are listed with the membership.
pub async fn members_are_listed_without_service_accounts(store: &dyn TenantStore) {
    populate(store).await;
    let mut robot = fixture::user("robot");
    (robot.kind, robot.email) = (UserKind::ServiceAccount, None);
    let account = ServiceAccount {
        organization_id: acme(),
        id: id("robot"),
        name: Slug::parse("robot").unwrap(),
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        version: Version::FIRST,
    };
    let changeset = Changeset::new()
        .insert(robot)
        .insert(account)
        .insert(fixture::member(acme(), id("robot"), OrganizationRole::Admin))
        .insert(fixture::organization("second"))
        .insert(fixture::member(id("second"), id("owner"), OrganizationRole::Member));
    store.commit(changeset).await.unwrap();
    let members =
        store.list_members(acme(), &MemberFilter::default(), &PageRequest::default()).await.unwrap().items;
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].0.role, &members[0].1), (OrganizationRole::Owner, &fixture::user("owner")));
    let own = all(1, |page| async move { store.list_organizations(id("owner"), &page).await }).await;
    assert_eq!(own.len(), 2);
    assert!(own.iter().all(|(organization, member)| member.organization_id == organization.id));
    assert!(own.is_sorted_by_key(|(organization, _)| organization.id));
    let accounts = all(1, |page| async move { store.list_service_accounts(acme(), &page).await }).await;
    let roles: Vec<_> =
        accounts.iter().map(|(account, member)| (account.id, member.user_id, member.role)).collect();
    assert_eq!(roles, [(id("robot"), id("robot"), OrganizationRole::Admin)]);
}

/// Workspaces whose control plane runs are listed for all organizations, ordered by id, in pages that are full.
pub async fn running_workspaces_of_all_organizations_are_listed_in_pages(store: &dyn TenantStore) {
    let (_, mut first) = populate(store).await;
    let mut changeset = Changeset::new().insert(fixture::organization("globex"));
    let mut expected = Vec::new();
    first.status.phase = Phase::Pending;
    changeset = changeset.update(first);
    for (number, phase) in Phase::ALL.iter().copied().enumerate() {
        for (organization, is_deleting) in [("acme", false), ("globex", false), ("globex", true)] {
            let mut workspace = fixture::workspace(&format!("{organization}-{number}-{is_deleting}"));
            workspace.organization_id = id(organization);
            workspace.status.phase = phase;
            workspace.deletion_requested_at = is_deleting.then_some(FIXTURE_TIME);
            let runs = matches!(phase, Phase::Ready | Phase::Updating | Phase::Degraded);
            if runs && !is_deleting {
                expected.push(RunningWorkspace {
                    organization_id: workspace.organization_id,
                    id: workspace.id,
                    host_cluster: workspace.host_cluster.clone(),
                    plan_id: workspace.plan_id.clone(),
                });
            }
            changeset = changeset.insert(workspace);
        }
    }
    store.commit(changeset).await.unwrap();
    expected.sort_by_key(|workspace| workspace.id);
    let (mut found, mut after): (Vec<RunningWorkspace>, _) = (Vec::new(), None);
    loop {
        let page = store.list_running_workspaces(after, 4).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() == 4 || found.len() + page.len() == expected.len());
        after = Some(last.id);
        found.extend(page);
    }
    assert_eq!(found, expected);
}

/// With `member`, only the workspaces in whose groups that user is are listed.
pub async fn workspaces_are_listed_for_members_of_their_groups(store: &dyn TenantStore) {
    populate(store).await;
    let nested = Changeset::new()
        .insert(fixture::workspace("other"))
        .insert(membership("staff", "ann"))
        .insert(membership("ops", "ann"));
    store.commit(nested).await.unwrap();
    let page = PageRequest::default();
    assert_eq!(
        store.list_workspaces(acme(), None, &WorkspaceFilter::default(), &page).await.unwrap().items.len(),
        2
    );
    let own = store
        .list_workspaces(acme(), Some(id("ann")), &WorkspaceFilter::default(), &page)
        .await
        .unwrap()
        .items;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].id, dev());
    assert!(
        store
            .list_workspaces(acme(), Some(id("bob")), &WorkspaceFilter::default(), &page)
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

fn event_id(number: u128) -> EventId {
    EventId::from_uuid(Uuid::from_u128(number))
}

/// The log is ordered newest first, and every filter narrows it.
pub async fn the_audit_log_is_newest_first_and_filtered(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for number in 0..10_i64 {
        let action = if number % 2 == 0 { "group.create" } else { "group.delete" };
        let mut entry = audit(&format!("r{number}"), action, later(number));
        entry.id = event_id(u128::try_from(number).unwrap());
        if number == 9 {
            entry.actor.user_id = None;
        }
        changeset = changeset.audit(entry);
    }
    store.commit(changeset).await.unwrap();
    let read = |filter: AuditFilter| async move {
        all(3, |page| {
            let filter = filter.clone();
            async move { store.list_audit_events(acme(), &filter, &page).await }
        })
        .await
    };
    let everything = read(AuditFilter::default()).await;
    let resources: Vec<&str> = everything.iter().map(|entry| entry.resource.as_str()).collect();
    assert_eq!(resources, ["r9", "r8", "r7", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]);
    let count = |filter| async move { read(filter).await.len() };
    assert_eq!(count(AuditFilter { actor: Some(id("owner")), ..AuditFilter::default() }).await, 9);
    assert_eq!(
        count(AuditFilter { action: Some("group.delete".to_owned()), ..AuditFilter::default() }).await,
        5
    );
    assert_eq!(count(AuditFilter { resource: Some("r3".to_owned()), ..AuditFilter::default() }).await, 1);
    let window = AuditFilter { since: Some(later(2)), until: Some(later(5)), ..AuditFilter::default() };
    assert_eq!(count(window).await, 3);
    let other = store.list_audit_events(id("other"), &AuditFilter::default(), &PageRequest::default()).await;
    assert!(other.unwrap().items.is_empty());
    assert_eq!(everything[9], {
        let mut entry = audit("r0", "group.create", FIXTURE_TIME);
        entry.id = event_id(0);
        entry
    });
}

/// Entries are ordered by their time, and those of one time by their id; a page of any size has no gaps.
pub async fn the_audit_log_is_ordered_by_time_then_id(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for number in 0..12_u128 {
        let mut entry =
            audit(&format!("r{number}"), "group.create", later(i64::try_from(number % 4).unwrap()));
        // The ids run against the times.
        entry.id = event_id(100 - number);
        changeset = changeset.audit(entry);
    }
    store.commit(changeset).await.unwrap();
    let expected = [3, 7, 11, 2, 6, 10, 1, 5, 9, 0, 4, 8].map(|number| format!("r{number}"));
    for limit in [1, 2, 5, 200] {
        for (filter, skipped, taken) in [
            (AuditFilter::default(), 0, 12),
            (AuditFilter { action: Some("group.create".to_owned()), ..AuditFilter::default() }, 0, 12),
            (AuditFilter { until: Some(later(3)), ..AuditFilter::default() }, 3, 9),
            (AuditFilter { since: Some(later(2)), ..AuditFilter::default() }, 0, 6),
            (AuditFilter { since: Some(later(1)), until: Some(later(2)), ..AuditFilter::default() }, 6, 3),
            (AuditFilter { since: Some(later(2)), until: Some(later(1)), ..AuditFilter::default() }, 0, 0),
        ] {
            let read = |page| {
                let filter = filter.clone();
                async move { store.list_audit_events(acme(), &filter, &page).await }
            };
            let found = all(limit, read).await;
            let resources: Vec<&str> = found.iter().map(|entry| entry.resource.as_str()).collect();
            assert_eq!(resources, expected[skipped..skipped + taken], "{filter:?} by {limit}");
        }
    }
}

/// Deleting an organization keeps its log.
pub async fn the_audit_log_remains_after_the_organization_is_deleted(store: &dyn TenantStore) {
    populate(store).await;
    let gone = Changeset::new().delete(RecordKey::Organization(acme())).audit(audit(
        "e",
        "organization.delete",
        FIXTURE_TIME,
    ));
    store.commit(gone).await.unwrap();
    let log =
        store.list_audit_events(acme(), &AuditFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(log.items.len(), 1);
}

/// Events are ordered oldest first, and start after the given one.
pub async fn events_resume_after_the_last_one_seen(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for number in 1..=5_u128 {
        changeset = changeset.insert(Event {
            id: event_id(number),
            organization_id: acme(),
            workspace_id: None,
            kind: "x".to_owned(),
            data: serde_json::Value::Null,
            at: FIXTURE_TIME,
        });
    }
    store.commit(changeset).await.unwrap();
    let ids = |after, limit| async move {
        let events = store.list_events(acme(), after, limit).await.unwrap();
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2).await, [event_id(1), event_id(2)]);
    assert_eq!(ids(Some(event_id(3)), 9).await, [event_id(4), event_id(5)]);
    assert!(ids(Some(event_id(5)), 9).await.is_empty());
    assert_eq!(store.newest_event(acme()).await.unwrap(), Some(event_id(5)));
}

/// Memberships are found by group and by user.
pub async fn memberships_are_listed_by_group_and_by_user(store: &dyn TenantStore) {
    populate(store).await;
    let memberships = Changeset::new()
        .insert(membership("staff", "ann"))
        .insert(membership("ops", "ann"))
        .insert(membership("ops", "bob"));
    store.commit(memberships).await.unwrap();
    let mut groups: Vec<GroupId> = vec![id("staff"), id("ops")];
    groups.sort_unstable();
    assert_eq!(store.list_groups_of(acme(), dev(), id("ann")).await.unwrap(), groups);
    let both = store.list_memberships(acme(), dev(), &[id("ops"), id("staff")]).await.unwrap();
    assert_eq!(both.len(), 3);
    assert!(both.is_sorted_by_key(|membership| (membership.group_id, membership.user_id)));
    assert_eq!(
        store.list_memberships(acme(), dev(), &[id("staff")]).await.unwrap(),
        [membership("staff", "ann")]
    );
    assert!(store.list_memberships(acme(), dev(), &[]).await.unwrap().is_empty());
    let members =
        all(1, |page| async move { store.list_workspace_members(acme(), dev(), &page).await }).await;
    let mut expected = vec![id("ann"), id("bob")];
    expected.sort_unstable();
    assert_eq!(members, expected, "a user in several groups must be listed once");
}

/// Tasks are ordered newest first; open tasks are ordered oldest first.
pub async fn tasks_are_newest_first_and_open_ones_oldest_first(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for (number, state) in
        [(1, TaskState::Succeeded), (2, TaskState::Pending), (3, TaskState::Running), (4, TaskState::Failed)]
    {
        let mut task = task("x");
        task.id = TypedId::from_uuid(Uuid::from_u128(number));
        task.state = state;
        changeset = changeset.insert(task);
    }
    store.commit(changeset).await.unwrap();
    let number = |task: &crate::model::Task| task.id.uuid().as_u128();
    let listed = all(3, |page| async move { store.list_tasks(acme(), dev(), &page).await }).await;
    assert_eq!(listed.iter().map(number).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let open = store.list_open_tasks(acme(), dev()).await.unwrap();
    assert_eq!(open.iter().map(number).collect::<Vec<_>>(), [2, 3]);
}

/// Assignments in a project and in the workspace as a whole are listed separately.
pub async fn assignments_are_listed_by_scope(store: &dyn TenantStore) {
    populate(store).await;
    let assignments = Changeset::new()
        .insert(assignment("whole", "staff", None))
        .insert(assignment("shop-1", "staff", Some("shop")))
        .insert(assignment("shop-2", "ops", Some("shop")));
    store.commit(assignments).await.unwrap();
    let count = |project: Option<&'static str>| async move {
        let page = PageRequest::default();
        store.list_assignments(acme(), dev(), project.map(id), &page).await.unwrap().items.len()
    };
    assert_eq!((count(None).await, count(Some("shop")).await, count(Some("other")).await), (1, 2, 0));
}

/// Revoked and expired sessions are not listed.
pub async fn sessions_are_listed_while_they_are_alive(store: &dyn TenantStore) {
    let mut revoked = session("revoked", id("ann"), later(60));
    revoked.revoked_at = Some(later(1));
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(session("alive", id("ann"), later(60)))
        .insert(session("expired", id("ann"), later(5)))
        .insert(revoked);
    store.commit(changeset).await.unwrap();
    let listed = store.list_sessions(id("ann"), later(5)).await.unwrap();
    assert_eq!(listed, [session("alive", id("ann"), later(60))]);
    assert_eq!(store.list_sessions(id("ann"), later(4)).await.unwrap().len(), 2);
}

/// A user finds the open invitations to their e-mail address in all organizations, and no others.
pub async fn open_invitations_are_found_by_email(store: &dyn TenantStore) {
    populate(store).await;
    let invitation = |name: &str, organization: &str, invitee: &str, expires_at| Invitation {
        id: id(name),
        organization_id: id(organization),
        email: fixture::user(invitee).email.unwrap(),
        role: OrganizationRole::Member,
        hash: Verifier::generate(&SeededIds::new(1)).hash(),
        invited_by: id("owner"),
        created_at: FIXTURE_TIME,
        expires_at,
    };
    let here = invitation("here", "acme", "ann", later(60));
    let other = invitation("second", "globex", "ann", later(90));
    let robot = User { kind: UserKind::ServiceAccount, email: None, ..fixture::user("robot") };
    let changeset = Changeset::new()
        .insert(fixture::organization("globex"))
        .insert(fixture::user("ann"))
        .insert(fixture::user("bob"))
        .insert(robot)
        .insert(here.clone())
        .insert(other.clone())
        .insert(invitation("past", "acme", "ann", later(10)))
        .insert(invitation("other", "globex", "bob", later(60)));
    store.commit(changeset).await.unwrap();
    let mut both = vec![here, other.clone()];
    both.sort_by_key(|invitation| (invitation.organization_id, invitation.id));
    assert_eq!(store.list_open_invitations(id("ann"), later(10)).await.unwrap(), both);
    assert_eq!(store.list_open_invitations(id("ann"), later(60)).await.unwrap(), [other]);
    let names = |found: Vec<Invitation>| found.into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!(names(store.list_open_invitations(id("bob"), later(10)).await.unwrap()), [id("other")]);

    let ann = fixture::user("ann").email.unwrap();
    for (at, count) in [(0, 3), (10, 2), (60, 1), (90, 0)] {
        assert_eq!(store.count_open_invitations(&ann, later(at)).await.unwrap(), count, "after {at} s");
    }
    let mut in_acme = vec![id("here"), id("past")];
    in_acme.sort_unstable();
    assert_eq!(names(store.list_invitations_to(acme(), &ann).await.unwrap()), in_acme);
    let bob = fixture::user("bob").email.unwrap();
    assert!(store.list_invitations_to(acme(), &bob).await.unwrap().is_empty());
    for uninvited in ["owner", "robot", "missing"] {
        assert!(
            store.list_open_invitations(id(uninvited), later(10)).await.unwrap().is_empty(),
            "{uninvited}"
        );
    }
}
