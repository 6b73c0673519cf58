//! Benchmark results, each with a floor that is measured in the same run.
//!
//! A duration alone says little, because machines and their load differ. The floor (only the library, statement or
//! handler that Hexabase builds on) alternates with the measured operation, so that both run under the same
//! conditions. `scripts/bench` runs all benchmarks and writes `RESULTS.md`.

pub mod bench_platform;
pub mod host;

use std::fmt;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The same allocator as in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds in which an operation and its floor alternate.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Number of rounds.
    pub count: usize,
    /// Minimum duration of a round. An operation is repeated until a round takes that long.
    pub min_duration: Duration,
}

impl Rounds {
    /// So many that the resolution of the clock does not matter.
    pub const DEFAULT: Self = Self { count: 41, min_duration: Duration::from_millis(2) };
    /// So long that a difference of a few percent can be shown.
    pub const LONG: Self = Self { count: 41, min_duration: Duration::from_millis(20) };

    /// Returns how often an operation is executed in a round.
    fn repetitions<T>(self, work: &mut impl FnMut() -> T) -> u32 {
        let mut count = 1;
        loop {
            let took = time_per_execution(work, count) * count;
            if took >= self.min_duration || count >= 1 << 24 {
                return count;
            }
            count *= 2;
        }
    }
}

/// Target of a benchmark.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Maximum duration.
    AtMost(Duration),
    /// Maximum ratio to the floor.
    TimesFloor(f64),
    /// Maximum duration in addition to the floor.
    FloorPlus(Duration),
}

/// Durations of an operation and of its floor, as medians for one execution.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    /// Duration of the operation in Hexabase.
    pub ours: Duration,
    /// Duration of the floor.
    pub floor: Duration,
}

impl Comparison {
    /// Ratio of the operation to the floor.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / self.floor.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Returns statements for PostgreSQL that insert workspaces of other organizations, ten in each, as copies of the status of an
/// existing one.
#[must_use]
pub fn other_workspaces(workspaces: usize) -> String {
    format!(
        "INSERT INTO organizations (id, name, display_name, personal, plan_id, suspension, created_by, created_at, \
         updated_at, version, search_text) SELECT 'org_other' || n, 'other-' || n, 'Other', false, 'starter', 'null', \
         'usr_x', now(), now(), 1, 'other-' || n FROM generate_series(1, {organizations}) n; \
         INSERT INTO members SELECT 'org_other' || n, 'usr_other' || n % 1000, 'owner', now(), now(), 1 \
         FROM generate_series(1, {organizations}) n; \
         INSERT INTO workspaces (organization_id, id, name, plan_id, kubernetes_version, power, \
         organization_suspended, node_pools, gitops, access_revocations, retired_group_names, host_cluster, generation, \
         access_version, status, reconcile_at, created_by, created_at, updated_at, version, phase, search_text) \
         SELECT 'org_other' || 1 + n % {organizations}, 'ws_other' || n, 'ws-' || n, 'starter', '1.36', 'running', \
         false, '[]', '{{}}', '[]', '[]', 'local', 1, 1, (SELECT status FROM workspaces LIMIT 1), now() + interval '1 hour', \
         'usr_x', now(), now(), 1, 'ready', 'ws-' || n FROM generate_series(1, {workspaces}) n; \
         ANALYZE",
        organizations = workspaces.div_ceil(10),
    )
}

/// Measures an operation and its floor alternately, in [`Rounds::DEFAULT`].
pub fn alternate<A, B>(ours: impl FnMut() -> A, floor: impl FnMut() -> B) -> Comparison {
    alternate_in(Rounds::DEFAULT, ours, floor)
}

/// Measures an operation and its floor alternately.
pub fn alternate_in<A, B>(
    rounds: Rounds,
    mut ours: impl FnMut() -> A,
    mut floor: impl FnMut() -> B,
) -> Comparison {
    let (count, floor_count) = (rounds.repetitions(&mut ours), rounds.repetitions(&mut floor));
    let (mut durations, mut floors) = (Vec::with_capacity(rounds.count), Vec::with_capacity(rounds.count));
    for _ in 0..rounds.count {
        durations.push(time_per_execution(&mut ours, count));
        floors.push(time_per_execution(&mut floor, floor_count));
    }
    Comparison { ours: median(durations), floor: median(floors) }
}

fn time_per_execution<T>(work: &mut impl FnMut() -> T, count: u32) -> Duration {
    let started = Instant::now();
    for _ in 0..count {
        black_box(work());
    }
    started.elapsed() / count
}

/// Returns the median of the durations.
///
/// # Panics
/// If there are no durations.
#[must_use]
pub fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// Returns the percentile of the durations, where `share` is at least 0 and less than 1.
///
/// # Panics
/// If there are no durations, or `share` is out of range.
#[must_use]
pub fn percentile(mut durations: Vec<Duration>, share: f64) -> Duration {
    assert!((0.0..1.0).contains(&share), "{share} is not in the range 0..1");
    durations.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index of a list"
    )]
    let index = (durations.len() as f64 * share) as usize;
    durations[index]
}

/// Returns the statement with which the PostgreSQL store executes a read: it sets the organization (`$1`, and
/// `scope.id` within the read) for the policies of row-level security.
#[must_use]
pub fn scoped(read: &str) -> String {
    format!(
        "SELECT found.* FROM (SELECT set_config('hexabase.organization_id', $1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found"
    )
}

/// Prints a comparison as a row of `RESULTS.md`.
pub fn report(what: &str, floor: &str, comparison: Comparison, target: Target) {
    let met = match target {
        Target::AtMost(most) => comparison.ours <= most,
        Target::TimesFloor(times) => comparison.ratio() <= times,
        Target::FloorPlus(more) => comparison.ours <= comparison.floor + more,
    };
    row(
        what,
        &ShortDuration(comparison.ours),
        &format!("{} ({floor})", ShortDuration(comparison.floor)),
        &format!("{:.2}", comparison.ratio()),
        &target,
        met,
    );
}

/// Prints a row of `RESULTS.md`.
pub fn row(
    what: &str,
    ours: &dyn fmt::Display,
    floor: &str,
    ratio: &str,
    target: &dyn fmt::Display,
    met: bool,
) {
    let verdict = if met { "yes" } else { "**no**" };
    // There is no other output to which an error could be reported.
    let _ = writeln!(std::io::stdout(), "| {what} | {ours} | {floor} | {ratio} | {target} | {verdict} |");
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(out, "≤ {}", ShortDuration(*most)),
            Self::TimesFloor(times) => write!(out, "≤ {times} × floor"),
            Self::FloorPlus(more) => write!(out, "≤ floor + {}", ShortDuration(*more)),
        }
    }
}

/// Duration that is displayed with three digits.
#[derive(Debug, Clone, Copy)]
pub struct ShortDuration(pub Duration);

impl fmt::Display for ShortDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_secs_f64() * 1e9;
        let (value, unit) = match nanos {
            _ if nanos < 1e3 => (nanos, "ns"),
            _ if nanos < 1e6 => (nanos / 1e3, "µs"),
            _ if nanos < 1e9 => (nanos / 1e6, "ms"),
            _ => (nanos / 1e9, "s"),
        };
        let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
        write!(out, "{value:.digits$} {unit}")
    }
}
