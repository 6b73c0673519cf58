//! Rules of custom roles, as JSON.
#![no_main]

use hexabase_core::access::{MAX_RULES, check_rules};
use hexabase_core::model::Rule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(rules) = serde_json::from_slice::<Vec<Rule>>(data) else { return };
    let violations = check_rules(&rules);
    let has_wildcard = |rule: &Rule| {
        rule.api_groups.iter().any(|group| group == "*")
            && rule.resources.iter().any(|resource| resource == "*")
    };
    assert!(!violations.is_empty() || rules.len() <= MAX_RULES);
    assert!(
        !violations.is_empty() || !rules.iter().any(has_wildcard),
        "all resources of all groups are granted"
    );
});
