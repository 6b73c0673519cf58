//! Metrics of a running server, compared with their documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::installation::Installation;
use crate::process::Process;

/// Type and labels of each series in the table of the documentation.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = std::fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `hexabase_"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>());
    cells
        .map(|cells| {
            let labels = cells[3].split(", ").map(|label| label.trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            (cells[1].trim_matches('`').to_owned(), (cells[2].clone(), labels))
        })
        .collect()
}

/// Type and labels of each series that the server exposes.
fn exposed(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut exposed: BTreeMap<_, _> =
        types.map(|(name, kind)| (name.to_owned(), (kind.to_owned(), BTreeSet::new()))).collect();
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = sample.split_once('{') else { continue };
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|name| exposed.contains_key(*name))
            .unwrap_or(name);
        let (labels, _) = rest.rsplit_once('}').unwrap();
        let names =
            labels.split("\",").filter_map(|label| label.split_once("=\"")).map(|(name, _)| name.to_owned());
        exposed.get_mut(name).unwrap().1.extend(names.filter(|name| name != "le"));
    }
    exposed
}

/// Series that a server without further servers does not record, with the reason.
const NOT_RECORDED: [(&str, &str); 3] = [
    (
        "hexabase_metering_lag_seconds",
        "the invented usage of the sandbox is not metered; see the tests of billing",
    ),
    ("hexabase_payment_request_seconds", "there is no payment provider; see the tests of billing"),
    ("hexabase_webhook_wait_seconds", "there is no payment provider; see the tests of billing"),
];

/// Waits until a server has recorded these series.
pub(crate) async fn wait_until_recorded(server: &Process, names: &[&str]) {
    loop {
        let exposed = exposed(&server.client().text("/metrics").await);
        if names.iter().all(|name| exposed.contains_key(*name)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Value of a sample, such as `name{label="value"}`.
fn value(text: &str, sample: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    values.map(|value| value.parse().unwrap()).next()
}

#[tokio::test]
async fn every_series_of_the_documentation_is_recorded_by_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0", "--max-connections", "40"];
    let server = Process::start(folder.path(), &serve).await;
    let ann = server.sign_in("ann@example.com").await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    let organization = workspace.split_once("/workspaces/").unwrap().0;
    let invitation = json!({ "email": "bob@example.com", "role": "member" });
    ann.post(&format!("{organization}/invitations"), &invitation).await;
    ann.post(&format!("{workspace}/isolation"), &Value::Null).await;
    assert_eq!(ann.status(&format!("{organization}/events")).await, 200);
    assert_eq!(ann.status("/metrics/alert-rules").await, 200);
    let address = server.url.trim_start_matches("http://");
    let idle: Vec<_> = (0..50).map(|_| TcpStream::connect(address).unwrap()).collect();

    let expected: BTreeSet<String> = documented().into_keys().collect();
    let recorded = loop {
        // Over the connection of the other requests, which has its slot.
        let text = ann.text("/metrics").await;
        let exposed = exposed(&text);
        let is_missing = |name: &String| NOT_RECORDED.iter().all(|(other, _)| name != other);
        let missing: Vec<_> = expected.iter().filter(|name| !exposed.contains_key(*name)).collect();
        if !missing.into_iter().any(is_missing) {
            break text;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    drop(idle);
    let (documented, exposed) = (documented(), exposed(&recorded));
    for (name, found) in &exposed {
        assert_eq!(Some(found), documented.get(name), "{name} differs from the table in docs/operations.md");
        assert!(NOT_RECORDED.iter().all(|(other, _)| name != other), "{name} is recorded after all");
    }
    assert!(recorded.contains("hexabase_reconciles_total{kind=\"workspace\",result=\"succeeded\"}"));
    assert_eq!(value(&recorded, "hexabase_workspaces{phase=\"ready\",host=\"local\"}"), Some(1.0));
    assert_eq!(value(&recorded, "hexabase_host_up{host=\"local\"}"), Some(1.0));
    assert!(!recorded.contains("org_") && !recorded.contains("ws_"), "no series names a tenant");
    server.stop();
}

#[tokio::test]
async fn gauges_of_the_database_and_the_queue_are_the_same_in_every_process() {
    let mut installation = Installation::new().await;
    let (api, worker) =
        (installation.start("api", "api").await, installation.start("worker", "worker").await);
    let ann = api.sign_in("ann@example.com").await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    let gauges = ["hexabase_workspaces", "hexabase_dead_letters", "hexabase_unconverged_seconds"];
    let read = async |process: &Process| -> Vec<String> {
        let text = process.client().text("/metrics").await;
        let is_shared = |line: &&str| gauges.iter().any(|name| line.starts_with(name));
        text.lines().filter(is_shared).map(str::to_owned).collect()
    };
    let (first, second) = (read(&api).await, read(&worker).await);
    let ready = first.iter().find(|line| line.contains("phase=\"ready\"")).unwrap();
    assert!(ready.ends_with(" 1") && second.contains(ready), "{first:?} {second:?}");
    for gauge in &gauges[1..] {
        let sample = format!("{gauge} 0");
        assert!(first.contains(&sample) && second.contains(&sample), "{first:?} {second:?}");
    }
    let host_up = async |process: &Process| {
        let text = process.client().text("/metrics").await;
        text.lines().find(|line| line.starts_with("hexabase_host_up{")).map(|line| line.ends_with(" 1"))
    };
    assert_eq!((host_up(&api).await, host_up(&worker).await), (None, Some(true)));

    // Without the queue and the host, replicas of the API stay ready.
    installation.nats.stop();
    installation.cluster.signal("KILL");
    while host_up(&worker).await != Some(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, ready) = api.client().get_with_status("/readyz").await;
    assert_eq!(
        (status, &ready["degraded"], &ready["backends"]["queue"]),
        (200, &json!(true), &json!("unavailable"))
    );
    let hosts = ready["backends"].as_object().unwrap().iter().filter(|(name, _)| name.starts_with("host/"));
    assert_eq!(hosts.map(|(_, state)| state.clone()).collect::<Vec<_>>(), [json!("unavailable")]);
    let text = api.client().text("/metrics").await;
    assert!(value(&text, "hexabase_queue_age_seconds").unwrap().is_nan(), "{text}");
    assert!(value(&text, "hexabase_outbox_age_seconds").is_some_and(|age| age >= 0.0), "{text}");
    worker.kill();
    api.kill();
}
