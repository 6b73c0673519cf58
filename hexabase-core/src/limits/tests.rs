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
fn the_last_place_is_taken_and_then_there_is_none() {
    let mut plan = fixture::plan("small");
    plan.limits.workspaces = 2;
    let counts = |workspaces| OrganizationCounts { workspaces, ..OrganizationCounts::default() };
    assert!(another_workspace(&counts(1), &plan).is_ok());
    let error = another_workspace(&counts(2), &plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.message().contains("small allows 2 workspaces"));
}

#[test]
fn open_invitations_count_as_members() {
    let mut plan = fixture::plan("small");
    plan.limits.members = 3;
    let counts = OrganizationCounts { members: 2, invitations: 1, ..OrganizationCounts::default() };
    assert!(another_member(&counts, &plan).is_err());
}

#[test]
fn a_root_project_fits_into_the_plan() {
    assert!(project_quota(&project(1, None, Some(4)), &[], &plan(4)).is_ok());
    let error = project_quota(&project(1, None, Some(5)), &[], &plan(4)).unwrap_err();
    assert_eq!(error.message(), "beyond the quota of the plan small: cpu would be 5 of 4");
    assert!(project_quota(&project(1, None, None), &[], &plan(4)).is_ok(), "the plan itself still limits it");
}

#[test]
fn children_share_what_their_parent_has() {
    let all = [project(1, None, Some(4)), project(2, Some(1), Some(3))];
    assert!(project_quota(&project(3, Some(1), Some(1)), &all, &plan(9)).is_ok());
    assert!(project_quota(&project(3, Some(1), Some(2)), &all, &plan(9)).is_err());
}

#[test]
fn a_child_without_a_limit_is_no_way_around_its_parents() {
    let all = [project(1, None, Some(4))];
    let error = project_quota(&project(2, Some(1), None), &all, &plan(9)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.violations()[0].field, "quota.cpu");
}

#[test]
fn a_quota_cannot_shrink_below_what_the_children_have() {
    let all = [project(1, None, Some(4)), project(2, Some(1), Some(3))];
    assert!(project_quota(&project(1, None, Some(3)), &all, &plan(9)).is_ok());
    assert!(project_quota(&project(1, None, Some(2)), &all, &plan(9)).is_err());
}

#[test]
fn counted_things_come_whole_and_load_balancers_from_the_plan() {
    let quota = Quota::new()
        .with(Resource::Pods, Quantity::milli(1_500))
        .with(Resource::LoadBalancers, Quantity::units(1));
    let error = well_formed(&quota).unwrap_err();
    let fields: Vec<&str> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["quota.pods", "quota.load_balancers"]);
}

#[test]
fn a_smaller_plan_says_what_must_go_first() {
    let error = change_of_plan(1, &[project(1, None, Some(8))], 0, &plan(4)).unwrap_err();
    assert!(error.message().contains("for project p1: cpu would be 8 of 4"), "{error}");
}

proptest! {
    #[test]
    fn slices_that_were_accepted_never_add_up_to_more_than_the_parent(wishes in proptest::collection::vec(0..9_u64, 0..12)) {
        let mut all = vec![project(1, None, Some(10))];
        for (place, cpu) in wishes.into_iter().enumerate() {
            let child = project(place as u128 + 2, Some(1), Some(cpu));
            if project_quota(&child, &all, &plan(99)).is_ok() {
                all.push(child);
            }
        }
        let sum = all[1..].iter().fold(Quantity::ZERO, |sum, child| sum.plus(child.quota.get(Resource::Cpu).unwrap()));
        prop_assert!(sum <= Quantity::units(10));
        let left = crate::desired::remaining_quota(&all[0], &all).get(Resource::Cpu).unwrap();
        prop_assert_eq!(left.plus(sum), Quantity::units(10));
    }
}
