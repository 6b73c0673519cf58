//! A changeset as the steps of one transaction: a pure function.

use std::fmt;

use hexabase_core::changeset::{Changeset, Guard, IdempotencyRecord, Key, Record, SpentRefresh, Write};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{
    ApiToken, Assignment, BillingAccount, CustomRole, Event, Group, Hour, Identity, Invitation, Member,
    Membership, MeteredHour, Organization, Project, RegisteredHost, SecurityEvent, ServiceAccount, Session,
    SigningKey, Task, UsageHour, UsageReport, User, WebhookEvent, Workspace,
};
use sqlx::error::ErrorKind;

use super::statement::{Query, Value};
use super::table::{Stored, delete, insert, put, update};

/// One statement of a transaction, and what it must bring.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) query: Query,
    pub(crate) noun: &'static str,
    pub(crate) expect: Expect,
    pub(crate) touches: Touches,
}

/// What a step reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Touches {
    pub(crate) table: &'static str,
    /// The one row, if it is one and has a key that others may name.
    pub(crate) row: Option<Key>,
    /// Whose rows they are, if they are of an organization.
    pub(crate) organization: Option<OrganizationId>,
}

impl Touches {
    fn row(table: &'static str, key: Key) -> Self {
        Self { table, organization: key.organization(), row: Some(key) }
    }
}

/// What a step must bring for the transaction to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It adds a row; one of the same name may be in the way.
    Added,
    /// It adds the reply of a request; one to the same key may be in the way.
    Kept,
    /// It changes a row that is there.
    Changed,
    /// It removes a row that is there, unless something still needs it.
    Removed,
    /// It changes a row that still has its version.
    Unmoved,
    /// It finds a row.
    Found,
    /// Whatever it does is fine.
    Anything,
}

impl Step {
    fn new(query: Query, noun: &'static str, expect: Expect, touches: Touches) -> Self {
        Self { query, noun, expect, touches }
    }

    /// Judges the number of rows that the step touched or found.
    pub(crate) fn judge(&self, rows: u64) -> Result<()> {
        match self.expect {
            Expect::Changed | Expect::Removed if rows == 0 => Err(Error::not_found(self.noun)),
            Expect::Unmoved | Expect::Found if rows == 0 => Err(Error::version_conflict(self.noun)),
            Expect::Kept if rows == 0 => Err(self.taken()),
            _ => Ok(()),
        }
    }

    /// What it means that a constraint stood in the way, if that is what the error says.
    pub(crate) fn collision(&self, error: &sqlx::Error) -> Option<Error> {
        match error.as_database_error()?.kind() {
            ErrorKind::UniqueViolation => Some(self.taken()),
            ErrorKind::ForeignKeyViolation => Some(self.dangling()),
            ErrorKind::CheckViolation | ErrorKind::NotNullViolation => {
                Some(Error::unexpected("the database refuses a value").with("thing", self.noun))
            }
            _ => None,
        }
    }

    /// What it means that a name or key is taken.
    fn taken(&self) -> Error {
        match self.expect {
            Expect::Kept => Error::already_exists(self.noun).with_code("idempotency_key_used"),
            _ => Error::already_exists(self.noun),
        }
    }

    /// What it means that a reference leads nowhere.
    fn dangling(&self) -> Error {
        match self.expect {
            Expect::Removed => {
                Error::conflict("has_children", format!("the {} still has children", self.noun))
            }
            _ => Error::not_found("what it belongs to").with("thing", self.noun),
        }
    }
}

/// Does something with a record of whatever kind.
macro_rules! with_record {
    ($record:expr, |$inner:ident| $body:expr) => {
        match $record {
            Record::User($inner) => $body,
            Record::Identity($inner) => $body,
            Record::Session($inner) => $body,
            Record::SpentRefresh($inner) => $body,
            Record::ApiToken($inner) => $body,
            Record::SecurityEvent($inner) => $body,
            Record::SigningKey($inner) => $body,
            Record::Host($inner) => {
                let $inner = &**$inner;
                $body
            }
            Record::Organization($inner) => $body,
            Record::BillingAccount($inner) => {
                let $inner = &**$inner;
                $body
            }
            Record::WebhookEvent($inner) => $body,
            Record::UsageHour($inner) => $body,
            Record::UsageReport($inner) => $body,
            Record::MeteredHour($inner) => $body,
            Record::Member($inner) => $body,
            Record::Invitation($inner) => $body,
            Record::ServiceAccount($inner) => $body,
            Record::Workspace($inner) => {
                let $inner = &**$inner;
                $body
            }
            Record::Group($inner) => $body,
            Record::Membership($inner) => $body,
            Record::Project($inner) => $body,
            Record::Role($inner) => $body,
            Record::Assignment($inner) => $body,
            Record::Task($inner) => $body,
            Record::Event($inner) => $body,
        }
    };
}

/// The steps that make a change.
pub(crate) fn steps(changeset: Changeset) -> Result<Vec<Step>> {
    let Changeset { guards, mut writes, audit, messages, idempotency } = changeset;
    let mut steps = Vec::with_capacity(guards.len() + writes.len() + audit.len() + messages.len() + 2);
    for guard in guards {
        steps.push(guarded(guard, &mut writes)?);
    }
    for write in writes {
        write_steps(write, &mut steps)?;
    }
    for entry in audit {
        let touches =
            Touches { table: table_of(&entry), row: None, organization: Some(entry.organization_id) };
        steps.push(Step::new(insert(&entry)?, "audit event", Expect::Added, touches));
    }
    for message in messages {
        let touches = Touches { table: table_of(&message), row: None, organization: None };
        steps.push(Step::new(insert(&message)?, "message", Expect::Added, touches));
    }
    if let Some(reply) = idempotency {
        let touches = Touches { table: table_of(&reply), row: None, organization: None };
        steps.push(Step::new(keep(&reply)?, "reply", Expect::Kept, touches));
    }
    Ok(steps)
}

fn table_of<T: Stored>(_: &T) -> &'static str {
    T::TABLE.name
}

/// Adds a reply, or puts it in the place of one that has expired, which is as good as none.
fn keep(reply: &IdempotencyRecord) -> Result<Query> {
    Ok(put(reply)?.followed_by(" WHERE idempotency.expires_at <= excluded.created_at"))
}

/// A guard as a step. Where the changeset also replaces what is guarded, one statement does both: it comes
/// first, so that it sees the state before all other writes.
fn guarded(guard: Guard, writes: &mut Vec<Write>) -> Result<Step> {
    let noun = guard.noun();
    let mut replace = |key: &Key| -> Option<Record> {
        let place =
            writes.iter().position(|write| matches!(write, Write::Update(record) if record.key() == *key))?;
        match writes.remove(place) {
            Write::Update(record) => Some(record),
            _ => None,
        }
    };
    let (version, key) = match guard {
        Guard::User(id, version) => (version, Key::User(id)),
        Guard::Session(id, version) => (version, Key::Session(id)),
        Guard::Organization(id, version) => (version, Key::Organization(id)),
        Guard::BillingAccount(org, version) => (version, Key::BillingAccount(org)),
        Guard::Workspace(org, id, version) => (version, Key::Workspace(org, id)),
        Guard::Host(name, version) => (version, Key::Host(name)),
        Guard::Member(org, user) => {
            let query = Query::new("SELECT 1 FROM members WHERE organization_id = $1 AND user_id = $2");
            let touches = Touches::row(Member::TABLE.name, Key::Member(org, user));
            return Ok(Step::new(query.of(org).text(user), noun, Expect::Found, touches));
        }
        Guard::Lease(name, token) => {
            let token = i64::try_from(token).map_err(|_| Error::unexpected("a lease token is too large"))?;
            let query =
                Query::new("SELECT 1 FROM leases WHERE name = $1 AND token = $2").text(name).int(token);
            let touches = Touches { table: "leases", row: None, organization: None };
            return Ok(Step::new(query, noun, Expect::Found, touches));
        }
    };
    if let Some(record) = replace(&key) {
        let (query, table) = with_record!(&record, |inner| (update(inner, Some(version))?, table_of(inner)));
        return Ok(Step::new(query, noun, Expect::Unmoved, Touches::row(table, key)));
    }
    let version = i64::try_from(version.number()).unwrap_or(i64::MAX);
    let (table, query) = match &key {
        Key::Session(id) => (
            Session::TABLE.name,
            Query::new("SELECT 1 FROM sessions WHERE id = $1 AND version = $2").text(id),
        ),
        Key::Organization(id) => (
            Organization::TABLE.name,
            Query::new("SELECT 1 FROM organizations WHERE id = $1 AND version = $2").of(*id),
        ),
        Key::BillingAccount(org) => (
            BillingAccount::TABLE.name,
            Query::new("SELECT 1 FROM billing_accounts WHERE organization_id = $1 AND version = $2").of(*org),
        ),
        Key::Workspace(org, id) => (
            Workspace::TABLE.name,
            Query::new("SELECT 1 FROM workspaces WHERE organization_id = $1 AND id = $2 AND version = $3")
                .of(*org)
                .text(id),
        ),
        Key::Host(name) => (
            RegisteredHost::TABLE.name,
            Query::new("SELECT 1 FROM hosts WHERE name = $1 AND version = $2").text(name),
        ),
        Key::User(id) => {
            (User::TABLE.name, Query::new("SELECT 1 FROM users WHERE id = $1 AND version = $2").text(id))
        }
        _ => return Err(Error::unexpected("a guard of something that has no version")),
    };
    Ok(Step::new(query.int(version), noun, Expect::Found, Touches::row(table, key)))
}

fn write_steps(write: Write, steps: &mut Vec<Step>) -> Result<()> {
    match write {
        Write::Insert(record) => {
            let (query, table) = with_record!(&record, |inner| (insert(inner)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Added, Touches::row(table, key)));
        }
        Write::Update(record) => {
            let (query, table) = with_record!(&record, |inner| (update(inner, None)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Changed, Touches::row(table, key)));
        }
        Write::Put(record) => {
            let (query, table) = with_record!(&record, |inner| (put(inner)?, table_of(inner)));
            let key = record.key();
            steps.push(Step::new(query, key.noun(), Expect::Added, Touches::row(table, key)));
        }
        Write::Delete(key) => {
            let (query, table) = delete_by(&key);
            steps.push(Step::new(query, key.noun(), Expect::Removed, Touches::row(table, key)));
        }
        Write::LeaveGroups(organization, user) => {
            let raise = Query::new(
                "UPDATE workspaces SET version = version + 1, access_version = access_version + 1 \
                 WHERE organization_id = $1 AND id IN \
                 (SELECT workspace_id FROM group_members WHERE organization_id = $1 AND user_id = $2)",
            );
            let leave = Query::new("DELETE FROM group_members WHERE organization_id = $1 AND user_id = $2");
            for (query, table) in [(raise, Workspace::TABLE.name), (leave, Membership::TABLE.name)] {
                let query = query.of(organization).text(user);
                let touches = Touches { table, row: None, organization: Some(organization) };
                steps.push(Step::new(query, "group member", Expect::Anything, touches));
            }
        }
        Write::RevokeSessions(user, at) => {
            let revoke = Query::new(
                "UPDATE sessions SET revoked_at = $2, version = version + 1 \
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
            );
            let touches = Touches { table: Session::TABLE.name, row: None, organization: None };
            steps.push(Step::new(revoke.text(user).time(at), "session", Expect::Anything, touches));
        }
    }
    Ok(())
}

fn delete_by(key: &Key) -> (Query, &'static str) {
    fn text(part: &dyn fmt::Display) -> Value {
        Value::Text(Some(part.to_string()))
    }
    fn time(hour: &Hour) -> Value {
        Value::Time(Some(hour.start()))
    }
    fn keyed<T: Stored>(key: Vec<Value>) -> (Query, &'static str) {
        (delete::<T>(key), T::TABLE.name)
    }
    fn of<T: Stored>(parts: &[&dyn fmt::Display]) -> (Query, &'static str) {
        keyed::<T>(parts.iter().map(|part| text(part)).collect())
    }
    match key {
        Key::User(id) => of::<User>(&[id]),
        Key::Identity(provider, subject) => of::<Identity>(&[provider, subject]),
        Key::Session(id) => of::<Session>(&[id]),
        Key::SpentRefresh(session, hash) => of::<SpentRefresh>(&[session, hash]),
        Key::ApiToken(id) => of::<ApiToken>(&[id]),
        Key::SecurityEvent(user, id) => of::<SecurityEvent>(&[user, id]),
        Key::SigningKey(kid) => of::<SigningKey>(&[kid]),
        Key::Host(name) => of::<RegisteredHost>(&[name]),
        Key::Organization(id) => of::<Organization>(&[id]),
        Key::BillingAccount(org) => of::<BillingAccount>(&[org]),
        Key::WebhookEvent(id) => of::<WebhookEvent>(&[id]),
        Key::UsageHour(org, hour, ws) => keyed::<UsageHour>(vec![text(org), time(hour), text(ws)]),
        Key::UsageReport(org, hour) => keyed::<UsageReport>(vec![text(org), time(hour)]),
        Key::MeteredHour(hour) => keyed::<MeteredHour>(vec![time(hour)]),
        Key::Member(org, user) => of::<Member>(&[org, user]),
        Key::Invitation(org, id) => of::<Invitation>(&[org, id]),
        Key::ServiceAccount(org, id) => of::<ServiceAccount>(&[org, id]),
        Key::Workspace(org, id) => of::<Workspace>(&[org, id]),
        Key::Group(org, ws, id) => of::<Group>(&[org, ws, id]),
        Key::Membership(org, ws, group, user) => of::<Membership>(&[org, ws, group, user]),
        Key::Project(org, ws, id) => of::<Project>(&[org, ws, id]),
        Key::Role(org, ws, id) => of::<CustomRole>(&[org, ws, id]),
        Key::Assignment(org, ws, id) => of::<Assignment>(&[org, ws, id]),
        Key::Task(org, ws, id) => of::<Task>(&[org, ws, id]),
        Key::Event(org, id) => of::<Event>(&[org, id]),
    }
}
