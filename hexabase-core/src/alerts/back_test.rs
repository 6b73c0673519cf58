//! Evaluation of an alert rule over past values, as the monitoring system would have evaluated it.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{before, until};
use crate::model::{AlertDuration, Comparison};

/// Interval at which the monitoring system evaluates alert rules.
pub const EVALUATION_INTERVAL: Duration = Duration::from_secs(30);

/// Value of an alert rule at the time of an evaluation; `None` if the rule has no value then, because its metric was not
/// measured.
pub type RulePoint = (Timestamp, Option<f64>);

/// Period in which the alert of a rule would have been firing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiringPeriod {
    /// First evaluation at which the alert would have been firing.
    pub starts_at: Timestamp,
    /// First evaluation at which the alert would no longer have been firing; `None` if it would still be firing.
    pub ends_at: Option<Timestamp>,
    /// Lowest and highest value in the period.
    pub range: ValueRange,
}

/// Lowest and highest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// Lowest value.
    pub lowest: f64,
    /// Highest value.
    pub highest: f64,
}

impl ValueRange {
    /// Range of one value.
    const fn of(value: f64) -> Self {
        Self { lowest: value, highest: value }
    }

    fn with(self, value: f64) -> Self {
        Self { lowest: self.lowest.min(value), highest: self.highest.max(value) }
    }

    /// Returns the range of the values of all points that have one; `None` if none has.
    #[must_use]
    pub fn of_points(points: &[RulePoint]) -> Option<Self> {
        let mut values = points.iter().filter_map(|(_, value)| *value);
        let first = Self::of(values.next()?);
        Some(values.fold(first, Self::with))
    }
}

/// Returns the periods in which the alert of a rule would have been firing, oldest first. The points are the evaluations
/// in order of time, and the rule exists from the first one on.
///
/// As in Prometheus, the comparison must hold at each evaluation for the duration, from the first to the one that begins
/// the period, and an evaluation without a value ends both the wait and the period.
#[must_use]
pub fn back_test(
    points: &[RulePoint],
    comparison: Comparison,
    limit: f64,
    duration: AlertDuration,
) -> Vec<FiringPeriod> {
    let mut periods: Vec<FiringPeriod> = Vec::new();
    let mut holds_since = None;
    for (at, value) in points.iter().copied() {
        let open = periods.last_mut().filter(|period| period.ends_at.is_none());
        let Some(value) = value.filter(|value| comparison.holds(*value, limit)) else {
            holds_since = None;
            if let Some(period) = open {
                period.ends_at = Some(at);
            }
            continue;
        };
        if let Some(period) = open {
            period.range = period.range.with(value);
            continue;
        }
        let since = *holds_since.get_or_insert(at);
        if until(since, at) >= duration.length() {
            periods.push(FiringPeriod { starts_at: at, ends_at: None, range: ValueRange::of(value) });
        }
    }
    periods
}

/// Returns the periods in which consecutive evaluations have a value: pairs of start and end, where each evaluation covers
/// the interval before it.
#[must_use]
pub fn measured_periods(points: &[RulePoint]) -> Vec<[Timestamp; 2]> {
    let mut periods: Vec<[Timestamp; 2]> = Vec::new();
    for (at, _) in points.iter().copied().filter(|(_, value)| value.is_some()) {
        let start = before(at, EVALUATION_INTERVAL);
        match periods.last_mut() {
            Some([_, end]) if *end == start => *end = at,
            _ => periods.push([start, at]),
        }
    }
    periods
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::after;
    use crate::fixture::FIXTURE_TIME;

    const LIMIT: f64 = 5.0;

    fn at(evaluation: u32) -> Timestamp {
        after(FIXTURE_TIME, EVALUATION_INTERVAL * evaluation)
    }

    fn points(values: &[Option<f64>]) -> Vec<RulePoint> {
        (0..).map(at).zip(values.iter().copied()).collect()
    }

    /// Values that are written as digits; a dot stands for none, and a number after `x` repeats the value before it.
    fn parse(text: &str) -> Vec<Option<f64>> {
        let value = |word: &str| {
            let (value, times) = word.split_once('x').unwrap_or((word, "1"));
            vec![value.parse().ok(); times.parse().unwrap()]
        };
        text.split_whitespace().flat_map(value).collect()
    }

    #[test]
    fn a_rule_fires_after_its_time_until_the_condition_or_the_measurement_ends() {
        use AlertDuration::{FiveMinutes, Hour, Immediate, Minute};
        use Comparison::{Above, Below};
        type Expected<'a> = &'a [(u32, Option<u32>, f64, f64)];
        let cases: &[(&str, Comparison, AlertDuration, Expected<'_>)] = &[
            ("", Above, Immediate, &[]),
            ("1 9 7 1 8", Above, Immediate, &[(1, Some(3), 7.0, 9.0), (4, None, 8.0, 8.0)]),
            // Two evaluations are 30 seconds apart, three a minute.
            ("1 9 9 1 9 8 7", Above, Minute, &[(6, None, 7.0, 7.0)]),
            ("9x10", Above, FiveMinutes, &[]),
            ("9x11", Above, FiveMinutes, &[(10, None, 9.0, 9.0)]),
            ("9x120 1", Above, Hour, &[]),
            ("9x121 1", Above, Hour, &[(120, Some(121), 9.0, 9.0)]),
            // The range has the values of the period only, not of the wait.
            ("99 6 7 6 1", Above, Minute, &[(2, Some(4), 6.0, 7.0)]),
            // An evaluation without a value begins the wait again, and ends the period.
            ("9 9 . 9 9", Above, Minute, &[]),
            ("9 9 . 9 9 9 . 9", Above, Minute, &[(5, Some(6), 9.0, 9.0)]),
            (". . .", Below, Immediate, &[]),
            // The limit itself is on neither side.
            ("5 5 5", Above, Immediate, &[]),
            ("5 5 5", Below, Immediate, &[]),
            ("5 0 3 9 . 4", Below, Immediate, &[(1, Some(3), 0.0, 3.0), (5, None, 4.0, 4.0)]),
            // A quotient of zeros is on neither side, and infinity is above every limit.
            ("NaN inf 9", Above, Immediate, &[(1, None, 9.0, f64::INFINITY)]),
            ("NaN NaN", Below, Immediate, &[]),
        ];
        for (values, comparison, duration, expected) in cases {
            let found = back_test(&points(&parse(values)), *comparison, LIMIT, *duration);
            let expected = expected.iter().map(|(starts_at, ends_at, lowest, highest)| FiringPeriod {
                starts_at: at(*starts_at),
                ends_at: ends_at.map(at),
                range: ValueRange { lowest: *lowest, highest: *highest },
            });
            assert_eq!(found, expected.collect::<Vec<_>>(), "{values} {comparison} {duration}");
        }
    }

    #[test]
    fn consecutive_evaluations_with_values_are_one_measured_period() {
        let measured = |text: &str| {
            let periods = measured_periods(&points(&parse(text))).into_iter();
            let seconds = |at: Timestamp| at.duration_since(FIXTURE_TIME).as_secs();
            periods.map(|period| period.map(seconds)).collect::<Vec<_>>()
        };
        assert_eq!(measured("1 2 . . 3 . 4 5"), [[-30, 30], [90, 120], [150, 210]]);
        assert!(measured(". .").is_empty());
        let range = |text: &str| ValueRange::of_points(&points(&parse(text)));
        assert_eq!(range("3 . 1 2"), Some(ValueRange { lowest: 1.0, highest: 3.0 }));
        assert_eq!(range(". ."), None);
    }

    /// Evaluations at which the alert is firing: those whose comparison has held for the duration, without an
    /// interruption.
    fn naive(points: &[RulePoint], comparison: Comparison, duration: AlertDuration) -> Vec<Timestamp> {
        let holds = |index: usize| {
            let value = points.get(index).and_then(|(_, value)| *value);
            value.is_some_and(|value| comparison.holds(value, LIMIT))
        };
        let steps = usize::try_from(duration.length().as_secs() / EVALUATION_INTERVAL.as_secs()).unwrap();
        let fires = |index: &usize| *index >= steps && (*index - steps..=*index).all(holds);
        (0..points.len()).filter(fires).map(|index| points[index].0).collect()
    }

    proptest! {
        #[test]
        fn periods_have_the_evaluations_of_a_naive_model(
            runs in vec((prop_oneof![Just(None), (0..10_u8).prop_map(Some)], 1..140_usize), 0..12),
            comparison in prop::sample::select(Comparison::ALL),
            duration in prop::sample::select(AlertDuration::ALL),
        ) {
            let values = runs.into_iter().flat_map(|(value, length)| vec![value.map(f64::from); length]);
            let points = points(&values.collect::<Vec<_>>());
            let periods = back_test(&points, comparison, LIMIT, duration);
            let is_in = |at: Timestamp, period: &FiringPeriod| {
                period.starts_at <= at && period.ends_at.is_none_or(|end| at < end)
            };
            let firing: Vec<Timestamp> =
                points.iter().map(|(at, _)| *at).filter(|at| periods.iter().any(|it| is_in(*at, it))).collect();
            prop_assert_eq!(firing, naive(&points, comparison, duration));
            for period in &periods {
                let own: Vec<RulePoint> = points.iter().copied().filter(|(at, _)| is_in(*at, period)).collect();
                prop_assert_eq!(ValueRange::of_points(&own), Some(period.range));
            }
            for pair in periods.windows(2) {
                prop_assert!(pair[0].ends_at.is_some_and(|end| end < pair[1].starts_at));
            }
        }
    }
}
