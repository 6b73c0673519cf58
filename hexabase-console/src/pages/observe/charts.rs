//! Charts of metrics.

use hexabase_core::metrics::{ChartSeries, Metric};
use hexabase_core::platform::MetricChart;
use maud::{Markup, html};

use super::words::{format_of, is_binary, metric_text, series_name};
use crate::components::{Chart, ChartKind, Limit, Series, chart};
use crate::language::Texts;

/// Multiple of the highest value above which a quota is not drawn: its line would leave no height for the values.
const MAX_QUOTA_RATIO: f64 = 5.0;

/// Chart of a metric with its quota, as a line or, far above the values, as a text.
pub(super) fn metric_chart(texts: &Texts, metric: Metric, found: &MetricChart) -> Markup {
    let series = |series: &ChartSeries| Series {
        label: series_name(&series.labels).unwrap_or_else(|| texts.text("metric-total")),
        points: found.chart.times.iter().copied().zip(series.values.iter().copied()).collect(),
    };
    let shown: Vec<Series> = found.chart.series.iter().map(series).collect();
    let kind = if shown.len() == 1 { ChartKind::Area } else { ChartKind::Line };
    let values = found.chart.series.iter().flat_map(|series| &series.values).flatten();
    let highest = values.copied().fold(0.0, f64::max);
    let is_drawn = |quota: &f64| highest <= 0.0 || *quota <= highest * MAX_QUOTA_RATIO;
    let limit = found.quota.filter(is_drawn).map(|value| Limit { label: texts.text("metric-quota"), value });
    let unit = metric.unit();
    let format = format_of(unit);
    let title = metric_text(texts, metric);
    let data = Chart { title, kind, series: shown, limit, is_binary: is_binary(unit), format };
    html! {
        (chart(texts, &data))
        @if let Some(quota) = found.quota.filter(|quota| !is_drawn(quota)) {
            @let quota = format(quota);
            p class="note" { (texts.text_with("metric-quota-above", &[("quota", (&quota).into())])) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hexabase_core::metrics::{Chart as Values, SeriesLabels};
    use jiff::Timestamp;

    use super::*;
    use crate::language::Language;

    #[test]
    fn a_quota_is_a_line_unless_it_is_far_above_the_values() {
        let shown = |quota| {
            let values = vec![Some(1.0), None];
            let series = vec![ChartSeries { labels: SeriesLabels::default(), values }];
            let at = Timestamp::constant(1_767_225_600, 0);
            let (times, measured) = (vec![at, at], vec![true, false]);
            let chart = Values { window: Duration::from_secs(60), times, measured, series };
            let found =
                MetricChart { step: Duration::from_secs(60), chart, quota: Some(quota), is_simulated: false };
            metric_chart(&Texts::new(Language::English), Metric::Cpu, &found).into_string()
        };
        assert!(shown(4.0).contains("<path class=\"limit\"") && shown(4.0).contains("Quota: 4"));
        assert!(!shown(64.0).contains("<path class=\"limit\""));
        assert!(shown(64.0).contains("Quota: 64, far above the values."), "{}", shown(64.0));
    }
}
