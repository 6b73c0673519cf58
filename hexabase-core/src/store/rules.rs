//! Rules of records: owners, unique names and indexes.
//!
//! Stores over key-value stores derive everything else from them: a record is inserted if its owners exist and its names
//! are free, and deleted with everything that it owns. The SQL stores express the same rules as foreign keys and
//! indexes in their migrations; the conformance suite compares the two.

use crate::changeset::{RecordKey, SpentRefresh};
use crate::model::{
    AlertRule, ApiToken, Assignment, BillingAccount, CustomRole, Event, Group, Identity, Inventory,
    Invitation, Member, Membership, MeteredHour, Organization, Project, RegisteredHost, SecurityEvent,
    ServiceAccount, Session, SigningKey, StoredPlans, Task, UsageHour, UsageReport, User, WebhookEvent,
    Workspace,
};
use crate::store::kv::{Index, Key, name};

/// Record that must exist for another one to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) key: RecordKey,
    /// `true` if the owner is not deleted while it has such a record; otherwise it is deleted with all of them.
    pub(crate) is_parent: bool,
}

/// Rules of one kind of record.
pub(crate) trait Rules {
    /// The records that must exist when the record is written.
    fn owners(&self) -> Vec<Owner> {
        Vec::new()
    }

    /// The names that no other record of the kind may have.
    fn names(&self) -> Vec<Key> {
        Vec::new()
    }

    /// The entries of the indexes in which the record is found by other properties than its key.
    fn indexes(&self) -> Vec<Key> {
        Vec::new()
    }
}

/// A record that is deleted with this one.
fn owner(key: RecordKey) -> Owner {
    Owner { key, is_parent: false }
}

impl Rules for SigningKey {}
impl Rules for RegisteredHost {}
impl Rules for StoredPlans {}
impl Rules for MeteredHour {}

impl Rules for User {
    fn names(&self) -> Vec<Key> {
        self.email.iter().map(|email| name::<Self>(&[email])).collect()
    }
}

impl Rules for Identity {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::User(self.user_id))]
    }
}

impl Session {
    /// Index by expiry.
    pub(crate) const BY_EXPIRY: Index<Self> = Index::new(1);
    /// Index of those that were revoked, by time.
    pub(crate) const BY_REVOCATION: Index<Self> = Index::new(2);
}

impl Rules for Session {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::User(self.user_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        let expiry = Self::BY_EXPIRY.key(&[&self.expires_at, &self.id]);
        let revocation = self.revoked_at.map(|at| Self::BY_REVOCATION.key(&[&at, &self.id]));
        revocation.into_iter().chain([expiry]).collect()
    }
}

impl Rules for SpentRefresh {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Session(self.session_id))]
    }
}

impl Rules for ApiToken {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::User(self.user_id))]
    }
}

impl SecurityEvent {
    /// Index by time.
    pub(crate) const BY_AGE: Index<Self> = Index::new(1);
}

impl Rules for SecurityEvent {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::User(self.user_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_AGE.key(&[&self.at, &self.user_id, &self.id])]
    }
}

impl Organization {
    /// Index by creator.
    pub(crate) const BY_CREATOR: Index<Self> = Index::new(1);
}

impl Rules for Organization {
    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.name])]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_CREATOR.key(&[&self.created_by, &self.id])]
    }
}

impl BillingAccount {
    /// Index of those that are due for a reconcile, by due time.
    pub(crate) const BY_DUE_TIME: Index<Self> = Index::new(1);
    /// Index by customer id.
    pub(crate) const BY_CUSTOMER: Index<Self> = Index::new(2);
}

impl Rules for BillingAccount {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        let due = self.reconcile_at.map(|at| Self::BY_DUE_TIME.key(&[&at, &self.organization_id]));
        let customer = self.customer_id.as_ref();
        let customer = customer.map(|id| Self::BY_CUSTOMER.key(&[&id.0, &self.organization_id]));
        due.into_iter().chain(customer).collect()
    }
}

impl WebhookEvent {
    /// Index of those that are unprocessed, by the time of receipt.
    pub(crate) const UNPROCESSED: Index<Self> = Index::new(1);
    /// Index by time.
    pub(crate) const BY_AGE: Index<Self> = Index::new(2);
}

impl Rules for WebhookEvent {
    fn indexes(&self) -> Vec<Key> {
        let unprocessed = Self::UNPROCESSED.key(&[&self.received_at, &self.id]);
        let age = Self::BY_AGE.key(&[&self.received_at, &self.id]);
        let unprocessed = self.processed_at.is_none().then_some(unprocessed);
        unprocessed.into_iter().chain([age]).collect()
    }
}

impl UsageHour {
    /// Index by hour.
    pub(crate) const BY_HOUR: Index<Self> = Index::new(1);
}

impl Rules for UsageHour {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_HOUR.key(&[&self.hour, &self.organization_id, &self.workspace_id])]
    }
}

impl UsageReport {
    /// Index by hour.
    pub(crate) const BY_HOUR: Index<Self> = Index::new(1);
}

impl Rules for UsageReport {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_HOUR.key(&[&self.hour, &self.organization_id])]
    }
}

impl Member {
    /// Index by user.
    pub(crate) const BY_USER: Index<Self> = Index::new(1);
}

impl Rules for Member {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_USER.key(&[&self.user_id, &self.organization_id])]
    }
}

impl Invitation {
    /// Index by e-mail address and organization.
    pub(crate) const BY_EMAIL: Index<Self> = Index::new(1);
}

impl Rules for Invitation {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_EMAIL.key(&[&self.email, &self.organization_id, &self.id])]
    }
}

impl Rules for ServiceAccount {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.organization_id, &self.name])]
    }
}

impl Rules for Inventory {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }
}

impl Workspace {
    /// Index of those that are due for a reconcile, by due time.
    pub(crate) const BY_DUE_TIME: Index<Self> = Index::new(1);
    /// Index by id.
    pub(crate) const BY_ID: Index<Self> = Index::new(2);
}

impl Rules for Workspace {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.organization_id, &self.name])]
    }

    fn indexes(&self) -> Vec<Key> {
        let due = |at| Self::BY_DUE_TIME.key(&[&at, &self.organization_id, &self.id]);
        let by_id = Self::BY_ID.key(&[&self.id, &self.organization_id]);
        self.reconcile_at.map(due).into_iter().chain([by_id]).collect()
    }
}

impl Rules for Group {
    fn owners(&self) -> Vec<Owner> {
        let (org, ws) = (self.organization_id, self.workspace_id);
        let parent = self.parent_id.map(|id| Owner { key: RecordKey::Group(org, ws, id), is_parent: true });
        parent.into_iter().chain([owner(RecordKey::Workspace(org, ws))]).collect()
    }

    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.organization_id, &self.workspace_id, &self.name])]
    }
}

impl Membership {
    /// Index by user, in an organization.
    pub(crate) const BY_USER: Index<Self> = Index::new(1);
    /// Index by workspace and user.
    pub(crate) const BY_WORKSPACE: Index<Self> = Index::new(2);
}

impl Rules for Membership {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Group(self.organization_id, self.workspace_id, self.group_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        let (org, ws, group, user) =
            (&self.organization_id, &self.workspace_id, &self.group_id, &self.user_id);
        vec![Self::BY_USER.key(&[org, user, ws, group]), Self::BY_WORKSPACE.key(&[org, ws, user, group])]
    }
}

impl Rules for Project {
    fn owners(&self) -> Vec<Owner> {
        let (org, ws) = (self.organization_id, self.workspace_id);
        let parent = self.parent_id.map(|id| Owner { key: RecordKey::Project(org, ws, id), is_parent: true });
        parent.into_iter().chain([owner(RecordKey::Workspace(org, ws))]).collect()
    }

    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.organization_id, &self.workspace_id, &self.name])]
    }
}

impl Rules for CustomRole {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Project(self.organization_id, self.workspace_id, self.project_id))]
    }

    fn names(&self) -> Vec<Key> {
        let (org, ws) = (&self.organization_id, &self.workspace_id);
        vec![name::<Self>(&[org, ws, &self.project_id, &self.name])]
    }
}

impl Rules for Assignment {
    fn owners(&self) -> Vec<Owner> {
        let (org, ws) = (self.organization_id, self.workspace_id);
        let project = self.project_id.map(|id| owner(RecordKey::Project(org, ws, id)));
        project.into_iter().chain([owner(RecordKey::Group(org, ws, self.group_id))]).collect()
    }

    fn names(&self) -> Vec<Key> {
        let (org, ws) = (&self.organization_id, &self.workspace_id);
        let role = self.role.to_string();
        vec![name::<Self>(&[org, ws, &self.project_id, &self.group_id, &role])]
    }
}

impl AlertRule {
    /// Index by id.
    pub(crate) const BY_ID: Index<Self> = Index::new(1);
}

impl Rules for AlertRule {
    fn owners(&self) -> Vec<Owner> {
        let (org, ws) = (self.organization_id, self.workspace_id);
        let project = self.project_id.map(|id| owner(RecordKey::Project(org, ws, id)));
        project.into_iter().chain([owner(RecordKey::Workspace(org, ws))]).collect()
    }

    fn names(&self) -> Vec<Key> {
        vec![name::<Self>(&[&self.organization_id, &self.workspace_id, &self.name])]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_ID.key(&[&self.id.to_string(), &self.organization_id, &self.workspace_id])]
    }
}

impl Task {
    /// Index of those that have finished, by time.
    pub(crate) const BY_END: Index<Self> = Index::new(1);
}

impl Rules for Task {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Workspace(self.organization_id, self.workspace_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        let (org, ws) = (&self.organization_id, &self.workspace_id);
        self.finished_at.iter().map(|at| Self::BY_END.key(&[at, org, ws, &self.id])).collect()
    }
}

impl Event {
    /// Index by time.
    pub(crate) const BY_AGE: Index<Self> = Index::new(1);
}

impl Rules for Event {
    fn owners(&self) -> Vec<Owner> {
        vec![owner(RecordKey::Organization(self.organization_id))]
    }

    fn indexes(&self) -> Vec<Key> {
        vec![Self::BY_AGE.key(&[&self.at, &self.organization_id, &self.id])]
    }
}
