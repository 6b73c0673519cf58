//! Export of the limits of alert rules.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_executor::block_on;

use super::Setup;
use crate::alerts::THRESHOLD_SERIES;
use crate::fixture;
use crate::id_source::SystemIds;
use crate::mock::MockTenantStore;
use crate::model::{AlertRule, AlertThreshold, AlertThresholdPage, StoredPlans};

fn threshold(rule: &AlertRule) -> AlertThreshold {
    AlertThreshold {
        id: rule.id,
        workspace_id: rule.workspace_id,
        plan_id: fixture::plan("small").id,
        project: None,
        condition: rule.condition,
        severity: rule.severity,
    }
}

#[test]
fn the_export_has_the_rules_of_all_pages_except_those_that_cannot_be_read() {
    let rules = ["one", "two", "three"].map(fixture::alert_rule);
    let mut store = MockTenantStore::new();
    store.expect_read_plans().returning(|| Ok(StoredPlans::initial()));
    let thresholds: Vec<AlertThreshold> = rules.iter().map(threshold).collect();
    // The last rule of the first page, and all of the second page, cannot be read.
    store.expect_list_alert_thresholds().times(3).returning(move |after, _| {
        let page =
            |thresholds: &[AlertThreshold], unreadable: &[&str], next: Option<&str>| AlertThresholdPage {
                thresholds: thresholds.to_vec(),
                unreadable: unreadable.iter().map(ToString::to_string).collect(),
                next: next.map(str::to_owned),
            };
        Ok(match after.as_deref() {
            None => page(&thresholds[..2], &["x"], Some("x")),
            Some("x") => page(&[], &["y"], Some("y")),
            _ => page(&thresholds[2..], &[], None),
        })
    });
    let setup =
        Setup::on(Arc::new(store), Arc::new(SystemIds::default()), vec![fixture::plan("small")], |_| {});
    let text = block_on(setup.platform.alerts().thresholds()).unwrap();
    let series = text.lines().filter(|line| line.starts_with(THRESHOLD_SERIES));
    let exported: BTreeSet<String> =
        series.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect();
    assert_eq!(exported, rules.map(|rule| rule.id.to_string()).into());
}
