//! x86-64: AVX2 and AVX-512.

use super::{Simd, Tile, tile};
use core::arch::x86_64::*;

/// AVX2 with FMA.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(());
/// AVX-512F.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(());

impl Avx2 {
    pub(in super::super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }
}

impl Avx512 {
    pub(in super::super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && Avx2::detect().is_some()).then_some(Avx512(()))
    }
}

// One-line intrinsics, all under the same proof.
macro_rules! vectors {
    ($v:ty, $splat:ident, $add:ident, $fma:ident, $max:ident, $min:ident, $load:ident, $store:ident) => {
        #[inline(always)]
        fn splat(self, x: f32) -> $v {
            // SAFETY: `self` exists only where detection found the instructions.
            unsafe { $splat(x) }
        }
        #[inline(always)]
        fn add(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $add(a, b) }
        }
        #[inline(always)]
        fn fma(self, a: $v, b: $v, c: $v) -> $v {
            // SAFETY: as above.
            unsafe { $fma(a, b, c) }
        }
        #[inline(always)]
        fn max(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $max(a, b) }
        }
        #[inline(always)]
        fn min(self, a: $v, b: $v) -> $v {
            // SAFETY: as above.
            unsafe { $min(a, b) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> $v {
            // SAFETY: as above; readable by the caller's promise.
            unsafe { $load(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, v: $v) {
            // SAFETY: as above; writable by the caller's promise.
            unsafe { $store(to, v) }
        }
    };
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    const ROWS: usize = 8;
    const TAPS: usize = 9;

    vectors!(
        __m512,
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps
    );
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: `self` exists only where detection found the instructions.
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    fn evens(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let places =
                _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, places, b)
        }
    }
    #[inline(always)]
    fn zip(self, a: __m512, b: __m512) -> [__m512; 2] {
        // SAFETY: as above.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [
                _mm512_permutex2var_ps(a, low, b),
                _mm512_permutex2var_ps(a, high, b),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m512 {
        let mask = (1u32 << n).wrapping_sub(1) as u16;
        // SAFETY: as above; the mask leaves the first n values.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: __m512, n: usize) {
        let mask = (1u32 << n).wrapping_sub(1) as u16;
        // SAFETY: as above; the mask leaves the first n values.
        unsafe { _mm512_mask_storeu_ps(to, mask, v) }
    }

    tiles! {
        #[target_feature(enable = "avx512f,avx2,fma")]
        8: 3 2 1;
        7: 3 2 1;
        6: 4 3 2 1;
        5: 5 4 3 2 1;
        4: 6 4 3 2 1;
        3: 6 4 2 1;
        2: 8 4 2 1;
        1: 8 4 2 1;
    }
}

/// Lanes to pass: a window into ones followed by zeros.
#[inline(always)]
fn mask(n: usize) -> *const i32 {
    static WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    WINDOW.as_ptr().wrapping_add(8 - n.min(8))
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 4;
    const TAPS: usize = 3;

    vectors!(
        __m256,
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps
    );
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        let mut lanes = [0.0f32; 8];
        // SAFETY: `self` exists only where detection found the instructions.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), a) };
        lanes.iter().sum()
    }
    #[inline(always)]
    fn evens(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let pairs = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
            let pairs = _mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(pairs));
            _mm256_castpd_ps(pairs)
        }
    }
    #[inline(always)]
    fn zip(self, a: __m256, b: __m256) -> [__m256; 2] {
        // SAFETY: as above.
        unsafe {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            [
                _mm256_permute2f128_ps::<0x20>(low, high),
                _mm256_permute2f128_ps::<0x31>(low, high),
            ]
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> __m256 {
        // SAFETY: as above; eight values of the window start at the mask.
        unsafe { _mm256_maskload_ps(from, _mm256_loadu_si256(mask(n).cast())) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: __m256, n: usize) {
        // SAFETY: as above.
        unsafe { _mm256_maskstore_ps(to, _mm256_loadu_si256(mask(n).cast()), v) }
    }

    tiles! {
        #[target_feature(enable = "avx2,fma")]
        4: 3 2 1;
        3: 3 2 1;
        2: 4 2 1;
        1: 8 4 2 1;
    }
}
