//! Metrics of a running server, compared with their documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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

#[tokio::test]
async fn every_series_of_a_running_server_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    let text = server.client().text("/metrics").await;
    let (documented, exposed) = (documented(), exposed(&text));
    for (name, found) in &exposed {
        assert_eq!(Some(found), documented.get(name), "{name} differs from the table in docs/operations.md");
    }
    for name in [
        "hexabase_commit_conflicts_total",
        "hexabase_drift_repairs_total",
        "hexabase_http_request_seconds",
        "hexabase_kubernetes_request_seconds",
        "hexabase_lost_leases_total",
        "hexabase_messages_total",
        "hexabase_outbox_wait_seconds",
        "hexabase_reconcile_seconds",
        "hexabase_reconciles_total",
        "hexabase_signing_key_age_seconds",
    ] {
        assert!(exposed.contains_key(name), "{name} is missing:\n{text}");
    }
    assert!(text.contains("hexabase_reconciles_total{kind=\"workspace\",result=\"succeeded\"}"), "{text}");
    let org = workspace.split('/').nth(4).unwrap();
    assert!(!text.contains(org), "no series names an organization");
    server.stop();
}
