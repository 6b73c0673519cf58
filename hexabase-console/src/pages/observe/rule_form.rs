//! Form of an alert rule, shared by its creation and its change.

use hexabase_api::alerts::requests::NewAlertRule;
use hexabase_core::error::{Check, Error, ErrorKind, Result};
use hexabase_core::id::ProjectId;
use hexabase_core::metrics::{Metric, Unit};
use hexabase_core::model::{AlertDuration, AlertLimit, AlertRule, AlertSeverity, Comparison, Project};
use hexabase_core::platform::CreateAlertRule;
use hexabase_core::quantity::Quantity;
use maud::{Markup, html};
use unicode_normalization::UnicodeNormalization as _;

use super::rule_words::{addresses, duration_text, severity_text};
use super::words::{is_binary, metric_text};
use crate::components::{Choice, Control, Field, field};
use crate::form::{Fields, FormState, in_own_words};
use crate::language::Texts;
use crate::reasons::violation_text;

/// Names of the fields.
pub(super) const FIELDS: [&str; 9] =
    ["name", "project", "metric", "comparison", "threshold", "percent_of_quota", "for", "severity", "notify"];

/// Returns the rule of a form, validated as by the API. `project` replaces that of the form, for rules that exist.
///
/// # Errors
/// `Invalid` with all invalid fields, by the names of the fields of the form.
pub(super) fn parse(fields: &Fields, project: Option<Option<ProjectId>>) -> Result<CreateAlertRule> {
    let addresses = addresses_of(fields);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in fields.entries() {
        match name {
            "notify" => pairs.extend(addresses.iter().map(|address| pair(name, address))),
            "threshold" => pairs.push(pair(name, &threshold(value))),
            "percent_of_quota" => pairs.push(pair(name, &value.nfkc().collect::<String>())),
            "project" if project.is_some() => {}
            _ => pairs.push(pair(name, value)),
        }
    }
    pairs.extend(project.flatten().map(|id| pair("project", &id.to_string())));
    Fields::new(pairs).parse::<NewAlertRule>()?.parse()
}

/// Returns the addresses of a form.
fn addresses_of(fields: &Fields) -> Vec<&str> {
    let parts = fields.get("notify").split([' ', ',', ';', '\n', '\r', '\t', '、']);
    parts.filter(|part| !part.is_empty()).collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Returns an amount as a number: `512Mi` and full-width digits are accepted.
fn threshold(text: &str) -> String {
    let text = text.nfkc().collect::<String>().trim().to_owned();
    match (text.parse::<f64>(), text.parse::<Quantity>()) {
        (Err(_), Ok(amount)) => amount.as_f64().to_string(),
        _ => text,
    }
}

/// Attributes the errors of single addresses to the field with all of them.
pub(super) fn with_fields_of_form(texts: Texts, error: Error, fields: &Fields) -> Error {
    if error.kind() != ErrorKind::Invalid || error.violations().is_empty() {
        return error;
    }
    let addresses = addresses_of(fields);
    let mut check = Check::default();
    for violation in error.violations() {
        let index = violation.field.strip_prefix("notify[").and_then(|rest| rest.strip_suffix(']'));
        match index {
            Some(index) => {
                let address = index.parse::<usize>().ok().and_then(|index| addresses.get(index));
                let address = address.map(|address| format!("{address}: ")).unwrap_or_default();
                check.refuse("notify", format!("{address}{}", violation_text(&texts, violation)));
            }
            None => check.refuse(violation.field.as_str(), violation_text(&texts, violation)),
        }
    }
    check.done().err().map_or(error, in_own_words)
}

/// Entries of the form of a rule that exists.
pub(super) fn entries(rule: &AlertRule) -> Fields {
    let condition = rule.condition;
    let (threshold, percent) = match condition.limit {
        AlertLimit::Threshold(threshold) => (amount_text(condition.metric, threshold), String::new()),
        AlertLimit::PercentOfQuota(percent) => (String::new(), percent.to_string()),
    };
    Fields::new(vec![
        pair("name", rule.name.as_str()),
        pair("metric", condition.metric.as_str()),
        pair("comparison", condition.comparison.as_str()),
        pair("threshold", &threshold),
        pair("percent_of_quota", &percent),
        pair("for", condition.duration.as_str()),
        pair("severity", rule.severity.as_str()),
        pair("notify", &addresses(rule)),
    ])
}

/// Returns an amount exactly, bytes in the largest unit that divides them.
fn amount_text(metric: Metric, amount: Quantity) -> String {
    let units = [("Ti", 1_u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    let bytes = amount.whole_units();
    let exact = units.into_iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    match exact.filter(|_| is_binary(metric.unit()) && amount.is_whole()) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => amount.to_string(),
    }
}

/// Fields of the form; without the project for rules that exist.
pub(super) fn rule_fields(texts: &Texts, form: &FormState, projects: Option<&[Project]>) -> Markup {
    let entry = |name: &str, label: String, control: Control, default: &str| {
        Field::new(name, label, control).value(form.value_or(name, default)).error(form.error(name))
    };
    let line = || Control::Line { kind: "text", autocomplete: "off", suggestions: Vec::new() };
    let metrics = Metric::ALL.iter().map(|metric| {
        Choice::new(
            metric.as_str(),
            format!("{} ({})", metric_text(texts, *metric), unit_text(texts, metric.unit())),
        )
    });
    let comparisons = [
        Choice::new(Comparison::Above.as_str(), texts.text("comparison-above")),
        Choice::new(Comparison::Below.as_str(), texts.text("comparison-below")),
    ];
    let durations =
        AlertDuration::ALL.iter().map(|it| Choice::new(it.as_str(), duration_text(texts, *it))).collect();
    let severities = AlertSeverity::ALL.iter().map(|severity| {
        let about = match severity {
            AlertSeverity::Info => texts.text("severity-info-about"),
            AlertSeverity::Warning => texts.text("severity-warning-about"),
            AlertSeverity::Critical => texts.text("severity-critical-about"),
        };
        Choice::new(severity.as_str(), severity_text(texts, *severity)).hint(about)
    });
    html! {
        (field(texts, &entry("name", texts.text("field-name"), line(), "").hint(texts.text("alert-name-hint")).required()))
        @if let Some(projects) = projects {
            @let everywhere = Choice::new("", texts.text("alert-workspace"));
            @let choices = projects.iter().map(|project| Choice::new(project.id.to_string(), project.name.as_str()));
            @let control = Control::Select(std::iter::once(everywhere).chain(choices).collect());
            (field(texts, &entry("project", texts.text("field-project"), control, "").hint(texts.text("alert-project-hint"))))
        }
        (field(texts, &entry("metric", texts.text("field-metric"), Control::Select(metrics.collect()), Metric::Cpu.as_str())
            .hint(texts.text("alert-metric-hint")).required()))
        (field(texts, &entry("comparison", texts.text("field-comparison"), Control::Select(comparisons.to_vec()), Comparison::Above.as_str()).required()))
        (field(texts, &entry("percent_of_quota", texts.text("field-percent"), line(), "").hint(texts.text("alert-percent-hint"))))
        (field(texts, &entry("threshold", texts.text("field-threshold"), line(), "").hint(texts.text("alert-threshold-hint"))))
        (field(texts, &entry("for", texts.text("field-for"), Control::Select(durations), AlertDuration::FiveMinutes.as_str())
            .hint(texts.text("alert-for-hint")).required()))
        (field(texts, &entry("severity", texts.text("field-severity"), Control::Radio(severities.collect()), AlertSeverity::Warning.as_str()).required()))
        (field(texts, &entry("notify", texts.text("field-notify"), Control::Lines(3), "").hint(texts.text("alert-notify-hint"))))
    }
}

fn unit_text(texts: &Texts, unit: Unit) -> String {
    match unit {
        Unit::Cores => texts.text("unit-cores"),
        Unit::Bytes => texts.text("unit-bytes"),
        Unit::BytesPerSecond => texts.text("unit-bytes-per-second"),
        Unit::Count => texts.text("unit-count"),
        Unit::Ratio => texts.text("unit-ratio"),
        Unit::RequestsPerSecond => texts.text("unit-requests-per-second"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn fields(overrides: &[(&str, &str)]) -> Fields {
        let mut fields = vec![
            ("name", "memory-high"),
            ("project", ""),
            ("metric", "memory"),
            ("comparison", "above"),
            ("threshold", "５１２Mi"),
            ("percent_of_quota", ""),
            ("for", "5m"),
            ("severity", "warning"),
            ("notify", "ann@example.com, bob@example.com\r\n"),
        ];
        for (name, value) in overrides {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        Fields::new(fields.into_iter().map(|(name, value)| pair(name, value)).collect())
    }

    fn invalid(overrides: &[(&str, &str)]) -> Vec<(String, String)> {
        let fields = fields(overrides);
        let error =
            with_fields_of_form(Texts::new(Language::English), parse(&fields, None).unwrap_err(), &fields);
        error.violations().iter().map(|it| (it.field.clone(), it.message.clone())).collect()
    }

    #[test]
    fn amounts_and_lists_of_addresses_are_read() {
        let rule = parse(&fields(&[]), None).unwrap();
        assert_eq!(rule.condition.limit, AlertLimit::Threshold(Quantity::mebibytes(512)));
        assert_eq!(rule.notify.len(), 2);
        let none =
            parse(&fields(&[("notify", ""), ("threshold", ""), ("percent_of_quota", "８0")]), None).unwrap();
        assert_eq!((none.condition.limit, none.notify.len()), (AlertLimit::PercentOfQuota(80), 0));
    }

    #[test]
    fn errors_have_the_names_of_the_fields() {
        let found = invalid(&[("notify", "ann@example.com nonsense"), ("threshold", "much")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "threshold");
        let found = invalid(&[("notify", "ann@example.com nonsense"), ("name", "-")]);
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["name", "notify"]);
        assert!(found[1].1.starts_with("nonsense: "), "{found:?}");
        let neither = invalid(&[("threshold", "")]);
        assert_eq!(neither[0].0, "threshold");
    }

    #[test]
    fn amounts_of_bytes_have_the_largest_exact_unit() {
        for (bytes, text) in [(1_u64 << 20, "1Mi"), (1_536 << 20, "1536Mi"), (1_000, "1k"), (0, "0")] {
            let amount = Quantity::units(bytes);
            assert_eq!(amount_text(Metric::Memory, amount), text);
            assert_eq!(text.parse::<Quantity>().unwrap(), amount);
        }
        assert_eq!(amount_text(Metric::Cpu, Quantity::units(1_024)), Quantity::units(1_024).to_string());
    }

    #[test]
    fn a_rule_that_exists_keeps_its_project_and_its_entries() {
        let rule = hexabase_core::fixture::alert_rule("cpu-high");
        let project = hexabase_core::fixture::id("web");
        let command = parse(&entries(&rule), Some(Some(project))).unwrap();
        assert_eq!((command.condition, command.project_id), (rule.condition, Some(project)));
        assert_eq!((command.name, command.notify), (rule.name, rule.notify));
    }
}
