use std::ops::{Bound, RangeInclusive};

use jiff::Timestamp;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::changeset::{
    Changeset, IdempotencyRecord, OutboxMessage, Precondition, Record, RecordKey, Stored, Write,
};
use crate::error::{Error, Result};
use crate::id::{
    AlertRuleId, AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId,
    SessionId, TaskId, TokenId, TypedId, UserId, WorkspaceId,
};
use crate::model::{
    AlertRule, ApiToken, Assignment, AuditEvent, BillingAccount, CustomRole, Group, Hour, Identity,
    Inventory, Member, Membership, Organization, Project, RegisteredHost, RoleRef, Session, StoredPlans,
    User, Workspace,
};
use crate::name::{Email, GroupName, ProjectName, ProviderName, Slug};
use crate::secret::VerifierHash;

/// The whole content of the store. Cloning is cheap: the maps share their nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) records: RedBlackTreeMapSync<RecordKey, Record>,
    /// Unique names, each with the key of the record that has it.
    pub(super) names: RedBlackTreeMapSync<Name, RecordKey>,
    /// Secondary index: finds records by other properties than their key.
    pub(super) index: RedBlackTreeSetSync<Index>,
    /// Audit log of each organization, ordered by time.
    pub(super) audit: RedBlackTreeMapSync<(OrganizationId, Timestamp, EventId), AuditEvent>,
    pub(super) idempotency_records: RedBlackTreeMapSync<(UserId, String), IdempotencyRecord>,
    /// Messages, each with the time until which it is claimed.
    pub(super) outbox: RedBlackTreeMapSync<MessageId, (OutboxMessage, Timestamp)>,
    pub(super) leases: RedBlackTreeMapSync<String, LeaseRow>,
}

#[derive(Debug, Clone)]
pub(super) struct LeaseRow {
    /// Current holder; `None` after a release.
    pub(super) holder: Option<String>,
    pub(super) token: u64,
    pub(super) expires_at: Timestamp,
}

/// A name that only one record may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Email(Email),
    Organization(Slug),
    ServiceAccount(OrganizationId, Slug),
    Workspace(OrganizationId, Slug),
    Group(OrganizationId, WorkspaceId, GroupName),
    Project(OrganizationId, WorkspaceId, ProjectName),
    Role(OrganizationId, WorkspaceId, ProjectId, Slug),
    Assignment(OrganizationId, WorkspaceId, Option<ProjectId>, GroupId, RoleRef),
    AlertRule(OrganizationId, WorkspaceId, Slug),
}

/// An entry of the secondary index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    IdentityOf(UserId, ProviderName, String),
    SessionOf(UserId, SessionId),
    TokenOf(UserId, TokenId),
    OrganizationOf(UserId, OrganizationId),
    CreatedBy(UserId, OrganizationId),
    GroupOf(OrganizationId, UserId, WorkspaceId, GroupId),
    MemberOf(OrganizationId, WorkspaceId, UserId, GroupId),
    WorkspaceDue(Timestamp, OrganizationId, WorkspaceId),
    OrganizationOfWorkspace(WorkspaceId, OrganizationId),
    AccountDue(Timestamp, OrganizationId),
    Customer(String, OrganizationId),
    UnprocessedWebhook(Timestamp, String),
    UsedIn(Hour, OrganizationId, WorkspaceId),
}

impl State {
    pub(super) fn get<T: Stored>(&self, key: &RecordKey) -> Option<&T> {
        self.records.get(key).and_then(T::of)
    }

    pub(super) fn scan<T: Stored + 'static>(
        &self,
        range: RangeInclusive<RecordKey>,
    ) -> impl DoubleEndedIterator<Item = &T> + '_ {
        self.records.range(range).filter_map(|(_, record)| T::of(record))
    }

    /// Iterates over the records of a range in ascending order, from the beginning or after `after`.
    pub(super) fn forward<T: Stored + 'static>(
        &self,
        range: RangeInclusive<RecordKey>,
        after: Option<RecordKey>,
    ) -> impl Iterator<Item = &T> + '_ {
        let (first, last) = range.into_inner();
        let start = after.map_or(Bound::Included(first), Bound::Excluded);
        self.records.range((start, Bound::Included(last))).filter_map(|(_, record)| T::of(record))
    }

    /// Iterates over the records of a range in descending order, from the end or before `after`.
    pub(super) fn backward<T: Stored + 'static>(
        &self,
        range: RangeInclusive<RecordKey>,
        after: Option<RecordKey>,
    ) -> impl Iterator<Item = &T> + '_ {
        let (first, last) = range.into_inner();
        let end = after.map_or(Bound::Included(last), Bound::Excluded);
        self.records.range((Bound::Included(first), end)).rev().filter_map(|(_, record)| T::of(record))
    }

    pub(super) fn apply(&mut self, changeset: Changeset) -> Result<()> {
        for precondition in &changeset.preconditions {
            self.check(precondition)?;
        }
        for write in changeset.writes {
            match write {
                Write::Insert(record) => self.insert(record)?,
                Write::Update(record) => self.update(record)?,
                Write::Put(record) if self.records.contains_key(&record.key()) => self.update(record)?,
                Write::Put(record) => self.insert(record)?,
                Write::Delete(key) => self.delete(&key)?,
                Write::LeaveGroups(organization, user) => self.leave_groups(organization, user)?,
                Write::RevokeSessions(user, at) => self.revoke_sessions(user, at),
            }
        }
        for entry in changeset.audit {
            self.audit.insert_mut((entry.organization_id, entry.at, entry.id), entry);
        }
        for message in changeset.messages {
            self.outbox.insert_mut(message.id, (message, Timestamp::MIN));
        }
        if let Some(record) = changeset.idempotency {
            let key = (record.user_id, record.key.clone());
            if self
                .idempotency_records
                .get(&key)
                .is_some_and(|earlier| earlier.expires_at > record.created_at)
            {
                return Err(Error::already_exists("idempotency record").with_code("idempotency_key_used"));
            }
            self.idempotency_records.insert_mut(key, record);
        }
        Ok(())
    }

    fn check(&self, precondition: &Precondition) -> Result<()> {
        let holds = match precondition {
            Precondition::User(id, version) => {
                self.get(&RecordKey::User(*id)).is_some_and(|u: &User| u.version == *version)
            }
            Precondition::Session(id, version) => {
                self.get(&RecordKey::Session(*id)).is_some_and(|s: &Session| s.version == *version)
            }
            Precondition::Organization(id, version) => {
                self.get(&RecordKey::Organization(*id)).is_some_and(|o: &Organization| o.version == *version)
            }
            Precondition::BillingAccount(org, version) => self
                .get(&RecordKey::BillingAccount(*org))
                .is_some_and(|account: &BillingAccount| account.version == *version),
            Precondition::Workspace(org, id, version) => {
                self.get(&RecordKey::Workspace(*org, *id)).is_some_and(|w: &Workspace| w.version == *version)
            }
            Precondition::Host(name, version) => self
                .get(&RecordKey::Host(name.clone()))
                .is_some_and(|registered: &RegisteredHost| registered.version == *version),
            Precondition::Plans(version) => {
                self.get(&RecordKey::Plans).is_some_and(|stored: &StoredPlans| stored.version == *version)
            }
            Precondition::PlanUnused(plan, users) => {
                self.plan_uses().get(plan).is_none_or(|used| !used.has(users))
            }
            Precondition::Member(org, user) => self.records.contains_key(&RecordKey::Member(*org, *user)),
            Precondition::Lease(name, token) => {
                self.leases.get(name).is_some_and(|lease| lease.token == *token)
            }
        };
        if holds { Ok(()) } else { Err(Error::version_conflict(precondition.noun())) }
    }

    fn insert(&mut self, record: Record) -> Result<()> {
        let key = record.key();
        if self.records.contains_key(&key) {
            return Err(Error::already_exists(key.noun()));
        }
        for parent in parents(&record) {
            if !self.records.contains_key(&parent) {
                return Err(Error::not_found(parent.noun()));
            }
        }
        self.put(key, record)
    }

    fn update(&mut self, record: Record) -> Result<()> {
        let key = record.key();
        self.remove_record(&key)?;
        self.put(key, record)
    }

    fn put(&mut self, key: RecordKey, record: Record) -> Result<()> {
        for name in names(&record) {
            if self.names.contains_key(&name) {
                return Err(Error::already_exists(key.noun()));
            }
            self.names.insert_mut(name, key.clone());
        }
        for entry in index(&record) {
            self.index.insert_mut(entry);
        }
        self.records.insert_mut(key, record);
        Ok(())
    }

    /// Removes one record with its names and index entries, but not the records that it owns.
    fn remove_record(&mut self, key: &RecordKey) -> Result<()> {
        let record = self.records.get(key).cloned().ok_or_else(|| Error::not_found(key.noun()))?;
        self.records.remove_mut(key);
        for name in names(&record) {
            self.names.remove_mut(&name);
        }
        for entry in index(&record) {
            self.index.remove_mut(&entry);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &RecordKey) -> Result<()> {
        if self.has_children(key) {
            let message = format!("{} has children; delete the children first", key.noun());
            return Err(Error::conflict("has_children", message));
        }
        for child in self.owned_keys(key) {
            if self.records.contains_key(&child) {
                self.remove_record(&child)?;
            }
        }
        self.remove_record(key)
    }

    fn has_children(&self, key: &RecordKey) -> bool {
        match *key {
            RecordKey::Group(org, ws, id) => {
                self.scan::<Group>(groups(org, ws)).any(|group| group.parent_id == Some(id))
            }
            RecordKey::Project(org, ws, id) => {
                self.scan::<Project>(projects(org, ws)).any(|project| project.parent_id == Some(id))
            }
            _ => false,
        }
    }

    /// Keys of the records that are deleted together with this one.
    fn owned_keys(&self, key: &RecordKey) -> Vec<RecordKey> {
        let mut keys = Vec::new();
        let mut all = |range: RangeInclusive<RecordKey>| {
            keys.extend(self.records.range(range).map(|(key, _)| key.clone()));
        };
        match *key {
            RecordKey::Session(id) => all(spent(id)),
            RecordKey::User(id) => {
                all(security_events(id));
                let sessions: Vec<_> = self.sessions_of(id).map(|session| session.id).collect();
                for session in sessions {
                    keys.extend(self.owned_keys(&RecordKey::Session(session)));
                    keys.push(RecordKey::Session(session));
                }
                keys.extend(self.tokens_of(id).map(|token| RecordKey::ApiToken(token.id)));
                keys.extend(
                    self.identities_of(id)
                        .map(|i| RecordKey::Identity(i.provider.clone(), i.subject.clone())),
                );
            }
            RecordKey::Organization(id) => {
                let own = [members(id), invitations(id), service_accounts(id), events(id), workspaces(id)];
                for range in own.into_iter().chain([usage(id), usage_reports(id)]) {
                    all(range);
                }
                keys.push(RecordKey::BillingAccount(id));
                keys.extend(self.inventories(id).map(|it| RecordKey::Inventory(id, it.name.clone())));
                for workspace in self.scan::<Workspace>(workspaces(id)) {
                    keys.extend(self.owned_keys(&RecordKey::Workspace(id, workspace.id)));
                }
            }
            RecordKey::Workspace(org, id) => {
                let nested = [groups(org, id), memberships(org, id), projects(org, id), roles(org, id)];
                for range in
                    nested.into_iter().chain([assignments(org, id), tasks(org, id), alert_rules(org, id)])
                {
                    all(range);
                }
            }
            RecordKey::Group(org, ws, id) => {
                all(memberships_in(org, ws, id));
                let assignment = self
                    .scan::<Assignment>(assignments(org, ws))
                    .filter(|assignment| assignment.group_id == id);
                keys.extend(assignment.map(|assignment| RecordKey::Assignment(org, ws, assignment.id)));
            }
            RecordKey::Project(org, ws, id) => {
                let own = self.scan::<CustomRole>(roles(org, ws)).filter(|role| role.project_id == id);
                keys.extend(own.map(|role| RecordKey::Role(org, ws, role.id)));
                let assignment = self.scan::<Assignment>(assignments(org, ws));
                let assignment = assignment.filter(|assignment| assignment.project_id == Some(id));
                keys.extend(assignment.map(|assignment| RecordKey::Assignment(org, ws, assignment.id)));
                let rules = self.scan::<AlertRule>(alert_rules(org, ws));
                let rules = rules.filter(|rule| rule.project_id == Some(id));
                keys.extend(rules.map(|rule| RecordKey::AlertRule(org, ws, rule.id)));
            }
            _ => {}
        }
        keys
    }

    fn leave_groups(&mut self, org: OrganizationId, user: UserId) -> Result<()> {
        let range = Index::GroupOf(org, user, WorkspaceId::least(), GroupId::least())
            ..=Index::GroupOf(org, user, WorkspaceId::greatest(), GroupId::greatest());
        let memberships_of_user: Vec<_> = self.index.range(range).cloned().collect();
        let mut last = None;
        for entry in memberships_of_user {
            let Index::GroupOf(_, _, ws, group) = entry else { continue };
            self.remove_record(&RecordKey::Membership(org, ws, group, user))?;
            if last.replace(ws) != Some(ws) {
                let key = RecordKey::Workspace(org, ws);
                let mut workspace: Workspace =
                    self.get(&key).cloned().ok_or_else(|| Error::not_found("workspace"))?;
                workspace.version = workspace.version.next();
                workspace.access_version += 1;
                self.update(workspace.into())?;
            }
        }
        Ok(())
    }

    fn revoke_sessions(&mut self, user: UserId, at: Timestamp) {
        let alive: Vec<_> = self.sessions_of(user).filter(|session| session.is_alive(at)).cloned().collect();
        for mut session in alive {
            session.revoked_at = Some(at);
            session.version = session.version.next();
            self.records.insert_mut(RecordKey::Session(session.id), session.into());
        }
    }

    pub(super) fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Session> + '_ {
        let range =
            Index::SessionOf(user, SessionId::least())..=Index::SessionOf(user, SessionId::greatest());
        self.index.range(range).filter_map(|entry| match entry {
            Index::SessionOf(_, id) => self.get(&RecordKey::Session(*id)),
            _ => None,
        })
    }

    /// Organizations that a user created.
    pub(super) fn created_by(&self, user: UserId) -> impl Iterator<Item = &Organization> + '_ {
        let range = Index::CreatedBy(user, OrganizationId::least())
            ..=Index::CreatedBy(user, OrganizationId::greatest());
        self.index.range(range).filter_map(|entry| match entry {
            Index::CreatedBy(_, id) => self.get(&RecordKey::Organization(*id)),
            _ => None,
        })
    }

    /// Inventories of an organization, by name.
    pub(super) fn inventories(&self, organization: OrganizationId) -> impl Iterator<Item = &Inventory> + '_ {
        // Keys are ordered by the kind of the record first; there is no least name to begin at.
        let first = RecordKey::ServiceAccount(OrganizationId::greatest(), UserId::greatest());
        let last = RecordKey::Workspace(OrganizationId::least(), WorkspaceId::least());
        let all = self.records.range((Bound::Excluded(first), Bound::Excluded(last)));
        let all = all.filter_map(|(_, record)| Inventory::of(record));
        all.filter(move |inventory| inventory.organization_id == organization)
    }

    pub(super) fn tokens_of(&self, user: UserId) -> impl Iterator<Item = &ApiToken> + '_ {
        let range = Index::TokenOf(user, TokenId::least())..=Index::TokenOf(user, TokenId::greatest());
        self.index.range(range).filter_map(|entry| match entry {
            Index::TokenOf(_, id) => self.get(&RecordKey::ApiToken(*id)),
            _ => None,
        })
    }

    pub(super) fn identities_of(&self, user: UserId) -> impl Iterator<Item = &Identity> + '_ {
        self.index.iter().filter_map(move |entry| match entry {
            Index::IdentityOf(owner, provider, subject) if *owner == user => {
                self.get(&RecordKey::Identity(provider.clone(), subject.clone()))
            }
            _ => None,
        })
    }
}

/// Keys of the records that must exist before this one is inserted.
fn parents(record: &Record) -> Vec<RecordKey> {
    match record {
        Record::Identity(Identity { user_id, .. })
        | Record::Session(Session { user_id, .. })
        | Record::ApiToken(ApiToken { user_id, .. }) => vec![RecordKey::User(*user_id)],
        Record::SecurityEvent(event) => vec![RecordKey::User(event.user_id)],
        Record::SpentRefresh(spent) => vec![RecordKey::Session(spent.session_id)],
        Record::BillingAccount(account) => vec![RecordKey::Organization(account.organization_id)],
        Record::UsageHour(usage) => vec![RecordKey::Organization(usage.organization_id)],
        Record::UsageReport(report) => vec![RecordKey::Organization(report.organization_id)],
        Record::Member(member) => vec![RecordKey::Organization(member.organization_id)],
        Record::Invitation(invitation) => vec![RecordKey::Organization(invitation.organization_id)],
        Record::ServiceAccount(account) => vec![RecordKey::Organization(account.organization_id)],
        Record::Inventory(inventory) => vec![RecordKey::Organization(inventory.organization_id)],
        Record::Workspace(workspace) => vec![RecordKey::Organization(workspace.organization_id)],
        Record::Event(event) => vec![RecordKey::Organization(event.organization_id)],
        Record::Group(Group { organization_id: org, workspace_id: ws, parent_id, .. }) => {
            let parent = parent_id.map(|parent| RecordKey::Group(*org, *ws, parent));
            parent.into_iter().chain([RecordKey::Workspace(*org, *ws)]).collect()
        }
        Record::Membership(Membership { organization_id: org, workspace_id: ws, group_id, .. }) => {
            vec![RecordKey::Group(*org, *ws, *group_id)]
        }
        Record::Project(Project { organization_id: org, workspace_id: ws, parent_id, .. }) => {
            let parent = parent_id.map(|parent| RecordKey::Project(*org, *ws, parent));
            parent.into_iter().chain([RecordKey::Workspace(*org, *ws)]).collect()
        }
        Record::Role(role) => {
            vec![RecordKey::Project(role.organization_id, role.workspace_id, role.project_id)]
        }
        Record::Assignment(Assignment {
            organization_id: org,
            workspace_id: ws,
            group_id,
            project_id,
            ..
        }) => {
            let project = project_id.map(|project| RecordKey::Project(*org, *ws, project));
            project.into_iter().chain([RecordKey::Group(*org, *ws, *group_id)]).collect()
        }
        Record::AlertRule(AlertRule { organization_id: org, workspace_id: ws, project_id, .. }) => {
            let project = project_id.map(|project| RecordKey::Project(*org, *ws, project));
            project.into_iter().chain([RecordKey::Workspace(*org, *ws)]).collect()
        }
        Record::Task(task) => vec![RecordKey::Workspace(task.organization_id, task.workspace_id)],
        Record::User(_)
        | Record::SigningKey(_)
        | Record::Host(_)
        | Record::Plans(_)
        | Record::WebhookEvent(_)
        | Record::MeteredHour(_)
        | Record::Organization(_) => Vec::new(),
    }
}

fn names(record: &Record) -> Vec<Name> {
    match record {
        Record::User(user) => user.email.clone().map(Name::Email).into_iter().collect(),
        Record::Organization(organization) => vec![Name::Organization(organization.name.clone())],
        Record::ServiceAccount(account) => {
            vec![Name::ServiceAccount(account.organization_id, account.name.clone())]
        }
        Record::Workspace(ws) => vec![Name::Workspace(ws.organization_id, ws.name.clone())],
        Record::Group(group) => {
            vec![Name::Group(group.organization_id, group.workspace_id, group.name.clone())]
        }
        Record::Project(project) => {
            vec![Name::Project(project.organization_id, project.workspace_id, project.name.clone())]
        }
        Record::Role(CustomRole { organization_id: org, workspace_id: ws, project_id, name, .. }) => {
            vec![Name::Role(*org, *ws, *project_id, name.clone())]
        }
        Record::Assignment(assignment) => vec![Name::Assignment(
            assignment.organization_id,
            assignment.workspace_id,
            assignment.project_id,
            assignment.group_id,
            assignment.role,
        )],
        Record::AlertRule(rule) => {
            vec![Name::AlertRule(rule.organization_id, rule.workspace_id, rule.name.clone())]
        }
        _ => Vec::new(),
    }
}

fn index(record: &Record) -> Vec<Index> {
    match record {
        Record::Identity(Identity { user_id, provider, subject, .. }) => {
            vec![Index::IdentityOf(*user_id, provider.clone(), subject.clone())]
        }
        Record::Session(session) => vec![Index::SessionOf(session.user_id, session.id)],
        Record::ApiToken(token) => vec![Index::TokenOf(token.user_id, token.id)],
        Record::Organization(organization) => {
            vec![Index::CreatedBy(organization.created_by, organization.id)]
        }
        Record::Member(Member { organization_id, user_id, .. }) => {
            vec![Index::OrganizationOf(*user_id, *organization_id)]
        }
        Record::Membership(Membership {
            organization_id: org, workspace_id: ws, group_id, user_id, ..
        }) => vec![
            Index::GroupOf(*org, *user_id, *ws, *group_id),
            Index::MemberOf(*org, *ws, *user_id, *group_id),
        ],
        Record::BillingAccount(account) => {
            let org = account.organization_id;
            let due = account.reconcile_at.map(|at| Index::AccountDue(at, org));
            let customer = account.customer_id.as_ref().map(|id| Index::Customer(id.0.clone(), org));
            due.into_iter().chain(customer).collect()
        }
        Record::UsageHour(usage) => {
            vec![Index::UsedIn(usage.hour, usage.organization_id, usage.workspace_id)]
        }
        Record::WebhookEvent(event) if event.processed_at.is_none() => {
            vec![Index::UnprocessedWebhook(event.received_at, event.id.clone())]
        }
        Record::Workspace(ws) => {
            let due = ws.reconcile_at.map(|at| Index::WorkspaceDue(at, ws.organization_id, ws.id));
            due.into_iter().chain([Index::OrganizationOfWorkspace(ws.id, ws.organization_id)]).collect()
        }
        _ => Vec::new(),
    }
}

macro_rules! ranges {
    ($($name:ident($($outer:ident: $type:ty),*) = $variant:ident of $last:ty;)+) => {$(
        pub(super) fn $name($($outer: $type),*) -> RangeInclusive<RecordKey> {
            RecordKey::$variant($($outer,)* <$last>::least())..=RecordKey::$variant($($outer,)* <$last>::greatest())
        }
    )+};
}

ranges! {
    members(org: OrganizationId) = Member of UserId;
    invitations(org: OrganizationId) = Invitation of InvitationId;
    service_accounts(org: OrganizationId) = ServiceAccount of UserId;
    events(org: OrganizationId) = Event of EventId;
    workspaces(org: OrganizationId) = Workspace of WorkspaceId;
    groups(org: OrganizationId, ws: WorkspaceId) = Group of GroupId;
    memberships_in(org: OrganizationId, ws: WorkspaceId, group: GroupId) = Membership of UserId;
    projects(org: OrganizationId, ws: WorkspaceId) = Project of ProjectId;
    roles(org: OrganizationId, ws: WorkspaceId) = Role of RoleId;
    assignments(org: OrganizationId, ws: WorkspaceId) = Assignment of AssignmentId;
    alert_rules(org: OrganizationId, ws: WorkspaceId) = AlertRule of AlertRuleId;
    tasks(org: OrganizationId, ws: WorkspaceId) = Task of TaskId;
    security_events(user: UserId) = SecurityEvent of EventId;
}

fn memberships(org: OrganizationId, ws: WorkspaceId) -> RangeInclusive<RecordKey> {
    let first = RecordKey::Membership(org, ws, GroupId::least(), UserId::least());
    first..=RecordKey::Membership(org, ws, GroupId::greatest(), UserId::greatest())
}

fn usage(org: OrganizationId) -> RangeInclusive<RecordKey> {
    usage_between(org, Hour::FIRST, Hour::LAST)
}

/// The usage records of an organization from hour `from` (inclusive) to `until` (exclusive).
pub(super) fn usage_between(org: OrganizationId, from: Hour, until: Hour) -> RangeInclusive<RecordKey> {
    let first = RecordKey::UsageHour(org, from, WorkspaceId::least());
    first..=RecordKey::UsageHour(org, until, WorkspaceId::least())
}

fn usage_reports(org: OrganizationId) -> RangeInclusive<RecordKey> {
    RecordKey::UsageReport(org, Hour::FIRST)..=RecordKey::UsageReport(org, Hour::LAST)
}

pub(super) fn spent(session: SessionId) -> RangeInclusive<RecordKey> {
    RecordKey::SpentRefresh(session, VerifierHash::MIN)..=RecordKey::SpentRefresh(session, VerifierHash::MAX)
}
