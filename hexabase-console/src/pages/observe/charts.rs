//! Charts of metrics.

use hexabase_core::metrics::{ChartSeries, Metric};
use hexabase_core::platform::MetricChart;
use maud::Markup;

use super::words::{format_of, is_binary, metric_text, series_name};
use crate::components::{Chart, ChartKind, Limit, Series, chart};
use crate::language::Texts;

/// Chart of a metric with its quota.
pub(super) fn metric_chart(texts: &Texts, metric: Metric, found: &MetricChart) -> Markup {
    let series = |series: &ChartSeries| Series {
        label: series_name(&series.labels).unwrap_or_else(|| texts.text("metric-total")),
        points: found.chart.times.iter().copied().zip(series.values.iter().copied()).collect(),
    };
    let shown: Vec<Series> = found.chart.series.iter().map(series).collect();
    let kind = if shown.len() == 1 { ChartKind::Area } else { ChartKind::Line };
    let limit = found.quota.map(|value| Limit { label: texts.text("metric-quota"), value });
    let unit = metric.unit();
    let title = metric_text(texts, metric);
    let data =
        Chart { title, kind, series: shown, limit, is_binary: is_binary(unit), format: format_of(unit) };
    chart(texts, &data)
}
