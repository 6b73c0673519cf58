use jiff::Timestamp;

use super::{GroupBy, Metric, Sample};
use crate::alerts::{EVALUATION_INTERVAL, RulePoint};
use crate::clock::{after, until};
use crate::desired::TenantTarget;
use crate::error::{Error, Result};

/// Maximum number of values of a [`RuleQuery`]: those of one day.
pub const MAX_RULE_VALUES: u32 = 2_880;

/// Query of the values that an alert rule compares: [`MetricsSource::rule_values`](super::MetricsSource::rule_values).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleQuery {
    /// Tenant to read.
    pub target: TenantTarget,
    /// Metric to read.
    pub metric: Metric,
    /// Namespace of the tenant cluster to read; `None` for all.
    pub project: Option<String>,
    /// Start of the range; the first evaluation is one [`EVALUATION_INTERVAL`] later.
    pub start: Timestamp,
    /// End of the range, inclusive.
    pub end: Timestamp,
}

impl RuleQuery {
    /// Checks the query.
    ///
    /// # Errors
    /// `Invalid` for a range without an evaluation or with more than [`MAX_RULE_VALUES`], and for a project that the metric
    /// does not have.
    pub fn check(&self) -> Result<()> {
        let range = until(self.start, self.end);
        if range < EVALUATION_INTERVAL || range > EVALUATION_INTERVAL * MAX_RULE_VALUES {
            return Err(Error::invalid("range", "must be from 30 seconds to 24 hours"));
        }
        if self.project.is_some() && !self.metric.has_groups(GroupBy::Project) {
            return Err(Error::invalid("project", "this metric is measured for the whole workspace only"));
        }
        Ok(())
    }

    /// Returns the times of the evaluations, in order.
    #[must_use]
    pub fn times(&self) -> Vec<Timestamp> {
        let evaluations = until(self.start, self.end).as_secs() / EVALUATION_INTERVAL.as_secs();
        let evaluations = u32::try_from(evaluations).unwrap_or(u32::MAX).min(MAX_RULE_VALUES);
        (1..=evaluations).map(|number| after(self.start, EVALUATION_INTERVAL * number)).collect()
    }

    /// Returns the evaluations with their values. Values that are not finite, such as quotients of zeros, are none.
    #[must_use]
    pub fn points(&self, values: &[Sample]) -> Vec<RulePoint> {
        let mut values = values.iter().filter(|it| it.value.is_finite()).peekable();
        let mut point = |at: Timestamp| {
            while values.next_if(|it| it.at < at).is_some() {}
            (at, values.next_if(|it| it.at == at).map(|it| it.value))
        };
        self.times().into_iter().map(&mut point).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::fixture::{FIXTURE_TIME, id};

    fn query(metric: Metric, seconds: i64) -> RuleQuery {
        let target = TenantTarget::by_id(id("acme"), id("shop"));
        let start = FIXTURE_TIME - SignedDuration::from_secs(seconds);
        RuleQuery { target, metric, project: None, start, end: FIXTURE_TIME }
    }

    #[test]
    fn a_query_has_from_one_evaluation_to_those_of_a_day() {
        for (seconds, evaluations) in [(30, 1), (59, 1), (60, 2), (86_400, 2_880)] {
            let query = query(Metric::Cpu, seconds);
            query.check().unwrap();
            let times = query.times();
            assert_eq!(times.len(), evaluations, "{seconds}");
            assert_eq!(times[0], after(query.start, EVALUATION_INTERVAL));
            assert!(times.iter().all(|at| *at <= query.end));
        }
        for seconds in [-60, 0, 29, 86_401] {
            assert_eq!(query(Metric::Cpu, seconds).check().unwrap_err().violations()[0].field, "range");
        }
    }

    #[test]
    fn only_metrics_of_projects_have_a_project() {
        for metric in Metric::ALL.iter().copied() {
            let query = RuleQuery { project: Some("web".to_owned()), ..query(metric, 60) };
            assert_eq!(query.check().is_ok(), metric.has_groups(GroupBy::Project), "{metric}");
        }
    }

    #[test]
    fn each_evaluation_has_its_value_or_none() {
        let at = |evaluation: u32| after(FIXTURE_TIME, EVALUATION_INTERVAL * evaluation);
        let query = RuleQuery { start: at(0), end: at(5), ..query(Metric::Cpu, 0) };
        let sample = |(evaluation, value)| Sample { at: at(evaluation), value };
        let values = [(0, 9.0), (2, 2.0), (3, f64::NAN), (5, 5.0), (6, 6.0)].map(sample);
        let expected = [None, Some(2.0), None, None, Some(5.0)];
        assert_eq!(query.points(&values), (1..).map(at).zip(expected).collect::<Vec<_>>());
    }
}
