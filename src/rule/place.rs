//! What may stand at a place of a rule file, for editors. In: the text before the place, perhaps with mistakes in it.
//! Out: the kinds of things that the grammar would go on with.
//!
//! The grammar itself is asked: the item is parsed up to the place, and what the parser still hoped for is the answer.
//! Where something before the place is wrong, its clause or its step alone is asked.

use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};

use super::ast::Span;
use super::parse::{Grammar, Rule};
use super::split::{split, starts_item};
use super::syntax::CLAUSES;

/// Stands for the place itself: no token of the grammar takes it.
const PLACE: char = '\0';

/// A kind of thing that may stand somewhere; what continues comes before what is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Next {
    /// `rule`, `let` or `list`
    Item,
    /// A name that is given here.
    Name,
    /// A text in quotes.
    Text,
    /// A severity.
    Word,
    /// A technique or a tag.
    Mark,
    /// A category or the name of a `let`.
    Source,
    /// A step of a sequence.
    Step,
    /// A field.
    Field,
    /// A condition, which begins with a field, `not`, `exists` or a parenthesis.
    Condition,
    /// An operator of a comparison.
    Operator,
    /// The right side of a comparison, or a value in a test.
    Value,
    /// `count()` and the others.
    Aggregate,
    /// A number or a duration.
    Bare,
    /// A parameter of `new`, `rare` or `baseline`.
    Tuning,
    /// A line of a test.
    TestLine,
    /// This word.
    Keyword(&'static str),
    /// A clause of a rule.
    Clause,
}

/// What may come after `before`, each kind once; empty where nothing helps.
pub fn next(before: &str) -> Vec<Next> {
    let item = &before[item(before)..];
    if split(item).is_empty() {
        return vec![Next::Item];
    }
    let mut found = wrapped("", item);
    if found.is_none() {
        let clause = clauses(item).last().copied();
        let in_clause = clause.and_then(|at| wrapped("rule r {\n", &item[at..]));
        let line = &item[item.rfind('\n').map_or(0, |at| at + 1)..];
        found = in_clause.or_else(|| wrapped("rule r { when sequence within 1m {\n", line));
    }
    let mut found = found.unwrap_or_default();
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    let whole = found.contains(&Next::Keyword(""));
    found.retain(|next| *next != Next::Keyword(""));
    if whole && (line.trim().is_empty() || found.is_empty()) {
        found.push(Next::Item);
    }
    found
}

/// Where the item starts that goes on at the end of `before`, with the comments before it.
pub fn item(before: &str) -> usize {
    // An item in column 1 starts one whatever comes before, so no more than from there on is read.
    let lines = memchr::memrchr_iter(b'\n', before.as_bytes()).map(|at| at + 1);
    let near = lines.into_iter().find(|at| starts_item(&before.as_bytes()[*at..])).unwrap_or(0);
    near + split(&before[near..]).last().map_or(0, |chunk| chunk.span.start)
}

/// The pieces of a file that hold one item each, with the comments before it.
pub fn items(text: &str) -> Vec<Span> {
    split(text).into_iter().map(|chunk| chunk.span).collect()
}

/// Whether a rule, a `let` or a step can be called so.
pub fn is_name(text: &str) -> bool {
    whole(Rule::name, text)
}

/// Whether a list can be called so.
pub fn is_list_name(text: &str) -> bool {
    whole(Rule::list_name, text)
}

fn whole(rule: Rule, text: &str) -> bool {
    Grammar::parse(rule, text).is_ok_and(|pairs| pairs.as_str() == text)
}

/// What the grammar hopes for at the end of `text` behind `head`; `None` when it gives up before.
fn wrapped(head: &str, text: &str) -> Option<Vec<Next>> {
    let whole = format!("{head}{text}{PLACE}");
    let error = Grammar::parse(Rule::chunk, &whole).err()?;
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
    if at + PLACE.len_utf8() < whole.len() {
        return None;
    }
    let ErrorVariant::ParsingError { positives, .. } = error.variant else { return None };
    let mut found: Vec<Next> = positives.into_iter().flat_map(nexts).copied().collect();
    found.sort_unstable();
    found.dedup();
    Some(found)
}

/// Where lines of an item start with a clause's keyword.
fn clauses(item: &str) -> Vec<usize> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', item.as_bytes()).map(|at| at + 1));
    starts
        .map(|at| at + (item[at..].len() - item[at..].trim_start_matches([' ', '\t']).len()))
        .filter(|at| {
            CLAUSES.iter().any(|word| item[*at..].strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))
        })
        .collect()
}

/// What a rule of the grammar begins with, as far as somebody could want to write it. `Keyword("")` is the end.
fn nexts(rule: Rule) -> &'static [Next] {
    match rule {
        Rule::rule_item | Rule::define | Rule::list | Rule::kw_rule | Rule::kw_let => &[Next::Item],
        Rule::EOI => &[Next::Keyword("")],
        Rule::name | Rule::list_name => &[Next::Name],
        Rule::clause => &[Next::Clause],
        Rule::text => &[Next::Text],
        Rule::word | Rule::grade => &[Next::Word],
        Rule::mark => &[Next::Mark],
        Rule::source | Rule::pattern | Rule::single => &[Next::Source],
        Rule::step => &[Next::Step],
        Rule::field | Rule::pair => &[Next::Field],
        Rule::argument => &[Next::Field],
        Rule::condition | Rule::conjunction | Rule::negation | Rule::group | Rule::comparison => &[Next::Condition],
        Rule::operator => &[Next::Operator],
        Rule::operand | Rule::values | Rule::path => &[Next::Value],
        Rule::aggregate | Rule::function | Rule::bound | Rule::bounds | Rule::bounds_all | Rule::bounds_group => {
            &[Next::Aggregate]
        }
        Rule::bare => &[Next::Bare],
        Rule::tuning | Rule::tuning_word => &[Next::Tuning],
        Rule::tuning_unit => &[Next::Keyword("mad"), Next::Keyword("sigma"), Next::Keyword("times")],
        Rule::given | Rule::at => &[Next::TestLine],
        Rule::expect | Rule::kw_expect => &[Next::Keyword("expect")],
        Rule::from | Rule::kw_from => &[Next::Keyword("from")],
        Rule::sequence | Rule::kw_sequence => &[Next::Keyword("sequence")],
        Rule::together | Rule::kw_all => &[Next::Keyword("all")],
        Rule::until | Rule::kw_until => &[Next::Keyword("until")],
        Rule::absent | Rule::kw_not => &[Next::Keyword("not")],
        Rule::by | Rule::kw_by => &[Next::Keyword("by")],
        Rule::on | Rule::kw_on => &[Next::Keyword("on")],
        Rule::within | Rule::kw_within => &[Next::Keyword("within")],
        Rule::every | Rule::kw_every => &[Next::Keyword("every")],
        Rule::having | Rule::kw_having => &[Next::Keyword("having")],
        Rule::novel | Rule::kw_new => &[Next::Keyword("new")],
        Rule::rare | Rule::kw_rare => &[Next::Keyword("rare")],
        Rule::baseline | Rule::kw_baseline => &[Next::Keyword("baseline")],
        Rule::exists | Rule::kw_exists => &[Next::Keyword("exists")],
        Rule::late | Rule::kw_late => &[Next::Keyword("late")],
        Rule::kw_where => &[Next::Keyword("where")],
        Rule::kw_expires => &[Next::Keyword("expires")],
        Rule::kw_and => &[Next::Keyword("and")],
        Rule::kw_or => &[Next::Keyword("or")],
        Rule::kw_then => &[Next::Keyword("then")],
        // Punctuation, and what never stands first where an editor is asked.
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(places: &[&str], expected: Expect) {
        let word = |next: &Next| match next {
            Next::Keyword(word) => (*word).to_owned(),
            other => format!("{other:?}"),
        };
        let line =
            |before: &&str| format!("{before:?}: {}\n", next(before).iter().map(word).collect::<Vec<_>>().join(" "));
        expected.assert_eq(&places.iter().map(line).collect::<String>());
    }

    #[test]
    fn the_grammar_says_what_comes_next() {
        let places = [
            "",
            "let ",
            "let a = ",
            "let a = process ",
            "let a = process\n",
            "let a = process where ",
            "let a = process where process.name ",
            "let a = process where process.name == ",
            "let a = process where process.name in (\"a\", ",
            "let a = process where process.name == \"x\" ",
            "list l ",
            "rule a { ",
            "rule a { title ",
            "rule a { severity ",
            "rule a { attack T1110, ",
            "rule a { when ",
            "rule a { when process ",
            "rule a { when process by ",
            "rule a { when process within ",
            "rule a { when process within 5m having ",
            "rule a { when process within 5m having sum(",
            "rule a { when process new (user.name) ",
            "rule a { when process by user.name every 1h baseline count() above 4 ",
            "rule a { when sequence ",
            "rule a { when sequence within 5m { ",
            "rule a { when sequence within 5m { one: ",
            "rule a { when any except \"x\" ",
            "rule a { when any test \"x\" { ",
            "rule a { when any test \"x\" { @0s ",
            "rule a { when any test \"x\" { @0s any { ",
            "rule a { when any test \"x\" { @0s any { user.name: ",
            "rule a { when any }\n",
        ];
        check(
            &places,
            expect![[r#"
                "": Item
                "let ": Name
                "let a = ": Source
                "let a = process ": where
                "let a = process\n": where Item
                "let a = process where ": Condition
                "let a = process where process.name ": Operator not
                "let a = process where process.name == ": Value
                "let a = process where process.name in (\"a\", ": Text Value Bare
                "let a = process where process.name == \"x\" ": and or
                "list l ": from
                "rule a { ": Clause
                "rule a { title ": Text
                "rule a { severity ": Word
                "rule a { attack T1110, ": Mark
                "rule a { when ": Source all sequence
                "rule a { when process ": baseline by every having new on rare where within Clause
                "rule a { when process by ": Field
                "rule a { when process within ": Bare
                "rule a { when process within 5m having ": Aggregate
                "rule a { when process within 5m having sum(": Field Bare
                "rule a { when process new (user.name) ": Tuning baseline by every having new on rare within Clause
                "rule a { when process by user.name every 1h baseline count() above 4 ": Tuning baseline by every having mad new on rare sigma times within Clause
                "rule a { when sequence ": baseline by every having new on rare within
                "rule a { when sequence within 5m { ": Step until
                "rule a { when sequence within 5m { one: ": Source not
                "rule a { when any except \"x\" ": where
                "rule a { when any test \"x\" { ": TestLine expect
                "rule a { when any test \"x\" { @0s ": Source every late
                "rule a { when any test \"x\" { @0s any { ": Field
                "rule a { when any test \"x\" { @0s any { user.name: ": Text Value Bare
                "rule a { when any }\n": Item
            "#]],
        );
    }

    #[test]
    fn mistakes_before_the_place_do_not_hide_it() {
        let places = [
            "rule a {\n  title \"b\n  severity ",
            "rule a {\n  title b c\n  when process where ",
            "rule a {\n when sequence {\n one: ?? bad\n two: process where ",
            "rule b { when ((\n\nrule a { when process where ",
        ];
        check(
            &places,
            expect![[r#"
            "rule a {\n  title \"b\n  severity ": Word
            "rule a {\n  title b c\n  when process where ": Condition
            "rule a {\n when sequence {\n one: ?? bad\n two: process where ": Condition
            "rule b { when ((\n\nrule a { when process where ": Condition
        "#]],
        );
    }

    #[test]
    fn names_are_judged_by_the_grammar() {
        assert!(is_name("ssh_login") && !is_name("when") && !is_name("a b") && !is_name("a.b") && !is_name(""));
        assert!(is_list_name("intel.ip") && !is_list_name("1a"));
    }
}
