//! Violations of policies of the host: collected by workers, for the members of the workspace.

use std::sync::Arc;
use std::time::Duration;

use super::{START_UP, Setup};
use crate::clock::{Clock as _, ManualClock};
use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture;
use crate::model::{PolicyFinding, PolicyFindings, PolicyResult};
use crate::name::HostClusterName;
use crate::placement::HostCluster;
use crate::platform::Platform;
use crate::provisioner::{Fleet, MemoryProvisioner};

fn finding(name: &str) -> PolicyFinding {
    PolicyFinding {
        namespace: "web".to_owned(),
        kind: "Pod".to_owned(),
        name: name.to_owned(),
        policy: "images".to_owned(),
        rule: "registry".to_owned(),
        result: PolicyResult::Fail,
        message: "another registry".to_owned(),
        evaluated_at: None,
    }
}

fn found(names: &[&str]) -> PolicyFindings {
    PolicyFindings { items: names.iter().map(|name| finding(name)).collect(), truncated: false }
}

#[tokio::test]
async fn workers_collect_the_findings_of_a_workspace_for_its_members() {
    let mut setup = Setup::new();
    let clock = Arc::new(ManualClock::default());
    let provisioner = Arc::new(MemoryProvisioner::new(clock.clone(), START_UP));
    let host = HostCluster::new(HostClusterName::parse("memory").unwrap());
    setup.platform = Platform::builder("https://hexabase.example")
        .with_plans(vec![fixture::plan("small")])
        .with_clock(clock.clone())
        .with_fleet(Fleet::new().with(host, provisioner.clone()))
        .build()
        .unwrap();
    setup.clock = clock;
    let ann = setup.sign_in("ann").await;
    let organization = setup.create_organization(&ann, "acme").await.id;
    let workspace = setup.create_workspace(&ann, organization, "dev", "small").await.unwrap();
    let target = TenantTarget::by_id(organization, workspace);
    let run = async |minutes: u64| {
        for _ in 0..minutes {
            setup.run_worker(Duration::from_secs(60)).await;
        }
    };
    let report = async || setup.platform.policy_reports().get(&ann, organization, workspace).await.unwrap();
    run(10).await;
    assert_eq!(report().await, None, "the host has no reports");

    provisioner.set_policy_findings(&target, found(&["b", "a"]));
    run(10).await;
    let first = report().await.unwrap();
    assert_eq!(first.findings, [finding("a"), finding("b")]);
    provisioner.set_policy_findings(&target, found(&["c"]));
    run(10).await;
    let second = report().await.unwrap();
    assert_eq!(second.findings, [finding("c")]);
    let between = crate::clock::until(first.collected_at, second.collected_at);
    assert!(between >= Duration::from_secs(300) && second.collected_at <= setup.clock.now(), "{between:?}");

    let eve = setup.sign_in("eve").await;
    setup.create_organization(&eve, "evil").await;
    let foreign = setup.platform.policy_reports().get(&eve, organization, workspace).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotFound);
}
