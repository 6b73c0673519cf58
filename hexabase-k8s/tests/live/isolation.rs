//! The isolation self-check of a real tenant on a real host with its setup.

use hexabase_core::fixture;
use hexabase_core::model::ConditionStatus;
use hexabase_core::provisioner::ClusterProvisioner as _;

use crate::HostHarness;
use crate::user_access::start_tenant;

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_on_a_host_with_its_setup_passes_all_checks() {
    let host = HostHarness::start().await;
    let cluster = fixture::tenant_cluster("one");
    drop(start_tenant(&host, &cluster).await);
    let results = host.provisioner.check_isolation(&cluster).await.unwrap();
    for result in &results {
        assert_eq!(result.status, ConditionStatus::True, "{result:#?}");
    }
    host.provisioner.delete(&cluster.target).await.unwrap();
}
