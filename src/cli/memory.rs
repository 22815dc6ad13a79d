//! How the process uses memory.

/// For runs that end: memory comes in the smallest pages. What such a run touches it touches for the first time, and a system that has
/// to find and clear two megabytes for it takes longer than the processor then saves.
pub(super) fn small_pages() {
    // A kernel without huge pages has nothing to switch off.
    let _ = nix::sys::prctl::set_thp_disable(true);
}
