//! Objects with which a Prometheus of the host scrapes tenant API servers.

use super::*;
use crate::scraping::{TenantScraping, is_kept};

fn config(scraping: TenantScraping) -> HostConfig {
    HostConfig { scraping, ..HostConfig::default() }
}

/// `true` if a text matches a pattern of RE2, the syntax of Prometheus and of CEL.
fn matches(text: &str, pattern: &str) -> bool {
    let env = std::sync::Arc::new(cel::Env::stdlib());
    let program = env.compile("text.matches(pattern)").unwrap();
    let mut context = cel::Context::with_env(env);
    for (name, value) in [("text", text), ("pattern", pattern)] {
        context.add_variable_from_value(name, cel::Value::from(value.to_owned()));
    }
    program.execute(&context).unwrap() == cel::Value::Bool(true)
}

fn named(objects: &[Object], kind: Kind, name: &str) -> Option<Value> {
    objects.iter().find(|object| object.kind == kind && object.name == name).map(|object| object.body.clone())
}

#[test]
fn nothing_is_rendered_unless_scraping_is_enabled() {
    let off = all(&large(), &config(TenantScraping::Off));
    let monitor = |objects: &[Object]| objects.iter().any(|object| object.kind == Kind::SERVICE_MONITOR);
    let reader =
        |objects: &[Object]| objects.iter().filter(|object| object.name == "hexabase-metrics").count();
    assert_eq!((monitor(&off.0), reader(&off.1)), (false, 0));
    let token = all(&large(), &config(TenantScraping::Token));
    assert_eq!((monitor(&token.0), reader(&token.1)), (false, 4));
    let service_monitor = all(&large(), &config(TenantScraping::ServiceMonitor));
    assert_eq!((monitor(&service_monitor.0), reader(&service_monitor.1)), (true, 4));
    let setup = |scraping| host_setup(&config(scraping));
    assert_eq!(setup(TenantScraping::Off), setup(TenantScraping::Token));
    let [off, on] = [TenantScraping::Off, TenantScraping::ServiceMonitor].map(|scraping| {
        named(&setup(scraping), Kind::CLUSTER_ROLE, "hexabase-tenant").unwrap()["rules"].clone()
    });
    let mut without = on.as_array().unwrap().clone();
    let is_added = |rule: &Value| rule["apiGroups"] == json!(["monitoring.coreos.com"]);
    let added: Vec<Value> = without.extract_if(.., |rule| is_added(rule)).collect();
    assert_eq!(json!(without), off);
    let expected = json!([{
        "apiGroups": ["monitoring.coreos.com"],
        "resources": ["servicemonitors"],
        "verbs": ["create", "delete", "list", "patch"],
    }]);
    assert_eq!(json!(added), expected);
}

#[test]
fn the_reader_of_metrics_may_read_metrics_and_nothing_else() {
    let (_, objects) = all(&small(), &config(TenantScraping::Token));
    let role = named(&objects, Kind::CLUSTER_ROLE, "hexabase-metrics").unwrap();
    let expected = json!([{ "nonResourceURLs": ["/metrics", "/metrics/*"], "verbs": ["get"] }]);
    assert_eq!(role["rules"], expected);
    let text = objects.iter().filter(|object| object.body.to_string().contains("hexabase-metrics"));
    assert_eq!(text.count(), 4, "no other object names the ServiceAccount");
}

#[test]
fn a_monitor_trusts_neither_labels_nor_amounts_of_a_tenant() {
    let cluster = small();
    let name = &cluster.target.name;
    let (objects, _) = all(&cluster, &config(TenantScraping::ServiceMonitor));
    let spec = &named(&objects, Kind::SERVICE_MONITOR, name).unwrap()["spec"];
    let endpoint = &spec["endpoints"][0];
    assert_eq!(endpoint["honorLabels"], false);
    assert_eq!(endpoint["authorization"]["credentials"]["name"], format!("vc-metrics-{name}"));
    assert_eq!(endpoint["tlsConfig"]["ca"]["secret"]["key"], "certificate-authority");
    assert!(endpoint["tlsConfig"].get("insecureSkipVerify").is_none());
    for limit in
        ["sampleLimit", "bodySizeLimit", "labelLimit", "labelNameLengthLimit", "labelValueLengthLimit"]
    {
        assert!(!spec[limit].is_null(), "{limit}");
    }
    // Exactly one Service is selected, whose label `app` is the name of the job.
    let selects = |object: &&Object| {
        let labels = spec["selector"]["matchLabels"].as_object().unwrap();
        object.kind == Kind::SERVICE
            && labels.iter().all(|(key, value)| object.body["metadata"]["labels"][key] == *value)
    };
    let selected: Vec<&Object> = objects.iter().filter(selects).collect();
    let [service] = selected.as_slice() else { panic!("{selected:?}") };
    let job = service.body["metadata"]["labels"][spec["jobLabel"].as_str().unwrap()].as_str().unwrap();
    #[cfg(feature = "observability")]
    assert_eq!(crate::ScrapeJobs::default().api_servers, [job]);
    assert_eq!(service.body["spec"]["ports"][0]["name"], endpoint["port"]);
    // The name is in the certificate, wherever users reach the API server.
    let vcluster_config = golden(&objects);
    assert!(
        vcluster_config.contains(&format!("- {}", endpoint["tlsConfig"]["serverName"].as_str().unwrap())),
        "{job}"
    );
}

#[test]
fn a_monitor_keeps_named_metrics_and_few_buckets() {
    let (objects, _) = all(&small(), &config(TenantScraping::ServiceMonitor));
    let monitor = objects.iter().find(|object| object.kind == Kind::SERVICE_MONITOR).unwrap();
    let rule = &monitor.body["spec"]["endpoints"][0]["metricRelabelings"][0];
    assert_eq!((&rule["action"], &rule["sourceLabels"]), (&json!("keep"), &json!(["__name__", "le"])));
    // Prometheus anchors the expression, and joins the values of labels by a semicolon.
    let pattern = format!("^(?:{})$", rule["regex"].as_str().unwrap());
    // Reads by workers select the same series.
    let keeps = |series: &str| series.split_once(';').is_some_and(|(name, le)| is_kept(name, le));
    for series in [
        "apiserver_request_total;",
        "process_resident_memory_bytes;",
        "apiserver_request_duration_seconds_count;",
        "apiserver_request_duration_seconds_bucket;0.1",
        "apiserver_request_duration_seconds_bucket;1",
        "apiserver_request_duration_seconds_bucket;5.0",
        "apiserver_request_duration_seconds_bucket;+Inf",
        "apiserver_client_certificate_expiration_seconds_bucket;604800",
        "apiserver_client_certificate_expiration_seconds_bucket;604800.0",
    ] {
        assert!(matches(series, &pattern) && keeps(series), "{series}");
    }
    for series in [
        "apiserver_request_duration_seconds_bucket;0.15",
        "apiserver_request_duration_seconds_bucket;0.1.0",
        "apiserver_client_certificate_expiration_seconds_bucket;1800",
        "apiserver_request_duration_seconds_bucket;",
        "apiserver_request_total_fake;",
        "container_cpu_usage_seconds_total;",
        "kube_pod_status_phase;",
        "apiserver_request_total;1",
    ] {
        assert!(!matches(series, &pattern) && !keeps(series), "{series}");
    }
}

#[test]
fn the_token_counts_as_overhead_in_the_quota_of_secrets() {
    let secrets = |scraping| {
        let (objects, _) = all(&large(), &config(scraping));
        let name = format!("vc-{}", large().target.name);
        let quota = named(&objects, Kind::RESOURCE_QUOTA, &name).unwrap();
        quota["spec"]["hard"]["count/secrets"].as_str().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(secrets(TenantScraping::Token), secrets(TenantScraping::Off) + 1);
}
