use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::metrics::Sample;
use crate::model::{Hour, Meter, MeteredHour, PerMeter, Reading, UsageHour};

/// How far apart the samples are that readings are made of.
pub const STEP: Duration = Duration::from_secs(5 * 60);
const STEP_MINUTES: u64 = 5;
const STEPS: usize = 12;
/// How long after an hour's end it is read: whoever measures needs a moment, too.
const SETTLE: SignedDuration = SignedDuration::from_mins(5);
/// How many hours after that it is read again.
const AGAIN: [i64; 6] = [1, 2, 4, 8, 16, 32];
/// How many hours back what was missed is made up for.
const MEMORY: i64 = 14 * 24;
/// The bytes of a GiB.
const GIB: f64 = 1_073_741_824.0;

/// What a meter read in an hour, from samples in any order, each for the step before it. Repeated samples count once,
/// what lies outside of the hour counts nothing, and a value that cannot be was not measured.
#[must_use]
pub fn read(meter: Meter, hour: Hour, samples: &[Sample]) -> Reading {
    let mut slots: [Option<Sample>; STEPS] = [None; STEPS];
    for sample in samples.iter().filter(|sample| sample.value.is_finite() && sample.value >= 0.0) {
        let Some(slot) = slot(hour, sample.at).and_then(|slot| slots.get_mut(slot)) else { continue };
        let newer = |known: Sample| (sample.at, sample.value) > (known.at, known.value);
        if slot.is_none_or(newer) {
            *slot = Some(*sample);
        }
    }
    let known = slots.iter().flatten();
    let sum: f64 = known.clone().map(|sample| sample.value).sum();
    let thousandths = sum * STEP.as_secs_f64() * 1000.0 / per_unit(meter);
    Reading { amount: whole(thousandths), minutes: STEP_MINUTES * known.count() as u64 }
}

/// The step of the hour that a sample stands for.
fn slot(hour: Hour, at: Timestamp) -> Option<usize> {
    let after_start = at.duration_since(hour.start());
    let nanoseconds = after_start.as_nanos().checked_sub(1).filter(|nanoseconds| *nanoseconds >= 0)?;
    usize::try_from(nanoseconds / i128::try_from(STEP.as_nanos()).ok()?).ok()
}

/// How much of what is measured, over a second, makes one unit.
const fn per_unit(meter: Meter) -> f64 {
    match meter {
        Meter::Cpu => 3600.0,
        Meter::Memory | Meter::Storage => 3600.0 * GIB,
        Meter::NetworkReceive | Meter::NetworkTransmit => GIB,
        Meter::ApiRequests => 1000.0,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no amount comes near the bounds"
)]
fn whole(thousandths: f64) -> u64 {
    thousandths.round() as u64
}

/// What is known of an hour once it was read again; none when that is nothing new. Whoever measures forgets after a
/// while, so that a reading only gives way to one that covers as much.
#[must_use]
pub fn merged(known: Option<&UsageHour>, read: UsageHour) -> Option<UsageHour> {
    let Some(known) = known else { return Some(read) };
    let better = |meter: Meter| {
        let (known, read) = (known.readings[meter], read.readings[meter]);
        if read.minutes >= known.minutes { read } else { known }
    };
    let readings = PerMeter::of(better);
    (readings != known.readings).then_some(UsageHour { readings, ..read })
}

/// The hours to read now, oldest first, given those of the last two weeks that were read. The first one ever is the hour
/// before.
#[must_use]
pub fn due_hours(now: Timestamp, known: &[MeteredHour]) -> Vec<Hour> {
    let settled = now.saturating_sub(SETTLE).unwrap_or(Timestamp::MIN);
    let last = Hour::of(settled).after(-1);
    let newest = known.iter().map(|known| known.hour).max();
    let first = newest.map_or(last, |newest| newest.after(1).max(last.after(-MEMORY)));
    let again = known.iter().filter(|known| known.again_at.is_some_and(|at| at <= now));
    let mut due: Vec<Hour> = again.map(|known| known.hour).collect();
    due.extend((0..).map(|hours| first.after(hours)).take_while(|hour| *hour <= last));
    due.sort_unstable();
    due
}

/// The hours of a workspace that is going which were not read yet, the present one included, given those of the last two
/// weeks that were.
#[must_use]
pub fn unread_hours(now: Timestamp, known: &[MeteredHour], since: Timestamp) -> Vec<Hour> {
    let present = Hour::of(now);
    let newest = known.iter().map(|known| known.hour).max();
    let first = newest.map_or(present.after(-1), |newest| newest.after(1));
    let first = first.max(Hour::of(since)).max(present.after(-MEMORY));
    (0..).map(|hours| first.after(hours)).take_while(|hour| *hour <= present).collect()
}

/// From which hour on it matters which hours were read.
#[must_use]
pub fn memory(now: Timestamp) -> Hour {
    Hour::of(now).after(-MEMORY)
}

/// When to read an hour again that was just read; none when that was the last time.
#[must_use]
pub fn read_again_at(hour: Hour, now: Timestamp) -> Option<Timestamp> {
    let at = |hours: &i64| hour.after(*hours).end().checked_add(SETTLE).ok();
    AGAIN.iter().filter_map(at).find(|at| *at > now)
}
