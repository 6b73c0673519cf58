use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, pin_mut, select_biased};

use super::Halt;
use crate::changeset::Changeset;
use crate::desired::TenantTarget;
use crate::error::{ErrorKind, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metering;
use crate::metrics::{MetricsSource, SeriesQuery};
use crate::model::{Hour, Meter, MeteredHour, UsageHour, Workspace};
use crate::platform::Parts;
use crate::store::{Lease, MeteredWorkspace};

/// How often to see whether an hour is to be read.
const EVERY: Duration = Duration::from_secs(60);
/// How many workspaces are read in one go: so much is kept in memory at a time.
const PAGE: usize = 250;
/// How often a page is read anew when what is in it goes meanwhile.
const ROUNDS: usize = 5;

/// Reads the meters of all workspaces, hour by hour.
#[derive(Debug)]
pub struct MeterReader<'a>(&'a Parts);

impl<'a> MeterReader<'a> {
    /// A reader of the meters of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    pub(super) async fn run(&self, halt: &Halt) {
        while !halt.is_set() {
            // Whoever wants to stop does not wait until days are made up for: what was not read is read by others.
            let (read, halted) = (self.try_read().fuse(), halt.wait().fuse());
            pin_mut!(read, halted);
            select_biased! {
                () = halted => {}
                _ = read => halt.nap(self.0, EVERY).await,
            }
        }
    }

    /// As [`Self::read`]; what goes wrong is tried again later.
    pub(super) async fn try_read(&self) -> usize {
        self.read().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the meters could not be read; what is missing is read later");
            0
        })
    }

    /// Reads the hours that are to be read by now, one after the other, and says how many those were. Nothing is read
    /// where nothing is measured, nor while somebody else reads.
    ///
    /// # Errors
    /// Whatever the store or the source of measurements fails with; what was not read now is read next time.
    pub async fn read(&self) -> Result<usize> {
        let Some(source) = &self.0.metrics else { return Ok(0) };
        if self.due().await?.is_empty() {
            return Ok(0);
        }
        let read = self.0.with_lease("metering", |lease| self.read_all(source, lease)).await?;
        Ok(read.unwrap_or_default())
    }

    async fn due(&self) -> Result<Vec<Hour>> {
        let now = self.0.now();
        let known = self.0.store.list_metered_hours(metering::memory(now)).await?;
        Ok(metering::due_hours(now, &known))
    }

    async fn read_all(&self, source: &Arc<dyn MetricsSource>, lease: Lease) -> Result<usize> {
        let due = self.due().await?;
        for hour in &due {
            self.read_hour(&**source, *hour, &lease).await?;
            let read_at = self.0.now();
            let again_at = metering::read_again_at(*hour, read_at);
            let metered = MeteredHour { hour: *hour, read_at, again_at };
            self.0.commit(Changeset::new().guard(lease.guard()).put(metered)).await?;
        }
        Ok(due.len())
    }

    /// Reads the meters of all workspaces for an hour. Doing it again finds the same.
    async fn read_hour(&self, source: &dyn MetricsSource, hour: Hour, lease: &Lease) -> Result<()> {
        let mut after = None;
        while let Some(last) = self.read_page(source, hour, after, lease).await? {
            after = Some(last);
        }
        Ok(())
    }

    /// Reads the meters of some workspaces, and answers the last of them; none when there are no more.
    async fn read_page(
        &self,
        source: &dyn MetricsSource,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        lease: &Lease,
    ) -> Result<Option<(OrganizationId, WorkspaceId)>> {
        let mut round = 1;
        loop {
            let page = self.0.store.list_metered(hour, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            let last = (last.organization_id, last.workspace_id);
            let read = self.measure(source, hour, &page).await?;
            match self.record(hour, &page, read, lease).await {
                // An organization went meanwhile, with everything that is of it.
                Err(error) if error.kind() == ErrorKind::NotFound && round < ROUNDS => round += 1,
                outcome => return outcome.map(|()| Some(last)),
            }
        }
    }

    async fn measure(
        &self,
        source: &dyn MetricsSource,
        hour: Hour,
        page: &[MeteredWorkspace],
    ) -> Result<Vec<UsageHour>> {
        let unread = |it: &MeteredWorkspace| UsageHour::unread(it.organization_id, it.workspace_id, hour);
        let mut read: BTreeMap<WorkspaceId, UsageHour> =
            page.iter().map(|it| (it.workspace_id, unread(it))).collect();
        let target = |it: &MeteredWorkspace| TenantTarget::by_id(it.organization_id, it.workspace_id);
        let targets: Vec<TenantTarget> = page.iter().map(target).collect();
        for meter in Meter::ALL {
            let query = SeriesQuery {
                targets: &targets,
                metric: meter.metric(),
                start: hour.start(),
                end: hour.end(),
                step: metering::STEP,
            };
            for series in source.series(&query).await? {
                if let Some(usage) = read.get_mut(&series.workspace_id) {
                    usage.readings[*meter] = metering::read(*meter, hour, &series.samples);
                }
            }
        }
        Ok(read.into_values().collect())
    }

    /// Keeps what is new, and has the accounts of customers looked at whose usage that is.
    async fn record(
        &self,
        hour: Hour,
        page: &[MeteredWorkspace],
        read: Vec<UsageHour>,
        lease: &Lease,
    ) -> Result<()> {
        let organizations: BTreeSet<OrganizationId> = page.iter().map(|it| it.organization_id).collect();
        let mut known: BTreeMap<WorkspaceId, UsageHour> = BTreeMap::new();
        for organization in organizations {
            let usage = self.0.store.list_usage(organization, hour).await?;
            known.extend(usage.into_iter().map(|usage| (usage.workspace_id, usage)));
        }
        let news = |usage: UsageHour| metering::merged(known.get(&usage.workspace_id), usage);
        let mut news: Vec<UsageHour> = read.into_iter().filter_map(news).collect();
        // Those of one organization together: a database with walls between them goes through each once.
        news.sort_by_key(|usage| (usage.organization_id, usage.workspace_id));
        let moved: BTreeSet<OrganizationId> = news.iter().map(|usage| usage.organization_id).collect();
        let charged = !self.0.plans.charged_meters().is_empty();
        let customers =
            page.iter().filter(|it| charged && it.is_customer && moved.contains(&it.organization_id));
        let customers: BTreeSet<OrganizationId> = customers.map(|it| it.organization_id).collect();
        if news.is_empty() {
            return Ok(());
        }
        let changeset = news.into_iter().fold(Changeset::new().guard(lease.guard()), Changeset::put);
        let looks = customers.into_iter().map(|organization| self.0.look_at_account(organization));
        self.0.commit(looks.fold(changeset, Changeset::message)).await
    }
}

impl Parts {
    /// Adds to a changeset in which a workspace goes that its last hours are still to be read.
    pub(crate) async fn keep_unread(
        &self,
        workspace: &Workspace,
        mut changeset: Changeset,
    ) -> Result<Changeset> {
        if self.metrics.is_none() {
            return Ok(changeset);
        }
        let now = self.now();
        let known = self.store.list_metered_hours(metering::memory(now)).await?;
        for hour in metering::unread_hours(now, &known, workspace.created_at) {
            let usage = self.store.list_usage(workspace.organization_id, hour).await?;
            if !usage.iter().any(|usage| usage.workspace_id == workspace.id) {
                changeset = changeset.put(UsageHour::unread(workspace.organization_id, workspace.id, hour));
            }
        }
        Ok(changeset)
    }
}
