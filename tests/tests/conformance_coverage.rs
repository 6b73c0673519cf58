//! Every implementation of a backend trait runs the conformance suite of the trait.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};

/// Traits whose implementations need a conformance suite, and the macros that run the suites.
const SUITES: [(&str, &str); 11] = [
    ("Commit", "tenant_store_conformance!("),
    ("KeyValueStore", "key_value_store_conformance!("),
    ("EphemeralStore", "ephemeral_store_conformance!("),
    ("TaskQueue", "task_queue_conformance!("),
    ("ClusterProvisioner", "cluster_provisioner_conformance!("),
    ("BillingProvider", "billing_provider_conformance!("),
    ("IdentityProvider", "identity_provider_conformance!("),
    ("MetricsSource", "metrics_source_conformance!("),
    ("LogSource", "log_source_conformance!("),
    ("Authenticator", "authenticator_conformance!("),
    ("AlertSource", "alert_source_conformance!("),
];

/// All source files of the crates, with their texts.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = [
        "hexabase-core",
        "hexabase-store",
        "hexabase-k8s",
        "hexabase-auth",
        "hexabase-billing",
        "hexabase-api",
        "examples",
    ];
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

/// Types that implement a trait. Decorators that inject faults are excluded, because the decorated type is tested.
fn implementations(sources: &[(PathBuf, String)], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources {
        let is_decorator = path.components().any(|part| part.as_os_str() == "faults");
        let in_tests =
            path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        if is_decorator || in_tests {
            continue;
        }
        for line in text.lines().filter(|line| line.starts_with("impl")) {
            let Some((_, rest)) = line.split_once(&format!(" {name} for ")) else { continue };
            match rest.trim_end_matches(" {") {
                // One store for each engine.
                "KvTenantStore<S>" => found.extend(["MemoryStore", "KvTenantStore"].map(str::to_owned)),
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
fn every_implementation_runs_the_conformance_suite_of_its_trait() {
    let sources = sources();
    for (name, suite) in SUITES {
        let implementations = implementations(&sources, name);
        assert!(!implementations.is_empty(), "no implementation of {name} was found");
        let runs: Vec<&str> = sources
            .iter()
            .filter(|(path, text)| text.contains(suite) && !path.ends_with("conformance/mod.rs"))
            .map(|(_, text)| text.as_str())
            .collect();
        for implementation in implementations {
            let uses = [format!("{implementation}::"), format!("<{implementation}>")];
            assert!(
                runs.iter().any(|text| uses.iter().any(|uses| text.contains(uses))),
                "{implementation} implements {name}, but no file that runs {suite}…) uses it"
            );
        }
    }
}

#[test]
fn the_included_implementations_are_found() {
    let sources = sources();
    for (name, expected) in [
        ("Commit", &["MemoryStore", "KvTenantStore", "SqliteStore", "PostgresStore"][..]),
        ("MetricsSource", &["MemoryMetrics", "SandboxMetrics", "PrometheusMetrics"]),
        ("LogSource", &["MemoryLogs", "LokiLogs"]),
        ("AlertSource", &["MemoryAlerts", "Alertmanager"]),
    ] {
        let found = implementations(&sources, name);
        for implementation in expected {
            assert!(found.iter().any(|name| name == implementation), "{implementation}: {found:?}");
        }
    }
}

/// Traits with more than [`MAX_REQUIRED_METHODS`].
const LARGE_TRAITS: [&str; 1] = ["BillingProvider"];
const MAX_REQUIRED_METHODS: usize = 12;

/// Public traits in a source file, each with the number of its methods without a default.
fn traits(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(name) = line.trim_start().strip_prefix("pub trait ") else { continue };
        let name: String = name.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
        let code = body.into_iter().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let required = code.split("fn ").skip(1).filter(|method| {
            let end = method.find([';', '{']).map(|end| &method[end..=end]);
            end == Some(";")
        });
        found.push((name, required.count()));
    }
    found
}

#[test]
fn no_trait_that_others_implement_has_many_required_methods() {
    let core = sources()
        .into_iter()
        .filter(|(path, _)| path.components().any(|part| part.as_os_str() == "hexabase-core"));
    let all: Vec<(String, usize)> = core.flat_map(|(_, text)| traits(&text)).collect();
    for expected in ["OrganizationStore", "KeyValueStore", "TaskQueue", "ClusterProvisioner"] {
        let found = all.iter().find(|(name, _)| name == expected);
        assert!(found.is_some_and(|(_, required)| *required > 1), "{expected}: {found:?}");
    }
    for (name, required) in all {
        let is_large = required > MAX_REQUIRED_METHODS;
        assert_eq!(is_large, LARGE_TRAITS.contains(&name.as_str()), "{name} has {required} required methods");
    }
}
