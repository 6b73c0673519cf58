//! Batch loader: combines concurrent reads into one statement.
//!
//! Most of the server's work for a short read (receiving, binding, starting and ending the statement) is the same for
//! one row and for a hundred. So only a few statements run at a time. Reads that arrive meanwhile wait for the next
//! statement, which serves all of them, each within its own scope: see [`scope::batched_read`]. At low load a read
//! runs at once and waits for no other read.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hexabase_core::error::{Error, Result};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::pool::Connections;
use super::{error, read_with_retry, scope};
use crate::sql::Query;

/// Number of statements that run at the same time; further reads wait.
const MAX_CONCURRENT_STATEMENTS: usize = 2;
/// Maximum number of reads in one statement.
const MAX_BATCH_SIZE: usize = 64;

/// Result of a read that waited. All reads of a failed statement share its error.
type BatchResult = Result<Vec<PgRow>, Arc<Error>>;

/// Reads that wait, and the number of running statements.
#[derive(Debug, Default)]
struct BatchQueue {
    running: usize,
    pending: Vec<PendingRead>,
}

/// Read that waits for the next statement.
#[derive(Debug)]
struct PendingRead {
    query: Query,
    sender: oneshot::Sender<BatchResult>,
}

/// Combines concurrent reads into one statement.
#[derive(Debug, Clone)]
pub(super) struct BatchLoader {
    connections: Connections,
    queue: Arc<Mutex<BatchQueue>>,
}

impl BatchLoader {
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections, queue: Arc::default() }
    }

    /// Returns the rows of a read. All values of the read must be texts.
    pub(super) async fn fetch(&self, query: Query) -> Result<Vec<PgRow>> {
        match self.acquire_or_enqueue(query) {
            Ok((_permit, query)) => read_with_retry(&self.connections, &scope::scoped_read(query)).await,
            Err(receiver) => match receiver.await {
                Ok(result) => result.map_err(SharedError::into_error),
                Err(_) => Err(Error::unavailable("the read was cancelled; try again")),
            },
        }
    }

    /// Returns a permit to run a statement; if there is none, enqueues the read and returns the receiver of its result.
    fn acquire_or_enqueue(&self, query: Query) -> Result<(Permit, Query), oneshot::Receiver<BatchResult>> {
        let mut queue = self.queue();
        if queue.running < MAX_CONCURRENT_STATEMENTS {
            queue.running += 1;
            return Ok((Permit(self.clone()), query));
        }
        let (sender, receiver) = oneshot::channel();
        queue.pending.push(PendingRead { query, sender });
        Err(receiver)
    }

    fn queue(&self) -> MutexGuard<'_, BatchQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a batch and sends each read its result.
    async fn load(&self, batch: Vec<PendingRead>) {
        let queries: Vec<&Query> = batch.iter().map(|read| &read.query).collect();
        match self.fetch_batch(&queries).await {
            Ok(found) => {
                for (read, rows) in batch.into_iter().zip(found) {
                    // A cancelled caller has dropped the receiver.
                    let _ = read.sender.send(Ok(rows));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for read in batch {
                    let _ = read.sender.send(Err(error.clone()));
                }
            }
        }
    }

    /// Returns the rows of each read.
    async fn fetch_batch(&self, queries: &[&Query]) -> Result<Vec<Vec<PgRow>>> {
        let mut found: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        for row in read_with_retry(&self.connections, &scope::batched_read(queries)?).await? {
            let number: i64 = row.try_get(row.len() - 1).map_err(error::from_sqlx)?;
            let rows = usize::try_from(number - 1).ok().and_then(|index| found.get_mut(index));
            rows.ok_or_else(|| Error::unexpected("row belongs to no read of the batch"))?.push(row);
        }
        Ok(found)
    }
}

/// Right to run a statement. When its holder has finished or is cancelled, it passes to the reads that wait.
struct Permit(BatchLoader);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        let Ok(runtime) = Handle::try_current() else {
            // The process is shutting down: dropping the senders ends every wait, because no statement will run.
            queue.pending.clear();
            return;
        };
        let batch = queue.next_batch();
        if batch.is_empty() {
            queue.running -= 1;
            return;
        }
        let permit = Self(self.0.clone());
        runtime.spawn(async move { permit.0.load(batch).await });
    }
}

impl BatchQueue {
    /// Removes and returns the read that has waited longest, with all that differ from it in their values only.
    fn next_batch(&mut self) -> Vec<PendingRead> {
        self.pending.retain(|read| !read.sender.is_closed());
        let Some(first) = self.pending.first().map(|read| read.query.clone()) else {
            return Vec::new();
        };
        self.pending.extract_if(.., |read| read.query.has_same_sql(&first)).take(MAX_BATCH_SIZE).collect()
    }
}

/// Error of a statement that several reads share.
#[derive(Debug)]
struct SharedError(Arc<Error>);

impl SharedError {
    fn into_error(error: Arc<Error>) -> Error {
        Error::new(error.kind(), error.message()).caused_by(Self(error))
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl StdError for SharedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
