//! The engine inside a program of one's own: lines in, alerts out.
//!
//! `cargo run --release --example embed`

use std::sync::Arc;

use weir::engine::batch::{self, Feed, Settings};
use weir::engine::findings::Wanted;
use weir::event::time;
use weir::ingest::{self, Ingest, block_of};
use weir::rule::{self, SourceFile};

const RULE: &str = r#"
rule guessing {
  title "{count} failed logins from {source.ip}"
  severity medium
  when authentication where event.action == "ssh_login" and event.outcome == "failure"
    by source.ip within 1m having count() >= 3
}
"#;

fn main() -> anyhow::Result<()> {
    let file = SourceFile { name: "guessing.weir".into(), text: RULE.into() };
    let compiled = rule::compile(std::slice::from_ref(&file), &|path| std::fs::read_to_string(path));
    eprint!("{}", rule::render(&compiled.diagnostics, &compiled.sources, false));

    let lines: String = (0..5)
        .map(|n| {
            format!(
                "2026-01-15T10:00:0{n}Z web-01 sshd[7]: Failed password for root from 203.0.113.9 port 4000{n} ssh2\n"
            )
        })
        .collect();
    let (program, wanted) = (Arc::new(compiled.program), Wanted::Json);
    let settings = Settings { program, workers: 1, archive: None, once: false, until: None, wanted };
    let (counts, mut alerts) = batch::run(
        &settings,
        &|feed: &mut Feed| {
            let block = block_of("example", lines.clone(), time::now());
            let mut batches = Vec::new();
            let counts = Ingest::new(ingest::Settings::default(), block.source.clone()).push(&block, &mut batches);
            // Sending fails only when the run has failed, which its result says.
            batches.into_iter().try_for_each(|batch| feed.send(batch)).ok();
            counts
        },
        &|_| {},
    )?;
    println!("{} events, {} alerts", counts.events, alerts.len());
    alerts.for_each(|json| {
        println!("{}", String::from_utf8_lossy(json));
        Ok(())
    })?;
    Ok(())
}
