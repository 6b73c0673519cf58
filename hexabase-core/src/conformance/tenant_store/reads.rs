use super::setup::{
    acme, assignment, dev, inventory, later, membership, populate, role, security_event, session, task,
    token, verifier,
};
use crate::changeset::{Changeset, RecordKey, SpentRefresh};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{OrganizationId, TypedId as _, WorkspaceId};
use crate::model::{
    AccessRevocation, BillingSuspension, Condition, ConditionStatus, Drift, DriftEntry, DriftScope, Event,
    GitOpsAccess, GitOpsCredential, GitOpsTool, HostHealth, HostState, Identity, Invitation, Member,
    NodePool, OrganizationRole, Phase, PoolNodes, Power, PresetRole, RetiredGroupName, ServiceAccount,
    SignatureAlgorithm, SigningKey, Usage, UserKind, Workspace,
};
use crate::name::{DisplayName, Email, GroupName, HostNamespace, NodeClass, ProviderName, Region, Slug};
use crate::page::PageRequest;
use crate::quantity::Quantity;
use crate::quota::{Quota, Resource};
use crate::search::MemberFilter;
use crate::store::TenantStore;
use crate::version::Version;

/// A workspace in which no field has its default value.
fn workspace_without_defaults() -> Workspace {
    let mut workspace = fixture::workspace("full");
    workspace.display_name = Some(DisplayName::parse("Ереmit Ω").unwrap());
    workspace.region = Some(Region::parse("eu-west").unwrap());
    workspace.power = Power::Suspended;
    workspace.suspension_reason = Some(BillingSuspension::Overdue);
    workspace.organization_suspended = true;
    workspace.node_pools = vec![NodePool {
        id: id("pool"),
        name: Slug::parse("gpu").unwrap(),
        class: NodeClass::parse("a100").unwrap(),
        nodes: 3,
        created_by: id("owner"),
        created_at: later(2),
        version: Version::new(3),
    }];
    let namespace = HostNamespace::parse("argocd").unwrap();
    let access = GitOpsAccess { namespace: namespace.clone(), role: PresetRole::ProjectAdmin };
    workspace.gitops.insert(GitOpsTool::ArgoCd, access);
    workspace.access_revocations =
        vec![AccessRevocation { user_id: id("eve"), groups: vec![id("admins")], until: later(8) }];
    let name = GroupName::parse("devs").unwrap();
    workspace.retired_group_names = vec![RetiredGroupName { name, group_id: id("devs"), until: later(8) }];
    workspace.deletion_requested_at = Some(later(9));
    workspace.generation = 7;
    workspace.access_version = 5;
    workspace.reconcile_at = None;
    workspace.version = Version::new(42);
    let status = &mut workspace.status;
    status.phase = Phase::Degraded;
    status.phase_since = later(3);
    status.reason = "CrashLoop".to_owned();
    status.message = "it's \"broken\"".to_owned();
    status.observed_generation = 6;
    Condition::set(&mut status.conditions, "Ready", ConditionStatus::False, "CrashLoop", "x", later(4));
    status.api_endpoint = Some("https://x.example:443".to_owned());
    status.certificate_authority = Some("-----BEGIN…".to_owned());
    status.failures = 3;
    status.refused_projects.insert(id("shop"), "taken".to_owned());
    let nodes = PoolNodes { assigned: vec!["n1".to_owned()], releasing: vec!["n2".to_owned()] };
    status.node_pools.insert(id("pool"), nodes);
    status.gitops.insert(GitOpsTool::Flux, GitOpsCredential::unknown(namespace, later(7)));
    let used = Quota::new().with(Resource::Cpu, Quantity::milli(1_500));
    let projects = std::iter::once((id("shop"), used.clone())).collect();
    status.usage = Some(Usage { observed_at: later(5), workspace: used, projects });
    let entry = DriftEntry {
        scope: DriftScope::Host,
        object: "Service/a/b".to_owned(),
        field: "spec.ports".to_owned(),
        actual: None,
        desired: Some("443".to_owned()),
        managers: vec!["kubectl-edit".to_owned()],
    };
    status.drift = Some(Drift { checked_at: later(6), entries: vec![entry] });
    workspace
}

/// A record is read back exactly as it was inserted or updated.
pub async fn every_record_reads_back_as_it_was_written(store: &dyn TenantStore) {
    populate(store).await;
    let workspace = workspace_without_defaults();
    let mut project = fixture::project("full");
    project.parent_id = Some(id("shop"));
    project.display_name = Some(DisplayName::parse("Full").unwrap());
    project.quota = Quota::new().with(Resource::Memory, Quantity::gibibytes(2));
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
    let invitation = Invitation {
        id: id("inv"),
        organization_id: acme(),
        email: Email::parse("new@example.com").unwrap(),
        role: OrganizationRole::Billing,
        hash: verifier(4).hash(),
        invited_by: id("owner"),
        created_at: FIXTURE_TIME,
        expires_at: later(60),
    };
    let key = SigningKey {
        kid: "k1".to_owned(),
        algorithm: SignatureAlgorithm::Es256,
        public_jwk: serde_json::json!({ "kty": "EC", "x": "…" }),
        sealed_private: vec![0, 1, 255],
        created_at: FIXTURE_TIME,
        retires_at: Some(later(1)),
    };
    let mut host = fixture::registered_host("fra-1");
    host.host.region = Some(Region::parse("eu").unwrap());
    host.host.labels.insert("gpu".to_owned(), "a100".to_owned());
    (host.host.cordoned, host.host.sandbox, host.host.capacity) = (true, true, u32::MAX);
    host.settings.insert("storage_class".to_owned(), "fast".to_owned());
    host.health = HostHealth { state: HostState::Unreachable, message: "gone".to_owned(), since: later(3) };
    let another = fixture::registered_host("ams-1");
    let event = Event {
        id: id("e"),
        organization_id: acme(),
        workspace_id: Some(dev()),
        kind: "workspace.phase".to_owned(),
        data: serde_json::json!({ "phase": "ready", "n": 1.5, "deep": [null, true] }),
        at: later(2),
    };
    let (inventory, another_inventory) = (inventory("git"), inventory("ci"));
    let security = security_event("se", id("owner"), later(2));
    let (session, token) = (session("s", id("owner"), later(60)), token("t", id("owner")));
    let changeset = Changeset::new()
        .insert(workspace.clone())
        .insert(project.clone())
        .insert(robot.clone())
        .insert(account.clone())
        .insert(invitation.clone())
        .insert(key.clone())
        .insert(host.clone())
        .insert(another.clone())
        .insert(event.clone())
        .insert(security.clone())
        .insert(session.clone())
        .insert(token.clone())
        .insert(inventory.clone())
        .insert(another_inventory.clone())
        .insert(role("reader"))
        .insert(assignment("a", "ops", Some("shop")))
        .insert(task("task"));
    store.commit(changeset).await.unwrap();

    let page = PageRequest::default();
    assert_eq!(store.find_workspace(acme(), workspace.id).await.unwrap(), Some(workspace));
    assert_eq!(store.find_project(acme(), dev(), project.id).await.unwrap(), Some(project));
    assert_eq!(store.find_user(robot.id).await.unwrap(), Some(robot));
    assert_eq!(store.find_service_account(acme(), account.id).await.unwrap(), Some(account));
    assert_eq!(store.find_invitation(acme(), invitation.id).await.unwrap(), Some(invitation.clone()));
    assert_eq!(store.list_inventories(acme()).await.unwrap(), [another_inventory, inventory]);
    assert_eq!(store.list_signing_keys().await.unwrap(), [key]);
    assert_eq!(store.find_host(&host.host.name).await.unwrap(), Some(host.clone()));
    assert_eq!(store.list_hosts().await.unwrap(), [another, host]);
    assert_eq!(store.list_events(acme(), None, 9).await.unwrap(), [event]);
    assert_eq!(store.list_security_events(id("owner"), &page).await.unwrap().items, [security]);
    assert_eq!(store.find_session(session.id).await.unwrap(), Some(session));
    assert_eq!(store.find_api_token(token.id).await.unwrap(), Some(token));
    assert_eq!(store.find_role(acme(), dev(), id("reader")).await.unwrap(), Some(role("reader")));
    let assignment = assignment("a", "ops", Some("shop"));
    assert_eq!(store.find_assignment(acme(), dev(), id("a")).await.unwrap(), Some(assignment));
    assert_eq!(store.find_task(acme(), dev(), id("task")).await.unwrap(), Some(task("task")));
    let owner = Member::new(acme(), id("owner"), OrganizationRole::Owner, FIXTURE_TIME);
    assert_eq!(store.find_member(acme(), id("owner")).await.unwrap(), Some(owner.clone()));
    let both = Some((owner.clone(), store.find_workspace(acme(), dev()).await.unwrap()));
    assert_eq!(store.find_workspace_for(acme(), id("owner"), dev()).await.unwrap(), both);
    assert_eq!(store.find_workspace_for(acme(), id("owner"), id("x")).await.unwrap(), Some((owner, None)));
    assert_eq!(store.find_workspace_for(acme(), id("x"), dev()).await.unwrap(), None);
    assert_eq!(store.organization_of_workspace(dev()).await.unwrap(), Some(acme()));
    assert_eq!(store.organization_of_workspace(id("x")).await.unwrap(), None);

    let mut organization = fixture::organization("acme");
    organization.deletion_requested_at = Some(later(8));
    organization.personal = true;
    store.commit(Changeset::new().update(organization.clone())).await.unwrap();
    assert_eq!(store.find_organization(acme()).await.unwrap(), Some(organization));
}

/// `find_*` returns `None` for a missing record, and `list_*` an empty list.
pub async fn a_missing_record_is_none(store: &dyn TenantStore) {
    let page = PageRequest::default();
    assert_eq!(store.find_user(id("x")).await.unwrap(), None);
    assert_eq!(store.find_session(id("x")).await.unwrap(), None);
    assert_eq!(store.find_api_token(id("x")).await.unwrap(), None);
    assert_eq!(store.find_organization(acme()).await.unwrap(), None);
    assert_eq!(store.find_workspace(acme(), dev()).await.unwrap(), None);
    assert_eq!(store.load_workspace(acme(), dev()).await.unwrap(), None);
    assert_eq!(store.find_group(acme(), dev(), id("x")).await.unwrap(), None);
    assert_eq!(store.find_idempotency(id("x"), "k", FIXTURE_TIME).await.unwrap(), None);
    assert_eq!(store.newest_event(acme()).await.unwrap(), None);
    assert!(store.list_members(acme(), &MemberFilter::default(), &page).await.unwrap().items.is_empty());
    assert!(store.list_groups(acme(), dev(), None, &page).await.unwrap().items.is_empty());
    assert_eq!(store.count_organization(acme()).await.unwrap(), Default::default());
    store.ping().await.unwrap();
}

/// Each of many concurrent reads returns only its own records.
pub async fn concurrent_reads_return_the_right_records(store: &dyn TenantStore) {
    const ORGANIZATIONS: usize = 5;
    let organization = |number: usize| id::<OrganizationId>(&format!("org-{number}"));
    let owner =
        |number: usize| Member::new(organization(number), id("ann"), OrganizationRole::Owner, FIXTURE_TIME);
    let workspace = |number: usize| Workspace {
        id: id(&format!("dev-{number}")),
        organization_id: organization(number),
        ..fixture::workspace("dev")
    };
    for number in 0..ORGANIZATIONS {
        let made = Changeset::new().insert(fixture::organization(&format!("org-{number}")));
        store.commit(made.insert(workspace(number)).insert(owner(number))).await.unwrap();
    }
    let reads = (0..300).map(|index| {
        let (of, number) = (index % ORGANIZATIONS, index / ORGANIZATIONS % ORGANIZATIONS);
        let user = if index % 7 == 0 { id("eve") } else { id("ann") };
        async move {
            let found = store.find_workspace_for(organization(of), user, workspace(number).id).await.unwrap();
            let expected =
                (user == id("ann")).then(|| (owner(of), (of == number).then(|| workspace(number))));
            assert_eq!(found, expected);
        }
    });
    futures_util::future::join_all(reads).await;
}

/// The id of a record under the wrong parent finds nothing.
pub async fn a_foreign_parent_finds_nothing(store: &dyn TenantStore) {
    populate(store).await;
    let nested = Changeset::new()
        .insert(role("reader"))
        .insert(assignment("a", "ops", None))
        .insert(task("t"))
        .insert(inventory("git"))
        .insert(membership("ops", "owner"));
    store.commit(nested).await.unwrap();
    let (other_org, other_ws): (OrganizationId, WorkspaceId) = (id("other"), id("other"));
    assert_eq!(store.find_workspace(other_org, dev()).await.unwrap(), None);
    for (org, ws) in [(other_org, dev()), (acme(), other_ws)] {
        assert_eq!(store.load_workspace(org, ws).await.unwrap(), None);
        assert_eq!(store.find_group(org, ws, id("ops")).await.unwrap(), None);
        assert_eq!(store.find_project(org, ws, id("shop")).await.unwrap(), None);
        assert_eq!(store.find_role(org, ws, id("reader")).await.unwrap(), None);
        assert_eq!(store.find_assignment(org, ws, id("a")).await.unwrap(), None);
        assert_eq!(store.find_task(org, ws, id("t")).await.unwrap(), None);
        assert!(store.list_groups_of(org, ws, id("owner")).await.unwrap().is_empty());
        assert!(store.list_memberships(org, ws, &[id("ops")]).await.unwrap().is_empty());
        assert!(store.list_open_tasks(org, ws).await.unwrap().is_empty());
    }
    assert_eq!(store.find_member(other_org, id("owner")).await.unwrap(), None);
    assert_eq!(store.find_workspace_for(other_org, id("owner"), dev()).await.unwrap(), None);
    assert_eq!(store.find_invitation(other_org, id("inv")).await.unwrap(), None);
    assert_eq!(store.list_inventories(other_org).await.unwrap(), []);
}

/// A workspace is loaded with all of its records, each kind ordered by id.
pub async fn a_workspace_is_loaded_completely_and_ordered_by_id(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new().insert(fixture::workspace("other"));
    for number in 0..20 {
        changeset = changeset
            .insert(fixture::group(&format!("g{number}")))
            .insert(fixture::project(&format!("p{number}")))
            .insert(role(&format!("r{number}")))
            .insert(assignment(&format!("a{number}"), &format!("g{number}"), None));
    }
    store.commit(changeset).await.unwrap();
    let state = store.load_workspace(acme(), dev()).await.unwrap().unwrap();
    assert_eq!(state.groups.len(), 22);
    assert_eq!((state.projects.len(), state.roles.len(), state.assignments.len()), (21, 20, 20));
    assert!(state.groups.is_sorted_by_key(|group| group.id));
    assert!(state.projects.is_sorted_by_key(|project| project.id));
    assert!(state.roles.is_sorted_by_key(|role| role.id));
    assert!(state.assignments.is_sorted_by_key(|assignment| assignment.id));
    let empty = store.load_workspace(acme(), id("other")).await.unwrap().unwrap();
    assert!(empty.groups.is_empty());
}

/// A spent hash is found in its own session, until the session is deleted.
pub async fn spent_refresh_tokens_are_stored_with_their_session(store: &dyn TenantStore) {
    let spent = SpentRefresh { session_id: id("s"), hash: verifier(7).hash(), spent_at: FIXTURE_TIME };
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(session("s", id("ann"), later(60)))
        .insert(session("other", id("ann"), later(60)))
        .insert(spent);
    store.commit(changeset).await.unwrap();
    let state = |session: &str, seed| {
        let (session, hash) = (id(session), verifier(seed).hash());
        async move { store.refresh_spent_at(session, &hash).await.unwrap() }
    };
    assert_eq!(state("s", 7).await, Some(FIXTURE_TIME));
    assert_eq!(state("s", 8).await, None);
    assert_eq!(state("other", 7).await, None);
    store.commit(Changeset::new().delete(RecordKey::Session(id("s")))).await.unwrap();
    assert_eq!(state("s", 7).await, None);
}

/// Recording the use of a token changes nothing else, and is not an error for a deleted token.
pub async fn touching_a_deleted_token_is_not_an_error(store: &dyn TenantStore) {
    let token = token("t", id("ann"));
    store.commit(Changeset::new().insert(fixture::user("ann")).insert(token.clone())).await.unwrap();
    store.touch_api_token(token.id, later(5)).await.unwrap();
    let touched = store.find_api_token(token.id).await.unwrap().unwrap();
    assert_eq!(touched, crate::model::ApiToken { used_at: Some(later(5)), ..token });
    store.touch_api_token(id("gone"), later(5)).await.unwrap();
}

/// Users are found by id, by e-mail address and by identity.
pub async fn users_are_found_by_id_email_and_identity(store: &dyn TenantStore) {
    let provider = ProviderName::parse("google").unwrap();
    let identity = |subject: &str| Identity {
        provider: provider.clone(),
        subject: subject.to_owned(),
        user_id: id("ann"),
        email: None,
        created_at: FIXTURE_TIME,
    };
    let changeset = Changeset::new()
        .insert(fixture::user("ann"))
        .insert(fixture::user("bob"))
        .insert(identity("1"))
        .insert(identity("2"));
    store.commit(changeset).await.unwrap();
    let ann = fixture::user("ann");
    assert_eq!(store.find_user_by_email(ann.email.as_ref().unwrap()).await.unwrap(), Some(ann.clone()));
    let unknown = Email::parse("unknown@example.com").unwrap();
    assert_eq!(store.find_user_by_email(&unknown).await.unwrap(), None);
    assert_eq!(store.find_identity(&provider, "1").await.unwrap(), Some(identity("1")));
    let other = ProviderName::parse("other").unwrap();
    assert_eq!(store.find_identity(&other, "1").await.unwrap(), None);
    assert_eq!(store.list_identities(id("ann")).await.unwrap(), [identity("1"), identity("2")]);
    let mut both = vec![ann, fixture::user("bob")];
    both.sort_by_key(|user| user.id);
    let found = store.find_users(&[id("bob"), id("ann"), id("gone"), id("ann")]).await.unwrap();
    assert_eq!(found, both);
    assert_eq!(store.find_users(&[]).await.unwrap(), []);
    assert_ne!(crate::id::UserId::least(), id("ann"));
}
