//! Names of groups and organizations as identities: a claim in a valid token denotes the group that it denoted when the token was issued,
//! or no group.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{ManualClock, after};
use hexabase_core::error::{Result, Retry};
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use hexabase_core::model::{Group, OrganizationRole};
use hexabase_core::name::{DisplayName, GroupName, Slug};
use hexabase_core::platform::{CLUSTER_TOKEN_LIFETIME, Caller, CreateGroup, CreateOrganization, UpdateGroup};
use hexabase_core::store::TenantStore;
use hexabase_tests::{TestApp, backends};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

/// Time that a freed name is reserved: the lifetime of a token, and a minute for the difference between clocks.
const RESERVED: Duration = Duration::from_secs(660);

/// Names that the groups of the sequences compete for.
const NAMES: [&str; 4] = ["devs", "interns", "admins", "ops"];

/// Token that was issued to the member, with the groups that its claims denoted.
struct OutstandingToken {
    expires_at: Timestamp,
    claims: Vec<(String, GroupId)>,
}

/// Workspace with a running cluster on a store that other workspaces share.
struct Setup {
    platform: Platform,
    clock: Arc<ManualClock>,
    store: Arc<dyn TenantStore>,
    organization: OrganizationId,
    workspace: WorkspaceId,
    owner: Caller,
    member: Caller,
    /// Group that the sequences leave alone, so that the member can always request tokens.
    home: GroupId,
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

fn caller(user: UserId) -> Caller {
    Caller::for_user(user)
}

impl Setup {
    async fn new(store: Arc<dyn TenantStore>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .with_store(store.clone())
            .with_clock(clock.clone())
            .build()
            .unwrap();
        let organization = fixture::organization(&format!("acme-{number}"));
        let mut workspace = fixture::workspace(&format!("shop-{number}"));
        workspace.organization_id = organization.id;
        workspace.status.api_endpoint = Some("https://shop.example".to_owned());
        let (owner, member) =
            (fixture::user(&format!("ann-{number}")), fixture::user(&format!("bob-{number}")));
        let mut setup = Self {
            platform,
            clock,
            store: store.clone(),
            organization: organization.id,
            workspace: workspace.id,
            owner: caller(owner.id),
            member: caller(member.id),
            home: id("home"),
        };
        let changeset = Changeset::new()
            .insert(organization.clone())
            .insert(fixture::member(organization.id, owner.id, OrganizationRole::Owner))
            .insert(fixture::member(organization.id, member.id, OrganizationRole::Member))
            .insert(workspace);
        let users = Changeset::new().insert(owner).insert(member);
        store.commit(users).await.unwrap();
        store.commit(changeset).await.unwrap();
        setup.home = setup.create("home", None).await.unwrap().id;
        setup.add_member(setup.home).await.unwrap();
        setup
    }

    async fn groups(&self) -> Vec<Group> {
        self.platform.groups().all(&self.owner, self.organization, self.workspace).await.unwrap()
    }

    async fn create(&self, group: &str, parent_id: Option<GroupId>) -> Result<Group> {
        let command = CreateGroup { name: name(group), parent_id };
        let groups = self.platform.groups();
        Ok(groups.create(&self.owner, self.organization, self.workspace, &command).await?.value)
    }

    async fn update(&self, group: GroupId, command: UpdateGroup) -> Result<Group> {
        let groups = self.platform.groups();
        groups.update(&self.owner, self.organization, self.workspace, group, &command, None).await
    }

    async fn rename(&self, group: GroupId, to: &str) -> Result<Group> {
        self.update(group, UpdateGroup { name: Some(name(to)), parent_id: None }).await
    }

    async fn delete(&self, group: GroupId) -> Result<()> {
        self.platform.groups().delete(&self.owner, self.organization, self.workspace, group, None).await
    }

    async fn add_member(&self, group: GroupId) -> Result<()> {
        let (groups, user) = (self.platform.groups(), self.member.principal.user_id);
        groups.add_member(&self.owner, self.organization, self.workspace, group, user).await
    }

    async fn remove_member(&self, group: GroupId) -> Result<()> {
        let (groups, user) = (self.platform.groups(), self.member.principal.user_id);
        groups.remove_member(&self.owner, self.organization, self.workspace, group, user).await
    }

    async fn issue_token(&self) -> OutstandingToken {
        let workspaces = self.platform.workspaces();
        let access =
            workspaces.cluster_access(&self.member, self.organization, self.workspace).await.unwrap();
        let groups = self.groups().await;
        let denoted = |claim: String| {
            let group = groups.iter().find(|group| group.name.as_str() == claim).unwrap();
            (claim, group.id)
        };
        OutstandingToken {
            expires_at: after(access.as_of, CLUSTER_TOKEN_LIFETIME),
            claims: access.groups.into_iter().map(denoted).collect(),
        }
    }
}

/// Step of a sequence. Groups are chosen by their position among the existing ones.
#[derive(Debug, Clone)]
enum Step {
    Create(usize, Option<usize>),
    Rename(usize, usize),
    /// Renames a group and renames it back.
    RenameBack(usize, usize),
    Delete(usize),
    /// Deletes a group, and restores one with its name and members.
    Restore(usize),
    Move(usize, Option<usize>),
    AddMember(usize),
    RemoveMember(usize),
    IssueToken,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (group, name) = (0..6_usize, 0..NAMES.len());
    prop_oneof![
        4 => (name.clone(), proptest::option::of(group.clone())).prop_map(|(n, g)| Step::Create(n, g)),
        4 => (group.clone(), name.clone()).prop_map(|(g, n)| Step::Rename(g, n)),
        1 => (group.clone(), name).prop_map(|(g, n)| Step::RenameBack(g, n)),
        4 => group.clone().prop_map(Step::Delete),
        2 => group.clone().prop_map(Step::Restore),
        3 => (group.clone(), proptest::option::of(group.clone())).prop_map(|(g, p)| Step::Move(g, p)),
        3 => group.clone().prop_map(Step::AddMember),
        2 => group.prop_map(Step::RemoveMember),
        3 => Just(Step::IssueToken),
        1 => (1..720_u64).prop_map(Step::Wait),
    ]
}

/// Applies a step. A step that the rules reject changes nothing.
async fn apply(setup: &Setup, step: &Step, tokens: &mut Vec<OutstandingToken>) {
    let mut groups = setup.groups().await;
    groups.retain(|group| group.id != setup.home);
    if groups.is_empty() {
        groups.push(setup.create(NAMES[0], None).await.unwrap_or_else(|_| fixture::group("missing")));
    }
    let at = |index: usize| groups.get(index % groups.len()).unwrap();
    let parent = |index: &Option<usize>| index.map(|index| at(index).id);
    let outcome = match step {
        Step::Create(name, under) => setup.create(NAMES[*name], parent(under)).await.map(drop),
        Step::Rename(group, name) => setup.rename(at(*group).id, NAMES[*name]).await.map(drop),
        Step::RenameBack(group, name) => {
            let group = at(*group);
            let renamed = setup.rename(group.id, NAMES[*name]).await;
            if renamed.is_ok() {
                setup.rename(group.id, group.name.as_str()).await.unwrap();
            }
            renamed.map(drop)
        }
        Step::Delete(group) => {
            let _ = setup.remove_member(at(*group).id).await;
            setup.delete(at(*group).id).await
        }
        Step::Restore(group) => {
            let group = at(*group);
            let _ = setup.remove_member(group.id).await;
            match setup.delete(group.id).await {
                Ok(()) => match setup.create(group.name.as_str(), group.parent_id).await {
                    Ok(restored) => setup.add_member(restored.id).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            }
        }
        Step::Move(group, under) => {
            let command = UpdateGroup { name: None, parent_id: Some(parent(under)) };
            setup.update(at(*group).id, command).await.map(drop)
        }
        Step::AddMember(group) => setup.add_member(at(*group).id).await,
        Step::RemoveMember(group) => setup.remove_member(at(*group).id).await,
        Step::IssueToken => {
            tokens.push(setup.issue_token().await);
            Ok(())
        }
        Step::Wait(seconds) => {
            setup.clock.advance(Duration::from_secs(*seconds));
            Ok(())
        }
    };
    if let Err(error) = outcome {
        let expected =
            ["group_name_reserved", "already_exists", "group_not_empty", "cycle", "not_found", "invalid"];
        assert!(expected.contains(&error.code()), "{step:?}: {error:?}");
    }
}

#[test]
fn a_claim_in_a_valid_token_keeps_its_meaning() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, _handles) = runtime.block_on(backends::store());
    let cases = if std::env::var_os("HEXABASE_TEST_BACKENDS").is_some() { 24 } else { 256 };
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40))| {
        runtime.block_on(async {
            let setup = Setup::new(store.clone()).await;
            let mut tokens = Vec::new();
            for step in &steps {
                apply(&setup, step, &mut tokens).await;
                let (now, groups) = (hexabase_core::clock::Clock::now(&*setup.clock), setup.groups().await);
                for token in tokens.iter().filter(|token| now < token.expires_at) {
                    for (claim, denoted) in &token.claims {
                        let named = groups.iter().find(|group| group.name.as_str() == claim);
                        prop_assert!(
                            named.is_none_or(|group| group.id == *denoted),
                            "after {step:?}, the claim {claim} of a valid token denotes another group"
                        );
                    }
                }
            }
            Ok(())
        })?;
    });
}

#[tokio::test]
async fn a_freed_name_is_reserved_until_the_last_token_has_expired() {
    let (store, _handles) = backends::store().await;
    let setup = Setup::new(store).await;
    let devs = setup.create("devs", None).await.unwrap();
    let interns = setup.create("interns", None).await.unwrap();
    setup.delete(devs.id).await.unwrap();
    setup.clock.advance(RESERVED - Duration::from_secs(1));
    for error in
        [setup.create("devs", None).await.unwrap_err(), setup.rename(interns.id, "devs").await.unwrap_err()]
    {
        assert_eq!(error.code(), "group_name_reserved");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
        assert!(error.message().contains(&after(FIXTURE_TIME, RESERVED).to_string()), "{error}");
    }
    setup.clock.advance(Duration::from_secs(1));
    setup.rename(interns.id, "devs").await.unwrap();

    // The old name of the renamed group is reserved for it, and only for it.
    let other = setup.create("other", None).await.unwrap();
    assert_eq!(setup.rename(other.id, "interns").await.unwrap_err().code(), "group_name_reserved");
    setup.rename(interns.id, "interns").await.unwrap();
    setup.rename(interns.id, "devs").await.unwrap();
    assert_eq!(setup.create("interns", None).await.unwrap_err().code(), "group_name_reserved");
    setup.clock.advance(RESERVED);
    setup.create("interns", None).await.unwrap();
    let root = setup.store.find_workspace(setup.organization, setup.workspace).await.unwrap().unwrap();
    assert!(root.retired_group_names.is_empty(), "expired names are removed: {root:?}");
}

#[tokio::test]
async fn a_renamed_ancestor_keeps_its_former_name_from_others_after_a_move() {
    let (store, _handles) = backends::store().await;
    let setup = Setup::new(store).await;
    let parent = setup.create("ops", None).await.unwrap();
    let child = setup.create("devs", Some(parent.id)).await.unwrap();
    setup.add_member(child.id).await.unwrap();
    let token = setup.issue_token().await;
    assert!(token.claims.contains(&("ops".to_owned(), parent.id)));
    // The token still names the former ancestor, which loses its name.
    setup.update(child.id, UpdateGroup { name: None, parent_id: Some(None) }).await.unwrap();
    setup.rename(parent.id, "operators").await.unwrap();
    let admins = setup.create("admins", None).await.unwrap();
    assert_eq!(setup.rename(admins.id, "ops").await.unwrap_err().code(), "group_name_reserved");
}

#[tokio::test]
async fn names_of_another_workspace_are_not_reserved() {
    let (store, _handles) = backends::store().await;
    let (one, other) = (Setup::new(store.clone()).await, Setup::new(store).await);
    let devs = one.create("devs", None).await.unwrap();
    one.delete(devs.id).await.unwrap();
    other.create("devs", None).await.unwrap();
}

#[tokio::test]
async fn the_name_of_a_deleted_organization_is_reserved_until_the_last_token_has_expired() {
    let (store, _handles) = backends::store().await;
    let setup = Setup::new(store).await;
    let organizations = setup.platform.organizations();
    let create = async |caller: &Caller, name: &str| {
        let (slug, display_name) = (Slug::parse(name).unwrap(), DisplayName::parse(name).unwrap());
        let command = CreateOrganization { name: slug, display_name };
        organizations.create(caller, &command).await.map(|created| created.value.id)
    };
    let acme = create(&setup.owner, "initech").await.unwrap();
    assert_eq!(create(&setup.member, "initech").await.unwrap_err().code(), "already_exists");
    organizations.delete(&setup.owner, acme, false, None).await.unwrap();
    setup.clock.advance(RESERVED - Duration::from_secs(1));
    for caller in [&setup.owner, &setup.member] {
        let error = create(caller, "initech").await.unwrap_err();
        assert_eq!(error.code(), "organization_name_reserved");
        assert_eq!(error.retry(), Retry::After(RESERVED));
    }
    create(&setup.member, "hooli").await.unwrap();
    setup.clock.advance(Duration::from_secs(1));
    create(&setup.member, "initech").await.unwrap();
}

#[tokio::test]
async fn a_reserved_name_is_a_conflict_that_says_when_to_retry() {
    let app = TestApp::new().await;
    let ann = app.sign_in("ann").await;
    let org = app.create_organization(&ann, "acme").await;
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let request = json!({ "name": Slug::parse("shop").unwrap().as_str(), "plan_id": "team" });
    let ws = ann.client.create(&workspaces, &request).await;
    let groups = format!("{workspaces}/{ws}/groups");
    let devs = ann.client.create(&groups, &json!({ "name": "devs" })).await;
    let nothing = serde_json::Value::Null;
    let deleted = ann.client.send(Method::DELETE, &format!("{groups}/{devs}"), &nothing).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let refused = ann.client.send(Method::POST, &groups, &json!({ "name": "devs" })).await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (StatusCode::CONFLICT, &json!("group_name_reserved"))
    );
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=RESERVED.as_secs()).contains(&wait), "{wait}");
}
