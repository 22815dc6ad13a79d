//! Titles: `{count}`, `{field}` and `{step.field}` become pieces of a template. In: the title's text
//! and the rule's shape. Out: the template; values it needs are added to the payload.

use super::ast::{Span, Word};
use super::code::Code;
use super::condition::Check;
use super::form::{Shape, slot};
use super::plan::{Piece, Template};
use crate::event::field;

/// The template of a title. `{{` and `}}` stand for braces.
pub(super) fn template(check: &mut Check<'_>, title: &Word, shape: &mut Shape) -> Template {
    pieces(check, title, &mut |check, name| hole(check, title, name, shape))
}

/// Reports what is wrong with the title of a rule whose `when` has mistakes: nobody knows all of its steps.
pub(super) fn check(check: &mut Check<'_>, title: &Word) {
    pieces(check, title, &mut |check, name| {
        let of_step = name.split_once('.').is_some_and(|(_, of)| field::is_known(of));
        if name != "count" && !field::is_known(name) && !of_step {
            unknown(check, place(check, title, name), name, &[]);
        }
        None
    });
}

fn pieces(
    check: &mut Check<'_>,
    title: &Word,
    hole: &mut dyn FnMut(&mut Check<'_>, &str) -> Option<Piece>,
) -> Template {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = title.text.as_str();
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            text.push_str(&brace[..1]);
            rest = &brace[2..];
            continue;
        }
        let Some(end) = brace.find('}').filter(|end| *end > 0) else {
            let message = format!("`{}` stands alone in the title", &brace[..1]);
            check.report(
                check
                    .error(Code::UnknownHole, title.span, message)
                    .label("in this text")
                    .help("write {{ or }} for a brace itself"),
            );
            return Template::default();
        };
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.extend(hole(check, brace[1..end].trim()));
        rest = &brace[end + 1..];
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Template { pieces }
}

/// The title of a rule that has none: its name, as words.
pub(super) fn from_name(name: &str) -> Template {
    Template { pieces: vec![Piece::Text(name.replace(['_', '-'], " "))] }
}

fn hole(check: &mut Check<'_>, title: &Word, name: &str, shape: &mut Shape) -> Option<Piece> {
    if name == "count" {
        return Some(Piece::Count);
    }
    let span = place(check, title, name);
    if let Some((label, field)) = name.split_once('.')
        && check.labels.iter().any(|l| l == label)
        && let Some(step) = shape.steps.iter().position(|s| s.name.as_deref() == Some(label))
        && field::is_known(field)
    {
        let field = check.field(&Word { text: field.to_owned(), span })?;
        if let Some(key) = shape.steps[step].key.iter().position(|k| *k == field) {
            return Some(Piece::Key(key));
        }
        if !shape.form.must_happen(step) {
            let message = format!("step `{label}` must not happen, so it has no `{}`", field.name());
            check.report(
                check
                    .error(Code::UnknownHole, span, message)
                    .label("nothing can fill this")
                    .help("name a field of the key, or of a step that must happen"),
            );
            return None;
        }
        return Some(Piece::Value { step: Some(step), slot: slot(&mut shape.payload, field) });
    }
    if !field::is_known(name) {
        let steps: Vec<&str> = shape.steps.iter().filter_map(|s| s.name.as_deref()).collect();
        let steps: Vec<&str> = steps.into_iter().filter(|name| check.labels.iter().any(|l| l == name)).collect();
        let first = name.split('.').next().unwrap_or(name);
        if steps.contains(&first) {
            let field = name[first.len()..].trim_start_matches('.');
            check.field(&Word { text: field.to_owned(), span });
            return None;
        }
        unknown(check, span, name, &steps);
        return None;
    }
    let field = check.field(&Word { text: name.to_owned(), span })?;
    if let Some(key) = shape.key.iter().position(|k| *k == field) {
        return Some(Piece::Key(key));
    }
    Some(Piece::Value { step: None, slot: slot(&mut shape.payload, field) })
}

/// Where a hole stands in the file, if the title holds no escapes before it.
fn place(check: &Check<'_>, title: &Word, name: &str) -> Span {
    let written = &check.text[title.span.start..title.span.end];
    written
        .find(&format!("{{{name}}}"))
        .map_or(title.span, |at| Span { start: title.span.start + at + 1, end: title.span.start + at + 1 + name.len() })
}

fn unknown(check: &mut Check<'_>, span: Span, name: &str, steps: &[&str]) {
    let help = if steps.is_empty() {
        "a hole is {count} or a field".to_owned()
    } else {
        format!("a hole is {{count}}, a field, or one of the steps ({}) and a field", steps.join(", "))
    };
    let near = super::nearest::nearest(name, field::TABLE.iter().map(|f| f.name).chain(["count"]));
    let error = check.error(Code::UnknownHole, span, format!("the title has a hole `{name}` that nothing fills"));
    let error = near.map_or(error.clone().label("unknown"), |near| error.fix(near));
    check.report(error.help(help));
}
