//! Decision of a change on one view, with the rules of records.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::key::after_key;
use super::view::{Entry, ReadSet, Reads as _, View, WriteSet};
use super::{Item, Key, KeyRange, Section};
use crate::changeset::{Record, RecordKey, Stored};
use crate::error::{Error, Result};
use crate::store::rules::{Owner, Rules};

/// Number of items that one read of a scan returns.
const SCAN_LIMIT: usize = 256;

/// View with changes that are not yet applied. It collects what was read by key: if any of that has changed when the
/// changes are applied, they are not. Scans are not collected; a decision that depends on the absence of other items
/// reads [`Transaction::revision`] as well.
pub(crate) struct Transaction<V: View> {
    view: V,
    reads: Mutex<ReadSet<V::Evidence>>,
    writes: WriteSet,
}

impl<V: View> View for Transaction<V> {
    type Evidence = ();

    async fn read(&self, key: &[u8]) -> Result<(Option<Arc<Item>>, ())> {
        if let Some(written) = self.writes.get(key) {
            return Ok((written.clone(), ()));
        }
        let (item, evidence) = self.view.read(key).await?;
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec(), evidence);
        Ok((item, ()))
    }

    /// Returns all items of the range.
    async fn scan(&self, range: &KeyRange) -> Result<Vec<Entry>> {
        let mut items: BTreeMap<Key, Arc<Item>> = BTreeMap::new();
        let mut rest = KeyRange { descending: false, limit: SCAN_LIMIT, ..range.clone() };
        while rest.from < rest.until {
            let read = self.view.scan(&rest).await?;
            let complete = read.len() < rest.limit;
            if let Some((last, _)) = read.last() {
                rest.from = after_key(last.clone());
            }
            items.extend(read);
            if complete {
                break;
            }
        }
        let written = (Bound::Included(&range.from), Bound::Excluded(&range.until));
        for (key, item) in self.writes.range::<Key, _>(written) {
            match item {
                Some(item) => items.insert(key.clone(), Arc::clone(item)),
                None => items.remove(key),
            };
        }
        Ok(match range.descending {
            true => items.into_iter().rev().collect(),
            false => items.into_iter().collect(),
        })
    }
}

impl<V: View> Transaction<V> {
    pub(crate) fn new(view: V) -> Self {
        Self { view, reads: Mutex::default(), writes: WriteSet::new() }
    }

    /// The view without the changes of this transaction, for scans with a limit.
    pub(crate) const fn unchanged(&self) -> &V {
        &self.view
    }

    /// Returns what was read and what is to be written.
    pub(crate) fn into_changes(self) -> (ReadSet<V::Evidence>, WriteSet) {
        (self.reads.into_inner().unwrap_or_else(PoisonError::into_inner), self.writes)
    }

    pub(crate) fn put(&mut self, key: Key, item: Item) {
        self.writes.insert(key, Some(Arc::new(item)));
    }

    pub(crate) fn remove(&mut self, key: Key) {
        self.writes.insert(key, None);
    }

    async fn exists(&self, key: &RecordKey) -> Result<bool> {
        Ok(self.record_item(key).await?.is_some())
    }

    /// Returns the record with its own type erased.
    async fn record(&self, key: &RecordKey) -> Result<Option<Record>> {
        let item = self.record_item(key).await?;
        Ok(item.and_then(|item| if let Item::Record(record) = &*item { Some(record.clone()) } else { None }))
    }

    /// Returns the number of changes of what a record owns. After the call, the changes of this transaction are not
    /// applied if another process changes what the record owns.
    pub(crate) async fn revision(&self, owner: &RecordKey) -> Result<u64> {
        let item = self.item(&Section::Revision.of(owner)).await?;
        Ok(if let Some(Item::Number(number)) = item.as_deref() { *number } else { 0 })
    }

    /// Counts a change of what a record owns.
    pub(crate) async fn increment_revision(&mut self, owner: &RecordKey) -> Result<()> {
        let next = self.revision(owner).await?.wrapping_add(1);
        self.put(Section::Revision.of(owner), Item::Number(next));
        Ok(())
    }

    /// Returns the records of type `T` that a record owns, all of them when the changes are applied.
    pub(crate) async fn all_owned<T: Stored + Send>(&self, owner: RecordKey) -> Result<Vec<T>> {
        self.revision(&owner).await?;
        self.owned(owner).await
    }

    /// Adds a record.
    pub(crate) async fn insert(&mut self, record: Record) -> Result<()> {
        let key = record.key();
        if self.exists(&key).await? {
            return Err(Error::already_exists(key.noun()));
        }
        self.replace(&key, None, Some(record)).await
    }

    /// Replaces a record.
    pub(crate) async fn update(&mut self, record: Record) -> Result<()> {
        let key = record.key();
        let old = self.record(&key).await?.ok_or_else(|| Error::not_found(key.noun()))?;
        self.replace(&key, Some(old), Some(record)).await
    }

    /// Adds or replaces a record.
    pub(crate) async fn upsert(&mut self, record: Record) -> Result<()> {
        let key = record.key();
        let old = self.record(&key).await?;
        self.replace(&key, old, Some(record)).await
    }

    /// Removes a record with everything that it owns.
    pub(crate) async fn delete(&mut self, key: &RecordKey) -> Result<()> {
        if self.cursor(Section::Child.of(key)).next().await?.is_some() {
            let message = format!("{} has children; delete the children first", key.noun());
            return Err(Error::conflict("has_children", message));
        }
        if !self.exists(key).await? {
            return Err(Error::not_found(key.noun()));
        }
        let deleted = self.with_owned(key).await?;
        for key in deleted.iter().rev() {
            // A record with two owners among the deleted ones was found twice.
            if let Some(record) = self.record(key).await? {
                self.replace(key, Some(record), None).await?;
            }
        }
        // Last, because the deletion of a record counts as a change of its owners, which may be deleted before it.
        deleted.iter().for_each(|key| self.remove(Section::Revision.of(key)));
        Ok(())
    }

    /// Returns a key with those of all records that the record owns, owners before what they own.
    async fn with_owned(&self, key: &RecordKey) -> Result<Vec<RecordKey>> {
        let mut keys = vec![key.clone()];
        let mut next = 0;
        while let Some(owner) = keys.get(next).cloned() {
            self.revision(&owner).await?;
            let owned = self.cursor(Section::Owned.of(&owner));
            keys.extend(owned.collect(usize::MAX, |item| item.pointer().cloned()).await?);
            next += 1;
        }
        Ok(keys)
    }

    /// Writes the difference between two versions of a record, of which at least one exists: the record itself, its
    /// names, its index entries and its owners.
    async fn replace(&mut self, key: &RecordKey, old: Option<Record>, new: Option<Record>) -> Result<()> {
        let (before, after) = (Entries::of(old.as_ref()), Entries::of(new.as_ref()));
        for owner in after.owners.iter().filter(|owner| !before.owners.contains(owner)) {
            if !self.exists(&owner.key).await? {
                return Err(Error::not_found(owner.key.noun()));
            }
        }
        for name in after.names.iter().filter(|name| !before.names.contains(name)) {
            if self.item(name).await?.is_some() {
                return Err(Error::already_exists(key.noun()));
            }
            self.put(name.clone(), Item::Pointer(key.clone()));
        }
        for entry in after.indexes.iter().filter(|entry| !before.indexes.contains(entry)) {
            self.put(entry.clone(), Item::Pointer(key.clone()));
        }
        for owner in after.owners.iter().filter(|owner| !before.owners.contains(owner)) {
            self.put(owner.entry(key), Item::Pointer(key.clone()));
            self.increment_revision(&owner.key).await?;
        }
        for owner in before.owners.iter().filter(|owner| !after.owners.contains(owner)) {
            self.remove(owner.entry(key));
            self.increment_revision(&owner.key).await?;
        }
        let gone = before.names.into_iter().filter(|name| !after.names.contains(name));
        let gone = gone.chain(before.indexes.into_iter().filter(|entry| !after.indexes.contains(entry)));
        gone.for_each(|entry| self.remove(entry));
        match new {
            Some(record) => self.put(Section::Record.of(key), Item::Record(record)),
            None => self.remove(Section::Record.of(key)),
        }
        Ok(())
    }
}

/// Entries that a record has beside itself.
#[derive(Default)]
struct Entries {
    owners: Vec<Owner>,
    names: Vec<Key>,
    indexes: Vec<Key>,
}

impl Entries {
    fn of(record: Option<&Record>) -> Self {
        let of = |rules: &dyn Rules| Self {
            owners: rules.owners(),
            names: rules.names(),
            indexes: rules.indexes(),
        };
        record.map_or_else(Self::default, |record| of(record.rules()))
    }
}

impl Owner {
    /// The key of the entry that leads from the owner to a record.
    fn entry(&self, owned: &RecordKey) -> Key {
        let section = if self.is_parent { Section::Child } else { Section::Owned };
        section.between(&self.key, owned)
    }
}
