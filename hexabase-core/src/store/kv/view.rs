//! Reads of items, decoded or encoded.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use super::key::{after_key, after_prefix, records};
use super::transaction::Transaction;
use super::{Item, Key, KeyPart, KeyRange, Section};
use crate::changeset::{RecordKey, Stored};
use crate::error::Result;
use crate::model::StoredPlans;

/// Keys of items that were read, each with the evidence by which a change of the item is detected.
pub(crate) type ReadSet<E> = BTreeMap<Key, E>;
/// New items by key; `None` removes the item.
pub(crate) type WriteSet = BTreeMap<Key, Option<Arc<Item>>>;
/// Item with its key.
pub(crate) type Entry = (Key, Arc<Item>);

/// Ordered items.
pub(crate) trait Space: fmt::Debug + Send + Sync + 'static {
    type View: View;

    /// Returns the items as they are now.
    fn view(&self) -> impl Future<Output = Result<Self::View>> + Send;

    /// Writes items as one change, provided that what was read is unchanged; otherwise returns `false`.
    fn apply(
        &self,
        reads: ReadSet<<Self::View as View>::Evidence>,
        writes: WriteSet,
    ) -> impl Future<Output = Result<bool>> + Send;

    /// Begins a transaction.
    fn begin(&self) -> impl Future<Output = Result<Transaction<Self::View>>> + Send {
        async { Ok(Transaction::new(self.view().await?)) }
    }

    /// Applies the changes of a transaction; `false` if another process has intervened. A transaction without changes
    /// needs no batch: it has read one view, whatever another process does later.
    fn finish(&self, transaction: Transaction<Self::View>) -> impl Future<Output = Result<bool>> + Send {
        async {
            let (reads, writes) = transaction.into_changes();
            match writes.is_empty() {
                true => Ok(true),
                false => self.apply(reads, writes).await,
            }
        }
    }
}

/// Items at one time.
pub(crate) trait View: Send + Sync + 'static {
    /// Form of an item by which a change of it is detected.
    type Evidence: Clone + Send + Sync;

    /// Returns an item, with evidence of it or of its absence.
    fn read(&self, key: &[u8]) -> impl Future<Output = Result<(Option<Arc<Item>>, Self::Evidence)>> + Send;

    /// Returns the items of a range: at least as many as its limit if there are so many.
    fn scan(&self, range: &KeyRange) -> impl Future<Output = Result<Vec<Entry>>> + Send;
}

/// Typed reads of a [`View`].
pub(crate) trait Reads: View + Sized {
    fn item(&self, key: &[u8]) -> impl Future<Output = Result<Option<Arc<Item>>>> + Send {
        async move { Ok(self.read(key).await?.0) }
    }

    /// Returns the item of a record.
    fn record_item(&self, key: &RecordKey) -> impl Future<Output = Result<Option<Arc<Item>>>> + Send {
        async move {
            let found = self.item(&Section::Record.of(key)).await?;
            // There is always a record of the plans, also in a new store.
            let initial = || Arc::new(Item::Record(StoredPlans::initial().into()));
            Ok(if *key == RecordKey::Plans { Some(found.unwrap_or_else(initial)) } else { found })
        }
    }

    fn find<T: Stored + Send>(&self, key: RecordKey) -> impl Future<Output = Result<Option<T>>> + Send {
        async move { Ok(self.record_item(&key).await?.and_then(|item| item.record().cloned())) }
    }

    /// Returns the record to which a name or index entry leads.
    fn follow<T: Stored + Send>(&self, entry: Key) -> impl Future<Output = Result<Option<T>>> + Send {
        async move {
            match self.item(&entry).await?.as_deref().and_then(Item::pointer) {
                Some(key) => self.find(key.clone()).await,
                None => Ok(None),
            }
        }
    }

    /// Returns a cursor over the items with a prefix.
    fn cursor(&self, prefix: Key) -> Cursor<'_, Self> {
        let until = after_prefix(prefix.clone());
        let range = KeyRange { from: prefix, until, descending: false, limit: 128 };
        Cursor { view: self, range, read: VecDeque::new(), complete: false }
    }

    /// Returns a cursor over the records of type `T` whose key begins with these parts.
    fn records<T: Stored>(&self, parts: &[&dyn KeyPart]) -> Cursor<'_, Self> {
        self.cursor(records::<T>(parts))
    }

    /// Returns a cursor as [`Self::records`] that begins after a record, and reads so many records at a time.
    fn records_after<T: Stored>(
        &self,
        parts: &[&dyn KeyPart],
        after: Option<RecordKey>,
        expected: usize,
    ) -> Cursor<'_, Self> {
        let after = after.map(|key| Section::Record.of(&key));
        self.records::<T>(parts).after(after).expecting(expected)
    }

    /// Returns all records of type `T` whose key begins with these parts.
    fn all<T: Stored + Send>(&self, parts: &[&dyn KeyPart]) -> impl Future<Output = Result<Vec<T>>> + Send {
        let cursor = self.records::<T>(parts);
        async move { cursor.collect(usize::MAX, |item| item.record().cloned()).await }
    }

    /// Returns the number of records of type `T` whose key begins with these parts.
    fn count<T: Stored>(&self, parts: &[&dyn KeyPart]) -> impl Future<Output = Result<u32>> + Send {
        let mut cursor = self.records::<T>(parts);
        async move {
            let mut count = 0_u32;
            while cursor.next().await?.is_some() {
                count = count.saturating_add(1);
            }
            Ok(count)
        }
    }

    /// Returns the records of type `T` that a record owns, ordered by key.
    fn owned<T: Stored + Send>(&self, owner: RecordKey) -> impl Future<Output = Result<Vec<T>>> + Send {
        async move { self.cursor(Section::Owned.towards::<T>(&owner)).targets(usize::MAX).await }
    }
}

impl<V: View> Reads for V {}

/// Position in a range of items, which reads a limited number at a time.
pub(crate) struct Cursor<'v, V> {
    view: &'v V,
    range: KeyRange,
    read: VecDeque<Entry>,
    complete: bool,
}

impl<V: View> Cursor<'_, V> {
    /// Begins after a key, or with a descending cursor before it.
    pub(crate) fn after(mut self, key: Option<Key>) -> Self {
        match key {
            Some(key) if self.range.descending => self.range.until = key,
            Some(key) => self.range.from = after_key(key),
            None => {}
        }
        self
    }

    /// Begins after the last item with a prefix.
    pub(crate) fn after_all(mut self, prefix: Option<Key>) -> Self {
        if let Some(prefix) = prefix {
            self.range.from = after_prefix(prefix);
        }
        self
    }

    /// Begins at a key.
    pub(crate) fn from(mut self, key: Key) -> Self {
        self.range.from = key;
        self
    }

    /// Ends before a key.
    pub(crate) fn until(mut self, key: Key) -> Self {
        self.range.until = key;
        self
    }

    /// Goes from the end to the beginning. Call it first.
    pub(crate) fn descending(mut self) -> Self {
        self.range.descending = true;
        self
    }

    /// Reads so many items at a time, within limits.
    pub(crate) fn expecting(mut self, items: usize) -> Self {
        self.range.limit = items.clamp(1, 256);
        self
    }

    pub(crate) async fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.read.is_empty() && !self.complete && self.range.from < self.range.until {
            self.read = self.view.scan(&self.range).await?.into();
            self.complete = self.read.len() < self.range.limit;
            match self.read.back() {
                Some((last, _)) if self.range.descending => self.range.until.clone_from(last),
                Some((last, _)) => self.range.from = after_key(last.clone()),
                None => {}
            }
        }
        Ok(self.read.pop_front())
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Arc<Item>>> {
        Ok(self.next_entry().await?.map(|(_, item)| item))
    }

    /// Returns the next record of type `T`.
    pub(crate) async fn next_record<T: Stored>(&mut self) -> Result<Option<T>> {
        while let Some(item) = self.next().await? {
            if let Some(record) = item.record() {
                return Ok(Some(T::clone(record)));
            }
        }
        Ok(None)
    }

    /// Returns the record to which the next entry leads.
    pub(crate) async fn next_target<T: Stored + Send>(&mut self) -> Result<Option<T>> {
        while let Some(item) = self.next().await? {
            let Some(key) = item.pointer() else { continue };
            if let Some(record) = self.view.find(key.clone()).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Returns the records to which the next entries lead, at most `limit`.
    pub(crate) async fn targets<T: Stored + Send>(&mut self, limit: usize) -> Result<Vec<T>> {
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(record) = self.next_target().await? else { break };
            found.push(record);
        }
        Ok(found)
    }

    /// Returns what `select` finds in the remaining items, at most `limit`.
    pub(crate) async fn collect<T>(
        mut self,
        limit: usize,
        mut select: impl FnMut(&Item) -> Option<T> + Send,
    ) -> Result<Vec<T>>
    where
        T: Send,
    {
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(item) = self.next().await? else { break };
            found.extend(select(&item));
        }
        Ok(found)
    }
}
