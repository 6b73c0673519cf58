//! Changes of one decision, as plain data.
//!
//! A service reads, decides, and passes one [`Changeset`] to [`TenantStore::commit`]. The commit is atomic: it covers
//! the writes, the preconditions that detect concurrent changes, the audit entries, the messages that start slow work,
//! and the response that a repeated request gets. The same value drives every store, is asserted on in tests, and is
//! where fault injection takes effect.
//!
//! [`TenantStore::commit`]: crate::store::Commit::commit

mod outbox;
mod record;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, SessionId, UserId, WorkspaceId};
use crate::model::{
    AuditEvent, BillingAccount, Organization, PlanUsers, RegisteredHost, Session, StoredPlans, User,
    Workspace,
};
use crate::name::{HostClusterName, PlanId};
use crate::secret::VerifierHash;
use crate::version::Version;
pub use outbox::{OutboxMessage, Topic};
pub(crate) use record::Stored;
#[doc(hidden)]
pub use record::content;
pub use record::{Record, RecordKey, RecordKeyPart, SpentRefresh};

/// One atomic change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changeset {
    /// Conditions that must hold at commit time.
    pub preconditions: Vec<Precondition>,
    /// Writes, in the order in which they are applied.
    pub writes: Vec<Write>,
    /// Audit log entries of the change.
    pub audit: Vec<AuditEvent>,
    /// Messages that start slow work; stored in the same commit and published afterwards.
    pub messages: Vec<OutboxMessage>,
    /// Response to a repetition of the request; `None` if the request has no idempotency key.
    pub idempotency: Option<IdempotencyRecord>,
}

/// A condition that must hold when a changeset is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The user still has this version.
    User(UserId, Version),
    /// The session still has this version.
    Session(SessionId, Version),
    /// The organization still has this version.
    Organization(OrganizationId, Version),
    /// The billing account of the organization still has this version.
    BillingAccount(OrganizationId, Version),
    /// The workspace still has this version.
    Workspace(OrganizationId, WorkspaceId, Version),
    /// The registered host cluster still has this version.
    Host(HostClusterName, Version),
    /// The stored plans still have this version.
    Plans(Version),
    /// No users of this kind use the plan. It must be in a changeset that changes the plans: commits that begin to use a
    /// plan have the precondition [`Self::Plans`], so that none of them can intervene.
    PlanUnused(PlanId, PlanUsers),
    /// The user still belongs to the organization.
    Member(OrganizationId, UserId),
    /// The lease with this name still has this fencing token: it was not acquired again in the meantime.
    Lease(String, u64),
}

/// One change of one record, or of a set of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Adds a record. Its key and its unique names must be free, and the record that owns it must exist.
    Insert(Record),
    /// Replaces a record, which must exist.
    Update(Record),
    /// Adds a record, or replaces the one with the same key. The record that owns it must exist.
    Put(Record),
    /// Removes a record, which must exist, with everything that it owns.
    Delete(RecordKey),
    /// Removes a user from all groups of all workspaces of the organization, and increments `version` and
    /// `access_version` of the affected workspaces.
    LeaveGroups(OrganizationId, UserId),
    /// Revokes all sessions of a user that are alive at this time.
    RevokeSessions(UserId, Timestamp),
}

impl Precondition {
    /// The kind of the record that the precondition is about, for error messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::User(..) => "user",
            Self::Session(..) => "session",
            Self::Organization(..) => "organization",
            Self::BillingAccount(..) => "billing account",
            Self::Workspace(..) => "workspace",
            Self::Host(..) => "host cluster",
            Self::Plans(..) => "plans",
            Self::PlanUnused(..) => "use of the plan",
            Self::Member(..) => "member",
            Self::Lease(..) => "lease",
        }
    }
}

/// The stored response to a request that carried an `Idempotency-Key`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// User that sent the request; the same key of another user is a different record.
    pub user_id: UserId,
    /// Value of the `Idempotency-Key` header.
    pub key: String,
    /// SHA-256 of the request, to detect a key that is reused for a different request.
    pub fingerprint: VerifierHash,
    /// The sealed response; sealed because it may contain a secret that is shown only once.
    pub response: Vec<u8>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time from which the record is no longer returned and its key can be used again.
    pub expires_at: Timestamp,
}

impl fmt::Debug for IdempotencyRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("IdempotencyRecord")
            .field("user_id", &self.user_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Changeset {
    /// An empty changeset.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `true` if there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a record.
    #[must_use]
    pub fn insert(mut self, record: impl Into<Record>) -> Self {
        self.writes.push(Write::Insert(record.into()));
        self
    }

    /// Replaces a record inside an aggregate. To replace an aggregate root, use [`Self::organization`],
    /// [`Self::workspace`] and the like.
    #[must_use]
    pub fn update(mut self, record: impl Into<Record>) -> Self {
        self.writes.push(Write::Update(record.into()));
        self
    }

    /// Adds a record, or replaces the one with the same key.
    #[must_use]
    pub fn put(mut self, record: impl Into<Record>) -> Self {
        self.writes.push(Write::Put(record.into()));
        self
    }

    /// Removes a record.
    #[must_use]
    pub fn delete(mut self, key: RecordKey) -> Self {
        self.writes.push(Write::Delete(key));
        self
    }

    /// Adds a write of another kind.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Adds a precondition.
    #[must_use]
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }

    /// Replaces a user and increments its version, on the precondition that the version has not changed since it was
    /// read.
    #[must_use]
    pub fn user(self, mut user: User, now: Timestamp) -> Self {
        let precondition = Precondition::User(user.id, user.version);
        user.version = user.version.next();
        user.updated_at = now;
        self.precondition(precondition).update(user)
    }

    /// Replaces a session and increments its version, on the precondition that the version has not changed since it
    /// was read.
    #[must_use]
    pub fn session(self, mut session: Session) -> Self {
        let precondition = Precondition::Session(session.id, session.version);
        session.version = session.version.next();
        self.precondition(precondition).update(session)
    }

    /// Replaces a registered host cluster and increments its version, on the precondition that the version has not
    /// changed since it was read.
    #[must_use]
    pub fn host(self, mut registered: RegisteredHost, now: Timestamp) -> Self {
        let precondition = Precondition::Host(registered.host.name.clone(), registered.version);
        registered.version = registered.version.next();
        registered.updated_at = now;
        self.precondition(precondition).update(registered)
    }

    /// Replaces the stored plans and increments their version, on the precondition that the version has not changed
    /// since they were read.
    #[must_use]
    pub fn plans(self, mut stored: StoredPlans, now: Timestamp) -> Self {
        let precondition = Precondition::Plans(stored.version);
        stored.version = stored.version.next();
        stored.updated_at = now;
        self.precondition(precondition).update(stored)
    }

    /// Replaces an organization and increments its version, on the precondition that the version has not changed since
    /// it was read. Required for every change inside the organization.
    #[must_use]
    pub fn organization(self, mut organization: Organization, now: Timestamp) -> Self {
        let precondition = Precondition::Organization(organization.id, organization.version);
        organization.version = organization.version.next();
        organization.updated_at = now;
        self.precondition(precondition).update(organization)
    }

    /// Replaces a billing account and increments its version, on the precondition that the version has not changed
    /// since it was read.
    #[must_use]
    pub fn billing_account(self, mut account: BillingAccount, now: Timestamp) -> Self {
        let precondition = Precondition::BillingAccount(account.organization_id, account.version);
        account.version = account.version.next();
        account.updated_at = now;
        self.precondition(precondition).update(account)
    }

    /// Replaces a workspace and increments its version, on the precondition that the version has not changed since it
    /// was read. Required for every change inside the workspace.
    #[must_use]
    pub fn workspace(self, mut workspace: Workspace, now: Timestamp) -> Self {
        let precondition =
            Precondition::Workspace(workspace.organization_id, workspace.id, workspace.version);
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        self.precondition(precondition).update(workspace)
    }

    /// Adds an entry for the audit log.
    #[must_use]
    pub fn audit(mut self, entry: AuditEvent) -> Self {
        self.audit.push(entry);
        self
    }

    /// Adds an outbox message.
    #[must_use]
    pub fn message(mut self, message: OutboxMessage) -> Self {
        self.messages.push(message);
        self
    }
}
