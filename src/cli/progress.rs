//! Progress of long work, on standard error, when it is a terminal.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar over `total` bytes; a spinner when that is not known (0).
pub(super) fn bytes(total: u64, doing: &str) -> ProgressBar {
    let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
    let template = match total {
        0 => "{spinner} {msg} {bytes} ({bytes_per_sec})",
        _ => "{msg:12} {wide_bar} {bytes}/{total_bytes} ({bytes_per_sec}, {eta} left)",
    };
    show(bar, template, doing)
}

/// A spinner that counts `things`.
pub(super) fn count(doing: &str, things: &str) -> ProgressBar {
    show(ProgressBar::new_spinner(), &format!("{{spinner}} {{msg}} {{human_pos}} {things} ({{rate}}/s)"), doing)
}

fn show(bar: ProgressBar, template: &str, doing: &str) -> ProgressBar {
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A bar that cannot be written is no reason to stop.
        let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed").with_key("rate", rate));
    bar.set_message(doing.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
