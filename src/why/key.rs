//! A key as it is typed. In: `source.ip=203.0.113.7`, a rule. Out: the key's values, as events have them.

use super::WhyError;
use crate::event::field::Type;
use crate::rule::plan::{FieldRef, Program, Rule, Tuple};

/// The rule of this name.
pub(super) fn rule<'p>(program: &'p Program, name: &str) -> Result<&'p Rule, WhyError> {
    program.rules.iter().find(|r| r.name == name).ok_or_else(|| {
        let near = crate::rule::nearest::nearest(name, program.rules.iter().map(|r| r.name.as_str()));
        let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        WhyError::NoRule { name: name.to_owned(), near }
    })
}

/// `FIELD=VALUE`
pub(super) fn pair(text: &str) -> Result<(&str, &str), WhyError> {
    match text.split_once('=') {
        Some((field, value)) if !field.trim().is_empty() => Ok((field.trim(), value)),
        Some(_) | None => Err(WhyError::NotAKey(text.to_owned())),
    }
}

/// The values of a rule's key, in its order; none for a rule without a key or when none are given and `optional`.
pub(super) fn values(rule: &Rule, given: &[String], optional: bool) -> Result<Vec<String>, WhyError> {
    let mut values: Vec<Option<String>> = vec![None; rule.key.len()];
    for text in given {
        let (field, value) = pair(text)?;
        let at = position(rule, field).ok_or_else(|| WhyError::OtherKey {
            field: field.to_owned(),
            rule: rule.name.clone(),
            keys: keys(rule),
        })?;
        if values[at].replace(canonical(&rule.key[at], value)?).is_some() {
            return Err(WhyError::Twice(field.to_owned()));
        }
    }
    if given.is_empty() && optional {
        return Ok(Vec::new());
    }
    let missing: Vec<String> =
        rule.key.iter().zip(&values).filter(|(_, v)| v.is_none()).map(|(f, _)| f.name()).collect();
    if !missing.is_empty() {
        let (rule_name, missing) = (rule.name.clone(), missing.join(" and "));
        return Err(WhyError::KeyMissing { rule: rule_name, keys: keys(rule), missing });
    }
    Ok(values.into_iter().flatten().collect())
}

/// The values as match rows have them.
pub(super) fn tuple(values: &[String]) -> Tuple {
    match values {
        [] => Tuple::default(),
        values => Tuple::new(values.iter().map(|value| Some(value.as_str()))),
    }
}

/// Where in the key a field stands, under the name that any step has for it.
fn position(rule: &Rule, name: &str) -> Option<usize> {
    let names = std::iter::once(&rule.key).chain(rule.steps.iter().map(|s| &s.key));
    names.filter_map(|key| key.iter().position(|f| f.name() == name)).find(|at| *at < rule.key.len())
}

fn keys(rule: &Rule) -> String {
    match &rule.key[..] {
        [] => "it has none".to_owned(),
        key => key.iter().map(FieldRef::name).collect::<Vec<_>>().join(", "),
    }
}

/// Addresses and numbers are written in many ways and stored in one.
fn canonical(field: &FieldRef, value: &str) -> Result<String, WhyError> {
    let value = match field.ty() {
        Type::Text | Type::LongText | Type::TextList => value,
        Type::Ip | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::Timestamp | Type::Id => value.trim(),
    };
    let wrong = |kind, example| WhyError::NotAValue { value: value.to_owned(), field: field.name(), kind, example };
    match field.ty() {
        Type::Ip => match value.parse::<std::net::IpAddr>() {
            Ok(address) => Ok(address.to_canonical().to_string()),
            Err(_) => Err(wrong("an address", "203.0.113.7")),
        },
        Type::U16 | Type::U32 | Type::U64 | Type::I64 => match value.parse::<i128>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => Err(wrong("a number", "443")),
        },
        Type::Text | Type::LongText | Type::TextList | Type::Timestamp | Type::Id => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::field;

    #[test]
    fn texts_are_taken_as_they_are() {
        let given = |field, text| canonical(&FieldRef::Column(field), text).unwrap();
        assert_eq!(given(field::USER_NAME, " 0101"), " 0101");
        assert_eq!(given(field::SOURCE_IP, " ::ffff:10.0.0.1 "), "10.0.0.1");
        assert_eq!(given(field::SOURCE_PORT, " 022"), "22");
    }
}
