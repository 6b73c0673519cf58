use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use futures_util::future::join_all;

use crate::desired::TenantTarget;
use crate::id::{OrganizationId, WorkspaceId};
use crate::platform::Parts;

/// The workspaces of whose clusters something announced has come, and that nobody was told to look at yet.
#[derive(Debug, Default)]
pub(super) struct Moves {
    workspaces: Mutex<BTreeSet<(OrganizationId, WorkspaceId)>>,
    noted: Event<()>,
}

impl Moves {
    pub(super) fn note(&self, target: &TenantTarget) {
        self.lock().insert((target.organization_id, target.workspace_id));
        self.noted.notify(1);
    }

    /// Sends a message for every workspace that was noted. Comes to no end.
    pub(super) async fn tell(&self, parts: &Parts) {
        loop {
            let workspaces = self.next().await;
            let told = workspaces.into_iter().map(|(organization, workspace)| async move {
                // Without it the workspace is looked at later, at the time that was set for that.
                if let Err(error) =
                    parts.queue.publish(&parts.look(organization, workspace), Duration::ZERO).await
                {
                    tracing::debug!(%error, %workspace, "nobody was told that a cluster got further");
                }
            });
            join_all(told).await;
        }
    }

    /// Waits until something was noted, and takes it.
    async fn next(&self) -> BTreeSet<(OrganizationId, WorkspaceId)> {
        loop {
            let noted = self.noted.listen();
            let workspaces = std::mem::take(&mut *self.lock());
            if !workspaces.is_empty() {
                return workspaces;
            }
            noted.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(OrganizationId, WorkspaceId)>> {
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
