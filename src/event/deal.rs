//! Order in linear time, for keys that are spread: times of a log, hashes.

/// Deals positions into about as many buckets, evenly over the range of `key`, and hands every bucket of several to `finish`.
pub(crate) fn deal(order: &mut [u32], key: impl Fn(u32) -> u64, mut finish: impl FnMut(&mut [u32])) {
    if order.len() < 2 {
        return;
    }
    let (least, greatest) = order.iter().fold((u64::MAX, 0), |(l, g), at| (l.min(key(*at)), g.max(key(*at))));
    // A bucket is a power of two wide, the least that makes no more buckets than positions.
    let shift = u64::BITS - ((greatest - least) / order.len() as u64).leading_zeros();
    let bucket = |at: u32| (key(at) - least).checked_shr(shift).unwrap_or(0) as usize;
    let mut ends = vec![0u32; (greatest - least).checked_shr(shift).unwrap_or(0) as usize + 2];
    order.iter().for_each(|at| ends[bucket(*at) + 1] += 1);
    let mut sum = 0;
    for end in &mut ends {
        sum += *end;
        *end = sum;
    }
    let mut dealt = vec![0u32; order.len()];
    for at in order.iter() {
        let end = &mut ends[bucket(*at)];
        dealt[*end as usize] = *at;
        *end += 1;
    }
    order.copy_from_slice(&dealt);
    let mut start = 0;
    for end in ends {
        if end as usize > start + 1 {
            finish(&mut order[start..end as usize]);
        }
        start = end as usize;
    }
}
