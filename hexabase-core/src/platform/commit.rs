use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Caller, IdempotencyKey, Parts, Platform, turns};
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage, Topic, Write};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{Actor, AuditEvent, Event, Origin};
use crate::notifier::Mail;

/// How often to read and decide again when others are faster.
const ATTEMPTS: usize = 16;
const REPLY: &str = "idempotent reply";
/// The purpose under which mails are sealed while they wait in the outbox.
pub(crate) const MAIL: &str = "mail";

/// The outcome of a command that can be repeated safely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T> {
    /// What came of it.
    pub value: T,
    /// Whether it had been done before, and this is what was answered then.
    pub replayed: bool,
}

impl Platform {
    /// Runs a command of another crate the way the services here run theirs: it reads, decides and commits,
    /// again when somebody else was faster; and where the caller marked the request, a repetition is answered
    /// with the first reply.
    ///
    /// # Errors
    /// Whatever `attempt` or the store fails with; `Invalid` with code `idempotency_mismatch` for a key that
    /// was used for another request.
    pub async fn repeatable<T, F>(
        &self,
        caller: &Caller,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<Done<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        self.once(caller, attempt).await
    }
}

impl Parts {
    /// Commits, and rings for whoever waits for what the commit left behind.
    pub(crate) async fn commit(&self, changeset: Changeset) -> Result<()> {
        if changeset.is_empty() {
            return Ok(());
        }
        let has_messages = !changeset.messages.is_empty();
        let is_event = |write: &Write| matches!(write, Write::Insert(crate::changeset::Record::Event(_)));
        let has_events = changeset.writes.iter().any(is_event);
        self.store.commit(changeset).await?;
        if has_messages {
            self.outbox.notify(usize::MAX);
        }
        if has_events {
            self.moved.notify(usize::MAX);
        }
        Ok(())
    }

    /// Reads, decides and commits, and does so again when somebody else was faster: in turn then with all who were too late.
    pub(crate) async fn transact<T, F>(&self, attempt: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        let mut last = Error::unexpected("no attempt was made");
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let (changeset, value) = attempt().await?;
            let line = self.turns.line(&changeset);
            match self.commit(changeset).await {
                Ok(()) => return Ok(value),
                Err(error) if error.is_version_conflict() => last = error,
                Err(error) => return Err(error),
            }
            if turn.is_none() {
                turn = turns::wait(line, &*self.clock).await;
            }
        }
        Err(last)
    }

    /// As [`Self::transact`], for requests that may be repeated: the reply is part of the commit, and a
    /// repetition is answered with it.
    pub(crate) async fn once<T, F>(
        &self,
        caller: &Caller,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<Done<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        let Some(key) = &caller.idempotency else {
            return Ok(Done { value: self.transact(attempt).await?, replayed: false });
        };
        if let Some(value) = self.earlier_reply(caller, key).await? {
            return Ok(Done { value, replayed: true });
        }
        let with_reply = || async {
            let (mut changeset, value) = attempt().await?;
            changeset.idempotency = Some(self.reply(caller, key, &value)?);
            Ok((changeset, value))
        };
        match self.transact(with_reply).await {
            Ok(value) => Ok(Done { value, replayed: false }),
            // The same request won a race against itself.
            Err(error) if error.code() == "idempotency_key_used" => {
                let value = self.earlier_reply(caller, key).await?.ok_or(error)?;
                Ok(Done { value, replayed: true })
            }
            // What it wanted to make may be there because a twin of the request has just made it.
            Err(error) => match self.earlier_reply(caller, key).await? {
                Some(value) => Ok(Done { value, replayed: true }),
                None => Err(error),
            },
        }
    }

    fn reply<T: Serialize>(
        &self,
        caller: &Caller,
        key: &IdempotencyKey,
        value: &T,
    ) -> Result<IdempotencyRecord> {
        let now = self.now();
        let plain = serde_json::to_vec(value)
            .map_err(|error| Error::unexpected("a reply cannot be written as JSON").caused_by(error))?;
        Ok(IdempotencyRecord {
            user_id: caller.principal.user_id,
            key: key.key.clone(),
            fingerprint: key.fingerprint,
            reply: self.key.seal(&*self.ids, REPLY, &plain)?,
            created_at: now,
            expires_at: after(now, self.settings.replies_kept),
        })
    }

    async fn earlier_reply<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        key: &IdempotencyKey,
    ) -> Result<Option<T>> {
        let user = caller.principal.user_id;
        let Some(record) = self.store.find_idempotency(user, &key.key, self.now()).await? else {
            return Ok(None);
        };
        if record.fingerprint != key.fingerprint {
            let message = "was used for another request; take a new key for a new request";
            return Err(Error::invalid("Idempotency-Key", message).with_code("idempotency_mismatch"));
        }
        let plain = self.key.open(REPLY, &record.reply)?;
        let value = serde_json::from_slice(&plain)
            .map_err(|error| Error::unexpected("a kept reply cannot be read").caused_by(error))?;
        Ok(Some(value))
    }

    /// An entry of an audit log, for what `caller` does now.
    pub(crate) fn audit(
        &self,
        caller: &Caller,
        organization_id: OrganizationId,
        action: &str,
        resource: impl ToString,
        before: impl Serialize,
        after: impl Serialize,
    ) -> AuditEvent {
        AuditEvent {
            actor: caller.principal.actor(),
            origin: caller.origin.clone(),
            ..self.audit_own(organization_id, action, resource, before, after)
        }
    }

    /// An entry of an audit log, for what the platform does now by itself.
    pub(crate) fn audit_own(
        &self,
        organization_id: OrganizationId,
        action: &str,
        resource: impl ToString,
        before: impl Serialize,
        after: impl Serialize,
    ) -> AuditEvent {
        let now = self.now();
        // What is audited are our own plain types, which always are JSON.
        let json = |value: serde_json::Result<serde_json::Value>| value.unwrap_or_default();
        AuditEvent {
            id: self.id(now),
            organization_id,
            actor: Actor::PLATFORM,
            action: action.to_owned(),
            resource: resource.to_string(),
            before: json(serde_json::to_value(before)),
            after: json(serde_json::to_value(after)),
            origin: Origin::default(),
            at: now,
        }
    }

    /// A mail on its way, sealed.
    pub(crate) fn mail(&self, organization_id: OrganizationId, mail: &Mail) -> Result<OutboxMessage> {
        let plain = serde_json::to_vec(mail)
            .map_err(|error| Error::unexpected("a mail cannot be written as JSON").caused_by(error))?;
        Ok(OutboxMessage {
            id: self.id(self.now()),
            topic: Topic::Mail,
            organization_id,
            workspace_id: None,
            payload: self.key.seal(&*self.ids, MAIL, &plain)?,
        })
    }

    /// A live event.
    pub(crate) fn event(
        &self,
        organization_id: OrganizationId,
        workspace_id: Option<WorkspaceId>,
        kind: &str,
        data: serde_json::Value,
    ) -> Event {
        let now = self.now();
        Event { id: self.id(now), organization_id, workspace_id, kind: kind.to_owned(), data, at: now }
    }

    /// A message that makes a worker look at a workspace.
    pub(crate) fn look(&self, organization_id: OrganizationId, workspace_id: WorkspaceId) -> OutboxMessage {
        OutboxMessage { workspace_id: Some(workspace_id), ..self.look_at_account(organization_id) }
    }

    /// A message that makes a worker look at the billing account of an organization.
    pub(crate) fn look_at_account(&self, organization_id: OrganizationId) -> OutboxMessage {
        OutboxMessage {
            id: self.id(self.now()),
            topic: Topic::Look,
            organization_id,
            workspace_id: None,
            payload: Vec::new(),
        }
    }
}

/// Refuses to go on when `expected` is given and is not the `actual` version.
pub(crate) fn require_version(
    expected: Option<crate::version::Version>,
    actual: crate::version::Version,
) -> Result<()> {
    if expected.is_none_or(|expected| expected == actual) {
        return Ok(());
    }
    let message = format!("it has version {actual} by now; read it again and decide anew");
    Err(Error::conflict("precondition_failed", message))
}
