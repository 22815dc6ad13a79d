//! The terminal: what does not fit on it goes through a pager, and nothing that rows hold can command it.

use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::interrupt::Interrupts;
use crate::event::printable::printable_but;

/// Shows an answer; through `$PAGER` once it is longer than the terminal is high.
pub(super) struct Screen {
    /// What was written, until it is known where it goes.
    held: Vec<u8>,
    lines: usize,
    /// Lines that fit.
    height: usize,
    way: Way,
    /// Bytes of a character that is not all there.
    part: Vec<u8>,
    /// When the first text came.
    begun: Option<Instant>,
    interrupts: Interrupts,
}

enum Way {
    /// Not known.
    Held,
    /// Straight out.
    Out,
    Pager(Child),
}

impl Screen {
    /// `height`: lines of the terminal; 0 for no pager.
    pub(super) fn new(height: usize, interrupts: &Interrupts) -> Screen {
        let way = if height == 0 { Way::Out } else { Way::Held };
        // The line of timing and the prompt come after it.
        let (height, interrupts) = (height.saturating_sub(2), interrupts.clone());
        Screen { held: Vec::new(), lines: 0, height, way, part: Vec::new(), begun: None, interrupts }
    }

    /// When the first text came: a table is written once it has all its rows, and then waits for the pager.
    pub(super) fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// Shows what is held and waits until the pager is left.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let part = std::mem::take(&mut self.part);
        self.pass(&String::from_utf8_lossy(&part))?;
        match &mut self.way {
            Way::Held => io::stdout().write_all(&self.held)?,
            Way::Out => {}
            Way::Pager(child) => {
                drop(child.stdin.take());
                let left = child.wait();
                self.interrupts.paged(false);
                left?;
            }
        }
        io::stdout().flush()
    }

    /// Passes text on without what would command a terminal.
    fn pass(&mut self, text: &str) -> io::Result<()> {
        let harmless = printable_but(text, &['\n', '\t', '\r']);
        let bytes = harmless.as_bytes();
        if let Way::Held = self.way {
            self.held.extend_from_slice(bytes);
            self.lines += memchr::memchr_iter(b'\n', bytes).count();
            if self.lines <= self.height {
                return Ok(());
            }
            self.way = pager().map_or(Way::Out, Way::Pager);
            self.interrupts.paged(matches!(self.way, Way::Pager(_)));
            let held = std::mem::take(&mut self.held);
            return self.send(&held);
        }
        self.send(bytes)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.way {
            Way::Pager(child) => child.stdin.as_mut().map_or(Ok(()), |pipe| pipe.write_all(bytes)),
            Way::Held | Way::Out => io::stdout().write_all(bytes),
        }
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.get_or_insert_with(Instant::now);
        let mut text = std::mem::take(&mut self.part);
        text.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&text) {
            Ok(_) => text.len(),
            // The rest of a character comes with the next bytes.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => text.len(),
        };
        self.part = text.split_off(whole);
        self.pass(&String::from_utf8_lossy(&text))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The user's pager, `less -SR` without one; `None` when there is none, or none is wanted.
fn pager() -> Option<Child> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let mut command = match std::env::var("PAGER") {
        Ok(pager) if pager.trim().is_empty() || pager.trim() == "cat" => return None,
        Ok(pager) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &pager]);
            shell
        }
        Err(_) => {
            let mut less = Command::new("less");
            less.arg("-SR");
            less
        }
    };
    command.stdin(Stdio::piped()).spawn().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_rows_commands_the_terminal() {
        let mut screen = Screen::new(24, &Interrupts::default());
        let text = "a\u{1b}[31m\tß\u{9b}2J\r\n";
        for byte in text.as_bytes() {
            screen.write_all(&[*byte]).unwrap();
        }
        screen.write_all(b"\xff").unwrap();
        assert_eq!(String::from_utf8(screen.held.clone()).unwrap(), "a\u{fffd}[31m\tß\u{fffd}2J\r\n\u{fffd}");
        assert_eq!(screen.lines, 1);
    }
}
