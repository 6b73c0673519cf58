//! Plausible log lines for demonstrations.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Direction, LogLine, LogQuery};
use crate::clock::Clock;
use crate::error::Result;
use crate::store::TenantStore;

/// Interval between two lines of a pod, in seconds.
const INTERVAL: i64 = 2;
/// Age of the oldest line.
const RETENTION: SignedDuration = SignedDuration::from_hours(1);

/// Namespaces, pods and containers that every tenant cluster has.
const SYSTEM: [[&str; 3]; 1] = [["kube-system", "coredns-7c65d6cfc9-x2x4q", "coredns"]];
/// Pods and containers of every project.
const WORKLOADS: [[&str; 2]; 2] = [["web-6d4f9b7c5d-k8w2p", "web"], ["worker-58c7f6b9d4-tq7zm", "worker"]];

/// Lines of every project, computed from the time.
#[derive(Debug)]
pub(super) struct Demo {
    store: Arc<dyn TenantStore>,
    clock: Arc<dyn Clock>,
}

impl Demo {
    pub(super) fn new(store: Arc<dyn TenantStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// Returns the lines within the time range of a query, in its order and without its filters.
    pub(super) async fn lines(
        &self,
        query: &LogQuery,
    ) -> Result<impl Iterator<Item = LogLine> + Send + use<>> {
        let target = &query.target;
        let state = self.store.load_workspace(target.organization_id, target.workspace_id).await?;
        let projects: Vec<Arc<str>> = state
            .into_iter()
            .flat_map(|state| state.projects)
            .map(|project| project.name.as_str().into())
            .collect();
        // Without a workspace there is no tenant that could log.
        let system = SYSTEM.iter().filter(|_| !projects.is_empty());
        let system = system.map(|container| container.map(Arc::from));
        let workloads = projects.iter().flat_map(|project| {
            WORKLOADS.map(|[pod, container]| [project.clone(), pod.into(), container.into()])
        });
        let containers: Vec<[Arc<str>; 3]> = system.chain(workloads).collect();
        let now = self.clock.now();
        let since = query.since.max(now.checked_sub(RETENTION).unwrap_or(now));
        let until = query.until.min(now);
        Ok(generate(containers, since, until, query.direction))
    }
}

/// Returns the lines of containers from `since` until before `until`.
fn generate(
    containers: Vec<[Arc<str>; 3]>,
    since: Timestamp,
    until: Timestamp,
    direction: Direction,
) -> impl Iterator<Item = LogLine> + Send {
    let ticks = since.as_second().div_euclid(INTERVAL)..until.as_second().div_euclid(INTERVAL) + 1;
    let ticks: Box<dyn Iterator<Item = i64> + Send> = match direction {
        Direction::Forward => Box::new(ticks),
        Direction::Backward => Box::new(ticks.rev()),
    };
    ticks.flat_map(move |tick| {
        let lines =
            containers.iter().enumerate().filter_map(|(index, container)| line(tick, index, container));
        let lines = lines.filter(|line| (since..until).contains(&line.id.at()));
        let mut lines: Vec<LogLine> = lines.collect();
        lines.sort_unstable_by_key(|line| line.id);
        if direction == Direction::Backward {
            lines.reverse();
        }
        lines
    })
}

/// Returns the line that a container writes in an interval.
fn line(tick: i64, index: usize, container: &[Arc<str>; 3]) -> Option<LogLine> {
    let offset = Duration::from_millis(7 + 131 * (u64::try_from(index).ok()? % 15));
    let at = Timestamp::from_second(tick * INTERVAL).ok()?.checked_add(offset).ok()?;
    let number = tick.rem_euclid(100_000);
    let (milliseconds, user) = (3 + number * 7 % 90, number * 31 % 1_000);
    let text = match (&*container[2], number % 10) {
        ("coredns", kind) if kind != 0 => return None,
        ("coredns", _) => "[INFO] plugin/reload: Running configuration unchanged".to_owned(),
        ("web", 9) => {
            format!("level=warn msg=\"slow response\" path=/cart user={user} ms={}", milliseconds + 900)
        }
        ("web", kind) => {
            let path = ["/", "/products", "/cart", "/login", "/health"][usize::try_from(kind % 5).ok()?];
            format!("level=info msg=request method=GET path={path} status=200 user={user} ms={milliseconds}")
        }
        (_, 7) => format!("level=error msg=\"payment declined; retrying\" order={number} attempt=1"),
        (_, _) => format!("level=info msg=\"order shipped\" order={number} ms={milliseconds}"),
    };
    Some(LogLine::new(at, container.clone(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    fn lines(seconds: [i64; 2], direction: Direction) -> Vec<LogLine> {
        let containers =
            [["kube-system", "coredns-0", "coredns"], ["shop", "web-0", "web"], ["shop", "w-0", "worker"]];
        let containers = containers.map(|container| container.map(Arc::from)).to_vec();
        let [since, until] = seconds.map(|seconds| START + SignedDuration::from_secs(seconds));
        generate(containers, since, until, direction).collect()
    }

    #[test]
    fn lines_are_ordered_and_the_same_for_every_query() {
        let all = lines([0, 60], Direction::Forward);
        assert!(all.len() > 60 && all.is_sorted_by_key(|line| line.id), "{}", all.len());
        let parts = [lines([0, 21], Direction::Forward), lines([21, 60], Direction::Forward)].concat();
        assert_eq!(parts, all);
        let mut backward = lines([0, 60], Direction::Backward);
        backward.reverse();
        assert_eq!(backward, all);
        assert!(lines([60, 0], Direction::Forward).is_empty());
    }
}
