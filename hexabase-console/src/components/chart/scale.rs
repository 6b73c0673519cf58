//! Scales of charts.

use super::downsample::{Point, downsampled};
use super::{Chart, Series};

/// Maximum number of points of a series that are drawn.
const MAX_POINTS: usize = 300;
/// Factors of a power of ten at which an axis ends.
const DECIMAL_STEPS: [f64; 5] = [1.0, 2.0, 4.0, 5.0, 10.0];
/// Factors of a power of two for sizes.
const BINARY_STEPS: [f64; 3] = [1.0, 1.5, 2.0];

/// Width and height of the drawing in its own units.
pub(super) const WIDTH: f64 = 600.0;
pub(super) const HEIGHT: f64 = 160.0;

/// Ranges of the axes of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    start: f64,
    end: f64,
    /// Upper end of the vertical axis, which starts at 0.
    pub(super) top: f64,
}

impl Scale {
    /// Returns the scale that shows all points and the limit.
    pub(super) fn of(chart: &Chart) -> Self {
        let times = || chart.series.iter().flat_map(|series| &series.points).map(|(at, _)| seconds(*at));
        let values = chart.series.iter().flat_map(|series| &series.points).filter_map(|(_, value)| *value);
        let limit = chart.limit.as_ref().map(|limit| limit.value);
        let highest = values.chain(limit).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let start = times().fold(f64::INFINITY, f64::min);
        let end = times().fold(f64::NEG_INFINITY, f64::max);
        Self { start, end, top: nice_top(highest, chart.is_binary) }
    }

    /// Returns the horizontal position of a time.
    pub(super) fn x(self, at: f64) -> f64 {
        if self.end > self.start { (at - self.start) / (self.end - self.start) * WIDTH } else { WIDTH / 2.0 }
    }

    /// Returns the vertical position of a value.
    pub(super) fn y(self, value: f64) -> f64 {
        HEIGHT - (value.clamp(0.0, self.top) / self.top * HEIGHT)
    }

    /// Returns the runs of a series between its gaps, in units of the drawing. The points are shared between the runs by
    /// their lengths.
    pub(super) fn runs(self, series: &Series) -> Vec<Vec<Point>> {
        let known = |point: &(jiff::Timestamp, Option<f64>)| point.1.is_some_and(f64::is_finite);
        let runs: Vec<_> = series.points.split(|point| !known(point)).filter(|run| !run.is_empty()).collect();
        let total: usize = runs.iter().map(|run| run.len()).sum();
        let drawn = |run: &&[(jiff::Timestamp, Option<f64>)]| {
            let points: Vec<_> = run
                .iter()
                .map(|(at, value)| (self.x(seconds(*at)), self.y(value.unwrap_or_default())))
                .collect();
            let share =
                if total <= MAX_POINTS { points.len() } else { (points.len() * MAX_POINTS / total).max(1) };
            downsampled(&points, share)
        };
        runs.iter().map(drawn).take(MAX_POINTS).collect()
    }
}

/// Returns a time in seconds.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have 31 bits")]
fn seconds(at: jiff::Timestamp) -> f64 {
    at.as_second() as f64
}

/// Returns the end of an axis that shows values up to `highest` with round marks.
fn nice_top(highest: f64, is_binary: bool) -> f64 {
    if highest <= 0.0 {
        return 1.0;
    }
    let (base, steps): (f64, &[f64]) = if is_binary { (2.0, &BINARY_STEPS) } else { (10.0, &DECIMAL_STEPS) };
    let power = base.powf(highest.log(base).floor());
    steps.iter().map(|step| step * power).find(|top| *top >= highest).unwrap_or(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_values() {
        for (highest, is_binary, top) in [
            (0.0, false, 1.0),
            (0.3, false, 0.4),
            (1.0, false, 1.0),
            (41.0, false, 50.0),
            (99.0, false, 100.0),
            (3_000_000_000.0, true, 3_221_225_472.0),
            (1_073_741_824.0, true, 1_073_741_824.0),
        ] {
            assert!((nice_top(highest, is_binary) - top).abs() < top * 1e-9, "{highest}");
        }
    }
}
