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

/// The sentence about a word of a table.
pub fn doc(table: &[Entry], word: &str) -> Option<&'static str> {
    table.iter().find(|entry| entry.word == word).map(|entry| entry.doc)
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
