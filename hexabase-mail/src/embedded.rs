//! Templates that are part of this crate.

macro_rules! templates {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../templates/", $name)))),*]
    };
}

/// Names and sources of the templates.
pub(crate) const TEMPLATES: &[(&str, &str)] = templates![
    "layout.html"
    "en/budget.html"
    "en/budget.txt"
    "en/grace_ends.html"
    "en/grace_ends.txt"
    "en/included_usage.html"
    "en/included_usage.txt"
    "en/invitation.html"
    "en/invitation.txt"
    "en/meter.txt"
    "en/organization_resumed.html"
    "en/organization_resumed.txt"
    "en/organization_suspended.html"
    "en/organization_suspended.txt"
    "en/payment_failed.html"
    "en/payment_failed.txt"
    "en/resumed.html"
    "en/resumed.txt"
    "en/subscription_ended.html"
    "en/subscription_ended.txt"
    "en/suspended.html"
    "en/suspended.txt"
    "en/unit.txt"
    "ja/budget.html"
    "ja/budget.txt"
    "ja/grace_ends.html"
    "ja/grace_ends.txt"
    "ja/included_usage.html"
    "ja/included_usage.txt"
    "ja/invitation.html"
    "ja/invitation.txt"
    "ja/meter.txt"
    "ja/organization_resumed.html"
    "ja/organization_resumed.txt"
    "ja/organization_suspended.html"
    "ja/organization_suspended.txt"
    "ja/payment_failed.html"
    "ja/payment_failed.txt"
    "ja/resumed.html"
    "ja/resumed.txt"
    "ja/role.txt"
    "ja/subscription_ended.html"
    "ja/subscription_ended.txt"
    "ja/suspended.html"
    "ja/suspended.txt"
    "ja/unit.txt"
];
