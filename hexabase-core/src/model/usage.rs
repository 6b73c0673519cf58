use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Index, IndexMut};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{OrganizationId, WorkspaceId};
use crate::metrics::Metric;
use crate::model::words;

/// What workspaces use that can be counted up, and charged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Processor time.
    Cpu,
    /// Memory, over time.
    Memory,
    /// Persistent storage, over time.
    Storage,
    /// What came in from the network.
    NetworkReceive,
    /// What went out to the network.
    NetworkTransmit,
    /// Requests to the workspace's API server.
    ApiRequests,
}

words!(Meter {
    Cpu = "cpu",
    Memory = "memory",
    Storage = "storage",
    NetworkReceive = "network_receive",
    NetworkTransmit = "network_transmit",
    ApiRequests = "api_requests",
} else UnknownMeter = "no meter");

impl Meter {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// What it counts in. A GiB is 2^30 bytes.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu => "core_hours",
            Self::Memory | Self::Storage => "gib_hours",
            Self::NetworkReceive | Self::NetworkTransmit => "gib",
            Self::ApiRequests => "thousand_requests",
        }
    }

    /// What it counts, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "processor time",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::NetworkReceive => "incoming traffic",
            Self::NetworkTransmit => "outgoing traffic",
            Self::ApiRequests => "API requests",
        }
    }

    /// What it counts in, for people.
    #[must_use]
    pub const fn unit_title(self) -> &'static str {
        match self {
            Self::Cpu => "core hours",
            Self::Memory | Self::Storage => "GiB hours",
            Self::NetworkReceive | Self::NetworkTransmit => "GiB",
            Self::ApiRequests => "thousand",
        }
    }

    /// What is measured for it.
    #[must_use]
    pub const fn metric(self) -> Metric {
        match self {
            Self::Cpu => Metric::Cpu,
            Self::Memory => Metric::Memory,
            Self::Storage => Metric::Storage,
            Self::NetworkReceive => Metric::NetworkReceive,
            Self::NetworkTransmit => Metric::NetworkTransmit,
            Self::ApiRequests => Metric::ApiRequests,
        }
    }
}

/// One of something for every meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerMeter<T>([T; Meter::COUNT]);

impl<T> PerMeter<T> {
    /// Whatever `make` makes for each.
    #[must_use]
    pub fn of(make: impl Fn(Meter) -> T) -> Self {
        Self(std::array::from_fn(|place| make(Meter::ALL[place])))
    }

    /// All of them, in the order of the meters.
    pub fn iter(&self) -> impl Iterator<Item = (Meter, &T)> {
        Meter::ALL.iter().copied().zip(&self.0)
    }
}

impl<T> Index<Meter> for PerMeter<T> {
    type Output = T;

    fn index(&self, meter: Meter) -> &T {
        &self.0[meter as usize]
    }
}

impl<T> IndexMut<Meter> for PerMeter<T> {
    fn index_mut(&mut self, meter: Meter) -> &mut T {
        &mut self.0[meter as usize]
    }
}

/// As a map of those that there are.
impl<T: Serialize> Serialize for PerMeter<Option<T>> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.iter().filter_map(|(meter, value)| Some((meter, value.as_ref()?))))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerMeter<Option<T>> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut known = Self::of(|_| None);
        for (meter, value) in BTreeMap::<Meter, T>::deserialize(input)? {
            known[meter] = Some(value);
        }
        Ok(known)
    }
}

impl<T> PerMeter<Option<T>> {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// One hour of the clock, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(Timestamp);

impl Hour {
    const SECONDS: i64 = 60 * 60;
    /// Before all others.
    pub const FIRST: Self = Self(Timestamp::MIN);
    /// After all others.
    pub const LAST: Self = Self(Timestamp::MAX);

    /// The hour that a moment lies in.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        let start = moment.as_second().div_euclid(Self::SECONDS) * Self::SECONDS;
        Self(Timestamp::from_second(start).unwrap_or(Timestamp::MIN))
    }

    /// When it begins.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.0
    }

    /// When it is over, and the next one begins.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.after(1).0
    }

    /// So many hours later, or earlier.
    #[must_use]
    pub fn after(self, hours: i64) -> Self {
        self.0.checked_add(hours.hours()).map_or(self, Self)
    }
}

impl fmt::Debug for Hour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// As in `2026-11-23T08`.
impl fmt::Display for Hour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.strftime("%Y-%m-%dT%H"))
    }
}

/// What a meter read, and for how long it could read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// How much, in thousandths of the meter's unit.
    pub amount: u64,
    /// For how many minutes something was measured. What was not measured is not in the amount.
    pub minutes: u64,
}

impl Reading {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            amount: self.amount.saturating_add(other.amount),
            minutes: self.minutes.saturating_add(other.minutes),
        }
    }
}

/// What a workspace used in an hour. Outlives the workspace; goes with the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHour {
    /// Whose.
    pub organization_id: OrganizationId,
    /// Of which workspace, which may be gone by now.
    pub workspace_id: WorkspaceId,
    /// When.
    pub hour: Hour,
    /// What.
    pub readings: PerMeter<Reading>,
}

impl UsageHour {
    /// An hour of which nothing is known yet.
    #[must_use]
    pub fn unread(organization_id: OrganizationId, workspace_id: WorkspaceId, hour: Hour) -> Self {
        Self { organization_id, workspace_id, hour, readings: PerMeter::default() }
    }
}

/// What the billing provider was told of an organization's usage in an hour. Goes with the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Whose.
    pub organization_id: OrganizationId,
    /// When.
    pub hour: Hour,
    /// How much, in thousandths of each meter's unit.
    pub told: PerMeter<u64>,
    /// How often something was told, so that every telling has a name of its own.
    pub round: u64,
}

impl UsageReport {
    /// A report of which nothing was told yet.
    #[must_use]
    pub fn untold(organization_id: OrganizationId, hour: Hour) -> Self {
        Self { organization_id, hour, told: PerMeter::default(), round: 0 }
    }
}

/// That the meters of all workspaces were read for an hour. Forgotten with the usage of that hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeteredHour {
    /// Which hour.
    pub hour: Hour,
    /// When it was last read.
    pub read_at: Timestamp,
    /// When to read it again, for what was measured late; none when it is final.
    pub again_at: Option<Timestamp>,
}

/// What a workspace used over some hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceUsage {
    /// Which workspace, which may be gone by now.
    pub workspace_id: WorkspaceId,
    /// For how many hours its meters were read.
    pub hours: u64,
    /// What it used.
    pub readings: PerMeter<Reading>,
}

/// A month of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

impl Month {
    /// The month that a moment lies in.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// When it begins.
    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |start| start.timestamp())
    }

    /// When it is over, and the next one begins.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.0.checked_add(1.month()).map_or(Timestamp::MAX, |next| Self(next).start())
    }
}

/// As in `2026-11`.
impl fmt::Display for Month {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.strftime("%Y-%m"))
    }
}

impl FromStr for Month {
    type Err = UnknownMonth;

    fn from_str(text: &str) -> Result<Self, UnknownMonth> {
        let day = Date::strptime("%Y-%m-%d", format!("{text}-01")).map_err(|_| UnknownMonth)?;
        Ok(Self(day))
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no [`Month`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2026-11")]
pub struct UnknownMonth;

/// About what people were warned in a month, so that nobody is warned twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// In which month; none as long as there was nothing to warn of.
    pub month: Option<Month>,
    /// Of what.
    pub of: BTreeSet<UsageAlert>,
}

impl Warned {
    /// Of nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { month: None, of: BTreeSet::new() }
    }
}

/// That usage comes near to some bound, or has reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UsageAlert {
    /// Which bound.
    pub bound: UsageBound,
    /// How much of it is used up at least, in percent.
    pub percent: u8,
}

/// Something that usage can reach in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "meter")]
pub enum UsageBound {
    /// What the plan includes of this.
    Included(Meter),
    /// What the organization wants to spend on usage beyond that.
    Budget,
}
