//! What is under the cursor, and what may stand there, however broken the text is. In: a text and a place in it. Out: the
//! token there, those before it in its item, and what the grammar hopes for in its stead.

use super::text::boundary;
use super::token::{Kind, Token, tokens};
use crate::rule::ast::Span;
use crate::rule::place::{self, Next};

/// Bytes of an item that are looked at behind the cursor.
const LONGEST: usize = 1 << 16;

/// A place in a text.
pub(crate) struct Cursor<'a> {
    /// All of the text.
    pub(crate) text: &'a str,
    /// The place.
    pub(crate) offset: usize,
    /// The token that the place is in or right behind.
    pub(crate) token: Option<Token>,
    /// The tokens of the item before that, without comments.
    before: Vec<Token>,
    /// What may stand in place of the token.
    pub(crate) next: Vec<Next>,
}

/// A comparison that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// The field.
    pub(crate) field: &'a str,
    /// The operator; `:` in a test.
    pub(crate) operator: &'a str,
}

impl<'a> Cursor<'a> {
    /// What is at a place.
    pub(crate) fn new(text: &'a str, offset: usize) -> Cursor<'a> {
        // No token goes past the end of a line.
        let line = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
        let on_line = tokens(&text[..end], line);
        let touches = |token: &&Token| token.span.start <= offset && offset <= token.span.end;
        // Right behind a bracket nothing of it is being written.
        let counts = |token: &&Token| match token.kind {
            Kind::Mark => offset < token.span.end,
            Kind::Operator => offset > token.span.start,
            Kind::Text => offset < token.span.end || !closed(token.of(text)),
            Kind::Word | Kind::Bare | Kind::Regex | Kind::Comment => true,
        };
        let token = on_line.iter().rfind(|token| touches(token) && counts(token)).copied();
        let start = token.map_or(offset, |token| token.span.start);
        let mut before = tokens(&text[..start], place::item(&text[..start]));
        before.retain(|token| token.kind != Kind::Comment);
        let next = match token.map(|token| token.kind) {
            Some(Kind::Comment) => Vec::new(),
            _ => place::next(&text[..start]),
        };
        Cursor { text, offset, token, before, next }
    }

    /// Whether such a thing may stand here.
    pub(crate) fn wants(&self, next: Next) -> bool {
        self.next.contains(&next)
    }

    /// What is written of the token up to the cursor takes the place of this.
    pub(crate) fn written(&self) -> Span {
        Span { start: self.token.map_or(self.offset, |token| token.span.start), end: self.offset }
    }

    /// The text of the token, or nothing.
    pub(crate) fn word(&self) -> &'a str {
        self.token.map_or("", |token| token.of(self.text))
    }

    /// The n-th token before this one, from 0.
    fn back(&self, n: usize) -> &'a str {
        let at = self.before.len().checked_sub(n + 1);
        at.map_or("", |at| self.before[at].of(self.text))
    }

    /// The token before this one.
    pub(crate) fn last(&self) -> &'a str {
        self.back(0)
    }

    /// The field whose operator comes here.
    pub(crate) fn field(&self) -> &'a str {
        if self.last() == "not" { self.back(1) } else { self.last() }
    }

    /// The comparison, or the pair of a test, whose value comes here.
    pub(crate) fn asked(&self) -> Option<Asked<'a>> {
        let mut n = 0;
        if matches!(self.last(), "(" | ",") {
            // In a set: back to where it opens.
            while !matches!(self.back(n), "(" | "{" | "}" | "") {
                n += 1;
            }
            if self.back(n) != "(" {
                return None;
            }
            n += 1;
        }
        let operator = self.back(n);
        n += 1;
        if self.back(n) == "not" {
            n += 1;
        }
        let field = self.back(n);
        (!field.is_empty()).then_some(Asked { field, operator })
    }

    /// Whether this is the text of `list("…")`.
    pub(crate) fn in_list_call(&self) -> bool {
        self.last() == "(" && self.back(1) == "list"
    }

    /// The keyword of the clause or setting whose words these are: back over words and commas.
    pub(crate) fn clause(&self) -> &'a str {
        let mut n = 0;
        while self.back(n) == "," {
            n += 2;
        }
        self.back(n)
    }

    /// The step names of the rule that stand before the place.
    pub(crate) fn labels(&self) -> Vec<&'a str> {
        let pairs = || self.before.windows(2).map(|pair| (pair[0].of(self.text), pair[1].of(self.text), pair[0].kind));
        let steps = pairs().skip_while(|(when, form, _)| *when != "when" || !matches!(*form, "sequence" | "all"));
        // Fields of tests are followed by a colon too; steps come before tests.
        let steps = steps.take_while(|(word, next, _)| *word != "test" || *next == ":");
        let named = steps.filter(|(_, next, kind)| *kind == Kind::Word && *next == ":");
        named.map(|(label, ..)| label).collect()
    }

    /// The step names of the whole rule, those after the place too.
    pub(crate) fn all_labels(&self) -> Vec<String> {
        let start = place::item(&self.text[..self.written().start]);
        let rest = &self.text[start..boundary(self.text, start + LONGEST)];
        let Some(item) = place::items(rest).into_iter().next() else { return Vec::new() };
        let before = tokens(&rest[..item.end], item.start);
        let whole = Cursor { text: rest, offset: item.end, token: None, before, next: Vec::new() };
        let mut labels: Vec<String> = whole.labels().into_iter().map(str::to_owned).collect();
        labels.dedup();
        labels
    }
}

fn closed(text: &str) -> bool {
    let body = text.trim_start_matches('c').get(1..).unwrap_or_default();
    let ends = body.strip_suffix('"').or_else(|| body.strip_suffix('/'));
    ends.is_some_and(|body| (body.len() - body.trim_end_matches('\\').len()) % 2 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(text: &str) -> (String, usize) {
        let at = text.find('§').unwrap();
        (text.replace('§', ""), at)
    }

    fn check(text: &str, word: &str, next: Next) {
        let (text, at) = cursor(text);
        let cursor = Cursor::new(&text, at);
        assert_eq!(cursor.word(), word, "{text}");
        assert!(cursor.wants(next), "{text}: {:?}", cursor.next);
    }

    #[test]
    fn the_token_and_its_place_are_found() {
        check("rule a { sev§", "sev", Next::Clause);
        check("rule a { when proc§ess where x == \"1\" }", "process", Next::Source);
        check("rule a { when any where user.§ }", "user.", Next::Condition);
        check("rule a { when any where user.name §", "", Next::Operator);
        check("rule a { when any where user.name == \"ro§", "\"ro", Next::Value);
        check("rule a { when any where user.name in (\"a\", §", "", Next::Value);
        check("rule a { title \"{so§", "\"{so", Next::Text);
        check("ru§", "ru", Next::Item);
        check("let a = any\n§", "", Next::Item);
    }

    #[test]
    fn steps_are_named_behind_their_form_and_before_tests() {
        let text = "rule a { tags all, x when sequence by k within 1m { fail: any test: any } \
                    test \"t\" { @0s any { message: \"m\" } expect 1 } }";
        assert_eq!(Cursor::new(text, text.len()).labels(), ["fail", "test"]);
        assert_eq!(Cursor::new(text, 12).all_labels(), ["fail", "test"]);
    }

    #[test]
    fn comparisons_are_found_backwards() {
        let asked = |text: &str| {
            let (text, at) = cursor(text);
            let cursor = Cursor::new(&text, at);
            cursor.asked().map(|asked| (asked.field.to_owned(), asked.operator.to_owned()))
        };
        let some = |field: &str, operator: &str| Some((field.to_owned(), operator.to_owned()));
        assert_eq!(asked("let a = any where user.name == \"§"), some("user.name", "=="));
        assert_eq!(asked("let a = any where user.name not in (\"x\", \"§"), some("user.name", "in"));
        assert_eq!(asked("rule a { test \"t\" { @0s any { user.name: §"), some("user.name", ":"));
        assert_eq!(asked("rule a { test \"t\" { @0s any { x: 1, user.name: §"), some("user.name", ":"));
    }
}
