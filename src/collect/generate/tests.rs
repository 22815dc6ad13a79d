//! What is generated: determinism, planted attacks, the committed samples.

use std::collections::HashMap;

use super::*;
use crate::event::time;

const START: i64 = 1_768_464_000 * SECOND;

fn lines(settings: Settings) -> (Vec<Line>, Vec<Planted>) {
    let mut generator = Generator::new(settings);
    let lines: Vec<Line> = generator.by_ref().collect();
    (lines, generator.truth())
}

#[test]
fn the_same_seed_gives_the_same_lines_in_time_order() {
    let settings = |seed| Settings::new(Some(5000), seed, START);
    let (first, truth) = lines(settings(1));
    assert_eq!((first.clone(), truth.clone()), lines(settings(1)));
    assert_ne!(first, lines(settings(2)).0);
    assert_eq!(first.len(), 5000);
    assert!(first.is_sorted_by_key(|line| line.time));
    assert!(first[0].time >= START);
    let share = |origin| first.iter().filter(|line| line.source == origin).count();
    assert!(share(Origin::Auth) > 1300 && share(Origin::Web) > 1800 && share(Origin::Ot) > 800);
    assert_eq!(truth.len(), Attack::ALL.len() - 1, "all but the portal's");
    assert!(truth.iter().all(|planted| planted.events > 0 && planted.first <= planted.last));
}

#[test]
fn every_line_is_one_line_and_json_is_json() {
    let mix = vec![(Origin::Auth, 1), (Origin::Web, 1), (Origin::Ot, 1), (Origin::App, 1)];
    let (lines, truth) = lines(Settings { mix, ..Settings::new(Some(20_000), 3, START) });
    for line in &lines {
        assert!(!line.text.contains('\n'));
        if matches!(line.source, Origin::Ot | Origin::App) {
            let value: serde_json::Value = serde_json::from_str(&line.text).unwrap();
            let time = value["@timestamp"].as_str().and_then(time::parse_rfc3339).unwrap();
            assert_eq!(time, line.time / 1000 * 1000);
        }
    }
    assert_eq!(truth.len(), Attack::ALL.len());
}

/// The greatest number of matching lines of one key within `window` seconds.
fn densest(found: &[(String, i64)], window: i64) -> HashMap<String, usize> {
    let mut by_key: HashMap<&str, Vec<i64>> = HashMap::new();
    found.iter().for_each(|(key, time)| by_key.entry(key).or_default().push(*time));
    let most = |times: &[i64]| {
        let within = |at: usize| times[..=at].iter().rev().take_while(|t| times[at] - **t <= window * SECOND).count();
        (0..times.len()).map(within).max().unwrap_or(0)
    };
    by_key.into_iter().map(|(key, times)| (key.to_owned(), most(&times))).collect()
}

fn ssh_failures(lines: &[Line]) -> Vec<(String, i64)> {
    let failed = lines.iter().filter(|line| line.text.contains("Failed password for "));
    let source = |line: &Line| line.text.rsplit(' ').nth(3).unwrap().to_owned();
    failed.map(|line| (source(line), line.time)).collect()
}

#[test]
fn ten_failures_in_five_minutes_are_the_brute_forcers_and_no_one_else() {
    for (rate, events) in [(50.0, 400_000), (5000.0, 300_000)] {
        let settings = Settings { rate, mix: vec![(Origin::Auth, 1)], ..Settings::new(Some(events), 11, START) };
        let (lines, truth) = lines(settings);
        let mut found: Vec<_> = densest(&ssh_failures(&lines), 300).into_iter().filter(|(_, n)| *n >= 10).collect();
        found.sort();
        let long = rate == 50.0;
        let named = |p: &&Planted| p.attack == Attack::SshBruteforce || !long && p.attack == Attack::PasswordSpray;
        let mut planted: Vec<_> = truth.iter().filter(named).map(|p| p.key[0].1.clone()).collect();
        planted.sort();
        assert_eq!(found.iter().map(|(ip, _)| ip.clone()).collect::<Vec<_>>(), planted);
        assert!(!planted.is_empty());
        assert_eq!(truth.iter().filter(|p| p.attack == Attack::SshBruteforce).count(), if long { 2 } else { 1 });
    }
}

#[test]
fn truth_counts_what_the_lines_say() {
    let (lines, truth) = lines(Settings::new(Some(60_000), 5, START));
    let failures = ssh_failures(&lines);
    for planted in truth.iter().filter(|p| matches!(p.attack, Attack::SshBruteforce | Attack::PasswordSpray)) {
        let own: Vec<i64> = failures.iter().filter(|(ip, _)| *ip == planted.key[0].1).map(|(_, time)| *time).collect();
        assert_eq!(own.len() as u64, planted.events);
        assert!(planted.events >= 12);
        assert_eq!((own[0] / SECOND * SECOND, own[own.len() - 1] / SECOND * SECOND), (planted.first, planted.last));
    }
    let drift = truth.iter().find(|p| p.attack == Attack::SensorDrift).unwrap();
    let out = lines.iter().filter(|l| l.text.contains("out_of_range"));
    assert_eq!(out.count() as u64, drift.events);
    assert!(drift.events >= 5);
}

#[test]
fn the_demo_shows_its_first_attack_at_once_and_never_ends() {
    let mut demo = Generator::new(Settings::demo(1, START));
    let until = |demo: &mut Generator, seconds: i64| {
        while demo.next().unwrap().time < START + seconds * SECOND {}
    };
    until(&mut demo, 20);
    assert_eq!(demo.truth()[0].attack, Attack::SshBruteforce);
    assert!(demo.truth()[0].events >= 12);
    until(&mut demo, 1000);
    assert!(demo.truth().len() > 40);
}

#[test]
fn nothing_is_too_small() {
    for events in [0, 1, 10, 100] {
        assert_eq!(lines(Settings { rate: 0.0, ..Settings::new(Some(events), 1, START) }).0.len() as u64, events);
    }
    let none = Settings { attacks: Vec::new(), mix: Vec::new(), ..Settings::new(Some(10), 1, START) };
    assert_eq!(lines(none).0.len(), 10);
}

/// The files in `data/`, as its README says they were made. To update them, run that command.
#[test]
fn the_samples_are_what_their_settings_give() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let start = time::parse_rfc3339("2026-01-15T08:00:00Z").unwrap();
    let usual = Settings::new(Some(850), 7, start);
    let (lines, truth) = lines(Settings { rate: 0.25, timestamps: Timestamps::Iso, ..usual });
    for origin in [Origin::Auth, Origin::Web, Origin::Ot] {
        let own = lines.iter().filter(|line| line.source == origin).map(|line| format!("{}\n", line.text));
        assert!(own.collect::<String>() == std::fs::read_to_string(folder.join(origin.file())).unwrap(), "{origin:?}");
    }
    let truth: String = truth.iter().map(|planted| format!("{}\n", planted.to_json())).collect();
    assert_eq!(truth, std::fs::read_to_string(folder.join("truth.jsonl")).unwrap());
}
