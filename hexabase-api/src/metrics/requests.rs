//! Requests for metrics.

use std::time::Duration;

use hexabase_core::error::{Check, Result};
use hexabase_core::metrics::{GroupBy, Metric};
use hexabase_core::name::Slug;
use hexabase_core::platform::ChartRequest;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::requests::parse_optional;

/// Range of a request without one.
const DEFAULT_RANGE: Duration = Duration::from_secs(3_600);

/// Range, resolution and grouping of a metric.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MetricQuery {
    /// Period to read, until now, in seconds, minutes, hours or days (`90s`; 5m, 1h, 7d); one hour by default. The maximum
    /// is the retention of metrics, 15 days by default.
    #[param(example = "1h")]
    pub range: Option<String>,
    /// Interval between two points, in the same form; 30 seconds by default. It is longer if there would be more than
    /// 1,000 points.
    #[param(example = "30s")]
    pub step: Option<String>,
    /// Namespace of the tenant cluster to read; all by default.
    pub project: Option<String>,
    /// Grouping; the sum by default. Grouped series are at most 50, the largest first.
    pub by: Option<Grouping>,
}

/// Grouping of a metric.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MetricGrouping)]
pub enum Grouping {
    /// One series per namespace of the tenant cluster.
    Project,
    /// One series per pod.
    Pod,
    /// One series per container.
    Container,
}

impl From<Grouping> for GroupBy {
    fn from(grouping: Grouping) -> Self {
        match grouping {
            Grouping::Project => Self::Project,
            Grouping::Pod => Self::Pod,
            Grouping::Container => Self::Container,
        }
    }
}

impl MetricQuery {
    /// Validates the request for a metric.
    ///
    /// # Errors
    /// `Invalid` with all invalid fields.
    pub fn parse(self, metric: Metric) -> Result<ChartRequest> {
        let mut check = Check::default();
        let range = check.field("range", parse_optional(&self.range, parse_duration));
        let step = check.field("step", parse_optional(&self.step, parse_duration));
        let project = check.field("project", parse_optional(&self.project, Slug::parse));
        let (range, step, project) = check.all((range, step, project))?;
        Ok(ChartRequest {
            metric,
            range: range.unwrap_or(DEFAULT_RANGE),
            step,
            project: project.map(|project| project.to_string()),
            by: self.by.map(GroupBy::from),
        })
    }
}

/// Parses a duration such as `30s`, `5m`, `1h` or `7d`.
///
/// # Errors
/// The rule that the text violates.
fn parse_duration(text: &str) -> std::result::Result<Duration, &'static str> {
    let parsed = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let number: u32 =
            number.bytes().all(|digit| digit.is_ascii_digit()).then(|| number.parse().ok())??;
        Some(Duration::from_secs(u64::from(number) * seconds)).filter(|duration| !duration.is_zero())
    };
    parsed().ok_or("must be a number and s, m, h or d, such as 30s, 5m, 1h or 7d")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0s", "1", "-1s", "+1s", "1.5h", "1w", "1h30m", "99999999999d", "1ｓ", "１s"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
