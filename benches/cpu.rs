//! CPU time of this process.

/// User and system time used so far by all threads, seconds.
pub(crate) fn seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    // Fields 14 and 15, counted after the parenthesised name, in ticks of 10 ms.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap_or(0.0) + fields[12].parse::<f64>().unwrap_or(0.0);
    ticks / 100.0
}
