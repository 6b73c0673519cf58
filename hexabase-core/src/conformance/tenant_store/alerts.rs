use super::setup::{acme, dev, populate};
use crate::changeset::{Changeset, RecordKey};
use crate::error::ErrorKind;
use crate::fixture::{self, id};
use crate::id::{AlertRuleId, TypedId as _};
use crate::metrics::Metric;
use crate::model::{
    AlertCondition, AlertDuration, AlertLimit, AlertRule, AlertSeverity, AlertThreshold, AlertThresholdPage,
    Comparison, Project,
};
use crate::name::Email;
use crate::page::PageRequest;
use crate::quantity::Quantity;
use crate::quota::{Quota, Resource};
use crate::store::TenantStore;
use crate::version::Version;

fn in_shop(name: &str) -> AlertRule {
    AlertRule { project_id: Some(id("shop")), ..fixture::alert_rule(name) }
}

async fn rule_names(store: &dyn TenantStore) -> Vec<String> {
    let listed = store.list_alert_rules(acme(), dev(), &PageRequest::default()).await.unwrap();
    assert!(listed.items.is_sorted_by_key(|rule| rule.id));
    let mut names: Vec<_> = listed.items.iter().map(|rule| rule.name.to_string()).collect();
    names.sort_unstable();
    names
}

/// An alert rule reads back as it was inserted or updated, in its own workspace only.
pub async fn alert_rules_read_back_in_their_workspace(store: &dyn TenantStore) {
    populate(store).await;
    let first = fixture::alert_rule("first");
    store.commit(Changeset::new().insert(first.clone())).await.unwrap();
    assert_eq!(store.find_alert_rule(acme(), dev(), first.id).await.unwrap(), Some(first.clone()));
    let changed = AlertRule {
        condition: AlertCondition {
            metric: Metric::Memory,
            comparison: Comparison::Below,
            limit: AlertLimit::PercentOfQuota(80),
            duration: AlertDuration::Immediate,
        },
        severity: AlertSeverity::Critical,
        notify: Vec::new(),
        version: Version::FIRST.next(),
        ..first.clone()
    };
    store.commit(Changeset::new().update(changed.clone())).await.unwrap();
    assert_eq!(store.find_alert_rule(acme(), dev(), first.id).await.unwrap(), Some(changed));
    for (org, ws) in [(id("other"), dev()), (acme(), id("other"))] {
        assert_eq!(store.find_alert_rule(org, ws, first.id).await.unwrap(), None);
        assert_eq!(store.count_alert_rules(org, ws).await.unwrap(), 0);
        let listed = store.list_alert_rules(org, ws, &PageRequest::default()).await.unwrap();
        assert!(listed.items.is_empty());
    }
    assert_eq!(store.find_alert_rule(acme(), dev(), id("missing")).await.unwrap(), None);
}

/// The name of an alert rule is unique in its workspace, and its workspace and project must exist.
pub async fn an_alert_rule_has_a_unique_name_and_an_owner(store: &dyn TenantStore) {
    populate(store).await;
    let first = fixture::alert_rule("first");
    let twin = AlertRule { name: first.name.clone(), ..in_shop("twin") };
    let elsewhere = AlertRule { workspace_id: id("calm"), ..twin.clone() };
    store.commit(Changeset::new().insert(first)).await.unwrap();
    let error = store.commit(Changeset::new().insert(twin)).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::AlreadyExists, "alert rule already exists"));
    let of_another = Changeset::new().insert(fixture::workspace("calm")).insert(elsewhere.clone());
    assert_eq!(store.commit(of_another).await.unwrap_err().kind(), ErrorKind::NotFound, "the project");
    let of_another = AlertRule { project_id: None, ..elsewhere };
    let changeset = Changeset::new().insert(fixture::workspace("calm")).insert(of_another);
    store.commit(changeset).await.unwrap();
    let lost = AlertRule { workspace_id: id("missing"), ..fixture::alert_rule("lost") };
    assert_eq!(store.commit(Changeset::new().insert(lost)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.count_alert_rules(acme(), dev()).await.unwrap(), 1);
}

/// An alert rule is deleted with its project, its workspace and its organization.
pub async fn alert_rules_are_deleted_with_their_owners(store: &dyn TenantStore) {
    populate(store).await;
    let rules = Changeset::new().insert(fixture::alert_rule("whole")).insert(in_shop("part"));
    store.commit(rules.insert(fixture::alert_rule("spare"))).await.unwrap();
    assert_eq!(rule_names(store).await, ["part", "spare", "whole"]);
    let key = |name: &str| RecordKey::AlertRule(acme(), dev(), id(name));
    store.commit(Changeset::new().delete(key("spare"))).await.unwrap();
    let missing = store.commit(Changeset::new().delete(key("spare"))).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    store.commit(Changeset::new().delete(RecordKey::Project(acme(), dev(), id("shop")))).await.unwrap();
    assert_eq!(rule_names(store).await, ["whole"]);
    store.commit(Changeset::new().delete(RecordKey::Workspace(acme(), dev()))).await.unwrap();
    assert_eq!(store.count_alert_rules(acme(), dev()).await.unwrap(), 0);
    let again = Changeset::new().insert(fixture::workspace("dev")).insert(fixture::alert_rule("whole"));
    store.commit(again).await.unwrap();
    store.commit(Changeset::new().delete(RecordKey::Organization(acme()))).await.unwrap();
    assert_eq!(store.list_alert_thresholds(None, 9).await.unwrap(), AlertThresholdPage::default());
}

/// The conditions of the rules of all organizations are listed in pages, with the plan and the quota of the project.
pub async fn alert_thresholds_of_all_organizations_are_listed_in_pages(store: &dyn TenantStore) {
    populate(store).await;
    let quota = Quota::new().with(Resource::Memory, Quantity::gibibytes(2));
    let shop = Project { quota: quota.clone(), ..fixture::project("shop") };
    let mut foreign = fixture::workspace("theirs");
    foreign.organization_id = id("globex");
    let mut changeset = Changeset::new()
        .update(shop.clone())
        .insert(fixture::organization("globex"))
        .insert(foreign.clone())
        .insert(AlertRule {
            organization_id: id("globex"),
            workspace_id: foreign.id,
            notify: vec![Email::parse("eve@example.com").unwrap()],
            ..fixture::alert_rule("foreign")
        })
        .insert(in_shop("part"));
    for number in 0..10 {
        changeset = changeset.insert(fixture::alert_rule(&format!("rule-{number}")));
    }
    store.commit(changeset).await.unwrap();
    let mut pages = vec![store.list_alert_thresholds(None, 5).await.unwrap()];
    while let Some(next) = pages.last().and_then(|page| page.next.clone()) {
        pages.push(store.list_alert_thresholds(Some(next), 5).await.unwrap());
    }
    assert_eq!(pages.iter().map(|page| page.thresholds.len()).collect::<Vec<_>>(), [5, 5, 2]);
    assert!(pages.iter().all(|page| page.unreadable.is_empty()), "{pages:?}");
    let all = store.list_alert_thresholds(None, 12).await.unwrap();
    assert_eq!((all.thresholds.len(), all.next), (12, None), "the last page has no next one");
    let found: Vec<AlertThreshold> = pages.into_iter().flat_map(|page| page.thresholds).collect();
    assert_eq!(found.len(), 12);
    assert!(found.windows(2).all(|pair| pair[0].id < pair[1].id), "ordered, each once");
    let end = Some(AlertRuleId::greatest().to_string());
    assert_eq!(store.list_alert_thresholds(end, 5).await.unwrap(), AlertThresholdPage::default());
    let threshold = |rule: AlertRule, project| AlertThreshold {
        id: rule.id,
        workspace_id: rule.workspace_id,
        plan_id: fixture::workspace("dev").plan_id,
        project,
        condition: rule.condition,
        severity: rule.severity,
    };
    let of = |name: &str| found.iter().find(|found| found.id == id::<AlertRuleId>(name)).unwrap();
    assert_eq!(*of("part"), threshold(in_shop("part"), Some((shop.name, quota))));
    assert_eq!(*of("rule-3"), threshold(fixture::alert_rule("rule-3"), None));
    assert_eq!(of("foreign").workspace_id, foreign.id);
}
