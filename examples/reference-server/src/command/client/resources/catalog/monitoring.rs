//! Usage, metrics and alerts.

use serde_json::{Value, json};

use super::super::arguments::{Argument, Form};
use super::super::{Group, Operation, Output};
use crate::command::client::output::{Column, field, text_of};

const USAGE_ROW: &[Column] =
    &[Column::text("RESOURCE", "resource"), Column::text("USED", "used"), Column::text("QUOTA", "quota")];

/// Returns a row for each resource that is used or limited.
fn usage_rows(usage: &Value) -> Vec<Value> {
    let (used, quota) = (field(usage, "used"), field(usage, "quota"));
    let names = |amounts: &Value| -> Vec<String> {
        amounts.as_object().map(|amounts| amounts.keys().cloned().collect()).unwrap_or_default()
    };
    let mut resources = [names(used), names(quota)].concat();
    resources.sort_unstable();
    resources.dedup();
    let row = |resource: &String| json!({ "resource": resource, "used": used.get(resource), "quota": quota.get(resource) });
    resources.iter().map(row).collect()
}

const READING: &[Column] = &[
    Column::text("WORKSPACE", "workspace"),
    Column::text("METER", "meter"),
    Column::text("AMOUNT", "amount"),
    Column::text("UNIT", "unit"),
    Column::text("UNMEASURED MINUTES", "unmeasured_minutes").wide(),
];

/// Returns a row for each workspace and meter.
fn reading_rows(usage: &Value) -> Vec<Value> {
    let workspaces = field(usage, "workspaces").as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for workspace in &workspaces {
        let name = [field(workspace, "name"), field(workspace, "workspace_id")]
            .into_iter()
            .find(|name| !name.is_null());
        for reading in field(workspace, "meters").as_array().map(Vec::as_slice).unwrap_or_default() {
            let mut row = reading.clone();
            if let Some(row) = row.as_object_mut() {
                row.insert("workspace".to_owned(), name.cloned().unwrap_or_default());
            }
            rows.push(row);
        }
    }
    rows
}

pub(super) const USAGE: Group = Group {
    name: "usage",
    about: "Used resources of workspaces and projects.",
    operations: &[
        Operation::get(
            "get",
            "Show used resources and the quota of a workspace or project.",
            ws!("/usage"),
            &[],
        )
        .or_in_project(ws!("/projects/{project}/usage"))
        .output(Output::Rows(USAGE_ROW, usage_rows))
        .example(&["hexabase usage get", "hexabase usage get --project web"]),
        Operation::get(
            "billed",
            "Show the usage of a period by workspace and meter.",
            org!("/billing/usage"),
            &[],
        )
        .output(Output::Rows(READING, reading_rows))
        .with(&[
            Argument::query(
                "from",
                "TIME",
                "Start (RFC 3339), or its age such as 7d [default: the start of the month].",
                Form::PastTime,
                "from",
            ),
            Argument::query("to", "TIME", "End (RFC 3339), or its age [default: now].", Form::PastTime, "to"),
            Argument::query(
                "of",
                "WORKSPACE",
                "Workspace [default: all].",
                Form::Reference("workspace"),
                "workspace",
            ),
        ])
        .example(&["hexabase usage billed --from 30d"]),
    ],
};

const SERIES: &[Column] = &[
    Column::text("SERIES", "labels"),
    Column::text("LAST", "last"),
    Column::text("AVERAGE", "average"),
    Column::text("HIGHEST", "highest"),
    Column::text("UNIT", "unit"),
    Column::text("CHART", "chart"),
];

/// Number of characters of a chart.
const CHART_WIDTH: usize = 40;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns a row for each series, with a small chart.
fn series_rows(metric: &Value) -> Vec<Value> {
    let series = field(metric, "series").as_array().cloned().unwrap_or_default();
    let row = |series: &Value| {
        let points = field(series, "points").as_array().map(Vec::as_slice).unwrap_or_default();
        let values: Vec<Option<f64>> =
            points.iter().map(|point| point.get(1).and_then(Value::as_f64)).collect();
        let measured: Vec<f64> = values.iter().copied().flatten().collect();
        let count = u32::try_from(measured.len()).unwrap_or(u32::MAX);
        let average = (count > 0).then(|| measured.iter().sum::<f64>() / f64::from(count));
        let labels = text_of(field(series, "labels"));
        json!({
            "labels": if labels == "-" { "total" } else { labels.as_str() },
            "last": measured.last().map(|value| rounded(*value)),
            "average": average.map(rounded),
            "highest": measured.iter().copied().reduce(f64::max).map(rounded),
            "unit": field(metric, "unit"),
            "chart": chart(&values),
        })
    };
    series.iter().map(row).collect()
}

/// Returns a number with four significant digits.
fn rounded(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        0.01.. => format!("{value:.3}"),
        _ => format!("{value:.2e}"),
    }
}

/// Returns values as bars, each the highest of its part of the period; a space where nothing was measured.
fn chart(values: &[Option<f64>]) -> String {
    let highest = values.iter().copied().flatten().fold(0.0, f64::max);
    let size = values.len().div_ceil(CHART_WIDTH).max(1);
    let bar = |part: &[Option<f64>]| {
        let Some(value) = part.iter().copied().flatten().reduce(f64::max) else { return ' ' };
        let share = if highest > 0.0 { value / highest } else { 0.0 };
        // The first bar whose upper end reaches the value.
        let bars = BARS.iter().zip(1_u8..);
        let reaching = bars.into_iter().find(|(_, height)| share <= f64::from(*height) / 8.0);
        reaching.map_or('█', |(bar, _)| *bar)
    };
    values.chunks(size).map(bar).collect()
}

/// Metrics of workspaces.
pub(in super::super) const METRIC_NAMES: [&str; 10] = [
    "cpu",
    "memory",
    "storage",
    "storage_used",
    "network_receive",
    "network_transmit",
    "pods",
    "restarts",
    "throttling",
    "api_requests",
];

pub(super) const METRICS: Group = Group {
    name: "metrics",
    about: "Metrics of a workspace over time.",
    operations: &[Operation::get("get", "Show a metric of a workspace.", ws!("/metrics/{metric}"), &[])
        .output(Output::Rows(SERIES, series_rows))
        .of(&["metric"])
        .with(&[
            Argument::query(
                "range",
                "DURATION",
                "Period until now, such as 1h or 7d [default: 1h].",
                Form::Text,
                "range",
            ),
            Argument::query(
                "step",
                "DURATION",
                "Interval between two points [default: 30s].",
                Form::Text,
                "step",
            ),
            Argument::query("project", "PROJECT", "Project, by name [default: all].", Form::Text, "project"),
            Argument::query("by", "LABEL", "Grouping [default: the sum].", Form::Text, "by").one_of(&[
                "project",
                "pod",
                "container",
            ]),
        ])
        .example(&["hexabase metrics get cpu --range 6h --by project"])],
};

const RULE: &[Column] = &[
    Column::text("NAME", "name"),
    Column::text("METRIC", "metric"),
    Column::text("COMPARISON", "comparison"),
    Column::text("THRESHOLD", "threshold"),
    Column::text("% OF QUOTA", "percent_of_quota"),
    Column::text("FOR", "for"),
    Column::state("SEVERITY", "severity"),
    Column::text("NOTIFY", "notify").wide(),
    Column::id("PROJECT", "project").wide(),
    Column::id("ID", "id").wide(),
];

const PERIOD: &[Column] = &[
    Column::text("FROM", "starts_at"),
    Column::text("TO", "ends_at"),
    Column::text("LOWEST", "lowest"),
    Column::text("HIGHEST", "highest"),
];

const METRIC: Argument =
    Argument::field("metric", "METRIC", "Metric that is compared.", Form::Text, "metric")
        .one_of(&METRIC_NAMES);
const COMPARISON: Argument = Argument::field(
    "comparison",
    "SIDE",
    "Side of the limit on which the rule fires.",
    Form::Text,
    "comparison",
)
.one_of(&["above", "below"]);
const THRESHOLD: Argument =
    Argument::field("threshold", "NUMBER", "Limit in the unit of the metric.", Form::Number, "threshold")
        .conflicts_with(&["percent-of-quota"]);
const PERCENT: Argument = Argument::field(
    "percent-of-quota",
    "NUMBER",
    "Limit as a percentage of the quota.",
    Form::Number,
    "percent_of_quota",
);
const FOR: Argument =
    Argument::field("for", "DURATION", "Time for which the comparison must hold.", Form::Text, "for")
        .one_of(&["0", "1m", "5m", "15m", "1h"]);
const SEVERITY: Argument =
    Argument::field("severity", "SEVERITY", "Severity of the alert.", Form::Text, "severity")
        .one_of(&["info", "warning", "critical"]);
const NOTIFY: Argument = Argument::field(
    "notify",
    "EMAILS",
    "Addresses of members to notify, separated by commas.",
    Form::List,
    "notify",
);
const OF_PROJECT: Argument = Argument::field(
    "in",
    "PROJECT",
    "Project [default: the whole workspace].",
    Form::Reference("project"),
    "project",
);
const RULE_NAME: Argument =
    Argument::field("name", "NAME", "Name: a DNS label.", Form::Text, "name").positional();

const NEW_RULE: &[Argument] = &[
    RULE_NAME,
    METRIC.required(),
    COMPARISON.required(),
    THRESHOLD,
    PERCENT,
    FOR.required(),
    SEVERITY.required(),
    NOTIFY,
    OF_PROJECT,
];

const ALERT: &[Column] = &[
    Column::text("NAME", "name"),
    Column::state("SEVERITY", "severity"),
    Column::text("METRIC", "metric"),
    Column::age("SINCE", "starts_at"),
    Column::id("RULE", "id"),
    Column::id("SILENCES", "silenced_by"),
];

const SILENCE: &[Column] = &[
    Column::id("ID", "id"),
    Column::age("ENDS", "ends_at"),
    Column::text("COMMENT", "comment"),
    Column::id("RULE", "rule"),
];

pub(super) const ALERTS: Group = Group {
    name: "alerts",
    about: "Firing alerts of a workspace, silences, and alert rules.",
    operations: &[
        Operation::list("list", "List the firing alerts of a workspace.", ws!("/alerts"), ALERT)
            .unpaged()
            .example(&["hexabase alerts list"]),
        Operation::post("silence", "Silence the alert of a rule.", ws!("/alerts/{rule}/silence"), SILENCE)
            .of(&["rule"])
            .with(&[
                Argument::field("minutes", "NUMBER", "Duration in minutes.", Form::Number, "minutes").required(),
                Argument::field("comment", "TEXT", "Reason for the silence.", Form::Text, "comment"),
            ])
            .example(&["hexabase alerts silence busy --minutes 120 --comment 'load test'"]),
        Operation::list("silences", "List the silences of a workspace.", ws!("/silences"), SILENCE)
            .unpaged()
            .example(&["hexabase alerts silences"]),
        Operation::delete("unsilence", "End a silence.", ws!("/silences/{silence}"), "ended")
            .of(&["silence"])
            .example(&["hexabase alerts unsilence 3f0a6c9e-1b2d-4c5e-8f70-9a1b2c3d4e5f"]),
        Operation::list("rules", "List the alert rules of a workspace.", ws!("/alert-rules"), RULE)
            .example(&["hexabase alerts rules"]),
        Operation::get("rule", "Show an alert rule.", ws!("/alert-rules/{rule}"), RULE)
            .of(&["rule"])
            .example(&["hexabase alerts rule busy"]),
        Operation::post("create-rule", "Create an alert rule.", ws!("/alert-rules"), RULE)
            .with(NEW_RULE)
            .example(&["hexabase alerts create-rule busy --metric cpu --comparison above --percent-of-quota 90 --for 5m --severity warning"]),
        Operation::post("test-rule", "Show when a rule would have fired in the last 24 hours.", ws!("/alert-rules"), &[])
            .output(Output::Rows(PERIOD, |test| field(test, "periods").as_array().cloned().unwrap_or_default()))
            .with(NEW_RULE)
            .with_query(&[("dry_run", "true")])
            .example(&["hexabase alerts test-rule busy --metric cpu --comparison above --threshold 2 --for 5m --severity info"]),
        Operation::patch("update-rule", "Change an alert rule.", ws!("/alert-rules/{rule}"), RULE)
            .of(&["rule"])
            .with(&[METRIC, COMPARISON, THRESHOLD, PERCENT, FOR, SEVERITY, NOTIFY])
            .example(&["hexabase alerts update-rule busy --severity critical"]),
        Operation::delete("delete-rule", "Delete an alert rule.", ws!("/alert-rules/{rule}"), "deleted")
            .of(&["rule"])
            .example(&["hexabase alerts delete-rule busy"]),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_lists_used_and_limited_resources() {
        let usage = json!({ "used": { "cpu": "1" }, "quota": { "cpu": "2", "memory": "4Gi" } });
        let expected = [
            json!({ "resource": "cpu", "used": "1", "quota": "2" }),
            json!({ "resource": "memory", "used": null, "quota": "4Gi" }),
        ];
        assert_eq!(usage_rows(&usage), expected);
        let usage = json!({ "workspaces": [{ "name": null, "workspace_id": "ws_1", "meters": [{ "meter": "cpu" }] }] });
        assert_eq!(reading_rows(&usage), [json!({ "workspace": "ws_1", "meter": "cpu" })]);
    }

    #[test]
    fn series_have_a_chart_of_their_values() {
        let points = json!([["a", 1.0], ["b", null], ["c", 8.0], ["d", 0.0]]);
        let metric = json!({ "unit": "cores", "series": [{ "labels": {}, "points": points }] });
        let rows = series_rows(&metric);
        let expected = json!({ "labels": "total", "last": "0", "average": "3.000", "highest": "8.000",
            "unit": "cores", "chart": "▁ █▁" });
        assert_eq!(rows, [expected]);
        assert_eq!(chart(&vec![Some(1.0); 1000]).chars().count(), 40);
        assert_eq!(chart(&[Some(0.0)]), "▁");
    }
}
