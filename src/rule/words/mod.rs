//! The words of the language, each with a sentence: what the compiler tells in its messages and what the language
//! reference shows is read here, so that neither can say what the other does not.
//!
//! Fields are not here but in the field table ([`crate::event::field`]), codes of diagnostics in [`super::code`].

pub mod condition;
pub mod form;
pub mod top;

/// A word with what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The word as it is written.
    pub word: &'static str,
    /// How it is used.
    pub usage: &'static str,
    /// What it means, in a sentence without a full stop.
    pub doc: &'static str,
}

/// A table and the list of its words, which cannot differ.
macro_rules! table {
    ($(#[$about:meta])* $table:ident, $words:ident: $($word:literal $usage:literal $doc:literal;)*) => {
        $(#[$about])*
        pub const $table: &[$crate::rule::words::Entry] =
            &[$($crate::rule::words::Entry { word: $word, usage: $usage, doc: $doc },)*];
        /// Its words.
        pub const $words: &[&str] = &[$($word,)*];
    };
}
pub(crate) use table;

/// The entry of a word in the first of these tables that has it.
pub(crate) fn find(tables: &[&'static [Entry]], word: &str) -> Option<&'static Entry> {
    tables.iter().copied().flatten().find(|entry| entry.word == word)
}

/// `a, b or c`
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [many @ .., last] => format!("{} or {last}", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    const EDITOR: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/editor/vscode/syntaxes/weir.tmLanguage.json"));

    /// All texts under these keys.
    fn texts<'a>(value: &'a Value, keys: &[&str], out: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if keys.contains(&key.as_str()) {
                        out.extend(value.as_str());
                    }
                    texts(value, keys, out);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| texts(value, keys, out)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn the_editor_knows_every_word_of_the_grammar() {
        let editor: Value = serde_json::from_str(EDITOR).unwrap();
        let (mut patterns, mut includes) = (Vec::new(), Vec::new());
        texts(&editor, &["match", "begin", "end"], &mut patterns);
        texts(&editor, &["include"], &mut includes);
        let words: BTreeSet<&str> =
            patterns.iter().flat_map(|p| p.split(|c: char| !c.is_ascii_lowercase() && c != '_')).collect();
        // All that stands in quotes and is a word: keywords, operators, parameters, units.
        let grammar = include_str!("../grammar.pest");
        let code = grammar.lines().filter(|l| !l.starts_with("//"));
        let quoted = code.flat_map(|l| l.split('"').skip(1).step_by(2));
        let wanted: BTreeSet<&str> =
            quoted.filter(|w| w.len() > 1 && w.bytes().all(|b| b.is_ascii_lowercase())).collect();
        assert!(wanted.len() > 50, "{wanted:?}");
        let sets = [super::top::CATEGORIES, super::top::SOURCE_WORDS, super::condition::AGGREGATE_WORDS];
        let missing: Vec<_> = wanted.into_iter().chain(sets.concat()).filter(|w| !words.contains(w)).collect();
        assert!(missing.is_empty(), "examples/editor/vscode does not colour {missing:?}");
        for include in includes {
            let name = include.trim_start_matches('#');
            assert!(editor["repository"].get(name).is_some(), "there is no {include}");
        }
    }
}
