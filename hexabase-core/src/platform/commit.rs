use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::change_events::published_changes;
use super::{Authorization, Caller, IdempotencyKey, Platform, PlatformInner, commit_locks};
use crate::changeset::{Changeset, IdempotencyRecord, OutboxMessage, Precondition, Record, Topic, Write};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, SessionId, UserId, WorkspaceId};
use crate::model::{Actor, AuditEvent, Event, EventKind, Origin, SecurityEvent, SecurityEventKind};
use crate::name::Email;
use crate::notifier::{Envelope, Notification};
use crate::telemetry;

/// Maximum number of attempts to read, decide and commit if other commits change the version.
const MAX_COMMIT_ATTEMPTS: usize = 16;
/// Purpose under which responses to idempotent requests are encrypted.
pub(super) const RESPONSE_SEAL_PURPOSE: &str = "idempotent reply";
/// Purpose under which notifications in the outbox are encrypted.
pub(crate) const MAIL_SEAL_PURPOSE: &str = "mail";

/// Result of a command with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotent<T> {
    /// Result of the command.
    pub value: T,
    /// `true` if the command ran for an earlier request with the same key, and `value` is the response to that
    /// request.
    pub replayed: bool,
}

impl Platform {
    /// Runs a command of another crate as the services of the platform run theirs: `attempt` authorizes, reads and
    /// decides, then the changeset is committed. Both are repeated after a version conflict. If the caller sent an
    /// idempotency key, a repetition with the same credential receives the first response, provided that the caller
    /// still has the permission `authorization`. `T` must serialize without secrets, as responses are stored.
    ///
    /// # Errors
    /// - Any error of `attempt` or the store.
    /// - `NotFound` or `Forbidden` for a repetition by a caller who has lost the permission.
    /// - `Invalid` with code `idempotency_mismatch` if the key was used for another request or with another credential.
    pub async fn run_idempotent<T, F>(
        &self,
        caller: &Caller,
        authorization: Authorization,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<Idempotent<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        self.inner().run_idempotent(caller, authorization, attempt).await
    }

    /// Commits a changeset of another crate as the services of the platform commit theirs: processes that wait for its
    /// outbox messages and live events are notified.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn commit(&self, changeset: Changeset) -> Result<()> {
        self.inner().commit(changeset).await
    }

    /// Runs a command of another crate that no request repeats: `attempt` reads and decides, then the changeset is
    /// committed. Both are repeated after a version conflict.
    ///
    /// # Errors
    /// - Any error of `attempt` or the store.
    /// - `Conflict` with code `version_conflict` if other commits change the version at every attempt.
    pub async fn transact<T, F>(&self, attempt: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        self.inner().transact(attempt).await
    }

    /// Creates a security event of a user, which is recorded when a changeset with it is committed.
    #[must_use]
    pub fn security_event(
        &self,
        user: UserId,
        session: Option<SessionId>,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> SecurityEvent {
        self.inner().security_event(user, session, kind, origin)
    }
}

impl PlatformInner {
    /// Adds the live events of the changes and commits, then notifies waiting tasks of new outbox messages and live
    /// events.
    pub(crate) async fn commit(&self, mut changeset: Changeset) -> Result<()> {
        if changeset.is_empty() {
            return Ok(());
        }
        for change in published_changes(&changeset) {
            let event = self.event(change.organization, change.workspace, change.kind, serde_json::json!({}));
            changeset.writes.push(Write::Insert(event.into()));
        }
        let has_messages = !changeset.messages.is_empty();
        let organization_of_event = |write: &Write| match write {
            Write::Insert(Record::Event(event)) => Some(event.organization_id),
            _ => None,
        };
        let with_events: BTreeSet<_> = changeset.writes.iter().filter_map(organization_of_event).collect();
        let uses_plans = changeset.preconditions.iter().any(|it| matches!(it, Precondition::Plans(_)));
        let committed = self.store.commit(changeset).await;
        if committed.as_ref().is_err_and(Error::is_version_conflict) {
            telemetry::record_commit_conflict();
            if uses_plans {
                self.plan_cache.expire();
            }
        }
        committed?;
        if has_messages {
            self.outbox.notify(usize::MAX);
        }
        for organization in with_events {
            self.event_signals.notify(organization);
        }
        Ok(())
    }

    /// Reads, decides and commits; repeats that after a version conflict. From the second attempt on, holds the commit
    /// lock of the organization if it is acquired in time.
    pub(crate) async fn transact<T, F>(&self, attempt: impl Fn() -> F + Send + Sync) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        let mut last = Error::unexpected("no attempt was made");
        let mut commit_lock = None;
        for _ in 0..MAX_COMMIT_ATTEMPTS {
            let (changeset, value) = attempt().await?;
            let lock = self.commit_locks.lock_for(&changeset);
            match self.commit(changeset).await {
                Ok(()) => return Ok(value),
                Err(error) if error.is_version_conflict() => last = error,
                Err(error) => return Err(error),
            }
            if commit_lock.is_none() {
                commit_lock = commit_locks::acquire(lock, &*self.clock).await;
            }
        }
        Err(last)
    }

    /// Runs [`Self::transact`] for a request that may be repeated: the response is part of the commit, and a
    /// repetition receives it if the caller still has the permission.
    pub(crate) async fn run_idempotent<T, F>(
        &self,
        caller: &Caller,
        authorization: Authorization,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<Idempotent<T>>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = Result<(Changeset, T)>> + Send,
    {
        let Some(key) = &caller.idempotency else {
            return Ok(Idempotent { value: self.transact(attempt).await?, replayed: false });
        };
        if let Some(value) = self.stored_response(caller, authorization, key).await? {
            return Ok(Idempotent { value, replayed: true });
        }
        let with_response = || async {
            let (mut changeset, value) = attempt().await?;
            changeset.idempotency = Some(self.idempotency_record(caller, key, &value)?);
            Ok((changeset, value))
        };
        match self.transact(with_response).await {
            Ok(value) => Ok(Idempotent { value, replayed: false }),
            // A concurrent repetition of the request committed first.
            Err(error) if error.code() == "idempotency_key_used" => {
                let value = self.stored_response(caller, authorization, key).await?.ok_or(error)?;
                Ok(Idempotent { value, replayed: true })
            }
            // The error can be caused by a concurrent repetition of the request, for example if it created the object.
            Err(error) => match self.stored_response(caller, authorization, key).await? {
                Some(value) => Ok(Idempotent { value, replayed: true }),
                None => Err(error),
            },
        }
    }

    fn idempotency_record<T: Serialize>(
        &self,
        caller: &Caller,
        key: &IdempotencyKey,
        value: &T,
    ) -> Result<IdempotencyRecord> {
        let now = self.now();
        let plain = serde_json::to_vec(value).map_err(|error| {
            Error::unexpected("serializing the response of an idempotent request failed").caused_by(error)
        })?;
        Ok(IdempotencyRecord {
            user_id: caller.principal.user_id,
            key: key.key.clone(),
            fingerprint: key.fingerprint_for(&caller.principal.credential),
            response: self.key.seal(&*self.ids, RESPONSE_SEAL_PURPOSE, &plain)?,
            created_at: now,
            expires_at: after(now, self.config.idempotency_retention),
        })
    }

    async fn stored_response<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        authorization: Authorization,
        key: &IdempotencyKey,
    ) -> Result<Option<T>> {
        let user = caller.principal.user_id;
        let Some(record) = self.store.find_idempotency(user, &key.key, self.now()).await? else {
            return Ok(None);
        };
        self.require(caller, authorization).await?;
        if record.fingerprint != key.fingerprint_for(&caller.principal.credential) {
            let message =
                "was used for another request or with another credential; use a new key for a new request";
            return Err(Error::invalid("Idempotency-Key", message).with_code("idempotency_mismatch"));
        }
        let plain = self.key.open(RESPONSE_SEAL_PURPOSE, &record.response)?;
        let value = serde_json::from_slice(&plain).map_err(|error| {
            Error::unexpected("deserializing the stored response of an idempotent request failed")
                .caused_by(error)
        })?;
        Ok(Some(value))
    }

    /// Creates an audit entry for an action of `caller`.
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
            ..self.audit_platform(organization_id, action, resource, before, after)
        }
    }

    /// Creates an audit entry for an action of the platform itself.
    pub(crate) fn audit_platform(
        &self,
        organization_id: OrganizationId,
        action: &str,
        resource: impl ToString,
        before: impl Serialize,
        after: impl Serialize,
    ) -> AuditEvent {
        let now = self.now();
        // Values in audit entries are plain types of this crate, which always serialize.
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

    /// Creates a security event of a user.
    pub(crate) fn security_event(
        &self,
        user_id: UserId,
        session_id: Option<SessionId>,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> SecurityEvent {
        let now = self.now();
        let Origin { address, device, .. } = origin.clone();
        SecurityEvent { id: self.id(now), user_id, kind, session_id, address, device, at: now }
    }

    /// Creates an outbox message with an encrypted notification.
    pub(crate) fn notification(
        &self,
        organization_id: OrganizationId,
        to: Email,
        notification: Notification,
    ) -> Result<OutboxMessage> {
        let created_at = self.now();
        let id = self.id(created_at);
        let language = self.config.notifications.language.clone();
        let envelope = Envelope { id, to, language, created_at, notification };
        let plain = serde_json::to_vec(&envelope)
            .map_err(|error| Error::unexpected("serializing a notification failed").caused_by(error))?;
        Ok(OutboxMessage {
            id,
            topic: Topic::Mail,
            organization_id,
            workspace_id: None,
            payload: self.key.seal(&*self.ids, MAIL_SEAL_PURPOSE, &plain)?,
            trace_parent: self.traces.current(),
        })
    }

    /// Creates a live event.
    pub(crate) fn event(
        &self,
        organization_id: OrganizationId,
        workspace_id: Option<WorkspaceId>,
        kind: EventKind,
        data: serde_json::Value,
    ) -> Event {
        let (now, kind) = (self.now(), kind.to_string());
        Event { id: self.id(now), organization_id, workspace_id, kind, data, at: now }
    }

    /// Creates an outbox message that requests a reconcile of a workspace.
    pub(crate) fn reconcile_message(
        &self,
        organization_id: OrganizationId,
        workspace_id: WorkspaceId,
    ) -> OutboxMessage {
        OutboxMessage { workspace_id: Some(workspace_id), ..self.account_reconcile_message(organization_id) }
    }

    /// Creates an outbox message that requests a reconcile of the billing account of an organization.
    pub(crate) fn account_reconcile_message(&self, organization_id: OrganizationId) -> OutboxMessage {
        OutboxMessage {
            id: self.id(self.now()),
            topic: Topic::Reconcile,
            organization_id,
            workspace_id: None,
            payload: Vec::new(),
            trace_parent: self.traces.current(),
        }
    }
}

/// Checks a version precondition of the caller.
///
/// # Errors
/// `Conflict` with code `precondition_failed` if `expected` is given and differs from `actual`.
pub(crate) fn require_version(
    expected: Option<crate::version::Version>,
    actual: crate::version::Version,
) -> Result<()> {
    if expected.is_none_or(|expected| expected == actual) {
        return Ok(());
    }
    let message = format!("the version is {actual} now; read the object again and repeat the change");
    Err(Error::conflict("precondition_failed", message))
}
