//! CPU time of this process.

/// User and system time used so far by all threads, seconds.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn seconds() -> f64 {
    fields_14_to_17()[..2].iter().sum()
}

/// User and system time of the threads that run, seconds: finer than [`seconds`], which counts in ticks.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn of_threads() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux has /proc");
    let spent = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("schedstat")).ok();
    // The first number is nanoseconds on a processor: Linux, Documentation/scheduler/sched-stats.
    let texts = threads.filter_map(|thread| spent(thread.ok()?));
    texts.filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}

/// The same of the thread that asks.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn of_this_thread() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has /proc");
    text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// The same as [`seconds`] of the processes that this one started and that have ended.
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
