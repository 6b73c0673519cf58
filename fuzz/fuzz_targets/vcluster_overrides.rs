//! Overrides of the vCluster configuration, as YAML.
#![no_main]

use hexabase_k8s::Overrides;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(text) = hexabase_fuzz::text(data) else { return };
    drop(text.parse::<Overrides>());
});
