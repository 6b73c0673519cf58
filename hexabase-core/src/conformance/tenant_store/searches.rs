use super::setup::{acme, later, populate};
use crate::changeset::Changeset;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::OrganizationId;
use crate::model::{
    AddOns, BillingAccount, BillingStanding, Interval, Organization, OrganizationRole, OrganizationSummary,
    OrganizationSuspension, Subscription, SubscriptionState, User, UserKind,
};
use crate::name::{DisplayName, PlanId};
use crate::page::PageRequest;
use crate::search::SearchText;
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
    let mut all = vec![in_acme, in_globex];
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
