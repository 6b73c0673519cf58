//! Exposure of the tenant API server outside the host's network.
//!
//! TLS is passed through: the API server itself authenticates client certificates, and no component in between can
//! read the traffic. So traffic is routed by the requested host name (SNI), which differs for each tenant.

use hexabase_core::error::{Error, Result};
use serde_json::{Value, json};

use super::Tenant;
use crate::config::Exposure;
use crate::object::{Kind, Object};

/// Annotations that enable TLS passthrough, one or more for each supported Ingress controller.
const PASSTHROUGH_ANNOTATIONS: [(&str, &str); 5] = [
    ("haproxy-ingress.github.io/ssl-passthrough", "true"),
    ("haproxy.org/ssl-passthrough", "true"),
    ("nginx.ingress.kubernetes.io/backend-protocol", "HTTPS"),
    ("nginx.ingress.kubernetes.io/ssl-passthrough", "true"),
    ("nginx.ingress.kubernetes.io/ssl-redirect", "true"),
];

pub(super) fn object(tenant: &Tenant<'_>) -> Result<Option<Object>> {
    let host = || {
        let host = tenant.config.hostname_of(tenant.name());
        host.ok_or_else(|| {
            Error::invalid(
                "tenant_endpoint",
                "must contain the host name of a tenant, as in https://{name}.tenants.example",
            )
        })
    };
    Ok(match &tenant.config.exposure {
        // The Service itself is the exposure, or there is none.
        Exposure::Internal | Exposure::LoadBalancer => None,
        Exposure::Ingress { class } => Some(ingress(tenant, class, &host()?)),
        Exposure::Gateway { namespace, name } => Some(route(tenant, namespace, name, &host()?)),
    })
}

fn ingress(tenant: &Tenant<'_>, class: &str, host: &str) -> Object {
    let backend = json!({ "service": { "name": tenant.name(), "port": { "name": "https" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    let spec = json!({
        "ingressClassName": class,
        "rules": [{ "host": host, "http": { "paths": [path] } }],
    });
    let mut ingress = tenant.object(Kind::INGRESS, tenant.name(), json!({ "spec": spec }));
    let annotations: Value =
        PASSTHROUGH_ANNOTATIONS.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    ingress.body["metadata"]["annotations"] = annotations;
    ingress
}

fn route(tenant: &Tenant<'_>, namespace: &str, gateway: &str, host: &str) -> Object {
    let spec = json!({
        "parentRefs": [{
            "group": Kind::TLS_ROUTE.group,
            "kind": "Gateway",
            "namespace": namespace,
            "name": gateway,
        }],
        "hostnames": [host],
        "rules": [{ "backendRefs": [{ "group": "", "kind": "Service", "name": tenant.name(), "port": 443, "weight": 1 }] }],
    });
    tenant.object(Kind::TLS_ROUTE, tenant.name(), json!({ "spec": spec }))
}
