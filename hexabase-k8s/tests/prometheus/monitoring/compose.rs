//! The monitoring services of Docker Compose.

use std::collections::BTreeSet;

use hexabase_test_servers::{check_alertmanager_config, check_prometheus_config};
use regex_lite::Regex;
use serde_json::Value;

use super::{read, read_yaml, repository, rules};

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_configurations_are_valid() {
    let folder = repository().join("deploy/monitoring");
    check_prometheus_config(&folder.join("prometheus.yml"));
    check_alertmanager_config(&folder.join("alertmanager.yml"));
    // Every alert that the configuration of Alertmanager names exists.
    let mut known: BTreeSet<String> =
        rules().iter().filter_map(|rule| Some(rule["alert"].as_str()?.to_owned())).collect();
    let findings = read(&repository().join("deploy/falco/falcosidekick.yaml"));
    let finding = Regex::new("extralabels: alertname:([A-Za-z]+)").unwrap();
    known.insert(finding.captures(&findings).unwrap()[1].to_owned());
    let text = read(&folder.join("alertmanager.yml"));
    let named: Vec<_> = Regex::new("alertname = \"([A-Za-z]+)\"").unwrap().captures_iter(&text).collect();
    assert!(named.len() > 5);
    for found in named {
        assert!(known.contains(&found[1]), "no alert {}", &found[1]);
    }
}

#[test]
fn services_mounts_settings_and_targets_exist() {
    let deploy = repository().join("deploy");
    let base = read_yaml(&deploy.join("compose.yaml"));
    let monitoring = read_yaml(&deploy.join("compose.monitoring.yaml"));
    let options = read(&repository().join("examples/reference-server/src/options.rs"));
    let pinned = Regex::new(r"^[a-z/]+:v?[0-9.]+@sha256:[0-9a-f]{64}$").unwrap();
    let base_services = names(&base["services"]);
    for (name, service) in monitoring["services"].as_object().unwrap() {
        let has_image = service["image"].is_string();
        assert_eq!(base_services.contains(name.as_str()), !has_image, "{name}");
        if has_image {
            let image = service["image"].as_str().unwrap();
            assert!(pinned.is_match(image), "{name}: {image} lacks a version or a digest");
        } else {
            for variable in names(&service["environment"]) {
                assert!(options.contains(&format!("\"{variable}\"")), "{name}: no setting {variable}");
            }
        }
        for mount in service["volumes"].as_array().into_iter().flatten() {
            let source = mount.as_str().unwrap().split(':').next().unwrap();
            let exists = match source.strip_prefix("./") {
                Some(path) => deploy.join(path).exists(),
                None => names(&monitoring["volumes"]).contains(source),
            };
            assert!(exists, "{name} mounts {source}, which does not exist");
        }
    }
    let prometheus = read_yaml(&deploy.join("monitoring/prometheus.yml"));
    for job in prometheus["scrape_configs"].as_array().unwrap() {
        for target in job["static_configs"][0]["targets"].as_array().unwrap() {
            let (service, port) = target.as_str().unwrap().split_once(':').unwrap();
            assert!(base_services.contains(service), "no service {service}");
            let listen = &monitoring["services"][service]["environment"]["HEXABASE_METRICS_LISTEN"];
            assert!(listen.as_str().unwrap().ends_with(&format!(":{port}")), "{service}: {listen}");
        }
    }
}
