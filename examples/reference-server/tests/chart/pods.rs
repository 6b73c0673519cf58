//! Pods of the chart: isolation, resources, connections.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::helm::{cases, cloud_native_pg, everything, find, high_availability, id, quick};

/// Pod of an object, with the labels of its template.
struct Pod<'a> {
    id: String,
    labels: &'a Value,
    spec: &'a Value,
}

fn pods(objects: &[Value]) -> Vec<Pod<'_>> {
    let pod = |object| {
        let path = match object_kind(object) {
            "Pod" => "",
            "Deployment" | "Job" => "/spec/template",
            "CronJob" => "/spec/jobTemplate/spec/template",
            _ => return None,
        };
        let template: &Value = object.pointer(path).unwrap();
        Some(Pod { id: id(object), labels: &template["metadata"]["labels"], spec: &template["spec"] })
    };
    objects.iter().filter_map(pod).collect()
}

fn object_kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn containers<'a>(pod: &Pod<'a>) -> Vec<&'a Value> {
    let of = |field: &str| pod.spec[field].as_array().into_iter().flatten().collect::<Vec<_>>();
    [of("initContainers"), of("containers")].concat()
}

fn component<'a>(pod: &Pod<'a>) -> &'a str {
    pod.labels["app.kubernetes.io/component"].as_str().unwrap()
}

#[test]
fn pods_meet_the_restricted_pod_security_standard() {
    for case in cases() {
        let objects = case.render();
        let all = pods(&objects);
        assert!(all.len() >= 3, "{}", case.name);
        for pod in all {
            let (spec, name) = (pod.spec, format!("{} {}", case.name, pod.id));
            let security = &spec["securityContext"];
            assert_eq!(security["runAsNonRoot"], true, "{name}");
            assert!(security["runAsUser"].as_u64().unwrap() >= 10_000, "{name}");
            assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            assert_eq!(spec["enableServiceLinks"], false, "{name}");
            assert_eq!(spec["automountServiceAccountToken"], false, "{name}");
            for field in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(spec.get(field).is_none(), "{name}");
            }
            let allowed = ["configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret", "name"];
            for volume in spec["volumes"].as_array().into_iter().flatten() {
                let kinds = volume.as_object().unwrap().keys();
                assert!(kinds.into_iter().all(|kind| allowed.contains(&kind.as_str())), "{name}: {volume}");
            }
            for container in containers(&pod) {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
                assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
                assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
                let resources = &container["resources"];
                for quantity in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
                    assert!(resources.pointer(quantity).is_some(), "{name}: {quantity}");
                }
            }
        }
    }
}

#[test]
fn only_processes_that_act_on_the_host_have_credentials_for_it() {
    for case in cases() {
        let objects = case.render();
        for pod in pods(&objects) {
            let text = pod.spec.to_string();
            let acts_on_host = ["worker", "serve"].contains(&component(&pod));
            let in_cluster = case.values.pointer("/host/type").is_none();
            let name = format!("{} {}", case.name, pod.id);
            assert_eq!(text.contains("serviceAccountToken"), acts_on_host && in_cluster, "{name}");
            assert_eq!(pod.spec.get("serviceAccountName").is_some(), acts_on_host && in_cluster, "{name}");
            let kubeconfig = case.values.pointer("/host/existingSecret").is_some();
            assert_eq!(text.contains(r#""secretName":"host""#), acts_on_host && kubeconfig, "{name}");
            // The owner of the tables is for migrations and backups.
            let owner = text.contains("owner");
            assert!(!owner || ["migrate", "backup"].contains(&component(&pod)), "{name}");
            // Migrations and tests have no other secret.
            let master_key = text.contains("master-key");
            assert_eq!(master_key, ["api", "worker", "serve"].contains(&component(&pod)), "{name}");
        }
    }
}

#[test]
fn no_object_contains_a_secret() {
    let names_secret = |name: &str| {
        let parts =
            ["PASSWORD", "SECRET", "TOKEN", "DATABASE_URL", "REDIS_URL", "NATS_URL", "SMTP_URL", "STRIPE_"];
        name != "HEXABASE_MASTER_KEY_FILE" && parts.iter().any(|part| name.contains(part))
    };
    for case in cases() {
        let objects = case.render();
        assert!(objects.iter().all(|object| object_kind(object) != "Secret"), "{}", case.name);
        for pod in pods(&objects) {
            for variable in
                containers(&pod).iter().flat_map(|container| container["env"].as_array()).flatten()
            {
                let (name, value) = (variable["name"].as_str().unwrap(), variable["value"].as_str());
                assert_ne!(name, "HEXABASE_MASTER_KEY", "{}", pod.id);
                // A URL may be in the values if it has no password.
                let without_secret = value.is_none_or(|value| {
                    value.starts_with("sqlite://")
                        || value.contains("$(DATABASE_PASSWORD)")
                        || (value.contains("://") && !value.contains('@'))
                });
                assert!(!names_secret(name) || without_secret, "{}: {variable}", pod.id);
            }
        }
        let config = find(&objects, "ConfigMap/main-hexabase")["data"].to_string();
        for word in ["password", "client_secret", "PRIVATE KEY"] {
            assert!(!config.contains(word), "{}: {word}", case.name);
        }
    }
}

#[test]
fn every_container_with_the_url_of_a_database_has_its_authority() {
    for case in [everything(), cloud_native_pg()] {
        let objects = case.render();
        let (mut count, wanted) =
            (0, json!({ "name": "database", "mountPath": "/etc/hexabase/database", "readOnly": true }));
        for pod in pods(&objects) {
            for container in containers(&pod) {
                let has = |field: &str, name: &str| container[field].to_string().contains(name);
                if has("env", "HEXABASE_DATABASE_URL") {
                    count += 1;
                    let mounts = container["volumeMounts"].as_array().unwrap();
                    assert!(mounts.contains(&wanted), "{} {}: {mounts:?}", case.name, pod.id);
                    let volumes = pod.spec["volumes"].as_array().unwrap();
                    let volume = volumes.iter().find(|volume| volume["name"] == "database").unwrap();
                    // The Secret of CloudNativePG contains the key of the CA as well.
                    let items = json!([{ "key": "ca.crt", "path": "ca.crt" }]);
                    assert!(
                        volume.get("configMap").is_some() || volume["secret"]["items"] == items,
                        "{volume}"
                    );
                }
            }
        }
        assert!(count >= 5, "{}: {count}", case.name);
    }
}

#[test]
fn services_and_network_policies_lead_to_ports_of_pods() {
    let matches = |selector: &Value, pod: &Pod<'_>| {
        let labels = selector.get("matchLabels").unwrap_or(selector).as_object().unwrap();
        labels.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    };
    for case in cases() {
        let objects = case.render();
        let all = pods(&objects);
        let port_names = |pod: &Pod<'_>| -> BTreeSet<String> {
            let ports =
                containers(pod).into_iter().flat_map(|container| container["ports"].as_array()).flatten();
            ports.map(|port| port["name"].as_str().unwrap().to_owned()).collect()
        };
        for service in objects.iter().filter(|object| object_kind(object) == "Service") {
            let selected: Vec<&Pod<'_>> =
                all.iter().filter(|pod| matches(&service["spec"]["selector"], pod)).collect();
            assert_eq!(selected.len(), 1, "{} {}", case.name, id(service));
            for port in service["spec"]["ports"].as_array().unwrap() {
                assert!(port_names(selected[0]).contains(port["targetPort"].as_str().unwrap()));
            }
        }
        let policies: Vec<&Value> =
            objects.iter().filter(|object| object_kind(object) == "NetworkPolicy").collect();
        if case.name == "no-policies" {
            assert!(policies.is_empty());
            continue;
        }
        for pod in &all {
            let applied: Vec<&&Value> =
                policies.iter().filter(|policy| matches(&policy["spec"]["podSelector"], pod)).collect();
            // The default, and that of the component.
            assert_eq!(applied.len(), 2, "{} {}", case.name, pod.id);
            for policy in applied {
                assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
                for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
                    for port in rule["ports"].as_array().unwrap() {
                        assert!(
                            port_names(pod).contains(port["port"].as_str().unwrap()),
                            "{} {port}",
                            pod.id
                        );
                    }
                }
            }
        }
        let default = find(&objects, "NetworkPolicy/main-hexabase-default");
        assert!(default["spec"].get("ingress").is_none(), "nothing is allowed by default");
    }
}

#[test]
fn metrics_are_not_reachable_through_a_route() {
    let objects = everything().render();
    let route = find(&objects, "HTTPRoute/main-hexabase");
    assert_eq!(route["spec"]["hostnames"], json!(["hexabase.example.com"]));
    let service = find(&objects, "Service/main-hexabase");
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    for rule in route["spec"]["rules"].as_array().unwrap() {
        assert_eq!(rule["backendRefs"], json!([{ "name": "main-hexabase", "port": 80 }]));
    }
    let ingress = find(&objects, "Ingress/main-hexabase");
    let backend = ingress.pointer("/spec/rules/0/http/paths/0/backend/service").unwrap();
    assert_eq!(backend, &json!({ "name": "main-hexabase", "port": { "name": "http" } }));
    // Metrics have a port of their own, so the other one does not serve them.
    for pod in pods(&objects).iter().filter(|pod| ["api", "worker"].contains(&component(pod))) {
        let environment = pod.spec["containers"][0]["env"].to_string();
        assert!(environment.contains(r#""HEXABASE_METRICS_LISTEN","value":"[::]:9090""#), "{environment}");
    }
}

#[test]
fn updates_and_disruptions_leave_pods_that_serve() {
    let objects = high_availability().render();
    for component in ["api", "worker"] {
        let name = format!("main-hexabase-{component}");
        let deployment = &find(&objects, &format!("Deployment/{name}"))["spec"];
        assert_eq!(deployment["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
        assert_eq!(deployment["replicas"], 3);
        let budget = &find(&objects, &format!("PodDisruptionBudget/{name}"))["spec"];
        assert_eq!(budget["selector"], deployment["selector"]);
        let spec = &deployment["template"]["spec"];
        let spread = spec["topologySpreadConstraints"].as_array().unwrap();
        assert_eq!(spread.len(), 2);
        assert!(spread.iter().all(|one| one["labelSelector"] == deployment["selector"]));
        let container = &spec["containers"][0];
        for (probe, path) in
            [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
        {
            assert_eq!(
                container[probe]["httpGet"],
                json!({ "path": path, "port": "http" }),
                "{component} {probe}"
            );
        }
        let wait = &spec["initContainers"][0];
        assert_eq!(wait["args"], json!(["migrate", "--check", "--wait", "10m"]));
    }
    // One process has SQLite: a second one never starts beside it.
    assert_eq!(find(&quick().render(), "Deployment/main-hexabase")["spec"]["strategy"]["type"], "Recreate");
    assert!(find(&everything().render(), "Deployment/main-hexabase-api")["spec"].get("replicas").is_none());
}
