//! Filters of logs, and choices of their presentation.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::log_query::DEFAULT_SINCE;
use super::logs::LogsPage;
use crate::components::{Choice, Control, Field, field};
use crate::language::Texts;
use crate::pages::filters::submit_filters;

/// Fields of the form. The names of pods and containers on the page are suggestions.
pub(super) fn filter_fields(
    texts: &Texts,
    found: &LogsPage,
    pods: &BTreeSet<&str>,
    containers: &BTreeSet<&str>,
) -> Markup {
    let selection = &found.selection;
    let value = |name: &str| selection.get(name).to_owned();
    let select = |name: &str, label: String, choices: Vec<Choice>, chosen: &str| {
        Field::new(name, label, Control::Select(choices)).value(chosen)
    };
    let line = |name: &str, label: String, suggestions: &BTreeSet<&str>| {
        let suggestions = suggestions.iter().map(|name| (*name).to_owned()).collect();
        let control = Control::Line { kind: "text", autocomplete: "off", suggestions };
        Field::new(name, label, control).value(value(name))
    };
    let all = Choice::new("", texts.text("select-all-projects"));
    let projects =
        found.projects.iter().map(|project| Choice::new(project.id.to_string(), project.name.as_str()));
    let projects = std::iter::once(all).chain(projects).collect();
    let mut ages: Vec<Choice> = [
        ("5m", texts.text("logs-five-minutes")),
        ("15m", texts.text("logs-fifteen-minutes")),
        (DEFAULT_SINCE, texts.text("range-hour")),
        ("6h", texts.text("range-six-hours")),
        ("1d", texts.text("range-day")),
        ("7d", texts.text("range-week")),
    ]
    .into_iter()
    .map(|(value, label)| Choice::new(value, label))
    .collect();
    if !ages.iter().any(|age| age.value == selection.since()) {
        ages.push(Choice::new(selection.since(), selection.since()));
    }
    let times = vec![
        Choice::new("utc", texts.text("logs-times-utc")),
        Choice::new("local", texts.text("logs-times-local")),
        Choice::new("off", texts.text("logs-times-off")),
    ];
    let wraps =
        vec![Choice::new("on", texts.text("logs-wrap-on")), Choice::new("off", texts.text("logs-wrap-off"))];
    let expression = Control::Checks(vec![Choice::new("true", texts.text("logs-expression"))]);
    html! {
        (field(texts, &select("project", texts.text("field-project"), projects, selection.get("project"))))
        (field(texts, &line("pod", texts.text("group-by-pod"), pods)))
        (field(texts, &line("container", texts.text("group-by-container"), containers)))
        (field(texts, &line("query", texts.text("logs-text"), &BTreeSet::new())))
        (field(texts, &select("since", texts.text("range-label"), ages, selection.since()).required()))
        (field(texts, &select("times", texts.text("logs-times"), times, selection.times()).required()))
        (field(texts, &select("wrap", texts.text("logs-wrap"), wraps, if selection.is_wrapped() { "on" } else { "off" }).required()))
        (field(texts, &Field::new("regex", texts.text("logs-match"), expression).value(value("regex"))))
        (submit_filters(texts))
    }
}
