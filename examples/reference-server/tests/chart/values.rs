//! Values of the chart, their schema, and the messages for missing ones.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{Case, chart, cloud_native_pg, configuration, high_availability, quick};

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

/// Returns the paths of all properties of a schema, down to definitions and open objects.
fn schema_paths(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        schema_paths(property, &path, paths);
        paths.insert(path);
    }
}

fn value_paths(value: &Value, path: &str, paths: &mut BTreeSet<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        value_paths(value, &path, paths);
        paths.insert(path);
    }
}

#[test]
fn the_schema_and_the_documented_values_have_the_same_keys() {
    let (mut documented, mut known) = (BTreeSet::new(), BTreeSet::new());
    let values = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    value_paths(&serde_saphyr::from_str(&values).unwrap(), "", &mut documented);
    schema_paths(&schema(), "", &mut known);
    // Options of the program are documented by `--help`; labels, quantities and the like have any keys.
    known.retain(|path| !path.starts_with("/config/"));
    let open = ["/config/", "/resources/", "/labels/"];
    documented.retain(|path| !open.iter().any(|part| path.contains(part)));
    assert_eq!(documented, known);
}

#[test]
fn every_object_of_the_schema_rejects_unknown_keys() {
    fn check(schema: &Value, path: &str) {
        if let Some(properties) = schema.get("properties") {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (name, property) in properties.as_object().unwrap() {
                check(property, &format!("{path}/{name}"));
            }
        }
    }
    check(&schema(), "");
}

#[test]
fn unknown_and_invalid_values_are_rejected() {
    let cases: [(&str, Value, &str); 13] = [
        ("/replica", json!(1), "replica"),
        ("/api/replica", json!(1), "replica"),
        ("/api/replicas", json!("three"), "replicas"),
        ("/mode", json!("ha"), "mode"),
        ("/publicUrl", json!("hexabase.example.com"), "publicUrl"),
        ("/publicUrl", json!("https://hexabase.example.com/path"), "publicUrl"),
        ("/config/requests_per_minutes", json!(1), "requests_per_minutes"),
        ("/config/requests_per_minute", json!("many"), "requests_per_minute"),
        ("/config/database_url", json!("postgres://a:b@c/d"), "database_url"),
        ("/config/prometheus_url", json!("http://user:password@prometheus"), "prometheus_url"),
        ("/config/providers", json!({ "google": { "client_secret": "x" } }), "client_secret"),
        ("/redis/url", json!("redis://:password@redis:6379"), "url"),
        ("/image/digest", json!("latest"), "digest"),
    ];
    for (pointer, value, expected) in cases {
        let error = high_availability().with(pointer, value).error();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn missing_values_are_named_with_the_command_that_creates_them() {
    let without = |case: Case, pointer: &str| case.with(pointer, json!(""));
    let ha = high_availability;
    let host = json!({ "type": "kubeconfig", "existingSecret": "host" });
    let cases: [(Case, &[&str]); 17] = [
        (without(quick(), "/publicUrl"), &["publicUrl is required", "--set publicUrl="]),
        (
            without(quick(), "/masterKey/existingSecret"),
            &[
                "masterKey.existingSecret is required",
                "kubectl -n hexabase-system create secret generic hexabase-master-key",
                "openssl rand -base64 32",
            ],
        ),
        (
            without(ha(), "/database/existingSecret"),
            &["database.existingSecret", "postgres://hexabase_server:"],
        ),
        (without(ha(), "/database/ownerSecret"), &["database.ownerSecret", "postgres://hexabase_owner:"]),
        (
            without(ha(), "/redis/existingSecret"),
            &["redis.url or redis.existingSecret", "create secret generic"],
        ),
        (without(ha(), "/queue/existingSecret"), &["queue.url or queue.existingSecret", "hexabase-nats"]),
        (
            without(cloud_native_pg(), "/database/cnpg/serverSecret"),
            &["database.cnpg.serverSecret", "--type=kubernetes.io/basic-auth", "username=hexabase_server"],
        ),
        (without(cloud_native_pg(), "/database/cnpg/ownerSecret"), &["username=hexabase_owner"]),
        (
            quick().with("/host/type", json!("kubeconfig")),
            &["host.existingSecret", "--from-file=kubeconfig="],
        ),
        (ha().with("/host", host), &["host.server is required"]),
        (ha().with("/host/type", json!("sandbox")), &["requires the mode quick"]),
        (
            Case { namespace: "other", ..quick() }.with("/hostSetup/enabled", json!(true)),
            &["hexabase host-setup --host-service-account other/hexabase | kubectl apply --server-side -f -"],
        ),
        (
            quick()
                .with("/hostSetup/enabled", json!(true))
                .with("/config/label_domain", json!("acme.example")),
            &["default label domain"],
        ),
        (ha().with("/smtp/existingSecret", json!("smtp")), &["config.mail_from is required"]),
        (ha().with("/httpRoute/enabled", json!(true)), &["httpRoute.parentRefs is required"]),
        (quick().with("/backup/cronJob/enabled", json!(true)), &["snapshots of the volume"]),
        (ha().with("/backup/cnpg/enabled", json!(true)), &["requires database.cnpg.enabled"]),
    ];
    for (case, expected) in cases {
        let error = case.error();
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn numbers_lists_and_tables_become_toml() {
    let mut case = quick();
    case.values["config"] = configuration();
    let objects = case.render();
    let text = crate::helm::find(&objects, "ConfigMap/main-hexabase")["data"]["hexabase.toml"].clone();
    let toml: toml::Table = toml::from_str(text.as_str().unwrap()).unwrap();
    let mut expected = configuration();
    expected["log"] = json!("json");
    expected["public_url"] = json!("https://hexabase.example.com");
    expected["host_service_account"] = json!("hexabase-system/hexabase");
    assert_eq!(serde_json::to_value(toml).unwrap(), expected);
}
