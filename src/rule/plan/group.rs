//! Groups: rules that look at events by the same key share the rows that matching makes of them.
//!
//! A row belongs to one group and says by a bit mask which steps of which of its rules an event
//! satisfies. Ten rules that count by `source.ip` thus cost one row an event.

use super::{FieldRef, Form, Rule};

/// How many steps a group has room for: the bits of a row's mask.
const BITS: u32 = u64::BITS;

/// Rules that share rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whether its rules are [`Form::Single`]; a group has only such rules or none.
    pub single: bool,
    /// [`Rule::level`] of its rules.
    pub level: u32,
    /// What its rows carry as values: [`Rule::payload`] of those of its rules that have one.
    pub payload: Vec<FieldRef>,
    /// Its rules, by where their bits start.
    pub members: Vec<Member>,
    key: Key,
    used: u32,
}

/// A rule in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Position in [`Program::rules`](super::Program::rules).
    pub rule: u32,
    /// Where its bits start: the i-th step has the bit `shift + i`.
    pub shift: u32,
    /// As many ones as it has steps.
    pub mask: u64,
    /// Whether it has a payload; else a row's values are not its.
    pub values: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// The same fields in all steps.
    Shared(Vec<FieldRef>),
    /// Different fields: such a rule has a group of its own, so that what an event gives it under one key is one row.
    /// So has one with [`Rule::retro`], whose rows from matching have the bits of its [`Retro::tests`](super::Retro::tests).
    Mixed,
}

impl Group {
    /// The rules that a mask names, each with its steps: bit i for the i-th.
    pub fn hits(&self, mut hits: u64) -> impl Iterator<Item = (&Member, u32)> {
        std::iter::from_fn(move || {
            if hits == 0 {
                return None;
            }
            let bit = hits.trailing_zeros();
            let at = self.members.partition_point(|m| m.shift <= bit) - 1;
            let member = &self.members[at];
            let steps = (hits >> member.shift) & member.mask;
            hits &= !(member.mask << member.shift);
            Some((member, steps as u32))
        })
    }

    fn takes(&self, rule: &Rule, key: &Key) -> bool {
        let fits = self.used + rule.steps.len() as u32 <= BITS;
        let payload = rule.payload.is_empty() || self.payload.is_empty() || rule.payload == self.payload;
        let alike = self.single == (rule.form == Form::Single) && self.level == rule.level;
        fits && payload && alike && self.key == *key && *key != Key::Mixed
    }

    fn add(&mut self, number: u32, rule: &Rule) -> Member {
        let steps = rule.steps.len() as u32;
        let mask = if steps == BITS { u64::MAX } else { (1 << steps) - 1 };
        let member = Member { rule: number, shift: self.used, mask, values: !rule.payload.is_empty() };
        self.used += steps;
        self.members.push(member);
        if member.values {
            self.payload.clone_from(&rule.payload);
        }
        member
    }
}

/// The groups of these rules, and for each rule its group and where its bits start there.
pub(super) fn groups(rules: &[Rule]) -> (Vec<Group>, Vec<(u32, u32)>) {
    let mut groups: Vec<Group> = Vec::new();
    // For each kind of key the groups that may have room, so that thousands of rules are placed in linear time.
    let mut open: rustc_hash::FxHashMap<(bool, u32, &[FieldRef], bool), Vec<u32>> = rustc_hash::FxHashMap::default();
    let mut places = Vec::with_capacity(rules.len());
    for (number, rule) in rules.iter().enumerate() {
        let single = rule.form == Form::Single;
        let first = rule.steps.first().map_or(&[][..], |s| &s.key);
        // So has a rule with lists that change: its rows are candidates, with bits of their own.
        let mixed = rule.retro > 0 || !single && rule.steps.iter().any(|s| s.key != first);
        let fields = if single || mixed { &[][..] } else { first };
        let key = if mixed { Key::Mixed } else { Key::Shared(fields.to_vec()) };
        let candidates = open.entry((single, rule.level, fields, mixed)).or_default();
        let found = candidates.iter().copied().find(|g| groups[*g as usize].takes(rule, &key));
        let at = found.unwrap_or_else(|| {
            let (payload, members) = (Vec::new(), Vec::new());
            groups.push(Group { single, level: rule.level, payload, members, key, used: 0 });
            let new = groups.len() as u32 - 1;
            candidates.push(new);
            new
        });
        let group = &mut groups[at as usize];
        places.push((at, group.add(number as u32, rule).shift));
        if group.used == BITS {
            candidates.retain(|g| *g != at);
        }
    }
    (groups, places)
}
