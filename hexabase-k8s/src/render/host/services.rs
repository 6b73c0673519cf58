//! Where the control plane answers.

use serde_json::json;

use super::{CONTROL_PLANE, Tenant};
use crate::object::{Kind, Object};

/// The annotation by which vCluster knows the host's Service addresses.
const SERVICE_CIDR: &str = "vcluster.loft.sh/service-cidr";

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let port = json!({ "name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443 });
    // Everything that vCluster syncs is owned by this Service: it is patched, never made anew.
    let mut main = tenant.object(
        Kind::SERVICE,
        tenant.name(),
        json!({ "spec": { "type": tenant.settings.service_type(), "ports": [port], "selector": tenant.selector(CONTROL_PLANE) } }),
    );
    main.body["metadata"]["labels"]["vcluster.loft.sh/service"] = json!("true");
    if let Some(range) = &tenant.settings.service_cidr {
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
