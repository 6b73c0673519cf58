//! Charts as SVG that the server draws: colours are classes, so that they follow the theme.

mod downsample;
mod drawing;
mod scale;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::language::Texts;
use crate::time::{time, time_text};
use drawing::drawing;
pub use drawing::sparkline;
use scale::Scale;

/// Maximum number of series that are drawn: as many as there are colours.
const MAX_SERIES: usize = 6;

/// Chart of values over time.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Shape of the series.
    pub kind: ChartKind,
    /// Series, of which the first six are drawn.
    pub series: Vec<Series>,
    /// Limit as a line; `None` for none.
    pub limit: Option<Limit>,
    /// `true` if values are bytes, whose axis has binary units.
    pub is_binary: bool,
    /// Formats a value for the axis and the table.
    pub format: fn(f64) -> String,
}

/// Shape of the series of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChartKind {
    /// Lines.
    #[default]
    Line,
    /// Lines with the area below.
    Area,
    /// Bars, for amounts per interval.
    Bar,
}

/// Values over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name.
    pub label: String,
    /// Values in the order of time; `None` where nothing was measured, which stays a gap.
    pub points: Vec<(Timestamp, Option<f64>)>,
}

/// Limit in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Name, such as "Quota".
    pub label: String,
    /// Value.
    pub value: f64,
}

/// Chart with its legend, and its values as a table.
#[must_use]
pub fn chart(texts: &Texts, chart: &Chart) -> Markup {
    let series = &chart.series[..chart.series.len().min(MAX_SERIES)];
    let scale = Scale::of(chart);
    let times = || series.iter().flat_map(|series| &series.points).map(|(at, _)| *at);
    html! {
        figure class="chart" {
            figcaption { (chart.title) }
            @if let (Some(start), Some(end)) = (times().min(), times().max()) {
                div class="plot" {
                    div class="axis" aria-hidden="true" {
                        @for share in [1.0, 0.5, 0.0] { span { ((chart.format)(scale.top * share)) } }
                    }
                    (drawing(chart, series, scale))
                    div class="times" aria-hidden="true" { span { (time_text(texts, start)) } span { (time_text(texts, end)) } }
                }
                (legend(chart, series))
                (values(texts, chart, series))
            } @else {
                p class="note" { (texts.text("chart-empty")) }
            }
        }
    }
}

fn legend(chart: &Chart, series: &[Series]) -> Markup {
    html! {
        ul class="legend" aria-hidden="true" {
            @for (index, series) in series.iter().enumerate() {
                li class={ "series-" (index + 1) } { (super::name(&series.label)) }
            }
            @if let Some(limit) = &chart.limit {
                li class="limit" { (limit.label) ": " ((chart.format)(limit.value)) }
            }
        }
    }
}

/// Values as a table, newest first. Series of one chart have the same times.
fn values(texts: &Texts, chart: &Chart, series: &[Series]) -> Markup {
    let rows = series.first().map_or(0, |series| series.points.len());
    html! {
        details {
            summary { (texts.text("chart-table")) }
            div class="scroll" tabindex="0" role="group" aria-label=(chart.title) {
                table {
                    caption class="hidden" { (chart.title) }
                    thead {
                        tr {
                            th scope="col" { (texts.text("chart-time")) }
                            @for series in series { th scope="col" class="number" { (super::name(&series.label)) } }
                        }
                    }
                    tbody {
                        @for row in (0..rows).rev() {
                            tr {
                                th scope="row" { (time(texts, series[0].points[row].0)) }
                                @for series in series {
                                    td class="number" {
                                        @match series.points.get(row).and_then(|(_, value)| *value) {
                                            Some(value) => ((chart.format)(value)),
                                            None => "–",
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
