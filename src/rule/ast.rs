//! What a rule file says, with its spans, before anything is checked: names are not resolved,
//! literals not typed, clauses in the order and number they were written. `parse` makes it,
//! `check` turns it into the plan.

use std::sync::Arc;

pub use form::{
    Aggregate, Baseline, Bound, Bounds, Novel, Pattern, Role, Setting, SettingKind, Step, Steps, Tuning, When,
};

mod form;

/// Byte offsets in a source file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// A word or text and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// The text, unescaped when it was quoted.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// One file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: Arc<str>,
    /// The items that could be parsed.
    pub items: Vec<Item>,
    /// The `let`s and lists that could not.
    pub broken: Vec<Broken>,
}

/// A `let` or a list of which no more than the name could be read.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Its name.
    pub name: Word,
    /// It is a list.
    pub list: bool,
}

/// What stands at the top of a file.
#[derive(Clone, Debug)]
pub enum Item {
    /// `rule name { … }`
    Rule(Rule),
    /// `let name = pattern`
    Let(Let),
    /// `list name from "path"`, `list name = (…)`
    List(List),
}

/// `let name = pattern`
#[derive(Clone, Debug)]
pub struct Let {
    /// Its name.
    pub name: Word,
    /// What it stands for.
    pub pattern: Pattern,
}

/// `list name …`
#[derive(Clone, Debug)]
pub struct List {
    /// Its name.
    pub name: Word,
    /// Where its values come from.
    pub origin: Origin,
}

/// Where a list's values come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A text file, by its path in the rules folder.
    File(Word),
    /// The values themselves.
    Inline(Vec<Value>, Span),
}

/// `rule name { … }`
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: Word,
    /// Its clauses, as written.
    pub clauses: Vec<Clause>,
    /// All of it.
    pub span: Span,
    /// Clauses, steps and lines of tests that could not be parsed and are missing here; none in a rule without syntax errors.
    pub broken: Vec<Span>,
    /// Something in it was read as it was meant, and not as it is written.
    pub misspelt: bool,
}

impl Rule {
    /// Its title; a second one is a mistake.
    pub fn titles(&self) -> impl Iterator<Item = &Word> {
        self.clauses.iter().filter_map(|c| if let ClauseKind::Title(title) = &c.kind { Some(title) } else { None })
    }

    /// What stands after its `when`; a second one is a mistake.
    pub fn whens(&self) -> impl Iterator<Item = &When> {
        self.clauses.iter().filter_map(|c| if let ClauseKind::When(when) = &c.kind { Some(when) } else { None })
    }

    /// Its exceptions.
    pub fn excepts(&self) -> impl Iterator<Item = &Except> {
        self.clauses.iter().filter_map(|c| if let ClauseKind::Except(e) = &c.kind { Some(e) } else { None })
    }

    /// The lines of its tests.
    pub fn test_lines(&self) -> impl Iterator<Item = &TestLine> {
        let tests = self.clauses.iter().filter_map(|c| if let ClauseKind::Test(t) = &c.kind { Some(t) } else { None });
        tests.flat_map(|test| &test.lines)
    }
}

/// One clause.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What it says.
    pub kind: ClauseKind,
    /// All of it.
    pub span: Span,
}

/// What a clause says.
#[derive(Clone, Debug)]
pub enum ClauseKind {
    /// `title "…"`
    Title(Word),
    /// `description "…"`
    Description(Word),
    /// `severity high`
    Severity(Word),
    /// `attack T1110, T1078`
    Attack(Vec<Word>),
    /// `tags linux, "two words"`
    Tags(Vec<Word>),
    /// `runbook "kb/x.md"`
    Runbook(Word),
    /// `falsepositives "backup jobs"`
    FalsePositives(Vec<Word>),
    /// `references "https://…"`
    References(Vec<Word>),
    /// `author "…"`
    Author(Word),
    /// `risk 20`
    Risk(Word),
    /// `cooldown 1h`
    Cooldown(Word),
    /// `retro 30d`
    Retro(Word),
    /// `when …`
    When(When),
    /// `except "…" where …`
    Except(Except),
    /// `test "…" { … }`
    Test(Test),
}

impl ClauseKind {
    /// The word it starts with.
    pub fn keyword(&self) -> &'static str {
        match self {
            ClauseKind::Title(_) => "title",
            ClauseKind::Description(_) => "description",
            ClauseKind::Severity(_) => "severity",
            ClauseKind::Attack(_) => "attack",
            ClauseKind::Tags(_) => "tags",
            ClauseKind::Runbook(_) => "runbook",
            ClauseKind::FalsePositives(_) => "falsepositives",
            ClauseKind::References(_) => "references",
            ClauseKind::Author(_) => "author",
            ClauseKind::Risk(_) => "risk",
            ClauseKind::Cooldown(_) => "cooldown",
            ClauseKind::Retro(_) => "retro",
            ClauseKind::When(_) => "when",
            ClauseKind::Except(_) => "except",
            ClauseKind::Test(_) => "test",
        }
    }
}

/// `except "reason" where condition [expires 2027-01-01]`
#[derive(Clone, Debug)]
pub struct Except {
    /// Why.
    pub reason: Word,
    /// Which events.
    pub condition: Condition,
    /// Until when, if not for ever.
    pub expires: Option<Word>,
}

/// A condition on one event.
#[derive(Clone, Debug)]
pub enum Condition {
    /// One of them holds.
    Or(Vec<Condition>),
    /// All of them hold.
    And(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// `exists f`
    Exists(Word),
    /// `true`, `false`
    Constant(bool),
    /// `f op operand`
    Compare(Comparison),
}

impl Condition {
    /// Hands over each field that it asks for, with the comparison where it is not `exists`.
    pub fn fields<'a>(&'a self, tell: &mut dyn FnMut(&'a Word, Option<&'a Comparison>)) {
        match self {
            Condition::Or(parts) | Condition::And(parts) => parts.iter().for_each(|part| part.fields(tell)),
            Condition::Not(part) => part.fields(tell),
            Condition::Exists(field) => tell(field, None),
            Condition::Compare(comparison) => tell(&comparison.field, Some(comparison)),
            Condition::Constant(_) => {}
        }
    }
}

/// `f [not] op operand`
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The field as written.
    pub field: Word,
    /// `not` before the operator.
    pub negated: bool,
    /// The operator as written.
    pub operator: Word,
    /// The right side.
    pub operand: Operand,
    /// All of it.
    pub span: Span,
}

/// The right side of a comparison.
#[derive(Clone, Debug)]
pub enum Operand {
    /// One value, or the name of a list.
    One(Value),
    /// `(a, b)`
    Many(Vec<Value>, Span),
    /// `list("x")`
    List(Word, Span),
    /// `/x/i`
    Regex(Regex),
}

/// `/pattern/flags`
#[derive(Clone, Debug)]
pub struct Regex {
    /// Between the slashes.
    pub pattern: Word,
    /// After them.
    pub flags: Word,
    /// All of it.
    pub span: Span,
}

/// A literal.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its kind.
    pub kind: ValueKind,
    /// What it says, unescaped when it was quoted.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// How a literal is written; what it means depends on the field it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `"…"`
    Text,
    /// `c"…"`
    Exact,
    /// A number, a size, a duration, a date, an address or a network.
    Bare,
    /// A word without quotes: a list, or a mistake.
    Path,
}

/// `test "…" { … }`
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name.
    pub name: Word,
    /// Its lines.
    pub lines: Vec<TestLine>,
}

/// A line of a test.
#[derive(Clone, Debug)]
pub enum TestLine {
    /// `@0s x3 every 1s late authentication { … }`
    Given(Given),
    /// `expect 1 { … } then 0`
    Expect(Vec<Outcome>, Span),
}

/// Events that a test sends.
#[derive(Clone, Debug)]
pub struct Given {
    /// When, from the test's start.
    pub at: Word,
    /// How many (`x3`).
    pub repeat: Option<Word>,
    /// How far apart.
    pub every: Option<Word>,
    /// Whether it arrives after the next lines' events.
    pub late: bool,
    /// The category.
    pub source: Word,
    /// The fields.
    pub pairs: Vec<Pair>,
    /// All of it.
    pub span: Span,
}

/// How many alerts a test expects, and what is in their key.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many.
    pub count: Word,
    /// Key fields and their values.
    pub pairs: Vec<Pair>,
}

/// `field: value`
#[derive(Clone, Debug)]
pub struct Pair {
    /// The field as written.
    pub field: Word,
    /// The value, or several of a list field.
    pub values: Vec<Value>,
}
