//! Match rows into the order of time and id. In: rows nearly in order. Out: the same in order.

use crate::event::deal::deal;
use crate::matching::MatchRow;

/// Buckets of so many are compared at once.
const FEW: usize = 16;

/// Rows by (time, id). Runs that follow one another overlap little, and only what is out of order is put in order: places are
/// sorted and each row is moved once, since rows are large.
pub(super) fn sorted(mut rows: Vec<MatchRow>) -> Vec<MatchRow> {
    let place = |row: &MatchRow| (row.time, row.id);
    let ends = rows.windows(2).position(|pair| place(&pair[0]) > place(&pair[1]));
    let begins = rows.windows(2).rposition(|pair| place(&pair[0]) > place(&pair[1]));
    let (Some(ends), Some(begins)) = (ends, begins) else { return rows };
    // What is before `ends` is in order, and what is behind `begins`: the rest may belong into either.
    let least = rows[ends + 1..].iter().map(place).min().expect("a row is out of order");
    let greatest = rows[..=begins].iter().map(place).max().expect("a row is out of order");
    let from = rows[..=ends].partition_point(|row| place(row) <= least);
    let until = begins + 1 + rows[begins + 1..].partition_point(|row| place(row) < greatest);
    let disorder = &mut rows[from..until];
    let mut order = time_order(disorder);
    for start in 0..order.len() {
        let mut to = start;
        loop {
            let at = std::mem::replace(&mut order[to], to as u32) as usize;
            if at == start {
                break;
            }
            disorder.swap(to, at);
            to = at;
        }
    }
    rows
}

/// Positions of the rows by (time, id), in about linear time: times are dealt into as many buckets as there are rows, evenly over
/// their range, and so are the ids of a bucket whose rows have one time. Log times are spread over seconds and ids over
/// hashes, so that few are left to compare.
fn time_order(rows: &[MatchRow]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    let place = |at: u32| (rows[at as usize].time, rows[at as usize].id);
    deal(
        &mut order,
        |at| rows[at as usize].time.wrapping_sub(i64::MIN) as u64,
        |bucket| {
            let first = rows[bucket[0] as usize].time;
            if bucket.len() <= FEW || bucket.iter().any(|at| rows[*at as usize].time != first) {
                return bucket.sort_unstable_by_key(|at| place(*at));
            }
            // Ids of one instant begin alike; where they do not, the bits behind would not keep the order.
            let head = rows[bucket[0] as usize].id.high() >> 12;
            if bucket.iter().any(|at| rows[*at as usize].id.high() >> 12 != head) {
                return bucket.sort_unstable_by_key(|at| place(*at));
            }
            let tail = |at: u32| rows[at as usize].id.high() << 52 | (rows[at as usize].id.low() >> 12);
            deal(bucket, tail, |few| few.sort_unstable_by_key(|at| place(*at)));
        },
    );
    order
}
