//! Dashboards of Grafana: conventions, scope of tenants, and data.

use std::collections::{BTreeMap, BTreeSet};

use hexabase_core::conformance::metrics_source::{busy, parts};
use promql_parser::label::MatchOp;
use promql_parser::parser::VectorSelector;
use serde_json::{Value, json};

use super::{check_series, files, fixture, read, rules, selectors, server};

/// Version of the schema, of Grafana 11 and newer.
const SCHEMA_VERSION: u32 = 39;

/// Dashboards by the name of their file.
fn dashboards() -> BTreeMap<String, Value> {
    let folder = std::fs::read_dir(files().join("dashboards")).unwrap();
    folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(path.extension().is_some_and(|it| it == "json"), "{}", path.display());
            (name, serde_json::from_str(&read(&path)).unwrap())
        })
        .collect()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn targets(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap())
}

fn variables(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["templating"]["list"].as_array().unwrap().iter()
}

/// Selector and label of a variable `label_values(selector, label)`.
fn label_values(variable: &Value) -> Option<(&str, &str)> {
    let query = variable["query"]["query"].as_str()?;
    let arguments = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    arguments.rsplit_once(", ")
}

/// Expression in which variables have a value.
fn with_values(expression: &str) -> String {
    [
        ("$__rate_interval", "2m"),
        ("$namespace", &fixture::namespace()),
        ("$project", parts(busy())[0].project),
        ("$host", ".*"),
        ("$area", ".*"),
    ]
    .iter()
    .fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// `true` if the selector has the matcher `label="value"`.
fn selects(selector: &VectorSelector, label: &str, value: &str) -> bool {
    let mut matchers = selector.matchers.matchers.iter();
    matchers.any(|it| it.name == label && it.op == MatchOp::Equal && it.value == value)
}

#[test]
fn every_dashboard_keeps_the_conventions() {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        let (audience, subject) = name.split_once('-').unwrap();
        assert_eq!(dashboard["uid"], format!("hexabase-{subject}"), "{name}");
        assert!(uids.insert(dashboard["uid"].to_string()), "{name}: another dashboard has its uid");
        assert_eq!(dashboard["tags"], json!(["hexabase", audience]), "{name}");
        assert_eq!(dashboard["schemaVersion"], SCHEMA_VERSION, "{name}");
        assert_eq!(dashboard["timezone"], "browser", "{name}");
        assert!(dashboard.get("id").is_none(), "{name}: ids belong to an installation");
        let links = dashboard["links"].to_string();
        assert_eq!(links.contains("docs/runbook.md"), audience == "operators", "{name}");

        let variables: Vec<&Value> = variables(&dashboard).collect();
        assert_eq!(
            (&variables[0]["name"], &variables[0]["type"]),
            (&json!("datasource"), &json!("datasource"))
        );
        for variable in &variables[1..] {
            assert!(label_values(variable).is_some(), "{name}: {variable}");
            assert_eq!(variable["datasource"], source, "{name}: {variable}");
        }
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}");
        }
        for panel in panels(&dashboard) {
            let title = format!("{name}: {}", panel["title"]);
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
            assert_eq!(panel["datasource"], source, "{title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(targets.iter().all(|target| target["datasource"] == source), "{title}");
            let references: BTreeSet<String> = targets.iter().map(|it| it["refId"].to_string()).collect();
            assert_eq!((references.len(), targets.is_empty()), (targets.len(), false), "{title}");
        }
        panels_do_not_overlap(&name, &dashboard);
    }
    assert_eq!(uids.len(), 8);
}

/// Checks the grid of 24 columns.
fn panels_do_not_overlap(name: &str, dashboard: &Value) {
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24, "{name}: {}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{name}: {} overlaps another panel", panel["title"]);
        }
    }
}

#[test]
fn every_link_to_the_runbook_names_an_alert() {
    let alerts: BTreeSet<String> =
        rules().iter().filter_map(|it| Some(it["alert"].as_str()?.to_owned())).collect();
    let mut linked = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            let links = panel["description"].as_str().unwrap().split('[').skip(1);
            for (alert, rest) in links.map(|link| link.split_once("](").unwrap()) {
                let anchor = format!("runbook.md#{})", alert.to_lowercase());
                assert!(alerts.contains(alert) && rest.contains(&anchor), "{name}: {alert}");
                linked.insert(alert.to_owned());
            }
        }
    }
    assert!(linked.len() > 25, "{linked:?}");
}

#[test]
fn every_query_selects_known_series_of_one_job() {
    for (name, dashboard) in dashboards() {
        for expression in panels(&dashboard).flat_map(targets) {
            let used: BTreeSet<&str> = expression.split('$').skip(1).map(variable_name).collect();
            let known: BTreeSet<&str> =
                variables(&dashboard).map(|it| it["name"].as_str().unwrap()).collect();
            let mut unknown = used.difference(&known).filter(|it| **it != "__rate_interval");
            assert!(unknown.next().is_none(), "{name}: {expression} uses an unknown variable");
            check_series(&with_values(expression));
        }
        for variable in variables(&dashboard) {
            if let Some((selector, _)) = label_values(variable) {
                check_series(&with_values(selector));
            }
        }
    }
}

/// Name at the start of a text after `$`.
fn variable_name(text: &str) -> &str {
    let end = text.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn every_query_of_a_tenant_is_limited_to_the_tenant() {
    let mut count = 0;
    for (name, dashboard) in dashboards().iter().filter(|(name, _)| name.starts_with("tenants-")) {
        let is_of_project = variables(dashboard).any(|variable| variable["name"] == "project");
        for expression in panels(dashboard).flat_map(targets) {
            let plain = expression.replace("$__rate_interval", "2m");
            for selector in selectors(&plain) {
                assert!(selects(&selector, "namespace", "$namespace"), "{name}: {selector} in {expression}");
                count += 1;
            }
            let is_in_project = selectors(&plain)
                .iter()
                .any(|selector| selects(selector, "label_vcluster_loft_sh_namespace", "$project"));
            assert_eq!(is_in_project, is_of_project, "{name}: {expression}");
        }
        // Only the list of namespaces comes from all tenants.
        for variable in variables(dashboard).filter(|variable| variable["name"] != "namespace") {
            if let Some((selector, _)) = label_values(variable) {
                assert!(
                    selectors(selector).iter().all(|it| selects(it, "namespace", "$namespace")),
                    "{selector}"
                );
            }
        }
    }
    assert!(count > 50, "{count}");
}

#[tokio::test]
async fn every_panel_and_variable_has_data() {
    let server = server::start().await;
    let mut empty = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for expression in targets(panel) {
                let values = server::values(&server, &with_values(expression)).await;
                if !values.iter().any(|value| value.is_finite()) {
                    empty.push(format!("{name}, {}: {expression}", panel["title"]));
                }
            }
        }
        for variable in variables(&dashboard) {
            if let Some((selector, label)) = label_values(variable) {
                let expression = with_values(&format!("count by ({label}) ({selector})"));
                if server::values(&server, &expression).await.is_empty() {
                    empty.push(format!("{name}: {selector}"));
                }
            }
        }
    }
    assert!(empty.is_empty(), "no data:\n{}", empty.join("\n"));
}
