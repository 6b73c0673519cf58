//! Selection of metrics in the address of a page: metric, range, project and grouping.

use hexabase_api::metrics::requests::MetricQuery;
use hexabase_api::requests::from_filter_form;
use hexabase_core::error::{Error, Result};
use hexabase_core::metrics::{GroupBy, Metric};
use hexabase_core::model::Project;
use hexabase_core::platform::ChartRequest;
use jiff::SignedDuration;
use maud::{Markup, html};

use crate::components::{Choice, Control, Field, field};
use crate::context::Context;
use crate::language::Texts;
use crate::pages::filters::Filters;

/// Range of a chart, until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Hour,
    SixHours,
    Day,
    Week,
    Month,
}

impl Range {
    const ALL: [Self; 5] = [Self::Hour, Self::SixHours, Self::Day, Self::Week, Self::Month];

    /// Returns the text in requests.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::SixHours => "6h",
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    const fn length(self) -> SignedDuration {
        SignedDuration::from_hours(match self {
            Self::Hour => 1,
            Self::SixHours => 6,
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        })
    }

    /// Interval between two points, at most 120 in a range: the values are a table as well.
    const fn step(self) -> &'static str {
        match self {
            Self::Hour => "30s",
            Self::SixHours => "3m",
            Self::Day => "15m",
            Self::Week => "2h",
            Self::Month => "6h",
        }
    }

    /// Interval on a page with several charts.
    const fn wide_step(self) -> &'static str {
        match self {
            Self::Hour => "2m",
            Self::SixHours => "10m",
            Self::Day => "30m",
            Self::Week => "4h",
            Self::Month => "12h",
        }
    }

    fn text(self, texts: &Texts) -> String {
        match self {
            Self::Hour => texts.text("range-hour"),
            Self::SixHours => texts.text("range-six-hours"),
            Self::Day => texts.text("range-day"),
            Self::Week => texts.text("range-week"),
            Self::Month => texts.text("range-month"),
        }
    }
}

/// Selected metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) metric: Metric,
    pub(super) range: Range,
    /// Namespace; empty for all.
    pub(super) project: String,
    /// Grouping as in requests; empty for the sum of all.
    pub(super) by: String,
}

impl Selection {
    /// Returns the selection of an address; one hour of CPU without one.
    ///
    /// # Errors
    /// `Invalid` for an unknown metric.
    pub(super) fn of(filters: &Filters) -> Result<Self> {
        let metric = match filters.get("metric") {
            "" => Metric::Cpu,
            name => name.parse().map_err(|error: hexabase_core::metrics::UnknownMetric| {
                Error::invalid("metric", error.to_string())
            })?,
        };
        let range = Range::ALL.into_iter().find(|range| range.as_str() == filters.get("range"));
        Ok(Self {
            metric,
            range: range.unwrap_or(Range::Hour),
            project: filters.get("project").to_owned(),
            by: filters.get("by").to_owned(),
        })
    }

    /// Returns the selection of another metric, in groups if it has them.
    pub(super) fn with_metric(&self, metric: Metric) -> Self {
        let has_groups = |name: &str| {
            let by = GROUPS.iter().find(|(known, ..)| *known == name);
            by.is_some_and(|(_, by, _)| metric.has_groups(*by))
        };
        let by = if has_groups(&self.by) { self.by.clone() } else { String::new() };
        let project = if metric.has_groups(GroupBy::Project) { self.project.clone() } else { String::new() };
        Self { metric, by, project, ..self.clone() }
    }

    /// Returns the request for the chart, validated as by the API.
    ///
    /// # Errors
    /// `Invalid`.
    pub(super) fn request(&self, is_one_of_several: bool) -> Result<ChartRequest> {
        let step = if is_one_of_several { self.range.wide_step() } else { self.range.step() };
        let pairs =
            [("range", self.range.as_str()), ("step", step), ("project", &self.project), ("by", &self.by)];
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        from_filter_form::<MetricQuery>(&query)?.parse(self.metric)
    }

    /// Returns the query of the chart in the API.
    pub(super) fn api_query(&self) -> String {
        let pairs = [
            ("range", self.range.as_str()),
            ("step", self.range.step()),
            ("project", &self.project),
            ("by", &self.by),
        ];
        let set = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        form_urlencoded::Serializer::new(String::new()).extend_pairs(set).finish()
    }

    /// Returns an address with the selection, and with further parameters.
    pub(super) fn href(&self, url: &str, further: &[(&str, &str)]) -> String {
        let pairs = [
            ("metric", self.metric.as_str()),
            ("range", self.range.as_str()),
            ("project", &self.project),
            ("by", &self.by),
        ];
        let set = pairs.iter().chain(further).filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(set).finish();
        format!("{url}?{query}")
    }
}

/// Groupings with their names in requests and their texts.
const GROUPS: [(&str, GroupBy, &str); 3] = [
    ("project", GroupBy::Project, "group-by-project"),
    ("pod", GroupBy::Pod, "group-by-pod"),
    ("container", GroupBy::Container, "group-by-container"),
];

/// Links to the ranges that the installation keeps.
pub(super) fn range_links(context: &Context, selection: &Selection, url: &str) -> Markup {
    let texts = context.texts();
    let retention = context.platform().config().metrics_retention;
    let is_kept = |range: &Range| range.length().unsigned_abs() <= retention;
    html! {
        nav class="tabs" aria-label=(texts.text("range-label")) {
            ul {
                @for range in Range::ALL.into_iter().filter(is_kept) {
                    @let is_current = range == selection.range;
                    @let target = Selection { range, ..selection.clone() };
                    li {
                        a href=(target.href(url, &[])) aria-current=[is_current.then_some("page")] { (range.text(&texts)) }
                    }
                }
            }
        }
        @if !is_kept(&Range::Month) {
            p class="note" {
                (texts.text_with("range-kept", &[("count", (retention.as_secs() / 86_400).into())]))
            }
        }
    }
}

/// Field that selects a project.
pub(super) fn project_field(texts: &Texts, projects: &[Project], selected: &str) -> Markup {
    let all = Choice::new("", texts.text("select-all-projects"));
    let known = projects.iter().map(|project| Choice::new(project.name.as_str(), project.name.as_str()));
    let choices = std::iter::once(all).chain(known).collect();
    let project =
        Field::new("project", texts.text("field-project"), Control::Select(choices)).value(selected);
    field(texts, &project)
}

/// Field that selects a grouping of the metric.
pub(super) fn group_field(texts: &Texts, selection: &Selection) -> Markup {
    let none = Choice::new("", texts.text("group-by-none"));
    let groups = GROUPS.iter().filter(|(_, by, _)| selection.metric.has_groups(*by));
    let groups = groups.map(|(name, _, key)| Choice::new(*name, texts.text(key)));
    let choices = std::iter::once(none).chain(groups).collect();
    let group = Field::new("by", texts.text("field-group-by"), Control::Select(choices));
    field(texts, &group.value(selection.by.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(query: &str) -> Selection {
        Selection::of(&Filters::new(query)).unwrap()
    }

    #[test]
    fn the_address_selects_and_unknown_ranges_are_the_default() {
        assert_eq!(selection("").href("/m", &[]), "/m?metric=cpu&range=1h");
        let all = selection("metric=memory&range=7d&project=shop&by=pod");
        assert_eq!(all.href("/m", &[]), "/m?metric=memory&range=7d&project=shop&by=pod");
        assert_eq!(all.api_query(), "range=7d&step=2h&project=shop&by=pod");
        assert_eq!(selection("range=2h").range, Range::Hour);
        assert!(Selection::of(&Filters::new("metric=x")).is_err());
    }

    #[test]
    fn another_metric_keeps_the_groups_that_it_has() {
        let pods = selection("by=container&project=shop");
        assert_eq!(pods.with_metric(Metric::Memory).by, "container");
        assert_eq!(pods.with_metric(Metric::Storage).by, "");
        let requests = pods.with_metric(Metric::ApiRequests);
        assert_eq!((requests.by.as_str(), requests.project.as_str()), ("", ""));
    }

    #[test]
    fn a_range_has_at_most_120_points() {
        for range in Range::ALL {
            let request = Selection { range, ..selection("") }.request(false).unwrap();
            let points = request.range.as_secs() / request.step.unwrap().as_secs();
            assert!((80..=120).contains(&points), "{range:?}: {points}");
            let wide = Selection { range, ..selection("") }.request(true).unwrap();
            assert!(wide.range.as_secs() / wide.step.unwrap().as_secs() <= 60, "{range:?}");
        }
        assert!(selection("project=A+B").request(false).is_err());
        assert!(selection("by=node").request(false).is_err());
    }
}
