//! Everything that one decision changes, as plain data.
//!
//! A service reads, decides, and hands one [`Changeset`] to [`TenantStore::commit`]. All of it happens or
//! nothing does: the writes, the proof that nobody interfered (guards), the audit entry, the messages that
//! set slow work in motion, and the reply that a repeated request gets. The same value drives every store,
//! is asserted on in tests, and is where fault injection cuts.
//!
//! [`TenantStore::commit`]: crate::store::Commit::commit

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{
    AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId, SessionId,
    TaskId, TokenId, UserId, WorkspaceId,
};
use crate::model::{
    ApiToken, Assignment, AuditEvent, BillingAccount, CustomRole, Event, Group, Hour, Identity, Invitation,
    Member, Membership, MeteredHour, Organization, Project, RegisteredHost, SecurityEvent, ServiceAccount,
    Session, SigningKey, Task, UsageHour, UsageReport, User, WebhookEvent, Workspace,
};
use crate::name::{HostClusterName, ProviderName};
use crate::secret::VerifierHash;
use crate::version::Version;

/// One atomic change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changeset {
    /// What must still hold.
    pub guards: Vec<Guard>,
    /// What changes, in order.
    pub writes: Vec<Write>,
    /// What the audit log says about it.
    pub audit: Vec<AuditEvent>,
    /// What sets slow work in motion.
    pub messages: Vec<OutboxMessage>,
    /// What a repetition of the request is answered with.
    pub idempotency: Option<IdempotencyRecord>,
}

/// What must still hold when a changeset is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
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
    /// The user still belongs to the organization.
    Member(OrganizationId, UserId),
    /// The lease was not taken by anyone else since it was acquired with this fencing token.
    Lease(String, u64),
}

/// One change of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Adds a record. Its key and its unique names must be free, and what it belongs to must exist.
    Insert(Record),
    /// Replaces a record, which must exist.
    Update(Record),
    /// Adds a record, or replaces the one that has its key. What it belongs to must exist.
    Put(Record),
    /// Removes a record, which must exist, with everything that belongs to it.
    Delete(Key),
    /// Takes a user out of every group of every workspace of the organization, and raises `version` and
    /// `access_version` of the workspaces concerned.
    LeaveGroups(OrganizationId, UserId),
    /// Ends every session of a user that is not over yet.
    RevokeSessions(UserId, Timestamp),
}

/// Anything that a store keeps under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A user.
    User(User),
    /// A way to sign in.
    Identity(Identity),
    /// A session.
    Session(Session),
    /// The hash of a refresh token that was exchanged. Only ever inserted; goes with its session.
    SpentRefresh(SpentRefresh),
    /// An API token.
    ApiToken(ApiToken),
    /// A security event. Only ever inserted; goes with its user.
    SecurityEvent(SecurityEvent),
    /// A signing key.
    SigningKey(SigningKey),
    /// A host cluster.
    Host(Box<RegisteredHost>),
    /// An organization.
    Organization(Organization),
    /// What an organization owes. Goes with the organization.
    BillingAccount(Box<BillingAccount>),
    /// That the billing provider told something. Forgotten after a while.
    WebhookEvent(WebhookEvent),
    /// What a workspace used in an hour. Goes with the organization; forgotten after a while.
    UsageHour(UsageHour),
    /// What the billing provider was told of an hour. Goes with the organization; forgotten after a while.
    UsageReport(UsageReport),
    /// That the meters were read for an hour. Forgotten after a while.
    MeteredHour(MeteredHour),
    /// A member of an organization.
    Member(Member),
    /// An invitation.
    Invitation(Invitation),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// A workspace.
    Workspace(Box<Workspace>),
    /// A group.
    Group(Group),
    /// A place in a group.
    Membership(Membership),
    /// A project.
    Project(Project),
    /// A custom role.
    Role(CustomRole),
    /// An assignment.
    Assignment(Assignment),
    /// A task.
    Task(Task),
    /// A live event. Only ever inserted; forgotten after a while.
    Event(Event),
}

/// The hash of a refresh token that was exchanged for a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentRefresh {
    /// The session it belonged to.
    pub session_id: SessionId,
    /// The hash of its verifier.
    pub hash: VerifierHash,
    /// When it was exchanged.
    pub spent_at: Timestamp,
}

/// The key of a record. Keys of nested things name what they are nested in, so that a foreign id finds
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A user, with identities, sessions, tokens and security events.
    User(UserId),
    /// A way to sign in.
    Identity(ProviderName, String),
    /// A session.
    Session(SessionId),
    /// An API token.
    ApiToken(TokenId),
    /// A signing key.
    SigningKey(String),
    /// A registered host cluster.
    Host(HostClusterName),
    /// An organization with everything in it, its audit log excepted.
    Organization(OrganizationId),
    /// The billing account of an organization.
    BillingAccount(OrganizationId),
    /// What the billing provider told, by its name for it.
    WebhookEvent(String),
    /// What a workspace used in an hour.
    UsageHour(OrganizationId, Hour, WorkspaceId),
    /// What the billing provider was told of an hour.
    UsageReport(OrganizationId, Hour),
    /// That the meters were read for an hour.
    MeteredHour(Hour),
    /// A member of an organization.
    Member(OrganizationId, UserId),
    /// An invitation.
    Invitation(OrganizationId, InvitationId),
    /// A service account; its user is a record of its own.
    ServiceAccount(OrganizationId, UserId),
    /// A workspace with everything in it.
    Workspace(OrganizationId, WorkspaceId),
    /// A group with its memberships and assignments; it must have no children.
    Group(OrganizationId, WorkspaceId, GroupId),
    /// A place in a group.
    Membership(OrganizationId, WorkspaceId, GroupId, UserId),
    /// A project with its roles and assignments; it must have no children.
    Project(OrganizationId, WorkspaceId, ProjectId),
    /// A custom role.
    Role(OrganizationId, WorkspaceId, RoleId),
    /// An assignment.
    Assignment(OrganizationId, WorkspaceId, AssignmentId),
    /// A task.
    Task(OrganizationId, WorkspaceId, TaskId),
    /// The hash of an exchanged refresh token.
    SpentRefresh(SessionId, VerifierHash),
    /// A security event.
    SecurityEvent(UserId, EventId),
    /// A live event.
    Event(OrganizationId, EventId),
}

impl Record {
    /// Under which key it is kept.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::User(user) => Key::User(user.id),
            Self::Identity(identity) => Key::Identity(identity.provider.clone(), identity.subject.clone()),
            Self::Session(session) => Key::Session(session.id),
            Self::SpentRefresh(spent) => Key::SpentRefresh(spent.session_id, spent.hash),
            Self::ApiToken(token) => Key::ApiToken(token.id),
            Self::SecurityEvent(event) => Key::SecurityEvent(event.user_id, event.id),
            Self::SigningKey(key) => Key::SigningKey(key.kid.clone()),
            Self::Host(registered) => Key::Host(registered.host.name.clone()),
            Self::Organization(organization) => Key::Organization(organization.id),
            Self::BillingAccount(account) => Key::BillingAccount(account.organization_id),
            Self::WebhookEvent(event) => Key::WebhookEvent(event.id.clone()),
            Self::UsageHour(usage) => Key::UsageHour(usage.organization_id, usage.hour, usage.workspace_id),
            Self::UsageReport(report) => Key::UsageReport(report.organization_id, report.hour),
            Self::MeteredHour(metered) => Key::MeteredHour(metered.hour),
            Self::Member(member) => Key::Member(member.organization_id, member.user_id),
            Self::Invitation(invitation) => Key::Invitation(invitation.organization_id, invitation.id),
            Self::ServiceAccount(account) => Key::ServiceAccount(account.organization_id, account.id),
            Self::Workspace(ws) => Key::Workspace(ws.organization_id, ws.id),
            Self::Group(group) => Key::Group(group.organization_id, group.workspace_id, group.id),
            Self::Membership(place) => {
                Key::Membership(place.organization_id, place.workspace_id, place.group_id, place.user_id)
            }
            Self::Project(project) => Key::Project(project.organization_id, project.workspace_id, project.id),
            Self::Role(role) => Key::Role(role.organization_id, role.workspace_id, role.id),
            Self::Assignment(given) => Key::Assignment(given.organization_id, given.workspace_id, given.id),
            Self::Task(task) => Key::Task(task.organization_id, task.workspace_id, task.id),
            Self::Event(event) => Key::Event(event.organization_id, event.id),
        }
    }
}

impl Key {
    /// What kind of thing it is, for messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Identity(..) => "identity",
            Self::Session(_) => "session",
            Self::ApiToken(_) => "token",
            Self::SigningKey(_) => "signing key",
            Self::Host(_) => "host cluster",
            Self::Organization(_) => "organization",
            Self::BillingAccount(_) => "billing account",
            Self::WebhookEvent(_) => "webhook event",
            Self::UsageHour(..) => "usage",
            Self::UsageReport(..) => "usage report",
            Self::MeteredHour(_) => "metered hour",
            Self::Member(..) => "member",
            Self::Invitation(..) => "invitation",
            Self::ServiceAccount(..) => "service account",
            Self::Workspace(..) => "workspace",
            Self::Group(..) => "group",
            Self::Membership(..) => "group member",
            Self::Project(..) => "project",
            Self::Role(..) => "role",
            Self::Assignment(..) => "role assignment",
            Self::Task(..) => "task",
            Self::SpentRefresh(..) => "spent refresh token",
            Self::SecurityEvent(..) => "security event",
            Self::Event(..) => "event",
        }
    }
}

impl Key {
    /// The organization that the thing belongs to; none for users and what is theirs.
    #[must_use]
    pub const fn organization(&self) -> Option<OrganizationId> {
        match self {
            Self::User(_)
            | Self::Identity(..)
            | Self::Session(_)
            | Self::ApiToken(_)
            | Self::SigningKey(_)
            | Self::Host(_)
            | Self::SpentRefresh(..)
            | Self::WebhookEvent(_)
            | Self::MeteredHour(_)
            | Self::SecurityEvent(..) => None,
            Self::Organization(organization)
            | Self::BillingAccount(organization)
            | Self::UsageHour(organization, ..)
            | Self::UsageReport(organization, _)
            | Self::Member(organization, _)
            | Self::Invitation(organization, _)
            | Self::ServiceAccount(organization, _)
            | Self::Workspace(organization, _)
            | Self::Group(organization, ..)
            | Self::Membership(organization, ..)
            | Self::Project(organization, ..)
            | Self::Role(organization, ..)
            | Self::Assignment(organization, ..)
            | Self::Task(organization, ..)
            | Self::Event(organization, _) => Some(*organization),
        }
    }
}

impl Guard {
    /// What it guards, for messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::User(..) => "user",
            Self::Session(..) => "session",
            Self::Organization(..) => "organization",
            Self::BillingAccount(..) => "billing account",
            Self::Workspace(..) => "workspace",
            Self::Host(..) => "host cluster",
            Self::Member(..) => "member",
            Self::Lease(..) => "lease",
        }
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Look at a workspace: make its cluster what it should be. Without a workspace, look at what the organization owes, and
    /// at what it has ordered. A look at a workspace that was put off carries the moment it was put off to, as RFC 3339 writes
    /// it: there is nothing to be done when somebody has looked in the meantime, and put the next one off to another.
    Look,
    /// Send a mail. The payload is sealed.
    Mail,
}

impl Topic {
    /// The word for it, as stores keep it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Mail => "mail",
        }
    }

    /// Reads what [`Self::as_str`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Look, Self::Mail].into_iter().find(|topic| topic.as_str() == text)
    }
}

/// A message that leaves with the change that caused it: it is stored in the same commit and published
/// afterwards, at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Identity and order; queues drop repetitions by it.
    pub id: MessageId,
    /// What it is about.
    pub topic: Topic,
    /// The organization concerned.
    pub organization_id: OrganizationId,
    /// The workspace concerned; messages of one workspace are published in order.
    pub workspace_id: Option<WorkspaceId>,
    /// Whatever else the receiver needs; secrets only sealed.
    pub payload: Vec<u8>,
}

/// The reply to a request that carried an `Idempotency-Key`.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// Who asked: keys of different users never meet.
    pub user_id: UserId,
    /// The key.
    pub key: String,
    /// The SHA-256 of the request, to notice a key used for something else.
    pub fingerprint: VerifierHash,
    /// What was answered, sealed: it may hold a secret that is shown once.
    pub reply: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is kept.
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
    /// A change of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to commit.
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

    /// Replaces a record inside an aggregate. Roots are replaced with [`Self::organization`] and its like.
    #[must_use]
    pub fn update(mut self, record: impl Into<Record>) -> Self {
        self.writes.push(Write::Update(record.into()));
        self
    }

    /// Adds a record, or replaces the one that has its key.
    #[must_use]
    pub fn put(mut self, record: impl Into<Record>) -> Self {
        self.writes.push(Write::Put(record.into()));
        self
    }

    /// Removes a record.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.writes.push(Write::Delete(key));
        self
    }

    /// Adds a write of another kind.
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Demands something more.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Replaces a user that still has the version it was read with, and raises it.
    #[must_use]
    pub fn user(self, mut user: User, now: Timestamp) -> Self {
        let guard = Guard::User(user.id, user.version);
        user.version = user.version.next();
        user.updated_at = now;
        self.guard(guard).update(user)
    }

    /// Replaces a session that still has the version it was read with, and raises it.
    #[must_use]
    pub fn session(self, mut session: Session) -> Self {
        let guard = Guard::Session(session.id, session.version);
        session.version = session.version.next();
        self.guard(guard).update(session)
    }

    /// Replaces a registered host cluster that still has the version it was read with, and raises it.
    #[must_use]
    pub fn host(self, mut registered: RegisteredHost, now: Timestamp) -> Self {
        let guard = Guard::Host(registered.host.name.clone(), registered.version);
        registered.version = registered.version.next();
        registered.updated_at = now;
        self.guard(guard).update(registered)
    }

    /// Replaces an organization that still has the version it was read with, and raises it. Do this in
    /// every change of anything inside the organization.
    #[must_use]
    pub fn organization(self, mut organization: Organization, now: Timestamp) -> Self {
        let guard = Guard::Organization(organization.id, organization.version);
        organization.version = organization.version.next();
        organization.updated_at = now;
        self.guard(guard).update(organization)
    }

    /// Replaces a billing account that still has the version it was read with, and raises it.
    #[must_use]
    pub fn billing_account(self, mut account: BillingAccount, now: Timestamp) -> Self {
        let guard = Guard::BillingAccount(account.organization_id, account.version);
        account.version = account.version.next();
        account.updated_at = now;
        self.guard(guard).update(account)
    }

    /// Replaces a workspace that still has the version it was read with, and raises it. Do this in every
    /// change of anything inside the workspace.
    #[must_use]
    pub fn workspace(self, mut workspace: Workspace, now: Timestamp) -> Self {
        let guard = Guard::Workspace(workspace.organization_id, workspace.id, workspace.version);
        workspace.version = workspace.version.next();
        workspace.updated_at = now;
        self.guard(guard).update(workspace)
    }

    /// Adds an entry to the audit log.
    #[must_use]
    pub fn audit(mut self, entry: AuditEvent) -> Self {
        self.audit.push(entry);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(mut self, message: OutboxMessage) -> Self {
        self.messages.push(message);
        self
    }
}

/// A type of which records are kept.
pub(crate) trait Stored: Clone {
    /// The record as this type, if it is of it.
    fn of(record: &Record) -> Option<&Self>;
}

macro_rules! records {
    ($($variant:ident($type:ty)),+ $(,)?) => {$(
        impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$variant(record)
            }
        }

        impl Stored for $type {
            fn of(record: &Record) -> Option<&Self> {
                if let Record::$variant(record) = record { Some(record) } else { None }
            }
        }
    )+};
}

records! {
    User(User),
    Identity(Identity),
    Session(Session),
    SpentRefresh(SpentRefresh),
    ApiToken(ApiToken),
    SecurityEvent(SecurityEvent),
    SigningKey(SigningKey),
    Organization(Organization),
    WebhookEvent(WebhookEvent),
    UsageHour(UsageHour),
    UsageReport(UsageReport),
    MeteredHour(MeteredHour),
    Member(Member),
    Invitation(Invitation),
    ServiceAccount(ServiceAccount),
    Group(Group),
    Membership(Membership),
    Project(Project),
    Role(CustomRole),
    Assignment(Assignment),
    Task(Task),
    Event(Event),
}

/// As [`records`], for those that are large.
macro_rules! boxed_records {
    ($($variant:ident($type:ty)),+ $(,)?) => {$(
        impl From<$type> for Record {
            fn from(record: $type) -> Self {
                Self::$variant(Box::new(record))
            }
        }

        impl Stored for $type {
            fn of(record: &Record) -> Option<&Self> {
                if let Record::$variant(record) = record { Some(record) } else { None }
            }
        }
    )+};
}

boxed_records! {
    Workspace(Workspace),
    BillingAccount(BillingAccount),
    Host(RegisteredHost),
}
