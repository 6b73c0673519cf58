//! Metering: from samples of tenants' metrics to charged usage. Pure functions.
//!
//! Samples become [`Reading`](crate::model::Reading)s, one per workspace, meter and hour of the clock. An hour is read
//! soon after it ends and a few times more, for samples that arrive late; reading an unchanged hour again has no
//! effect. Time without samples is missing from a reading, and the reading states the minutes it covers: nothing is
//! estimated. The billing provider receives the total usage of an organization per hour, so that a repeated report
//! changes nothing.

mod reading;
mod statement;

#[cfg(test)]
mod tests;

pub use reading::{
    SAMPLE_INTERVAL, catch_up_start, due_hours, gaps, merged, next_read_at, read, unread_hours,
};
pub use statement::{
    Bill, BillLine, PendingReport, UsageDelta, bill, billed_hours, due_alerts, month_cost, reached_percent,
    report_time, shares, uncharged, unreported,
};
