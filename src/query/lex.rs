//! SQL cut into tokens: enough to tell statements, texts and comments from one another, and no more.
//!
//! In comes what somebody types, whole or not; out come pieces that together are that text again.

/// What a piece of SQL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name or a number.
    Word,
    /// A text in quotes or between dollars.
    Text,
    /// A name in double quotes.
    Quoted,
    /// A comment.
    Comment,
    /// White space.
    Blank,
    /// Any other character.
    Symbol,
}

/// A piece of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// All of it, quotes included.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Whether it is all there: a text that is not closed goes on in the next line.
    pub closed: bool,
}

/// The tokens of a text, in their order.
pub fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    let mut before = "";
    std::iter::from_fn(move || {
        let rest = &sql[at..];
        let first = rest.chars().next()?;
        let (kind, length, closed) = piece(rest, first, before);
        let token = Token { kind, text: &rest[..length], start: at, closed };
        at += length;
        before = token.text;
        Some(token)
    })
}

/// Cuts statements apart. Returns those that are ended by `;`, without it, and what comes after the last one. Statements of
/// blanks and comments only are left out.
pub fn split(sql: &str) -> (Vec<&str>, &str) {
    let (mut statements, mut start) = (Vec::new(), 0);
    for token in tokens(sql) {
        if token.kind == Kind::Symbol && token.text == ";" {
            statements.push(&sql[start..token.start]);
            start = token.start + 1;
        }
    }
    statements.retain(|statement| !is_blank(statement));
    (statements, &sql[start..])
}

/// Whether there is nothing to run: only white space and comments that are closed.
pub fn is_blank(sql: &str) -> bool {
    tokens(sql).all(|token| matches!(token.kind, Kind::Blank | Kind::Comment) && token.closed)
}

/// Kind, length in bytes and whether it is closed, of the token that begins here.
fn piece(rest: &str, first: char, before: &str) -> (Kind, usize, bool) {
    match first {
        '\'' => quoted(rest, Kind::Text, '\'', before.eq_ignore_ascii_case("e")),
        '"' => quoted(rest, Kind::Quoted, '"', false),
        '$' => match dollar(rest) {
            Some(tag) => until(rest, Kind::Text, tag.len(), tag),
            None => (Kind::Symbol, 1, true),
        },
        '-' if rest.starts_with("--") => (Kind::Comment, rest.find('\n').unwrap_or(rest.len()), true),
        '/' if rest.starts_with("/*") => until(rest, Kind::Comment, 2, "*/"),
        c if c.is_whitespace() => (Kind::Blank, run(rest, char::is_whitespace), true),
        c if is_word(c) => (Kind::Word, run(rest, is_word), true),
        c => (Kind::Symbol, c.len_utf8(), true),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn run(rest: &str, inside: fn(char) -> bool) -> usize {
    rest.find(|c| !inside(c)).unwrap_or(rest.len())
}

/// Up to the quote that closes it; a doubled one does not.
fn quoted(rest: &str, kind: Kind, quote: char, escapes: bool) -> (Kind, usize, bool) {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return (kind, at + 1, true);
        }
    }
    (kind, rest.len(), false)
}

fn until(rest: &str, kind: Kind, from: usize, end: &str) -> (Kind, usize, bool) {
    match rest[from..].find(end) {
        Some(at) => (kind, from + at + end.len(), true),
        None => (kind, rest.len(), false),
    }
}

/// `$$` or `$tag$`, with which a text begins and ends; `$name` and `$1` are parameters.
fn dollar(rest: &str) -> Option<&str> {
    let tag = run(&rest[1..], is_word);
    let is_tag = rest[1 + tag..].starts_with('$') && !rest[1..].starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &rest[..tag + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_texts_and_comments() {
        for (sql, statements, rest) in [
            ("SELECT 1; SELECT 2;", &["SELECT 1", " SELECT 2"][..], ""),
            ("SELECT 1", &[], "SELECT 1"),
            (
                "SELECT ';', \"a;\"\"b\" -- ;\n, 'it''s;' /* ; */;x",
                &["SELECT ';', \"a;\"\"b\" -- ;\n, 'it''s;' /* ; */"],
                "x",
            ),
            ("SELECT $$;'$$, $a$;$$;$a$, $id, $1;", &["SELECT $$;'$$, $a$;$$;$a$, $id, $1"], ""),
            ("SELECT e'\\';', '\\';", &["SELECT e'\\';', '\\'"], ""),
            (";;  -- nothing\n;", &[], ""),
            ("SELECT 'é;ß;", &[], "SELECT 'é;ß;"),
            ("/* ; SELECT 1;", &[], "/* ; SELECT 1;"),
        ] {
            assert_eq!(split(sql), (statements.to_vec(), rest), "{sql}");
            assert_eq!(tokens(sql).map(|t| t.text).collect::<String>(), sql);
        }
    }

    #[test]
    fn what_is_not_closed_is_not_blank() {
        for (sql, blank) in
            [("", true), (" -- x", true), ("/* x */\n", true), ("/* x", false), ("'", false), ("1", false)]
        {
            assert_eq!(is_blank(sql), blank, "{sql}");
        }
    }
}
