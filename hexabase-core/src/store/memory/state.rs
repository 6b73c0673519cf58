use std::ops::{Bound, RangeInclusive};

use jiff::Timestamp;
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::changeset::{Changeset, Guard, IdempotencyRecord, Key, OutboxMessage, Record, Stored, Write};
use crate::error::{Error, Result};
use crate::id::{
    AssignmentId, EventId, GroupId, InvitationId, MessageId, OrganizationId, ProjectId, RoleId, SessionId,
    TaskId, TokenId, TypedId, UserId, WorkspaceId,
};
use crate::model::{
    ApiToken, Assignment, AuditEvent, BillingAccount, CustomRole, Group, Hour, Identity, Member, Membership,
    Organization, Project, RegisteredHost, RoleRef, Session, User, Workspace,
};
use crate::name::{Email, GroupName, ProjectName, ProviderName, Slug};
use crate::secret::VerifierHash;

/// Everything in the store. Cloning is cheap: the maps share their nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) records: RedBlackTreeMapSync<Key, Record>,
    /// Names that must be unique, with whoever has them.
    pub(super) names: RedBlackTreeMapSync<Name, Key>,
    /// Ways to find records by something else than their key.
    pub(super) index: RedBlackTreeSetSync<Index>,
    pub(super) audit: RedBlackTreeMapSync<(OrganizationId, EventId), AuditEvent>,
    pub(super) replies: RedBlackTreeMapSync<(UserId, String), IdempotencyRecord>,
    /// Messages, each with the moment until which somebody publishes it.
    pub(super) outbox: RedBlackTreeMapSync<MessageId, (OutboxMessage, Timestamp)>,
    pub(super) leases: RedBlackTreeMapSync<String, LeaseRow>,
}

#[derive(Debug, Clone)]
pub(super) struct LeaseRow {
    /// Who has it; nobody once it was released.
    pub(super) holder: Option<String>,
    pub(super) token: u64,
    pub(super) expires_at: Timestamp,
}

/// What only one record may be called.
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
}

/// A way to find records by something else than their key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Index {
    IdentityOf(UserId, ProviderName, String),
    SessionOf(UserId, SessionId),
    TokenOf(UserId, TokenId),
    OrganizationOf(UserId, OrganizationId),
    GroupOf(OrganizationId, UserId, WorkspaceId, GroupId),
    MemberOf(OrganizationId, WorkspaceId, UserId, GroupId),
    Due(Timestamp, OrganizationId, WorkspaceId),
    OwnerOf(WorkspaceId, OrganizationId),
    AccountDue(Timestamp, OrganizationId),
    Customer(String, OrganizationId),
    Told(Timestamp, String),
    UsedIn(Hour, OrganizationId, WorkspaceId),
}

impl State {
    pub(super) fn get<T: Stored>(&self, key: &Key) -> Option<&T> {
        self.records.get(key).and_then(T::of)
    }

    pub(super) fn scan<T: Stored + 'static>(
        &self,
        range: RangeInclusive<Key>,
    ) -> impl DoubleEndedIterator<Item = &T> + '_ {
        self.records.range(range).filter_map(|(_, record)| T::of(record))
    }

    /// The records of a range from its beginning, or from just after `after`.
    pub(super) fn forward<T: Stored + 'static>(
        &self,
        range: RangeInclusive<Key>,
        after: Option<Key>,
    ) -> impl Iterator<Item = &T> + '_ {
        let (first, last) = range.into_inner();
        let start = after.map_or(Bound::Included(first), Bound::Excluded);
        self.records.range((start, Bound::Included(last))).filter_map(|(_, record)| T::of(record))
    }

    /// The records of a range from its end backwards, or from just before `after`.
    pub(super) fn backward<T: Stored + 'static>(
        &self,
        range: RangeInclusive<Key>,
        after: Option<Key>,
    ) -> impl Iterator<Item = &T> + '_ {
        let (first, last) = range.into_inner();
        let end = after.map_or(Bound::Included(last), Bound::Excluded);
        self.records.range((Bound::Included(first), end)).rev().filter_map(|(_, record)| T::of(record))
    }

    pub(super) fn apply(&mut self, changeset: Changeset) -> Result<()> {
        for guard in &changeset.guards {
            self.check(guard)?;
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
            self.audit.insert_mut((entry.organization_id, entry.id), entry);
        }
        for message in changeset.messages {
            self.outbox.insert_mut(message.id, (message, Timestamp::MIN));
        }
        if let Some(reply) = changeset.idempotency {
            let key = (reply.user_id, reply.key.clone());
            if self.replies.get(&key).is_some_and(|earlier| earlier.expires_at > reply.created_at) {
                return Err(Error::already_exists("reply").with_code("idempotency_key_used"));
            }
            self.replies.insert_mut(key, reply);
        }
        Ok(())
    }

    fn check(&self, guard: &Guard) -> Result<()> {
        let holds = match guard {
            Guard::User(id, version) => {
                self.get(&Key::User(*id)).is_some_and(|u: &User| u.version == *version)
            }
            Guard::Session(id, version) => {
                self.get(&Key::Session(*id)).is_some_and(|s: &Session| s.version == *version)
            }
            Guard::Organization(id, version) => {
                self.get(&Key::Organization(*id)).is_some_and(|o: &Organization| o.version == *version)
            }
            Guard::BillingAccount(org, version) => self
                .get(&Key::BillingAccount(*org))
                .is_some_and(|account: &BillingAccount| account.version == *version),
            Guard::Workspace(org, id, version) => {
                self.get(&Key::Workspace(*org, *id)).is_some_and(|w: &Workspace| w.version == *version)
            }
            Guard::Host(name, version) => self
                .get(&Key::Host(name.clone()))
                .is_some_and(|registered: &RegisteredHost| registered.version == *version),
            Guard::Member(org, user) => self.records.contains_key(&Key::Member(*org, *user)),
            Guard::Lease(name, token) => self.leases.get(name).is_some_and(|lease| lease.token == *token),
        };
        if holds { Ok(()) } else { Err(Error::version_conflict(guard.noun())) }
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
        self.take(&key)?;
        self.put(key, record)
    }

    fn put(&mut self, key: Key, record: Record) -> Result<()> {
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

    /// Removes one record and whatever points at it, but nothing that belongs to it.
    fn take(&mut self, key: &Key) -> Result<()> {
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

    pub(super) fn delete(&mut self, key: &Key) -> Result<()> {
        if self.has_children(key) {
            let message = format!("the {} still has children", key.noun());
            return Err(Error::conflict("has_children", message));
        }
        for child in self.belongings(key) {
            if self.records.contains_key(&child) {
                self.take(&child)?;
            }
        }
        self.take(key)
    }

    fn has_children(&self, key: &Key) -> bool {
        match *key {
            Key::Group(org, ws, id) => {
                self.scan::<Group>(groups(org, ws)).any(|group| group.parent_id == Some(id))
            }
            Key::Project(org, ws, id) => {
                self.scan::<Project>(projects(org, ws)).any(|project| project.parent_id == Some(id))
            }
            _ => false,
        }
    }

    /// What goes when this goes.
    fn belongings(&self, key: &Key) -> Vec<Key> {
        let mut keys = Vec::new();
        let mut all = |range: RangeInclusive<Key>| {
            keys.extend(self.records.range(range).map(|(key, _)| key.clone()));
        };
        match *key {
            Key::Session(id) => all(spent(id)),
            Key::User(id) => {
                all(security_events(id));
                let sessions: Vec<_> = self.sessions_of(id).map(|session| session.id).collect();
                for session in sessions {
                    keys.extend(self.belongings(&Key::Session(session)));
                    keys.push(Key::Session(session));
                }
                keys.extend(self.tokens_of(id).map(|token| Key::ApiToken(token.id)));
                keys.extend(
                    self.identities_of(id).map(|i| Key::Identity(i.provider.clone(), i.subject.clone())),
                );
            }
            Key::Organization(id) => {
                let own = [members(id), invitations(id), service_accounts(id), events(id), workspaces(id)];
                for range in own.into_iter().chain([usage(id), usage_reports(id)]) {
                    all(range);
                }
                keys.push(Key::BillingAccount(id));
                for workspace in self.scan::<Workspace>(workspaces(id)) {
                    keys.extend(self.belongings(&Key::Workspace(id, workspace.id)));
                }
            }
            Key::Workspace(org, id) => {
                let inside = [groups(org, id), memberships(org, id), projects(org, id), roles(org, id)];
                for range in inside.into_iter().chain([assignments(org, id), tasks(org, id)]) {
                    all(range);
                }
            }
            Key::Group(org, ws, id) => {
                all(memberships_in(org, ws, id));
                let given =
                    self.scan::<Assignment>(assignments(org, ws)).filter(|given| given.group_id == id);
                keys.extend(given.map(|given| Key::Assignment(org, ws, given.id)));
            }
            Key::Project(org, ws, id) => {
                let own = self.scan::<CustomRole>(roles(org, ws)).filter(|role| role.project_id == id);
                keys.extend(own.map(|role| Key::Role(org, ws, role.id)));
                let given = self.scan::<Assignment>(assignments(org, ws));
                let given = given.filter(|given| given.project_id == Some(id));
                keys.extend(given.map(|given| Key::Assignment(org, ws, given.id)));
            }
            _ => {}
        }
        keys
    }

    fn leave_groups(&mut self, org: OrganizationId, user: UserId) -> Result<()> {
        let range = Index::GroupOf(org, user, WorkspaceId::least(), GroupId::least())
            ..=Index::GroupOf(org, user, WorkspaceId::greatest(), GroupId::greatest());
        let places: Vec<_> = self.index.range(range).cloned().collect();
        let mut last = None;
        for place in places {
            let Index::GroupOf(_, _, ws, group) = place else { continue };
            self.take(&Key::Membership(org, ws, group, user))?;
            if last.replace(ws) != Some(ws) {
                let key = Key::Workspace(org, ws);
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
            self.records.insert_mut(Key::Session(session.id), session.into());
        }
    }

    pub(super) fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Session> + '_ {
        let range =
            Index::SessionOf(user, SessionId::least())..=Index::SessionOf(user, SessionId::greatest());
        self.index.range(range).filter_map(|entry| match entry {
            Index::SessionOf(_, id) => self.get(&Key::Session(*id)),
            _ => None,
        })
    }

    pub(super) fn tokens_of(&self, user: UserId) -> impl Iterator<Item = &ApiToken> + '_ {
        let range = Index::TokenOf(user, TokenId::least())..=Index::TokenOf(user, TokenId::greatest());
        self.index.range(range).filter_map(|entry| match entry {
            Index::TokenOf(_, id) => self.get(&Key::ApiToken(*id)),
            _ => None,
        })
    }

    pub(super) fn identities_of(&self, user: UserId) -> impl Iterator<Item = &Identity> + '_ {
        self.index.iter().filter_map(move |entry| match entry {
            Index::IdentityOf(owner, provider, subject) if *owner == user => {
                self.get(&Key::Identity(provider.clone(), subject.clone()))
            }
            _ => None,
        })
    }
}

/// What must exist for this record to make sense.
fn parents(record: &Record) -> Vec<Key> {
    match record {
        Record::Identity(Identity { user_id, .. })
        | Record::Session(Session { user_id, .. })
        | Record::ApiToken(ApiToken { user_id, .. }) => vec![Key::User(*user_id)],
        Record::SecurityEvent(event) => vec![Key::User(event.user_id)],
        Record::SpentRefresh(spent) => vec![Key::Session(spent.session_id)],
        Record::BillingAccount(account) => vec![Key::Organization(account.organization_id)],
        Record::UsageHour(usage) => vec![Key::Organization(usage.organization_id)],
        Record::UsageReport(report) => vec![Key::Organization(report.organization_id)],
        Record::Member(member) => vec![Key::Organization(member.organization_id)],
        Record::Invitation(invitation) => vec![Key::Organization(invitation.organization_id)],
        Record::ServiceAccount(account) => vec![Key::Organization(account.organization_id)],
        Record::Workspace(workspace) => vec![Key::Organization(workspace.organization_id)],
        Record::Event(event) => vec![Key::Organization(event.organization_id)],
        Record::Group(Group { organization_id: org, workspace_id: ws, parent_id, .. }) => {
            let parent = parent_id.map(|parent| Key::Group(*org, *ws, parent));
            parent.into_iter().chain([Key::Workspace(*org, *ws)]).collect()
        }
        Record::Membership(Membership { organization_id: org, workspace_id: ws, group_id, .. }) => {
            vec![Key::Group(*org, *ws, *group_id)]
        }
        Record::Project(Project { organization_id: org, workspace_id: ws, parent_id, .. }) => {
            let parent = parent_id.map(|parent| Key::Project(*org, *ws, parent));
            parent.into_iter().chain([Key::Workspace(*org, *ws)]).collect()
        }
        Record::Role(role) => vec![Key::Project(role.organization_id, role.workspace_id, role.project_id)],
        Record::Assignment(Assignment {
            organization_id: org,
            workspace_id: ws,
            group_id,
            project_id,
            ..
        }) => {
            let project = project_id.map(|project| Key::Project(*org, *ws, project));
            project.into_iter().chain([Key::Group(*org, *ws, *group_id)]).collect()
        }
        Record::Task(task) => vec![Key::Workspace(task.organization_id, task.workspace_id)],
        Record::User(_)
        | Record::SigningKey(_)
        | Record::Host(_)
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
        Record::Assignment(given) => vec![Name::Assignment(
            given.organization_id,
            given.workspace_id,
            given.project_id,
            given.group_id,
            given.role,
        )],
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
            let due = account.look_at.map(|at| Index::AccountDue(at, org));
            let customer = account.customer_id.as_ref().map(|id| Index::Customer(id.0.clone(), org));
            due.into_iter().chain(customer).collect()
        }
        Record::UsageHour(usage) => {
            vec![Index::UsedIn(usage.hour, usage.organization_id, usage.workspace_id)]
        }
        Record::WebhookEvent(event) if event.heard_at.is_none() => {
            vec![Index::Told(event.received_at, event.id.clone())]
        }
        Record::Workspace(ws) => {
            let due = ws.reconcile_at.map(|at| Index::Due(at, ws.organization_id, ws.id));
            due.into_iter().chain([Index::OwnerOf(ws.id, ws.organization_id)]).collect()
        }
        _ => Vec::new(),
    }
}

macro_rules! ranges {
    ($($name:ident($($outer:ident: $type:ty),*) = $variant:ident of $last:ty;)+) => {$(
        pub(super) fn $name($($outer: $type),*) -> RangeInclusive<Key> {
            Key::$variant($($outer,)* <$last>::least())..=Key::$variant($($outer,)* <$last>::greatest())
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
    tasks(org: OrganizationId, ws: WorkspaceId) = Task of TaskId;
    security_events(user: UserId) = SecurityEvent of EventId;
}

fn memberships(org: OrganizationId, ws: WorkspaceId) -> RangeInclusive<Key> {
    let first = Key::Membership(org, ws, GroupId::least(), UserId::least());
    first..=Key::Membership(org, ws, GroupId::greatest(), UserId::greatest())
}

fn usage(org: OrganizationId) -> RangeInclusive<Key> {
    usage_between(org, Hour::FIRST, Hour::LAST)
}

/// The usage of an organization from an hour on until before another.
pub(super) fn usage_between(org: OrganizationId, from: Hour, until: Hour) -> RangeInclusive<Key> {
    let first = Key::UsageHour(org, from, WorkspaceId::least());
    first..=Key::UsageHour(org, until, WorkspaceId::least())
}

fn usage_reports(org: OrganizationId) -> RangeInclusive<Key> {
    Key::UsageReport(org, Hour::FIRST)..=Key::UsageReport(org, Hour::LAST)
}

fn spent(session: SessionId) -> RangeInclusive<Key> {
    Key::SpentRefresh(session, VerifierHash::LEAST)..=Key::SpentRefresh(session, VerifierHash::GREATEST)
}
