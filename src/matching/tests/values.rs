//! Every kind of test: what hits, what does not, what is missing, case, lists, other scripts.

use super::*;

type Fill = Box<dyn Fn(&mut BatchBuilder)>;

/// The rows of one text column on which a test holds; `None` is a missing value.
#[track_caller]
fn text(id: FieldId, values: &[Option<&str>], test: Test) -> Vec<i64> {
    let fills: Vec<Fill> = values
        .iter()
        .map(|value| -> Fill {
            let value = value.map(str::to_owned);
            Box::new(move |b| match (&value, id.ty()) {
                (None, _) => {}
                (Some(v), Type::Ip) => assert!(b.set_ip(id, v)),
                (Some(v), Type::TextList) => b.set_list(id, &v.split(',').collect::<Vec<_>>()),
                (Some(v), _) => b.set_text(id, v),
            })
        })
        .collect();
    let batch = events(&fills.iter().map(|f| f.as_ref()).collect::<Vec<_>>());
    let found = rows(atom(column(id), test.clone()), &batch);
    let not = rows(Predicate::Not(Box::new(atom(column(id), test))), &batch);
    assert_eq!(found.len() + not.len(), values.len(), "`not` holds exactly where the test does not");
    found
}

#[test]
fn equality() {
    let values = [Some("Root"), Some("root"), None, Some("rooted"), Some("")];
    assert_eq!(text(field::USER_NAME, &values, one_of(&["root"], true)), [0, 1]);
    assert_eq!(text(field::USER_NAME, &values, one_of(&["root"], false)), [1]);
    assert_eq!(text(field::USER_NAME, &values, one_of(&["", "rooted"], true)), [3, 4]);
    assert_eq!(text(field::USER_NAME, &values, one_of(&[], true)), [0; 0]);
    let greek = [Some("ΟΔΥΣΣΕΥΣ"), Some("οδυσσευς"), Some("İ"), Some("K")];
    assert_eq!(text(field::USER_NAME, &greek, one_of(&[&"ΟΔΥΣΣΕΥΣ".to_lowercase()], true)), [0, 1]);
    assert_eq!(text(field::USER_NAME, &greek, one_of(&["k", &"İ".to_lowercase()], true)), [2, 3]);
}

#[test]
fn long_lists_are_probed_in_place() {
    let list: Vec<String> = (0..5_000).map(|i| format!("10.0.{}.{}", i / 250, i % 250)).collect();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let values = [Some("10.0.3.7"), Some("10.9.0.0"), None, Some("10.0.19.249")];
    assert_eq!(text(field::SOURCE_IP, &values, one_of(&list, true)), [0, 3]);
    assert_eq!(text(field::SOURCE_IP, &values, one_of(&list, false)), [0, 3]);
    let mut upper: Vec<String> = (0..2_000).map(|i| format!("Σ{i}")).collect();
    upper.push("ς".into());
    let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
    assert_eq!(text(field::USER_NAME, &[Some("σ7"), Some("Σ"), Some("x")], one_of(&upper, true)), [0, 1]);
    assert_eq!(text(field::USER_NAME, &[Some("σ7"), Some("Σ7"), Some("x")], one_of(&upper, false)), [1]);
}

#[test]
fn wildcards() {
    let id = field::PROCESS_COMMAND_LINE;
    let values = [Some("C:\\CMD.exe /c x"), Some("cmd.exe"), None, Some("xcmdyexe"), Some("a*b")];
    assert_eq!(text(id, &values, like("*cmd.exe*", true)), [0, 1]);
    assert_eq!(text(id, &values, like("*cmd.exe*", false)), [1]);
    assert_eq!(text(id, &values, like("*cmd?exe", true)), [1, 3]);
    assert_eq!(text(id, &values, like("cmd.exe", true)), [1]);
    assert_eq!(text(id, &values, like("*", true)), [0, 1, 3, 4]);
    assert_eq!(text(id, &values, like("???", true)), [4]);
    assert_eq!(text(id, &values, like(r"a\*b", true)), [4]);
    assert_eq!(text(id, &values, like("c*", true)), [0, 1]);
    let scripts = [Some("ПОЛЬЗОВАТЕЛЬ"), Some("пользователь"), Some("x ΣΑΣ"), Some("K.exe")];
    assert_eq!(text(id, &scripts, like("*зов*", true)), [0, 1]);
    assert_eq!(text(id, &scripts, like("*ЗОВ*", false)), [0]);
    assert_eq!(text(id, &scripts, like("*ας", true)), [2]);
    assert_eq!(text(id, &scripts, like("k.*", true)), [3]);
}

#[test]
fn regular_expressions() {
    let id = field::URL_PATH;
    let values = [Some("/Admin/1"), Some("/admin/22"), None, Some("/adm"), Some("/ſK")];
    let regex = |p: &str| Test::Regex(p.into());
    assert_eq!(text(id, &values, regex(r"admin/\d+")), [1]);
    assert_eq!(text(id, &values, regex(r"(?i)admin/\d+")), [0, 1]);
    assert_eq!(text(id, &values, regex(r"^/adm$")), [3]);
    assert_eq!(text(id, &values, regex(r"\d{2}")), [1]);
    assert_eq!(text(id, &values, regex("(?i)/sk")), [4]);
    assert_eq!(text(id, &values, regex("")), [0, 1, 3, 4]);
}

#[test]
fn lists_hold_when_any_element_does() {
    let id = field::EVENT_CATEGORY;
    let values = [Some("iam,Process"), Some("web"), None, Some("processing,iam")];
    assert_eq!(text(id, &values, one_of(&["process"], true)), [0]);
    assert_eq!(text(id, &values, one_of(&["process"], false)), [0; 0]);
    assert_eq!(text(id, &values, like("proc*", true)), [0, 3]);
    assert_eq!(text(id, &values, like("*m*p*", true)), [0; 0]);
    assert_eq!(text(id, &values, Test::Regex("^iam$".into())), [0, 3]);
    assert_eq!(text(id, &values, Test::Exists), [0, 1, 3]);
}

#[test]
fn networks() {
    let of = |n: &[&str]| Test::Network(n.iter().map(|n| n.parse().unwrap()).collect());
    let values = [Some("10.1.2.3"), Some("2001:db8::1"), None, Some("192.168.0.1"), Some("::ffff:10.0.0.1")];
    assert_eq!(text(field::SOURCE_IP, &values, of(&["10.0.0.0/8"])), [0, 4]);
    assert_eq!(text(field::SOURCE_IP, &values, of(&["2001:db8::/32", "192.168.0.0/24"])), [1, 3]);
    assert_eq!(text(field::SOURCE_IP, &values, of(&[])), [0; 0]);
    assert_eq!(text(field::SOURCE_IP, &values, of(&["::/0"])), [0, 1, 3, 4]);
    assert_eq!(text(field::USER_NAME, &[Some("10.1.2.3"), Some("x")], of(&["10.0.0.0/8"])), [0]);
}

#[track_caller]
fn number(id: FieldId, values: &[Option<i128>], test: Test) -> Vec<i64> {
    let mut builder = BatchBuilder::new();
    for (row, value) in values.iter().enumerate() {
        stamp(&mut builder, row as i64);
        if let Some(value) = value {
            assert!(builder.set_number(id, *value));
        }
        builder.end_row();
    }
    rows(atom(column(id), test), &builder.finish())
}

#[test]
fn numbers() {
    let ports = [Some(22), Some(80), None, Some(443), Some(0)];
    assert_eq!(number(field::SOURCE_PORT, &ports, Test::Range(80, i128::MAX)), [1, 3]);
    assert_eq!(number(field::SOURCE_PORT, &ports, Test::Range(i128::MIN, 22)), [0, 4]);
    assert_eq!(number(field::SOURCE_PORT, &ports, Test::Numbers(vec![0, 22, 443])), [0, 3, 4]);
    assert_eq!(number(field::SOURCE_PORT, &ports, Test::Range(-9, -1)), [0; 0]);
    let large = [Some(i128::from(u64::MAX)), Some(0), None];
    assert_eq!(number(field::SOURCE_BYTES, &large, Test::Range(1 << 63, 1 << 70)), [0]);
    let signed = [Some(-5), Some(5), None, Some(i128::from(i64::MIN))];
    assert_eq!(number(field::EVENT_SEVERITY, &signed, Test::Range(i128::MIN, -1)), [0, 3]);
    assert_eq!(number(field::EVENT_SEVERITY, &signed, Test::Exists), [0, 1, 3]);
    assert_eq!(number(field::EVENT_SEVERITY, &[Some(3), None, Some(3)], Test::Range(1, 9)), [0, 2]);
    assert_eq!(number(field::EVENT_INGESTED, &[Some(7), Some(-7), None], Test::Range(0, 7)), [0]);
}

#[test]
fn times_bound_an_exception() {
    let batch = events(&[&|_| {}, &|_| {}, &|_| {}]);
    let before = |end| Predicate::Not(Box::new(atom(column(field::TIMESTAMP), Test::Range(end, i128::MAX))));
    assert_eq!(rows(before(2), &batch), [0, 1]);
    assert_eq!(rows(before(9), &batch), [0, 1, 2]);
    assert_eq!(rows(before(-9), &batch), [0; 0]);
}

#[test]
fn tests_of_another_type_never_hold() {
    let batch = events(&[&|b| {
        b.set_text(field::USER_NAME, "22");
        b.set_number(field::SOURCE_PORT, 22);
    }]);
    for predicate in [
        atom(column(field::USER_NAME), Test::Numbers(vec![22])),
        atom(column(field::USER_NAME), Test::Range(0, 99)),
        atom(column(field::SOURCE_PORT), one_of(&["22"], true)),
        atom(column(field::EVENT_ID), like("*", true)),
    ] {
        assert_eq!(rows(predicate, &batch), [0; 0]);
    }
    assert_eq!(rows(atom(column(field::EVENT_ID), Test::Exists), &batch), [0]);
}

#[test]
fn messages_are_the_tail_of_the_raw_line() {
    let batch = events(&[
        &|b| {
            b.set_text(field::EVENT_ORIGINAL, "héad Failed password for root");
            b.set_number(field::LOG_MESSAGE_OFFSET, 5);
        },
        &|b| b.set_text(field::MESSAGE, "FAILED password"),
        &|b| b.set_text(field::EVENT_ORIGINAL, "failed, with no message"),
        &|_| {},
    ]);
    let message = column(field::MESSAGE);
    assert_eq!(rows(atom(message.clone(), like("failed*", true)), &batch), [0, 1]);
    assert_eq!(rows(atom(message.clone(), like("*héad*", true)), &batch), [0; 0]);
    assert_eq!(rows(atom(message.clone(), Test::Regex("^Failed .* root$".into())), &batch), [0]);
    assert_eq!(rows(atom(message.clone(), Test::Exists), &batch), [0, 1]);
    assert_eq!(rows(atom(column(field::EVENT_ORIGINAL), like("*failed*", true)), &batch), [0, 2]);
    assert_eq!(rows(Predicate::Not(Box::new(atom(message, like("*", true)))), &batch), [2, 3]);
}

#[test]
fn values_without_a_column() {
    let batch = events(&[&|b| b.set_extra("TargetObject", "HKLM\\Run"), &|_| {}, &|b| b.set_extra("Other", "hklm")]);
    let extra = |name: &str| FieldRef::Extra(name.into());
    assert_eq!(rows(atom(extra("TargetObject"), like("hklm*", true)), &batch), [0]);
    assert_eq!(rows(atom(extra("Other"), Test::Exists), &batch), [2]);
    assert_eq!(rows(atom(extra("Nowhere"), like("*", true)), &batch), [0; 0]);
    assert_eq!(rows(Predicate::Not(Box::new(atom(extra("Nowhere"), Test::Exists))), &batch), [0, 1, 2]);
}
