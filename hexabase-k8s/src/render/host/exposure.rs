//! What leads from outside of the host's network to the tenant's API server.
//!
//! TLS is handed through: certificates of people and machines are shown to the API server itself, and nobody between reads
//! what is said. So traffic is told apart by the name that it asks for, which each tenant has of its own.

use hexabase_core::error::{Error, Result};
use serde_json::{Value, json};

use super::Tenant;
use crate::object::{Kind, Object};
use crate::settings::Exposure;

/// What tells controllers of Ingresses to hand TLS through, each in words of its own.
const PASSTHROUGH: [(&str, &str); 5] = [
    ("haproxy-ingress.github.io/ssl-passthrough", "true"),
    ("haproxy.org/ssl-passthrough", "true"),
    ("nginx.ingress.kubernetes.io/backend-protocol", "HTTPS"),
    ("nginx.ingress.kubernetes.io/ssl-passthrough", "true"),
    ("nginx.ingress.kubernetes.io/ssl-redirect", "true"),
];

pub(super) fn object(tenant: &Tenant<'_>) -> Result<Option<Object>> {
    let host = || {
        let host = tenant.settings.host_of(tenant.name());
        host.ok_or_else(|| {
            Error::invalid("tenant_endpoint", "names no host by which a tenant could be found")
        })
    };
    Ok(match &tenant.settings.exposure {
        // What leads there is the Service itself, or nothing.
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
        PASSTHROUGH.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
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
