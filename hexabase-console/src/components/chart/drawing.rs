use std::fmt::Write as _;

use maud::{Markup, html};

use super::downsample::{Point, downsampled};
use super::scale::{HEIGHT, Scale, WIDTH};
use super::{Chart, ChartKind, Series};

/// Share of the distance between two bars that a bar takes.
const BAR_SHARE: f64 = 0.7;
/// Size of a sparkline.
const SPARK: (f64, f64) = (80.0, 20.0);
/// Maximum number of points of a sparkline.
const SPARK_POINTS: usize = 40;

/// Drawing of the series, without texts: it is stretched to the width of the page.
pub(super) fn drawing(chart: &Chart, series: &[Series], scale: Scale) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(chart.title) {
            path class="grid" d={ "M0 0H" (WIDTH) "M0 " (HEIGHT / 2.0) "H" (WIDTH) "M0 " (HEIGHT) "H" (WIDTH) } {}
            @for (index, series) in series.iter().enumerate() {
                @let runs = scale.runs(series);
                g class={ "series-" (index + 1) } {
                    @match chart.kind {
                        ChartKind::Line => { path class="line" d=(line_path(&runs)) {} },
                        ChartKind::Area => {
                            path class="area" d=(area_path(&runs)) {}
                            path class="line" d=(line_path(&runs)) {}
                        },
                        ChartKind::Bar => { path class="bars" d=(bar_path(&runs)) {} },
                    }
                }
            }
            @if let Some(limit) = &chart.limit {
                path class="limit" d={ "M0 " (coordinate(scale.y(limit.value))) "H" (WIDTH) } {}
            }
        }
    }
}

/// Small line of recent values, without axes. `label` describes it, such as the last value.
#[must_use]
pub fn sparkline(label: &str, values: &[f64]) -> Markup {
    let highest = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let scale = if highest > 0.0 { SPARK.1 / highest } else { 0.0 };
    let (mut x, step) =
        (0.0, SPARK.0 / f64::from(u32::try_from(values.len().max(2)).unwrap_or(u32::MAX) - 1));
    let mut points = Vec::with_capacity(values.len());
    for value in values {
        points.push((x, SPARK.1 - value.max(0.0) * scale));
        x += step;
    }
    html! {
        svg class="sparkline" viewBox={ "-1 -1 " (SPARK.0 + 2.0) " " (SPARK.1 + 2.0) } role="img" aria-label=(label) {
            path class="line" d=(line_path(&[downsampled(&points, SPARK_POINTS)])) {}
        }
    }
}

/// Lines through the points of each run; a single point is a short line, so that it is visible.
fn line_path(runs: &[Vec<Point>]) -> String {
    let mut path = String::new();
    for run in runs {
        for (index, (x, y)) in run.iter().enumerate() {
            push(&mut path, if index == 0 { 'M' } else { 'L' }, *x, *y);
        }
        if run.len() == 1 {
            path.push_str("h1");
        }
    }
    path
}

/// Areas between the points of each run and the axis.
fn area_path(runs: &[Vec<Point>]) -> String {
    let mut path = String::new();
    for run in runs {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        push(&mut path, 'M', first.0, HEIGHT);
        for (x, y) in run {
            push(&mut path, 'L', *x, *y);
        }
        push(&mut path, 'L', last.0, HEIGHT);
        path.push('Z');
    }
    path
}

/// Bars from the axis to each point, within the drawing.
fn bar_path(runs: &[Vec<Point>]) -> String {
    let distance =
        runs.iter().flat_map(|run| run.windows(2)).map(|pair| pair[1].0 - pair[0].0).fold(WIDTH, f64::min);
    let width = distance * BAR_SHARE;
    let mut path = String::new();
    for (x, y) in runs.iter().flatten() {
        let start = (x - width / 2.0).clamp(0.0, WIDTH - width);
        push(&mut path, 'M', start, HEIGHT);
        // Writing to a string cannot fail.
        let _ = write!(path, "V{}h{}V{}Z", coordinate(*y), coordinate(width), coordinate(HEIGHT));
    }
    path
}

fn push(path: &mut String, command: char, x: f64, y: f64) {
    let _ = write!(path, "{command}{} {}", coordinate(x), coordinate(y));
}

/// Returns a coordinate with one decimal, or none.
fn coordinate(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}
