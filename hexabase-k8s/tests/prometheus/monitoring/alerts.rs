//! Alert rules of operators: conventions, evaluation by promtool, and the runbook.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_test_servers::{check_rules, run_rule_test_file};
use regex_lite::Regex;
use serde_json::{Value, json};

use super::{check_series, files, read, read_yaml, repository, rules};

const RUNBOOK: &str = "https://github.com/hexabase/hexabase/blob/main/docs/runbook.md";

/// Files with a case for each alert, by their evaluation interval.
const CASES: [&str; 2] = ["minutes.yaml", "days.yaml"];

/// Alerts of operators by name; those of tenants share one name.
fn alerts() -> BTreeMap<String, Value> {
    let mut alerts = BTreeMap::new();
    for rule in rules() {
        let Some(name) = rule["alert"].as_str().filter(|name| *name != "HexabaseAlertRule") else { continue };
        assert!(alerts.insert(name.to_owned(), rule.clone()).is_none(), "{name} exists twice");
    }
    alerts
}

/// Labels that the texts of an alert name.
fn labels_in_annotations(alert: &Value) -> BTreeSet<String> {
    let pattern = Regex::new(r"\$labels\.([a-z_]+)").unwrap();
    let texts = alert["annotations"].as_object().unwrap().values();
    let labels = texts.flat_map(|text| pattern.captures_iter(text.as_str().unwrap()));
    labels.map(|found| found[1].to_owned()).collect()
}

fn cases() -> impl Iterator<Item = (&'static str, Value)> {
    let folder = repository().join("hexabase-k8s/tests/prometheus/operator_alerts");
    CASES.into_iter().flat_map(move |file| {
        let cases = read_yaml(&folder.join(file))["tests"].as_array().unwrap().clone();
        cases.into_iter().map(move |case| (file, case))
    })
}

#[test]
fn every_alert_keeps_the_conventions() {
    check_rules(&files().join("alerts/operators.yaml"));
    for (name, alert) in alerts() {
        assert!(name.starts_with("Hexabase"), "{name}");
        assert!(alert["for"].is_string(), "{name} has no time");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["info", "warning", "critical"].contains(&severity), "{name}: {severity}");
        assert_eq!(alert["labels"].as_object().unwrap().len(), 1, "{name} has other labels");
        let annotations = alert["annotations"].as_object().unwrap();
        let names: Vec<&String> = annotations.keys().collect();
        assert_eq!(names, ["description", "runbook_url", "summary"], "{name}");
        assert_eq!(annotations["runbook_url"], format!("{RUNBOOK}#{}", name.to_lowercase()));
        let summary = annotations["summary"].as_str().unwrap();
        assert!(!summary.ends_with('.') && !summary.contains("$value"), "{name}: {summary}");
        let description = annotations["description"].as_str().unwrap();
        assert!(description.ends_with('.'), "{name}: {description}");
    }
}

#[test]
fn every_rule_selects_known_series_of_one_job() {
    for rule in rules() {
        check_series(rule["expr"].as_str().unwrap());
    }
}

#[test]
fn every_alert_fires_in_a_case_and_does_not_fire_in_another() {
    let alerts = alerts();
    let mut covered = BTreeSet::new();
    for (file, case) in cases() {
        let name = case["name"].as_str().unwrap();
        let alert = alerts.get(name).unwrap_or_else(|| panic!("{file}: no alert {name}"));
        let expression = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}");
        let checks = case["promql_expr_test"].as_array().unwrap();
        assert!(checks.iter().all(|check| check["expr"] == json!(expression)), "{name}");
        let (firing, quiet): (Vec<&Value>, Vec<&Value>) =
            checks.iter().partition(|check| check["exp_samples"].is_array());
        assert!(!firing.is_empty() && !quiet.is_empty(), "{name}");
        // A text that names a label which the alert does not have would be incomplete.
        for sample in firing.iter().flat_map(|check| check["exp_samples"].as_array().unwrap()) {
            let labels = sample["labels"].as_str().unwrap();
            for label in labels_in_annotations(alert) {
                let has_label = ["{", ","].iter().any(|start| labels.contains(&format!("{start}{label}=\"")));
                assert!(has_label, "{name} has no label {label}: {labels}");
            }
        }
        assert!(covered.insert(name.to_owned()), "{name} has two cases");
    }
    assert_eq!(covered, alerts.into_keys().collect());
    for file in CASES {
        run_rule_test_file(&repository().join("hexabase-k8s/tests/prometheus/operator_alerts").join(file));
    }
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_every_section_an_alert() {
    let text = read(&repository().join("docs/runbook.md"));
    let sections: BTreeMap<&str, &str> =
        text.split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    let alerts = alerts();
    let names: Vec<&str> = alerts.keys().map(String::as_str).collect();
    assert_eq!(sections.keys().copied().collect::<Vec<_>>(), names);
    for (name, section) in sections {
        let severity = alerts[name]["labels"]["severity"].as_str().unwrap();
        assert!(section.trim_start().starts_with(&format!("*{severity}.* ")), "{name}");
        for part in ["Effect", "Cause", "Remedy"] {
            assert!(section.contains(&format!("\n- **{part}:**")), "{name} has no part {part}");
        }
    }
    // Links within the runbook, and queries in it.
    let anchors: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    for found in Regex::new(r"\]\(#([a-z]+)\)").unwrap().captures_iter(&text) {
        assert!(anchors.contains(&found[1]), "no section {}", &found[1]);
    }
    let queries = Regex::new(r#"`([^`]+\{job="[^`]+)`"#).unwrap();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let queries: Vec<_> = queries.captures_iter(&words).map(|found| found[1].to_owned()).collect();
    assert!(queries.len() > 5, "{queries:?}");
    for query in queries {
        check_series(&query);
    }
    let own = super::known_samples();
    for found in Regex::new(r"hexabase_[a-z_]+").unwrap().captures_iter(&text) {
        let is_known = own.keys().any(|name| name.starts_with(&found[0]));
        assert!(is_known, "the runbook names the series {}, which does not exist", &found[0]);
    }
}

#[test]
fn every_message_of_the_log_in_the_runbook_exists() {
    let text = read(&repository().join("docs/runbook.md")).split_whitespace().collect::<Vec<_>>().join(" ");
    let sources: String =
        ["hexabase-core", "hexabase-k8s", "hexabase-auth", "hexabase-api", "hexabase-billing"]
            .iter()
            .flat_map(|name| sources_below(&repository().join(name).join("src")))
            .chain(sources_below(&repository().join("examples/reference-server/src")))
            .collect();
    // Messages that report a failure have several words, and begin with a lower-case letter.
    let messages = Regex::new(r"`([a-z]+(?: [A-Za-z;'-]+){2,})`").unwrap();
    let messages: Vec<&str> =
        messages.captures_iter(&text).map(|found| found.get(1).unwrap().as_str()).collect();
    let messages: Vec<&&str> = messages
        .iter()
        .filter(|it| !["kubectl ", "hexabase "].iter().any(|tool| it.starts_with(tool)))
        .collect();
    assert!(messages.len() > 10, "{messages:?}");
    for message in messages {
        assert!(sources.contains(&format!("\"{message}")), "no message {message:?} is logged");
    }
}

fn sources_below(folder: &std::path::Path) -> Vec<String> {
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources.extend(sources_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(read(&path));
        }
    }
    sources
}
