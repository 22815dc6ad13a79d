//! CPU time of this process.

/// User and system time used so far by all threads, seconds.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn seconds() -> f64 {
    fields_14_to_17()[..2].iter().sum()
}

/// The same of the processes that this one started and that have ended.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn of_children() -> f64 {
    fields_14_to_17()[2..].iter().sum()
}

/// User and system time of this process and of its children, as `/proc/self/stat` counts them.
fn fields_14_to_17() -> [f64; 4] {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    // Counted after the parenthesised name, in ticks of 10 ms.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    [11, 12, 13, 14].map(|at: usize| fields[at].parse::<f64>().unwrap_or(0.0) / 100.0)
}
