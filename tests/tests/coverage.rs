//! That no implementation of a seam goes without the suite of its trait.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

/// A trait by which its implementations are found, and the macro that runs its suite.
const SUITES: [(&str, &str); 6] = [
    ("Commit", "tenant_store_conformance!("),
    ("EphemeralStore", "ephemeral_store_conformance!("),
    ("TaskQueue", "task_queue_conformance!("),
    ("ClusterProvisioner", "cluster_provisioner_conformance!("),
    ("BillingProvider", "billing_provider_conformance!("),
    ("IdentityProvider", "identity_provider_conformance!("),
];

/// Every source file of ours, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates =
        ["hexabase-core", "hexabase-store", "hexabase-k8s", "hexabase-auth", "hexabase-billing", "examples"];
    let mut folders: Vec<PathBuf> = crates.iter().map(|name| root.join(name)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// The types that implement a trait. Decorators are left out: what they decorate is what is tested.
fn implementations(sources: &[(PathBuf, String)], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources {
        let a_decorator = path.components().any(|part| part.as_os_str() == "faults");
        let in_tests =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        if a_decorator || in_tests {
            continue;
        }
        for line in text.lines().filter(|line| line.starts_with("impl")) {
            let Some((_, rest)) = line.split_once(&format!(" {name} for ")) else { continue };
            match rest.trim_end_matches(" {") {
                // One for each engine it runs on.
                "SqlStore<E>" => found.extend(
                    implementations(sources, "Engine").iter().map(|engine| engine.replace("Engine", "Store")),
                ),
                plain => found.push(plain.to_owned()),
            }
        }
    }
    found
}

#[test]
fn every_implementation_runs_the_suite_of_its_trait() {
    let sources = sources();
    for (name, suite) in SUITES {
        let implementations = implementations(&sources, name);
        assert!(!implementations.is_empty(), "nobody implements {name}, which cannot be");
        let runs: Vec<&str> = sources
            .iter()
            .filter(|(path, text)| text.contains(suite) && !path.ends_with("conformance/mod.rs"))
            .map(|(_, text)| text.as_str())
            .collect();
        for implementation in implementations {
            let made = [format!("{implementation}::"), format!("<{implementation}>")];
            assert!(
                runs.iter().any(|text| made.iter().any(|made| text.contains(made))),
                "{implementation} implements {name}, and no file that runs {suite}…) makes one"
            );
        }
    }
}

#[test]
fn the_stores_that_ship_are_among_those_found() {
    let found = implementations(&sources(), "Commit");
    for store in ["MemoryStore", "SqliteStore", "PostgresStore"] {
        assert!(found.iter().any(|name| name == store), "{found:?}");
    }
}
