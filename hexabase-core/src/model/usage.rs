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
use crate::model::string_enum;

/// Kind of usage of a workspace that is measured and can be charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// CPU time.
    Cpu,
    /// Memory over time.
    Memory,
    /// Persistent storage over time.
    Storage,
    /// Incoming network traffic.
    NetworkReceive,
    /// Outgoing network traffic.
    NetworkTransmit,
    /// Requests to the tenant API server.
    ApiRequests,
}

string_enum!(Meter {
    Cpu = "cpu",
    Memory = "memory",
    Storage = "storage",
    NetworkReceive = "network_receive",
    NetworkTransmit = "network_transmit",
    ApiRequests = "api_requests",
} else UnknownMeter = "must be cpu, memory, storage, network_receive, network_transmit or api_requests");

impl Meter {
    /// Number of meters.
    pub const COUNT: usize = Self::ALL.len();

    /// Returns the unit of the meter. A GiB is 2^30 bytes.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Cpu => "core_hours",
            Self::Memory | Self::Storage => "gib_hours",
            Self::NetworkReceive | Self::NetworkTransmit => "gib",
            Self::ApiRequests => "thousand_requests",
        }
    }

    /// Returns the display name of the meter.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU time",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::NetworkReceive => "incoming traffic",
            Self::NetworkTransmit => "outgoing traffic",
            Self::ApiRequests => "API requests",
        }
    }

    /// Returns the display name of the unit.
    #[must_use]
    pub const fn unit_title(self) -> &'static str {
        match self {
            Self::Cpu => "core hours",
            Self::Memory | Self::Storage => "GiB hours",
            Self::NetworkReceive | Self::NetworkTransmit => "GiB",
            Self::ApiRequests => "thousand",
        }
    }

    /// Returns the metric from which the meter is computed.
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

/// One value for each meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerMeter<T>([T; Meter::COUNT]);

impl<T> PerMeter<T> {
    /// Calls `make` for each meter.
    #[must_use]
    pub fn from_fn(make: impl Fn(Meter) -> T) -> Self {
        Self(std::array::from_fn(|index| make(Meter::ALL[index])))
    }

    /// Returns all values, in the order of [`Meter::ALL`].
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

/// Serializes the present values as a map.
impl<T: Serialize> Serialize for PerMeter<Option<T>> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.iter().filter_map(|(meter, value)| Some((meter, value.as_ref()?))))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PerMeter<Option<T>> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut values = Self::from_fn(|_| None);
        for (meter, value) in BTreeMap::<Meter, T>::deserialize(input)? {
            values[meter] = Some(value);
        }
        Ok(values)
    }
}

/// Serialization of a value for each meter as a map, in which a missing meter has the default value.
mod every_meter {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::PerMeter;

    pub(super) fn serialize<T: Serialize + Copy, S: Serializer>(
        values: &PerMeter<T>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        PerMeter::from_fn(|meter| Some(values[meter])).serialize(out)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de> + Copy + Default, D: Deserializer<'de>>(
        input: D,
    ) -> Result<PerMeter<T>, D::Error> {
        let present = PerMeter::<Option<T>>::deserialize(input)?;
        Ok(PerMeter::from_fn(|meter| present[meter].unwrap_or_default()))
    }
}

impl<T> PerMeter<Option<T>> {
    /// `true` if no value is present.
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
    /// Earliest hour.
    pub const FIRST: Self = Self(Timestamp::MIN);
    /// Latest hour.
    pub const LAST: Self = Self(Timestamp::MAX);

    /// Returns the hour that contains a time.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        let start = moment.as_second().div_euclid(Self::SECONDS) * Self::SECONDS;
        Self(Timestamp::from_second(start).unwrap_or(Timestamp::MIN))
    }

    /// Returns the start of the hour.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.0
    }

    /// Returns the end of the hour, which is the start of the next one.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.after(1).0
    }

    /// Returns the hour that is a number of hours later, or earlier if the number is negative.
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

/// Formats the hour as in `2026-11-23T08`.
impl fmt::Display for Hour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.strftime("%Y-%m-%dT%H"))
    }
}

/// Amount that a meter recorded, with the measured time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Amount, in thousandths of the meter's unit.
    pub amount: u64,
    /// Number of minutes with measurements. The amount excludes unmeasured time.
    pub minutes: u64,
}

impl Reading {
    /// Adds two readings, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            amount: self.amount.saturating_add(other.amount),
            minutes: self.minutes.saturating_add(other.minutes),
        }
    }
}

/// Usage of a workspace in one hour. It outlives the workspace and is deleted with the organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageHour {
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace, which may have been deleted.
    pub workspace_id: WorkspaceId,
    /// Hour of the usage.
    pub hour: Hour,
    /// Readings of all meters.
    #[serde(with = "every_meter")]
    pub readings: PerMeter<Reading>,
}

impl UsageHour {
    /// Returns an hour without readings.
    #[must_use]
    pub fn empty(organization_id: OrganizationId, workspace_id: WorkspaceId, hour: Hour) -> Self {
        Self { organization_id, workspace_id, hour, readings: PerMeter::default() }
    }
}

/// Usage of an organization in one hour that was reported to the billing provider. It is deleted with the
/// organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// Organization.
    pub organization_id: OrganizationId,
    /// Hour of the usage.
    pub hour: Hour,
    /// Reported amounts, in thousandths of each meter's unit.
    #[serde(with = "every_meter")]
    pub reported: PerMeter<u64>,
    /// Number of reports for the hour so far, which makes the identifier of each report unique.
    pub revision: u64,
}

impl UsageReport {
    /// Returns a record without reported usage.
    #[must_use]
    pub fn unreported(organization_id: OrganizationId, hour: Hour) -> Self {
        Self { organization_id, hour, reported: PerMeter::default(), revision: 0 }
    }
}

/// Record that the meters of all workspaces were read for an hour. It is deleted with the usage of that hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeteredHour {
    /// Hour that was read.
    pub hour: Hour,
    /// Time of the last read.
    pub read_at: Timestamp,
    /// Time of the next read, which includes late measurements; `None` if the reading is final.
    pub next_read_at: Option<Timestamp>,
}

/// Usage of a workspace over a range of hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceUsage {
    /// Workspace, which may have been deleted.
    pub workspace_id: WorkspaceId,
    /// Number of hours for which its meters were read.
    pub hours: u64,
    /// Readings of all meters.
    pub readings: PerMeter<Reading>,
}

/// Calendar month, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(Date);

impl Month {
    /// Returns the month that contains a time.
    #[must_use]
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.to_zoned(TimeZone::UTC).date().first_of_month())
    }

    /// Returns the start of the month.
    #[must_use]
    pub fn start(self) -> Timestamp {
        self.0.to_zoned(TimeZone::UTC).map_or(Timestamp::MIN, |start| start.timestamp())
    }

    /// Returns the end of the month, which is the start of the next one.
    #[must_use]
    pub fn end(self) -> Timestamp {
        self.0.checked_add(1.month()).map_or(Timestamp::MAX, |next| Self(next).start())
    }
}

/// Formats the month as in `2026-11`.
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

/// Text that does not name a [`Month`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a month such as 2026-11")]
pub struct UnknownMonth;

/// Usage alerts that were sent in a month, recorded so that no alert is sent twice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentUsageAlerts {
    /// Month of the alerts; `None` before the first alert.
    pub month: Option<Month>,
    /// Alerts that were sent.
    pub alerts: BTreeSet<UsageAlert>,
}

impl SentUsageAlerts {
    /// Returns the record without alerts.
    #[must_use]
    pub const fn empty() -> Self {
        Self { month: None, alerts: BTreeSet::new() }
    }
}

/// Alert that usage is close to a bound or has reached it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UsageAlert {
    /// Bound that the alert is about.
    pub bound: UsageBound,
    /// Percentage of the bound that has been reached.
    pub percent: u8,
}

/// Bound on the usage of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "meter")]
pub enum UsageBound {
    /// Amount that the plan includes for the meter.
    Included(Meter),
    /// Budget of the organization for usage beyond the included amounts.
    Budget,
}
