//! Rendered objects are valid, in every combination of switches.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use hexabase_test_servers::peer;
use serde_json::{Value, json};

use crate::helm::{
    Case, HELM_VERSIONS, cases, chart, cloud_native_pg, everything, find, helm, high_availability, id, quick,
    repository, text, tool,
};

/// Versions of Kubernetes whose schemas `kubernetes-validate` has, from the oldest supported one.
const KUBERNETES_VERSIONS: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];

/// API groups of custom resources.
const CUSTOM: [&str; 3] = ["monitoring.coreos.com/", "gateway.networking.k8s.io/", "postgresql.cnpg.io/"];

fn is_custom(object: &Value) -> bool {
    CUSTOM.iter().any(|group| object["apiVersion"].as_str().unwrap().starts_with(group))
}

#[test]
fn both_versions_of_helm_accept_the_chart_and_render_the_same_objects() {
    for case in cases() {
        let rendered = HELM_VERSIONS.map(|version| {
            let linted = case.run(version, &["lint", "--strict"], &chart());
            assert!(linted.status.success(), "{} with {version}: {}", case.name, text(&linted));
            let mut objects = case.render_chart(version, &chart());
            objects.sort_by_key(id);
            objects
        });
        assert_eq!(rendered[0], rendered[1], "{}", case.name);
        let ids: Vec<String> = rendered[0].iter().map(id).collect();
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{}: {ids:?}", case.name);
    }
}

#[test]
fn built_in_kinds_are_valid_in_every_supported_version_of_kubernetes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    let cases = cases();
    let objects = cases.iter().flat_map(Case::render).filter(|object| !is_custom(object));
    // Most objects are the same in several cases.
    let distinct: BTreeSet<String> = objects.map(|object| object.to_string()).collect();
    let documents: Vec<&str> = distinct.iter().map(String::as_str).collect();
    std::fs::write(&file, documents.join("\n---\n")).unwrap();
    for version in KUBERNETES_VERSIONS {
        let mut validate = tool(".venv/bin/kubernetes-validate");
        let output = validate.args(["-k", version, "--strict", "--quiet"]).arg(&file).output().unwrap();
        assert!(output.status.success(), "Kubernetes {version}: {}", text(&output));
    }
    // The validator finds what is wrong.
    let mut wrong = find(&quick().render(), "Deployment/main-hexabase").clone();
    wrong["spec"]["replica"] = json!(1);
    let file = folder.path().join("wrong.yaml");
    std::fs::write(&file, wrong.to_string()).unwrap();
    let mut validate = tool(".venv/bin/kubernetes-validate");
    assert!(!validate.args(["--strict"]).arg(&file).output().unwrap().status.success());
}

/// Validates custom resources against the schemas of their projects.
pub(crate) fn validate_custom_resources(objects: &[Value]) -> Output {
    let (node, script) = peer("custom_resources.mjs");
    let mut command = std::process::Command::new(&node);
    let mut process = command.arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(json!(objects).to_string().as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

#[test]
fn custom_resources_are_valid_by_the_schemas_of_their_projects() {
    // There is no package with the schemas of CloudNativePG.
    let has_schema = |object: &Value| {
        is_custom(object) && !object["apiVersion"].as_str().unwrap().starts_with("postgresql")
    };
    let objects: Vec<Value> = everything().render().into_iter().filter(has_schema).collect();
    assert!(objects.len() >= 3, "{objects:?}");
    let output = validate_custom_resources(&objects);
    assert!(output.status.success(), "{}", text(&output));
    let mut wrong = find(&objects, "HTTPRoute/main-hexabase").clone();
    wrong["spec"]["rules"][0]["backendRefs"][0]["port"] = json!("http");
    assert!(!validate_custom_resources(&[wrong]).status.success());
}

#[test]
fn the_database_cluster_has_the_roles_of_the_script() {
    let objects = cloud_native_pg().render();
    let cluster = &find(&objects, "Cluster/main-hexabase-database")["spec"];
    assert_eq!(cluster["bootstrap"]["initdb"]["owner"], "hexabase_owner");
    let statements = cluster["bootstrap"]["initdb"]["postInitApplicationSQL"].as_array().unwrap();
    assert_eq!(
        statements,
        &[json!("CREATE ROLE hexabase_app NOLOGIN"), json!("GRANT hexabase_app TO hexabase_owner")]
    );
    let server = &cluster["managed"]["roles"][0];
    assert_eq!((&server["name"], &server["inherit"]), (&json!("hexabase_server"), &json!(false)));
    assert_eq!(server["inRoles"], json!(["hexabase_app"]));
    let script = std::fs::read_to_string(repository().join("deploy/postgres-roles.sh")).unwrap();
    for line in [
        "CREATE ROLE hexabase_app NOLOGIN;",
        "CREATE ROLE hexabase_owner LOGIN PASSWORD :'password' IN ROLE hexabase_app;",
        "CREATE ROLE hexabase_server LOGIN NOINHERIT PASSWORD :'password' IN ROLE hexabase_app;",
        "CREATE DATABASE hexabase OWNER hexabase_owner;",
    ] {
        assert!(script.contains(line), "{line}");
    }
    let backup = &find(&objects, "ScheduledBackup/main-hexabase-database")["spec"];
    assert_eq!(backup["cluster"]["name"], "main-hexabase-database");
}

#[test]
fn selectors_stay_the_same_while_the_migration_follows_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let next = copy_chart(folder.path(), "version: 0.1.0", "version: 9.9.9");
    let manifest = next.join("Chart.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("appVersion: \"0.1.0\"", "appVersion: \"9.9.9\"")).unwrap();
    let selectors = |objects: &[Value]| -> Vec<(String, Value)> {
        let selector = |object: &Value| {
            let selector = object.pointer("/spec/selector").or(object.pointer("/spec/podSelector"));
            selector.map(|selector| (id(object), selector.clone()))
        };
        objects.iter().filter_map(selector).collect()
    };
    for case in [quick(), high_availability(), everything()] {
        let (old, new) = (case.render(), case.render_chart(HELM_VERSIONS[1], &next));
        assert_eq!(selectors(&old), selectors(&new), "{}", case.name);
        for (object, selector) in selectors(&old) {
            let labels = selector.get("matchLabels").unwrap_or(&selector).as_object().unwrap();
            let allowed = ["name", "instance", "component"].map(|label| format!("app.kubernetes.io/{label}"));
            let unknown =
                labels.keys().find(|label| !allowed.contains(label) && *label != "hexabase.ai/metrics");
            assert_eq!(unknown, None, "{object}");
        }
    }

    let job = |objects: &[Value]| objects.iter().map(id).find(|id| id.starts_with("Job/")).unwrap();
    let case = high_availability();
    let first = job(&case.render());
    assert_eq!(job(&case.clone().with("/api/replicas", json!(7)).render()), first);
    assert_eq!(job(&case.clone().with("/config/concurrency", json!(7)).render()), first);
    assert_ne!(job(&case.render_chart(HELM_VERSIONS[1], &next)), first, "another image");
    assert_ne!(job(&case.clone().with("/database/ownerSecret", json!("other")).render()), first);
    let restarted = |case: &Case| {
        let deployment = find(&case.render(), "Deployment/main-hexabase-api").clone();
        deployment["spec"]["template"]["metadata"]["annotations"].clone()
    };
    assert_ne!(restarted(&case), restarted(&case.clone().with("/config/concurrency", json!(7))));
    assert_ne!(restarted(&case), restarted(&case.clone().with("/secretChecksum", json!("2"))));
    assert_eq!(restarted(&case), restarted(&case.clone().with("/api/replicas", json!(7))));
}

/// Copies the chart into a folder, with a replacement in its Chart.yaml.
pub(crate) fn copy_chart(folder: &Path, from: &str, to: &str) -> std::path::PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let copied = std::process::Command::new("cp").arg("-r").arg(chart()).arg(folder).status().unwrap();
    assert!(copied.success());
    let copy = folder.join("hexabase");
    let manifest = copy.join("Chart.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
    copy
}

#[test]
fn chart_has_no_hooks_but_those_of_tests() {
    for case in cases() {
        for object in case.render() {
            let annotations = object["metadata"]["annotations"].as_object();
            let hook = annotations.and_then(|all| all.get("helm.sh/hook"));
            assert!(hook.is_none_or(|hook| hook == "test"), "{}", id(&object));
        }
    }
}

#[test]
fn chart_can_be_a_subchart() {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path().join("parent");
    std::fs::create_dir_all(parent.join("charts")).unwrap();
    copy_chart(&parent.join("charts"), "version: 0.1.0", "version: 0.1.0");
    let manifest = "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- name: hexabase\n  version: 0.1.0\n  \
                    condition: hexabase.enabled\n";
    std::fs::write(parent.join("Chart.yaml"), manifest).unwrap();
    let direct = high_availability();
    let mut values = direct.values.clone();
    values["masterKey"] = json!({ "existingSecret": "key" });
    values["database"] = json!({ "existingSecret": "a", "ownerSecret": "b" });
    values["redis"] = json!({ "existingSecret": "c" });
    values["queue"] = json!({ "existingSecret": "d" });
    values["enabled"] = json!(true);
    let global = json!({ "hexabase": values, "global": { "storageClass": "fast" } });
    let nested = Case { file: "", values: global, ..direct };
    for version in HELM_VERSIONS {
        let objects = nested.render_chart(version, &parent);
        find(&objects, "Deployment/main-hexabase-api");
    }
    let off = nested.with("/hexabase/enabled", json!(false));
    assert_eq!(off.render_chart(HELM_VERSIONS[0], &parent), Vec::<Value>::new());
}

#[test]
fn umbrella_chart_connects_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let stack = folder.path().join("hexabase-stack");
    let source = repository().join("deploy/chart/hexabase-stack");
    assert!(std::process::Command::new("cp").arg("-r").arg(&source).arg(&stack).status().unwrap().success());
    let manifest: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(stack.join("Chart.yaml")).unwrap()).unwrap();
    // The charts of Valkey and NATS are not part of this repository: placeholders of the same versions stand in.
    for dependency in manifest["dependencies"].as_array().unwrap() {
        let (name, version) = (dependency["name"].as_str().unwrap(), dependency["version"].as_str().unwrap());
        if name == "hexabase" {
            copy_chart(&stack.join("charts"), "version: 0.1.0", &format!("version: {version}"));
            continue;
        }
        assert!(dependency["repository"].as_str().unwrap().starts_with("https://"), "{dependency}");
        let placeholder = stack.join("charts").join(name);
        std::fs::create_dir_all(&placeholder).unwrap();
        let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        std::fs::write(placeholder.join("Chart.yaml"), text).unwrap();
    }
    let mut case = cloud_native_pg();
    case.values = json!({ "hexabase": {
        "publicUrl": "https://hexabase.example.com",
        "database": { "cnpg": { "serverSecret": "server", "ownerSecret": "owner" } },
    } });
    for version in HELM_VERSIONS {
        let objects = case.render_chart(version, &stack);
        let api = find(&objects, "Deployment/main-hexabase-api");
        let environment = api.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
        let value = |name: &str| {
            environment.iter().find(|variable| variable["name"] == name).unwrap()["value"].clone()
        };
        assert_eq!(value("HEXABASE_REDIS_URL"), "redis://main-valkey:6379");
        assert_eq!(value("HEXABASE_NATS_URL"), "nats://main-nats:4222");
        // Both have no passwords.
        let client = &api["spec"]["template"]["metadata"]["labels"];
        for (name, port) in [("valkey", 6379), ("nats", 4222)] {
            let policy = &find(&objects, &format!("NetworkPolicy/main-{name}-clients"))["spec"];
            assert_eq!(policy["podSelector"]["matchLabels"]["app.kubernetes.io/name"], name);
            assert_eq!(policy["ingress"][0]["ports"][0]["port"], port);
            let admitted = policy["ingress"][0]["from"][0]["podSelector"]["matchLabels"].as_object().unwrap();
            assert!(admitted.iter().all(|(label, value)| client[label] == *value), "{admitted:?}");
        }
    }
}

#[test]
fn monitoring_objects_have_the_files_of_the_chart() {
    let objects = everything().render();
    let files = |folder: &str| -> Vec<std::path::PathBuf> {
        let found = std::fs::read_dir(chart().join("files").join(folder));
        found.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let rules = files("alerts");
    assert!(!rules.is_empty());
    for file in rules {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let rule = find(&objects, &format!("PrometheusRule/main-hexabase-{stem}"));
        let content: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(rule["spec"], content, "{stem}");
    }
    for file in files("dashboards") {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let config = find(&objects, &format!("ConfigMap/main-hexabase-dashboard-{stem}"));
        assert_eq!(config["metadata"]["labels"]["grafana_dashboard"], "1");
        let text = config["data"][format!("{stem}.json")].as_str().unwrap();
        assert_eq!(text, std::fs::read_to_string(&file).unwrap(), "{stem}");
        serde_json::from_str::<Value>(text).unwrap();
    }
    let monitor = find(&objects, "ServiceMonitor/main-hexabase");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let ports: Vec<&Value> =
        monitor["spec"]["endpoints"].as_array().unwrap().iter().map(|one| &one["port"]).collect();
    let metrics: Vec<&Value> = objects
        .iter()
        .filter(|object| object["metadata"]["labels"]["hexabase.ai/metrics"] == "true")
        .collect();
    assert_eq!(metrics.len(), 2, "API and worker");
    for service in metrics {
        assert!(ports.iter().all(|port| **port == service["spec"]["ports"][0]["name"]));
    }
}

#[test]
fn helm_version_is_one_of_the_documented_ones() {
    let folder = tempfile::tempdir().unwrap();
    let document = std::fs::read_to_string(repository().join("docs/install.md")).unwrap();
    for version in HELM_VERSIONS {
        let output = helm(version, folder.path()).args(["version", "--short"]).output().unwrap();
        let number = String::from_utf8(output.stdout).unwrap();
        let minor = number.trim_start_matches('v').rsplitn(2, '.').last().unwrap().split('.').take(2);
        let minor = minor.collect::<Vec<_>>().join(".");
        assert!(document.contains(&minor), "docs/install.md does not name Helm {minor}");
    }
}
