//! Another label domain than the default one.

use hexabase_core::desired::TenantNodePool;
use hexabase_core::name::{ExtendedResource, NodeClass};

use super::*;
use crate::isolation;
use crate::labels::Labels;
use crate::nodes::{Decision, HostNode, decide};

const DOMAIN: &str = "tenants.acme.example";

fn config() -> HostConfig {
    let mut config = host_config();
    for (name, value) in [
        ("label_domain", DOMAIN),
        ("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example"),
        ("tenant_metadata", "strimzi.io"),
        ("tenant_metrics", "kube-system/metrics-server"),
        ("scrape_tenants", "service-monitor"),
        ("gitops_namespaces", "argocd/argocd,flux/flux-system"),
        ("host_service_account", "platform/tenants"),
    ] {
        config.set(name, value).unwrap();
    }
    assert_eq!(config.check(), Ok(()));
    config
}

/// Workspace that needs every key.
fn workspace() -> TenantCluster {
    let mut cluster = three_replicas();
    cluster.node_pools =
        vec![TenantNodePool { id: id("pool"), class: NodeClass::parse("big").unwrap(), nodes: 1 }];
    cluster.image_sources = vec![ImageSource::parse("ghcr.io/acme").unwrap()];
    cluster.extended_resources =
        [(ExtendedResource::parse("nvidia.com/gpu").unwrap(), Quantity::units(1))].into();
    cluster
}

/// Patches of a node from its assignment to its release, with the drift of the assignment.
fn node_patches(labels: &Labels) -> Vec<String> {
    let node = json!({
        "metadata": { "name": "one", "labels": { labels.node_class(): "big" } },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    let node = HostNode::of(&node, labels);
    let decision: Decision = decide("ws-1", &workspace().node_pools, std::slice::from_ref(&node));
    assert_eq!(decision.steps.len(), 1);
    let patches = [
        node.assign_patch("ws-1", id("pool"), labels),
        node.cordon_patch(labels),
        node.release_patch(labels),
    ];
    let drift = decision.drift(labels).into_iter().map(|entry| entry.field);
    patches.iter().map(Value::to_string).chain(drift).collect()
}

#[test]
fn the_default_domain_occurs_nowhere_if_another_one_is_configured() {
    let exposures = ["internal", "ingress/passthrough", "gateway/infra/tenants", "load-balancer"];
    let mut texts = node_patches(&config().labels);
    for exposure in exposures {
        let config = HostConfig { exposure: exposure.parse().unwrap(), ..config() };
        for cluster in [small(), large(), workspace()] {
            let (host, tenant) = all(&cluster, &config);
            texts.push(golden(&host));
            texts.push(golden(&tenant));
            let other_tenants = vec!["ws-theirs".to_owned()];
            let context = isolation::HostContext { cluster: &cluster, config: &config, other_tenants };
            texts.push(format!("{:?}{:?}", isolation::checks(&context), isolation::controls(&context)));
        }
    }
    texts.push(golden(&host_setup(&config())));
    texts.push(golden(&kyverno_policies(&config().labels)));
    for text in &texts {
        assert!(text.contains(DOMAIN), "{text}");
        let line = text.lines().find(|line| line.contains(Labels::DEFAULT_DOMAIN));
        assert_eq!(line, None);
    }
}

#[test]
fn only_the_domain_of_keys_differs() {
    let default = HostConfig { labels: Labels::default(), ..config() };
    let in_default_domain = |object: &Object| -> Value {
        serde_json::from_str(&object.body.to_string().replace(DOMAIN, Labels::DEFAULT_DOMAIN)).unwrap()
    };
    for render in [
        &(|config: &HostConfig| tenant_objects(&workspace(), config)) as &dyn Fn(&HostConfig) -> Vec<Object>,
        &|config| kyverno_policies(&config.labels),
    ] {
        let (branded, default) = (render(&config()), render(&default));
        assert_eq!(branded.len(), default.len());
        for (branded, default) in branded.iter().zip(&default) {
            assert_eq!(in_default_domain(branded), default.body);
        }
    }
    assert_ne!(setup_digest(&config()), setup_digest(&default));
}

#[test]
fn a_label_domain_is_a_dns_subdomain_that_belongs_to_the_operator() {
    let too_long = format!("{}.example", vec!["a".repeat(60); 5].join("."));
    for invalid in [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a.example",
        "A.example",
        "a_b.example",
        "a/b",
        "a'b",
        "kubernetes.io",
        "node.kubernetes.io",
        "k8s.io",
        "gateway.k8s.io",
        "loft.sh",
        "vcluster.loft.sh",
        &too_long,
    ] {
        let error = HostConfig::default().set("label_domain", invalid).unwrap_err();
        assert!(error.contains("DNS subdomain"), "{invalid}: {error}");
    }
    for valid in ["acme", "k8s.acme.example", "my-loft.sh", "notkubernetes.io"] {
        let mut config = HostConfig::default();
        config.set("label_domain", valid).unwrap();
        assert_eq!(config.labels.domain(), valid);
        assert_eq!(config.labels.workspace(), format!("{valid}/workspace-id"));
    }
    let mut config = HostConfig::default();
    config.set("tenant_metadata", "hexabase.ai").unwrap();
    assert_eq!(config.check().unwrap_err().0, "tenant_metadata");
    config.set("label_domain", DOMAIN).unwrap();
    assert_eq!(config.check(), Ok(()));
    for reserved in [DOMAIN.to_owned(), format!("a.example,{DOMAIN}/plan")] {
        config.set("tenant_metadata", &reserved).unwrap();
        assert_eq!(config.check().unwrap_err().0, "tenant_metadata");
    }
}
