//! Records of stateless rules over alerts in a finite input: held until they can no longer be taken back.

use std::collections::BTreeMap;

use super::episode::Record;

/// Records with their multiplicities, by time.
#[derive(Default)]
pub(super) struct Unsettled {
    records: BTreeMap<i64, BTreeMap<Record, isize>>,
}

impl Unsettled {
    /// Takes a record of one event or takes it back.
    pub(super) fn add(&mut self, record: Record, diff: isize) {
        *self.records.entry(record.first.time).or_default().entry(record).or_default() += diff;
    }

    /// The records that are settled with this watermark (µs): those before it, and all at the end.
    pub(super) fn settled(&mut self, watermark: i64) -> impl Iterator<Item = (Record, isize)> + use<> {
        let later = if watermark == i64::MAX { BTreeMap::new() } else { self.records.split_off(&watermark) };
        let settled = std::mem::replace(&mut self.records, later);
        settled.into_values().flatten().filter(|(_, diff)| *diff != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::episode::Place;
    use crate::event::EventId;
    use crate::rule::plan::Tuple;

    #[test]
    fn a_record_comes_out_once_the_watermark_has_passed_it() {
        let record = |time: i64| {
            let first = Place { time, id: EventId::from_bits(time as u128) };
            let (evidence, values) = (vec![first], vec![None; 3]);
            Record { rule: 0, key: Tuple::default(), first, last: first, count: 1, evidence, values }
        };
        let mut unsettled = Unsettled::default();
        for (time, diff) in [(5, 1), (3, 1), (4, 1), (9, 1), (4, -1)] {
            unsettled.add(record(time), diff);
        }
        let times = |all: &mut dyn Iterator<Item = (Record, isize)>| all.map(|(r, _)| r.first.time).collect::<Vec<_>>();
        assert_eq!(times(&mut unsettled.settled(5)), [3]);
        assert_eq!(times(&mut unsettled.settled(9)), [5]);
        assert_eq!(times(&mut unsettled.settled(i64::MAX)), [9]);
    }
}
