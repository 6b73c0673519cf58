//! [`UsageCollector`] records the hourly usage of all workspaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, pin_mut, select_biased};

use super::StopSignal;
use crate::changeset::Changeset;
use crate::clock::until;
use crate::desired::TenantTarget;
use crate::error::{ErrorKind, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metering;
use crate::metrics::{MetricsSource, SeriesQuery};
use crate::model::{Hour, Meter, MeteredHour, PerMeter, UsageHour, Workspace};
use crate::platform::{Platform, PlatformInner};
use crate::store::{Lease, MeteredWorkspace};
use crate::telemetry;

/// Interval at which the collector checks for hours to read.
const USAGE_POLL_INTERVAL: Duration = Duration::from_secs(60);
/// Workspaces read at a time; bounds the memory in use.
const WORKSPACE_PAGE_SIZE: usize = 250;
/// Maximum attempts to record a page if one of its organizations is deleted meanwhile.
const MAX_PAGE_ATTEMPTS: usize = 5;

/// Reads the meters of all workspaces from the metrics source, hour by hour.
#[derive(Debug)]
pub struct UsageCollector<'a>(&'a PlatformInner);

impl<'a> UsageCollector<'a> {
    /// Creates the usage collector of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        while !stop_signal.is_set() {
            // A stop does not wait until days of missed hours are collected: other workers collect the rest.
            let (read, stopped) = (self.try_collect().fuse(), stop_signal.wait().fuse());
            pin_mut!(read, stopped);
            select_biased! {
                () = stopped => {}
                _ = read => stop_signal.sleep(self.0, USAGE_POLL_INTERVAL).await,
            }
        }
    }

    /// Same as [`Self::collect`], but logs a failure; a later call collects the missing hours.
    pub(super) async fn try_collect(&self) -> usize {
        self.collect().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "collecting usage failed; missing hours are collected later");
            0
        })
    }

    /// Reads all hours that are due, in order, and returns their number. Reads nothing if the platform has no metrics
    /// source or a simulated one, or while another worker reads.
    ///
    /// # Errors
    /// Errors of the store or the metrics source; the next call reads the remaining hours.
    pub async fn collect(&self) -> Result<usize> {
        let Some(source) = self.0.metrics.as_ref().filter(|it| !it.is_simulated()) else { return Ok(0) };
        if self.due_hours().await?.is_empty() {
            return Ok(0);
        }
        let read = self.0.with_lease("metering", |lease| self.collect_hours(source, lease)).await?;
        Ok(read.unwrap_or_default())
    }

    async fn due_hours(&self) -> Result<Vec<Hour>> {
        let now = self.0.now();
        let known = self.0.store.list_metered_hours(metering::catch_up_start(now)).await?;
        let due = metering::due_hours(now, &known);
        let unread = due.iter().find(|hour| known.iter().all(|metered| metered.hour != **hour));
        telemetry::record_metering_lag(unread.map(|hour| until(hour.end(), now)).unwrap_or_default());
        Ok(due)
    }

    async fn collect_hours(&self, source: &Arc<dyn MetricsSource>, lease: Lease) -> Result<usize> {
        let due_hours = self.due_hours().await?;
        for hour in &due_hours {
            self.collect_hour(&**source, *hour, &lease).await?;
            let read_at = self.0.now();
            let next_read_at = metering::next_read_at(*hour, read_at);
            let metered = MeteredHour { hour: *hour, read_at, next_read_at };
            self.0.commit(Changeset::new().precondition(lease.precondition()).put(metered)).await?;
        }
        Ok(due_hours.len())
    }

    /// Reads the meters of all workspaces for an hour. Idempotent.
    async fn collect_hour(&self, source: &dyn MetricsSource, hour: Hour, lease: &Lease) -> Result<()> {
        let (mut after, mut measured) = (None, PerMeter::default());
        while let Some((last, minutes)) = self.collect_page(source, hour, after, lease).await? {
            after = Some(last);
            measured = PerMeter::from_fn(|meter| minutes[meter].max(measured[meter]));
        }
        if after.is_some() {
            for (meter, minutes) in metering::gaps(&self.0.plans().await?.charged_meters(), &measured) {
                tracing::warn!(%hour, %meter, minutes, "usage was not measured in the whole hour; unmeasured time is not charged");
            }
        }
        Ok(())
    }

    /// Reads the meters of one page of workspaces, and returns the last workspace of the page and the measured minutes;
    /// `None` if the page is empty.
    async fn collect_page(
        &self,
        source: &dyn MetricsSource,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        lease: &Lease,
    ) -> Result<Option<((OrganizationId, WorkspaceId), PerMeter<u64>)>> {
        let mut attempt = 1;
        loop {
            let page = self.0.store.list_metered(hour, after, WORKSPACE_PAGE_SIZE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            let last = (last.organization_id, last.workspace_id);
            let read = self.query_meters(source, hour, &page).await?;
            let minutes = |meter| read.iter().map(|usage| usage.readings[meter].minutes).max().unwrap_or(0);
            let minutes = PerMeter::from_fn(minutes);
            match self.record_usage(hour, &page, read, lease).await {
                // An organization was deleted meanwhile, with all of its records: read the page again.
                Err(error) if error.kind() == ErrorKind::NotFound && attempt < MAX_PAGE_ATTEMPTS => {
                    attempt += 1
                }
                outcome => return outcome.map(|()| Some((last, minutes))),
            }
        }
    }

    async fn query_meters(
        &self,
        source: &dyn MetricsSource,
        hour: Hour,
        page: &[MeteredWorkspace],
    ) -> Result<Vec<UsageHour>> {
        let empty = |it: &MeteredWorkspace| UsageHour::empty(it.organization_id, it.workspace_id, hour);
        let mut read: BTreeMap<WorkspaceId, UsageHour> =
            page.iter().map(|it| (it.workspace_id, empty(it))).collect();
        let target = |it: &MeteredWorkspace| TenantTarget::by_id(it.organization_id, it.workspace_id);
        let targets: Arc<[TenantTarget]> = page.iter().map(target).collect();
        for meter in Meter::ALL {
            let query = SeriesQuery {
                targets: targets.clone(),
                metric: meter.metric(),
                start: hour.start(),
                end: hour.end(),
                step: metering::SAMPLE_INTERVAL,
            };
            for series in source.series(&query).await? {
                if let Some(usage) = read.get_mut(&series.workspace_id) {
                    usage.readings[*meter] = metering::read(*meter, hour, &series.samples);
                }
            }
        }
        Ok(read.into_values().collect())
    }

    /// Records readings that changed, and requests a billing reconcile of the customers among their organizations.
    async fn record_usage(
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
        let merged = |usage: UsageHour| metering::merged(known.get(&usage.workspace_id), usage);
        let mut changed: Vec<UsageHour> = read.into_iter().filter_map(merged).collect();
        // Grouped by organization: a store with row-level security changes its scope once per organization.
        changed.sort_by_key(|usage| (usage.organization_id, usage.workspace_id));
        let changed_organizations: BTreeSet<OrganizationId> =
            changed.iter().map(|usage| usage.organization_id).collect();
        let charged = !self.0.plans().await?.charged_meters().is_empty();
        let customers = page
            .iter()
            .filter(|it| charged && it.is_customer && changed_organizations.contains(&it.organization_id));
        let customers: BTreeSet<OrganizationId> = customers.map(|it| it.organization_id).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let changeset =
            changed.into_iter().fold(Changeset::new().precondition(lease.precondition()), Changeset::put);
        let messages =
            customers.into_iter().map(|organization| self.0.account_reconcile_message(organization));
        self.0.commit(messages.fold(changeset, Changeset::message)).await
    }
}

impl PlatformInner {
    /// Adds empty usage records to the changeset that deletes a workspace, one for each hour that has not been read
    /// yet, so that its last hours are read.
    pub(crate) async fn add_unread_hours(
        &self,
        workspace: &Workspace,
        mut changeset: Changeset,
    ) -> Result<Changeset> {
        if self.metrics.is_none() {
            return Ok(changeset);
        }
        let now = self.now();
        let known = self.store.list_metered_hours(metering::catch_up_start(now)).await?;
        for hour in metering::unread_hours(now, &known, workspace.created_at) {
            let usage = self.store.list_usage(workspace.organization_id, hour).await?;
            if !usage.iter().any(|usage| usage.workspace_id == workspace.id) {
                changeset = changeset.put(UsageHour::empty(workspace.organization_id, workspace.id, hour));
            }
        }
        Ok(changeset)
    }
}
