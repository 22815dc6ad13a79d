//! Random programs over random batches: the matcher gives what the reference evaluator gives.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::rule::plan::Network;

const TEXTS: [FieldId; 6] =
    [field::EVENT_ACTION, field::USER_NAME, field::EVENT_CATEGORY, field::TAGS, field::MESSAGE, field::EVENT_ORIGINAL];
const NUMBERS: [FieldId; 6] = [
    field::SOURCE_PORT,
    field::PROCESS_PID,
    field::SOURCE_BYTES,
    field::EVENT_SEVERITY,
    field::EVENT_INGESTED,
    field::TIMESTAMP,
];
const ADDRESSES: [&str; 7] =
    ["10.0.0.1", "10.0.1.1", "10.1.0.1", "192.168.0.9", "2001:db8::1", "2001:db9::1", "::ffff:10.0.0.1"];
const NETWORKS: [&str; 7] =
    ["10.0.0.0/8", "10.0.0.0/16", "10.0.1.0/24", "10.0.0.1", "2001:db8::/32", "::/0", "0.0.0.0/0"];
const VALUES: [i128; 12] =
    [0, 1, 2, 22, 80, 65_535, -1, -7, 1 << 40, i64::MAX as i128, i64::MIN as i128, u64::MAX as i128];
const REGEXES: [&str; 12] =
    ["a.*b", "(?i)ks", "^a", "b$", "[ab]k", "(?:ab|sk)+", "a{2}", r"\bs", "(?i)[ſx]", "(?s)k.a", "(?i)σa|bb", ""];

/// Short texts of few letters, so that much is equal, or equal but for case.
fn short() -> impl Strategy<Value = String> {
    vec(
        select(vec![
            "a", "A", "b", "B", "s", "S", "ſ", "k", "K", "K", "σ", "Σ", "ς", "İ", "i", "é", "É", "*", "\\", "\n",
        ]),
        0..6,
    )
    .prop_map(|parts| parts.concat())
}

fn pattern() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "s", "k", "σ", "i", "É", "A", "*", "*", "?", r"\*", r"\"]), 0..6).prop_map(|p| p.concat())
}

fn field_of() -> impl Strategy<Value = FieldRef> {
    prop_oneof![
        4 => select(TEXTS.to_vec()).prop_map(FieldRef::Column),
        2 => select(NUMBERS.to_vec()).prop_map(FieldRef::Column),
        1 => Just(FieldRef::Column(field::SOURCE_IP)),
        1 => select(vec!["x", "y"]).prop_map(|n| FieldRef::Extra(n.into())),
    ]
}

fn test_of(field: &FieldRef) -> BoxedStrategy<Test> {
    let text = prop_oneof![
        (vec(short(), 0..4), any::<bool>()).prop_map(|(values, fold)| {
            let values = values.into_iter().map(|v| if fold { v.to_lowercase() } else { v });
            Test::OneOf { values: Arc::new(values.collect()), fold }
        }),
        (pattern(), any::<bool>())
            .prop_map(|(p, fold)| Test::Like { pattern: if fold { p.to_lowercase() } else { p }, fold }),
        select(REGEXES.to_vec()).prop_map(|p| Test::Regex(p.into())),
        short().prop_map(|p| Test::Regex(regex::escape(&p))),
    ];
    let number = prop_oneof![
        (select(VALUES.to_vec()), select(VALUES.to_vec())).prop_map(|(a, b)| Test::Range(a, b)),
        select(VALUES.to_vec()).prop_map(|a| Test::Range(a, i128::MAX)),
        vec(select(VALUES.to_vec()), 0..4).prop_map(|mut v| {
            v.sort_unstable();
            Test::Numbers(v)
        }),
    ];
    let address = prop_oneof![
        vec(select(NETWORKS.to_vec()), 0..3)
            .prop_map(|n| Test::Network(n.iter().map(|n| n.parse::<Network>().unwrap()).collect())),
        vec(select(ADDRESSES.to_vec()), 0..3)
            .prop_map(|v| Test::OneOf { values: Arc::new(v.iter().map(|a| (*a).to_owned()).collect()), fold: true }),
    ];
    let own = match field.ty() {
        Type::Ip => address.boxed(),
        Type::Text | Type::TextList | Type::LongText => text.boxed(),
        Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => number.boxed(),
    };
    prop_oneof![6 => own, 1 => Just(Test::Exists)].boxed()
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let leaf = prop_oneof![
        12 => field_of().prop_flat_map(|field| {
            test_of(&field).prop_map(move |test| Predicate::Atom(Atom { field: field.clone(), test }))
        }),
        1 => any::<bool>().prop_map(Predicate::Constant),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Predicate::And),
            vec(inner.clone(), 0..4).prop_map(Predicate::Or),
            inner.prop_map(|p| Predicate::Not(Box::new(p))),
        ]
    })
}

pub(super) fn rule_of() -> impl Strategy<Value = Rule> {
    let steps = vec((predicate(), vec(field_of(), 0..3)), 1..4);
    (steps, vec(field_of(), 0..4), 0..4u8).prop_map(|(steps, payload, form)| {
        let steps: Vec<Step> = steps.into_iter().map(|(predicate, key)| Step { name: None, predicate, key }).collect();
        let form = match form {
            0 => Form::Single,
            1 => Form::Threshold { within: 1, count: 1 },
            2 if !payload.is_empty() => Form::Distinct { within: 1, count: 1, slot: payload.len() - 1 },
            _ => Form::sequence(1, vec![1; steps.len()], None),
        };
        Rule { payload, ..rule(form, steps, &[]) }
    })
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    texts: Vec<Option<String>>,
    list: Option<Vec<String>>,
    numbers: Vec<Option<i128>>,
    address: Option<&'static str>,
    offset: Option<u8>,
    extra: Vec<Option<String>>,
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    (
        vec(proptest::option::weighted(0.7, short()), TEXTS.len()),
        proptest::option::of(vec(short(), 1..4)),
        vec(proptest::option::weighted(0.7, select(VALUES.to_vec())), NUMBERS.len()),
        proptest::option::of(select(ADDRESSES.to_vec())),
        proptest::option::of(0..5u8),
        vec(proptest::option::of(short()), 2),
    )
        .prop_map(|(texts, list, numbers, address, offset, extra)| Event {
            texts,
            list,
            numbers,
            address,
            offset,
            extra,
        })
}

pub(super) fn batch(events: &[Event]) -> EventBatch {
    let mut b = BatchBuilder::new();
    for (row, event) in events.iter().enumerate() {
        stamp(&mut b, row as i64);
        for (id, text) in TEXTS.iter().zip(&event.texts) {
            if let Some(text) = text {
                b.set_text(*id, text);
            }
        }
        if let Some(list) = &event.list {
            b.set_list(field::TAGS, &list.iter().map(String::as_str).collect::<Vec<_>>());
        }
        for (id, number) in NUMBERS.iter().zip(&event.numbers) {
            if let Some(number) = number {
                b.set_number(*id, *number);
            }
        }
        if let Some(address) = event.address {
            b.set_ip(field::SOURCE_IP, address);
        }
        if let Some(offset) = event.offset {
            b.set_number(field::LOG_MESSAGE_OFFSET, offset.into());
        }
        for (name, value) in ["x", "y"].iter().zip(&event.extra) {
            if let Some(value) = value {
                b.set_extra(name, value);
            }
        }
        b.end_row();
    }
    b.finish()
}

/// All rows equal, many columns constant: what the short cuts are for.
pub(super) fn alike() -> impl Strategy<Value = Vec<Event>> {
    (event(), 1..140usize).prop_map(|(event, count)| vec![event; count])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_matcher_is_the_evaluator(
        rules in vec(rule_of(), 1..12),
        first in vec(event(), 0..150),
        second in prop_oneof![vec(event(), 0..40), alike()],
        cut in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let program = Program::new(rules, Vec::new());
        let (matcher, mut scratch) = (Matcher::new(&program), Scratch::default());
        let first = batch(&first);
        let rows: Vec<u32> = cut.iter().filter(|_| !first.is_empty()).map(|i| i.index(first.len()) as u32).collect();
        // The cut keeps the dictionaries of the whole; the last one meets a scratch that knows it all.
        let cut = first.take(&rows);
        let mut expected = [&cut, &first, &batch(&second)].map(|b| (b.clone(), naive(&program, b))).to_vec();
        expected.extend_from_within(..2);
        for (batch, expected) in expected {
            prop_assert_eq!(found(&program, &matcher, &mut scratch, &batch), expected);
        }
    }
}
