//! Order in linear time, for keys that are spread: times of a log, hashes.

/// Deals positions into about as many buckets, evenly over the range of `key`, and hands every bucket of several to `finish`.
pub(crate) fn deal(order: &mut [u32], key: impl Fn(u32) -> u64, mut finish: impl FnMut(&mut [u32])) {
    if order.len() < 2 {
        return;
    }
    let (least, greatest) = order.iter().fold((u64::MAX, 0), |(l, g), at| (l.min(key(*at)), g.max(key(*at))));
    // A bucket is a power of two wide, the least that makes no more buckets than positions.
    let shift = u64::BITS - ((greatest - least) / order.len() as u64).leading_zeros();
    let bucket = |at: u32| ((key(at) - least) >> shift) as usize;
    let mut ends = vec![0u32; ((greatest - least) >> shift) as usize + 2];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_keys_are_put_in_order_and_equal_ones_stay() {
        let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let cases: [&dyn Fn(u64) -> u64; 6] = [
            &spread,
            &|n| spread(n) % 7,
            &|_| 5,
            &|n| [0, u64::MAX, 1 << 63][n as usize % 3],
            &|n| if n == 3 { 0 } else { u64::MAX - spread(n) % 100 },
            &|n| n,
        ];
        for key in cases {
            for count in [0, 1, 2, 3, 1000] {
                let mut order: Vec<u32> = (0..count).collect();
                let mut expected = order.clone();
                expected.sort_by_key(|at| key(u64::from(*at)));
                deal(&mut order, |at| key(at.into()), |few| few.sort_by_key(|at| key(u64::from(*at))));
                assert_eq!(order, expected);
            }
        }
    }
}
