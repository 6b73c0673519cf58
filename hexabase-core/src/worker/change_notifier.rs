//! [`ChangeNotifier`] publishes a reconcile message for each workspace whose cluster reported a change.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::Event;
use futures_util::future::join_all;

use crate::desired::TenantTarget;
use crate::ephemeral::{EphemeralStore as _, MemoryEphemeral, Rate};
use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::platform::PlatformInner;

/// Maximum rate of change notifications per workspace: enough for a start or an upgrade of its cluster, and a bound
/// where another party keeps undoing each reconcile.
const NOTIFICATION_RATE: Rate = Rate { burst: 20, period: Duration::from_secs(20 * 60) };

/// Workspaces with a pending change notification.
#[derive(Debug)]
pub(super) struct ChangeNotifier {
    workspaces: Mutex<BTreeSet<(OrganizationId, WorkspaceId)>>,
    added: Event<()>,
    /// Token bucket of each workspace.
    rate_limits: MemoryEphemeral,
}

impl ChangeNotifier {
    pub(super) fn new(inner: &PlatformInner) -> Self {
        let rate_limits = MemoryEphemeral::new(inner.clock.clone());
        Self { workspaces: Mutex::default(), added: Event::new(), rate_limits }
    }

    pub(super) fn notify_change(&self, target: &TenantTarget) {
        self.lock().insert((target.organization_id, target.workspace_id));
        self.added.notify(1);
    }

    /// Publishes a reconcile message for every pending workspace. Never returns.
    pub(super) async fn run(&self, inner: &PlatformInner) {
        loop {
            let workspaces = self.next().await;
            join_all(workspaces.into_iter().map(|(organization, workspace)| async move {
                // The workspace is still reconciled at its scheduled time.
                if let Err(error) = self.publish(inner, organization, workspace).await {
                    tracing::debug!(%error, %workspace, "publishing change notification failed; workspace waits for its scheduled reconcile");
                }
            }))
            .await;
        }
    }

    async fn publish(
        &self,
        inner: &PlatformInner,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<()> {
        let decision = self.rate_limits.take_token(&workspace.to_string(), NOTIFICATION_RATE).await?;
        let wait = if decision.allowed { Duration::ZERO } else { decision.retry_after };
        inner.queue.publish(&inner.reconcile_message(organization, workspace), wait).await
    }

    /// Waits until workspaces are pending, and takes them.
    async fn next(&self) -> BTreeSet<(OrganizationId, WorkspaceId)> {
        loop {
            let added = self.added.listen();
            let workspaces = std::mem::take(&mut *self.lock());
            if !workspaces.is_empty() {
                return workspaces;
            }
            added.await;
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

    use super::{ChangeNotifier, NOTIFICATION_RATE};
    use crate::Platform;
    use crate::clock::ManualClock;
    use crate::desired::TenantTarget;
    use crate::fixture;

    #[test]
    fn change_notifications_of_a_workspace_are_rate_limited() {
        let clock = Arc::new(ManualClock::new(fixture::FIXTURE_TIME));
        let builder = Platform::builder("https://hexabase.example").with_clock(clock.clone());
        let platform = builder.with_plans(vec![fixture::plan("small")]).build().unwrap();
        let notifier = ChangeNotifier::new(platform.inner());
        let (busy, calm) = (fixture::workspace("busy"), fixture::workspace("calm"));
        let change_once = |workspace| {
            notifier.notify_change(&TenantTarget::of(workspace));
            assert!(notifier.run(platform.inner()).now_or_never().is_none());
        };
        let queue = platform.queue();
        let received = || {
            let received = queue.receive(100, Duration::ZERO).now_or_never().unwrap().unwrap();
            for delivery in &received {
                queue.ack(delivery).now_or_never().unwrap().unwrap();
            }
            received.len()
        };
        for _ in 0..NOTIFICATION_RATE.burst + 5 {
            change_once(&busy);
        }
        change_once(&calm);
        assert_eq!(
            received(),
            NOTIFICATION_RATE.burst as usize + 1,
            "notifications above the rate are delayed"
        );
        clock.advance(NOTIFICATION_RATE.period / NOTIFICATION_RATE.burst);
        assert_eq!(received(), 5);
    }
}
