//! Convolution and normalisation on slices: what the CPU backend runs, in inference and training.
//!
//! 2D is 3D with depth 1. Convolutions, plain, depthwise and transposed, run over a padded copy
//! of their input (`canvas`) with tiles that stay in registers (`micro`); `packed` brings
//! the two together. Gradients by the weight are matrix products over gathered columns
//! (`gradients`).

mod canvas;
mod filters;
mod gradients;
mod micro;
mod norm;
mod packed;
pub mod peak;
mod plan;
mod sample;
mod settle;
mod simd;
mod strip;
mod sweep;
#[cfg(test)]
mod tests;

use super::Activation;
use super::geometry::Geometry;
pub use gradients::{conv, conv_input_gradient, conv_weight_gradient};
pub use norm::{normalize, normalize_gradient};
pub use packed::{
    Finish, Weight, arrange, arrange_transposed, conv_packed, conv_transposed_packed,
};
pub use sample::{halve, resize};
pub use settle::settle;

/// Runs `work(0..tasks)`, on several threads where the platform has them.
pub(crate) fn parallel(tasks: usize, work: impl Fn(usize) + Send + Sync) {
    parallel_with(tasks, || (), |(), task| work(task));
}

/// As [`parallel`], with something that a thread keeps between tasks.
fn parallel_with<T>(
    tasks: usize,
    start: impl Fn() -> T + Send + Sync,
    work: impl Fn(&mut T, usize) + Send + Sync,
) {
    #[cfg(not(target_arch = "wasm32"))]
    if tasks > 1 && threads() > 1 {
        use rayon::prelude::*;
        (0..tasks).into_par_iter().for_each_init(start, work);
        return;
    }
    let mut kept = start();
    (0..tasks).for_each(|task| work(&mut kept, task));
}

/// Threads that [`parallel`] runs on.
fn threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return rayon::current_num_threads();
    #[cfg(target_arch = "wasm32")]
    1
}

/// A mutable slice that tasks share; each task writes a part that no other touches.
#[derive(Clone, Copy)]
struct Shared(*mut f32, usize);
// SAFETY: the callers of `part` and `pointer` write disjoint ranges.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new(data: &mut [f32]) -> Self {
        Shared(data.as_mut_ptr(), data.len())
    }
    fn pointer(&self) -> *mut f32 {
        self.0
    }
    /// # Safety
    /// No two live parts overlap.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.1, "part is outside the buffer");
        // SAFETY: inside the buffer by the assertion, disjoint by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// A vector to be written by pointer, without zeroing it first.
struct Output {
    values: Vec<f32>,
    len: usize,
}

impl Output {
    fn new(len: usize) -> Self {
        let mut values = Vec::with_capacity(len);
        if cfg!(test) {
            // What is not written shows.
            values.resize(len, f32::NAN);
        }
        Output { values, len }
    }
    fn len(&self) -> usize {
        self.len
    }
    /// The vector's memory, to be used by [`Shared::pointer`].
    fn shared(&mut self) -> Shared {
        Shared(self.values.as_mut_ptr(), self.len)
    }
    /// # Safety
    /// Every value has been written.
    unsafe fn finish(mut self) -> Vec<f32> {
        // SAFETY: the capacity is at least `len`; written by the caller's promise.
        unsafe { self.values.set_len(self.len) };
        self.values
    }
}
