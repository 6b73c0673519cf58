//! Comparison of two [`TenantStore`]s over random changesets.
//!
//! A test generates steps of four bytes, runs them on two stores, and compares results and contents:
//!
//! ```text
//! proptest!(|(steps: Vec<Step>)| {
//!     assert_eq!(results(&one, &steps).await, results(&other, &steps).await);
//!     assert_eq!(content(&one).await, content(&other).await);
//! });
//! ```

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::tenant_store::setup::{assignment, audit, membership, role, session, task, token, verifier};
use crate::changeset::{Changeset, IdempotencyRecord, Precondition, Record, RecordKey, SpentRefresh, Write};
use crate::error::ErrorKind;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::id::{GroupId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::model::{AuditFilter, OrganizationRole, PresetRole, RoleRef};
use crate::name::{Email, GroupName, ProjectName, Slug};
use crate::page::PageRequest;
use crate::store::TenantStore;
use crate::version::Version;

/// Choice of a changeset: its kind, and which of a few records it concerns.
pub type Step = [u8; 4];

/// Number of records of each kind in a scope.
const EACH: u8 = 4;
/// Number of organizations.
const ORGANIZATIONS: u8 = 2;

/// Commits a fixed base with records of most kinds, and then the changesets of all steps, each on its own. Returns the
/// results of the steps.
pub async fn results(store: &dyn TenantStore, steps: &[Step]) -> Vec<Result<(), ErrorKind>> {
    store.commit(base()).await.unwrap();
    let mut results = Vec::new();
    for step in steps {
        let result = store.commit(changeset(*step)).await;
        results.push(result.map_err(|error| error.kind()));
    }
    results
}

fn user(number: u8) -> UserId {
    id(&format!("user-{}", number % EACH))
}

fn organization(number: u8) -> OrganizationId {
    id(&format!("organization-{}", number % ORGANIZATIONS))
}

fn workspace(number: u8) -> WorkspaceId {
    id(&format!("workspace-{}", number % EACH))
}

fn group(number: u8) -> GroupId {
    id(&format!("group-{}", number % EACH))
}

fn project(number: u8) -> ProjectId {
    id(&format!("project-{}", number % EACH))
}

/// A parent for three of four numbers.
fn some<T>(number: u8, make: impl Fn(u8) -> T) -> Option<T> {
    (number % 4 < 3).then(|| make(number))
}

/// Numbers of three records, ordered by id.
fn by_id<T: Ord>(id: impl Fn(u8) -> T) -> [u8; 3] {
    let mut numbers = [0, 1, 2];
    numbers.sort_by_key(|number| id(*number));
    numbers
}

/// Changeset that adds, to an empty store, all but one record of each scope, so that steps reach records that are deep
/// in others and can still add some.
fn base() -> Changeset {
    let numbers = || 0..EACH - 1;
    let mut base = Changeset::new();
    for number in numbers() {
        base = base.insert(record([0, number, number, 0])).insert(record([10, number, number, 99]));
    }
    for org in 0..ORGANIZATIONS {
        // The number of an organization or a workspace is in the upper half of a byte.
        let org = org * 16;
        base = base.insert(record([1, org, org / 16, 0]));
        for number in numbers() {
            base = base.insert(record([2, org, number, 0]));
        }
        for ws in numbers() {
            let ws = ws * 16;
            base = base.insert(record([3, org, ws, ws / 16]));
            for (kind, order) in [(4, by_id(group)), (5, by_id(project))] {
                let [first, second, last] = order;
                for (number, parent) in [(first, 3), (second, 3), (last, first)] {
                    base = base.insert(record([kind, org + number, ws + number, parent]));
                }
            }
            for number in 0..2 {
                base = base.insert(record([6, org, ws + number, number]));
                base = base.insert(record([7, org + number, ws + number, number]));
                base = base.insert(record([8, org + number, ws + number, number]));
                base = base.insert(record([9, org + number, ws + number, number]));
                base = base.insert(record([13, org + number, ws, 0]));
            }
        }
    }
    base
}

fn record([kind, a, b, c]: Step) -> Record {
    let (org, ws) = (organization(a / 16), workspace(b / 16));
    let name = |kind: &str, number: u8| format!("{kind}-{}", number % EACH);
    match kind % 14 {
        0 => {
            let mut record = fixture::user(&name("user", a));
            record.email = some(b, |b| Email::parse(&format!("mail-{}@example.com", b % EACH)).unwrap());
            record.into()
        }
        1 => {
            let mut record = fixture::organization(&format!("organization-{}", a / 16 % ORGANIZATIONS));
            record.name = Slug::parse(&name("name", b)).unwrap();
            record.created_by = user(c);
            record.into()
        }
        2 => fixture::member(org, user(b), OrganizationRole::Member).into(),
        3 => {
            let mut record = fixture::workspace(&name("workspace", b / 16));
            record.organization_id = org;
            record.name = Slug::parse(&name("name", c)).unwrap();
            record.reconcile_at = some(b, |b| FIXTURE_TIME + SignedDuration::from_secs(i64::from(b)));
            record.into()
        }
        4 => {
            let mut record = fixture::group(&name("group", a));
            (record.organization_id, record.workspace_id) = (org, ws);
            // Without cycles.
            record.parent_id = some(c, group).filter(|parent| *parent < record.id);
            record.name = GroupName::parse(&name("name", b)).unwrap();
            record.into()
        }
        5 => {
            let mut record = fixture::project(&name("project", a));
            (record.organization_id, record.workspace_id) = (org, ws);
            record.parent_id = some(c, project).filter(|parent| *parent < record.id);
            record.name = ProjectName::parse(&name("name", b)).unwrap();
            record.into()
        }
        6 => {
            let mut record = membership("group", "user");
            (record.organization_id, record.workspace_id) = (org, ws);
            (record.group_id, record.user_id) = (group(b), user(c));
            record.into()
        }
        7 => {
            let mut record = assignment(&name("assignment", a), "group", None);
            (record.organization_id, record.workspace_id) = (org, ws);
            (record.group_id, record.project_id) = (group(b), some(c, project));
            record.role = RoleRef::Preset(PresetRole::ProjectEditor);
            record.into()
        }
        8 => {
            let mut record = role(&name("role", a));
            (record.organization_id, record.workspace_id, record.project_id) = (org, ws, project(b));
            record.name = Slug::parse(&name("name", c)).unwrap();
            record.into()
        }
        9 => {
            let mut record = fixture::alert_rule(&name("rule", a));
            (record.organization_id, record.workspace_id, record.project_id) = (org, ws, some(b, project));
            record.name = Slug::parse(&name("name", c)).unwrap();
            record.into()
        }
        10 => {
            let end = FIXTURE_TIME + SignedDuration::from_secs(i64::from(c));
            session(&name("session", a), user(b), end).into()
        }
        11 => SpentRefresh {
            session_id: id(&name("session", a)),
            hash: verifier(u64::from(b % EACH)).hash(),
            spent_at: FIXTURE_TIME,
        }
        .into(),
        12 => token(&name("token", a), user(b)).into(),
        _ => {
            let mut record = task(&name("task", a));
            (record.organization_id, record.workspace_id) = (org, ws);
            record.into()
        }
    }
}

fn changeset(step: Step) -> Changeset {
    let [kind, a, b, c] = step;
    let (org, ws) = (organization(a / 16), workspace(b / 16));
    match kind / 14 {
        0..=7 => Changeset::new().insert(record(step)),
        8..=10 => Changeset::new().update(record(step)),
        11..=13 => Changeset::new().put(record(step)),
        14 | 15 => match record(step).key() {
            // Rare, because it takes along half of the records.
            RecordKey::Organization(_) if !c.is_multiple_of(8) => {
                Changeset::new().delete(RecordKey::Membership(org, ws, group(b), user(c)))
            }
            key => Changeset::new().delete(key),
        },
        16 => match c % 2 {
            0 => Changeset::new().write(Write::LeaveGroups(org, user(b))),
            _ => Changeset::new().write(Write::RevokeSessions(user(b), FIXTURE_TIME)),
        },
        17 => {
            let version = Version::new(u64::from(c % 2) + 1);
            Changeset::new()
                .precondition(Precondition::Workspace(org, ws, version))
                .audit(audit(&format!("entry-{b}"), "workspace.check", FIXTURE_TIME))
                .insert(record([4, a, b, c]))
        }
        _ => Changeset {
            idempotency: Some(IdempotencyRecord {
                user_id: user(a),
                key: format!("key-{}", b % EACH),
                fingerprint: verifier(1).hash(),
                response: vec![b],
                created_at: FIXTURE_TIME + SignedDuration::from_secs(i64::from(c)),
                expires_at: FIXTURE_TIME + SignedDuration::from_secs(i64::from(c) + 9),
            }),
            ..Changeset::new().insert(record([0, a, b, c]))
        },
    }
}

/// Returns the content of a store as text, as its reads list it.
pub async fn content(store: &dyn TenantStore) -> String {
    let page = PageRequest::largest();
    let mut out = String::new();
    for number in 0..EACH {
        let user = user(number);
        let identity = store.find_user(user).await.unwrap();
        let email = Email::parse(&format!("mail-{number}@example.com")).unwrap();
        let by_email = store.find_user_by_email(&email).await.unwrap();
        let sessions = store.list_sessions(user, FIXTURE_TIME).await.unwrap();
        let session = store.find_session(id(&format!("session-{number}"))).await.unwrap();
        let spent =
            store.refresh_spent_at(id("session-1"), &verifier(u64::from(number)).hash()).await.unwrap();
        let tokens = store.list_api_tokens(user, &page).await.unwrap();
        let organizations = store.list_organizations(user, &page).await.unwrap();
        let created = store.count_created_workspaces(user).await.unwrap();
        let response = store.find_idempotency(user, "key-1", FIXTURE_TIME).await.unwrap();
        writeln!(out, "{identity:?} {by_email:?} {sessions:?} {session:?} {spent:?} {tokens:?}").unwrap();
        writeln!(out, "{organizations:?} {created:?} {response:?}").unwrap();
    }
    let all = store.search_organizations(None, &page).await.unwrap();
    writeln!(out, "{all:?} {:?}", store.count_plan_uses().await.unwrap()).unwrap();
    let mut due = store.list_due_workspaces(jiff::Timestamp::MAX, 99).await.unwrap();
    due.sort_unstable();
    writeln!(out, "{due:?} {:?}", store.list_alert_thresholds(None, 99).await.unwrap()).unwrap();
    for number in 0..ORGANIZATIONS {
        let org = organization(number);
        let log = store.list_audit_events(org, &AuditFilter::default(), &page).await.unwrap();
        writeln!(out, "{:?} {log:?}", store.count_organization(org).await.unwrap()).unwrap();
        for workspace in (0..EACH).map(workspace) {
            let state = store.load_workspace(org, workspace).await.unwrap();
            let groups: Vec<GroupId> = (0..EACH).map(group).collect();
            let memberships = store.list_memberships(org, workspace, &groups).await.unwrap();
            for user in (0..EACH).map(user) {
                let mut groups = store.list_groups_of(org, workspace, user).await.unwrap();
                groups.sort_unstable();
                writeln!(out, "{groups:?}").unwrap();
            }
            let members = store.list_workspace_members(org, workspace, &page).await.unwrap();
            let rules = store.list_alert_rules(org, workspace, &page).await.unwrap();
            let tasks = store.list_tasks(org, workspace, &page).await.unwrap();
            writeln!(out, "{state:?} {memberships:?} {members:?} {rules:?} {tasks:?}").unwrap();
            for project in (0..EACH).map(project) {
                let roles = store.list_roles(org, workspace, project, &page).await.unwrap();
                let assigned = store.list_assignments(org, workspace, Some(project), &page).await.unwrap();
                writeln!(out, "{roles:?} {assigned:?}").unwrap();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::store::MemoryStore;

    /// Kinds of the changes of a step.
    fn kinds(step: Step) -> Vec<(&'static str, &'static str)> {
        let changeset = changeset(step);
        let writes = changeset.writes.iter().map(|write| match write {
            Write::Insert(record) => ("insert", record.key().noun()),
            Write::Update(record) => ("update", record.key().noun()),
            Write::Put(record) => ("put", record.key().noun()),
            Write::Delete(key) => ("delete", key.noun()),
            Write::LeaveGroups(..) => ("leave", "groups"),
            Write::RevokeSessions(..) => ("revoke", "sessions"),
        });
        let precondition = changeset.preconditions.iter().map(|it| ("precondition", it.noun()));
        let response = changeset.idempotency.iter().map(|_| ("store", "response"));
        writes.chain(precondition).chain(response).collect()
    }

    #[tokio::test]
    async fn a_change_of_each_kind_succeeds_in_some_case() {
        let mut runner = TestRunner::deterministic();
        let (mut all, mut succeeded) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..256 {
            let steps = proptest::collection::vec(proptest::prelude::any::<Step>(), 40);
            let steps = steps.new_tree(&mut runner).unwrap().current();
            let results = results(&MemoryStore::new(), &steps).await;
            for (step, result) in steps.iter().zip(results) {
                all.extend(kinds(*step));
                if result.is_ok() {
                    succeeded.extend(kinds(*step));
                }
            }
        }
        assert!(all.len() >= 4 * 14 + 4, "{all:?}");
        assert_eq!(all.difference(&succeeded).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
    }
}
