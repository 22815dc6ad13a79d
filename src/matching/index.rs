//! Text tests of all rules on one field, compiled together: a value in, the atoms it satisfies out.
//!
//! Equalities are hash look-ups; wildcards and regular expressions wait behind one automaton that
//! finds their literals in the folded value; what has no literal is tried on every value.

use std::net::IpAddr;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::{Regex, RegexBuilder};
use rustc_hash::{FxHashMap, FxHashSet};

use super::literal;
use super::network::NetworkIndex;
use super::text::{Like, fold, fold_into};
use crate::event::batch::LIST_SEPARATOR;
use crate::rule::plan::{Network, mapped};

/// Longer lists of values are probed where they lie instead of being copied into the field's map.
const LARGE_LIST: usize = 1_000;
/// Bytes a compiled expression may take. The rule compiler has its own, smaller limit; this one only has to be above it.
const REGEX_BYTES: usize = 64 << 20;
/// Up to this many bytes of literals the automaton is a table, which takes about 256 bytes for each of them. It is
/// 1.4 times as fast as the compact form until it falls out of the cache (measured: 3,000 rules, 60 kB, gain little).
const TABLE_LITERALS: usize = 32 << 10;

/// What is asked of a field's values, being gathered.
#[derive(Debug, Default)]
pub(super) struct TextIndexBuilder {
    exact: FxHashMap<String, Vec<u32>>,
    folded: FxHashMap<String, Vec<u32>>,
    large: Vec<(Arc<FxHashSet<String>>, bool, u32)>,
    checks: Vec<Check>,
    /// Literal → checks it calls for.
    literals: FxHashMap<String, Vec<u32>>,
    always: Vec<u32>,
    networks: NetworkIndex,
}

/// The compiled form.
#[derive(Debug)]
pub(super) struct TextIndex {
    list: bool,
    exact: FxHashMap<String, Vec<u32>>,
    folded: FxHashMap<String, Vec<u32>>,
    /// (values, ignore case, atom).
    large: Vec<(Arc<FxHashSet<String>>, bool, u32)>,
    automaton: Option<AhoCorasick>,
    /// Checks each literal of the automaton calls for.
    calls: Vec<Vec<u32>>,
    checks: Vec<Check>,
    /// Checks of every value.
    always: Vec<u32>,
    networks: NetworkIndex,
    folds: bool,
}

#[derive(Debug)]
struct Check {
    atom: u32,
    verify: Verify,
}

#[derive(Debug)]
enum Verify {
    /// The literal is all there is to it.
    Found,
    Folded(Like),
    Exact(Like),
    Regex(Box<Regex>),
}

/// Buffers for look-ups, one a thread.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    folded: String,
    /// For each literal and each check: the last value it was seen for.
    literals: Vec<u64>,
    checks: Vec<u64>,
    now: u64,
}

impl TextIndexBuilder {
    /// Equality with any of the values.
    pub(super) fn one_of(&mut self, values: &Arc<FxHashSet<String>>, ignore_case: bool, atom: u32) {
        if values.len() > LARGE_LIST {
            let fits =
                !ignore_case || values.iter().all(|v| v.is_ascii() && !v.bytes().any(|b| b.is_ascii_uppercase()));
            let values = if fits { values.clone() } else { Arc::new(values.iter().map(|v| fold(v)).collect()) };
            self.large.push((values, ignore_case, atom));
            return;
        }
        for value in values.iter() {
            self.equal(value, ignore_case, atom);
        }
    }

    fn equal(&mut self, value: &str, ignore_case: bool, atom: u32) {
        let (map, value) =
            if ignore_case { (&mut self.folded, fold(value)) } else { (&mut self.exact, value.to_owned()) };
        let atoms = map.entry(value).or_default();
        if atoms.last() != Some(&atom) {
            atoms.push(atom);
        }
    }

    /// A wildcard pattern.
    pub(super) fn like(&mut self, pattern: &str, ignore_case: bool, atom: u32) {
        let like = if ignore_case { Like::new(&fold(pattern)) } else { Like::new(pattern) };
        if let Some(value) = like.equal_to() {
            return self.equal(&value, ignore_case, atom);
        }
        let literal = fold(&like.longest_literal());
        let verify = match ignore_case {
            true if like.is_contains() && !literal.is_empty() => Verify::Found,
            true => Verify::Folded(like),
            false => Verify::Exact(like),
        };
        let literals = if literal.is_empty() { None } else { Some(vec![literal]) };
        self.check(Check { atom, verify }, literals);
    }

    /// A regular expression, which the rule compiler has checked.
    pub(super) fn regex(&mut self, pattern: &str, atom: u32) {
        let regex = RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
        let regex = regex.expect("the rule compiler accepts no regular expression that does not compile");
        self.check(Check { atom, verify: Verify::Regex(Box::new(regex)) }, literal::required(pattern));
    }

    fn check(&mut self, check: Check, literals: Option<Vec<String>>) {
        let number = self.checks.len() as u32;
        self.checks.push(check);
        match literals {
            None => self.always.push(number),
            Some(literals) => literals.into_iter().for_each(|l| self.literals.entry(l).or_default().push(number)),
        }
    }

    /// Addresses in any of the networks.
    pub(super) fn networks(&mut self, networks: &[Network], atom: u32) {
        networks.iter().for_each(|n| self.networks.insert(*n, atom));
    }

    /// Compiles what was gathered; the values of a list field are tested element by element.
    pub(super) fn finish(self, list: bool) -> TextIndex {
        let mut literals: Vec<_> = self.literals.into_iter().collect();
        literals.sort_unstable();
        let bytes: usize = literals.iter().map(|(l, _)| l.len()).sum();
        let kind = if bytes <= TABLE_LITERALS { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let automaton = (!literals.is_empty()).then(|| {
            let build = |kind| {
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .kind(Some(kind))
                    .build(literals.iter().map(|(l, _)| l))
            };
            build(kind)
                .or_else(|_| build(AhoCorasickKind::NoncontiguousNFA))
                .expect("the literals of all rules on a field are far from 2 GiB")
        });
        let folds = automaton.is_some()
            || !self.folded.is_empty()
            || self.large.iter().any(|(_, ignore_case, _)| *ignore_case)
            || self.always.iter().any(|c| matches!(self.checks[*c as usize].verify, Verify::Folded(_)));
        TextIndex {
            list,
            exact: self.exact,
            folded: self.folded,
            large: self.large,
            automaton,
            calls: literals.into_iter().map(|(_, checks)| checks).collect(),
            checks: self.checks,
            always: self.always,
            networks: self.networks,
            folds,
        }
    }
}

impl TextIndex {
    /// Sets `out` to the atoms that the value satisfies: sorted, each once.
    pub(super) fn hits(&self, value: &str, lookup: &mut Lookup, out: &mut Vec<u32>) {
        out.clear();
        if self.list {
            value.split(LIST_SEPARATOR).for_each(|element| self.element(element, lookup, out));
        } else {
            self.element(value, lookup, out);
        }
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
    }

    fn element(&self, value: &str, lookup: &mut Lookup, out: &mut Vec<u32>) {
        if self.folds {
            fold_into(value, &mut lookup.folded);
        }
        if let Some(atoms) = self.exact.get(value) {
            out.extend_from_slice(atoms);
        }
        if !self.folded.is_empty()
            && let Some(atoms) = self.folded.get(&lookup.folded)
        {
            out.extend_from_slice(atoms);
        }
        for (values, ignore_case, atom) in &self.large {
            if values.contains(if *ignore_case { lookup.folded.as_str() } else { value }) {
                out.push(*atom);
            }
        }
        if !self.networks.is_empty()
            && let Ok(address) = value.parse::<IpAddr>()
        {
            self.networks.hits(mapped(address), out);
        }
        for check in &self.always {
            self.verify(*check, value, &lookup.folded, out);
        }
        if let Some(automaton) = &self.automaton {
            self.literals(automaton, value, lookup, out);
        }
    }

    fn literals(&self, automaton: &AhoCorasick, value: &str, lookup: &mut Lookup, out: &mut Vec<u32>) {
        let Lookup { folded, literals, checks, now } = lookup;
        *now += 1;
        if literals.len() < self.calls.len() {
            literals.resize(self.calls.len(), 0);
        }
        if checks.len() < self.checks.len() {
            checks.resize(self.checks.len(), 0);
        }
        for found in automaton.find_overlapping_iter(folded.as_str()) {
            let literal = found.pattern().as_usize();
            if std::mem::replace(&mut literals[literal], *now) == *now {
                continue;
            }
            for check in &self.calls[literal] {
                if std::mem::replace(&mut checks[*check as usize], *now) != *now {
                    self.verify(*check, value, folded, out);
                }
            }
        }
    }

    fn verify(&self, check: u32, value: &str, folded: &str, out: &mut Vec<u32>) {
        let check = &self.checks[check as usize];
        let holds = match &check.verify {
            Verify::Found => true,
            Verify::Folded(like) => like.matches(folded),
            Verify::Exact(like) => like.matches(value),
            Verify::Regex(regex) => regex.is_match(value),
        };
        if holds {
            out.push(check.atom);
        }
    }
}
