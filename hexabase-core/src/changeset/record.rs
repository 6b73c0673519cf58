//! Records that stores keep, and their keys.
//!
//! Each kind of record is declared once, in [`records`]: its type, its key and the text for error messages. The rules
//! that stores in core apply to it are in [`rules`](crate::store::rules): owners, unique names and indexes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
use crate::store::kv::{Key, KeyPart};
use crate::store::rules::Rules;

/// The hash of a refresh token that was exchanged for a newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpentRefresh {
    /// Session that the refresh token belonged to.
    pub session_id: SessionId,
    /// Hash of the token's verifier.
    pub hash: VerifierHash,
    /// Time of the exchange.
    pub spent_at: Timestamp,
}

/// A type that is stored as a [`Record`].
pub(crate) trait Stored: Clone {
    /// First byte of the keys of this kind. It is stored, and therefore never changes.
    const TAG: u8;

    /// The record as this type; `None` if the record is of another type.
    fn of(record: &Record) -> Option<&Self>;
}

/// Part of a [`RecordKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKeyPart {
    /// Id or name.
    Text(String),
    /// Start of an hour.
    Time(Timestamp),
}

impl From<&Hour> for RecordKeyPart {
    fn from(hour: &Hour) -> Self {
        Self::Time(hour.start())
    }
}

macro_rules! text_parts {
    ($($type:ty),+ $(,)?) => {$(
        impl From<&$type> for RecordKeyPart {
            fn from(part: &$type) -> Self {
                Self::Text(part.to_string())
            }
        }
    )+};
}

text_parts!(
    AlertRuleId,
    AssignmentId,
    EventId,
    GroupId,
    HostClusterName,
    InvitationId,
    OrganizationId,
    ProjectId,
    ProviderName,
    RoleId,
    SessionId,
    Slug,
    String,
    TaskId,
    TokenId,
    UserId,
    VerifierHash,
    WorkspaceId,
);

/// Declares the kinds of records: variant and its content, type, tag of the keys, text for error messages, and the key
/// with the value of each part.
macro_rules! records {
    ($(
        $variant:ident($content:ty) of $type:ident = $tag:literal, $noun:literal, |$it:ident|
            $(#[$record_doc:meta])* record,
            $(#[$key_doc:meta])* key $(($($part:ident: $part_type:ty = $value:expr),+))?;
    )+) => {
        /// A record that a store keeps under a key.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Record {
            $($(#[$record_doc])* $variant($content),)+
        }

        /// The key of a record. The key of a nested record contains the ids of its parents, so an id of another tenant
        /// finds no record.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum RecordKey {
            $($(#[$key_doc])* $variant $(($($part_type),+))?,)+
        }

        impl Record {
            /// The key of the record.
            #[must_use]
            pub fn key(&self) -> RecordKey {
                match self {
                    $(Self::$variant($it) => RecordKey::$variant $(($($value),+))?,)+
                }
            }

            /// The rules that apply to the record.
            pub(crate) fn rules(&self) -> &dyn Rules {
                match self {
                    $(Self::$variant(record) => {
                        let record: &$type = record;
                        record
                    })+
                }
            }
        }

        impl RecordKey {
            /// The kind of the record, for error messages.
            #[must_use]
            pub const fn noun(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $noun,)+
                }
            }

            /// The organization that owns the record; `None` for records that belong to a user or to the installation.
            #[must_use]
            pub fn organization(&self) -> Option<OrganizationId> {
                match self {
                    $(Self::$variant $(($($part),+))? => {
                        let parts: &[&dyn KeyPart] = &[$($($part),+)?];
                        parts.first().and_then(|first| first.organization())
                    })+
                }
            }

            /// The parts of the key, for stores with tables.
            #[must_use]
            pub fn parts(&self) -> Vec<RecordKeyPart> {
                match self {
                    $(Self::$variant $(($($part),+))? => vec![$($($part.into()),+)?],)+
                }
            }

            /// Appends the key in a form that sorts by kind and then by the parts of the key.
            pub(crate) fn write(&self, key: &mut Key) {
                match self {
                    $(Self::$variant $(($($part),+))? => {
                        key.push($tag);
                        $($($part.write(key);)+)?
                    })+
                }
            }
        }

        /// Types of the records, by kind.
        #[doc(hidden)]
        pub mod content {
            $(pub type $variant = super::$type;)+
        }

        /// Evaluates an expression for the content of a [`Record`], whatever its kind.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __with_record {
            ($record:expr, |$inner:ident| $body:expr) => {
                match $record {
                    $($crate::changeset::Record::$variant($inner) => {
                        let $inner: &$crate::changeset::content::$variant = $inner;
                        $body
                    })+
                }
            };
        }

        /// Evaluates an expression for the type of the record that a [`RecordKey`] is for.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! __with_record_type {
            ($key:expr, |$record_type:ident| $body:expr) => {
                match $key {
                    $($crate::changeset::RecordKey::$variant { .. } => {
                        type $record_type = $crate::changeset::content::$variant;
                        $body
                    })+
                }
            };
        }

        $(
            impl From<$type> for Record {
                fn from(record: $type) -> Self {
                    Self::$variant(record.into())
                }
            }

            impl Stored for $type {
                const TAG: u8 = $tag;

                fn of(record: &Record) -> Option<&Self> {
                    if let Record::$variant(record) = record { Some(record) } else { None }
                }
            }
        )+
    };
}

records! {
    User(User) of User = 1, "user", |user|
        /// A user.
        record,
        /// A user, with identities, sessions, tokens and security events.
        key(id: UserId = user.id);
    Identity(Identity) of Identity = 2, "identity", |identity|
        /// An identity: a user's account at an identity provider.
        record,
        /// An identity, by provider and subject.
        key(
            provider: ProviderName = identity.provider.clone(),
            subject: String = identity.subject.clone()
        );
    Session(Session) of Session = 3, "session", |session|
        /// A session.
        record,
        /// A session.
        key(id: SessionId = session.id);
    SpentRefresh(SpentRefresh) of SpentRefresh = 4, "spent refresh token", |spent|
        /// The hash of a refresh token that was exchanged. Only ever inserted; deleted with its session.
        record,
        /// The hash of an exchanged refresh token.
        key(session: SessionId = spent.session_id, hash: VerifierHash = spent.hash);
    ApiToken(ApiToken) of ApiToken = 5, "token", |token|
        /// An API token.
        record,
        /// An API token.
        key(id: TokenId = token.id);
    SecurityEvent(SecurityEvent) of SecurityEvent = 6, "security event", |event|
        /// A security event. Only ever inserted; deleted with its user.
        record,
        /// A security event.
        key(user: UserId = event.user_id, id: EventId = event.id);
    SigningKey(SigningKey) of SigningKey = 7, "signing key", |key|
        /// A signing key.
        record,
        /// A signing key, by its `kid`.
        key(kid: String = key.kid.clone());
    Host(Box<RegisteredHost>) of RegisteredHost = 8, "host cluster", |registered|
        /// A registered host cluster.
        record,
        /// A registered host cluster.
        key(name: HostClusterName = registered.host.name.clone());
    Plans(Box<StoredPlans>) of StoredPlans = 9, "plans", |_plans|
        /// The plans as an operator changed them.
        record,
        /// The plans, of which there is one record.
        key;
    Organization(Organization) of Organization = 10, "organization", |organization|
        /// An organization.
        record,
        /// An organization with everything in it except its audit log.
        key(id: OrganizationId = organization.id);
    BillingAccount(Box<BillingAccount>) of BillingAccount = 11, "billing account", |account|
        /// The billing account of an organization. Deleted with the organization.
        record,
        /// The billing account of an organization.
        key(organization: OrganizationId = account.organization_id);
    WebhookEvent(WebhookEvent) of WebhookEvent = 12, "webhook event", |event|
        /// An event from the billing provider's webhook. Deleted after the retention period.
        record,
        /// A webhook event, by the billing provider's id.
        key(id: String = event.id.clone());
    UsageHour(UsageHour) of UsageHour = 13, "usage", |usage|
        /// Usage of a workspace in one hour. Deleted with the organization or after the retention period.
        record,
        /// Usage of a workspace in one hour.
        key(
            organization: OrganizationId = usage.organization_id,
            hour: Hour = usage.hour,
            workspace: WorkspaceId = usage.workspace_id
        );
    UsageReport(UsageReport) of UsageReport = 14, "usage report", |report|
        /// Usage of one hour as reported to the billing provider. Deleted with the organization or after the retention
        /// period.
        record,
        /// Reported usage of an organization in one hour.
        key(organization: OrganizationId = report.organization_id, hour: Hour = report.hour);
    MeteredHour(MeteredHour) of MeteredHour = 15, "metered hour", |metered|
        /// A marker that the meters were read for an hour. Deleted after the retention period.
        record,
        /// The marker that the meters were read for an hour.
        key(hour: Hour = metered.hour);
    Member(Member) of Member = 16, "member", |member|
        /// A member of an organization.
        record,
        /// A member of an organization.
        key(organization: OrganizationId = member.organization_id, user: UserId = member.user_id);
    Invitation(Invitation) of Invitation = 17, "invitation", |invitation|
        /// An invitation.
        record,
        /// An invitation.
        key(organization: OrganizationId = invitation.organization_id, id: InvitationId = invitation.id);
    ServiceAccount(ServiceAccount) of ServiceAccount = 18, "service account", |account|
        /// A service account.
        record,
        /// A service account; its user is a separate record.
        key(organization: OrganizationId = account.organization_id, id: UserId = account.id);
    Inventory(Inventory) of Inventory = 19, "inventory", |inventory|
        /// An inventory. Deleted with the organization.
        record,
        /// An inventory.
        key(
            organization: OrganizationId = inventory.organization_id,
            name: Slug = inventory.name.clone()
        );
    Workspace(Box<Workspace>) of Workspace = 20, "workspace", |ws|
        /// A workspace.
        record,
        /// A workspace with everything in it.
        key(organization: OrganizationId = ws.organization_id, id: WorkspaceId = ws.id);
    Group(Group) of Group = 21, "group", |group|
        /// A group.
        record,
        /// A group with its memberships and assignments; fails if it has child groups.
        key(
            organization: OrganizationId = group.organization_id,
            workspace: WorkspaceId = group.workspace_id,
            id: GroupId = group.id
        );
    Membership(Membership) of Membership = 22, "group member", |it|
        /// A membership of a user in a group.
        record,
        /// A membership of a user in a group.
        key(
            organization: OrganizationId = it.organization_id,
            workspace: WorkspaceId = it.workspace_id,
            group: GroupId = it.group_id,
            user: UserId = it.user_id
        );
    Project(Project) of Project = 23, "project", |it|
        /// A project.
        record,
        /// A project with its roles, assignments and alert rules; fails if it has child projects.
        key(
            organization: OrganizationId = it.organization_id,
            workspace: WorkspaceId = it.workspace_id,
            id: ProjectId = it.id
        );
    Role(CustomRole) of CustomRole = 24, "role", |it|
        /// A custom role.
        record,
        /// A custom role.
        key(
            organization: OrganizationId = it.organization_id,
            workspace: WorkspaceId = it.workspace_id,
            id: RoleId = it.id
        );
    Assignment(Assignment) of Assignment = 25, "role assignment", |it|
        /// An assignment of a role to a group.
        record,
        /// An assignment.
        key(
            organization: OrganizationId = it.organization_id,
            workspace: WorkspaceId = it.workspace_id,
            id: AssignmentId = it.id
        );
    AlertRule(AlertRule) of AlertRule = 26, "alert rule", |it|
        /// An alert rule.
        record,
        /// An alert rule.
        key(
            organization: OrganizationId = it.organization_id,
            workspace: WorkspaceId = it.workspace_id,
            id: AlertRuleId = it.id
        );
    Task(Task) of Task = 27, "task", |task|
        /// A task.
        record,
        /// A task.
        key(
            organization: OrganizationId = task.organization_id,
            workspace: WorkspaceId = task.workspace_id,
            id: TaskId = task.id
        );
    Event(Event) of Event = 28, "event", |event|
        /// A live event. Only ever inserted; deleted after the retention period.
        record,
        /// A live event.
        key(organization: OrganizationId = event.organization_id, id: EventId = event.id);
}
