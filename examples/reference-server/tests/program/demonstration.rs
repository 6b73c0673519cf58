//! Invented data of a development server, which has no Prometheus, Loki and Alertmanager.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Process;

#[tokio::test]
async fn a_development_server_shows_live_usage_logs_and_alerts_without_further_servers() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    let project = ann.post(&format!("{workspace}/projects"), &json!({ "name": "web" })).await;

    let chart = ann.get(&format!("{workspace}/metrics/cpu?range=1h&by=pod")).await;
    assert_eq!(chart["sandbox"], true);
    let series = chart["series"].as_array().unwrap();
    assert_eq!(series.len(), 2, "two pods of the project");
    for one in series {
        let points = one["points"].as_array().unwrap();
        let used = points.iter().filter_map(|point| point[1].as_f64()).filter(|cores| *cores > 0.0);
        assert!(points.len() > 50 && used.count() >= points.len() - 1, "{one}");
    }
    let event = ann.first_event(&format!("{workspace}/usage/stream")).await;
    assert!(event.contains("event: usage") && event.contains("\"memory\":"), "{event}");

    let id = project["id"].as_str().unwrap();
    // Of a project the lines since its creation are shown.
    let logs = loop {
        let logs = ann.get(&format!("{workspace}/logs?project={id}")).await;
        if logs["items"].as_array().unwrap().len() > 1 {
            break logs;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let is_expected = |line: &Value| line["project"] == "web" && line["text"] != "";
    assert!(logs["items"].as_array().unwrap().iter().all(is_expected), "{logs}");

    // One of the limits is exceeded all the time, the other never.
    let rule = |name: &str, project: &Value, threshold: f64| {
        json!({
            "name": name, "project": project, "metric": "memory", "comparison": "above", "threshold": threshold,
            "for": "5m", "severity": "warning",
        })
    };
    let rules = format!("{workspace}/alert-rules");
    let high = ann.post(&rules, &rule("high", &project["id"], 1.0)).await;
    ann.post(&rules, &rule("never", &Value::Null, 1e15)).await;
    let alerts = ann.get(&format!("{workspace}/alerts")).await;
    let items = alerts["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "{alerts}");
    assert_eq!((&items[0]["id"], &items[0]["name"]), (&high["id"], &json!("high")));
    let silence = format!("{workspace}/alerts/{}/silence", high["id"].as_str().unwrap());
    let silenced = ann.post(&silence, &json!({ "minutes": 60 })).await;
    let alerts = ann.get(&format!("{workspace}/alerts")).await;
    assert_eq!(alerts["items"][0]["silenced_by"], json!([silenced["id"]]), "{alerts}");
    server.stop();
}
