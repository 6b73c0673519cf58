use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::metrics::Sample;
use crate::model::{Hour, Meter, MeteredHour, PerMeter, Reading, UsageHour};

/// Interval between the samples of a reading.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5 * 60);
const SAMPLE_MINUTES: u64 = 5;
const SAMPLES_PER_HOUR: usize = 12;
/// Time between the end of an hour and its first reading, so that the metrics source can finish its measurements.
const READ_DELAY: SignedDuration = SignedDuration::from_mins(5);
/// Further readings of an hour, in hours after the first.
const REREAD_AFTER_HOURS: [i64; 6] = [1, 2, 4, 8, 16, 32];
/// Age of the oldest missed hour that is still read, in hours.
const CATCH_UP_HOURS: i64 = 14 * 24;
/// Bytes per GiB.
const GIB: f64 = 1_073_741_824.0;

/// Computes the reading of a meter for an hour from samples in any order, each covering the step before it. Repeated
/// samples count once; samples outside the hour, and values that are negative or not finite, are ignored.
#[must_use]
pub fn read(meter: Meter, hour: Hour, samples: &[Sample]) -> Reading {
    let mut slots: [Option<Sample>; SAMPLES_PER_HOUR] = [None; SAMPLES_PER_HOUR];
    for sample in samples.iter().filter(|sample| sample.value.is_finite() && sample.value >= 0.0) {
        let Some(slot) = slot(hour, sample.at).and_then(|slot| slots.get_mut(slot)) else { continue };
        let newer = |known: Sample| (sample.at, sample.value) > (known.at, known.value);
        if slot.is_none_or(newer) {
            *slot = Some(*sample);
        }
    }
    let known = slots.iter().flatten();
    let sum: f64 = known.clone().map(|sample| sample.value).sum();
    let thousandths = sum * SAMPLE_INTERVAL.as_secs_f64() * 1000.0 / per_unit(meter);
    Reading { amount: whole(thousandths), minutes: SAMPLE_MINUTES * known.count() as u64 }
}

/// Index of the step in the hour that a sample covers; `None` if it precedes the hour.
fn slot(hour: Hour, at: Timestamp) -> Option<usize> {
    let after_start = at.duration_since(hour.start());
    let nanoseconds = after_start.as_nanos().checked_sub(1).filter(|nanoseconds| *nanoseconds >= 0)?;
    usize::try_from(nanoseconds / i128::try_from(SAMPLE_INTERVAL.as_nanos()).ok()?).ok()
}

/// Integral of the metric over one second that makes one unit of the meter.
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

/// Returns the charged meters of an hour with unmeasured time, and their measured minutes: the most of any workspace.
#[must_use]
pub fn gaps(charged: &[Meter], measured: &PerMeter<u64>) -> Vec<(Meter, u64)> {
    let minutes = |meter: &Meter| (*meter, measured[*meter]);
    charged
        .iter()
        .map(minutes)
        .filter(|(_, minutes)| *minutes < SAMPLE_MINUTES * SAMPLES_PER_HOUR as u64)
        .collect()
}

/// Merges a new reading of an hour into the known one; `None` if nothing changes. A metrics source drops samples after
/// a while, so a reading is only replaced by one that covers at least as many minutes.
#[must_use]
pub fn merged(known: Option<&UsageHour>, read: UsageHour) -> Option<UsageHour> {
    let Some(known) = known else { return Some(read) };
    let better = |meter: Meter| {
        let (known, read) = (known.readings[meter], read.readings[meter]);
        if read.minutes >= known.minutes { read } else { known }
    };
    let readings = PerMeter::from_fn(better);
    (readings != known.readings).then_some(UsageHour { readings, ..read })
}

/// Returns the hours to read now, oldest first, given the metered hours of the last two weeks. Without any, the
/// previous hour is due.
#[must_use]
pub fn due_hours(now: Timestamp, known: &[MeteredHour]) -> Vec<Hour> {
    let settled = now.saturating_sub(READ_DELAY).unwrap_or(Timestamp::MIN);
    let last = Hour::of(settled).after(-1);
    let newest = known.iter().map(|known| known.hour).max();
    let first = newest.map_or(last, |newest| newest.after(1).max(last.after(-CATCH_UP_HOURS)));
    let again = known.iter().filter(|known| known.next_read_at.is_some_and(|at| at <= now));
    let mut due: Vec<Hour> = again.map(|known| known.hour).collect();
    due.extend((0..).map(|hours| first.after(hours)).take_while(|hour| *hour <= last));
    due.sort_unstable();
    due
}

/// Returns the unread hours of a workspace that is being deleted, the current hour included, given the metered hours
/// of the last two weeks.
#[must_use]
pub fn unread_hours(now: Timestamp, known: &[MeteredHour], since: Timestamp) -> Vec<Hour> {
    let present = Hour::of(now);
    let newest = known.iter().map(|known| known.hour).max();
    let first = newest.map_or(present.after(-1), |newest| newest.after(1));
    let first = first.max(Hour::of(since)).max(present.after(-CATCH_UP_HOURS));
    (0..).map(|hours| first.after(hours)).take_while(|hour| *hour <= present).collect()
}

/// Oldest hour that can still be due.
#[must_use]
pub fn catch_up_start(now: Timestamp) -> Hour {
    Hour::of(now).after(-CATCH_UP_HOURS)
}

/// Time of the next reading of an hour that was just read; `None` after the last reading.
#[must_use]
pub fn next_read_at(hour: Hour, now: Timestamp) -> Option<Timestamp> {
    let at = |hours: &i64| hour.after(*hours).end().checked_add(READ_DELAY).ok();
    REREAD_AFTER_HOURS.iter().filter_map(at).find(|at| *at > now)
}
