use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use futures_util::future::join_all;

use crate::desired::TenantTarget;
use crate::ephemeral::{EphemeralStore as _, MemoryEphemeral, Rate};
use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::platform::Parts;

/// How often a workspace is looked at because its cluster moved: as often as it takes to come up or to be upgraded, and seldom
/// where somebody undoes at once what a look has done.
const OFTEN: Rate = Rate { burst: 20, period: Duration::from_secs(20 * 60) };

/// The workspaces of whose clusters something announced has come, and that nobody was told to look at yet.
#[derive(Debug)]
pub(super) struct Moves {
    workspaces: Mutex<BTreeSet<(OrganizationId, WorkspaceId)>>,
    noted: Event<()>,
    /// Of each workspace, how often it was told of.
    told: MemoryEphemeral,
}

impl Moves {
    pub(super) fn new(parts: &Parts) -> Self {
        let told = MemoryEphemeral::new(parts.clock.clone());
        Self { workspaces: Mutex::default(), noted: Event::new(), told }
    }

    pub(super) fn note(&self, target: &TenantTarget) {
        self.lock().insert((target.organization_id, target.workspace_id));
        self.noted.notify(1);
    }

    /// Sends a message for every workspace that was noted. Comes to no end.
    pub(super) async fn tell(&self, parts: &Parts) {
        loop {
            let workspaces = self.next().await;
            join_all(workspaces.into_iter().map(|(organization, workspace)| async move {
                // Without it the workspace is looked at later, at the time that was set for that.
                if let Err(error) = self.tell_of(parts, organization, workspace).await {
                    tracing::debug!(%error, %workspace, "nobody was told that a cluster moved");
                }
            }))
            .await;
        }
    }

    async fn tell_of(
        &self,
        parts: &Parts,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<()> {
        let allowance = self.told.take_token(&workspace.to_string(), OFTEN).await?;
        let wait = if allowance.allowed { Duration::ZERO } else { allowance.retry_after };
        parts.queue.publish(&parts.look(organization, workspace), wait).await
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::{Moves, OFTEN};
    use crate::Platform;
    use crate::clock::ManualClock;
    use crate::desired::TenantTarget;
    use crate::fixture;

    #[test]
    fn a_cluster_that_moves_all_the_time_is_looked_at_seldom() {
        let clock = Arc::new(ManualClock::new(fixture::THEN));
        let builder = Platform::builder("https://hexabase.example").with_clock(clock.clone());
        let platform = builder.with_plans(vec![fixture::plan("small")]).build().unwrap();
        let moves = Moves::new(&platform);
        let (busy, calm) = (fixture::workspace("busy"), fixture::workspace("calm"));
        let move_once = |workspace| {
            moves.note(&TenantTarget::of(workspace));
            assert!(moves.tell(&platform).now_or_never().is_none());
        };
        let queue = platform.queue();
        let received = || {
            let received = queue.receive(100, Duration::ZERO).now_or_never().unwrap().unwrap();
            for delivery in &received {
                queue.ack(delivery).now_or_never().unwrap().unwrap();
            }
            received.len()
        };
        for _ in 0..OFTEN.burst + 5 {
            move_once(&busy);
        }
        move_once(&calm);
        assert_eq!(received(), OFTEN.burst as usize + 1, "those that are too many wait");
        clock.advance(OFTEN.period / OFTEN.burst);
        assert_eq!(received(), 5);
    }
}
