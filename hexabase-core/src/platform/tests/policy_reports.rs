//! Violations of policies of the host: collected by workers, for members with a role in the namespace.

use std::sync::Arc;
use std::time::Duration;

use super::{START_UP, Setup};
use crate::changeset::Changeset;
use crate::clock::{Clock as _, ManualClock};
use crate::desired::TenantTarget;
use crate::error::ErrorKind;
use crate::fixture;
use crate::model::{OrganizationRole, PolicyFinding, PolicyFindings, PolicyResult, PresetRole, RoleRef};
use crate::name::{GroupName, HostClusterName, ProjectName};
use crate::placement::HostCluster;
use crate::platform::{Caller, CreateAssignment, CreateGroup, CreateProject, Platform};
use crate::provisioner::{Fleet, MemoryProvisioner};
use crate::quota::Quota;

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

fn in_namespace(namespace: &str) -> PolicyFinding {
    PolicyFinding { namespace: namespace.to_owned(), ..finding("a") }
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

#[tokio::test]
async fn findings_are_for_members_with_a_role_in_their_project_only() {
    let setup = Setup::new();
    let platform = &setup.platform;
    let ann = setup.sign_in("ann").await;
    let organization = setup.create_organization(&ann, "acme").await.id;
    let workspace = setup.create_workspace(&ann, organization, "dev", "small").await.unwrap();
    let project = async |name: &str| {
        let name = ProjectName::parse(name).unwrap();
        let command = CreateProject { name, display_name: None, parent_id: None, quota: Quota::new() };
        platform.projects().create(&ann, organization, workspace, &command).await.unwrap().value.0.id
    };
    let (web, _) = (project("web").await, project("shop").await);
    let group = CreateGroup { name: GroupName::parse("viewers").unwrap(), parent_id: None };
    let group = platform.groups().create(&ann, organization, workspace, &group).await.unwrap().value.id;
    let role = RoleRef::Preset(PresetRole::ProjectViewer);
    let assignment = CreateAssignment { group_id: group, role };
    platform.roles().assign(&ann, (organization, workspace, Some(web)), &assignment).await.unwrap();
    for (name, role) in [
        ("bob", OrganizationRole::Member),
        ("bill", OrganizationRole::Billing),
        ("abe", OrganizationRole::Admin),
    ] {
        let user = setup.sign_in(name).await.principal.user_id;
        let member = Changeset::new().insert(fixture::member(organization, user, role));
        platform.inner().commit(member).await.unwrap();
    }
    let bob = setup.sign_in("bob").await;
    platform.groups().add_member(&ann, organization, workspace, group, bob.principal.user_id).await.unwrap();

    let items = ["kube-system", "shop", "web"].map(in_namespace).to_vec();
    let findings = PolicyFindings { items: items.clone(), truncated: false };
    setup.provisioner.set_policy_findings(&TenantTarget::by_id(organization, workspace), findings);
    for _ in 0..10 {
        setup.run_worker(Duration::from_secs(60)).await;
    }
    let read = async |caller: &Caller| {
        let report = platform.policy_reports().get(caller, organization, workspace).await;
        report.map(|report| report.unwrap().findings)
    };
    assert_eq!(read(&ann).await.unwrap(), items, "an administrator of the workspace");
    assert_eq!(read(&bob).await.unwrap(), [in_namespace("web")], "a viewer of one project");
    for name in ["bill", "abe"] {
        let error = read(&setup.sign_in(name).await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{name}: a role in the organization alone");
    }
}
