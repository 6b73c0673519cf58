use async_trait::async_trait;

use super::MemoryStore;
use super::state::State;
use crate::changeset::{Record, RecordKey, Topic};
use crate::error::{Error, Result};
use crate::id::{MessageId, UserId};
use crate::store::{SealedKind, SealedStore, SealedValue};

#[async_trait]
impl SealedStore for MemoryStore {
    async fn list_sealed(
        &self,
        kind: SealedKind,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<SealedValue>> {
        let mut all = self.lock().sealed(kind);
        all.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let is_later = |value: &SealedValue| after.as_ref().is_none_or(|after| value.key > *after);
        Ok(all.into_iter().filter(is_later).take(limit).collect())
    }

    async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool> {
        let mut state = self.lock();
        if !state.sealed(kind).contains(listed) {
            return Ok(false);
        }
        state.replace_sealed(kind, &listed.key, new)
    }
}

impl State {
    fn sealed(&self, kind: SealedKind) -> Vec<SealedValue> {
        let value = |key: String, sealed: &[u8]| SealedValue { key, sealed: sealed.to_vec() };
        match kind {
            SealedKind::SigningKeys | SealedKind::Kubeconfigs => {
                let sealed = |record: &Record| match (kind, record) {
                    (SealedKind::SigningKeys, Record::SigningKey(key)) => {
                        Some(value(key.kid.clone(), &key.sealed_private))
                    }
                    (SealedKind::Kubeconfigs, Record::Host(host)) => {
                        Some(value(host.host.name.to_string(), &host.sealed_kubeconfig))
                    }
                    _ => None,
                };
                self.records.values().filter_map(sealed).collect()
            }
            SealedKind::Responses => {
                let records = self.idempotency_records.values();
                records
                    .map(|record| value(format!("{}/{}", record.user_id, record.key), &record.response))
                    .collect()
            }
            SealedKind::Mails => {
                let messages = self.outbox.values().map(|(message, _)| message);
                let mails = messages.filter(|message| message.topic == Topic::Mail);
                mails.map(|mail| value(mail.id.to_string(), &mail.payload)).collect()
            }
        }
    }

    fn replace_sealed(&mut self, kind: SealedKind, key: &str, new: Vec<u8>) -> Result<bool> {
        let foreign = || Error::invalid("key", "must be a key of this kind");
        match kind {
            SealedKind::SigningKeys | SealedKind::Kubeconfigs => {
                let found = self.records.values().find(|record| match (kind, record) {
                    (SealedKind::SigningKeys, Record::SigningKey(signing)) => signing.kid == key,
                    (SealedKind::Kubeconfigs, Record::Host(host)) => host.host.name.as_str() == key,
                    _ => false,
                });
                let replaced: Option<(RecordKey, Record)> = found.cloned().map(|mut record| {
                    match &mut record {
                        Record::SigningKey(signing) => signing.sealed_private = new,
                        Record::Host(host) => {
                            host.sealed_kubeconfig = new;
                            host.version = host.version.next();
                        }
                        _ => {}
                    }
                    (record.key(), record)
                });
                let Some((key, record)) = replaced else { return Ok(false) };
                self.records.insert_mut(key, record);
            }
            SealedKind::Responses => {
                let (user, key) = key.split_once('/').ok_or_else(foreign)?;
                let key = (user.parse::<UserId>().map_err(|_| foreign())?, key.to_owned());
                let Some(record) = self.idempotency_records.get(&key).cloned() else { return Ok(false) };
                let record = crate::changeset::IdempotencyRecord { response: new, ..record };
                self.idempotency_records.insert_mut(key, record);
            }
            SealedKind::Mails => {
                let id: MessageId = key.parse().map_err(|_| foreign())?;
                let Some((message, claimed_until)) = self.outbox.get(&id).cloned() else { return Ok(false) };
                let message = crate::changeset::OutboxMessage { payload: new, ..message };
                self.outbox.insert_mut(id, (message, claimed_until));
            }
        }
        Ok(true)
    }
}
