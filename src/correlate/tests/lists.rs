//! Rules whose lists change, against a filter over all events that plain code keeps.

use super::*;
use crate::correlate::ListChange;
use crate::event::time::SECOND;
use crate::event::{BatchBuilder, EventBatch, field};
use crate::matching::{Matcher, Scratch, evaluate};
use crate::rule::plan::{List, Piece};

const SOURCE: FieldRef = FieldRef::Column(field::SOURCE_IP);
const DESTINATION: FieldRef = FieldRef::Column(field::DESTINATION_IP);
const TAGS: FieldRef = FieldRef::Column(field::TAGS);

/// What may stand in the lists.
const VALUES: [[&str; 5]; 2] = [
    ["10.0.0.1", "10.0.0.0/30", "10.0.0.2", "10.0.0.4/31", "2001:DB8::/32"],
    ["T1", "t2", "10.0.0.3", "10.0.0.1/31", "10.0.0.2/31"],
];

#[derive(Clone, Debug)]
struct Event {
    time: i64,
    id: u128,
    source: Option<u8>,
    destination: Option<u8>,
    kind: bool,
    tags: u8,
    key: u8,
}

fn rules() -> Vec<Rule> {
    let listed = |field: FieldRef, list| Predicate::Atom(Atom { field, test: Test::Listed(list) });
    let kind = || text(FieldRef::Column(field::EVENT_ACTION), &["x"]);
    let not = |p| Predicate::Not(Box::new(p));
    let keyless = |rule: Rule| Rule { key: vec![], steps: rule.steps.into_iter().map(bare).collect(), ..rule };
    let told = Template { pieces: vec![Piece::Value { step: None, slot: 0 }] };
    let either = Predicate::Or(vec![
        Predicate::And(vec![kind(), listed(SOURCE, 0)]),
        Predicate::And(vec![not(kind()), not(listed(TAGS, 1)), Predicate::Constant(true)]),
    ]);
    let a = keyless(rule("a", 0, Form::Single, vec![Predicate::And(vec![kind(), listed(DESTINATION, 0)])], 0));
    let counted = Form::Threshold { within: 10 * SECOND, count: 2 };
    let chain = vec![listed(SOURCE, 0), Predicate::And(vec![kind(), not(listed(DESTINATION, 1))]), not(kind())];
    vec![
        Rule { retro: 20 * SECOND, payload: vec![SOURCE], title: told, ..a },
        Rule { retro: 30 * SECOND, ..keyless(rule("b", 0, Form::Single, vec![either], 0)) },
        Rule { retro: 20 * SECOND, ..rule("c", 0, counted.clone(), vec![listed(DESTINATION, 1)], 3 * SECOND) },
        Rule { retro: 10 * SECOND, ..rule("d", 0, Form::sequence(15 * SECOND, [1, 1], Some(2)), chain, 0) },
        rule("e", 0, counted, vec![kind()], 0),
    ]
}

fn bare(step: Step) -> Step {
    Step { key: vec![], ..step }
}

/// The lists with these values.
fn lists(held: &[[bool; 5]; 2]) -> Vec<List> {
    let list = |n: usize| {
        let values = VALUES[n].iter().zip(held[n]).filter(|(_, held)| *held).map(|(v, _)| v.to_lowercase());
        let values: rustc_hash::FxHashSet<String> = values.collect();
        let networks = Arc::new(values.iter().filter_map(|v| v.parse().ok()).collect());
        List { values: Arc::new(values), networks, ..List::default() }
    };
    vec![list(0), list(1)]
}

fn batch(events: &[Event]) -> EventBatch {
    let mut builder = BatchBuilder::new();
    for event in events {
        builder.set_time(field::TIMESTAMP, event.time);
        builder.set_id(EventId::from_bits(event.id));
        for (field, address) in [(field::SOURCE_IP, event.source), (field::DESTINATION_IP, event.destination)] {
            let text = |a: u8| if a == 5 { "2001:db8::7".to_owned() } else { format!("10.0.0.{a}") };
            if let Some(address) = address {
                builder.set_ip(field, &text(address));
            }
        }
        builder.set_text(field::EVENT_ACTION, if event.kind { "x" } else { "y" });
        let tags = ["t1", "T2", "t3"].into_iter().enumerate().filter(|(n, _)| event.tags >> n & 1 == 1);
        builder.set_list(field::TAGS, &tags.map(|(_, tag)| tag).collect::<Vec<_>>());
        builder.set_extra("k", &event.key.to_string());
        builder.end_row();
    }
    builder.finish()
}

fn matched(matcher: &Matcher, events: &[Event]) -> Vec<MatchRow> {
    let mut rows = Vec::new();
    matcher.matches(&batch(events), &mut Scratch::default(), &mut rows);
    rows
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let address = || prop::option::of(0u8..6);
    let one = (0i64..120, address(), address(), any::<bool>(), 0u8..8, 0u8..2);
    prop::collection::vec(one, 1..40).prop_map(|all| {
        let event = |(id, (time, source, destination, kind, tags, key)): (usize, _)| {
            let (time, id) = (time * SECOND / 2, id as u128 * 7919 % 64);
            Event { time, id, source, destination, kind, tags, key }
        };
        all.into_iter().enumerate().map(event).collect()
    })
}

/// When (before which bundle), which list, which value, and whether it comes or goes.
type Change = (usize, usize, usize, bool);

fn change((_, list, value, present): Change) -> ListChange {
    // Case makes no difference.
    let text = if present { VALUES[list][value].to_lowercase() } else { VALUES[list][value].to_uppercase() };
    ListChange { list: list as u32, value: text, present }
}

struct Case {
    bundles: Vec<Vec<Event>>,
    changes: Vec<Change>,
    slack: i64,
}

impl Case {
    fn watermarks(&self) -> Vec<i64> {
        let later = |at: usize| self.bundles[at + 1..].iter().flatten().map(|e| e.time).min();
        (0..self.bundles.len()).map(|at| later(at).unwrap_or(100 * SECOND) - self.slack).collect()
    }

    fn changes(&self, bundle: usize) -> impl Iterator<Item = Change> {
        self.changes.iter().copied().filter(move |(at, ..)| *at == bundle)
    }

    fn run(&self, workers: usize) -> Answer {
        let program = Arc::new(Program::new(rules(), lists(&[[false; 5]; 2])));
        let matcher = Matcher::live(&program);
        let (mut input, mut outputs) = start(program, workers, Emit::Running).unwrap();
        let mut answer = Answer::new();
        for (at, (events, watermark)) in self.bundles.iter().zip(self.watermarks()).enumerate() {
            input.change_lists(self.changes(at).map(change));
            input.send(matched(&matcher, events), watermark).unwrap();
            sum(&mut answer, outputs.receive().unwrap().unwrap().changes);
        }
        drop(input);
        assert!(outputs.receive().unwrap().is_none());
        answer
    }

    /// Every event is judged when it comes, and again whenever a list changes while it is within the rule's reach.
    fn expected(&self) -> Answer {
        let mut held = [[false; 5]; 2];
        let mut program = Arc::new(Program::new(rules(), lists(&held)));
        let mut seen: Vec<Event> = Vec::new();
        let mut judged: BTreeMap<(u32, u128), Vec<MatchRow>> = BTreeMap::new();
        let mut before = i64::MIN;
        for (at, (events, watermark)) in self.bundles.iter().zip(self.watermarks()).enumerate() {
            let mut changed = false;
            for (_, list, value, present) in self.changes(at) {
                held[list][value] = present;
                changed = true;
            }
            program = Arc::new(Program::new(rules(), lists(&held)));
            for (number, rule) in program.rules.iter().enumerate() {
                let reached = |e: &&Event| changed && rule.retro > 0 && e.time >= before.saturating_sub(rule.retro);
                for event in seen.iter().filter(reached).chain(events) {
                    judged.insert((number as u32, event.id), judge(&program, number as u32, event));
                }
            }
            seen.extend_from_slice(events);
            before = before.max(watermark);
        }
        let rows = in_order(judged.into_values().flatten().collect());
        run(&program, &rows, usize::MAX, 0, (Emit::Final, 1))
    }
}

/// The row of a rule on an event, if there is one.
fn judge(program: &Program, number: u32, event: &Event) -> Vec<MatchRow> {
    let (rule, batch) = (&program.rules[number as usize], batch(std::slice::from_ref(event)));
    let holds = |step: &Step| evaluate(&program.fixed(&step.predicate), &batch, 0);
    let steps = rule.steps.iter().enumerate().map(|(i, step)| u32::from(holds(step)) << i).sum();
    let (group, hits) = program.place(number, steps);
    let key = event.key.to_string();
    let key = if rule.key.is_empty() { Tuple::default() } else { Tuple::new([Some(key.as_str())]) };
    let source = batch.text(field::SOURCE_IP, 0);
    let values = if rule.payload.is_empty() { Tuple::default() } else { Tuple::new([source]) };
    let row = MatchRow { group, hits, time: event.time, id: EventId::from_bits(event.id), key, values };
    if steps == 0 { vec![] } else { vec![row] }
}

fn case() -> impl Strategy<Value = Case> {
    let changes = prop::collection::vec((0usize..12, 0usize..2, 0usize..5, any::<bool>()), 0..25);
    (events(), changes, any::<u64>(), 1usize..8, 0i64..10, any::<bool>()).prop_map(
        |(mut events, changes, seed, bundle, slack, shuffled)| {
            match shuffled {
                true => events.sort_by_key(|e| (e.id as u64 ^ (e.time as u64) << 7).wrapping_mul(seed | 1)),
                false => events.sort_by_key(|e| (e.time, e.id)),
            }
            let bundles = events.chunks(bundle).map(<[Event]>::to_vec).collect();
            Case { bundles, changes, slack: slack * SECOND }
        },
    )
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {}", self.bundles, self.changes, self.slack)
    }
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn a_change_of_a_list_changes_the_past_within_reach(case in case()) {
        prop_assert_eq!(case.run(1), case.expected());
    }
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn lists_change_alike_on_all_workers(case in case()) {
        prop_assert_eq!(case.run(3), case.run(1));
    }

    #[test]
    fn lists_that_stay_are_looked_at_when_events_are_matched(events in events(), held in any::<[[bool; 5]; 2]>()) {
        let program = Arc::new(Program::new(rules(), lists(&held)));
        let exact = in_order(matched(&Matcher::new(&program), &events));
        let finite = run(&program, &exact, usize::MAX, 0, (Emit::Final, 1));
        let (mut input, mut outputs) = start(program.clone(), 1, Emit::Running).unwrap();
        input.send(matched(&Matcher::live(&program), &events), 0).unwrap();
        let mut running = Answer::new();
        drop(input);
        sum(&mut running, outputs.receive().unwrap().unwrap().changes);
        prop_assert_eq!(running, finite);
    }
}
