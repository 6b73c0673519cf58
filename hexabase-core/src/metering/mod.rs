//! From measurements to what is charged: pure functions.
//!
//! Measurements become [`Reading`](crate::model::Reading)s, one per workspace, meter and hour of the clock. An hour is read soon after it is
//! over and a few times more, for what was measured late; reading it again finds the same. What was not measured is
//! missing from the reading, and the reading says for how many minutes: nothing is invented. The billing provider is
//! told what an organization used in an hour, whole, so that telling it again changes nothing.

mod reading;
mod statement;

#[cfg(test)]
mod tests;

pub use reading::{STEP, due_hours, memory, merged, read, read_again_at, unread_hours};
pub use statement::{
    Bill, BillLine, Telling, UsageTelling, bill, hours_of, month_cost, shares, stands_for, untold, warn,
};
