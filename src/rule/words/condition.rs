//! Operators and aggregates: which types they are for, and what they mean.

use super::listed;
use crate::event::field::Type;

/// Types that have the same operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Text and lists of texts.
    Text,
    /// Addresses.
    Address,
    /// Numbers of any width.
    Number,
    /// Times.
    Time,
    /// Ids of events.
    Id,
}

impl Family {
    /// All of them.
    pub const ALL: &[Family] = &[Family::Text, Family::Address, Family::Number, Family::Time, Family::Id];

    /// That of a field of this type.
    pub fn of(ty: Type) -> Family {
        match ty {
            Type::Text | Type::LongText | Type::TextList => Family::Text,
            Type::Ip => Family::Address,
            Type::U16 | Type::U32 | Type::U64 | Type::I64 => Family::Number,
            Type::Timestamp => Family::Time,
            Type::Id => Family::Id,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Family::Text => "text",
            Family::Address => "address",
            Family::Number => "number",
            Family::Time => "time",
            Family::Id => "event id",
        }
    }

    /// The operators for fields of it.
    pub fn operators(self) -> impl Iterator<Item = &'static Operator> {
        OPERATORS.iter().filter(move |operator| operator.families.contains(&self))
    }

    /// Which operators to use, for a message about another one.
    pub(in crate::rule) fn advice(self) -> String {
        let words = listed(self.operators().map(|o| o.word));
        match self {
            Family::Text => format!("text has no order: use {words}"),
            Family::Address => format!("use {words}, with an address or a network: source.ip in 10.0.0.0/8"),
            Family::Number => format!("use {words}"),
            Family::Time => format!("use {words}, with a date: @timestamp < 2027-01-01"),
            Family::Id => "an event id can only be asked for with `exists`".to_owned(),
        }
    }
}

/// An operator between a field and a value.
#[derive(Debug)]
pub struct Operator {
    /// As it is written.
    pub word: &'static str,
    /// What it is for.
    pub families: &'static [Family],
    /// A condition with it.
    pub example: &'static str,
    /// When it holds.
    pub doc: &'static str,
}

const EVERY: &[Family] = &[Family::Text, Family::Address, Family::Number, Family::Time];
const ORDERED: &[Family] = &[Family::Number, Family::Time];
const TEXT: &[Family] = &[Family::Text];

/// All operators.
pub const OPERATORS: &[Operator] = &[
    Operator {
        word: "==",
        families: EVERY,
        example: "user.name == \"root\"",
        doc: "it is this value, letter by letter (`*` is a letter too); a text in whatever case, c\"…\" exactly",
    },
    Operator {
        word: "!=",
        families: EVERY,
        example: "user.name != \"root\"",
        doc: "it is not, or there is none: the opposite of ==",
    },
    Operator {
        word: "in",
        families: EVERY,
        example: "source.ip in (10.0.0.0/8, 192.0.2.1)",
        doc: "it is one of several, of a list, or in a network",
    },
    Operator {
        word: "like",
        families: TEXT,
        example: "process.executable like \"*\\\\temp\\\\*.exe\"",
        doc: "all of it fits: * is any run of characters, ? any one",
    },
    Operator {
        word: "contains",
        families: TEXT,
        example: "message contains \"segfault\"",
        doc: "the text is part of it",
    },
    Operator {
        word: "startswith",
        families: TEXT,
        example: "url.path startswith (\"/admin\", \"/wp-admin\")",
        doc: "it begins with the text, or one of several",
    },
    Operator { word: "endswith", families: TEXT, example: "url.path endswith \".php\"", doc: "it ends with the text" },
    Operator {
        word: "~",
        families: TEXT,
        example: "url.path ~ /\\.php$/i",
        doc: "the regular expression (Rust's syntax) matches somewhere in it; `i` ignores case",
    },
    Operator { word: "<", families: ORDERED, example: "destination.port < 1024", doc: "it is less, or earlier" },
    Operator {
        word: "<=",
        families: ORDERED,
        example: "destination.port <= 1023",
        doc: "it is less, earlier, or the same",
    },
    Operator { word: ">", families: ORDERED, example: "network.bytes > 1GB", doc: "it is more, or later" },
    Operator {
        word: ">=",
        families: ORDERED,
        example: "http.response.status_code >= 500",
        doc: "it is more, later, or the same",
    },
];

/// The operators that are words, for messages about words.
pub const OPERATOR_WORDS: &[&str] = &["in", "like", "contains", "startswith", "endswith"];

/// Whether fields of this type have the operator.
pub(in crate::rule) fn applies(operator: &str, ty: Type) -> bool {
    Family::of(ty).operators().any(|o| o.word == operator)
}

super::table! {
    /// What conditions are made of beside comparisons.
    LOGIC, LOGIC_WORDS:
    "and" "user.name == \"root\" and exists source.ip" "both hold; it binds more tightly than `or`";
    "or" "user.name == \"root\" or user.id == \"0\"" "one holds, or both";
    "not" "not source.ip in 10.0.0.0/8" "it does not hold; before a word such as `in` too: `source.ip not in 10.0.0.0/8`";
    "exists" "exists source.ip" "there is a value, whatever it is";
    "true" "true" "holds always";
    "false" "false" "never holds";
}

super::table! {
    /// What `having` and `baseline` can compute over a window.
    AGGREGATES, AGGREGATE_WORDS:
    "count" "count()" "how many events";
    "distinct" "distinct(user.name)" "how many different values";
    "sum" "sum(source.bytes)" "the sum of a number field";
    "avg" "avg(source.bytes)" "its average";
    "min" "min(source.bytes)" "its least value";
    "max" "max(source.bytes)" "its greatest value";
    "percentile" "percentile(source.bytes, 95)" "the value that so many percent of the events do not exceed";
}

/// How an aggregate is written.
pub(in crate::rule) fn usage(aggregate: &str) -> &'static str {
    AGGREGATES.iter().find(|a| a.word == aggregate).map_or("count()", |a| a.usage)
}
