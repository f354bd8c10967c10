//! WebAssembly: 128-bit vectors.

use super::{Simd, Tile, tile};
use core::arch::wasm32::*;

/// 128-bit vectors.
#[derive(Clone, Copy)]
pub(in super::super) struct Simd128;

impl Simd for Simd128 {
    type V = v128;
    const LANES: usize = 4;
    const ROWS: usize = 4;
    const TAPS: usize = 3;

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }
    #[inline(always)]
    fn add(self, a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn fma(self, a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    // The pseudo-maximum is one instruction on every CPU, the maximum is several.
    #[inline(always)]
    fn max(self, a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn min(self, a: v128, b: v128) -> v128 {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn sum(self, a: v128) -> f32 {
        (f32x4_extract_lane::<0>(a) + f32x4_extract_lane::<1>(a))
            + (f32x4_extract_lane::<2>(a) + f32x4_extract_lane::<3>(a))
    }
    #[inline(always)]
    fn evens(self, a: v128, b: v128) -> v128 {
        i32x4_shuffle::<0, 2, 4, 6>(a, b)
    }
    #[inline(always)]
    fn zip(self, a: v128, b: v128) -> [v128; 2] {
        [
            i32x4_shuffle::<0, 4, 1, 5>(a, b),
            i32x4_shuffle::<2, 6, 3, 7>(a, b),
        ]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> v128 {
        // SAFETY: readable by the caller's promise; unaligned is allowed.
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: v128) {
        // SAFETY: writable by the caller's promise; unaligned is allowed.
        unsafe { v128_store(to.cast(), v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> v128 {
        let mut values = [0.0f32; 4];
        for (i, v) in values.iter_mut().enumerate().take(n) {
            // SAFETY: i < n.
            *v = unsafe { *from.add(i) };
        }
        f32x4(values[0], values[1], values[2], values[3])
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: v128, n: usize) {
        if n == 4 {
            // SAFETY: n values are writable.
            return unsafe { self.store(to, v) };
        }
        // SAFETY: lanes below n only.
        unsafe {
            if n > 0 {
                to.write(f32x4_extract_lane::<0>(v));
            }
            if n > 1 {
                to.add(1).write(f32x4_extract_lane::<1>(v));
            }
            if n > 2 {
                to.add(2).write(f32x4_extract_lane::<2>(v));
            }
        }
    }

    tiles! {
        4: 2 1;
        3: 3 2 1;
        2: 4 2 1;
        1: 8 4 2 1;
    }
}
