//! Chart and program agree: options, variables, host setup.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::helm::{Case, HELM_VERSIONS, cases, chart, find, id, parse, quick, repository, text};

/// Options that the chart sets itself, or that contain secrets, which are not values of a chart.
const NOT_IN_CONFIG: [&str; 24] = [
    "additional_master_key_files",
    "alertmanager_token",
    "alertmanager_webhook_token",
    "config",
    "database_url",
    "dev",
    "help",
    "kubeconfig",
    "listen",
    "loki_token",
    "master_key_file",
    "metrics_listen",
    "nats_url",
    // There is no browser in a pod.
    "open",
    "plans",
    "prometheus_discovery_token",
    "prometheus_token",
    "public_url",
    "redis_url",
    "smtp_url",
    "stripe_secret_key",
    "stripe_webhook_secret",
    "tenant_scrape_targets",
    // The chart serves plain HTTP; a Gateway terminates TLS.
    "tls_cert",
];

/// Options with a list of values in the configuration file.
const LISTS: [&str; 5] = [
    "platform_admins",
    "prometheus_api_server_job",
    "prometheus_kube_state_metrics_job",
    "prometheus_kubelet_job",
    "trusted_proxies",
];

fn program(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hexabase")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the options of the server processes as keys of the configuration file, with the names of their values.
fn options() -> BTreeMap<String, String> {
    let option = |line: &str| {
        let (name, rest) = line
            .trim_start()
            .strip_prefix("--")?
            .split_once([' ', '\n'])
            .unwrap_or((line.trim().trim_start_matches("--"), ""));
        let value = rest.trim().trim_start_matches('<').split('>').next().unwrap_or_default();
        Some((name.replace('-', "_"), value.to_owned()))
    };
    program(&["serve", "--help"]).lines().filter_map(option).collect()
}

/// Schema of an option, by its name and the name of its value.
fn schema_of(name: &str, value: &str) -> Value {
    match (name, value) {
        _ if LISTS.contains(&name) => json!({ "type": "array", "items": { "type": "string" } }),
        ("otlp_sample_ratio", _) => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        // A URL with a password is a secret.
        ("prometheus_url" | "loki_url" | "alertmanager_url" | "otlp_endpoint" | "stripe_api_base", _) => {
            json!({ "type": "string", "pattern": "^https?://[^@]*$" })
        }
        (_, "NUMBER" | "DAYS" | "HOURS" | "SECONDS") => json!({ "type": "integer", "minimum": 0 }),
        (_, "BOOLEAN") => json!({ "type": "boolean" }),
        _ => json!({ "type": "string" }),
    }
}

#[test]
fn the_schema_has_every_option_of_the_program() {
    let file = chart().join("values.schema.json");
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let options = options();
    assert!(options.len() > 80, "{options:?}");
    for name in NOT_IN_CONFIG.iter().filter(|name| **name != "help") {
        assert!(options.contains_key(*name), "{name} is no option of the program");
    }
    let excluded = |name: &str| NOT_IN_CONFIG.contains(&name) || name == "tls_key";
    let mut expected: BTreeMap<String, Value> = options
        .iter()
        .filter(|(name, _)| !excluded(name))
        .map(|(name, value)| (name.clone(), schema_of(name, value)))
        .collect();
    let properties = &mut schema["properties"]["config"]["properties"];
    for table in ["providers", "clients", "trusts"] {
        expected.insert(table.to_owned(), properties[table].clone());
    }
    let expected = serde_json::to_value(expected).unwrap();
    let is_current = *properties == expected;
    if !is_current && std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
        *properties = expected;
        std::fs::write(&file, format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())).unwrap();
        return;
    }
    assert!(is_current, "values.schema.json lacks options; run this test again with HEXABASE_TEST_UPDATE=1");
}

#[test]
fn every_variable_of_the_pods_is_an_option() {
    let known: BTreeSet<String> = ["serve", "migrate", "healthcheck"]
        .iter()
        .flat_map(|command| {
            let help = program(&[command, "--help"]);
            let names = help.split("[env: ").skip(1);
            names.map(|rest| rest.split(['=', ']']).next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert!(known.len() > 80, "{known:?}");
    for case in cases() {
        for object in case.render().iter().filter(|object| object["kind"] != "ConfigMap") {
            let text = object.to_string();
            for name in text.split("\"name\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(!name.starts_with("HEXABASE_") || known.contains(name), "{}: {name}", id(object));
            }
        }
    }
}

#[test]
fn host_setup_of_the_chart_is_that_of_the_program() {
    let file = chart().join("files/host-setup.yaml");
    let current = program(&["host-setup"]);
    if std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file).unwrap() == current,
        "files/host-setup.yaml is out of date; run this test again with HEXABASE_TEST_UPDATE=1"
    );
    let case = quick().with("/hostSetup/enabled", json!(true));
    let without = quick().render().len();
    for version in HELM_VERSIONS {
        let rendered = case.render_chart(version, &chart());
        let setup = parse(&current);
        assert_eq!(rendered.len(), without + setup.len());
        for mut object in setup {
            // Uninstalling the release must not delete the policies that restrict tenants.
            object["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
            assert_eq!(find(&rendered, &id(&object)), &object, "{version}");
        }
    }
    // The ServiceAccount of the manifest is that of the pods.
    let pods = find(&quick().render(), "Deployment/main-hexabase")["spec"]["template"]["spec"].clone();
    assert_eq!(pods["serviceAccountName"], "hexabase");
    let config = find(&quick().render(), "ConfigMap/main-hexabase")["data"]["hexabase.toml"].clone();
    assert!(config.as_str().unwrap().contains("host_service_account = \"hexabase-system/hexabase\""));
    let elsewhere = Case { namespace: "platform", ..quick() };
    let config = find(&elsewhere.render(), "ConfigMap/main-hexabase")["data"]["hexabase.toml"].clone();
    assert!(config.as_str().unwrap().contains("host_service_account = \"platform/hexabase\""));
}

#[test]
fn kubeconfigs_of_the_chart_are_valid_and_have_no_credentials() {
    for case in cases() {
        let config = find(&case.render(), "ConfigMap/main-hexabase")["data"].clone();
        for (name, content) in
            config.as_object().unwrap().iter().filter(|(name, _)| name.ends_with(".kubeconfig"))
        {
            let parsed = kube::config::Kubeconfig::from_yaml(content.as_str().unwrap()).unwrap();
            let user = parsed.auth_infos.first().and_then(|user| user.auth_info.as_ref());
            let token_file = user.and_then(|user| user.token_file.clone());
            assert_eq!(token_file.is_some(), name == "host.kubeconfig", "{} {name}", case.name);
            assert!(user.is_none_or(|user| user.token.is_none() && user.client_key_data.is_none()));
            let server = parsed.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
            assert!(server.starts_with("https://"), "{server}");
        }
    }
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let manifest: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap();
    assert_eq!(manifest["appVersion"], env!("CARGO_PKG_VERSION"));
    let images = manifest["annotations"]["artifacthub.io/images"].as_str().unwrap();
    assert!(images.contains(&format!("hexabase:{}\n", env!("CARGO_PKG_VERSION"))), "{images}");
    let stack = std::fs::read_to_string(repository().join("deploy/chart/hexabase-stack/Chart.yaml")).unwrap();
    let stack: Value = serde_saphyr::from_str(&stack).unwrap();
    let dependency =
        stack["dependencies"].as_array().unwrap().iter().find(|one| one["name"] == "hexabase").unwrap();
    assert_eq!(dependency["version"], manifest["version"]);
}
