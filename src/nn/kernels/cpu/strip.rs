//! One panel of output channels over the positions of a block: runs the tiles and stores them.

use super::Activation;
use super::canvas::Layout;
use super::micro::{Tile, place, place_apart, place_pairs, range};
use super::plan::{Block, Plan};
use super::simd::Simd;

/// Most values of a row of a tile.
pub(super) const TILE_POSITIONS: usize = 128;

/// Room for tiles whose positions are not neighbours in the output.
#[derive(Default)]
pub(super) struct Room {
    tiles: Vec<f32>,
    segments: Vec<Segment>,
}

/// Positions of a tile that are neighbours in the output too.
struct Segment {
    /// The first in the tile.
    from: usize,
    /// Where it goes in the output plane.
    to: usize,
    /// The first in its row.
    column: usize,
    count: usize,
}

/// The output values of one phase in depth and height, and where each phase in width reads.
pub(super) struct Class {
    /// Phase in depth and height.
    pub at: [usize; 2],
    /// What the tiles of each phase in width read.
    pub offsets: Vec<Vec<usize>>,
}

/// One panel and class over the positions of a block.
pub(super) struct Strip<'a> {
    pub plan: &'a Plan,
    pub block: Block,
    pub layout: Layout,
    /// Whether the source serves as its own canvas: nothing behind it may be read.
    pub direct: bool,
    pub class: &'a Class,
    /// Output channels.
    pub rows: usize,
    /// `[class x, source and tap, rows]`
    pub weights: &'a [f32],
    /// The canvas.
    pub source: &'a [f32],
    pub scale: &'a [f32],
    pub bias: &'a [f32],
    /// The panel's first plane.
    pub to: *mut f32,
    /// The same of the residual, or null.
    pub residual: *const f32,
    pub range: (f32, f32),
}

/// `pointer + n` where there is one.
#[inline(always)]
fn behind(pointer: *const f32, n: usize) -> *const f32 {
    match pointer.is_null() {
        true => pointer,
        false => pointer.wrapping_add(n),
    }
}

impl Strip<'_> {
    /// Computes and stores the strip.
    ///
    /// # Safety
    /// `to` and `residual`, if any, have `rows` planes, and nothing else touches the block's part
    /// of `to`. `weights` has `rows` values for each of the class's offsets, `scale` and `bias`
    /// one for each row.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(&self, s: S, room: &mut Room) {
        let [z, y, x] = &self.plan.axes;
        room.tiles
            .resize(x.step_out * S::ROWS * TILE_POSITIONS + S::LANES, 0.0);
        let needed = self.class.offsets.iter().flatten().max().unwrap_or(&0)
            + (self.block.extent[0] - 1) * self.layout.plane
            + (self.block.extent[1] - 1) * self.layout.row
            + x.positions(0);
        // A tile in place moves back from the end, others read on behind it.
        let spare = if self.direct { 0 } else { TILE_POSITIONS };
        assert!(
            self.source.len() >= needed + spare,
            "the canvas is too small"
        );
        assert!(!self.direct || self.block.extent[1] >= TILE_POSITIONS);
        let first = self.block.start[1];
        let last = y
            .positions(self.class.at[1])
            .min(first + self.block.extent[1]);
        for depth in 0..self.block.extent[0] {
            let to = (self.block.start[0] + depth) * z.step_out + self.class.at[0];
            if to < z.target && first < last {
                // SAFETY: passed on to the caller.
                unsafe { self.plane(s, [depth, to], first..last, room) };
            }
        }
    }

    /// The rows of one depth: `from` in the block, `to` in the output.
    ///
    /// # Safety
    /// As for [`Strip::run`].
    #[inline(always)]
    unsafe fn plane<S: Simd>(
        &self,
        s: S,
        [from, to]: [usize; 2],
        lines: std::ops::Range<usize>,
        room: &mut Room,
    ) {
        let [_, y, x] = &self.plan.axes;
        let plane = self.plan.target_plane();
        let (mut width, mut pitch) = (x.positions(0), self.layout.row);
        let run = (lines.len() - 1) * pitch + width;
        if width == pitch && [x.step_out, y.step_out] == [1; 2] {
            // Nothing between the rows: they are one.
            (width, pitch) = (run, run);
        }
        // Of the row in the output plane, and from row to row.
        let mut base = (to * y.target + lines.start * y.step_out + self.class.at[1]) * x.target;
        let step = y.step_out * x.target;
        let widths = S::widths(self.rows);
        let source = &self.source[from * self.layout.plane..];
        let (mut at, mut column) = (0, 0);
        while at < run {
            let needed = (run - at).div_ceil(S::LANES);
            let mut vectors = widths[0];
            for &w in &widths[1..] {
                if w >= needed {
                    vectors = w;
                }
            }
            let count = vectors * S::LANES;
            if self.direct && at + count > run {
                // The source ends here: some positions are computed twice.
                at = run - count;
                column = at;
            }
            let mut tile = Tile {
                weights: self.weights.as_ptr(),
                source: source[at..].as_ptr(),
                scale: self.scale.as_ptr(),
                bias: self.bias.as_ptr(),
                to: room.tiles.as_mut_ptr(),
                pitch: count,
                residual: std::ptr::null(),
                range: range(Activation::None),
            };
            if x.step_out == 1 && column + count <= width {
                // SAFETY: the tile's positions are inside one row of the output.
                unsafe {
                    tile.to = self.to.add(base + column);
                    tile.pitch = plane;
                    tile.range = self.range;
                    tile.residual = behind(self.residual, base + column);
                    s.tile(self.rows, vectors, &tile, &self.class.offsets[0]);
                }
            } else {
                for offsets in &self.class.offsets {
                    // SAFETY: there is room for a tile of each class; their weights follow each
                    // other.
                    unsafe {
                        s.tile(self.rows, vectors, &tile, offsets);
                        tile.weights = tile.weights.add(offsets.len() * self.rows);
                        tile.to = tile.to.add(self.rows * count);
                    }
                }
                let (mut base, mut column, mut from) = (base, column, 0);
                room.segments.clear();
                while from < count.min(run - at) {
                    if column < width {
                        room.segments.push(Segment {
                            from,
                            to: base + column * x.step_out,
                            column,
                            count: (width - column).min(count.min(run - at) - from),
                        });
                    }
                    from += pitch - column;
                    (base, column) = (base + step, 0);
                }
                // SAFETY: passed on to the caller.
                unsafe { self.scatter(s, room, count) };
            }
            at += count;
            column += count;
            while column >= pitch {
                column -= pitch;
                base += step;
            }
        }
    }

    /// Stores the tiles of all classes in width.
    ///
    /// # Safety
    /// As for [`Strip::run`].
    #[inline(always)]
    unsafe fn scatter<S: Simd>(&self, s: S, room: &Room, count: usize) {
        let x = &self.plan.axes[2];
        let (plane, step, range) = (self.plan.target_plane(), x.step_out, self.range);
        for m in 0..self.rows {
            for segment in &room.segments {
                let to = m * plane + segment.to;
                let residual = behind(self.residual, to);
                let tile = |class: usize| {
                    room.tiles[(class * self.rows + m) * count + segment.from..].as_ptr()
                };
                // SAFETY: the positions are inside their row of the output; behind the tiles
                // there is room for a vector.
                unsafe {
                    let to = self.to.add(to);
                    if step == 1 {
                        place(s, tile(0), to, residual, range, segment.count);
                        continue;
                    }
                    // A class may have one position less than class 0.
                    let count = |class| (x.positions(class) - segment.column).min(segment.count);
                    let mut done = 0;
                    if step == 2 {
                        done = count(1);
                        place_pairs(s, [tile(0), tile(1)], to, residual, range, done);
                    }
                    for class in 0..step {
                        let at = done * step + class;
                        place_apart(
                            tile(class).add(done),
                            to.wrapping_add(at),
                            behind(residual, at),
                            range,
                            count(class) - done,
                            step,
                        );
                    }
                }
            }
        }
    }
}
