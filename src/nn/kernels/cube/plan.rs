//! Which kernel and which tile a convolution gets.
//!
//! The numbers here were chosen on a software adapter and by counting registers; they are what to
//! tune on hardware.

use super::super::Activation;
use super::super::geometry::Geometry;
use super::tiled::Tile;
use std::sync::atomic::{AtomicBool, Ordering};

/// Threads of a workgroup where no shared memory fixes them.
pub(super) const THREADS: u32 = 64;
/// Input channels whose weights a workgroup unpacks together.
pub(super) const STAGE: u32 = 8;
/// Below this many positions a convolution is cut finer.
const FEW_POSITIONS: usize = 4096;
/// Fewest values of a piece of a plane in the statistics.
pub(super) const PIECE: usize = 8192;
/// Most pieces of a plane.
pub(super) const MOST_PIECES: usize = 64;

static SOFTWARE: AtomicBool = AtomicBool::new(false);

/// Plans for a software adapter from now on (or no more). There is one device in a process.
pub fn assume_software(software: bool) {
    SOFTWARE.store(software, Ordering::Relaxed);
}

/// Whether plans are for a software adapter.
pub fn software() -> bool {
    SOFTWARE.load(Ordering::Relaxed)
}

/// Output rows of a thread of the depthwise kernel, for planes of `height` rows.
pub(super) fn depthwise_rows(height: usize) -> u32 {
    match height {
        16.. => 8,
        _ => height.next_power_of_two().min(4) as u32,
    }
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
        // Software adapters pay for reads, which rows share unless they are apart; GPUs pay for
        // registers.
        let apart = g.stride[1] > 1 || g.dilation[1] > 1;
        let most = if software && !apart { 8 } else { 4 };
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
    let (channels, positions, unit) = match tile_channels(outputs) {
        // Few positions: smaller tiles for more workgroups.
        c if positions < FEW_POSITIONS => (c.min(32), 32, [4, 4]),
        16 => (16, 128, [8, 4]),
        c => (c, 64, [8, 4]),
    };
    Plan::Tiled {
        channels,
        positions,
        depth,
        unit,
    }
}

/// Output channels of a workgroup: the fewest computed for nothing, but small tiles gather the
/// same inputs more often.
fn tile_channels(outputs: usize) -> u32 {
    let cost = |&(channels, dearer): &(usize, usize)| outputs.next_multiple_of(channels) * dearer;
    let tiles = [(64, 20), (32, 22), (16, 27)];
    tiles.iter().min_by_key(|t| cost(t)).map_or(64, |t| t.0) as u32
}

impl Plan {
    /// The tile of a [`Plan::Tiled`].
    ///
    /// # Panics
    /// For other plans, and if the parts of this one do not fit each other.
    pub(super) fn tile(self, kernel: [u32; 3], activation: Activation) -> Tile {
        let Plan::Tiled {
            channels,
            positions,
            depth,
            unit,
        } = self
        else {
            panic!("{self:?} has no tile");
        };
        let tile = Tile {
            kernel,
            channels,
            positions,
            depth,
            unit_channels: unit[0],
            unit_positions: unit[1],
            activation,
        };
        tile.check();
        tile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tile` panics where a tile does not fit.
    #[test]
    fn every_plan_fits() {
        for inputs in 1..=80 {
            for outputs in 1..=330 {
                for side in [1, 7, 44, 176] {
                    let three = [1, 3, 3];
                    let input = [1, side, side];
                    let g = Geometry::new(
                        1,
                        inputs,
                        outputs,
                        1,
                        input,
                        three,
                        [1; 3],
                        [0, 1, 1],
                        [1; 3],
                    );
                    if let plan @ Plan::Tiled { .. } = plan(&g, false) {
                        plan.tile([1, 3, 3], Activation::None);
                    }
                    assert!(matches!(plan(&g, true), Plan::Rows { .. }));
                }
            }
        }
    }
}
