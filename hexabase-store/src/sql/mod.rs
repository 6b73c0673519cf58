//! Parts of the SQL stores that do not depend on the database.
//!
//! [`commit`] turns a changeset into steps, as a pure function. The reads in the other modules are written once, in
//! SQL that every supported database understands. An [`Engine`] runs both on one database.

mod access;
mod alerts;
mod billing;
mod cells;
mod commit;
mod credentials;
mod events;
mod hosts;
mod leases;
mod members;
mod organizations;
mod outbox;
mod plans;
pub(crate) mod prune;
mod records;
mod sealed;
mod search;
mod statement;
mod table;
mod usage;
mod users;
mod work;
mod workspaces;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::changeset::{Changeset, IdempotencyRecord};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, UserId, WorkspaceId};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::store::Commit;
use jiff::Timestamp;

pub(crate) use cells::{Cells, RawRow};
pub(crate) use commit::{Expect, Step, Target};
#[cfg(test)]
pub(crate) use credentials::list_security_events;
#[cfg(test)]
pub(crate) use events::search_audit_events;
pub(crate) use statement::{Query, Scope, Value};
pub(crate) use table::{Stored, select};
#[cfg(test)]
pub(crate) use work::count_by_phase;
#[cfg(test)]
pub(crate) use workspaces::list_tasks;

/// Execution of statements on one database.
#[async_trait]
pub(crate) trait Engine: fmt::Debug + Send + Sync + 'static {
    /// Row of the database driver.
    type Row: RawRow;

    /// Table or view with the columns of every workspace that workers may read: organization, host cluster and due
    /// time.
    const WORKSPACE_SCHEDULE: &'static str;
    /// Table or view with the columns of every billing account that workers may read: organization, customer id and
    /// due time.
    const BILLING_SCHEDULE: &'static str;
    /// Table or view with the columns of all usage that workers may read: workspace and hour.
    const USAGE_SCHEDULE: &'static str;
    /// Table or view with the hours of all usage reports, from which old reports are deleted.
    const USAGE_REPORT_HOURS: &'static str;
    /// Table or view with the times of all live events, from which old events are deleted.
    const LIVE_EVENT_AGES: &'static str;
    /// Table or view with the times at which tasks finished, from which old tasks are deleted.
    const TASK_AGES: &'static str;
    /// Table or view with the times of audit events, from which old events are deleted.
    const AUDIT_EVENT_AGES: &'static str;
    /// Table or view with the outbox messages of all organizations, which relays claim and delete.
    const OUTBOX_RELAY: &'static str;
    /// Table or view with the mails among the outbox messages of all organizations, which are sealed.
    const SEALED_MAILS: &'static str;
    /// Clause with which a read that claims rows skips rows locked by other transactions; empty if there is one
    /// writer.
    const SKIP_LOCKED: &'static str;
    /// Table function that returns the elements of a JSON array as rows with a column `value`.
    const JSON_ELEMENTS: &'static str;

    /// Returns a comparison of a column with the results of a subquery, in a form for which an index on the column is
    /// used even if the database cannot estimate the results.
    fn in_subquery(subquery: &str) -> String;

    /// Returns a comparison of a column with the elements of a parameter bound by [`Query::list`]. Unlike one
    /// placeholder per element, it keeps the statement the same for any number of elements.
    fn in_list(placeholder: &str) -> String {
        Self::in_subquery(&format!("SELECT value FROM {}({placeholder})", Self::JSON_ELEMENTS))
    }

    /// Returns the rows of a read.
    async fn fetch(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// Returns the rows of a read that many requests make at the same time. An engine may combine such reads into one
    /// statement; all their values are texts, and their scope is an organization or a user.
    async fn fetch_batched(&self, query: Query) -> Result<Vec<Self::Row>> {
        self.fetch(query).await
    }

    /// Returns the rows of a search, a read whose cost depends on the filter of a caller. Searches have few connections
    /// of their own and a short timeout, so that they do not slow down other requests.
    ///
    /// # Errors
    /// [`search_timeout`] if the search takes too long.
    async fn search(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// Returns the rows of several reads of one snapshot.
    async fn fetch_in_snapshot(&self, queries: Vec<Query>) -> Result<Vec<Vec<Self::Row>>>;

    /// Runs a single statement and returns the number of affected rows.
    async fn execute(&self, query: Query) -> Result<u64>;

    /// Runs a statement that writes and returns rows.
    async fn write_returning(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// Same as [`Self::write_returning`], but serialized: the statement sees all earlier writes of this method.
    async fn write_serialized(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// Executes all steps in one transaction: either all of them take effect or none.
    async fn commit(&self, steps: Vec<Step>) -> Result<()>;
}

/// [`TenantStore`](hexabase_core::store::TenantStore) in an SQL database. Programs use the alias of a database, such
/// as [`SqliteStore`](crate::SqliteStore).
#[derive(Debug, Clone)]
pub struct SqlStore<E>(pub(crate) E);

/// Reads of records with any [`Engine`].
#[async_trait]
pub(crate) trait Reads: Engine {
    /// Returns the first record of a read.
    async fn find_one<T: Stored>(&self, query: Query) -> Result<Option<T>> {
        let rows = self.fetch(query).await?;
        rows.first().map(|row| T::read(&mut Cells::new(row))).transpose()
    }

    /// Returns all records of a read.
    async fn find_all<T: Stored>(&self, query: Query) -> Result<Vec<T>> {
        read_all(&self.fetch(query).await?)
    }

    /// Returns the records of a read as a page.
    async fn page<T: Stored>(
        &self,
        query: Query,
        page: &PageRequest,
        position: for<'r> fn(&'r T) -> String,
    ) -> Result<Page<T>> {
        Ok(page.page(self.find_all(query).await?, position))
    }

    /// Returns a record of a workspace by its id.
    async fn find_in_workspace<T: Stored>(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: String,
    ) -> Result<Option<T>> {
        let query = select::<T>("WHERE organization_id = $1 AND workspace_id = $2 AND id = $3");
        self.find_one(query.for_organization(org).text(ws).text(id)).await
    }
}

impl<E: Engine> Reads for E {}

/// Number of connections for searches.
pub(crate) const SEARCH_CONNECTIONS: u32 = 2;
/// Maximum duration of a search.
pub(crate) const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the error for a search that takes too long.
pub(crate) fn search_timeout() -> Error {
    let message = "matches too few of too many entries to be searched in time; add another filter, or narrow the time \
                   with since and until";
    Error::invalid("filter", message).with_code("search_timeout")
}

fn read_all<T: Stored>(rows: &[impl RawRow]) -> Result<Vec<T>> {
    rows.iter().map(|row| T::read(&mut Cells::new(row))).collect()
}

/// Returns the number of rows to read for a page: one more than the page holds, which tells whether a next page
/// exists.
fn row_limit(page: &PageRequest) -> i64 {
    i64::try_from(page.limit()).map_or(i64::MAX, |limit| limit + 1)
}

#[async_trait]
impl<E: Engine> Commit for SqlStore<E> {
    async fn commit(&self, changeset: Changeset) -> Result<()> {
        let steps = commit::steps(changeset)?;
        self.0.commit(steps).await.map_err(|error| error.during("store.commit"))
    }

    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>> {
        let query = select::<IdempotencyRecord>("WHERE user_id = $1 AND key = $2 AND expires_at > $3");
        self.0.find_one(query.text(user).text(key).time(now)).await
    }

    async fn ping(&self) -> Result<()> {
        // A lease without a holder: not listed, acquired by no worker, and deleted with the expired leases.
        let query = Query::new(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES ('ping', '', 1, $1) \
             ON CONFLICT (name) DO UPDATE SET token = leases.token + 1",
        );
        self.0.execute(query.time(Timestamp::UNIX_EPOCH)).await.map(drop)
    }
}
