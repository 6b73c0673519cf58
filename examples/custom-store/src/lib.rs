//! The system of record of Hexabase in one file, over the embedded key-value store redb.
//!
//! This is all that a key-value store needs for Hexabase: snapshots with reads and scans, and conditional batches.
//! [`KvTenantStore::over`](hexabase_core::store::KvTenantStore::over) has the rest. `tests/conformance.rs` runs the
//! conformance suites of the file and of the tenant store in it, and `tests/comparison.rs` compares the tenant store with
//! the one in memory.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::store::{KeyRange, KeyValueBatch, KeyValueSnapshot, KeyValueStore};
use redb::{Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, TableDefinition};

const ITEMS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("items");

/// Key-value store in a file, which one process opens at a time.
pub struct FileStore(Arc<Database>);

/// State of the file at one time.
struct Snapshot(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl FileStore {
    /// Opens a file, which is created if it does not exist.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be opened, or another process has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let open = || -> Result<Database, redb::Error> {
            let database = Database::create(path)?;
            let transaction = database.begin_write()?;
            transaction.open_table(ITEMS)?;
            transaction.commit()?;
            Ok(database)
        };
        Ok(Self(Arc::new(open().map_err(unavailable)?)))
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FileStore")
    }
}

#[async_trait]
impl KeyValueStore for FileStore {
    async fn snapshot(&self) -> Result<Box<dyn KeyValueSnapshot>> {
        let open = || -> Result<_, redb::Error> { Ok(self.0.begin_read()?.open_table(ITEMS)?) };
        Ok(Box::new(Snapshot(open().map_err(unavailable)?)))
    }

    async fn commit(&self, batch: KeyValueBatch) -> Result<bool> {
        let database = Arc::clone(&self.0);
        // A commit waits for the disk.
        let committed = tokio::task::spawn_blocking(move || commit(&database, &batch)).await;
        committed
            .map_err(|error| Error::unexpected("commit was interrupted").caused_by(error))?
            .map_err(unavailable)
    }
}

/// Writes a batch if its checks hold. Without a commit, the dropped transaction has no effect.
fn commit(database: &Database, batch: &KeyValueBatch) -> Result<bool, redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut items = transaction.open_table(ITEMS)?;
        for (key, expected) in &batch.checks {
            if items.get(key.as_slice())?.as_ref().map(|value| value.value()) != expected.as_deref() {
                return Ok(false);
            }
        }
        for (key, value) in &batch.writes {
            match value {
                Some(value) => drop(items.insert(key.as_slice(), value.as_slice())?),
                None => drop(items.remove(key.as_slice())?),
            }
        }
    }
    transaction.commit()?;
    Ok(true)
}

#[async_trait]
impl KeyValueSnapshot for Snapshot {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = self.0.get(key).map_err(unavailable)?;
        Ok(value.map(|value| value.value().to_vec()))
    }

    async fn scan(&self, range: &KeyRange) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let all = self.0.range(range.from.as_slice()..range.until.as_slice()).map_err(unavailable)?;
        let ordered: Box<dyn Iterator<Item = _>> =
            if range.descending { Box::new(all.rev()) } else { Box::new(all) };
        let entries = ordered.take(range.limit).map(|entry| {
            let (key, value) = entry.map_err(unavailable)?;
            Ok((key.value().to_vec(), value.value().to_vec()))
        });
        entries.collect()
    }
}

fn unavailable(error: impl Into<redb::Error>) -> Error {
    Error::unavailable("the file of the store does not respond").caused_by(error.into())
}
