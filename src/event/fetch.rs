//! What will be looked at soon is brought into the processor's cache, where it is not yet.

/// Bytes that come at once.
const LINE: usize = 64;
/// So many of them at most.
const MOST: usize = 16;

/// Has the memory of `what`, about its first kilobyte, fetched, and waits for none of it. What it points to is not looked at. A hint:
/// nothing comes of it on processors of other kinds than x86-64.
#[inline]
pub(crate) fn fetch<T: ?Sized>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let start = std::ptr::from_ref(what).cast::<i8>();
        let bytes = size_of_val(what).min(MOST * LINE);
        let first = start.addr() % LINE;
        for line in 0..(first + bytes).div_ceil(LINE) {
            #[expect(unsafe_code, reason = "the standard library has no other name for it")]
            // SAFETY: a hint reads and writes nothing, whatever the address.
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE))
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}
