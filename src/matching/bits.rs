//! Sets of rows as bitmaps, taken from a pool that is reused batch after batch.

/// A set of rows of the current batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// No row.
    None,
    /// Every row.
    All,
    /// The bitmap in this slot of the pool. INVARIANT: once handed out it is never written again, so slots can be shared.
    Some(u32),
}

/// A set that is being built: its bitmap may be written again when it is its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    /// What it is so far.
    pub(super) rows: Rows,
    own: bool,
}

impl Draft {
    /// To begin with.
    pub(super) fn of(rows: Rows) -> Draft {
        Draft { rows, own: false }
    }
}

/// The bitmaps of a batch.
#[derive(Debug, Default)]
pub(super) struct Pool {
    rows: usize,
    words: usize,
    taken: usize,
    data: Vec<u64>,
}

impl Pool {
    /// Forgets all bitmaps; the next ones are for batches of this many rows.
    pub(super) fn reset(&mut self, rows: usize) {
        self.rows = rows;
        self.words = rows.div_ceil(64);
        self.taken = 0;
    }

    /// Words in a bitmap.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    /// A new bitmap of zeroes.
    pub(super) fn zeroed(&mut self) -> u32 {
        self.zeroed_run(1)
    }

    /// So many new bitmaps of zeroes, one after the other; the first one.
    pub(super) fn zeroed_run(&mut self, count: usize) -> u32 {
        let slot = self.taken;
        self.taken += count;
        let (start, end) = (slot * self.words, self.taken * self.words);
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[start..end].fill(0);
        slot as u32
    }

    /// A bitmap.
    pub(super) fn get(&self, slot: u32) -> &[u64] {
        &self.data[slot as usize * self.words..][..self.words]
    }

    /// A bitmap that was not handed out yet.
    pub(super) fn get_mut(&mut self, slot: u32) -> &mut [u64] {
        &mut self.data[slot as usize * self.words..][..self.words]
    }

    /// Adds a row to a bitmap that was not handed out yet.
    pub(super) fn set(&mut self, slot: u32, row: usize) {
        self.data[slot as usize * self.words + row / 64] |= 1 << (row % 64);
    }

    /// The `at`-th word of a set.
    pub(super) fn word(&self, rows: Rows, at: usize) -> u64 {
        match rows {
            Rows::None => 0,
            Rows::All => self.full(at),
            Rows::Some(slot) => self.data[slot as usize * self.words + at],
        }
    }

    /// The `at`-th word of the set of all rows.
    fn full(&self, at: usize) -> u64 {
        match self.rows % 64 {
            0 => u64::MAX,
            _ if at + 1 < self.words => u64::MAX,
            tail => (1 << tail) - 1,
        }
    }

    /// The set that a finished bitmap is, with the empty and the full one told apart. Bits past the last row are cleared.
    pub(super) fn finish(&mut self, slot: u32) -> Rows {
        if self.words == 0 {
            return Rows::None;
        }
        let last = self.words - 1;
        let tail = self.full(last);
        let bits = self.get_mut(slot);
        bits[last] &= tail;
        if bits.iter().all(|w| *w == 0) {
            self.release(slot);
            return Rows::None;
        }
        if bits[last] == tail && bits[..last].iter().all(|w| *w == u64::MAX) {
            self.release(slot);
            return Rows::All;
        }
        Rows::Some(slot)
    }

    fn release(&mut self, slot: u32) {
        if slot as usize + 1 == self.taken {
            self.taken -= 1;
        }
    }

    /// Narrows a set that is being built.
    pub(super) fn and(&mut self, set: Draft, other: Rows) -> Draft {
        match (set.rows, other) {
            (Rows::None, _) | (_, Rows::None) => Draft::of(Rows::None),
            (_, Rows::All) => set,
            (Rows::All, other) => Draft::of(other),
            (Rows::Some(_), Rows::Some(other)) => self.combine(set, other, |x, y| x & y),
        }
    }

    /// Widens a set that is being built.
    pub(super) fn or(&mut self, set: Draft, other: Rows) -> Draft {
        match (set.rows, other) {
            (Rows::All, _) | (_, Rows::All) => Draft::of(Rows::All),
            (_, Rows::None) => set,
            (Rows::None, other) => Draft::of(other),
            (Rows::Some(_), Rows::Some(other)) => self.combine(set, other, |x, y| x | y),
        }
    }

    /// Rows not in it.
    pub(super) fn not(&mut self, a: Rows) -> Rows {
        match a {
            Rows::None => Rows::All,
            Rows::All => Rows::None,
            Rows::Some(slot) => self.combine(Draft::of(a), slot, |x, _| !x).rows,
        }
    }

    fn combine(&mut self, set: Draft, other: u32, of: impl Fn(u64, u64) -> u64) -> Draft {
        let Rows::Some(from) = set.rows else { return set };
        let slot = if set.own { from } else { self.zeroed() };
        if slot != from {
            let start = from as usize * self.words;
            self.data.copy_within(start..start + self.words, slot as usize * self.words);
        }
        let (low, high) = (slot.min(other) as usize, slot.max(other) as usize);
        if low == high {
            self.get_mut(slot).iter_mut().for_each(|w| *w = of(*w, *w));
        } else {
            let (before, after) = self.data.split_at_mut(high * self.words);
            let (low, high) = (&mut before[low * self.words..][..self.words], &mut after[..self.words]);
            let (out, other) = if slot > other { (high, &*low) } else { (low, &*high) };
            for (out, other) in out.iter_mut().zip(other) {
                *out = of(*out, *other);
            }
        }
        Draft { rows: self.finish(slot), own: true }
    }

    /// Calls `visit` with each row of a set, in order.
    pub(super) fn for_each(&self, rows: Rows, mut visit: impl FnMut(usize)) {
        match rows {
            Rows::None => {}
            Rows::All => (0..self.rows).for_each(visit),
            Rows::Some(slot) => {
                for (at, word) in self.get(slot).iter().enumerate() {
                    bits_of(*word, |bit| visit(at * 64 + bit));
                }
            }
        }
    }
}

/// Calls `visit` with the position of each bit that is set, in order.
pub(super) fn bits_of(mut word: u64, mut visit: impl FnMut(usize)) {
    while word != 0 {
        visit(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_know_when_they_are_empty_or_full() {
        let mut pool = Pool::default();
        pool.reset(70);
        let a = pool.zeroed();
        pool.get_mut(a)[1] = 0b100001;
        let a = pool.finish(a);
        let not = pool.not(a);
        assert_eq!(pool.and(Draft::of(a), not).rows, Rows::None);
        assert_eq!(pool.or(Draft::of(a), not).rows, Rows::All);
        assert_eq!(pool.and(Draft::of(a), Rows::All).rows, a);
        let b = pool.zeroed();
        pool.get_mut(b)[0] = 1;
        let b = pool.finish(b);
        let both = pool.or(Draft::of(a), b);
        let narrowed = pool.and(both, not).rows;
        assert_eq!((pool.word(narrowed, 0), pool.word(narrowed, 1)), (1, 0));
        assert_eq!((pool.word(a, 0), pool.word(b, 0), pool.word(Rows::All, 1)), (0, 1, 0b111111));
        let mut seen = Vec::new();
        pool.for_each(a, |r| seen.push(r));
        assert_eq!(seen, [64, 69]);
        let mut count = 0;
        pool.for_each(not, |_| count += 1);
        assert_eq!(count, 68);
    }
}
