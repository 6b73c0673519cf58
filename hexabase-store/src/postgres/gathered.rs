//! Reads that many ask for at the same time, as one statement.
//!
//! Most of what a short read costs the server is the same for one row and for a hundred: to hear the statement, to bind
//! and begin it, and to end it. So only a few are under way at a time. Whoever asks meanwhile waits for the next one,
//! which asks for everybody who waits, each within their own scope: see [`scope::gathered`](super::scope::gathered).
//! Whoever asks while nothing much is going on waits for nobody.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hexabase_core::error::{Error, Result};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::pool::Connections;
use super::{error, read, scope};
use crate::sql::Query;

/// How many statements are under way before others wait for them.
const AT_ONCE: usize = 2;
/// How many reads a statement is made of at most.
const LARGEST: usize = 64;

/// What somebody who waited is told.
type Told = Result<Vec<PgRow>, Arc<Error>>;

/// Those who wait, and how many statements are under way.
#[derive(Debug, Default)]
struct Crowd {
    under_way: usize,
    waiting: Vec<Waiting>,
}

/// Somebody who waits for the next statement.
#[derive(Debug)]
struct Waiting {
    query: Query,
    answer: oneshot::Sender<Told>,
}

/// Makes one statement of reads that come at the same time.
#[derive(Debug, Clone)]
pub(super) struct Gathered {
    connections: Connections,
    crowd: Arc<Mutex<Crowd>>,
}

impl Gathered {
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections, crowd: Arc::default() }
    }

    /// The rows of a read whose values are texts.
    pub(super) async fn fetch(&self, query: Query) -> Result<Vec<PgRow>> {
        match self.take_turn_or_wait(query) {
            Ok((_turn, query)) => read(&self.connections, &scope::wrapped(query)).await,
            Err(answer) => match answer.await {
                Ok(read) => read.map_err(Shared::told_again),
                Err(_) => Err(Error::unavailable("the read was given up; try again")),
            },
        }
    }

    /// A turn, if there is one left; or else where the answer will be.
    fn take_turn_or_wait(&self, query: Query) -> Result<(Turn, Query), oneshot::Receiver<Told>> {
        let mut crowd = self.crowd();
        if crowd.under_way < AT_ONCE {
            crowd.under_way += 1;
            return Ok((Turn(self.clone()), query));
        }
        let (answer, told) = oneshot::channel();
        crowd.waiting.push(Waiting { query, answer });
        Err(told)
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads for everybody in a party, and tells each what they asked for.
    async fn read_for(&self, party: Vec<Waiting>) {
        let queries: Vec<&Query> = party.iter().map(|waiting| &waiting.query).collect();
        match self.rows_of(&queries).await {
            Ok(found) => {
                for (waiting, rows) in party.into_iter().zip(found) {
                    // They may have gone away.
                    let _ = waiting.answer.send(Ok(rows));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for waiting in party {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// What each of these reads finds.
    async fn rows_of(&self, queries: &[&Query]) -> Result<Vec<Vec<PgRow>>> {
        let mut found: Vec<Vec<PgRow>> = queries.iter().map(|_| Vec::new()).collect();
        for row in read(&self.connections, &scope::gathered(queries)?).await? {
            let place: i64 = row.try_get(row.len() - 1).map_err(error::from_sqlx)?;
            let place = usize::try_from(place - 1).ok().and_then(|place| found.get_mut(place));
            place.ok_or_else(|| Error::unexpected("a row is of no read"))?.push(row);
        }
        Ok(found)
    }
}

/// The right to have a statement under way. Whoever is done, or cut off, hands it to those who wait.
struct Turn(Gathered);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut crowd = self.0.crowd();
        let Ok(runtime) = Handle::try_current() else {
            // Everything comes to its end, and nobody waits for an answer that nobody will give.
            crowd.waiting.clear();
            return;
        };
        let party = crowd.next_party();
        if party.is_empty() {
            crowd.under_way -= 1;
            return;
        }
        let turn = Self(self.0.clone());
        runtime.spawn(async move { turn.0.read_for(party).await });
    }
}

impl Crowd {
    /// Those who have waited longest, as far as they ask for the same in different places.
    fn next_party(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        let Some(first) = self.waiting.first().map(|waiting| waiting.query.clone()) else {
            return Vec::new();
        };
        self.waiting.extract_if(.., |waiting| waiting.query.is_like(&first)).take(LARGEST).collect()
    }
}

/// An error that several are told of.
#[derive(Debug)]
struct Shared(Arc<Error>);

impl Shared {
    fn told_again(error: Arc<Error>) -> Error {
        Error::new(error.kind(), error.message()).caused_by(Self(error))
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl StdError for Shared {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
