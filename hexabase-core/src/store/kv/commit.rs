use async_trait::async_trait;
use jiff::Timestamp;

use super::transaction::Transaction;
use super::view::{Reads as _, Space, View};
use super::{Item, Key, KvTenantStore, Section, plans, transact};
use crate::changeset::{Changeset, IdempotencyRecord, Precondition, RecordKey, Write};
use crate::error::{Error, Result};
use crate::id::{OrganizationId, UserId};
use crate::model::{
    BillingAccount, Membership, Organization, RegisteredHost, Session, StoredPlans, User, Workspace,
};
use crate::store::Commit;

#[async_trait]
impl<S: Space> Commit for KvTenantStore<S> {
    async fn commit(&self, changeset: Changeset) -> Result<()> {
        let commit = async {
            transact!(self, |transaction| {
                transaction.check_all(&changeset.preconditions).await?;
                transaction.write_all(&changeset).await?;
            })
        };
        commit.await.map_err(|error: Error| error.during("store.commit"))
    }

    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>> {
        let item = self.space.view().await?.item(&Section::Response.key(&[&user, &key])).await?;
        Ok(match item.as_deref() {
            Some(Item::Response(record)) if record.expires_at > now => Some(record.clone()),
            _ => None,
        })
    }

    async fn ping(&self) -> Result<()> {
        transact!(self, |transaction| {
            let number = match transaction.item(&Section::Ping.key(&[])).await?.as_deref() {
                Some(Item::Number(number)) => number.wrapping_add(1),
                _ => 0,
            };
            transaction.put(Section::Ping.key(&[]), Item::Number(number));
        })
    }
}

impl<V: View> Transaction<V> {
    async fn check_all(&mut self, preconditions: &[Precondition]) -> Result<()> {
        for precondition in preconditions {
            if !self.holds(precondition).await? {
                return Err(Error::version_conflict(precondition.noun()));
            }
        }
        Ok(())
    }

    async fn holds(&mut self, precondition: &Precondition) -> Result<bool> {
        Ok(match precondition {
            Precondition::User(id, version) => {
                self.find(RecordKey::User(*id)).await?.is_some_and(|it: User| it.version == *version)
            }
            Precondition::Session(id, version) => {
                self.find(RecordKey::Session(*id)).await?.is_some_and(|it: Session| it.version == *version)
            }
            Precondition::Organization(id, version) => {
                let found = self.find(RecordKey::Organization(*id)).await?;
                found.is_some_and(|it: Organization| it.version == *version)
            }
            Precondition::BillingAccount(org, version) => {
                let found = self.find(RecordKey::BillingAccount(*org)).await?;
                found.is_some_and(|it: BillingAccount| it.version == *version)
            }
            Precondition::Workspace(org, id, version) => {
                let found = self.find(RecordKey::Workspace(*org, *id)).await?;
                found.is_some_and(|it: Workspace| it.version == *version)
            }
            Precondition::Host(name, version) => {
                let found = self.find(RecordKey::Host(name.clone())).await?;
                found.is_some_and(|it: RegisteredHost| it.version == *version)
            }
            Precondition::Plans(version) => {
                // The commit begins to use a plan: a concurrent change that requires an unused plan must see it.
                self.increment_revision(&RecordKey::Plans).await?;
                self.find(RecordKey::Plans).await?.is_some_and(|it: StoredPlans| it.version == *version)
            }
            Precondition::PlanUnused(plan, users) => {
                self.revision(&RecordKey::Plans).await?;
                plans::uses(self).await?.get(plan).is_none_or(|used| !used.has(users))
            }
            Precondition::Member(org, user) => {
                // The commit begins to depend on the member: a concurrent removal must see what it adds.
                let member = RecordKey::Member(*org, *user);
                self.increment_revision(&member).await?;
                self.record_item(&member).await?.is_some()
            }
            Precondition::Lease(name, token) => {
                self.lease(name).await?.is_some_and(|lease| lease.token == *token)
            }
        })
    }

    async fn write_all(&mut self, changeset: &Changeset) -> Result<()> {
        for write in &changeset.writes {
            match write {
                Write::Insert(record) => self.insert(record.clone()).await?,
                Write::Update(record) => self.update(record.clone()).await?,
                Write::Put(record) => self.upsert(record.clone()).await?,
                Write::Delete(key) => self.delete(key).await?,
                Write::LeaveGroups(organization, user) => self.leave_groups(*organization, *user).await?,
                Write::RevokeSessions(user, at) => self.revoke_sessions(*user, *at).await?,
            }
        }
        for entry in &changeset.audit {
            let key = Section::Audit.key(&[&entry.organization_id, &entry.at, &entry.id]);
            self.put_new(key, Item::Audit(entry.clone()), "audit event").await?;
        }
        for message in &changeset.messages {
            let unclaimed = Item::Message(message.clone(), Timestamp::MIN);
            self.put_new(Section::Message.key(&[&message.id]), unclaimed, "message").await?;
        }
        match &changeset.idempotency {
            Some(record) => self.store_response(record).await,
            None => Ok(()),
        }
    }

    /// Adds an item that is not a record.
    async fn put_new(&mut self, key: Key, item: Item, noun: &'static str) -> Result<()> {
        if self.item(&key).await?.is_some() {
            return Err(Error::already_exists(noun));
        }
        self.put(key, item);
        Ok(())
    }

    async fn store_response(&mut self, record: &IdempotencyRecord) -> Result<()> {
        let key = Section::Response.key(&[&record.user_id, &record.key]);
        if let Some(Item::Response(earlier)) = self.item(&key).await?.as_deref() {
            if earlier.expires_at > record.created_at {
                return Err(Error::already_exists("idempotency record").with_code("idempotency_key_used"));
            }
            self.remove_response(earlier);
        }
        self.put(response_expiry(record), Item::Key(key.clone()));
        self.put(key, Item::Response(record.clone()));
        Ok(())
    }

    /// Removes the response to an idempotent request.
    pub(super) fn remove_response(&mut self, record: &IdempotencyRecord) {
        self.remove(response_expiry(record));
        self.remove(Section::Response.key(&[&record.user_id, &record.key]));
    }

    async fn leave_groups(&mut self, org: OrganizationId, user: UserId) -> Result<()> {
        // Commits that add the member to a group count as changes of the member.
        self.revision(&RecordKey::Member(org, user)).await?;
        let entries = self.cursor(Membership::BY_USER.key(&[&org, &user]));
        let memberships = entries.collect(usize::MAX, |item| item.pointer().cloned()).await?;
        let mut last = None;
        for key in memberships {
            let Some(membership) = self.find::<Membership>(key.clone()).await? else { continue };
            self.delete(&key).await?;
            let ws = membership.workspace_id;
            if last.replace(ws) != Some(ws) {
                let found = self.find(RecordKey::Workspace(org, ws)).await?;
                let mut workspace: Workspace = found.ok_or_else(|| Error::not_found("workspace"))?;
                workspace.version = workspace.version.next();
                workspace.access_version += 1;
                self.update(workspace.into()).await?;
            }
        }
        Ok(())
    }

    async fn revoke_sessions(&mut self, user: UserId, at: Timestamp) -> Result<()> {
        for mut session in self.all_owned::<Session>(RecordKey::User(user)).await? {
            if session.is_alive(at) {
                session.revoked_at = Some(at);
                session.version = session.version.next();
                self.update(session.into()).await?;
            }
        }
        Ok(())
    }
}

fn response_expiry(record: &IdempotencyRecord) -> Key {
    Section::ResponseExpiry.key(&[&record.expires_at, &record.user_id, &record.key])
}
