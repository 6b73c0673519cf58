//! The monitoring services of Docker Compose.

use std::collections::BTreeSet;

use hexabase_test_servers::{check_alertmanager_config, check_prometheus_config};
use regex_lite::Regex;
use serde_json::{Value, json};

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
    let finding = finding.captures(&findings).unwrap()[1].to_owned();
    let config = read_yaml(&folder.join("alertmanager.yml"));
    let routes = config["route"]["routes"].as_array().unwrap();
    let of_findings = json!([format!("alertname = \"{finding}\"")]);
    let route = routes.iter().find(|route| route["matchers"] == of_findings).unwrap();
    assert_eq!(route["receiver"], "operators", "findings of Falco are for operators");
    known.insert(finding);
    let text = read(&folder.join("alertmanager.yml"));
    let named: Vec<_> = Regex::new("alertname = \"([A-Za-z]+)\"").unwrap().captures_iter(&text).collect();
    assert!(named.len() > 5);
    for found in named {
        assert!(known.contains(&found[1]), "no alert {}", &found[1]);
    }
}

#[test]
fn the_documented_route_of_findings_to_a_tenant_excludes_those_of_operators() {
    let documentation = read(&repository().join("docs/security-hardening.md"));
    let tags = Regex::new("tags =~ \"([^\"]+)\"").unwrap().captures(&documentation).unwrap()[1].to_owned();
    // Alertmanager anchors the expression.
    let tags = Regex::new(&format!("^(?:{tags})$")).unwrap();
    let rules = read_yaml(&repository().join("deploy/falco/rules.yaml"));
    let (mut for_tenants, mut for_operators) = (0, 0);
    for rule in rules.as_array().unwrap().iter().filter(|rule| rule["rule"].is_string()) {
        // falcosidekick joins the sorted tags in a label.
        let mut names: Vec<&str> =
            rule["tags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        names.sort_unstable();
        let is_for_tenant = names.contains(&"tenant");
        assert_eq!(tags.is_match(&names.join(",")), is_for_tenant, "{names:?}");
        *(if is_for_tenant { &mut for_tenants } else { &mut for_operators }) += 1;
    }
    assert!(for_tenants > 0 && for_operators > 0);
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
