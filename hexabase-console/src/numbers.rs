//! Counts, sizes and amounts of resources as text.

use hexabase_core::quantity::Quantity;
use hexabase_core::quota::Resource;

/// Binary units of Kubernetes, largest first.
const BINARY_UNITS: [(&str, u64); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// Returns a whole number with its digits in groups of three: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// Returns a number of thousandths as a decimal number without trailing zeros: `1,234.5`.
#[must_use]
pub fn decimal(thousandths: u64) -> String {
    let whole = grouped(&(thousandths / 1_000).to_string());
    let decimals = format!("{:03}", thousandths % 1_000);
    match decimals.trim_end_matches('0') {
        "" => whole,
        decimals => format!("{whole}.{decimals}"),
    }
}

/// Returns a number of bytes in the largest binary unit of Kubernetes of which it has at least one, with at most one
/// decimal: `1.5Gi`. Amounts below one kibibyte have the unit `B`.
#[must_use]
pub fn size(bytes: u64) -> String {
    for (unit, factor) in BINARY_UNITS {
        if bytes >= factor {
            let tenths = u128::from(bytes) * 10 / u128::from(factor);
            return with_tenths(tenths) + unit;
        }
    }
    format!("{bytes}B")
}

/// Returns the amount of a resource: cores with at most two decimals, bytes as a [`size`], objects as a [`count`].
#[must_use]
pub fn amount(resource: Resource, quantity: Quantity) -> String {
    match resource {
        Resource::Cpu => cores(quantity),
        Resource::Memory | Resource::Storage | Resource::EphemeralStorage => size(quantity.whole_units()),
        _ => count(quantity.whole_units()),
    }
}

/// Returns a share as whole per cent, rounded down; 0 of nothing.
#[must_use]
pub fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { (part / whole * 100.0).floor() } else { 0.0 };
    format!("{share:.0}%")
}

/// Groups the digits of the decimal representation of a whole number.
pub(crate) fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Cores below a hundredth are thousandths, as Kubernetes writes them.
fn cores(quantity: Quantity) -> String {
    let cores = quantity.as_f64();
    if cores > 0.0 && cores < 0.01 {
        return quantity.to_string();
    }
    let rounded = format!("{cores:.2}");
    let (whole, decimals) = rounded.split_once('.').unwrap_or((&rounded, ""));
    match decimals.trim_end_matches('0') {
        "" => grouped(whole),
        decimals => format!("{}.{decimals}", grouped(whole)),
    }
}

fn with_tenths(tenths: u128) -> String {
    let whole = grouped(&(tenths / 10).to_string());
    match tenths % 10 {
        0 => whole,
        tenth => format!("{whole}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn thousandths_have_no_trailing_zeros() {
        for (thousandths, text) in
            [(0, "0"), (1, "0.001"), (12_500, "12.5"), (1_234_567_000, "1,234,567"), (2_010, "2.01")]
        {
            assert_eq!(decimal(thousandths), text);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (bytes, text) in [
            (0, "0B"),
            (1_023, "1023B"),
            (1_024, "1Ki"),
            (1_536 << 20, "1.5Gi"),
            (1 << 40, "1Ti"),
            ((1 << 40) - 1, "1,023.9Gi"),
            (u64::MAX, "15.9Ei"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn amounts_have_the_notation_of_their_resource() {
        for (resource, quantity, text) in [
            (Resource::Cpu, "1500m", "1.5"),
            (Resource::Cpu, "0", "0"),
            (Resource::Cpu, "2", "2"),
            (Resource::Cpu, "1234", "1,234"),
            (Resource::Cpu, "250m", "0.25"),
            (Resource::Cpu, "5m", "5m"),
            (Resource::Memory, "1536Mi", "1.5Gi"),
            (Resource::Memory, "1G", "953.6Mi"),
            (Resource::Pods, "1k", "1,000"),
        ] {
            assert_eq!(amount(resource, quantity.parse().unwrap()), text, "{quantity}");
        }
    }

    #[test]
    fn shares_are_rounded_down() {
        assert_eq!(percent(999.0, 1000.0), "99%");
        assert_eq!(percent(1.0, 0.0), "0%");
        assert_eq!(percent(3.0, 2.0), "150%");
    }
}
