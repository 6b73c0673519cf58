use super::*;
use crate::error::ErrorKind;
use crate::fixture;
use crate::id::{ProjectId, TypedId as _};
use crate::quantity::Quantity;
use proptest::prelude::*;
use uuid::Uuid;

fn project(number: u128, parent: Option<u128>, cpu: Option<u64>) -> Project {
    let id = |number| ProjectId::from_uuid(Uuid::from_u128(number));
    let mut quota = Quota::new();
    if let Some(cpu) = cpu {
        quota.set(Resource::Cpu, Quantity::units(cpu));
    }
    Project { id: id(number), parent_id: parent.map(id), quota, ..fixture::project(&format!("p{number}")) }
}

fn plan(cpu: u64) -> Plan {
    Plan { quota: Quota::new().with(Resource::Cpu, Quantity::units(cpu)), ..fixture::plan("small") }
}

#[test]
fn workspaces_can_be_created_up_to_the_limit() {
    let mut plan = fixture::plan("small");
    plan.limits.workspaces = 2;
    let counts = |workspaces| OrganizationCounts { workspaces, ..OrganizationCounts::default() };
    assert!(check_workspace_limit(&counts(1), &plan).is_ok());
    let error = check_workspace_limit(&counts(2), &plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.message().contains("small allows 2 workspaces"));
}

#[test]
fn open_invitations_count_as_members() {
    let mut plan = fixture::plan("small");
    plan.limits.members = 3;
    let counts = OrganizationCounts { members: 2, invitations: 1, ..OrganizationCounts::default() };
    assert!(check_member_limit(&counts, &plan).is_err());
}

#[test]
fn a_root_project_must_fit_the_quota_of_the_plan() {
    assert!(check_project_quota(&project(1, None, Some(4)), &[], &plan(4)).is_ok());
    let error = check_project_quota(&project(1, None, Some(5)), &[], &plan(4)).unwrap_err();
    assert_eq!(error.message(), "the quota of the plan small is exceeded: cpu 5 exceeds the limit of 4");
    assert!(check_project_quota(&project(1, None, None), &[], &plan(4)).is_ok(), "the plan still limits it");
}

#[test]
fn siblings_share_the_quota_of_their_parent() {
    let all = [project(1, None, Some(4)), project(2, Some(1), Some(3))];
    assert!(check_project_quota(&project(3, Some(1), Some(1)), &all, &plan(9)).is_ok());
    assert!(check_project_quota(&project(3, Some(1), Some(2)), &all, &plan(9)).is_err());
}

#[test]
fn a_child_must_limit_the_resources_that_its_parent_limits() {
    let all = [project(1, None, Some(4))];
    let error = check_project_quota(&project(2, Some(1), None), &all, &plan(9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.violations()[0].field, "quota.cpu");
}

#[test]
fn a_quota_cannot_be_smaller_than_the_slices_of_the_children() {
    let all = [project(1, None, Some(4)), project(2, Some(1), Some(3))];
    assert!(check_project_quota(&project(1, None, Some(3)), &all, &plan(9)).is_ok());
    assert!(check_project_quota(&project(1, None, Some(2)), &all, &plan(9)).is_err());
}

#[test]
fn object_counts_must_be_whole_and_load_balancers_are_not_in_project_quotas() {
    let quota = Quota::new()
        .with(Resource::Pods, Quantity::milli(1_500))
        .with(Resource::LoadBalancers, Quantity::units(1));
    let error = check_quota_format(&quota).unwrap_err();
    let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["quota.pods", "quota.load_balancers"]);
}

#[test]
fn a_plan_change_fails_with_the_project_that_does_not_fit() {
    let error = check_workspace_plan_change(1, &[project(1, None, Some(8))], 0, 0, &plan(4)).unwrap_err();
    assert!(error.message().contains("for the project p1: cpu 8 exceeds the limit of 4"), "{error}");
}

proptest! {
    #[test]
    fn accepted_slices_never_exceed_the_quota_of_the_parent(requests in proptest::collection::vec(0..9_u64, 0..12)) {
        let mut all = vec![project(1, None, Some(10))];
        for (index, cpu) in requests.into_iter().enumerate() {
            let child = project(index as u128 + 2, Some(1), Some(cpu));
            if check_project_quota(&child, &all, &plan(99)).is_ok() {
                all.push(child);
            }
        }
        let sum = all[1..].iter().fold(Quantity::ZERO, |sum, child| sum.plus(child.quota.get(Resource::Cpu).unwrap()));
        prop_assert!(sum <= Quantity::units(10));
        let remaining = crate::desired::remaining_quota(&all[0], &all).get(Resource::Cpu).unwrap();
        prop_assert_eq!(remaining.plus(sum), Quantity::units(10));
    }
}

#[test]
fn reserved_names_are_not_for_organizations() {
    for reserved in ["admin", "api", "console", "hexabase", "system", "www", "support", "billing", "status"] {
        let name = Slug::parse(reserved).unwrap();
        assert_eq!(check_organization_name(&name).unwrap_err().violations()[0].field, "name", "{reserved}");
    }
    for reserved in ["hexabase-labs", "kube-system", "personal-a"] {
        assert!(check_organization_name(&Slug::parse(reserved).unwrap()).is_err(), "{reserved}");
    }
    for free in ["acme", "administration", "my-api", "statusquo"] {
        assert!(check_organization_name(&Slug::parse(free).unwrap()).is_ok(), "{free}");
    }
    assert!(RESERVED_ORGANIZATION_NAMES.is_sorted());
}
