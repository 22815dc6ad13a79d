//! What happens when the connection to a process breaks: this process ends, too.
//!
//! Timely's network threads panic then, with a message that starts with `timely communication error:` and on a thread
//! that is named after the other process. Nothing is lost: what was accepted is in the archives, and only
//! whole epochs of all processes were ever said.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Cluster;

/// Exit code: an error.
const FAILED: i32 = 2;

/// From now on the process ends with exit code 2 and one clear message when the connection to another process breaks.
pub fn end_on_loss(cluster: &Cluster) {
    let (cluster, others) = (cluster.clone(), std::panic::take_hook());
    let said = AtomicBool::new(false);
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let Some(process) = thread.name().and_then(peer) else { return others(panic) };
        if said.swap(true, Ordering::SeqCst) {
            // Another connection broke in the same moment, or the other half of this one.
            loop {
                std::thread::park();
            }
        }
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
        let why = text.unwrap_or("it ended");
        let why = why.strip_prefix("timely communication error: ").unwrap_or(why);
        eprintln!(
            "weir: lost process {process} at {}: {why}; start it again, then start this process again: what was accepted is on disk",
            cluster.address(process)
        );
        std::process::exit(FAILED);
    }));
}

/// The process that a network thread is for.
fn peer(thread: &str) -> Option<usize> {
    let name = thread.strip_prefix("timely:")?;
    name.strip_prefix("recv-").or(name.strip_prefix("send-"))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_threads_are_named_after_their_peer() {
        assert_eq!(
            ["timely:recv-1", "timely:send-12", "timely:work-0", "main"].map(peer),
            [Some(1), Some(12), None, None]
        );
    }
}
