//! Records that stores keep, and their keys.

use jiff::Timestamp;

use crate::id::{
    AlertRuleId, AssignmentId, EventId, GroupId, InvitationId, OrganizationId, ProjectId, RoleId, SessionId,
    TaskId, TokenId, UserId, WorkspaceId,
};
use crate::model::{
    AlertRule, ApiToken, Assignment, BillingAccount, CustomRole, Event, Group, Hour, Identity, Inventory,
    Invitation, Member, Membership, MeteredHour, Organization, Project, RegisteredHost, SecurityEvent,
    ServiceAccount, Session, SigningKey, StoredPlans, Task, UsageHour, UsageReport, User, WebhookEvent,
    Workspace,
};
use crate::name::{HostClusterName, ProviderName, Slug};
use crate::secret::VerifierHash;

/// A record that a store keeps under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A user.
    User(User),
    /// An identity: a user's account at an identity provider.
    Identity(Identity),
    /// A session.
    Session(Session),
    /// The hash of a refresh token that was exchanged. Only ever inserted; deleted with its session.
    SpentRefresh(SpentRefresh),
    /// An API token.
    ApiToken(ApiToken),
    /// A security event. Only ever inserted; deleted with its user.
    SecurityEvent(SecurityEvent),
    /// A signing key.
    SigningKey(SigningKey),
    /// A registered host cluster.
    Host(Box<RegisteredHost>),
    /// The plans as an operator changed them.
    Plans(Box<StoredPlans>),
    /// An organization.
    Organization(Organization),
    /// The billing account of an organization. Deleted with the organization.
    BillingAccount(Box<BillingAccount>),
    /// An event from the billing provider's webhook. Deleted after the retention period.
    WebhookEvent(WebhookEvent),
    /// Usage of a workspace in one hour. Deleted with the organization or after the retention period.
    UsageHour(UsageHour),
    /// Usage of one hour as reported to the billing provider. Deleted with the organization or after the retention
    /// period.
    UsageReport(UsageReport),
    /// A marker that the meters were read for an hour. Deleted after the retention period.
    MeteredHour(MeteredHour),
    /// A member of an organization.
    Member(Member),
    /// An invitation.
    Invitation(Invitation),
    /// A service account.
    ServiceAccount(ServiceAccount),
    /// An inventory. Deleted with the organization.
    Inventory(Inventory),
    /// A workspace.
    Workspace(Box<Workspace>),
    /// A group.
    Group(Group),
    /// A membership of a user in a group.
    Membership(Membership),
    /// A project.
    Project(Project),
    /// A custom role.
    Role(CustomRole),
    /// An assignment of a role to a group.
    Assignment(Assignment),
    /// An alert rule.
    AlertRule(AlertRule),
    /// A task.
    Task(Task),
    /// A live event. Only ever inserted; deleted after the retention period.
    Event(Event),
}

/// The hash of a refresh token that was exchanged for a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentRefresh {
    /// Session that the refresh token belonged to.
    pub session_id: SessionId,
    /// Hash of the token's verifier.
    pub hash: VerifierHash,
    /// Time of the exchange.
    pub spent_at: Timestamp,
}

/// The key of a record. The key of a nested record contains the ids of its parents, so an id of another tenant finds
/// no record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// A user, with identities, sessions, tokens and security events.
    User(UserId),
    /// An identity, by provider and subject.
    Identity(ProviderName, String),
    /// A session.
    Session(SessionId),
    /// An API token.
    ApiToken(TokenId),
    /// A signing key, by its `kid`.
    SigningKey(String),
    /// A registered host cluster.
    Host(HostClusterName),
    /// The plans, of which there is one record.
    Plans,
    /// An organization with everything in it except its audit log.
    Organization(OrganizationId),
    /// The billing account of an organization.
    BillingAccount(OrganizationId),
    /// A webhook event, by the billing provider's id.
    WebhookEvent(String),
    /// Usage of a workspace in one hour.
    UsageHour(OrganizationId, Hour, WorkspaceId),
    /// Reported usage of an organization in one hour.
    UsageReport(OrganizationId, Hour),
    /// The marker that the meters were read for an hour.
    MeteredHour(Hour),
    /// A member of an organization.
    Member(OrganizationId, UserId),
    /// An invitation.
    Invitation(OrganizationId, InvitationId),
    /// A service account; its user is a separate record.
    ServiceAccount(OrganizationId, UserId),
    /// An inventory.
    Inventory(OrganizationId, Slug),
    /// A workspace with everything in it.
    Workspace(OrganizationId, WorkspaceId),
    /// A group with its memberships and assignments; fails if it has child groups.
    Group(OrganizationId, WorkspaceId, GroupId),
    /// A membership of a user in a group.
    Membership(OrganizationId, WorkspaceId, GroupId, UserId),
    /// A project with its roles, assignments and alert rules; fails if it has child projects.
    Project(OrganizationId, WorkspaceId, ProjectId),
    /// A custom role.
    Role(OrganizationId, WorkspaceId, RoleId),
    /// An assignment.
    Assignment(OrganizationId, WorkspaceId, AssignmentId),
    /// An alert rule.
    AlertRule(OrganizationId, WorkspaceId, AlertRuleId),
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
    /// The key of the record.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        match self {
            Self::User(user) => RecordKey::User(user.id),
            Self::Identity(identity) => {
                RecordKey::Identity(identity.provider.clone(), identity.subject.clone())
            }
            Self::Session(session) => RecordKey::Session(session.id),
            Self::SpentRefresh(spent) => RecordKey::SpentRefresh(spent.session_id, spent.hash),
            Self::ApiToken(token) => RecordKey::ApiToken(token.id),
            Self::SecurityEvent(event) => RecordKey::SecurityEvent(event.user_id, event.id),
            Self::SigningKey(key) => RecordKey::SigningKey(key.kid.clone()),
            Self::Host(registered) => RecordKey::Host(registered.host.name.clone()),
            Self::Plans(_) => RecordKey::Plans,
            Self::Organization(organization) => RecordKey::Organization(organization.id),
            Self::BillingAccount(account) => RecordKey::BillingAccount(account.organization_id),
            Self::WebhookEvent(event) => RecordKey::WebhookEvent(event.id.clone()),
            Self::UsageHour(usage) => {
                RecordKey::UsageHour(usage.organization_id, usage.hour, usage.workspace_id)
            }
            Self::UsageReport(report) => RecordKey::UsageReport(report.organization_id, report.hour),
            Self::MeteredHour(metered) => RecordKey::MeteredHour(metered.hour),
            Self::Member(member) => RecordKey::Member(member.organization_id, member.user_id),
            Self::Invitation(invitation) => RecordKey::Invitation(invitation.organization_id, invitation.id),
            Self::ServiceAccount(account) => RecordKey::ServiceAccount(account.organization_id, account.id),
            Self::Inventory(inventory) => {
                RecordKey::Inventory(inventory.organization_id, inventory.name.clone())
            }
            Self::Workspace(ws) => RecordKey::Workspace(ws.organization_id, ws.id),
            Self::Group(group) => RecordKey::Group(group.organization_id, group.workspace_id, group.id),
            Self::Membership(membership) => RecordKey::Membership(
                membership.organization_id,
                membership.workspace_id,
                membership.group_id,
                membership.user_id,
            ),
            Self::Project(project) => {
                RecordKey::Project(project.organization_id, project.workspace_id, project.id)
            }
            Self::Role(role) => RecordKey::Role(role.organization_id, role.workspace_id, role.id),
            Self::Assignment(assignment) => {
                RecordKey::Assignment(assignment.organization_id, assignment.workspace_id, assignment.id)
            }
            Self::AlertRule(rule) => RecordKey::AlertRule(rule.organization_id, rule.workspace_id, rule.id),
            Self::Task(task) => RecordKey::Task(task.organization_id, task.workspace_id, task.id),
            Self::Event(event) => RecordKey::Event(event.organization_id, event.id),
        }
    }
}

impl RecordKey {
    /// The kind of the record, for error messages.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Identity(..) => "identity",
            Self::Session(_) => "session",
            Self::ApiToken(_) => "token",
            Self::SigningKey(_) => "signing key",
            Self::Host(_) => "host cluster",
            Self::Plans => "plans",
            Self::Organization(_) => "organization",
            Self::BillingAccount(_) => "billing account",
            Self::WebhookEvent(_) => "webhook event",
            Self::UsageHour(..) => "usage",
            Self::UsageReport(..) => "usage report",
            Self::MeteredHour(_) => "metered hour",
            Self::Member(..) => "member",
            Self::Invitation(..) => "invitation",
            Self::ServiceAccount(..) => "service account",
            Self::Inventory(..) => "inventory",
            Self::Workspace(..) => "workspace",
            Self::Group(..) => "group",
            Self::Membership(..) => "group member",
            Self::Project(..) => "project",
            Self::Role(..) => "role",
            Self::Assignment(..) => "role assignment",
            Self::AlertRule(..) => "alert rule",
            Self::Task(..) => "task",
            Self::SpentRefresh(..) => "spent refresh token",
            Self::SecurityEvent(..) => "security event",
            Self::Event(..) => "event",
        }
    }

    /// The organization that owns the record; `None` for records that belong to a user or to the installation.
    #[must_use]
    pub const fn organization(&self) -> Option<OrganizationId> {
        match self {
            Self::User(_)
            | Self::Identity(..)
            | Self::Session(_)
            | Self::ApiToken(_)
            | Self::SigningKey(_)
            | Self::Host(_)
            | Self::Plans
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
            | Self::Inventory(organization, _)
            | Self::Workspace(organization, _)
            | Self::Group(organization, ..)
            | Self::Membership(organization, ..)
            | Self::Project(organization, ..)
            | Self::Role(organization, ..)
            | Self::Assignment(organization, ..)
            | Self::AlertRule(organization, ..)
            | Self::Task(organization, ..)
            | Self::Event(organization, _) => Some(*organization),
        }
    }
}

/// A type that is stored as a [`Record`].
pub(crate) trait Stored: Clone {
    /// The record as this type; `None` if the record is of another type.
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
    Inventory(Inventory),
    Group(Group),
    Membership(Membership),
    Project(Project),
    Role(CustomRole),
    Assignment(Assignment),
    AlertRule(AlertRule),
    Task(Task),
    Event(Event),
}

/// Like [`records`], for variants that are boxed because they are large.
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
    Plans(StoredPlans),
}
