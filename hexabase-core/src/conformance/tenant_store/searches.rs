use super::setup::{acme, dev, later, membership, populate};
use crate::changeset::Changeset;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::OrganizationId;
use crate::model::{
    AddOns, BillingAccount, BillingStanding, Group, Interval, Organization, OrganizationRole,
    OrganizationSummary, OrganizationSuspension, Phase, Project, Subscription, SubscriptionState, User,
    UserKind, Workspace,
};
use crate::name::{DisplayName, PlanId};
use crate::page::PageRequest;
use crate::search::{MemberFilter, SearchText, WorkspaceFilter};
use crate::store::TenantStore;

fn text(text: &str) -> SearchText {
    SearchText::parse(text).unwrap()
}

/// Organizations are listed with their members, workspaces and billing state, oldest first and in pages.
pub async fn organizations_are_searched_with_their_counts(store: &dyn TenantStore) {
    populate(store).await;
    let globex = Organization {
        suspension: Some(OrganizationSuspension {
            since: later(5),
            reason: Some("Unpaid \u{1F4B8}".to_owned()),
        }),
        ..fixture::organization("globex")
    };
    let subscription = Subscription {
        id: "sub_1".to_owned(),
        plan_id: PlanId::parse("small").unwrap(),
        interval: Interval::Month,
        add_ons: AddOns::default(),
        state: SubscriptionState::PastDue,
        current_period_end: later(60),
        cancel_at_period_end: false,
        trial_end: None,
        awaits_confirmation: false,
    };
    let account = BillingAccount {
        subscription: Some(subscription.clone()),
        standing: BillingStanding::Suspended { since: later(1) },
        ..BillingAccount::new(id("globex"), FIXTURE_TIME)
    };
    let robot = User { kind: UserKind::ServiceAccount, email: None, ..fixture::user("robot") };
    let changeset = Changeset::new()
        .insert(globex.clone())
        .insert(account)
        .insert(robot)
        .insert(fixture::member(acme(), id("robot"), OrganizationRole::Admin));
    store.commit(changeset).await.unwrap();
    let in_acme = OrganizationSummary {
        organization: store.find_organization(acme()).await.unwrap().unwrap(),
        members: 1,
        workspaces: 1,
        subscription: None,
        standing: BillingStanding::Good,
    };
    let in_globex = OrganizationSummary {
        organization: globex,
        members: 0,
        workspaces: 0,
        subscription: Some(subscription),
        standing: BillingStanding::Suspended { since: later(1) },
    };
    let mut all = [in_acme, in_globex];
    all.sort_by_key(|summary| summary.organization.id);
    let page = PageRequest::new(1, None);
    let first = store.search_organizations(None, &page).await.unwrap();
    assert_eq!(first.items, all[..1]);
    let second = store.search_organizations(None, &PageRequest::new(1, first.next)).await.unwrap();
    assert_eq!((second.items.as_slice(), second.next), (&all[1..], None));
}

/// A search finds parts of texts in any case, also of other scripts; the wildcards of patterns are literal.
pub async fn searches_ignore_case_and_have_no_wildcards(store: &dyn TenantStore) {
    let named = |name: &str, display_name: &str| Organization {
        display_name: DisplayName::parse(display_name).unwrap(),
        ..fixture::organization(name)
    };
    let changeset = Changeset::new()
        .insert(named("one", "Grüne Welle"))
        .insert(named("two", "100% ÅNGSTRÖM_a"))
        .insert(named("three", r"株式会社 back\slash"))
        .insert(named("four", "Ωμέγα ИВАН"));
    store.commit(changeset).await.unwrap();
    let found = async |wanted: &str| {
        let page = store.search_organizations(Some(text(wanted)), &PageRequest::default()).await.unwrap();
        page.items.into_iter().map(|summary| summary.organization.name.to_string()).collect::<Vec<_>>()
    };
    for (wanted, name) in [
        ("GRÜNE w", "one"),
        ("on", "one"),
        ("0% å", "two"),
        ("m_A", "two"),
        ("式会", "three"),
        (r"K\s", "three"),
        ("ωΜΈΓ", "four"),
        ("иван", "four"),
        (&id::<OrganizationId>("four").to_string().to_uppercase(), "four"),
    ] {
        assert_eq!(found(wanted).await, [name], "{wanted}");
    }
    for wanted in ["%", "_", r"\"] {
        assert_eq!(found(wanted).await.len(), if wanted == "_" { 4 } else { 1 }, "{wanted}");
    }
    for wanted in ["gr%welle", "g_üne", "one grüne", "grune", r"\\"] {
        assert!(found(wanted).await.is_empty(), "{wanted}");
    }
    let nothing = store.search_organizations(Some(text("absent")), &PageRequest::default()).await.unwrap();
    assert_eq!((nothing.items.len(), nothing.next), (0, None));
}

/// Workspaces are filtered by a part of their names, their phase and their plan, and pages are filled with matches.
pub async fn workspaces_are_filtered_by_text_phase_and_plan(store: &dyn TenantStore) {
    populate(store).await;
    let mut changeset = Changeset::new();
    for number in 0..6 {
        let mut workspace = fixture::workspace(&format!("shop-{number}"));
        workspace.display_name = Some(DisplayName::parse(&format!("Läden {number}")).unwrap());
        workspace.status.phase = if number % 2 == 0 { Phase::Ready } else { Phase::Failed };
        workspace.plan_id = PlanId::parse(if number < 4 { "small" } else { "large" }).unwrap();
        changeset = changeset.insert(workspace);
    }
    store.commit(changeset).await.unwrap();
    let filter = |wanted: Option<&str>, phase, plan: Option<&str>| WorkspaceFilter {
        text: wanted.map(text),
        phase,
        plan_id: plan.map(|plan| PlanId::parse(plan).unwrap()),
    };
    for (filter, expected) in [
        (filter(None, None, None), 7),
        (filter(Some("SHOP"), None, None), 6),
        (filter(Some("LÄDEN"), None, None), 6),
        (filter(Some("hop-3"), None, None), 1),
        (filter(Some("laden"), None, None), 0),
        (filter(Some("%"), None, None), 0),
        (filter(None, Some(Phase::Ready), None), 3),
        (filter(None, Some(Phase::Deleting), None), 0),
        (filter(None, None, Some("large")), 2),
        (filter(Some("shop"), Some(Phase::Failed), Some("small")), 2),
        (filter(Some("dev"), Some(Phase::Ready), None), 0),
    ] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest::new(2, after);
            let page = store.list_workspaces(acme(), None, &filter, &page).await.unwrap();
            assert!(page.next.is_none() || page.items.len() == 2, "{filter:?}");
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), expected, "{filter:?}");
        assert!(
            found.is_sorted_by_key(|workspace| workspace.id) && found.iter().all(|it| filter.matches(it))
        );
    }
    let memberships = Changeset::new().insert(membership("staff", "ann"));
    store.commit(memberships).await.unwrap();
    let page = PageRequest::default();
    let in_dev = async |filter| store.list_workspaces(acme(), Some(id("ann")), &filter, &page).await.unwrap();
    assert_eq!(in_dev(filter(Some("dev"), Some(Phase::Pending), Some("small"))).await.items.len(), 1);
    assert_eq!(in_dev(filter(Some("shop"), None, None)).await.items.len(), 0);
    // A changed phase is found.
    let mut dev = store.find_workspace(acme(), dev()).await.unwrap().unwrap();
    dev.status.phase = Phase::Deleting;
    store.commit(Changeset::new().workspace(dev, FIXTURE_TIME)).await.unwrap();
    assert_eq!(in_dev(filter(None, Some(Phase::Deleting), None)).await.items.len(), 1);
}

/// Members are filtered by a part of their name or address, and by their role.
pub async fn members_are_filtered_by_text_and_role(store: &dyn TenantStore) {
    populate(store).await;
    let named = |name: &str, display_name: &str| User {
        name: DisplayName::parse(display_name).unwrap(),
        ..fixture::user(name)
    };
    let changeset = Changeset::new()
        .insert(named("ann", "Ännchen"))
        .insert(named("bob", "Bob"))
        .insert(fixture::member(acme(), id("ann"), OrganizationRole::Admin))
        .insert(fixture::member(acme(), id("bob"), OrganizationRole::Member));
    store.commit(changeset).await.unwrap();
    let found = async |wanted: Option<&str>, role| {
        let filter = MemberFilter { text: wanted.map(text), role };
        let members = store.list_members(acme(), &filter, &PageRequest::default()).await.unwrap().items;
        members.into_iter().map(|(member, _)| member.user_id).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("äNN"), None).await, [id("ann")]);
    assert_eq!(found(Some("NN@EXAMPLE"), None).await, [id("ann")]);
    assert_eq!(found(Some("example.com"), Some(OrganizationRole::Member)).await, [id("bob")]);
    assert_eq!(found(None, Some(OrganizationRole::Owner)).await, [id("owner")]);
    assert_eq!(found(Some("bob"), Some(OrganizationRole::Owner)).await, []);
    assert_eq!(found(Some("_"), None).await, []);
    assert_eq!(found(None, None).await.len(), 3);
}

/// Groups and projects of a workspace are filtered by a part of their names.
pub async fn groups_and_projects_are_filtered_by_text(store: &dyn TenantStore) {
    populate(store).await;
    let web =
        Project { display_name: Some(DisplayName::parse("Größe").unwrap()), ..fixture::project("web") };
    store.commit(Changeset::new().insert(web).insert(fixture::group("Web_Ops"))).await.unwrap();
    let page = PageRequest::default();
    let groups = async |wanted: &str| {
        let found = store.list_groups(acme(), dev(), Some(text(wanted)), &page).await.unwrap().items;
        found.into_iter().map(|group| group.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(groups("web").await, ["Web_Ops"]);
    assert_eq!(groups("b_o").await, ["Web_Ops"]);
    assert_eq!(groups("OPS").await.len(), 2);
    assert!(groups("b%o").await.is_empty());
    let projects = async |wanted: &str| {
        let found = store.list_projects(acme(), dev(), Some(text(wanted)), &page).await.unwrap().items;
        found.into_iter().map(|project| project.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(projects("GRÖSSE").await, Vec::<String>::new(), "no case folding beyond lower case");
    assert_eq!(projects("GRÖß").await, ["web"]);
    assert_eq!(projects("we").await, ["web"]);
}

/// A search finds groups and projects of one organization, for a member only in the workspaces of their groups.
pub async fn groups_and_projects_are_found_in_the_workspaces_of_their_members(store: &dyn TenantStore) {
    populate(store).await;
    let in_workspace = |organization: &str, workspace: &str, name: &str| {
        let group =
            Group { organization_id: id(organization), workspace_id: id(workspace), ..fixture::group(name) };
        let project = Project {
            organization_id: id(organization),
            workspace_id: id(workspace),
            ..fixture::project(name)
        };
        (group, project)
    };
    let (other, other_project) = in_workspace("acme", "other", "shop-staff");
    let (foreign, foreign_project) = in_workspace("globex", "theirs", "shop-staff-2");
    let theirs = Workspace { organization_id: id("globex"), ..fixture::workspace("theirs") };
    let changeset = Changeset::new()
        .insert(fixture::workspace("other"))
        .insert(other)
        .insert(other_project)
        .insert(fixture::organization("globex"))
        .insert(theirs)
        .insert(foreign)
        .insert(foreign_project)
        .insert(membership("ops", "ann"));
    store.commit(changeset).await.unwrap();
    let names = async |user: Option<&str>, wanted: &str, limit| {
        let (user, wanted) = (user.map(id), text(wanted));
        let groups = store.search_groups(acme(), user, &wanted, limit).await.unwrap();
        let projects = store.search_projects(acme(), user, &wanted, limit).await.unwrap();
        assert!(groups.is_sorted_by_key(|group| (group.workspace_id, group.id)));
        let mut groups: Vec<String> = groups.into_iter().map(|group| group.name.to_string()).collect();
        groups.sort_unstable();
        (groups, projects.len())
    };
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(None, "STAFF", 9).await, (texts(&["shop-staff", "staff"]), 1));
    assert_eq!(names(Some("ann"), "STAFF", 9).await, (texts(&["staff"]), 0));
    assert_eq!(names(Some("ann"), "shop", 9).await, (texts(&[]), 1));
    assert_eq!(names(Some("bob"), "s", 9).await, (texts(&[]), 0));
    assert_eq!(names(None, "shop", 1).await.1, 1, "at most the limit");
}
