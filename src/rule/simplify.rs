//! Predicates in their smallest form: constants folded, nested `and`s and `or`s flattened, equalities
//! of one field joined into one set. In and out: plan predicates.

use std::sync::Arc;

use super::plan::{Atom, Predicate, Test};

/// All of them hold.
pub(super) fn and(parts: impl IntoIterator<Item = Predicate>) -> Predicate {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Predicate::Constant(true) => {}
            Predicate::Constant(false) => return Predicate::Constant(false),
            Predicate::And(inner) => all.extend(inner),
            part @ (Predicate::Atom(_) | Predicate::Or(_) | Predicate::Not(_)) => all.push(part),
        }
    }
    match all.len() {
        0 => Predicate::Constant(true),
        1 => all.remove(0),
        _ => Predicate::And(all),
    }
}

/// One of them holds.
pub(super) fn or(parts: impl IntoIterator<Item = Predicate>) -> Predicate {
    let mut any: Vec<Predicate> = Vec::new();
    for part in parts {
        match part {
            Predicate::Constant(false) => {}
            Predicate::Constant(true) => return Predicate::Constant(true),
            Predicate::Or(inner) => inner.into_iter().for_each(|p| join(&mut any, p)),
            part @ (Predicate::Atom(_) | Predicate::And(_) | Predicate::Not(_)) => join(&mut any, part),
        }
    }
    match any.len() {
        0 => Predicate::Constant(false),
        1 => any.remove(0),
        _ => Predicate::Or(any),
    }
}

/// It does not hold.
pub(super) fn not(part: Predicate) -> Predicate {
    match part {
        Predicate::Constant(value) => Predicate::Constant(!value),
        Predicate::Not(inner) => *inner,
        part @ (Predicate::Atom(_) | Predicate::And(_) | Predicate::Or(_)) => Predicate::Not(Box::new(part)),
    }
}

/// Adds an alternative; one that only widens a set of the same field goes into that set.
fn join(any: &mut Vec<Predicate>, part: Predicate) {
    if let Predicate::Atom(new) = &part {
        for old in any.iter_mut() {
            if let Predicate::Atom(old) = old
                && old.field == new.field
                && widen(old, new)
            {
                return;
            }
        }
    }
    any.push(part);
}

fn widen(old: &mut Atom, new: &Atom) -> bool {
    match (&mut old.test, &new.test) {
        (Test::OneOf { values, fold }, Test::OneOf { values: more, fold: other }) if fold == other => {
            Arc::make_mut(values).extend(more.iter().cloned());
            true
        }
        (Test::Numbers(numbers), Test::Numbers(more)) => {
            numbers.extend(more);
            numbers.sort_unstable();
            numbers.dedup();
            true
        }
        (Test::Network(networks), Test::Network(more)) => {
            networks.extend(more);
            true
        }
        (_, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::field;
    use crate::rule::plan::FieldRef;

    fn code(value: &str) -> Predicate {
        let values = Arc::new([value.to_owned()].into_iter().collect());
        Predicate::Atom(Atom { field: FieldRef::Column(field::EVENT_CODE), test: Test::OneOf { values, fold: true } })
    }

    #[test]
    fn constants_fold() {
        let (yes, no) = (Predicate::Constant(true), Predicate::Constant(false));
        assert_eq!(and([yes.clone(), code("1")]), code("1"));
        assert_eq!(and([no.clone(), code("1")]), no);
        assert_eq!(or([no.clone(), code("1")]), code("1"));
        assert_eq!(or([yes.clone(), code("1")]), yes);
        assert_eq!(not(not(code("1"))), code("1"));
        assert_eq!((and([]), or([])), (Predicate::Constant(true), Predicate::Constant(false)));
    }

    #[test]
    fn nests_flatten_and_sets_join() {
        let nested = and([code("1"), and([not(code("2")), not(code("3"))])]);
        assert!(matches!(&nested, Predicate::And(parts) if parts.len() == 3));
        let joined = or([code("1"), or([code("2"), not(code("3"))]), code("4")]);
        let Predicate::Or(parts) = joined else { panic!() };
        assert_eq!(parts.len(), 2);
        let Predicate::Atom(Atom { test: Test::OneOf { values, .. }, .. }) = &parts[0] else { panic!() };
        assert_eq!(values.len(), 3);
    }
}
