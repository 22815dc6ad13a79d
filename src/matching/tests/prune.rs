//! What is left out has no match: random programs over stored random events, and cases that must be left out.

use proptest::collection::vec;
use proptest::prelude::*;

use super::property::{alike, batch, event, rule_of};
use super::*;
use crate::archive::{self, Encoding, Skipped};
use crate::event::schema::Columns;
use crate::matching::Pruner;

/// Whether a stored batch is read for these rules.
fn is_read(rules: &Arc<Program>, events: &EventBatch, columns: &Columns, bloom: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.parquet");
    archive::write_file(&path, std::slice::from_ref(events), columns, &Encoding { bloom, ..Default::default() })
        .unwrap();
    let matcher = Matcher::new(rules);
    let mut pruner = Pruner::new(&matcher);
    let reader = archive::read(&path, Some(matcher.fields()), i64::MIN..=i64::MAX).unwrap();
    let mut reader = reader.only(Box::new(move |events| pruner.may_match(events)));
    let (mut read, mut scratch, mut found) = (0, Scratch::default(), Vec::new());
    for batch in &mut reader {
        let batch = batch.unwrap();
        read += batch.len();
        matcher.matches(&batch, &mut scratch, &mut found);
    }
    assert_eq!(read + reader.skipped().events as usize, events.len());
    let mut expected = Vec::new();
    matcher.matches(events, &mut Scratch::default(), &mut expected);
    assert_eq!(found, expected);
    read > 0
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_left_out_has_no_match(
        rules in vec(rule_of(), 1..4),
        events in prop_oneof![vec(event(), 1..4), vec(event(), 1..40), alike()],
        bloom in any::<bool>(),
        whole in any::<bool>(),
    ) {
        let events = batch(&events);
        let columns = if whole { Columns::all() } else { Columns::of(&events) };
        is_read(&Arc::new(Program::new(rules, Vec::new())), &events, &columns, bloom);
    }
}

fn logins() -> EventBatch {
    let mut b = BatchBuilder::new();
    for n in 0..100 {
        stamp(&mut b, n);
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        b.set_text(field::EVENT_ACTION, "ssh_login");
        b.set_text(field::USER_NAME, &format!("user{}", n % 7 * 2));
        b.set_ip(field::SOURCE_IP, &format!("10.0.{}.9", n % 50));
        b.set_number(field::SOURCE_PORT, 1000 + i128::from(n));
        if n % 2 == 0 {
            b.set_text(field::EVENT_OUTCOME, "failure");
        }
        b.end_row();
    }
    b.finish()
}

fn reads(predicate: Predicate) -> bool {
    let events = logins();
    let rules = Arc::new(Program::new(vec![single(predicate)], Vec::new()));
    is_read(&rules, &events, &Columns::of(&events), false)
}

#[test]
fn what_no_rule_can_match_is_not_read() {
    let not = |p| Predicate::Not(Box::new(p));
    let exists = |id| atom(column(id), Test::Exists);
    let network = |n: &str| atom(column(field::SOURCE_IP), Test::Network(vec![n.parse().unwrap()]));
    assert!(reads(equals(field::EVENT_ACTION, "SSH_Login")) && !reads(equals(field::EVENT_ACTION, "sudo")));
    assert!(reads(equals(field::EVENT_CATEGORY, "authentication")) && !reads(equals(field::EVENT_CATEGORY, "web")));
    assert!(
        !reads(not(equals(field::EVENT_ACTION, "ssh_login"))) && reads(not(equals(field::EVENT_OUTCOME, "failure")))
    );
    assert!(!reads(exists(field::PROCESS_NAME)) && reads(not(exists(field::PROCESS_NAME))));
    assert!(!reads(not(exists(field::SOURCE_PORT))) && reads(exists(field::EVENT_OUTCOME)));
    assert!(!reads(atom(column(field::SOURCE_PORT), Test::Range(2000, 3000))));
    assert!(!reads(not(atom(column(field::SOURCE_PORT), Test::Range(0, 3000)))));
    // Inside the range, and not among the values.
    assert!(reads(equals(field::USER_NAME, "user2")) && !reads(equals(field::USER_NAME, "user3")));
    assert!(
        !reads(atom(column(field::USER_NAME), like("*3", true)))
            && reads(atom(column(field::USER_NAME), like("*4", true)))
    );
    assert!(reads(network("10.0.7.0/24")) && !reads(network("10.0.70.0/24")));
    assert!(!reads(atom(FieldRef::Extra("x".into()), Test::Exists)) && !reads(Predicate::Constant(false)));
    let both = Predicate::And(vec![equals(field::EVENT_OUTCOME, "failure"), equals(field::USER_NAME, "root")]);
    let either = Predicate::Or(vec![equals(field::EVENT_OUTCOME, "failure"), equals(field::USER_NAME, "root")]);
    assert!(!reads(both) && reads(either));
}

#[test]
fn one_rule_that_may_match_is_enough() {
    let events = logins();
    let rules = ["sudo", "ssh_login"].map(|action| single(equals(field::EVENT_ACTION, action)));
    assert!(is_read(&Arc::new(Program::new(rules.into(), Vec::new())), &events, &Columns::of(&events), false));
}

#[test]
fn bloom_filters_are_asked() {
    let (events, folder) = (logins(), tempfile::tempdir().unwrap());
    for bloom in [false, true] {
        let path = folder.path().join(format!("{bloom}.parquet"));
        let encoding = Encoding { bloom, ..Encoding::default() };
        archive::write_file(&path, std::slice::from_ref(&events), &Columns::of(&events), &encoding).unwrap();
        let reader = archive::read(&path, None, i64::MIN..=i64::MAX).unwrap();
        let mut reader = reader.only(Box::new(move |events| {
            let may = |id, text| events.may_hold(&column(id), text);
            assert!(may(field::USER_NAME, "user4") && may(field::EVENT_CATEGORY, "web"));
            assert_eq!(may(field::USER_NAME, "somebody else"), !bloom);
            assert_eq!(events.texts(&column(field::USER_NAME)).unwrap().len(), 7);
            assert_eq!(events.texts(&column(field::EVENT_OUTCOME)).unwrap(), ["failure"]);
            assert!(events.texts(&column(field::PROCESS_NAME)).is_none());
            false
        }));
        assert!(reader.next().is_none() && reader.skipped() == Skipped { events: 100, latest: 99 });
    }
}
