/// Returns the resident memory of a process, in KiB.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn resident_memory_kib(pid: u32) -> u64 {
    field_kib(pid, "VmRSS:")
}

/// Returns the peak resident memory of a process, in KiB.
///
/// # Panics
/// If there is no such process.
#[must_use]
pub fn peak_memory_kib(pid: u32) -> u64 {
    field_kib(pid, "VmHWM:")
}

/// Returns a field of `/proc/PID/status`, see proc(5).
fn field_kib(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process has ended");
    let value = status.lines().find_map(|line| line.strip_prefix(field)).expect("the process has ended");
    value.trim().trim_end_matches(" kB").parse().expect("the value is a number of KiB")
}
