//! Which kernel and which tile a convolution gets.
//!
//! The numbers here were chosen on a software adapter and by counting registers; they are what to
//! tune on hardware.

use super::super::geometry::Geometry;
use std::sync::atomic::{AtomicBool, Ordering};

/// Threads of a workgroup where no shared memory fixes them.
pub(super) const THREADS: u32 = 64;
/// Output rows of a thread of the depthwise kernel.
pub(super) const DEPTHWISE_ROWS: u32 = 4;
/// Input channels whose weights a workgroup unpacks together.
pub(super) const STAGE: u32 = 8;
/// Fewest values of a piece of a plane in the statistics.
pub(super) const PIECE: usize = 8192;
/// Most pieces of a plane.
pub(super) const MOST_PIECES: usize = 64;

static SOFTWARE: AtomicBool = AtomicBool::new(false);

/// Plans for a software adapter from now on (or no more). There is one device in a process.
pub fn assume_software(software: bool) {
    SOFTWARE.store(software, Ordering::Relaxed);
}

pub(super) fn software() -> bool {
    SOFTWARE.load(Ordering::Relaxed)
}

/// Cells of a thread of the transposed kernel.
pub(super) fn cells() -> u32 {
    if software() { 4 } else { 2 }
}

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Threads of their own, with everything in registers: `channels` output channels (1…4, or 8)
    /// at `rows` rows of one column.
    Rows {
        /// Output channels of a thread.
        channels: u32,
        /// Output rows of a thread.
        rows: u32,
        /// Input channels whose weights a workgroup unpacks together; 0 where each thread does.
        stage: u32,
    },
    /// Workgroups of `channels` × `positions` that share inputs and unpacked weights.
    Tiled {
        /// Output channels of a workgroup.
        channels: u32,
        /// Positions of a workgroup.
        positions: u32,
        /// Input channels of a step.
        depth: u32,
        /// Channels and positions of a thread, multiples of 4.
        unit: [u32; 2],
    },
}

/// The plan for a convolution, on a software adapter or on a GPU.
pub fn plan(g: &Geometry, software: bool) -> Plan {
    let (inputs, outputs) = (g.channels_in, g.channels_out);
    if software || outputs < 16 || inputs < 4 {
        // Software adapters pay for reads; GPUs for registers.
        let most = if software { 8 } else { 4 };
        return Plan::Rows {
            channels: if outputs <= 4 { outputs as u32 } else { 8 },
            rows: g.output[1].next_power_of_two().min(most) as u32,
            stage: if software || inputs < 4 { 0 } else { STAGE },
        };
    }
    // Steps of 16 input channels unless 8 waste fewer.
    let depth = match inputs.next_multiple_of(16) - inputs {
        8.. if inputs < 64 => 8,
        _ => 16,
    };
    let positions = g.batch * g.output.iter().product::<usize>();
    let (channels, positions, unit) = match outputs {
        ..=16 => (16, 128, [8, 4]),
        // Few positions: smaller tiles for more workgroups.
        _ if positions < 4096 => (32, 32, [4, 4]),
        17..=32 => (32, 64, [8, 4]),
        _ => (64, 64, [8, 4]),
    };
    Plan::Tiled {
        channels,
        positions,
        depth,
        unit,
    }
}
