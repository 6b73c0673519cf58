//! Alerts of tenants: the export of the conditions of alert rules to the monitoring system that evaluates them, the
//! evaluation of a rule over past values, and the extension point that reads and silences the alerts.

mod back_test;
mod demo;
mod memory;
mod thresholds;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

pub use back_test::{EVALUATION_INTERVAL, FiringPeriod, RulePoint, ValueRange, back_test, measured_periods};
pub use memory::MemoryAlerts;
pub use thresholds::{THRESHOLD_SERIES, thresholds_as_text};

use crate::error::Result;
use crate::id::{AlertRuleId, UserId, WorkspaceId};

/// Name of the alerts of tenants' alert rules, the label `alertname`. Other alerts belong to operators.
pub const ALERT_NAME: &str = "HexabaseAlertRule";

/// Alerts of tenants and their silences. The implementation forces the tenant into every query; a caller cannot reach
/// the alerts and silences of another tenant or of operators.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait AlertSource: fmt::Debug + Send + Sync + 'static {
    /// Lists the firing alerts of the alert rules of a workspace, ordered by rule.
    ///
    /// # Behaviour
    /// - A rule has one alert at most: the one that started last.
    /// - Alerts of other tenants, and alerts about the tenant that belong to operators, are never returned.
    /// - A silenced alert names the silences that apply to it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn alerts(&self, workspace: WorkspaceId) -> Result<Vec<FiringAlert>>;

    /// Silences the alerts of one rule of a workspace.
    ///
    /// # Behaviour
    /// - The silence applies to alerts of this rule of this tenant, and to no others.
    ///
    /// # Errors
    /// `Invalid` if the silence ends in the past, `Unavailable`.
    async fn create_silence(&self, workspace: WorkspaceId, silence: &NewSilence) -> Result<SilenceId>;

    /// Finds a silence of one rule of a workspace that has not ended.
    ///
    /// # Behaviour
    /// - Silences of other tenants and of operators are not found.
    /// - A silence that was deleted or has ended is not found.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<Option<Silence>>;

    /// Lists the silences of the rules of a workspace that [`Self::find_silence`] finds, the first to end first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn silences(&self, workspace: WorkspaceId) -> Result<Vec<Silence>>;

    /// Ends a silence that [`Self::find_silence`] finds.
    ///
    /// # Behaviour
    /// - A silence that is not found is left unchanged.
    ///
    /// # Errors
    /// `NotFound` if the silence is not found, `Unavailable`.
    async fn delete_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<()>;

    /// Name of the implementation, for operators.
    fn name(&self) -> &'static str;
}

/// Alert of an alert rule that is firing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiringAlert {
    /// Rule of the alert.
    pub rule_id: AlertRuleId,
    /// Time since which the condition of the rule has held.
    pub starts_at: Timestamp,
    /// Silences that apply to the alert; empty if it is not silenced. They include those of operators.
    pub silenced_by: Vec<SilenceId>,
}

/// Silence to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence {
    /// Rule whose alerts are silenced.
    pub rule_id: AlertRuleId,
    /// User who creates the silence.
    pub created_by: UserId,
    /// Reason for the silence.
    pub comment: String,
    /// Start of the silence.
    pub starts_at: Timestamp,
    /// End of the silence.
    pub ends_at: Timestamp,
}

/// Silence of the alerts of one rule of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// Id of the silence.
    pub id: SilenceId,
    /// Rule whose alerts are silenced.
    pub rule_id: AlertRuleId,
    /// User who created the silence.
    pub created_by: UserId,
    /// Reason for the silence.
    pub comment: String,
    /// End of the silence.
    pub ends_at: Timestamp,
}

/// Id of a silence, a UUID that the alert source chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SilenceId(Uuid);

impl SilenceId {
    /// Creates an id from a UUID.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for SilenceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}

impl Serialize for SilenceId {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SilenceId {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl FromStr for SilenceId {
    type Err = InvalidSilenceId;

    fn from_str(text: &str) -> std::result::Result<Self, InvalidSilenceId> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidSilenceId)?;
        // Other notations of a UUID are not ids.
        if uuid.hyphenated().to_string() == text { Ok(Self(uuid)) } else { Err(InvalidSilenceId) }
    }
}

/// Text that is not a [`SilenceId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the id of a silence: a UUID in lower case with hyphens")]
pub struct InvalidSilenceId;

/// Returns one alert per rule, the one that started last, ordered by rule.
#[must_use]
pub fn latest_by_rule(mut alerts: Vec<FiringAlert>) -> Vec<FiringAlert> {
    alerts.sort_by(|a, b| (a.rule_id, b.starts_at).cmp(&(b.rule_id, a.starts_at)));
    alerts.dedup_by_key(|alert| alert.rule_id);
    alerts
}

/// Returns silences in the order of their ends.
#[must_use]
pub fn first_to_end(mut silences: Vec<Silence>) -> Vec<Silence> {
    silences.sort_by_key(|silence| (silence.ends_at, silence.id));
    silences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_id_has_one_notation() {
        let text = "0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b";
        assert_eq!(text.parse::<SilenceId>().unwrap().to_string(), text);
        for other in [
            "",
            "..",
            "0F9B1C7E-8A3D-4F5E-9B1C-7E8A3D4F5E9B",
            "0f9b1c7e8a3d4f5e9b1c7e8a3d4f5e9b",
            "{0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b}",
            "urn:uuid:0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b",
        ] {
            assert!(other.parse::<SilenceId>().is_err(), "{other}");
        }
    }
}
