//! The codes of diagnostics, each with the sentence that says what it is about and a page that explains it: what it
//! means, why it is said, a wrong example and the mended one. Pages lie in `code/pages`, one a code.

/// Where the meaning of a rule file goes wrong.
macro_rules! codes {
    ($($name:ident $number:literal $doc:literal;)*) => {
        /// The code of a diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $doc] $name,)* }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// `W0101`
            pub fn number(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }

            /// What it is about, in a sentence.
            pub fn doc(self) -> &'static str {
                match self { $(Code::$name => $doc,)* }
            }

            /// All of its page, Markdown with two examples.
            fn markdown(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("code/pages/", $number, ".md")),)* }
            }
        }
    };
}

/// What is to be told of a code.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// What it means, and why it is said.
    pub text: &'static str,
    /// A rule file that has it.
    pub wrong: &'static str,
    /// The same without it.
    pub right: &'static str,
}

impl Code {
    /// Its page.
    pub fn page(self) -> Page {
        let whole = self.markdown();
        let example = |kind: &str| {
            let start = whole.find(kind).map_or(whole.len(), |at| at + kind.len());
            whole[start..].split("```").next().unwrap_or_default()
        };
        let text = whole.split("```").next().unwrap_or_default().trim_end();
        Page { text, wrong: example("```weir wrong\n"), right: example("```weir right\n") }
    }

    /// The code that somebody means: `W0101`, `w101` and `101` are the same.
    pub fn meant(text: &str) -> Option<Code> {
        let number = digits(text)?;
        Code::ALL.iter().copied().find(|code| digits(code.number()) == Some(number))
    }

    /// The code whose number is nearest, for a text that has a number.
    pub fn near(text: &str) -> Option<Code> {
        let number = digits(text)?;
        Code::ALL.iter().copied().min_by_key(|code| digits(code.number()).map(|own| own.abs_diff(number)))
    }
}

fn digits(text: &str) -> Option<u32> {
    text.trim().trim_start_matches(['W', 'w']).parse().ok()
}

codes! {
    Syntax "W0001" "Something else was expected here.";
    UnknownKeyword "W0002" "No clause or setting has this name.";
    Unclosed "W0003" "A brace, parenthesis, text or regular expression is never closed.";
    TooDeep "W0004" "Parentheses are nested deeper than any reader could follow.";
    BadEscape "W0005" "A backslash in a text must be followed by one of the known escapes.";
    MissingWhen "W0006" "A rule says which events it looks for in a `when` clause.";
    Repeated "W0007" "A clause or setting may stand once.";
    BadOperator "W0008" "Operators are spelled `==`, `!=`, `and`, `or`, `not`.";
    NotText "W0009" "A rule file is UTF-8 text.";

    UnknownField "W0101" "A field is a name of the field table, or `fields.` and the name the log uses.";
    UnknownSource "W0102" "Before `where` stands an ECS category, `any`, or the name of a `let`.";
    UnknownList "W0103" "A list must be declared with `list name from \"path\"` or `list name = (…)`.";
    Duplicate "W0104" "Names of rules, of `let`s and of lists are unique in a folder, step names in a rule.";
    Cycle "W0105" "A `let` cannot stand for itself.";
    UnknownHole "W0106" "A hole in a title is `{count}`, a field, or a step's name and a field.";
    NameTaken "W0107" "This name already has a meaning.";

    TypeMismatch "W0201" "A field is compared with a value of its own type; nothing is converted.";
    OutOfRange "W0202" "The number does not fit the field, so the comparison could never hold.";
    WrongOperator "W0203" "The operator does not exist for fields of this type.";
    BadRegex "W0204" "The regular expression does not compile.";
    Unquoted "W0205" "Text stands in double quotes.";
    BadAddress "W0206" "An address or a network is written like 10.0.0.5, 10.0.0.0/8 or 2001:db8::/32.";
    BadDuration "W0207" "A duration is a whole number and a unit: 500ms, 30s, 5m, 12h, 7d.";
    BadTime "W0208" "A date is written 2027-01-01, a time 2027-01-01T10:30:00Z.";
    BadNumber "W0209" "A number is whole, and may have a size unit: 10, 1_000, 100MB, 1GiB.";

    MissingWithin "W0301" "What counts over time or comes in order needs a window, or its state would grow for ever.";
    NothingToCount "W0302" "A window without `having` has nothing to count.";
    BadCount "W0303" "A count is at least 1.";
    KeyMixed "W0304" "Steps share one key with `by`, or each has its own with `on`: not both, and not some only.";
    TooFewSteps "W0305" "`sequence` and `all` have at least two steps.";
    BadKey "W0306" "The field cannot be a key.";
    BadWindow "W0307" "A window or cooldown is longer than 0 and at most 366 days.";
    NeverTrue "W0308" "The condition can never hold.";
    AlwaysTrue "W0309" "The rule raises an alert for every event.";
    Misplaced "W0310" "The setting does not belong here.";
    BadHaving "W0311" "`having` compares a count, or an aggregate of a field, with a number.";
    StepHaving "W0312" "What a step asks for can only become true by more events, never false again.";
    BadAbsence "W0313" "A `not` step comes after a step that must happen, one at a time.";
    FieldWithField "W0314" "A field is compared with a value, or in a sequence with a field of an earlier step.";
    StepField "W0315" "A comparison with an earlier step's field is one of the conditions of a step that asks for one event.";
    BadTuning "W0316" "The parameter does not belong here, is missing, or has another value than it can.";
    BadBaseline "W0317" "A baseline compares counts and sums of whole buckets with earlier ones.";
    NothingMerges "W0318" "A cooldown merges matches that follow one another; these never merge.";
    BadRetro "W0319" "`retro` follows the lists of a rule over events, asked with `in`.";

    BadSeverity "W0401" "A severity is informational, low, medium, high or critical.";
    BadTechnique "W0402" "An ATT&CK technique is written T1110 or T1110.001.";
    BadRisk "W0403" "Risk points are a whole number from 0 to 1000.";

    ListUnreadable "W0501" "The list's file cannot be read.";
    ListEmpty "W0502" "The list has no values, so nothing is in it.";
    ListEntry "W0503" "An entry of the list does not fit the field it is compared with.";
    ListPath "W0504" "A list's path is relative and stays in the rules folder.";

    NothingExpected "W0601" "A test says what it expects.";
    BadTestValue "W0602" "A test's event cannot have this value.";
    BadExpect "W0603" "A test expects once: how it ends, or what there is before late events and after each line of them.";

    AlertCycle "W0701" "Rules over alerts never see alerts that depend on their own.";
    AlertForm "W0702" "This form does not work over alerts.";
    NoAlerts "W0703" "No rule raises an alert that this could match.";

    Unfilled "W0801" "No parser fills this field.";
    LongState "W0802" "State grows for months with every new value of the key.";
    MissingToo "W0803" "A denied comparison is true where the field is missing.";
    Expired "W0804" "The exception has expired.";
    NeverFires "W0805" "The rule can never raise an alert.";
    Shadowed "W0806" "Another rule raises the same alerts already.";
    UnknownTechnique "W0807" "ATT&CK has no technique of this id.";
    WithdrawnTechnique "W0808" "ATT&CK has withdrawn the technique.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_ordered() {
        assert!(Code::ALL.windows(2).all(|w| w[0].number() < w[1].number()));
    }

    #[test]
    fn codes_are_found_however_they_are_written() {
        for text in ["W0101", "w0101", "W101", "101", " w101 "] {
            assert_eq!(Code::meant(text), Some(Code::UnknownField), "{text}");
        }
        assert_eq!((Code::meant("W0199"), Code::meant("within"), Code::near("within")), (None, None, None));
        assert_eq!(Code::near("W0199"), Some(Code::TypeMismatch));
    }
}
