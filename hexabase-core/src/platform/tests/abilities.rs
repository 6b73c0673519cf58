//! An action is possible exactly if its operation is not rejected for a [`DenialReason`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Setup, email};
use crate::access::{
    Ability, Action, Attributes, Credential, DenialReason, Level, Principal, WorkspaceRight,
};
use crate::changeset::Changeset;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{GroupId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::id_source::SystemIds;
use crate::logs::Direction;
use crate::model::{
    AddOns, AlertRule, Assignment, AuditFilter, BillingAccount, BillingStanding, BillingSuspension, Currency,
    CustomRole, Interval, Membership, Money, NodePool, Order, OrganizationRole, OrganizationSuspension, Plan,
    Power, PresetRole, Price, RoleRef, Rule, Scope, Scopes, ServiceAccount, Subscription, SubscriptionChange,
    SubscriptionState, UserKind,
};
use crate::name::{DisplayName, GroupName, NodeClass, PlanId, ProjectName, Slug};
use crate::page::PageRequest;
use crate::platform::{
    Abilities, AccessReviewRequest, Caller, CreateAlertRule, CreateGroup, CreateInvitation, CreateNodePool,
    CreateProject, CreateRole, CreateServiceAccount, LogRequest, Platform, PlatformConfig, UpdateAlertRule,
    UpdateGroup, UpdateWorkspace,
};
use crate::quota::Quota;
use crate::search::{MemberFilter, WorkspaceFilter};
use crate::store::{Commit as _, MemoryStore};
use crate::version::Version;

/// State of the organization `acme`, its workspace `dev` and its plans.
#[derive(Debug, Clone)]
struct World {
    deleting: bool,
    suspended: bool,
    second_owner: bool,
    subscribed: bool,
    ordered: bool,
    overdue: bool,
    payment_required: bool,
    free_limit_reached: bool,
    full: [bool; 6],
    dedicated_nodes: bool,
    pools: usize,
    power_off: bool,
    billing_suspended: bool,
    workspace_deleting: bool,
    has_endpoint: bool,
}

fn worlds() -> impl Strategy<Value = World> {
    // Rare states would otherwise hide the others.
    let rarely = || prop::bool::weighted(0.2);
    let organization = (rarely(), rarely(), any::<bool>(), any::<bool>(), rarely(), rarely());
    let limits = (any::<bool>(), rarely(), prop::array::uniform6(rarely()), any::<bool>(), any::<bool>());
    let workspace = (any::<bool>(), rarely(), rarely(), any::<bool>());
    (organization, limits, workspace).prop_map(|(organization, limits, workspace)| World {
        deleting: organization.0,
        suspended: organization.1,
        second_owner: organization.2,
        subscribed: organization.3,
        ordered: organization.4,
        overdue: organization.5,
        payment_required: limits.0,
        free_limit_reached: limits.1,
        full: limits.2,
        dedicated_nodes: limits.3,
        pools: if limits.3 && limits.4 { crate::limits::MAX_NODE_POOLS } else { 0 },
        power_off: workspace.0,
        billing_suspended: workspace.1,
        workspace_deleting: workspace.2,
        has_endpoint: workspace.3,
    })
}

fn acme() -> OrganizationId {
    id("acme")
}

fn dev() -> WorkspaceId {
    id("dev")
}

fn web() -> ProjectId {
    id("web")
}

impl World {
    /// Users with their roles; the admin's robot is a service account.
    fn users(&self) -> Vec<(&'static str, OrganizationRole)> {
        use OrganizationRole::{Admin, Billing, Member, Owner};
        let mut users = vec![
            ("owner", Owner),
            ("admin", Admin),
            ("billing", Billing),
            ("member", Member),
            ("user", Member),
            ("lead", Member),
            ("chief", Member),
            ("robot", Admin),
        ];
        users.extend(self.second_owner.then_some(("co-owner", Owner)));
        users
    }

    fn plans(&self) -> Vec<Plan> {
        let room = |full: bool| if full { 0 } else { 5 };
        let [workspaces, members, projects, groups, roles, alert_rules] = self.full;
        let persons = u32::try_from(self.users().len()).unwrap() - 1;
        let mut small = fixture::plan("small");
        small.limits.workspaces = 1 + room(workspaces);
        small.limits.members = persons + room(members);
        small.limits.projects = 1 + room(projects);
        small.limits.groups = 3 + room(groups);
        small.limits.roles_per_project = 1 + room(roles);
        small.limits.alert_rules = 1 + room(alert_rules);
        small.dedicated_nodes = self.dedicated_nodes;
        let monthly = Money { amount: 100, currency: Currency::parse("usd").unwrap() };
        let price = Price {
            monthly,
            yearly: None,
            workspace: None,
            node: None,
            usage: Default::default(),
            trial_days: 0,
        };
        vec![small, Plan { price: Some(price), display_order: 2, ..fixture::plan("large") }]
    }

    fn configure(&self, config: &mut PlatformConfig) {
        config.billing.required = self.payment_required;
        config.max_free_workspaces_per_user = Some(if self.free_limit_reached { 1 } else { 9 });
    }

    async fn store(&self) -> MemoryStore {
        let store = MemoryStore::new();
        let mut organization = fixture::organization("acme");
        organization.deletion_requested_at = self.deleting.then_some(FIXTURE_TIME);
        organization.suspension =
            self.suspended.then_some(OrganizationSuspension { since: FIXTURE_TIME, reason: None });
        let mut workspace = fixture::workspace("dev");
        workspace.organization_suspended = self.suspended;
        workspace.power = if self.power_off { Power::Suspended } else { Power::Running };
        workspace.suspension_reason = self.billing_suspended.then_some(BillingSuspension::Overdue);
        workspace.deletion_requested_at = self.workspace_deleting.then_some(FIXTURE_TIME);
        workspace.status.api_endpoint = self.has_endpoint.then(|| "https://dev.example".to_owned());
        workspace.node_pools = (0..self.pools).map(pool).collect();
        let mut changes = Changeset::new().insert(organization);
        for (name, role) in self.users() {
            let mut user = fixture::user(name);
            if name == "robot" {
                (user.kind, user.email) = (UserKind::ServiceAccount, None);
            }
            changes = changes.insert(user).insert(fixture::member(acme(), id(name), role));
        }
        changes = changes.insert(fixture::user("outsider")).insert(ServiceAccount {
            organization_id: acme(),
            id: id("robot"),
            name: slug("robot"),
            created_by: id("admin"),
            created_at: FIXTURE_TIME,
            version: Version::FIRST,
        });
        if self.subscribed || self.ordered || self.overdue {
            changes = changes.insert(self.account());
        }
        changes = changes.insert(workspace).insert(fixture::project("web"));
        for (group, user, role, project) in [
            ("users", "user", PresetRole::WorkspaceViewer, None),
            ("leads", "lead", PresetRole::ProjectAdmin, Some(web())),
            ("chiefs", "chief", PresetRole::WorkspaceAdmin, None),
        ] {
            changes =
                changes.insert(fixture::group(group)).insert(membership(group, user)).insert(Assignment {
                    id: id(group),
                    organization_id: acme(),
                    workspace_id: dev(),
                    project_id: project,
                    group_id: id(group),
                    role: RoleRef::Preset(role),
                    created_by: id("owner"),
                    created_at: FIXTURE_TIME,
                });
        }
        changes = changes.insert(CustomRole {
            id: id("role"),
            organization_id: acme(),
            workspace_id: dev(),
            project_id: web(),
            name: slug("reader"),
            rules: Vec::new(),
            created_at: FIXTURE_TIME,
            updated_at: FIXTURE_TIME,
            version: Version::FIRST,
        });
        changes = changes.insert(AlertRule { project_id: Some(web()), ..fixture::alert_rule("rule") });
        store.commit(changes).await.unwrap();
        store
    }

    fn account(&self) -> BillingAccount {
        let plan_id = PlanId::parse("large").unwrap();
        let subscription = Subscription {
            id: "sub".to_owned(),
            plan_id: plan_id.clone(),
            interval: Interval::Month,
            add_ons: AddOns::default(),
            state: SubscriptionState::Active,
            current_period_end: FIXTURE_TIME,
            cancel_at_period_end: false,
            trial_end: None,
            awaits_confirmation: false,
        };
        let order = Order {
            id: id("order"),
            change: SubscriptionChange::Subscribe { plan_id, interval: Interval::Month, coupon: None },
            requested_by: id("owner"),
            requested_at: FIXTURE_TIME,
        };
        let standing = match self.overdue {
            true => BillingStanding::Suspended { since: FIXTURE_TIME },
            false => BillingStanding::Good,
        };
        BillingAccount {
            subscription: self.subscribed.then_some(subscription),
            order: self.ordered.then_some(order),
            standing,
            ..BillingAccount::new(acme(), FIXTURE_TIME)
        }
    }

    fn callers(&self) -> Vec<(String, Caller)> {
        let session = |name: &str| (name.to_owned(), caller(name, Credential::Session(id("session"))));
        let users = self.users().into_iter().map(|(name, _)| name).filter(|name| *name != "robot");
        let mut callers: Vec<_> = users.map(session).chain([session("outsider")]).collect();
        for (name, scopes) in [
            ("robot", vec![Scope::All]),
            ("owner", vec![Scope::OrganizationsRead]),
            ("owner", vec![Scope::OrganizationsWrite, Scope::BillingWrite]),
            ("chief", vec![Scope::OrganizationsRead, Scope::AccessWrite, Scope::ProjectsRead]),
            ("chief", vec![Scope::OrganizationsRead, Scope::WorkspacesWrite, Scope::ProjectsWrite]),
            ("lead", vec![Scope::All]),
        ] {
            let credential = Credential::Token(id("token"), scopes.iter().copied().collect::<Scopes>());
            callers.push((format!("{name} with {scopes:?}"), caller(name, credential)));
        }
        callers
    }
}

fn caller(name: &str, credential: Credential) -> Caller {
    Caller::new(Principal { user_id: id(name), credential })
}

fn slug(name: &str) -> Slug {
    Slug::parse(name).unwrap()
}

fn membership(group: &str, user: &str) -> Membership {
    Membership {
        organization_id: acme(),
        workspace_id: dev(),
        group_id: id(group),
        user_id: id(user),
        added_by: id("owner"),
        created_at: FIXTURE_TIME,
    }
}

fn pool(number: usize) -> NodePool {
    NodePool {
        id: id(&format!("pool-{number}")),
        name: slug(&format!("pool-{number}")),
        class: NodeClass::parse("big").unwrap(),
        nodes: 1,
        created_by: id("owner"),
        created_at: FIXTURE_TIME,
        version: Version::FIRST,
    }
}

/// Calls the operation of an action with valid input.
async fn perform(platform: &Platform, caller: &Caller, action: Action) -> Result<()> {
    let (org, ws, prj) = (acme(), dev(), web());
    let page = PageRequest::largest();
    let organizations = platform.organizations();
    let name = || Some(DisplayName::parse("New").unwrap());
    match action {
        Action::OrganizationRead => organizations.get(caller, org).await.map(drop),
        Action::OrganizationUpdate => organizations.update(caller, org, name(), None).await.map(drop),
        Action::OrganizationDelete => organizations.delete(caller, org, true, None).await.map(drop),
        Action::MembersRead => {
            platform.members().list(caller, org, &MemberFilter::default(), &page).await.map(drop)
        }
        Action::MembersManage => platform
            .members()
            .set_role(caller, org, id("member"), OrganizationRole::Member, None)
            .await
            .map(drop),
        Action::MembersLeave => platform.members().remove(caller, org, caller.principal.user_id, None).await,
        Action::InvitationCreate => {
            let command = CreateInvitation { email: email("new"), role: OrganizationRole::Member };
            platform.invitations().create(caller, org, &command).await.map(drop)
        }
        Action::InvitationsManage => platform.invitations().list(caller, org, &page).await.map(drop),
        Action::ServiceAccountCreate => {
            let command = CreateServiceAccount { name: slug("new"), role: OrganizationRole::Member };
            platform.service_accounts().create(caller, org, &command).await.map(drop)
        }
        Action::ServiceAccountsManage => platform.service_accounts().list(caller, org, &page).await.map(drop),
        Action::AuditRead => {
            organizations.audit_events(caller, org, &AuditFilter::default(), &page).await.map(drop)
        }
        Action::OverviewRead => organizations.overview(caller, org).await.map(drop),
        Action::EventsRead => organizations.newest_event(caller, org).await.map(drop),
        Action::BillingRead => platform.billing().state(caller, org).await.map(drop),
        Action::BillingOrder => platform.billing().cancel(caller, org, true, None).await.map(drop),
        Action::BillingBudget => platform.billing().set_budget(caller, org, None, None).await.map(drop),
        Action::BillingManage => platform.billing().setup_intent(caller, org).await.map(drop),
        Action::WorkspacesList => {
            platform.workspaces().list(caller, org, &WorkspaceFilter::default(), &page).await.map(drop)
        }
        Action::WorkspaceCreate => {
            let create = async |plan: &str| {
                let command = fixture::create_workspace("new", &PlanId::parse(plan).unwrap());
                platform.workspaces().create(caller, org, &command).await.map(drop)
            };
            let first = create("small").await;
            if first.is_ok() { first } else { create("large").await.or(first) }
        }
        Action::WorkspaceRead => platform.workspaces().get(caller, org, ws).await.map(drop),
        Action::IsolationCheck => platform.isolation().request(caller, org, ws).await.map(drop),
        Action::WorkspaceUpdate => {
            let command = UpdateWorkspace { display_name: Some(name()), ..UpdateWorkspace::default() };
            platform.workspaces().update(caller, org, ws, &command, None).await.map(drop)
        }
        Action::WorkspaceDelete => platform.workspaces().delete(caller, org, ws, None).await.map(drop),
        Action::WorkspaceSuspend => platform.workspaces().suspend(caller, org, ws).await.map(drop),
        Action::WorkspaceResume => platform.workspaces().resume(caller, org, ws).await.map(drop),
        Action::NodePoolCreate => {
            let class = NodeClass::parse("big").unwrap();
            let command = CreateNodePool { name: slug("new"), class, nodes: 1 };
            platform.node_pools().create(caller, org, ws, &command).await.map(drop)
        }
        Action::NodePoolsManage => {
            platform.node_pools().delete(caller, org, ws, id("none"), None).await.map(drop)
        }
        Action::AlertsRead => platform.alert_rules().list(caller, org, ws, &page).await.map(drop),
        Action::AlertRuleCreate => {
            let AlertRule { condition, severity, .. } = fixture::alert_rule("new");
            let (project_id, notify) = (Some(prj), Vec::new());
            let command = CreateAlertRule { name: slug("new"), project_id, condition, severity, notify };
            platform.alert_rules().create(caller, org, ws, &command).await.map(drop)
        }
        Action::AlertRulesManage => {
            let command = UpdateAlertRule::default();
            platform.alert_rules().update(caller, (org, ws), id("rule"), &command, None).await.map(drop)
        }
        Action::TaskRetry => platform.tasks().retry(caller, org, ws, id("none")).await.map(drop),
        Action::ClusterAccess => platform.workspaces().cluster_access(caller, org, ws).await.map(drop),
        Action::LogsRead => {
            let request = LogRequest {
                project_id: Some(prj),
                pod: None,
                container: None,
                filter: None,
                since: FIXTURE_TIME,
                until: clock::after(FIXTURE_TIME, Duration::from_secs(60)),
                limit: 1,
                direction: Direction::Backward,
            };
            platform.logs().read(caller, org, ws, &request).await.map(drop)
        }
        Action::GroupsRead => platform.groups().list(caller, org, ws, None, &page).await.map(drop),
        Action::GroupCreate => {
            let command = CreateGroup { name: GroupName::parse("new").unwrap(), parent_id: None };
            platform.groups().create(caller, org, ws, &command).await.map(drop)
        }
        Action::GroupsManage => {
            let (group, command) = (id::<GroupId>("users"), UpdateGroup::default());
            platform.groups().update(caller, org, ws, group, &command, None).await.map(drop)
        }
        Action::RolesRead => {
            platform.roles().list_assignments(caller, (org, ws, None), &page).await.map(drop)
        }
        Action::WorkspaceRolesAssign => platform.roles().unassign(caller, (org, ws, None), id("none")).await,
        Action::ProjectRoleCreate => {
            let words = |word: &str| vec![word.to_owned()];
            let rule = Rule {
                api_groups: words(""),
                resources: words("pods"),
                verbs: words("get"),
                resource_names: Vec::new(),
            };
            let command = CreateRole { name: slug("new"), rules: vec![rule] };
            platform.roles().create(caller, (org, ws, prj), &command).await.map(drop)
        }
        Action::ProjectRolesManage => platform.roles().delete(caller, (org, ws, prj), id("none"), None).await,
        Action::AccessReview => {
            let attributes = Attributes {
                verb: "get".to_owned(),
                api_group: String::new(),
                resource: "pods".to_owned(),
                project: None,
            };
            let request = AccessReviewRequest { user_id: id::<UserId>("billing"), attributes };
            platform.roles().review(caller, org, ws, &request).await.map(drop)
        }
        Action::ProjectsRead => platform.projects().list(caller, org, ws, None, &page).await.map(drop),
        Action::ProjectCreate => {
            let name = ProjectName::parse("new").unwrap();
            let command = CreateProject { name, display_name: None, parent_id: None, quota: Quota::new() };
            platform.projects().create(caller, org, ws, &command).await.map(drop)
        }
        Action::ProjectsManage => {
            platform.projects().update(caller, (org, ws, prj), None, None).await.map(drop)
        }
    }
}

/// `true` if an operation was rejected for the caller or the state, and not for its input.
fn is_denied(error: &Error) -> bool {
    let hidden = ["organization not found", "workspace not found", "member not found"];
    match error.kind() {
        ErrorKind::NotFound => hidden.contains(&error.message()),
        ErrorKind::Forbidden => true,
        _ => error.code().parse::<DenialReason>().is_ok(),
    }
}

async fn platform(world: &World, store: &MemoryStore) -> Platform {
    let ids = Arc::new(SystemIds::default());
    Setup::on(Arc::new(store.snapshot()), ids, world.plans(), |config| world.configure(config)).platform
}

/// Asserts that the abilities for one action, which need fewer reads, are the same as among those for all.
async fn assert_same_for_one(reader: &Platform, caller: &Caller, all: &Abilities) {
    let place = Some((dev(), Some(web())));
    for (action, ability) in all {
        let one = reader.abilities_for(caller, acme(), place, &[*action]).await.unwrap();
        assert_eq!(one, BTreeMap::from([(*action, ability.clone())]));
    }
}

async fn assert_consistent(world: &World) {
    let store = world.store().await;
    for (name, caller) in world.callers() {
        let reader = platform(world, &store).await;
        let in_project = reader.abilities(&caller, acme(), Some((dev(), Some(web())))).await;
        if let Ok(all) = &in_project {
            assert_same_for_one(&reader, &caller, all).await;
        }
        let in_organization = reader.abilities(&caller, acme(), None).await;
        let abilities: Abilities = match (in_project, in_organization) {
            (Ok(abilities), _) | (Err(_), Ok(abilities)) => abilities,
            (Err(_), Err(error)) => {
                assert_eq!((name.as_str(), error.kind()), ("outsider", ErrorKind::NotFound));
                BTreeMap::new()
            }
        };
        for action in Action::ALL.iter().copied() {
            let result = perform(&platform(world, &store).await, &caller, action).await;
            let denial = result.err().filter(is_denied);
            let context = || format!("{action:?} of {name}: {denial:?}");
            match abilities.get(&action) {
                None => assert!(
                    denial.as_ref().is_some_and(|it| it.kind() == ErrorKind::NotFound),
                    "{}",
                    context()
                ),
                Some(Ability::Allowed) => assert!(denial.is_none(), "{}", context()),
                Some(Ability::Denied(expected)) => {
                    let found = denial.as_ref().unwrap_or_else(|| panic!("{expected:?}, {}", context()));
                    let code = match expected.reason {
                        DenialReason::InsufficientRole | DenialReason::InsufficientScope => "forbidden",
                        DenialReason::ServiceAccount => "not_found",
                        reason => reason.as_str(),
                    };
                    assert_eq!(found.code(), code, "{expected:?}, {}", context());
                    if expected.reason != DenialReason::ServiceAccount {
                        assert_eq!(found.message(), expected.message, "{}", context());
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn an_action_is_possible_exactly_if_its_operation_is_not_rejected(world in worlds()) {
        futures_executor::block_on(assert_consistent(&world));
    }
}

#[tokio::test]
async fn abilities_contain_the_actions_of_the_named_objects_only() {
    let world = World {
        deleting: false,
        suspended: false,
        second_owner: true,
        subscribed: false,
        ordered: false,
        overdue: false,
        payment_required: false,
        free_limit_reached: false,
        full: [false; 6],
        dedicated_nodes: false,
        pools: 0,
        power_off: false,
        billing_suspended: false,
        workspace_deleting: false,
        has_endpoint: true,
    };
    let platform = platform(&world, &world.store().await).await;
    let chief = caller("chief", Credential::Session(id("session")));
    let abilities = async |place| platform.abilities(&chief, acme(), place).await;
    let in_organization = abilities(None).await.unwrap();
    assert!(in_organization.keys().all(|action| action.permission().level == Level::Organization));
    let in_workspace = abilities(Some((dev(), None))).await.unwrap();
    let is_in_project = |action: &Action| {
        let permission = action.permission();
        permission.workspace_right == WorkspaceRight::ProjectAdmin && permission.roles.is_empty()
    };
    assert!(!in_workspace.keys().any(is_in_project));
    assert_eq!(abilities(Some((dev(), Some(web())))).await.unwrap().len(), Action::ALL.len());
    for (place, missing) in [((id("none"), None), "workspace"), ((dev(), Some(id("none"))), "project")] {
        let error = abilities(Some(place)).await.unwrap_err();
        assert_eq!(error.message(), format!("{missing} not found"));
    }
    let member = caller("member", Credential::Session(id("session")));
    let hidden = platform.abilities(&member, acme(), Some((dev(), None))).await.unwrap_err();
    assert_eq!(hidden.kind(), ErrorKind::NotFound, "members do not learn of workspaces of other groups");
}
