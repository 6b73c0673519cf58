//! Kubernetes quantities.
#![no_main]

use hexabase_core::quantity::Quantity;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(text) = hexabase_fuzz::text(data) else { return };
    let Ok(quantity) = text.parse::<Quantity>() else { return };
    assert_eq!(quantity.to_string().parse(), Ok(quantity), "{text:?}");
    assert_eq!(format!("+{}", text.trim_start_matches('+')).parse(), Ok(quantity), "{text:?}");
    let sum = quantity.plus(quantity);
    assert!(sum >= quantity && sum.minus(quantity) <= quantity, "{text:?}");
});
