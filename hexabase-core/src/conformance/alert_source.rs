//! Conformance suite for [`AlertSource`].

use std::fmt;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::alerts::{AlertSource, FiringAlert, NewSilence, Silence, SilenceId};
use crate::clock::{Clock as _, SystemClock};
use crate::error::ErrorKind;
use crate::fixture::id;
use crate::id::{AlertRuleId, WorkspaceId};

/// A source under test that uses the time of the operating system.
#[async_trait]
pub trait AlertHarness: fmt::Debug + Send + Sync {
    /// The source.
    fn source(&self) -> &dyn AlertSource;

    /// Lets the alert of a rule fire from a time on, and returns when the source shows it.
    async fn fire(&self, workspace: WorkspaceId, rule: AlertRuleId, starts_at: Timestamp);

    /// Lets an alert of operators about the namespace of a workspace fire; sources without such alerts do nothing.
    async fn fire_for_operators(&self, workspace: WorkspaceId);

    /// Creates the silences that operators could create about a workspace: for all of its alerts, for all rules, for
    /// several rules by a pattern, and for all but one rule. Sources without such silences return none.
    async fn silence_for_operators(&self, workspace: WorkspaceId, rule: AlertRuleId) -> Vec<SilenceId>;
}

/// Defines one test per case for an [`AlertSource`]. The expression returns an [`AlertHarness`].
#[macro_export]
macro_rules! alert_source_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            alert_source,
            $make,
            [
                the_alerts_of_a_tenant_are_listed_by_rule,
                a_rule_has_one_alert,
                alerts_of_operators_are_not_listed,
                a_silence_applies_to_one_rule_of_one_tenant,
                a_silence_is_found_until_it_is_deleted,
                the_silences_of_a_tenant_are_listed,
                silences_of_others_are_neither_found_nor_deleted,
                a_silence_that_ends_in_the_past_is_rejected,
            ]
        );
    };
}

fn now() -> Timestamp {
    // Whole seconds, which every source keeps.
    Timestamp::from_second(SystemClock.now().as_second()).unwrap()
}

fn shop() -> WorkspaceId {
    id("shop")
}

fn rival() -> WorkspaceId {
    id("rival")
}

fn rule(name: &str) -> AlertRuleId {
    id(name)
}

fn silence_of(rule_id: AlertRuleId) -> NewSilence {
    NewSilence {
        rule_id,
        created_by: id("ann"),
        comment: "maintenance; \"quoted\" {rule=\"x\"}".to_owned(),
        starts_at: now(),
        ends_at: now() + SignedDuration::from_hours(1),
    }
}

async fn alerts_of(harness: &dyn AlertHarness, workspace: WorkspaceId) -> Vec<FiringAlert> {
    harness.source().alerts(workspace).await.unwrap()
}

/// Firing alerts are listed with their start, ordered by rule, for their own workspace only.
pub async fn the_alerts_of_a_tenant_are_listed_by_rule(harness: &dyn AlertHarness) {
    let starts_at = now() - SignedDuration::from_mins(10);
    let mut rules = ["one", "two", "three"].map(rule);
    for rule in rules {
        harness.fire(shop(), rule, starts_at).await;
    }
    harness.fire(rival(), rule("foreign"), starts_at).await;
    rules.sort_unstable();
    let expected = rules.map(|rule_id| FiringAlert { rule_id, starts_at, silenced_by: Vec::new() });
    assert_eq!(alerts_of(harness, shop()).await, expected);
    let foreign = FiringAlert { rule_id: rule("foreign"), starts_at, silenced_by: Vec::new() };
    assert_eq!(alerts_of(harness, rival()).await, [foreign]);
    assert!(alerts_of(harness, id("quiet")).await.is_empty());
}

/// Of two alerts of one rule, as after a change of the rule, the one that started last is listed.
pub async fn a_rule_has_one_alert(harness: &dyn AlertHarness) {
    let earlier = now() - SignedDuration::from_mins(20);
    let later = now() - SignedDuration::from_mins(10);
    harness.fire(shop(), rule("one"), earlier).await;
    harness.fire(shop(), rule("one"), later).await;
    let found = alerts_of(harness, shop()).await;
    assert_eq!(found, [FiringAlert { rule_id: rule("one"), starts_at: later, silenced_by: Vec::new() }]);
}

/// An alert of operators about the namespace of a tenant is not the tenant's.
pub async fn alerts_of_operators_are_not_listed(harness: &dyn AlertHarness) {
    harness.fire_for_operators(shop()).await;
    harness.fire(shop(), rule("one"), now() - SignedDuration::from_mins(1)).await;
    let rules: Vec<_> = alerts_of(harness, shop()).await.iter().map(|alert| alert.rule_id).collect();
    assert_eq!(rules, [rule("one")]);
}

/// A silence applies to the alerts of its rule in its workspace, and to no others.
pub async fn a_silence_applies_to_one_rule_of_one_tenant(harness: &dyn AlertHarness) {
    let starts_at = now() - SignedDuration::from_mins(10);
    for (workspace, name) in [(shop(), "one"), (shop(), "two"), (rival(), "one")] {
        harness.fire(workspace, rule(name), starts_at).await;
    }
    let silence = harness.source().create_silence(shop(), &silence_of(rule("one"))).await.unwrap();
    let silenced = |alerts: Vec<FiringAlert>| -> Vec<(AlertRuleId, Vec<SilenceId>)> {
        alerts.into_iter().map(|alert| (alert.rule_id, alert.silenced_by)).collect()
    };
    let mut expected = vec![(rule("one"), vec![silence]), (rule("two"), Vec::new())];
    expected.sort_unstable();
    assert_eq!(silenced(alerts_of(harness, shop()).await), expected);
    assert_eq!(silenced(alerts_of(harness, rival()).await), [(rule("one"), Vec::new())]);
}

/// A silence is found with its rule and its end until it is deleted; a second deletion does not find it.
pub async fn a_silence_is_found_until_it_is_deleted(harness: &dyn AlertHarness) {
    let source = harness.source();
    let wanted = silence_of(rule("one"));
    let silence = source.create_silence(shop(), &wanted).await.unwrap();
    let found = source.find_silence(shop(), silence).await.unwrap().unwrap();
    assert_eq!((found.id, found.rule_id, found.ends_at), (silence, wanted.rule_id, wanted.ends_at));
    source.delete_silence(shop(), silence).await.unwrap();
    assert_eq!(source.find_silence(shop(), silence).await.unwrap(), None);
    let again = source.delete_silence(shop(), silence).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    harness.fire(shop(), rule("one"), now() - SignedDuration::from_mins(1)).await;
    assert_eq!(alerts_of(harness, shop()).await[0].silenced_by, []);
}

/// The silences of a workspace are listed with their author and reason, the first to end first, and without those that
/// were deleted or belong to others.
pub async fn the_silences_of_a_tenant_are_listed(harness: &dyn AlertHarness) {
    let source = harness.source();
    let later = NewSilence { ends_at: now() + SignedDuration::from_hours(2), ..silence_of(rule("one")) };
    let later_id = source.create_silence(shop(), &later).await.unwrap();
    let first = silence_of(rule("two"));
    let first_id = source.create_silence(shop(), &first).await.unwrap();
    let deleted = source.create_silence(shop(), &silence_of(rule("three"))).await.unwrap();
    source.delete_silence(shop(), deleted).await.unwrap();
    source.create_silence(rival(), &silence_of(rule("one"))).await.unwrap();
    harness.silence_for_operators(shop(), rule("one")).await;
    let expected = |id, NewSilence { rule_id, created_by, comment, ends_at, .. }: NewSilence| Silence {
        id,
        rule_id,
        created_by,
        comment,
        ends_at,
    };
    let listed = source.silences(shop()).await.unwrap();
    assert_eq!(listed, [expected(first_id, first), expected(later_id, later)]);
    assert!(source.silences(id("quiet")).await.unwrap().is_empty());
}

/// Silences of another tenant and of operators are not found, and remain after an attempt to delete them.
pub async fn silences_of_others_are_neither_found_nor_deleted(harness: &dyn AlertHarness) {
    let source = harness.source();
    harness.fire(shop(), rule("one"), now() - SignedDuration::from_mins(1)).await;
    let own = source.create_silence(shop(), &silence_of(rule("one"))).await.unwrap();
    let of_operators = harness.silence_for_operators(shop(), rule("one")).await;
    let before = alerts_of(harness, shop()).await;
    let foreign = of_operators.into_iter().map(|silence| (shop(), silence)).chain([(rival(), own)]);
    let missing: SilenceId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
    for (workspace, silence) in foreign.chain([(shop(), missing)]) {
        assert_eq!(source.find_silence(workspace, silence).await.unwrap(), None, "{silence}");
        let error = source.delete_silence(workspace, silence).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{silence}: {error}");
    }
    assert_eq!(alerts_of(harness, shop()).await, before);
    assert!(before[0].silenced_by.contains(&own));
}

/// A silence whose end has passed is rejected.
pub async fn a_silence_that_ends_in_the_past_is_rejected(harness: &dyn AlertHarness) {
    let ended = NewSilence {
        starts_at: now() - SignedDuration::from_hours(2),
        ends_at: now() - SignedDuration::from_hours(1),
        ..silence_of(rule("one"))
    };
    let error = harness.source().create_silence(shop(), &ended).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}
