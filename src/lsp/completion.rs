//! What could be written at a place. In: a compiled folder, a text and a place in it. Out: proposals, each with the span
//! that it replaces; none where only its writer knows what to say.

use lsp_types::CompletionItemKind;

use super::analysis::Analysis;
use super::cursor::Cursor;
use super::hover::{about_field, define, entry, list, operator, rule};
use super::token::Kind;
use super::values;
use crate::alert::Severity;
use crate::event::field::{self, Type};
use crate::rule::ast::Span;
use crate::rule::place::Next;
use crate::rule::tactic;
use crate::rule::words::condition::{AGGREGATES, Family, LOGIC, OPERATOR_WORDS, OPERATORS, Operator};
use crate::rule::words::form::{DEVIATIONS, JOINTS, SETTINGS, TUNINGS};
use crate::rule::words::top::{CATEGORIES, CLAUSES, ITEMS, SOURCES, TESTING};
use crate::rule::words::{Entry, find};

/// So many rules are proposed with what they are.
const TOLD: usize = 200;

/// Something to write.
#[derive(Debug, PartialEq)]
pub(crate) struct Proposal {
    /// What is shown, and what the written is compared with.
    pub(crate) label: String,
    /// What is written.
    pub(crate) text: String,
    /// The same with stops for the cursor, for clients that know them.
    pub(crate) snippet: Option<&'static str>,
    /// Beside it.
    pub(crate) detail: String,
    /// Markdown.
    pub(crate) doc: String,
    /// Its picture.
    pub(crate) kind: CompletionItemKind,
}

/// Proposals in the order in which they are to be shown, and the span that any of them replaces.
pub(crate) fn complete(analysis: &Analysis, text: &str, offset: usize) -> (Vec<Proposal>, Span) {
    let cursor = Cursor::new(text, offset);
    let mut out = Vec::new();
    let span = cursor.written();
    match cursor.token.map(|token| token.kind) {
        Some(Kind::Comment | Kind::Regex) => {}
        Some(Kind::Text) => return in_text(analysis, &cursor),
        Some(Kind::Word | Kind::Bare | Kind::Operator | Kind::Mark) | None => {
            let mut order = cursor.next.clone();
            order.sort_by_key(rank);
            order.into_iter().for_each(|next| propose(analysis, &cursor, next, &mut out));
        }
    }
    (out, span)
}

/// Settings come in the order of their table, clauses last.
fn rank(next: &Next) -> usize {
    match next {
        Next::Keyword(word) => SETTINGS.iter().position(|entry| entry.word == *word).map_or(0, |at| at + 1),
        Next::Clause => SETTINGS.len() + 1,
        _ => 0,
    }
}

fn propose(analysis: &Analysis, cursor: &Cursor<'_>, next: Next, out: &mut Vec<Proposal>) {
    match next {
        Next::Item => out.extend(ITEMS.iter().map(|entry| Proposal { snippet: skeleton(entry.word), ..word(entry) })),
        Next::Clause => out.extend(CLAUSES.iter().map(word)),
        Next::Source => sources(analysis, cursor, out),
        Next::Step => {
            sources(analysis, cursor, out);
            out.extend(find(&[JOINTS], "not").map(word));
        }
        Next::Field => fields(out),
        Next::Condition => {
            fields(out);
            out.extend(["not", "exists"].into_iter().filter_map(|name| find(&[LOGIC], name)).map(word));
        }
        Next::Operator => operators(cursor, out),
        Next::Value => value(analysis, cursor, out),
        Next::Aggregate => out.extend(AGGREGATES.iter().map(word)),
        Next::Tuning => out.extend(TUNINGS.iter().map(word)),
        Next::Bare => amounts(cursor, out),
        Next::Word if cursor.last() == "severity" => {
            out.extend(Severity::ALL.iter().map(|s| plain(s.word(), "severity", CompletionItemKind::ENUM_MEMBER)));
        }
        Next::Mark => marks(analysis, cursor, out),
        Next::TestLine => {
            let event = "@0s authentication { … }";
            let text = "@0s ".to_owned();
            out.push(Proposal { text, ..plain(event, "an event", CompletionItemKind::SNIPPET) });
        }
        // Before an operator it is proposed as `not in`.
        Next::Keyword("not") if cursor.wants(Next::Operator) => {}
        Next::Keyword(name) => {
            out.extend(find(&[SETTINGS, JOINTS, LOGIC, TESTING, DEVIATIONS], name).map(word));
        }
        // A name is for its writer to find, and a text.
        Next::Name | Next::Text | Next::Word => {}
    }
}

/// Inside of quotes, which are closed if they are not yet.
fn in_text(analysis: &Analysis, cursor: &Cursor<'_>) -> (Vec<Proposal>, Span) {
    let written = cursor.word();
    let start = cursor.written().start;
    let mut out = Vec::new();
    let open = start + cursor.text[start..].find('"').map_or(0, |at| at + 1);
    if cursor.offset < open {
        return (out, Span { start: cursor.offset, end: cursor.offset });
    }
    if cursor.last() == "title" {
        let before = &cursor.text[start..cursor.offset];
        let Some(open) = before.rfind('{').filter(|open| !before[*open..].contains('}')) else {
            return (out, cursor.written());
        };
        out.push(plain("count", "how many events", CompletionItemKind::VARIABLE));
        fields(&mut out);
        let labels = cursor.all_labels();
        for label in &labels {
            out.extend(field::TABLE.iter().map(|f| {
                let name = format!("{label}.{}", f.name);
                Proposal { doc: about_field(f), ..plain(&name, f.ty.word(), CompletionItemKind::FIELD) }
            }));
        }
        // The hole is closed with the first that is taken.
        let rest = &cursor.text[cursor.offset..];
        if !rest.split(['"', '\n', '{']).next().unwrap_or_default().contains('}') {
            out.iter_mut().for_each(|proposal| proposal.text.push('}'));
        }
        return (out, Span { start: start + open + 1, end: cursor.offset });
    }
    if cursor.in_list_call() {
        lists(analysis, &mut out);
    } else if let Some(asked) = cursor.asked().filter(|_| cursor.wants(Next::Value)) {
        let values = values::of(analysis, asked.field);
        // Thousands are not read, and each is looked for.
        let of_rule = field::by_name(asked.field) == Some(field::RULE_NAME) && values.len() <= TOLD;
        out.extend(values.iter().map(|value| {
            let doc = if of_rule { rule(analysis, value) } else { None };
            Proposal { doc: doc.unwrap_or_default(), ..plain(value, asked.field, CompletionItemKind::VALUE) }
        }));
    } else if cursor.clause() == "tags" {
        let tags = values::marks(analysis, "tags");
        out.extend(tags.iter().map(|tag| plain(tag, "tag", CompletionItemKind::VALUE)));
    }
    // The rules of the folder have what is being written, too.
    out.retain(|proposal| proposal.label != written.trim_matches('"'));
    let closes = written.len() < 2 || !written.ends_with('"');
    let quote = if closes { "\"" } else { "" };
    out.iter_mut().for_each(|proposal| proposal.text = format!("{}{quote}", escaped(&proposal.label)));
    (out, Span { start: open, end: cursor.offset })
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn plain(label: &str, detail: &str, kind: CompletionItemKind) -> Proposal {
    let (label, text) = (label.to_owned(), label.to_owned());
    Proposal { label, text, snippet: None, detail: detail.to_owned(), doc: String::new(), kind }
}

fn word(known: &Entry) -> Proposal {
    let kind = CompletionItemKind::KEYWORD;
    Proposal { doc: entry(known), snippet: skeleton_of(known.word), ..plain(known.word, "", kind) }
}

/// An item with what it needs.
fn skeleton(word: &str) -> Option<&'static str> {
    match word {
        "rule" => Some(
            "rule ${1:name} {\n  title    \"$2\"\n  severity ${3|medium,informational,low,high,critical|}\n  when ${4:any} where $0\n}",
        ),
        "let" => Some("let ${1:name} = ${2:any} where $0"),
        "list" => Some("list ${1:name} = ($0)"),
        _ => None,
    }
}

/// A clause or setting with its brackets.
fn skeleton_of(word: &str) -> Option<&'static str> {
    match word {
        "title" => Some("title \"$0\""),
        "description" => Some("description \"$0\""),
        "runbook" => Some("runbook \"$0\""),
        "except" => Some("except \"${1:reason}\" where $0"),
        "test" => Some("test \"${1:name}\" {\n  @0s ${2:authentication} { $0 }\n  expect 1\n}"),
        "sequence" => Some("sequence by ${1:source.ip} within ${2:5m} {\n  ${3:first}: $0\n}"),
        "all" => Some("all by ${1:host.name} within ${2:1h} {\n  ${3:first}: $0\n}"),
        "having" => Some("having count() >= ${0:10}"),
        "count" => Some("count()"),
        "distinct" => Some("distinct(${0:user.name})"),
        "sum" => Some("sum(${0:source.bytes})"),
        "avg" => Some("avg(${0:source.bytes})"),
        "percentile" => Some("percentile(${1:source.bytes}, ${0:95})"),
        _ => None,
    }
}

/// Names of `let`s, then categories.
fn sources(analysis: &Analysis, cursor: &Cursor<'_>, out: &mut Vec<Proposal>) {
    // In a test stand events, which a `let` does not make.
    let in_test = cursor.last().starts_with('@') || cursor.last() == "late";
    if !in_test {
        out.extend(analysis.lets().map(|(_, found)| {
            let name = found.name.text.as_str();
            let doc = define(analysis, name).unwrap_or_default();
            Proposal { doc, ..plain(name, "let", CompletionItemKind::VARIABLE) }
        }));
    }
    out.extend(CATEGORIES.iter().map(|name| plain(name, "category", CompletionItemKind::CLASS)));
    out.extend(SOURCES.iter().map(word));
}

fn fields(out: &mut Vec<Proposal>) {
    out.extend(field::TABLE.iter().map(|found| Proposal {
        doc: about_field(found),
        ..plain(found.name, found.ty.word(), CompletionItemKind::FIELD)
    }));
    let doc = "`fields.` and the name that the log uses: what no field of its own holds, as text.".to_owned();
    out.push(Proposal { doc, ..plain(field::EXTRA_PREFIX, "text", CompletionItemKind::FIELD) });
}

/// Those that the field's type knows.
fn operators(cursor: &Cursor<'_>, out: &mut Vec<Proposal>) {
    let (aggregate, after_not) = (cursor.field() == ")", cursor.last() == "not");
    let family = match cursor.field() {
        _ if aggregate => Some(Family::Number),
        name if name.starts_with(field::EXTRA_PREFIX) => Some(Family::Text),
        name => field::by_name(name).map(|id| Family::of(id.ty())),
    };
    let fits = |known: &&Operator| {
        family.is_none_or(|family| known.families.contains(&family)) && !(aggregate && known.word == "in")
    };
    let proposal = |word: &str, doc: Option<String>| Proposal {
        doc: doc.unwrap_or_default(),
        ..plain(word, "", CompletionItemKind::OPERATOR)
    };
    for word in OPERATORS.iter().filter(fits).map(|known| known.word) {
        out.push(proposal(word, operator(word)));
        if word == "in" && !after_not {
            out.push(proposal("not in", find(&[LOGIC], "not").map(entry)));
        }
    }
}

/// The right side of a comparison.
fn value(analysis: &Analysis, cursor: &Cursor<'_>, out: &mut Vec<Proposal>) {
    let Some(asked) = cursor.asked() else { return };
    if OPERATOR_WORDS.contains(&asked.operator) && cursor.last() == asked.operator {
        lists(analysis, out);
    }
    if matches!(asked.operator, "==" | "!=" | "<" | "<=" | ">" | ">=") {
        // The last one is the step itself.
        let labels = cursor.labels();
        for label in labels.iter().take(labels.len().saturating_sub(1)) {
            let name = format!("{label}.{}", asked.field);
            out.push(plain(&name, "field of an earlier step", CompletionItemKind::FIELD));
        }
    }
    let text =
        field::by_name(asked.field).is_none_or(|id| matches!(id.ty(), Type::Text | Type::LongText | Type::TextList));
    if text {
        let open = matches!(asked.operator, "in") && cursor.last() == "in";
        out.extend(values::of(analysis, asked.field).iter().map(|value| {
            let quoted = format!("\"{}\"", escaped(value));
            let text = if open { format!("({quoted})") } else { quoted.clone() };
            Proposal { text, ..plain(&quoted, asked.field, CompletionItemKind::VALUE) }
        }));
    }
}

fn lists(analysis: &Analysis, out: &mut Vec<Proposal>) {
    out.extend(analysis.lists().map(|(_, found)| {
        let name = found.name.text.as_str();
        Proposal { doc: list(analysis, name).unwrap_or_default(), ..plain(name, "list", CompletionItemKind::CONSTANT) }
    }));
}

/// Numbers and durations that are often meant.
fn amounts(cursor: &Cursor<'_>, out: &mut Vec<Proposal>) {
    let usual: &[&str] = match cursor.last() {
        "within" => &["30s", "1m", "5m", "15m", "1h", "24h"],
        "every" => &["5m", "1h", "1d"],
        "cooldown" => &["10m", "1h", "24h"],
        "over" | "retro" => &["7d", "14d", "30d", "90d"],
        "learn" => &["7d", "14d"],
        "risk" => &["10", "20", "50"],
        _ => &[],
    };
    out.extend(usual.iter().map(|text| plain(text, "", CompletionItemKind::VALUE)));
}

/// Techniques or tags.
fn marks(analysis: &Analysis, cursor: &Cursor<'_>, out: &mut Vec<Proposal>) {
    match cursor.clause() {
        "attack" => {
            let mut ids = values::marks(analysis, "attack");
            ids.extend(tactic::techniques());
            out.extend(
                ids.iter().map(|id| plain(id, &tactic::tactics(id).join(", "), CompletionItemKind::ENUM_MEMBER)),
            );
        }
        "tags" => {
            let bare = |tag: &&String| tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-:".contains(&b));
            let tags = values::marks(analysis, "tags");
            out.extend(tags.iter().filter(bare).map(|tag| plain(tag, "tag", CompletionItemKind::VALUE)));
        }
        _ => {}
    }
}
