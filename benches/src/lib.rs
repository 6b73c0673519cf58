//! Figures, each next to a floor that is measured in the same run.
//!
//! A figure alone says little: machines differ, and so do hours of the day. What it is compared with (the bare
//! library, the bare statement, the bare handler) is run in turns with it, so that both see the same machine. Run them
//! all with `scripts/bench`, which writes `RESULTS.md`.

pub mod host;
pub mod shop;

use std::fmt;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many times ours and the floor are run in turns.
const ROUNDS: usize = 41;
/// How long one round of either should at least take, so that the clock's grain does not matter.
const ROUND: Duration = Duration::from_millis(2);

/// What is promised about a figure.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// It takes no longer than this.
    AtMost(Duration),
    /// It takes no longer than this many times the floor.
    TimesFloor(f64),
    /// It takes no longer than the floor and so much more.
    FloorAnd(Duration),
}

/// A figure and its floor: medians for one time each.
#[derive(Debug, Clone, Copy)]
pub struct Pair {
    /// Ours.
    pub ours: Duration,
    /// What it is compared with.
    pub floor: Duration,
}

impl Pair {
    /// How many times the floor ours is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / self.floor.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Runs both in turns, each as often in a round as fills it.
pub fn in_turns<A, B>(mut ours: impl FnMut() -> A, mut floor: impl FnMut() -> B) -> Pair {
    let (often, floor_often) = (repetitions(&mut ours), repetitions(&mut floor));
    let (mut all, mut floors) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        all.push(once(&mut ours, often));
        floors.push(once(&mut floor, floor_often));
    }
    Pair { ours: median(all), floor: median(floors) }
}

fn repetitions<T>(work: &mut impl FnMut() -> T) -> u32 {
    let mut often = 1;
    loop {
        let took = once(work, often) * often;
        if took >= ROUND || often >= 1 << 24 {
            return often;
        }
        often *= 2;
    }
}

fn once<T>(work: &mut impl FnMut() -> T, often: u32) -> Duration {
    let begun = Instant::now();
    for _ in 0..often {
        black_box(work());
    }
    begun.elapsed() / often
}

/// The one in the middle.
///
/// # Panics
/// Without any.
#[must_use]
pub fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// The one that this share of all does not exceed.
///
/// # Panics
/// Without any, or for a share that is none.
#[must_use]
pub fn upper(mut all: Vec<Duration>, share: f64) -> Duration {
    assert!((0.0..1.0).contains(&share), "{share} is no share");
    all.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (all.len() as f64 * share) as usize;
    all[place]
}

/// A read as the PostgreSQL store sends it, which names the organization (`$1`, and `scope.id` within the read) for the
/// policies of row-level security.
#[must_use]
pub fn scoped(read: &str) -> String {
    format!(
        "SELECT found.* FROM (SELECT set_config('hexabase.organization_id', $1, true) AS id OFFSET 0) AS scope \
         CROSS JOIN LATERAL ({read} OFFSET 0) AS found"
    )
}

/// Prints a figure as a row of `RESULTS.md`.
pub fn report(what: &str, floor: &str, pair: Pair, target: Target) {
    let met = match target {
        Target::AtMost(most) => pair.ours <= most,
        Target::TimesFloor(times) => pair.ratio() <= times,
        Target::FloorAnd(more) => pair.ours <= pair.floor + more,
    };
    row(
        what,
        &Short(pair.ours),
        &format!("{} ({floor})", Short(pair.floor)),
        &format!("{:.2}", pair.ratio()),
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
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stdout(), "| {what} | {ours} | {floor} | {ratio} | {target} | {verdict} |");
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(out, "≤ {}", Short(*most)),
            Self::TimesFloor(times) => write!(out, "≤ {times} × floor"),
            Self::FloorAnd(more) => write!(out, "≤ floor + {}", Short(*more)),
        }
    }
}

/// A duration with three digits.
#[derive(Debug, Clone, Copy)]
pub struct Short(pub Duration);

impl fmt::Display for Short {
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
