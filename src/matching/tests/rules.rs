//! Rows of whole rules: keys, steps, payloads, and what a thread keeps between batches.

use super::*;

fn login(user: &str, ip: Option<&str>, outcome: &str) -> impl Fn(&mut BatchBuilder) {
    let (user, ip, outcome) = (user.to_owned(), ip.map(str::to_owned), outcome.to_owned());
    move |b| {
        b.set_list(field::EVENT_CATEGORY, &["authentication"]);
        b.set_text(field::EVENT_OUTCOME, &outcome);
        if !user.is_empty() {
            b.set_text(field::USER_NAME, &user);
        }
        if let Some(ip) = &ip {
            b.set_ip(field::SOURCE_IP, ip);
        }
    }
}

fn logins() -> EventBatch {
    events(&[
        &login("root", Some("10.0.0.1"), "failure"),
        &login("", Some("10.0.0.1"), "failure"),
        &login("root", None, "failure"),
        &login("admin", Some("10.0.0.2"), "success"),
    ])
}

fn failed() -> Predicate {
    Predicate::And(vec![equals(field::EVENT_CATEGORY, "authentication"), equals(field::EVENT_OUTCOME, "failure")])
}

fn parts(rows: &[Found]) -> Vec<(i64, u32, &str, &str)> {
    rows.iter().map(|r| (r.time, r.steps, r.key.0.as_str(), r.values.0.as_str())).collect()
}

#[test]
fn an_event_without_the_key_takes_no_part() {
    let form = Form::Threshold { within: 5, count: 2 };
    let found = run(vec![rule(form, vec![step(failed(), &[field::SOURCE_IP])], &[])], &logins());
    assert_eq!(parts(&found), [(0, 1, "10.0.0.1", ""), (1, 1, "10.0.0.1", "")]);
    assert_eq!(found[0].id, EventId::new(0, b"event", 0));
}

#[test]
fn a_single_rule_has_no_key_but_values() {
    let found = run(vec![rule(Form::Single, vec![step(failed(), &[])], &[field::USER_NAME])], &logins());
    assert_eq!(parts(&found), [(0, 1, "", "root"), (1, 1, "", "\0"), (2, 1, "", "root")]);
}

#[test]
fn an_event_without_the_counted_value_takes_no_part() {
    let form = Form::Distinct { within: 5, count: 2, slot: 1 };
    let payload = [field::SOURCE_PORT, field::USER_NAME];
    let found = run(vec![rule(form, vec![step(failed(), &[field::SOURCE_IP])], &payload)], &logins());
    assert_eq!(parts(&found), [(0, 1, "10.0.0.1", "\0\u{1f}root")]);
}

#[test]
fn steps_of_one_key_share_a_row() {
    let form = Form::sequence(5, [1, 1], Some(2));
    let success = equals(field::EVENT_OUTCOME, "success");
    let root = equals(field::USER_NAME, "ROOT".to_lowercase().as_str());
    let key = &[field::SOURCE_IP];
    let steps = vec![step(failed(), key), step(success, key), step(root, key)];
    let found = run(vec![rule(form, steps, &[field::EVENT_CATEGORY])], &logins());
    let category = "authentication";
    assert_eq!(
        parts(&found),
        [(0, 0b101, "10.0.0.1", category), (1, 0b001, "10.0.0.1", category), (3, 0b010, "10.0.0.2", category)]
    );
}

#[test]
fn steps_of_different_keys_have_a_row_each() {
    let batch = events(&[
        &|b| {
            b.set_text(field::USER_NAME, "ann");
            b.set_text(field::USER_TARGET_NAME, "bob");
        },
        &|b| {
            b.set_text(field::USER_NAME, "cyd");
            b.set_text(field::USER_TARGET_NAME, "cyd");
        },
        &|b| b.set_text(field::USER_NAME, "dan"),
    ]);
    let form = Form::sequence(5, [1, 1], None);
    let always = || Predicate::Constant(true);
    let steps = vec![step(always(), &[field::USER_TARGET_NAME]), step(always(), &[field::USER_NAME])];
    let found = run(vec![rule(form, steps, &[])], &batch);
    assert_eq!(parts(&found), [(0, 1, "bob", ""), (0, 2, "ann", ""), (1, 3, "cyd", ""), (2, 2, "dan", "")]);
}

#[test]
fn keys_and_values_of_every_type() {
    let batch = events(&[&|b| {
        b.set_list(field::EVENT_CATEGORY, &["iam", "web"]);
        b.set_number(field::SOURCE_PORT, 22);
        b.set_text(field::MESSAGE, "a message");
    }]);
    let payload = [
        field::EVENT_CATEGORY,
        field::SOURCE_PORT,
        field::MESSAGE,
        field::TIMESTAMP,
        field::USER_NAME,
        field::EVENT_ID,
    ];
    let form = Form::Threshold { within: 1, count: 1 };
    let key = [field::EVENT_CATEGORY, field::SOURCE_PORT];
    let found = run(vec![rule(form, vec![step(Predicate::Constant(true), &key)], &payload)], &batch);
    let value = |i| found[0].values.get(i);
    assert_eq!(found[0].key.0, "iam, web\u{1f}22");
    assert_eq!(value(0).as_deref(), Some("iam, web"));
    assert_eq!(value(1).as_deref(), Some("22"));
    assert_eq!(value(2).as_deref(), Some("a message"));
    assert_eq!(value(3).as_deref(), Some("1970-01-01T00:00:00.000000Z"));
    assert_eq!((value(4), value(5)), (None, Some(found[0].id.to_string())));
}

#[test]
fn rows_come_by_rule_and_then_by_row() {
    let any = || Predicate::Constant(true);
    let found = run(vec![single(any()), single(Predicate::Constant(false)), single(any())], &logins());
    let order: Vec<_> = found.iter().map(|r| (r.rule, r.time)).collect();
    assert_eq!(order, [(0, 0), (0, 1), (0, 2), (0, 3), (2, 0), (2, 1), (2, 2), (2, 3)]);
}

#[test]
fn a_scratch_may_go_from_one_matcher_to_another() {
    let (batch, mut scratch) = (logins(), Scratch::default());
    for value in ["root", "admin", "root"] {
        let program = Program::new(vec![single(equals(field::USER_NAME, value))], Vec::new());
        assert_eq!(found(&program, &Matcher::new(&program), &mut scratch, &batch), naive(&program, &batch));
    }
}

#[test]
fn threads_share_a_matcher() {
    let program = Program::new(vec![single(failed())], Vec::new());
    let (matcher, batch) = (Matcher::new(&program), logins());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut out = Vec::new();
                matcher.matches(&batch, &mut Scratch::default(), &mut out);
                assert_eq!(out.len(), 3);
            });
        }
    });
}

#[test]
fn nothing_loaded_and_nothing_to_match() {
    assert_eq!(run(Vec::new(), &logins()), []);
    assert_eq!(run(vec![single(Predicate::Constant(true))], &BatchBuilder::new().finish()), []);
    assert_eq!(rows(Predicate::And(Vec::new()), &logins()), [0, 1, 2, 3]);
    assert_eq!(rows(Predicate::Or(Vec::new()), &logins()), [0; 0]);
}

#[test]
fn the_columns_read_are_named() {
    let message = atom(column(field::MESSAGE), like("*x*", true));
    let form = Form::Threshold { within: 1, count: 1 };
    let program =
        Program::new(vec![rule(form, vec![step(message, &[field::SOURCE_IP])], &[field::USER_NAME])], Vec::new());
    let expected: BTreeSet<FieldRef> = [
        field::TIMESTAMP,
        field::EVENT_ID,
        field::MESSAGE,
        field::EVENT_ORIGINAL,
        field::LOG_MESSAGE_OFFSET,
        field::SOURCE_IP,
        field::USER_NAME,
    ]
    .map(column)
    .into();
    assert_eq!(*Matcher::new(&program).fields(), expected);
}
