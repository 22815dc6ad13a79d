//! What is said of words, and proposed while they are written.

use expect_test::{Expect, expect};

use super::super::completion::complete;
use super::super::hover::hover;
use super::{FOLDER, cursor, standing};

fn check_hover(text: &str, expected: Expect) {
    let (analysis, text, at) = cursor(text);
    let told = hover(&analysis, &text, at);
    let shown = told.map_or("nothing".to_owned(), |(told, span)| format!("[{}] {told}", &text[span.start..span.end]));
    expected.assert_eq(&shown);
}

#[test]
fn words_are_explained_by_where_they_stand() {
    check_hover(
        "rule a { when any where source.§ip in scanners }",
        expect![[r#"
        [source.ip] `source.ip`: address

        The address it came from.

        Asked with `==` `!=` `in`, with addresses, networks and lists."#]],
    );
    check_hover(
        "rule a { when any where source.ip in scan§ners }",
        expect![[r#"
        [scanners] ```weir
        list scanners = (198.51.100.7, 10.20.0.0/16)
        ```"#]],
    );
    check_hover(
        "rule a { when fai§led }",
        expect![[r#"
        [failed] ```weir
        let failed = authentication where event.outcome == "failure"
        ```

        Logins that did not work."#]],
    );
    check_hover(
        "rule a { sev§erity high when any }",
        expect![[r#"
            [severity] ```weir
            severity high
            ```
            How bad it is: `informational`, `low`, `medium` (when not said), `high` or `critical`."#]],
    );
    check_hover(
        "rule a { ta§gs linux when any where tags == \"x\" }",
        expect![[r#"
            [tags] ```weir
            tags linux, "two words"
            ```
            Marks to find alerts by."#]],
    );
    check_hover(
        "rule a { tags linux when any where ta§gs == \"x\" }",
        expect![[r#"
        [tags] `tags`: list of texts

        Marks set by weir: parse_failure, repeated, clock_skew, late.

        Asked with `==` `!=` `in` `like` `contains` `startswith` `endswith` `~`, of which one element must fit.

        For example `parse_failure`, `repeated`, `clock_skew`, `late`, `x`"#]],
    );
    check_hover(
        "rule a { when alert where rule.name == \"brute§force\" }",
        expect![[r#"
        ["bruteforce"] rule `bruteforce`, severity high

        "{count} failures from {source.ip}"

        ATT&CK: T1110.001 (credential-access)

        Finds: 10 events within 5m

        Keeps: events of the last 5m, by source.ip"#]],
    );
    check_hover(
        "rule a { title \"{source.i§p} x\" when any where user.name == \"x\" }",
        expect![[r#"
        [source.ip] `source.ip`: address

        The address it came from.

        Asked with `==` `!=` `in`, with addresses, networks and lists."#]],
    );
    check_hover(
        "rule a { when any where fields.Target§Object == \"x\" }",
        expect![[r#"
        [fields.TargetObject] `fields.TargetObject`: text

        TargetObject as the log has it, which no field of its own holds.

        For example `x`"#]],
    );
    check_hover(
        "rule a { when any where user.name sta§rtswith \"x\" }",
        expect![[r#"
            [startswith] ```weir
            url.path startswith ("/admin", "/wp-admin")
            ```
            It begins with the text, or one of several."#]],
    );
    check_hover(
        "rule a { when any by user.name within 5m having dist§inct(source.ip) > 3 }",
        expect![[r#"
            [distinct] ```weir
            distinct(user.name)
            ```
            How many different values."#]],
    );
    check_hover(
        "rule a { attack T111§0.001 when any }",
        expect!["[T1110.001] `T1110.001`: an ATT&CK technique for credential-access"],
    );
    check_hover(
        "rule a { when proc§ess }",
        expect![[r#"
            [process] `process`: a category

            Events whose `event.category` is `process`: programs started and ended."#]],
    );
    check_hover(
        "rule a { title \"broken\n  when process where event.out§come == \"x\" }",
        expect![[r#"
            [event.outcome] `event.outcome`: text

            Success, failure or unknown.

            Asked with `==` `!=` `in` `like` `contains` `startswith` `endswith` `~`.

            For example `success`, `failure`, `unknown`, `x`"#]],
    );
    check_hover(
        "rule a { when sequence within 1m { one: any no§t network } }",
        expect![[r#"
        [not] ```weir
        not network where destination.port == 443
        ```
        A step of which there is nothing, before the next one or the window's end."#]],
    );
    check_hover(
        "rule a { when any where source.ip no§t in scanners }",
        expect![[r#"
        [not] ```weir
        not source.ip in 10.0.0.0/8
        ```
        It does not hold; before a word such as `in` too: `source.ip not in 10.0.0.0/8`."#]],
    );
    check_hover(
        "rule a { when any test \"t\" { @0s la§te any { } expect 1 } }",
        expect![[r#"
        [late] ```weir
        @30s late network { }
        ```
        Arrives after the events of the lines behind it, with its own time."#]],
    );
    check_hover("rule a { when sequence within 1m { ti§mes: any } }", expect!["nothing"]);
    check_hover("# a com§ment", expect!["nothing"]);
    check_hover("rule a { description \"some te§xt\" when any }", expect!["nothing"]);
}

#[test]
fn the_last_steps_fields_are_explained() {
    let (analysis, at) = standing("made.source.ip", 7);
    let (told, _) = hover(&analysis, FOLDER, at).unwrap();
    assert!(told.contains("Of the event of step `made`"), "{told}");
    let (analysis, at) = standing("{made.user.target", 8);
    let (told, _) = hover(&analysis, FOLDER, at).unwrap();
    assert!(told.starts_with("`user.target.name`: text") && told.contains("step `made`"), "{told}");
}

/// The first proposals that begin as the cursor's word does, and how many there are.
fn check_completion(text: &str, expected: Expect) {
    let (analysis, text, at) = cursor(text);
    let (proposals, span) = complete(&analysis, &text, at);
    let written = text[span.start..span.end].trim_matches('"');
    let fits: Vec<&str> =
        proposals.iter().filter(|p| p.label.trim_matches('"').starts_with(written)).map(|p| p.text.as_str()).collect();
    let shown: Vec<&str> = fits.iter().take(8).copied().collect();
    expected.assert_eq(&format!("{} of {}: {}", fits.len(), proposals.len(), shown.join(" ")));
}

#[test]
fn what_may_stand_there_is_proposed() {
    check_completion("§", expect!["3 of 3: rule let list"]);
    check_completion("rule a { sev§", expect!["1 of 15: severity"]);
    check_completion("rule a { severity hi§ when any }", expect!["1 of 5: high"]);
    check_completion("rule a { when fa§", expect!["1 of 25: failed"]);
    check_completion("rule a { when seq§", expect!["1 of 25: sequence"]);
    check_completion(
        "rule a { when any where source.geo.§",
        expect!["2 of 101: source.geo.country_iso_code source.geo.city_name"],
    );
    check_completion("rule a { when any where not ex§", expect!["1 of 101: exists"]);
    check_completion("rule a { when any where source.ip §", expect!["4 of 4: == != in not in"]);
    check_completion(
        "rule a { when any where user.name not §",
        expect!["8 of 8: == != in like contains startswith endswith ~"],
    );
    check_completion(
        "rule a { when any where event.outcome == §",
        expect![[r#"3 of 3: "success" "failure" "unknown""#]],
    );
    check_completion("rule a { when any where event.outcome == \"fa§\" }", expect!["1 of 3: failure"]);
    check_completion(
        "rule a { when any where event.outcome in (\"success\", \"§",
        expect![[r#"3 of 3: success" failure" unknown""#]],
    );
    check_completion(
        "rule a { when any where event.action == \"sudo§",
        expect![[r#"2 of 41: sudo_authentication" sudo_command""#]],
    );
    check_completion("rule a { when any where source.ip in §", expect!["1 of 1: scanners"]);
    check_completion("rule a { when any where source.ip in list(\"§", expect![[r#"1 of 1: scanners""#]]);
    check_completion("rule a { when alert where rule.name == \"§", expect![[r#"3 of 3: bruteforce" twice" over""#]]);
    check_completion(
        "rule a { when any by user.name §",
        expect!["23 of 23: by on within every having new rare baseline"],
    );
    check_completion("rule a { when any within §", expect!["6 of 6: 30s 1m 5m 15m 1h 24h"]);
    check_completion(
        "rule a { when any by user.name within 5m having §",
        expect!["7 of 7: count distinct sum avg min max percentile"],
    );
    check_completion("rule a { when any by user.name within 5m having count() §", expect!["6 of 6: == != < <= > >="]);
    check_completion(
        "rule a { when any by user.name within 5m having distinct(source.i§",
        expect!["1 of 99: source.ip"],
    );
    check_completion(
        "rule a { when any new (user.name) §",
        expect!["28 of 28: over learn above below min by on within"],
    );
    check_completion(
        "rule a { attack T1110, T155§",
        expect!["9 of 357: T1550 T1552 T1553 T1554 T1555 T1556 T1557 T1558"],
    );
    check_completion("rule a { title \"{count} by {user.t§\" when any }", expect!["1 of 100: user.target.name}"]);
    check_completion(
        "rule a { when sequence within 1m { one: any two: any where user.name == §",
        expect!["1 of 1: one.user.name"],
    );
    check_completion("rule a { when any test \"x\" { @0s auth§", expect!["1 of 24: authentication"]);
    check_completion("rule a { when any test \"x\" { @0s iam { event.out§", expect!["1 of 99: event.outcome"]);
    check_completion(
        "rule a { title \"broken\n  severity §",
        expect!["5 of 5: informational low medium high critical"],
    );
    check_completion("rule a { description \"any §", expect!["0 of 0: "]);
    check_completion("# sev§", expect!["0 of 0: "]);
}

/// Pieces of rule files, whole and broken.
const PIECES: &[&str] = &[
    "rule a {",
    "}",
    "let b = ",
    "list l = (",
    ")",
    "\n",
    " ",
    "when ",
    "sequence by user.name within 5m {",
    "one: ",
    "process ",
    "where ",
    "user.name ",
    "fields.\"a b\" ",
    "user.",
    "not ",
    "in ",
    "== ",
    "\"text\" ",
    "\"open é😀",
    "c\"",
    "\\",
    "/re",
    "/",
    "10.0.0.0/8",
    "list(\"",
    ",",
    "title \"{one.",
    "{",
    "# note",
    "@0s ",
    "test \"t\" {",
    "é",
    "😀",
    "\u{feff}",
    "\r\n",
    "\0",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]
    /// Whatever is written and wherever the cursor is, there is an answer.
    #[test]
    fn no_text_is_too_broken(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..25),
        at in proptest::prelude::any::<proptest::sample::Index>(),
    ) {
        let text = pieces.concat();
        let offset = super::super::text::boundary(&text, at.index(text.len() + 1));
        let analysis = super::folder(&[("a.weir", &text), ("b.weir", FOLDER)]);
        let (_, span) = complete(&analysis, &text, offset);
        proptest::prop_assert!(span.start <= offset && span.end <= text.len() && text.get(span.start..span.end).is_some());
        hover(&analysis, &text, offset);
        super::super::symbols::symbols(&analysis, 0);
        super::super::definition::references(&analysis, 0, offset, true);
        let _ = super::super::rename::rename(&analysis, 0, offset, "other");
    }
}
