//! Services of the control plane.

use serde_json::json;

use super::{CONTROL_PLANE, Tenant};
use crate::object::{Kind, Object};

/// Annotation from which vCluster reads the CIDR of the host's Services.
const SERVICE_CIDR: &str = "vcluster.loft.sh/service-cidr";

/// Label of the Service of the API server.
pub(super) const API_SERVICE: &str = "vcluster.loft.sh/service";

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let port = json!({ "name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443 });
    // This Service owns all objects that vCluster syncs, so it is patched and never recreated.
    let mut main = tenant.object(
        Kind::SERVICE,
        tenant.name(),
        json!({ "spec": { "type": tenant.config.service_type(), "ports": [port], "selector": tenant.selector(CONTROL_PLANE) } }),
    );
    main.body["metadata"]["labels"][API_SERVICE] = json!("true");
    if let Some(range) = &tenant.config.service_cidr {
        main.body["metadata"]["annotations"] = json!({ SERVICE_CIDR: range });
    }
    let headless = tenant.object(
        Kind::SERVICE,
        &format!("{}-headless", tenant.name()),
        json!({ "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "ports": [port],
            "selector": tenant.selector(CONTROL_PLANE),
        } }),
    );
    vec![main, headless]
}
