use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::view::{Reads as _, Space};
use super::{Item, KvTenantStore, Section, transact};
use crate::changeset::OutboxMessage;
use crate::clock::after;
use crate::error::Result;
use crate::id::MessageId;
use crate::store::OutboxStore;

#[async_trait]
impl<S: Space> OutboxStore for KvTenantStore<S> {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        transact!(self, |transaction| {
            // Another relay reads and writes the same messages, so that only one of both claims them.
            let view = transaction.unchanged();
            let mut messages = view.cursor(Section::Message.key(&[]));
            let mut blocked = BTreeSet::new();
            let mut claimed: Vec<OutboxMessage> = Vec::new();
            while claimed.len() < limit {
                let Some(item) = messages.next().await? else { break };
                let Item::Message(message, claimed_until) = &*item else { continue };
                if *claimed_until > now {
                    blocked.extend(message.workspace_id);
                } else if message.workspace_id.is_none_or(|workspace| !blocked.contains(&workspace)) {
                    claimed.push(message.clone());
                }
            }
            for message in &claimed {
                let key = Section::Message.key(&[&message.id]);
                transaction.item(&key).await?;
                transaction.put(key, Item::Message(message.clone(), after(now, claim_ttl)));
            }
            claimed
        })
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        transact!(self, |transaction| {
            ids.iter().for_each(|id| transaction.remove(Section::Message.key(&[id])));
        })
    }

    async fn count_outbox(&self) -> Result<u64> {
        let view = self.space.view().await?;
        let mut messages = view.cursor(Section::Message.key(&[]));
        let mut count = 0;
        while messages.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn oldest_in_outbox(&self) -> Result<Option<MessageId>> {
        let view = self.space.view().await?;
        let oldest = view.cursor(Section::Message.key(&[])).expecting(1).next().await?;
        Ok(oldest
            .and_then(|item| if let Item::Message(message, _) = &*item { Some(message.id) } else { None }))
    }
}
