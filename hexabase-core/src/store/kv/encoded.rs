//! Items in a [`KeyValueStore`], encoded as JSON.

use std::sync::Arc;

use super::view::{Entry, ReadSet, Space, View, WriteSet};
use super::{Item, KeyRange, KeyValueBatch, KeyValueSnapshot, KeyValueStore};
use crate::error::{Error, Result};

impl<S: KeyValueStore> Space for S {
    type View = Box<dyn KeyValueSnapshot>;

    async fn view(&self) -> Result<Self::View> {
        self.snapshot().await
    }

    async fn apply(&self, reads: ReadSet<Option<Vec<u8>>>, writes: WriteSet) -> Result<bool> {
        let encoded = writes.into_iter().map(|(key, item)| match item {
            Some(item) => Ok((key, Some(encode(&item)?))),
            None => Ok((key, None)),
        });
        let writes = encoded.collect::<Result<_>>()?;
        self.commit(KeyValueBatch { checks: reads.into_iter().collect(), writes }).await
    }
}

impl View for Box<dyn KeyValueSnapshot> {
    type Evidence = Option<Vec<u8>>;

    async fn read(&self, key: &[u8]) -> Result<(Option<Arc<Item>>, Self::Evidence)> {
        let value = self.get(key).await?;
        let item = value.as_deref().map(decode).transpose()?;
        Ok((item, value))
    }

    async fn scan(&self, range: &KeyRange) -> Result<Vec<Entry>> {
        let found = (**self).scan(range).await?;
        found.into_iter().map(|(key, value)| Ok((key, decode(&value)?))).collect()
    }
}

fn encode(item: &Item) -> Result<Vec<u8>> {
    let failed = |error| Error::unexpected("record cannot be encoded as JSON").caused_by(error);
    serde_json::to_vec(item).map_err(failed)
}

fn decode(value: &[u8]) -> Result<Arc<Item>> {
    // Without the cause, which may quote the value.
    let failed = |error: serde_json::Error| {
        Error::unexpected("the key-value store contains a value that cannot be read")
            .with("line", error.line())
            .with("column", error.column())
    };
    serde_json::from_slice(value).map(Arc::new).map_err(failed)
}
