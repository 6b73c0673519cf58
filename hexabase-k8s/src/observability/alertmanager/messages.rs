//! Messages of Alertmanager's API v2, with the fields in use.

use std::collections::BTreeMap;

use hexabase_core::alerts::{ALERT_NAME, FiringAlert, Silence, SilenceId};
use hexabase_core::id::{AlertRuleId, TypedId as _, UserId, WorkspaceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Alert, `gettableAlert`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GettableAlert {
    labels: BTreeMap<String, String>,
    starts_at: Timestamp,
    status: AlertStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlertStatus {
    silenced_by: Vec<String>,
}

impl GettableAlert {
    /// `true` if the alert has these labels.
    pub(super) fn has_labels(&self, labels: [(&str, &str); 2]) -> bool {
        labels.iter().all(|(label, value)| self.labels.get(*label).is_some_and(|found| found == value))
    }

    /// Returns the alert of a rule; `None` for an alert that names no rule.
    pub(super) fn into_firing(self) -> Option<FiringAlert> {
        let rule_id = self.labels.get("rule")?.parse().ok()?;
        let silenced_by = self.status.silenced_by.iter().filter_map(|id| id.parse().ok()).collect();
        Some(FiringAlert { rule_id, starts_at: self.starts_at, silenced_by })
    }
}

/// Matcher of a silence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Matcher {
    name: String,
    value: String,
    is_regex: bool,
    #[serde(default = "default_is_equal")]
    is_equal: bool,
}

/// Value of `isEqual` if it is absent.
const fn default_is_equal() -> bool {
    true
}

impl Matcher {
    /// Returns the matchers of a silence of one rule of a tenant.
    pub(super) fn of_rule(workspace: WorkspaceId, rule: AlertRuleId) -> [Self; 3] {
        [
            ("alertname", ALERT_NAME.to_owned()),
            ("namespace", workspace.kubernetes_name()),
            ("rule", rule.to_string()),
        ]
        .map(|(name, value)| Self { name: name.to_owned(), value, is_regex: false, is_equal: true })
    }
}

/// Silence to create, `postableSilence`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostableSilence {
    pub(super) matchers: Vec<Matcher>,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) created_by: String,
    pub(super) comment: String,
}

/// Response to a created silence.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedSilence {
    #[serde(rename = "silenceID")]
    pub(super) silence_id: SilenceId,
}

/// Silence, `gettableSilence`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GettableSilence {
    id: SilenceId,
    matchers: Vec<Matcher>,
    ends_at: Timestamp,
    created_by: String,
    #[serde(default)]
    comment: String,
    status: SilenceStatus,
}

#[derive(Debug, Deserialize)]
struct SilenceStatus {
    state: String,
}

impl GettableSilence {
    /// Returns the silence of one rule of a tenant; `None` if it has ended, or belongs to another tenant or an operator.
    pub(super) fn into_silence_of(mut self, workspace: WorkspaceId) -> Option<Silence> {
        let rule_id = self.matchers.iter().find(|matcher| matcher.name == "rule")?.value.parse().ok()?;
        let mut expected = Matcher::of_rule(workspace, rule_id);
        expected.sort_unstable();
        self.matchers.sort_unstable();
        let created_by: UserId = self.created_by.parse().ok()?;
        let is_active = self.matchers == expected && self.status.state != "expired";
        let Self { id, comment, ends_at, .. } = self;
        is_active.then_some(Silence { id, rule_id, created_by, comment, ends_at })
    }
}
