//! Vectors of f32 in the widths that CPUs have, and the choice of one when the program runs.
//!
//! A kernel is a [`Work`], generic over [`Simd`]; [`Level::run`] runs it compiled for the widest
//! vectors of this CPU. Values of the [`Simd`] types exist only where their instructions do.

use super::micro::{Tile, tile};

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

#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
mod plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
pub(super) use plain::Plain;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use wasm::Simd128;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

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
    #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
    Plain(Plain),
    /// WebAssembly's vectors.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors.
    #[cfg(target_arch = "x86_64")]
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
            #[cfg(any(test, not(all(target_arch = "wasm32", target_feature = "simd128"))))]
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
