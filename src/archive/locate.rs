//! Where a line has the values of its row. In: the line and the values. Out: the form by which it is cut.

use super::cut::{Form, LONGEST, SLOT_COUNT, Values, bits};
use super::rows::MISSING;
use crate::event::line::MESSAGE;

/// Places of a value that are looked at.
const PLACES: usize = 4;

/// A place of a value.
struct Place {
    slot: usize,
    start: usize,
    end: usize,
    /// How much is covered by the best choice of places up to this one …
    covered: usize,
    /// … and which of them comes before it.
    before: Option<usize>,
}

/// Looks for the values in the line, in the order of their slots, such that they cover as much of it as can be; of two
/// choices that are as good, the one that comes first. `None` when no value is there.
#[cold]
pub(super) fn locate(line: &[u8], values: &Values<'_>) -> Option<Form> {
    let mut places = places(line, values);
    for at in 0..places.len() {
        let (earlier, rest) = places.split_at_mut(at);
        let place = &mut rest[0];
        let follows = |p: &Place| p.slot < place.slot && p.end <= place.start;
        if let Some(before) = best(earlier, follows) {
            place.covered += earlier[before].covered;
            place.before = Some(before);
        }
    }
    let mut last = best(&places, |_| true);
    let mut form = Form { used: 0, gaps: [0; SLOT_COUNT], codes: [MISSING; SLOT_COUNT + 1] };
    while let Some(number) = last {
        let place = &places[number];
        let from = place.before.map_or(0, |before| places[before].end);
        form.used |= 1 << place.slot;
        form.gaps[place.slot] = u16::try_from(place.start - from).ok()?;
        last = place.before;
    }
    (form.used & !(1 << MESSAGE) != 0).then_some(form)
}

/// The places of all values, by slot. The message's beginning is worth more than all others together.
fn places(line: &[u8], values: &Values<'_>) -> Vec<Place> {
    let mut places = Vec::new();
    for slot in bits(values.present) {
        if slot == MESSAGE {
            let at = values.message;
            places.push(Place { slot, start: at, end: at, covered: LONGEST, before: None });
            continue;
        }
        let text = values.texts[slot];
        let inside = match values.present & 1 << MESSAGE != 0 {
            true if slot < MESSAGE => 0..values.message,
            true => values.message..line.len(),
            false => 0..line.len(),
        };
        let found = memchr::memmem::find_iter(&line[inside.clone()], text).map(|at| at + inside.start);
        let words = found.filter(|start| is_word(line, *start, start + text.len()));
        let place = |start: usize| Place { slot, start, end: start + text.len(), covered: text.len(), before: None };
        places.extend(words.take(PLACES).map(place));
    }
    places
}

/// The first of the places up to which most is covered.
fn best(places: &[Place], fits: impl Fn(&Place) -> bool) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (number, place) in places.iter().enumerate().filter(|(_, place)| fits(place)) {
        if best.is_none_or(|best| place.covered > places[best].covered) {
            best = Some(number);
        }
    }
    best
}

/// Whether what lies there is not part of a longer word.
fn is_word(line: &[u8], start: usize, end: usize) -> bool {
    let letter = |at: Option<&u8>| at.is_some_and(u8::is_ascii_alphanumeric);
    !letter(start.checked_sub(1).and_then(|before| line.get(before))) && !letter(line.get(end))
}
