//! Exposure of tenant API servers.

use super::*;

/// Returns the exposure of a tenant API server.
fn exposure_objects(exposure: &str) -> Vec<Object> {
    let host_config = HostConfig {
        endpoint: "https://{name}.tenants.example:8443".to_owned(),
        exposure: exposure.parse().unwrap(),
        ..host_config()
    };
    host_config.check().unwrap();
    let mut objects = host_objects(&small(), &host_config).unwrap();
    objects.retain(|object| [Kind::INGRESS, Kind::TLS_ROUTE].contains(&object.kind));
    objects
}

#[test]
fn exposures_pass_tls_through_and_route_by_the_tenants_host_name() {
    let name = small().target.name;
    assert_eq!(exposure_objects("internal"), []);
    let ingress = &exposure_objects("ingress/passthrough")[0].body;
    assert_eq!(ingress["spec"]["ingressClassName"], "passthrough");
    assert_eq!(ingress["spec"]["rules"][0]["host"], format!("{name}.tenants.example"));
    assert_eq!(ingress["metadata"]["annotations"]["haproxy.org/ssl-passthrough"], "true");
    let route = &exposure_objects("gateway/edge/tenants")[0].body;
    assert_eq!(route["spec"]["hostnames"], json!([format!("{name}.tenants.example")]));
    let gateway = &route["spec"]["parentRefs"][0];
    assert_eq!((&gateway["namespace"], &gateway["name"]), (&json!("edge"), &json!("tenants")));
    assert_eq!(route["spec"]["rules"][0]["backendRefs"][0]["name"], name);
}

#[test]
fn exposures_by_name_require_an_endpoint_with_a_host_name_per_tenant() {
    for invalid in ["", "external", "ingress", "ingress/", "ingress/A", "gateway/edge", "gateway/edge/a/b"] {
        assert!(invalid.parse::<Exposure>().is_err(), "{invalid}");
    }
    for endpoint in [
        "https://{name}.{namespace}.svc:443",
        "https://tenants.example/{name}",
        "http://{name}.tenants.example",
        "https://10.0.0.1/{name}",
    ] {
        let endpoint = endpoint.to_owned();
        let exposure = Exposure::Ingress { class: "passthrough".to_owned() };
        let exposed = HostConfig { endpoint, exposure, ..HostConfig::default() };
        assert_eq!(exposed.check().unwrap_err().0, "tenant_endpoint", "{exposed:?}");
        assert!(HostConfig { exposure: Exposure::Internal, ..exposed }.check().is_ok());
    }
}
