//! The part of the SQL stores that all dialects share.
//!
//! [`commit`] turns a changeset into steps, which is a pure function; the reads beside it are written once
//! as text that every dialect understands. An [`Engine`] runs them on one database.

mod access;
mod billing;
mod cells;
mod commit;
mod credentials;
mod hosts;
mod organizations;
mod records;
mod statement;
mod table;
mod usage;
mod users;
mod work;
mod workspaces;

use std::fmt;

use async_trait::async_trait;
use hexabase_core::changeset::{Changeset, IdempotencyRecord};
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, UserId, WorkspaceId};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::store::Commit;
use jiff::Timestamp;

pub(crate) use cells::{Cells, RawRow};
pub(crate) use commit::{Expect, Step};
pub(crate) use statement::{Query, Scope, Value};
pub(crate) use table::{Stored, select};

/// Runs statements on one database.
#[async_trait]
pub(crate) trait Engine: fmt::Debug + Send + Sync + 'static {
    /// A row as the database's driver hands it out.
    type Row: RawRow;

    /// What a worker may know of every workspace: whose it is, where it is, and when it is due.
    const SCHEDULE: &'static str;
    /// What a worker may know of every billing account: whose it is, what the provider calls it, and when it is due.
    const BILLING_SCHEDULE: &'static str;
    /// What a worker may know of all usage: of which workspace, and when.
    const USAGE_SCHEDULE: &'static str;
    /// What may be known of everything that was told of usage: how old it is.
    const USAGE_REPORT_AGES: &'static str;
    /// What may be known of every live event: how old it is.
    const EVENT_AGES: &'static str;
    /// How a read that is about to claim rows passes over those that others have locked.
    const PASSING_OVER_LOCKED: &'static str;
    /// What makes rows, each with a `value`, of an array in JSON.
    const ELEMENTS: &'static str;

    /// Compares a column with whatever a subquery finds, so that an index on it is used however little the database
    /// knows of the subquery beforehand.
    fn among(subquery: &str) -> String;

    /// Compares a column with the elements of a parameter bound by [`Query::list`]. Unlike a placeholder for each of
    /// them, that is the same statement for any number.
    fn listed(placeholder: &str) -> String {
        Self::among(&format!("SELECT value FROM {}({placeholder})", Self::ELEMENTS))
    }

    /// The rows of a read.
    async fn fetch(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// The rows of a read that many make at the same time, by texts alone, each for an organization or a user.
    async fn fetch_among_many(&self, query: Query) -> Result<Vec<Self::Row>> {
        self.fetch(query).await
    }

    /// The rows of several reads, as of one moment.
    async fn fetch_together(&self, queries: Vec<Query>) -> Result<Vec<Vec<Self::Row>>>;

    /// Runs a statement by itself, and says how many rows it touched.
    async fn execute(&self, query: Query) -> Result<u64>;

    /// Runs a statement that writes and returns rows.
    async fn write_returning(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// As [`Self::write_returning`], and sees whatever others wrote in this way before.
    async fn write_alone(&self, query: Query) -> Result<Vec<Self::Row>>;

    /// Takes all steps in one transaction, or none.
    async fn commit(&self, steps: Vec<Step>) -> Result<()>;
}

/// A [`TenantStore`](hexabase_core::store::TenantStore) in a SQL database. Name it by what it stands on:
/// [`SqliteStore`](crate::SqliteStore).
#[derive(Debug, Clone)]
pub struct SqlStore<E>(pub(crate) E);

/// Reading records through any [`Engine`].
#[async_trait]
pub(crate) trait Reads: Engine {
    /// The first record that a read finds.
    async fn one<T: Stored>(&self, query: Query) -> Result<Option<T>> {
        let rows = self.fetch(query).await?;
        rows.first().map(|row| T::read(&mut Cells::new(row))).transpose()
    }

    /// All records that a read finds.
    async fn all<T: Stored>(&self, query: Query) -> Result<Vec<T>> {
        read_all(&self.fetch(query).await?)
    }

    /// The records that a read finds, as a page.
    async fn page<T: Stored>(
        &self,
        query: Query,
        page: &PageRequest,
        position: for<'r> fn(&'r T) -> String,
    ) -> Result<Page<T>> {
        Ok(page.page(self.all(query).await?, position))
    }

    /// One thing inside a workspace.
    async fn inside<T: Stored>(&self, org: OrganizationId, ws: WorkspaceId, id: String) -> Result<Option<T>> {
        let query = select::<T>("WHERE organization_id = $1 AND workspace_id = $2 AND id = $3");
        self.one(query.of(org).text(ws).text(id)).await
    }
}

impl<E: Engine> Reads for E {}

fn read_all<T: Stored>(rows: &[impl RawRow]) -> Result<Vec<T>> {
    rows.iter().map(|row| T::read(&mut Cells::new(row))).collect()
}

/// How many rows to read for a page: one more than it holds, to know whether another one follows.
fn rows_for(page: &PageRequest) -> i64 {
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
        self.0.one(query.text(user).text(key).time(now)).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.fetch(Query::new("SELECT 1")).await.map(drop)
    }
}
