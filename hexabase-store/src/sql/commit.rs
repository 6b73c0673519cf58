//! A changeset as the steps of one transaction: a pure function.

use std::fmt;

use hexabase_core::changeset::{Changeset, Guard, Key, Record, SpentRefresh, Write};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{
    ApiToken, Assignment, CustomRole, Event, Group, Identity, Invitation, Member, Membership, Organization,
    Project, SecurityEvent, ServiceAccount, Session, SigningKey, Task, User, Workspace,
};
use hexabase_core::version::Version;

use super::statement::Query;
use super::table::{Stored, delete, insert, update};

/// One statement of a transaction, and what it must bring.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) query: Query,
    pub(crate) noun: &'static str,
    pub(crate) expect: Expect,
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
    fn new(query: Query, noun: &'static str, expect: Expect) -> Self {
        Self { query, noun, expect }
    }

    /// Judges the number of rows that the step touched or found.
    pub(crate) fn judge(&self, rows: u64) -> Result<()> {
        match self.expect {
            Expect::Changed | Expect::Removed if rows == 0 => Err(Error::not_found(self.noun)),
            Expect::Unmoved | Expect::Found if rows == 0 => Err(Error::version_conflict(self.noun)),
            _ => Ok(()),
        }
    }

    /// What it means that a name or key is taken.
    pub(crate) fn taken(&self) -> Error {
        match self.expect {
            Expect::Kept => Error::already_exists(self.noun).with_code("idempotency_key_used"),
            _ => Error::already_exists(self.noun),
        }
    }

    /// What it means that a reference leads nowhere.
    pub(crate) fn dangling(&self) -> Error {
        match self.expect {
            Expect::Removed => {
                Error::conflict("has_children", format!("the {} still has children", self.noun))
            }
            _ => Error::not_found("what it belongs to").with("thing", self.noun),
        }
    }
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
        steps.push(Step::new(insert(&entry)?, "audit event", Expect::Added));
    }
    for message in messages {
        steps.push(Step::new(insert(&message)?, "message", Expect::Added));
    }
    if let Some(reply) = idempotency {
        // A reply that has expired is as good as none.
        let expired =
            Query::new("DELETE FROM idempotency WHERE user_id = $1 AND key = $2 AND expires_at <= $3");
        let expired = expired.text(reply.user_id).text(&reply.key).time(reply.created_at);
        steps.push(Step::new(expired, "reply", Expect::Anything));
        steps.push(Step::new(insert(&reply)?, "reply", Expect::Kept));
    }
    Ok(steps)
}

/// A guard as a step. Where the changeset also replaces what is guarded, one statement does both: it comes
/// first, so that it sees the state before all other writes.
fn guarded(guard: Guard, writes: &mut Vec<Write>) -> Result<Step> {
    let noun = guard.noun();
    let mut replace = |key: Key| -> Option<Record> {
        let place =
            writes.iter().position(|write| matches!(write, Write::Update(record) if record.key() == key))?;
        match writes.remove(place) {
            Write::Update(record) => Some(record),
            _ => None,
        }
    };
    let query = match guard {
        Guard::User(id, version) => match replace(Key::User(id)) {
            Some(Record::User(user)) => update(&user, Some(version))?,
            _ => has_version("users", version).text(id),
        },
        Guard::Session(id, version) => match replace(Key::Session(id)) {
            Some(Record::Session(session)) => update(&session, Some(version))?,
            _ => has_version("sessions", version).text(id),
        },
        Guard::Organization(id, version) => match replace(Key::Organization(id)) {
            Some(Record::Organization(organization)) => update(&organization, Some(version))?,
            _ => has_version("organizations", version).text(id),
        },
        Guard::Workspace(org, id, version) => match replace(Key::Workspace(org, id)) {
            Some(Record::Workspace(workspace)) => update(&*workspace, Some(version))?,
            _ => has_version("workspaces", version).text(id).text(org),
        },
        Guard::Member(org, user) => {
            Query::new("SELECT 1 FROM members WHERE organization_id = $1 AND user_id = $2")
                .text(org)
                .text(user)
        }
        Guard::Lease(name, token) => {
            let token = i64::try_from(token).map_err(|_| Error::unexpected("a lease token is too large"))?;
            Query::new("SELECT 1 FROM leases WHERE name = $1 AND token = $2").text(name).int(token)
        }
    };
    let writes = query.sql.as_str().starts_with("UPDATE");
    Ok(Step::new(query, noun, if writes { Expect::Unmoved } else { Expect::Found }))
}

fn has_version(table: &'static str, version: Version) -> Query {
    let scoped = if table == "workspaces" { " AND organization_id = $3" } else { "" };
    let query = Query::assembled(format!("SELECT 1 FROM {table} WHERE version = $1 AND id = $2{scoped}"));
    query.int(i64::try_from(version.number()).unwrap_or(i64::MAX))
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
            Record::Organization($inner) => $body,
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

fn write_steps(write: Write, steps: &mut Vec<Step>) -> Result<()> {
    match write {
        Write::Insert(record) => {
            let query = with_record!(&record, |inner| insert(inner))?;
            steps.push(Step::new(query, record.key().noun(), Expect::Added));
        }
        Write::Update(record) => {
            let query = with_record!(&record, |inner| update(inner, None))?;
            steps.push(Step::new(query, record.key().noun(), Expect::Changed));
        }
        Write::Delete(key) => steps.push(Step::new(delete_by(&key), key.noun(), Expect::Removed)),
        Write::LeaveGroups(organization, user) => {
            let raise = Query::new(
                "UPDATE workspaces SET version = version + 1, access_version = access_version + 1 \
                 WHERE organization_id = $1 AND id IN \
                 (SELECT workspace_id FROM group_members WHERE organization_id = $1 AND user_id = $2)",
            );
            let leave = Query::new("DELETE FROM group_members WHERE organization_id = $1 AND user_id = $2");
            for query in [raise, leave] {
                steps.push(Step::new(query.text(organization).text(user), "group member", Expect::Anything));
            }
        }
        Write::RevokeSessions(user, at) => {
            let revoke = Query::new(
                "UPDATE sessions SET revoked_at = $2, version = version + 1 \
                 WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2",
            );
            steps.push(Step::new(revoke.text(user).time(at), "session", Expect::Anything));
        }
    }
    Ok(())
}

fn delete_by(key: &Key) -> Query {
    fn of<T: Stored>(parts: &[&dyn fmt::Display]) -> Query {
        delete::<T>(parts)
    }
    match key {
        Key::User(id) => of::<User>(&[id]),
        Key::Identity(provider, subject) => of::<Identity>(&[provider, subject]),
        Key::Session(id) => of::<Session>(&[id]),
        Key::SpentRefresh(session, hash) => of::<SpentRefresh>(&[session, hash]),
        Key::ApiToken(id) => of::<ApiToken>(&[id]),
        Key::SecurityEvent(user, id) => of::<SecurityEvent>(&[user, id]),
        Key::SigningKey(kid) => of::<SigningKey>(&[kid]),
        Key::Organization(id) => of::<Organization>(&[id]),
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
