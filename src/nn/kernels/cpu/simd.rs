//! Vectors of f32 in the widths that CPUs have, and the choice of one when the program runs.
//!
//! A kernel is a [`Work`], generic over [`Simd`]; [`dispatch`] runs it compiled for the widest
//! vectors of this CPU. Values of the [`Simd`] types exist only where their instructions do.

use super::micro::{Tile, tile};

/// The vectors of one instruction set.
pub(super) trait Simd: Copy {
    /// A vector of `LANES` values.
    type V: Copy;
    /// Values of a vector.
    const LANES: usize;
    /// Most output channels of a tile.
    const ROWS: usize;
    /// Most taps of a tile of weight gradients.
    const TAPS: usize;

    fn splat(self, x: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a·b + c, rounded once or twice.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn sum(self, a: Self::V) -> f32;

    /// # Safety
    /// `LANES` values at `from` are readable.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` values at `to` are writable.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    /// The first `n` values, zeros behind them.
    ///
    /// # Safety
    /// `n ≤ LANES` values at `from` are readable.
    unsafe fn load_first(self, from: *const f32, n: usize) -> Self::V;
    /// # Safety
    /// `n ≤ LANES` values at `to` are writable.
    unsafe fn store_first(self, to: *mut f32, v: Self::V, n: usize);

    /// Every second value of `a` and then `b`, from the first on.
    fn evens(self, a: Self::V, b: Self::V) -> Self::V;
    /// The values of `a` and `b` in turn, in two vectors.
    fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2];

    /// Vectors a row of the tiles of `rows` output channels, descending from as many as fit into
    /// the registers to 1.
    fn widths(rows: usize) -> &'static [usize];
    /// Runs the tile of `rows` channels and `width` vectors.
    ///
    /// # Safety
    /// As for [`tile`]; `width` is one of `widths(rows)`.
    unsafe fn tile(self, rows: usize, width: usize, t: &Tile, offsets: &[usize]);
}

/// Compiles [`tile`] for the listed sizes, each as a function of its own.
macro_rules! tiles {
    ($(#[$feature:meta])* $($rows:literal: $($width:literal)*;)*) => {
        fn widths(rows: usize) -> &'static [usize] {
            match rows {
                $($rows => &[$($width),*],)*
                _ => unreachable!("no tile has {rows} rows"),
            }
        }
        #[inline(always)]
        unsafe fn tile(self, rows: usize, width: usize, t: &Tile, offsets: &[usize]) {
            $(#[$feature])*
            #[inline(never)]
            unsafe fn compiled<S: Simd, const M: usize, const V: usize>(
                s: S,
                t: &Tile,
                offsets: &[usize],
            ) {
                // SAFETY: passed on to the caller.
                unsafe { tile::<S, M, V>(s, t, offsets) }
            }
            match (rows, width) {
                // SAFETY: `self` proves the feature; the rest is passed on to the caller.
                $($(($rows, $width) => unsafe { compiled::<Self, $rows, $width>(self, t, offsets) },)*)*
                _ => unreachable!("no tile of {rows} × {width}"),
            }
        }
    };
}

/// Four values without intrinsics: what the compiler makes of them.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Plain {
    #[inline(always)]
    fn each(a: [f32; 4], b: [f32; 4], f: impl Fn(f32, f32) -> f32) -> [f32; 4] {
        [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
    }
}

impl Simd for Plain {
    type V = [f32; 4];
    const LANES: usize = 4;
    const ROWS: usize = 4;
    const TAPS: usize = 3;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 4] {
        [x; 4]
    }
    #[inline(always)]
    fn add(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        Self::each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        // Only where it is one instruction: elsewhere it is a call.
        #[cfg(target_arch = "aarch64")]
        return std::array::from_fn(|i| a[i].mul_add(b[i], c[i]));
        #[cfg(not(target_arch = "aarch64"))]
        self.add(Self::each(a, b, |a, b| a * b), c)
    }
    #[inline(always)]
    fn max(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        Self::each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        Self::each(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn sum(self, a: [f32; 4]) -> f32 {
        (a[0] + a[1]) + (a[2] + a[3])
    }
    #[inline(always)]
    fn evens(self, a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        [a[0], a[2], b[0], b[2]]
    }
    #[inline(always)]
    fn zip(self, a: [f32; 4], b: [f32; 4]) -> [[f32; 4]; 2] {
        [[a[0], b[0], a[1], b[1]], [a[2], b[2], a[3], b[3]]]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 4] {
        // SAFETY: readable by the caller's promise; unaligned.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: [f32; 4]) {
        // SAFETY: writable by the caller's promise; unaligned.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> [f32; 4] {
        let mut v = [0.0; 4];
        for (i, v) in v.iter_mut().enumerate().take(n) {
            // SAFETY: i < n.
            *v = unsafe { *from.add(i) };
        }
        v
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: [f32; 4], n: usize) {
        for (i, v) in v.into_iter().enumerate().take(n) {
            // SAFETY: i < n.
            unsafe { to.add(i).write(v) }
        }
    }

    tiles! {
        4: 2 1;
        3: 3 2 1;
        2: 4 2 1;
        1: 8 4 2 1;
    }
}

/// WebAssembly's 128-bit vectors.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use super::{Simd, Tile, tile};
    use core::arch::wasm32::*;

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
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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
            (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"))
                .then_some(Avx2(()))
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
        &WINDOW[8 - n.min(8)]
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
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use wasm::Simd128;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Something to run with the vectors of this CPU.
pub(super) trait Work {
    /// What it returns.
    type Out;
    /// Does the work. Implementations are `#[inline(always)]`, as is everything they call that
    /// handles vectors: only then is it compiled for the instruction set.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// An instruction set that this program runs on.
#[derive(Clone, Copy)]
pub(super) enum Level {
    /// No intrinsics.
    #[allow(dead_code, reason = "some targets always have vectors")]
    Plain(Plain),
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    /// WebAssembly's vectors.
    Simd128(Simd128),
    #[cfg(target_arch = "x86_64")]
    /// 256-bit vectors.
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    /// 512-bit vectors.
    Avx512(Avx512),
}

impl Level {
    /// The widest that this CPU has.
    pub(super) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(s) = Avx512::detect() {
                return Level::Avx512(s);
            }
            if let Some(s) = Avx2::detect() {
                return Level::Avx2(s);
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        return Level::Simd128(Simd128);
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        Level::Plain(Plain)
    }

    /// Most output channels of a tile.
    pub(super) fn rows(self) -> usize {
        struct Rows;
        impl Work for Rows {
            type Out = usize;
            #[inline(always)]
            fn run<S: Simd>(self, _: S) -> usize {
                S::ROWS
            }
        }
        self.run(Rows)
    }

    /// Runs `work` compiled for this instruction set.
    pub(super) fn run<W: Work>(self, work: W) -> W::Out {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn on_avx2<W: Work>(work: W, s: Avx2) -> W::Out {
            work.run(s)
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn on_avx512<W: Work>(work: W, s: Avx512) -> W::Out {
            work.run(s)
        }
        match self {
            Level::Plain(s) => work.run(s),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Level::Simd128(s) => work.run(s),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `s` exists only where detection found the instructions.
            Level::Avx2(s) => unsafe { on_avx2(work, s) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Level::Avx512(s) => unsafe { on_avx512(work, s) },
        }
    }
}
