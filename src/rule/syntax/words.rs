//! Words for the rules of the grammar: what was expected, and which keywords could have been meant.

use super::super::parse::Rule;
use super::CLAUSES;
use crate::rule::words::condition::OPERATOR_WORDS as OPERATORS;
use crate::rule::words::listed;

/// Where no word for what was expected is known.
pub(super) const UNKNOWN: &str = "something else";

/// The keywords that a grammar rule can start with.
pub(super) fn keywords(rule: Rule) -> Vec<&'static str> {
    match rule {
        Rule::clause => CLAUSES.to_vec(),
        Rule::operator | Rule::comparison => OPERATORS.to_vec(),
        Rule::rule_item => vec!["rule"],
        Rule::define => vec!["let"],
        Rule::list | Rule::list_call => vec!["list"],
        Rule::sequence => vec!["sequence"],
        Rule::together => vec!["all"],
        Rule::by => vec!["by"],
        Rule::on => vec!["on"],
        Rule::within => vec!["within"],
        Rule::every => vec!["every"],
        Rule::having => vec!["having"],
        Rule::novel => vec!["new"],
        Rule::rare => vec!["rare"],
        Rule::baseline => vec!["baseline"],
        Rule::until => vec!["until"],
        Rule::expect => vec!["expect"],
        Rule::exists => vec!["exists"],
        Rule::from => vec!["from"],
        other => KEYWORDS.iter().filter(|(r, _)| *r == other).map(|(_, w)| *w).collect(),
    }
}

const KEYWORDS: &[(Rule, &str)] = &[
    (Rule::kw_rule, "rule"),
    (Rule::kw_let, "let"),
    (Rule::kw_list, "list"),
    (Rule::kw_from, "from"),
    (Rule::kw_where, "where"),
    (Rule::kw_expires, "expires"),
    (Rule::kw_by, "by"),
    (Rule::kw_on, "on"),
    (Rule::kw_within, "within"),
    (Rule::kw_having, "having"),
    (Rule::kw_and, "and"),
    (Rule::kw_or, "or"),
    (Rule::kw_not, "not"),
    (Rule::kw_exists, "exists"),
    (Rule::kw_then, "then"),
    (Rule::kw_expect, "expect"),
    (Rule::kw_sequence, "sequence"),
    (Rule::kw_all, "all"),
    (Rule::kw_until, "until"),
];

/// What was expected, in words, the most telling first and not more than a few.
pub(super) fn wanted(expected: &[Rule]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for rule in expected {
        let word = word(*rule);
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() { UNKNOWN.to_owned() } else { listed(words) }
}

/// The word for a grammar rule; empty for what need not be told.
fn word(rule: Rule) -> &'static str {
    match rule {
        Rule::rule_item | Rule::define | Rule::list | Rule::kw_rule | Rule::kw_let => "`rule`, `let` or `list`",
        Rule::clause => "a clause",
        Rule::text => "a text in double quotes",
        Rule::exact => "",
        Rule::regex => "a regular expression",
        Rule::bare | Rule::address | Rule::path => "a value",
        Rule::operand | Rule::value | Rule::values | Rule::list_call => "a value",
        Rule::field => "a field",
        Rule::comparison | Rule::condition | Rule::conjunction | Rule::negation => "a condition",
        Rule::exists | Rule::boolean | Rule::group => "a condition",
        Rule::operator => "an operator such as `==`, `in` or `contains`",
        Rule::name | Rule::list_name => "a name",
        Rule::source | Rule::pattern | Rule::single => {
            "a category such as `authentication`, `any` or the name of a `let`"
        }
        Rule::word => "a word",
        Rule::grade => "a severity",
        Rule::mark => "a word",
        Rule::open => "`{`",
        Rule::close => "`}`",
        Rule::lparen => "`(`",
        Rule::rparen => "`)`",
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::assign | Rule::inline => "`=`",
        Rule::EOI => "the end of the item",
        Rule::step => "a step",
        Rule::given | Rule::at => "an event such as `@0s authentication { … }`",
        Rule::aggregate | Rule::function | Rule::bound | Rule::bounds | Rule::bounds_group => {
            "`count()`, or `distinct`, `sum`, `avg`, `min`, `max` or `percentile` of a field"
        }
        Rule::tuning | Rule::tuning_word => "",
        Rule::tuning_unit => "`mad`, `sigma` or `times`",
        Rule::pair => "a field",
        Rule::tag => "a tag",
        other => keyword(other),
    }
}

fn keyword(rule: Rule) -> &'static str {
    match rule {
        Rule::kw_where => "`where`",
        Rule::kw_by | Rule::by => "`by`",
        Rule::kw_on | Rule::on => "`on`",
        Rule::kw_within | Rule::within => "`within`",
        Rule::kw_having | Rule::having => "`having`",
        Rule::kw_and => "`and`",
        Rule::kw_or => "`or`",
        Rule::kw_from | Rule::from => "`from`",
        Rule::kw_expires => "`expires`",
        Rule::kw_then => "`then`",
        Rule::kw_expect | Rule::expect => "`expect`",
        Rule::kw_until | Rule::until => "`until`",
        Rule::kw_sequence | Rule::sequence => "`sequence`",
        _ => "",
    }
}
