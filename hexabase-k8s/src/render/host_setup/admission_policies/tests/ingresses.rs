//! The expressions of the policy for Ingresses.

use super::*;

/// Ingress of the tenant under its own domain, with this path and these annotations.
fn ingress(path: Value, annotations: Value) -> Value {
    let mut path = path;
    path["backend"] = json!({ "service": { "name": "web", "port": { "number": 80 } } });
    let host = format!("shop.{}.apps.example", fixture::tenant_cluster("shop").target.name);
    json!({
        "metadata": synced(json!({}), annotations),
        "spec": { "ingressClassName": "nginx", "rules": [{ "host": host, "http": { "paths": [path] } }] },
    })
}

/// Returns the messages that reject the creation of an Ingress on a host for which tenants may publish them.
fn ingress_rejections(ingress: Value) -> Vec<String> {
    let mut config = HostConfig::default();
    config.set("tenant_ingress", "nginx/ingress-nginx/{name}.apps.example").unwrap();
    let namespace = host_objects(&fixture::tenant_cluster("shop"), &config).unwrap().swap_remove(0).body;
    Write { resource: "ingresses", old: Value::Null, new: ingress, namespace }.rejections()
}

#[test]
fn paths_of_ingresses_are_literal() {
    for (path, kind) in [("/", "Prefix"), ("/api/v1.2/a_b~c,d:e@f-g", "Exact")] {
        let literal = ingress(json!({ "path": path, "pathType": kind }), json!({}));
        assert_eq!(ingress_rejections(literal), Vec::<String>::new());
    }
    let rewrite = json!({ "nginx.ingress.kubernetes.io/rewrite-target": "/api/" });
    assert_eq!(
        ingress_rejections(ingress(json!({ "path": "/", "pathType": "Prefix" }), rewrite)),
        Vec::<String>::new()
    );
    let long = format!("/{}", "a".repeat(1024));
    for (path, kind) in [
        ("/", "ImplementationSpecific"),
        ("/(a+)+b", "Prefix"),
        ("/a*", "Prefix"),
        ("/a+", "Exact"),
        ("/a{9}", "Prefix"),
        ("/[a-z]", "Prefix"),
        ("/a|b", "Prefix"),
        ("/a?", "Prefix"),
        ("/a$", "Prefix"),
        ("/a;b", "Prefix"),
        ("/a b", "Prefix"),
        ("/a\n", "Prefix"),
        ("a", "Prefix"),
        (&long, "Prefix"),
    ] {
        let path = ingress(json!({ "path": path, "pathType": kind }), json!({}));
        assert_rejected(&ingress_rejections(path.clone()), "regular expressions are not for tenants");
    }
}

#[test]
fn annotations_of_ingresses_turn_on_no_regular_expressions() {
    for (key, value) in [("use-regex", "true"), ("rewrite-target", "/$2"), ("rewrite-target", "/(.*)")] {
        let key = format!("nginx.ingress.kubernetes.io/{key}");
        let path = json!({ "path": "/", "pathType": "Prefix" });
        let rejections = ingress_rejections(ingress(path, json!({ key: value })));
        assert_rejected(&rejections, "annotations of an Ingress must");
    }
}
