//! Conversion of a changeset into the steps of one transaction, as a pure function.

use hexabase_core::changeset::{
    Changeset, IdempotencyRecord, Precondition, Record, RecordKey, RecordKeyPart, Write,
};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, TokenId};
use hexabase_core::model::{
    ApiToken, BillingAccount, Member, Membership, Organization, PlanUsers, RegisteredHost, Session,
    StoredPlans, User, Workspace,
};
use hexabase_core::name::PlanId;
use hexabase_core::{__with_record, __with_record_type};
use jiff::Timestamp;
use sqlx::error::ErrorKind;

use super::records::PLANS_ID;
use super::statement::{Query, Value};
use super::table::{Stored, delete, insert, put, update};

/// Statement of a transaction, with its required effect.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) query: Query,
    pub(crate) noun: &'static str,
    pub(crate) expect: Expect,
    pub(crate) target: Target,
}

/// Table and rows that a step reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) table: &'static str,
    /// Key of the row; `None` for several rows, and for a row that has no [`RecordKey`].
    pub(crate) row: Option<RecordKey>,
    /// Organization of the rows; `None` for rows that belong to no organization.
    pub(crate) organization: Option<OrganizationId>,
}

impl Target {
    fn row(table: &'static str, key: RecordKey) -> Self {
        Self { table, organization: key.organization(), row: Some(key) }
    }
}

/// Effect of a step without which the transaction fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Adds a row, or replaces the one with the same key; fails if another row has the same unique name.
    Inserted,
    /// Stores the response of a request; fails if an unexpired response to the same idempotency key exists.
    ResponseStored,
    /// Updates a row, which must exist.
    Updated,
    /// Deletes a row, which must exist and must not have children.
    Deleted,
    /// Updates a row, which must still have its version.
    VersionUnchanged,
    /// Finds a row, which must exist.
    Found,
    /// Has any effect or none.
    Anything,
}

impl Step {
    fn new(query: Query, noun: &'static str, expect: Expect, target: Target) -> Self {
        Self { query, noun, expect, target }
    }

    /// Checks the number of rows that the step affected or found.
    pub(crate) fn check(&self, rows: u64) -> Result<()> {
        match self.expect {
            Expect::Updated | Expect::Deleted if rows == 0 => Err(Error::not_found(self.noun)),
            Expect::VersionUnchanged | Expect::Found if rows == 0 => Err(Error::version_conflict(self.noun)),
            Expect::ResponseStored if rows == 0 => Err(self.already_exists()),
            _ => Ok(()),
        }
    }

    /// Returns the error for a constraint violation; `None` for other errors.
    pub(crate) fn constraint_error(&self, error: &sqlx::Error) -> Option<Error> {
        match error.as_database_error()?.kind() {
            ErrorKind::UniqueViolation => Some(self.already_exists()),
            ErrorKind::ForeignKeyViolation => Some(self.reference_error()),
            ErrorKind::CheckViolation | ErrorKind::NotNullViolation => {
                Some(Error::unexpected("the database rejected a value").with("record", self.noun))
            }
            _ => None,
        }
    }

    /// Returns the error for a name or key that is already in use.
    fn already_exists(&self) -> Error {
        match self.expect {
            Expect::ResponseStored => Error::already_exists(self.noun).with_code("idempotency_key_used"),
            _ => Error::already_exists(self.noun),
        }
    }

    /// Returns the error for a foreign key violation.
    fn reference_error(&self) -> Error {
        match self.expect {
            Expect::Deleted => Error::conflict(
                "has_children",
                format!("{} has children; delete the children first", self.noun),
            ),
            _ => Error::not_found("parent").with("record", self.noun),
        }
    }
}

/// Returns the steps of a changeset.
pub(crate) fn steps(changeset: Changeset) -> Result<Vec<Step>> {
    let Changeset { mut preconditions, mut writes, audit, messages, idempotency } = changeset;
    preconditions.sort_by_key(|precondition| match precondition {
        // Before the workspaces, in the order in which the removal of a member locks them.
        Precondition::Member(..) => 0,
        // The change of the plans comes before it: it waits for the commits that began to use a plan.
        Precondition::PlanUnused(..) => 2,
        _ => 1,
    });
    let mut steps = Vec::with_capacity(preconditions.len() + writes.len() + audit.len() + messages.len() + 2);
    for precondition in preconditions {
        steps.push(precondition_step(precondition, &mut writes)?);
    }
    for write in writes {
        write_steps(write, &mut steps)?;
    }
    for entry in audit {
        let target = Target { table: table_of(&entry), row: None, organization: Some(entry.organization_id) };
        steps.push(Step::new(insert(&entry)?, "audit event", Expect::Inserted, target));
    }
    for message in messages {
        let organization = Some(message.organization_id);
        let target = Target { table: table_of(&message), row: None, organization };
        steps.push(Step::new(insert(&message)?, "message", Expect::Inserted, target));
    }
    if let Some(record) = idempotency {
        let target = Target { table: table_of(&record), row: None, organization: None };
        steps.push(Step::new(
            put_idempotency_record(&record)?,
            "idempotency record",
            Expect::ResponseStored,
            target,
        ));
    }
    Ok(steps)
}

/// Returns the step that records the use of an API token.
pub(super) fn touch_api_token(id: TokenId, used_at: Timestamp) -> Step {
    let query = Query::new("UPDATE api_tokens SET used_at = $2 WHERE id = $1").text(id).time(used_at);
    let target = Target::row(ApiToken::TABLE.name, RecordKey::ApiToken(id));
    Step::new(query, "API token", Expect::Anything, target)
}

fn table_of<T: Stored>(_: &T) -> &'static str {
    T::TABLE.name
}

/// Returns a statement that stores a response, or replaces an expired one, which counts as absent.
fn put_idempotency_record(record: &IdempotencyRecord) -> Result<Query> {
    Ok(put(record)?.append(" WHERE idempotency.expires_at <= excluded.created_at"))
}

/// Returns the step for a precondition. If the changeset also updates the record of the precondition, one statement
/// does both. It comes first, so that it sees the state before all other writes.
fn precondition_step(precondition: Precondition, writes: &mut Vec<Write>) -> Result<Step> {
    let noun = precondition.noun();
    let mut take_update = |key: &RecordKey| -> Option<Record> {
        let index =
            writes.iter().position(|write| matches!(write, Write::Update(record) if record.key() == *key))?;
        match writes.remove(index) {
            Write::Update(record) => Some(record),
            _ => None,
        }
    };
    let (version, key) = match precondition {
        Precondition::User(id, version) => (version, RecordKey::User(id)),
        Precondition::Session(id, version) => (version, RecordKey::Session(id)),
        Precondition::Organization(id, version) => (version, RecordKey::Organization(id)),
        Precondition::BillingAccount(org, version) => (version, RecordKey::BillingAccount(org)),
        Precondition::Workspace(org, id, version) => (version, RecordKey::Workspace(org, id)),
        Precondition::Host(name, version) => (version, RecordKey::Host(name)),
        Precondition::Plans(version) => (version, RecordKey::Plans),
        Precondition::PlanUnused(plan, users) => {
            let query = plan_unused(&plan, &users);
            // The row of the plans, so that the statement begins after that row is locked and sees all earlier commits.
            return Ok(Step::new(
                query,
                noun,
                Expect::Found,
                Target::row(StoredPlans::TABLE.name, RecordKey::Plans),
            ));
        }
        Precondition::Member(org, user) => {
            let query = Query::new("SELECT 1 FROM members WHERE organization_id = $1 AND user_id = $2");
            let target = Target::row(Member::TABLE.name, RecordKey::Member(org, user));
            return Ok(Step::new(query.for_organization(org).text(user), noun, Expect::Found, target));
        }
        Precondition::Lease(name, token) => {
            let token = i64::try_from(token)
                .map_err(|_| Error::unexpected("lease token is too large for the database"))?;
            let query =
                Query::new("SELECT 1 FROM leases WHERE name = $1 AND token = $2").text(name).int(token);
            let target = Target { table: "leases", row: None, organization: None };
            return Ok(Step::new(query, noun, Expect::Found, target));
        }
    };
    if let Some(record) = take_update(&key) {
        let (query, table) =
            __with_record!(&record, |inner| (update(inner, Some(version))?, table_of(inner)));
        return Ok(Step::new(query, noun, Expect::VersionUnchanged, Target::row(table, key)));
    }
    let version = i64::try_from(version.number()).unwrap_or(i64::MAX);
    let (table, query) = match &key {
        RecordKey::Session(id) => (
            Session::TABLE.name,
            Query::new("SELECT 1 FROM sessions WHERE id = $1 AND version = $2").text(id),
        ),
        RecordKey::Organization(id) => (
            Organization::TABLE.name,
            Query::new("SELECT 1 FROM organizations WHERE id = $1 AND version = $2").for_organization(*id),
        ),
        RecordKey::BillingAccount(org) => (
            BillingAccount::TABLE.name,
            Query::new("SELECT 1 FROM billing_accounts WHERE organization_id = $1 AND version = $2")
                .for_organization(*org),
        ),
        RecordKey::Workspace(org, id) => (
            Workspace::TABLE.name,
            Query::new("SELECT 1 FROM workspaces WHERE organization_id = $1 AND id = $2 AND version = $3")
                .for_organization(*org)
                .text(id),
        ),
        RecordKey::Host(name) => (
            RegisteredHost::TABLE.name,
            Query::new("SELECT 1 FROM hosts WHERE name = $1 AND version = $2").text(name),
        ),
        RecordKey::Plans => {
            let query = Query::new("SELECT 1 FROM plans WHERE id = $1 AND version = $2");
            (StoredPlans::TABLE.name, query.text(PLANS_ID))
        }
        RecordKey::User(id) => {
            (User::TABLE.name, Query::new("SELECT 1 FROM users WHERE id = $1 AND version = $2").text(id))
        }
        _ => return Err(Error::unexpected("precondition on a record that has no version")),
    };
    Ok(Step::new(query.int(version), noun, Expect::Found, Target::row(table, key)))
}

/// Returns the statement that finds a row if a plan has no users of a kind.
fn plan_unused(plan: &PlanId, users: &PlanUsers) -> Query {
    let select = match users {
        PlanUsers::Organizations => {
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plan_users WHERE plan_id = $1 AND workspace_id IS NULL)"
        }
        PlanUsers::Workspaces => {
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plan_users WHERE plan_id = $1 AND workspace_id IS NOT NULL)"
        }
        PlanUsers::WorkspacesWith(_) => {
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM plan_users WHERE plan_id = $1 AND kubernetes_version = $2)"
        }
    };
    let query = Query::new(select).text(plan);
    match users {
        PlanUsers::WorkspacesWith(version) => query.text(version),
        PlanUsers::Organizations | PlanUsers::Workspaces => query,
    }
}

fn write_steps(write: Write, steps: &mut Vec<Step>) -> Result<()> {
    match write {
        Write::Insert(record) => {
            let (query, table) = __with_record!(&record, |inner| (insert(inner)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Inserted, Target::row(table, key)));
        }
        Write::Update(record) => {
            let (query, table) = __with_record!(&record, |inner| (update(inner, None)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Updated, Target::row(table, key)));
        }
        Write::Put(record) => {
            let (query, table) = __with_record!(&record, |inner| (put(inner)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Inserted, Target::row(table, key)));
        }
        Write::Delete(key) => {
            let (query, table) = delete_by(&key);
            steps.push(Step::new(query, key.noun(), Expect::Deleted, Target::row(table, key)));
        }
        Write::LeaveGroups(organization, user) => {
            let increment_versions = Query::new(
                "UPDATE workspaces SET version = version + 1, access_version = access_version + 1 \
                 WHERE organization_id = $1 AND id IN \
                 (SELECT workspace_id FROM group_members WHERE organization_id = $1 AND user_id = $2)",
            );
            let leave_groups =
                Query::new("DELETE FROM group_members WHERE organization_id = $1 AND user_id = $2");
            for (query, table) in
                [(increment_versions, Workspace::TABLE.name), (leave_groups, Membership::TABLE.name)]
            {
                let query = query.for_organization(organization).text(user);
                let target = Target { table, row: None, organization: Some(organization) };
                steps.push(Step::new(query, "group member", Expect::Anything, target));
            }
        }
        Write::RevokeSessions(user, at) => {
            let revoke = Query::new(
                "UPDATE sessions SET revoked_at = $2, version = version + 1 \
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
            );
            let target = Target { table: Session::TABLE.name, row: None, organization: None };
            steps.push(Step::new(revoke.text(user).time(at), "session", Expect::Anything, target));
        }
    }
    Ok(())
}

fn delete_by(key: &RecordKey) -> (Query, &'static str) {
    let value = |part| match part {
        RecordKeyPart::Text(text) => Value::Text(Some(text)),
        RecordKeyPart::Time(time) => Value::Time(Some(time)),
    };
    let mut values: Vec<Value> = key.parts().into_iter().map(value).collect();
    if values.is_empty() {
        values.push(Value::Text(Some(PLANS_ID.to_owned())));
    }
    __with_record_type!(key, |T| (delete::<T>(values), T::TABLE.name))
}
