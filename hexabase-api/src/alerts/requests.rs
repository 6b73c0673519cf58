//! Requests about alert rules and silences.

use std::time::Duration;

use hexabase_core::error::{Check, Result};
use hexabase_core::model::{AlertCondition, AlertLimit};
use hexabase_core::name::{Email, Slug};
use hexabase_core::platform::{CreateAlertRule, SilenceAlert, UpdateAlertRule};
use hexabase_core::quantity::Quantity;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::requests::parse_optional;
use crate::schema;

/// Alert rule to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAlertRule {
    /// Name, unique in the workspace: a DNS label.
    #[schema(example = "memory-high")]
    pub name: String,
    /// Id of the project whose metric is compared; the workspace as a whole by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    pub project: Option<String>,
    /// Metric that is compared.
    #[schema(value_type = schema::MetricName)]
    pub metric: String,
    /// Side of the limit on which the rule fires.
    #[schema(value_type = schema::AlertComparison)]
    pub comparison: String,
    /// Limit in the unit of the metric, zero or more. Either this or `percent_of_quota` is set.
    pub threshold: Option<f64>,
    /// Limit as a percentage, 1 to 100, of the quota for the metric: that of the project, or of the plan if the rule has
    /// no project or its project has no such quota.
    #[schema(example = 80)]
    pub percent_of_quota: Option<u8>,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    #[schema(value_type = schema::AlertDuration)]
    pub duration: String,
    /// Severity of the alert.
    #[schema(value_type = schema::AlertSeverity)]
    pub severity: String,
    /// Addresses of the members who are notified, at most 10. Each is the verified address of a person in the
    /// organization.
    #[serde(default)]
    #[schema(example = json!(["ann@example.com"]))]
    pub notify: Vec<String>,
}

impl NewAlertRule {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<CreateAlertRule> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let project_id = check.field("project", parse_optional(&self.project, str::parse));
        let metric = check.field("metric", self.metric.parse());
        let comparison = check.field("comparison", self.comparison.parse());
        let duration = check.field("for", self.duration.parse());
        let severity = check.field("severity", self.severity.parse());
        let is_limited = self.threshold.is_some() || self.percent_of_quota.is_some();
        check.require(is_limited, "threshold", "must be set unless percent_of_quota is set");
        let limit = parse_limit(&mut check, self.threshold, self.percent_of_quota);
        let notify = parse_addresses(&mut check, &self.notify);
        let condition = (|| {
            let (metric, comparison) = (metric?, comparison?);
            Some(AlertCondition { metric, comparison, limit: limit?, duration: duration? })
        })();
        let (name, project_id, condition, severity) = check.all((name, project_id, condition, severity))?;
        Ok(CreateAlertRule { name, project_id, condition, severity, notify })
    }
}

/// Evaluation of a rule instead of its creation.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertRuleCreation {
    /// `true` to create no rule and return when its alert would have been firing in the last 24 hours.
    #[serde(default)]
    pub dry_run: bool,
}

/// Changes to an alert rule. Absent fields stay unchanged; the project of a rule cannot change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertRulePatch {
    /// Name, unique in the workspace: a DNS label.
    pub name: Option<String>,
    /// Metric that is compared.
    #[schema(value_type = Option<schema::MetricName>)]
    pub metric: Option<String>,
    /// Side of the limit on which the rule fires.
    #[schema(value_type = Option<schema::AlertComparison>)]
    pub comparison: Option<String>,
    /// Limit in the unit of the metric, zero or more; replaces a percentage.
    pub threshold: Option<f64>,
    /// Limit as a percentage of the quota, 1 to 100; replaces an amount.
    pub percent_of_quota: Option<u8>,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    #[schema(value_type = Option<schema::AlertDuration>)]
    pub duration: Option<String>,
    /// Severity of the alert.
    #[schema(value_type = Option<schema::AlertSeverity>)]
    pub severity: Option<String>,
    /// Addresses of the members who are notified; replaces all addresses.
    pub notify: Option<Vec<String>>,
}

impl AlertRulePatch {
    /// Validates the request.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self) -> Result<UpdateAlertRule> {
        let mut check = Check::default();
        let name = check.field("name", parse_optional(&self.name, Slug::parse));
        let metric = check.field("metric", parse_optional(&self.metric, str::parse));
        let comparison = check.field("comparison", parse_optional(&self.comparison, str::parse));
        let limit = parse_limit(&mut check, self.threshold, self.percent_of_quota);
        let duration = check.field("for", parse_optional(&self.duration, str::parse));
        let severity = check.field("severity", parse_optional(&self.severity, str::parse));
        let notify = self.notify.as_ref().map(|addresses| parse_addresses(&mut check, addresses));
        let (name, metric, comparison, duration, severity) =
            check.all((name, metric, comparison, duration, severity))?;
        Ok(UpdateAlertRule { name, metric, comparison, limit, duration, severity, notify })
    }
}

/// Parses an amount in the unit of a metric.
fn parse_threshold(check: &mut Check, threshold: f64) -> Option<Quantity> {
    let parsed = threshold.to_string().parse::<Quantity>();
    check.field("threshold", parsed.map_err(|_| "must be zero or more, and less than 2^63"))
}

/// Parses a limit, of which a request has one form at most.
fn parse_limit(check: &mut Check, threshold: Option<f64>, percent: Option<u8>) -> Option<AlertLimit> {
    match (threshold, percent) {
        (Some(_), Some(_)) => {
            check.refuse("percent_of_quota", "must be absent if threshold is set");
            None
        }
        (Some(threshold), None) => parse_threshold(check, threshold).map(AlertLimit::Threshold),
        (None, Some(percent)) => Some(AlertLimit::PercentOfQuota(percent)),
        (None, None) => None,
    }
}

fn parse_addresses(check: &mut Check, addresses: &[String]) -> Vec<Email> {
    let parse =
        |(index, address): (usize, &String)| check.field(format!("notify[{index}]"), Email::parse(address));
    addresses.iter().enumerate().filter_map(parse).collect()
}

/// Silence to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSilence {
    /// Duration of the silence in minutes, 1 to 43200 (30 days).
    #[schema(example = 60)]
    pub minutes: u32,
    /// Reason for the silence, at most 200 characters.
    #[serde(default)]
    pub comment: String,
}

impl NewSilence {
    /// Returns the command.
    #[must_use]
    pub fn parse(self) -> SilenceAlert {
        SilenceAlert { duration: Duration::from_secs(u64::from(self.minutes) * 60), comment: self.comment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_that_the_store_keeps_exactly() {
        for (number, expected) in [
            (0.0, Some("0")),
            (0.25, Some("250m")),
            (1e12, Some("1T")),
            (-1.0, None),
            (-0.0, None),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            let mut check = Check::default();
            let parsed = parse_threshold(&mut check, number);
            assert_eq!(parsed, expected.map(|text| text.parse().unwrap()), "{number}");
            assert_eq!(check.done().is_ok(), expected.is_some(), "{number}");
        }
    }
}
