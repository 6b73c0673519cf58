use async_trait::async_trait;

use super::view::{Reads as _, Space};
use super::{Item, Key, KvTenantStore, Section, transact};
use crate::changeset::{IdempotencyRecord, OutboxMessage, Record, RecordKey, Topic};
use crate::error::{Error, Result};
use crate::id::{MessageId, UserId};
use crate::model::{RegisteredHost, SigningKey};
use crate::name::HostClusterName;
use crate::store::kv::key::records;
use crate::store::{SealedKind, SealedStore, SealedValue};

#[async_trait]
impl<S: Space> SealedStore for KvTenantStore<S> {
    async fn list_sealed(
        &self,
        kind: SealedKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SealedValue>> {
        let after = after.map(|after| key_of(kind, &after)).transpose()?;
        let all = match kind {
            SealedKind::SigningKeys => records::<SigningKey>(&[]),
            SealedKind::Kubeconfigs => records::<RegisteredHost>(&[]),
            SealedKind::Responses => Section::Response.key(&[]),
            SealedKind::Mails => Section::Message.key(&[]),
        };
        let view = self.space.view().await?;
        view.cursor(all).after(after).expecting(limit).collect(limit, |item| sealed(kind, item)).await
    }

    async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool> {
        let key = key_of(kind, &listed.key)?;
        transact!(self, |transaction| {
            let item = transaction.item(&key).await?;
            let unchanged = item.filter(|item| sealed(kind, item).as_ref() == Some(listed));
            let replaced = unchanged.and_then(|item| with_sealed(&item, new.clone()));
            match replaced {
                Some(item) => {
                    transaction.put(key.clone(), item);
                    true
                }
                None => false,
            }
        })
    }
}

/// Returns the key of the item with sealed data, by the key of the data.
fn key_of(kind: SealedKind, key: &str) -> Result<Key> {
    let foreign = || Error::invalid("key", "must be a key of this kind");
    Ok(match kind {
        SealedKind::SigningKeys => Section::Record.of(&RecordKey::SigningKey(key.to_owned())),
        SealedKind::Kubeconfigs => {
            let name = HostClusterName::parse(key).map_err(|_| foreign())?;
            Section::Record.of(&RecordKey::Host(name))
        }
        SealedKind::Responses => {
            let (user, key) = key.split_once('/').ok_or_else(foreign)?;
            Section::Response.key(&[&user.parse::<UserId>().map_err(|_| foreign())?, &key])
        }
        SealedKind::Mails => Section::Message.key(&[&key.parse::<MessageId>().map_err(|_| foreign())?]),
    })
}

/// Returns the sealed data of an item; `None` if the item has no data of this kind.
fn sealed(kind: SealedKind, item: &Item) -> Option<SealedValue> {
    let value = |key: String, sealed: &[u8]| Some(SealedValue { key, sealed: sealed.to_vec() });
    match (kind, item) {
        (SealedKind::SigningKeys, Item::Record(Record::SigningKey(key))) => {
            value(key.kid.clone(), &key.sealed_private)
        }
        (SealedKind::Kubeconfigs, Item::Record(Record::Host(host))) => {
            value(host.host.name.to_string(), &host.sealed_kubeconfig)
        }
        (SealedKind::Responses, Item::Response(record)) => {
            value(format!("{}/{}", record.user_id, record.key), &record.response)
        }
        (SealedKind::Mails, Item::Message(message, _)) if message.topic == Topic::Mail => {
            value(message.id.to_string(), &message.payload)
        }
        _ => None,
    }
}

/// Returns an item with other sealed data; `None` if the item has none. None of the data is in a name or an index.
fn with_sealed(item: &Item, new: Vec<u8>) -> Option<Item> {
    Some(match item {
        Item::Record(Record::SigningKey(key)) => {
            Item::Record(SigningKey { sealed_private: new, ..key.clone() }.into())
        }
        Item::Record(Record::Host(host)) => {
            let mut host = RegisteredHost::clone(host);
            host.sealed_kubeconfig = new;
            host.version = host.version.next();
            Item::Record(host.into())
        }
        Item::Response(record) => Item::Response(IdempotencyRecord { response: new, ..record.clone() }),
        Item::Message(message, claimed_until) => {
            Item::Message(OutboxMessage { payload: new, ..message.clone() }, *claimed_until)
        }
        _ => return None,
    })
}
