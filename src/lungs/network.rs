//! The lung mask by a network, for what no threshold can see: consolidation up to the pleura.
//!
//! The threshold's mask says where to look. The network then draws the lungs slice by slice on a
//! square grid, as the labelled scans have them: lesions inside, trachea and main bronchi outside.
//! It is a plain U-Net on 2 × 2 blocks of pixels: a quarter of the positions, four channels in and
//! four out, and the border is still drawn at full resolution.

use super::coarse::checked_spacing;
use super::holes::fill_holes_up_to;
use super::{LungError, Thresholded, split};
use crate::grid::{Connectivity, bounding_box, components};
use crate::infnet::slices::grey;
use crate::nn::kernels::Kernels;
use crate::nn::params::load;
use crate::nn::unet::{Channels, UNet};
use crate::nn::{Builder, Form};
use crate::plane::Plane;
use crate::volume::Volume;
use crate::weights::tensors::TensorFile;
use crate::weights::{Entry, Precision, WeightsError};
use burn::backend::Flex;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What the lung network is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LungsConfig {
    /// Channels of the first level.
    pub width: usize,
    /// Side of the square that a slice is brought to, a multiple of 32.
    pub side: usize,
}

impl LungsConfig {
    /// The network that ships.
    pub fn web() -> Self {
        LungsConfig {
            width: 12,
            side: 256,
        }
    }
}

/// Pixels of a block: channels of the input and of the output.
const BLOCK: usize = 4;

/// A network of the given make: `[n, 4, side/2, side/2]` → logits of the same shape.
pub fn network<B: Backend>(build: &mut Builder<B>, config: &LungsConfig) -> UNet<B> {
    let channels = Channels {
        input: BLOCK,
        width: config.width,
        output: BLOCK,
    };
    UNet::new(build, channels)
}

/// Grey levels `[side, side]` as the network takes them, −1…1 in `[4, side/2, side/2]`.
pub(super) fn network_input(square: &[f32], side: usize) -> Vec<f32> {
    let scaled: Vec<f32> = square.iter().map(|v| v / 127.5 - 1.0).collect();
    to_blocks(&scaled, side)
}

/// A square plane as four planes of half the side: pixel (2y + a, 2x + b) is in plane 2a + b.
pub(super) fn to_blocks(square: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    let at = |i: usize| {
        let (channel, y, x) = (i / (half * half), i / half % half, i % half);
        square[(2 * y + channel / 2) * side + 2 * x + channel % 2]
    };
    (0..side * side).map(at).collect()
}

/// The way back from [`to_blocks`].
fn from_blocks(blocks: &[f32], side: usize) -> Vec<f32> {
    let half = side / 2;
    let at = |i: usize| {
        let (y, x) = (i / side, i % side);
        let channel = 2 * (y % 2) + x % 2;
        blocks[(channel * half + y / 2) * half + x / 2]
    };
    (0..side * side).map(at).collect()
}

/// Around the threshold's mask the network looks this much further within slices, mm.
const MARGIN_MM: f64 = 15.0;
/// And this much above and below.
const REACH_MM: f64 = 24.0;
/// Thinner slices are averaged to about this, as those it was trained on.
const SLICE_MM: f64 = 3.0;
/// From here on a pixel is lung, of 255.
const LUNG: u8 = 128;
/// A piece on its own is lung if it has at least this share of the largest piece ...
const PIECE_SHARE: f64 = 0.15;
/// ... or the threshold calls this share of it lung too.
const AGREED_SHARE: f64 = 0.5;
/// Of the lungs that the threshold found, the network must see this share at least.
const CONFIRMED_SHARE: f64 = 0.5;
/// Holes of a slice up to this area are vessels or lesions.
const HOLE_MM2: f64 = 400.0;

/// A loaded lung network.
pub struct LungNetwork<B: Kernels> {
    net: UNet<B>,
    side: usize,
    device: B::Device,
}

/// A box of a scan, brought to the network's grid slab by slab.
struct Frame {
    /// First voxel of the box.
    start: [usize; 3],
    /// Voxels of the box.
    size: [usize; 3],
    /// Slices of a slab.
    thick: usize,
    /// Slabs.
    slabs: usize,
}

impl Frame {
    fn around(lungs: &Volume<u8>, spacing: [f64; 3]) -> Option<Self> {
        let (low, high) = bounding_box(&lungs.data, lungs.dims)?;
        let (mut start, mut size) = ([0; 3], [0; 3]);
        for axis in 0..3 {
            let more = if axis == 2 { REACH_MM } else { MARGIN_MM };
            let more = (more / spacing[axis]).round() as usize;
            start[axis] = low[axis].saturating_sub(more);
            size[axis] = (high[axis] + more).min(lungs.dims[axis]) - start[axis];
        }
        let thick = ((SLICE_MM / spacing[2]).round() as usize).max(1);
        let slabs = size[2].div_ceil(thick);
        Some(Frame {
            start,
            size,
            thick,
            slabs,
        })
    }

    /// Slices of a slab; the last one may have fewer.
    fn slices(&self, slab: usize) -> std::ops::Range<usize> {
        let first = slab * self.thick;
        let last = (first + self.thick).min(self.size[2]);
        self.start[2] + first..self.start[2] + last
    }

    /// A row of the box in slice `k`, as a range of the volume's voxels.
    fn row(&self, y: usize, k: usize, dims: [usize; 3]) -> std::ops::Range<usize> {
        let first = self.start[0] + dims[0] * (self.start[1] + y + dims[1] * k);
        first..first + self.size[0]
    }

    /// Mean grey levels of a slab.
    fn grey(&self, hu: &Volume<i16>, slab: usize) -> Plane<f32> {
        let slices = self.slices(slab);
        let scale = 1.0 / slices.len().max(1) as f32;
        let mut sum = vec![0.0f32; self.size[0] * self.size[1]];
        for k in slices {
            for (y, line) in sum.chunks_exact_mut(self.size[0]).enumerate() {
                let row = &hu.data[self.row(y, k, hu.dims)];
                for (sum, &hu) in line.iter_mut().zip(row) {
                    *sum += f32::from(grey(hu)) * scale;
                }
            }
        }
        Plane::from_fn([self.size[0], self.size[1]], |x, y| {
            sum[y * self.size[0] + x]
        })
    }

    /// The threshold's mask on the network's grid: the slab's middle slice.
    fn mask(&self, lungs: &Volume<u8>, slab: usize, side: usize) -> Plane<u8> {
        let slices = self.slices(slab);
        let k = (slices.start + slices.end) / 2;
        let plane = Plane::from_fn([self.size[0], self.size[1]], |x, y| {
            lungs.data[self.row(y, k, lungs.dims).start + x]
        });
        plane.resize_nearest([side; 2])
    }
}

impl<B: Kernels> LungNetwork<B> {
    /// Loads a weight file after checking its size and SHA-256 against its entry.
    ///
    /// # Errors
    /// If the bytes are not the entry's, or not a lung network's parameters.
    pub fn load(entry: &Entry, bytes: &[u8], device: &B::Device) -> Result<Self, WeightsError> {
        entry.verify(bytes)?;
        let file = TensorFile::from_bytes(&entry.file, bytes)?;
        let form = match entry.precision {
            Precision::Int8 => Form::Packed,
            _ => Form::Folded,
        };
        let config: LungsConfig = entry.config()?;
        let mut build = Builder::loading(form, device);
        let net = network(&mut build, &config);
        Ok(LungNetwork {
            net: load(net, &build, &file)?,
            side: config.side,
            device: device.clone(),
        })
    }

    /// Values of one input.
    pub fn inputs(&self) -> usize {
        self.side * self.side
    }

    /// Logits `[1, 4, side/2, side/2]` of an input of the same shape.
    ///
    /// # Panics
    /// If there are not [`inputs`](Self::inputs) values.
    pub fn logits(&self, input: Vec<f32>) -> Tensor<B, 4> {
        let half = self.side / 2;
        let input = TensorData::new(input, [1, BLOCK, half, half]);
        self.net.forward(Tensor::from_data(input, &self.device))
    }
}

/// On the CPU: it runs where the scan is, before there is work for a GPU.
impl LungNetwork<Flex> {
    /// Draws the lungs anew around those that [`thresholded`](super::thresholded) found: 1 = right, 2 = left, on the
    /// grid of the scan. Both volumes are on LPS axes. `progress` is called with rising values
    /// up to 1. Nothing if the network sees less than half of the lungs that the threshold found:
    /// then this is no scan for it.
    ///
    /// # Errors
    /// [`LungError::Volume`] for an empty or broken volume.
    ///
    /// # Panics
    /// If the grids differ.
    pub fn refine(
        &self,
        hu: &Volume<i16>,
        found: &Thresholded,
        progress: &mut dyn FnMut(f32),
    ) -> Result<Option<Volume<u8>>, LungError> {
        let lungs = &found.lungs;
        assert_eq!(hu.dims, lungs.dims, "lungs on the scan's grid");
        let spacing = checked_spacing(hu)?;
        let Some(frame) = Frame::around(lungs, spacing) else {
            return Ok(None);
        };
        let square = self.side * self.side;
        let mut maps = Vec::with_capacity(frame.slabs * square);
        let mut agreed = Vec::with_capacity(frame.slabs * square);
        for slab in 0..frame.slabs {
            maps.extend(self.map(&frame.grey(hu, slab)));
            agreed.extend(frame.mask(lungs, slab, self.side).into_data());
            progress(0.9 * (slab + 1) as f32 / frame.slabs as f32);
        }
        let pixel = [0, 1].map(|a| frame.size[a] as f64 * spacing[a] / self.side as f64);
        self.tidy(&mut maps, &agreed, pixel);
        let mask = self.draw(&maps, &frame, found);
        let both = mask.data.iter().zip(&lungs.data);
        let both = both.filter(|(a, b)| **a != 0 && **b != 0).count();
        let before = lungs.data.iter().filter(|&&v| v != 0).count();
        let seen = both as f64 >= CONFIRMED_SHARE * before as f64;
        let sided = seen.then(|| split(&mask));
        progress(1.0);
        Ok(sided)
    }

    /// Probability × 255 of a slab, on the network's grid.
    fn map(&self, grey: &Plane<f32>) -> Vec<u8> {
        let side = self.side;
        let input = network_input(grey.resize_bilinear([side; 2]).data(), side);
        // Floats come out of a float tensor of the CPU: nothing can fail here.
        let logits = self.logits(input).into_data().into_vec::<f32>();
        let logits = logits.unwrap_or_default();
        let chance = |v: f32| (255.0 / (1.0 + (-v).exp())).round() as u8;
        from_blocks(&logits, side).into_iter().map(chance).collect()
    }

    /// Takes out pieces that are no lung, and fills holes.
    fn tidy(&self, maps: &mut [u8], agreed: &[u8], pixel_mm: [f64; 2]) {
        let side = self.side;
        let dims = [side, side, maps.len() / (side * side)];
        let mut mask: Vec<u8> = maps.iter().map(|&v| u8::from(v >= LUNG)).collect();
        let found = components(&mask, dims, Connectivity::Six);
        let mut both = vec![0usize; found.sizes.len()];
        for (&label, &lung) in found.labels.iter().zip(agreed) {
            both[label as usize] += usize::from(lung != 0);
        }
        let pieces = || found.sizes.iter().zip(&both).enumerate().skip(1);
        let largest = pieces().map(|(_, (&size, _))| size).max().unwrap_or(0) as f64;
        let mut keep = vec![false; found.sizes.len()];
        for (label, (&size, &both)) in pieces() {
            let size = size as f64;
            keep[label] = size >= PIECE_SHARE * largest || both as f64 >= AGREED_SHARE * size;
        }
        for (i, &label) in found.labels.iter().enumerate() {
            if mask[i] != 0 && !keep[label as usize] {
                (mask[i], maps[i]) = (0, 0);
            }
        }
        let most = HOLE_MM2 / (pixel_mm[0] * pixel_mm[1]);
        fill_holes_up_to(&mut mask, [side, side], most);
        for (map, &mask) in maps.iter_mut().zip(&mask) {
            if mask != 0 {
                *map = (*map).max(LUNG);
            }
        }
    }

    /// The mask on the scan's grid: maps interpolated between slabs and pixels, without airways and
    /// bowel, which the threshold tells by their gas.
    fn draw(&self, maps: &[u8], frame: &Frame, found: &Thresholded) -> Volume<u8> {
        let (side, like) = (self.side, &found.lungs);
        let mut out = Volume::filled(0u8, like.dims, like.affine);
        for z in 0..frame.size[2] {
            let at =
                ((z as f32 + 0.5) / frame.thick as f32 - 0.5).clamp(0.0, (frame.slabs - 1) as f32);
            let (low, part) = (at as usize, at.fract());
            let high = (low + 1).min(frame.slabs - 1);
            let [a, b] = [low, high].map(|slab| &maps[slab * side * side..][..side * side]);
            let mixed = Plane::from_fn([side; 2], |x, y| {
                let [a, b] = [a, b].map(|map| f32::from(map[y * side + x]));
                a + (b - a) * part
            });
            let fine = mixed.resize_bilinear([frame.size[0], frame.size[1]]);
            for (y, line) in fine.data().chunks_exact(frame.size[0]).enumerate() {
                let k = frame.start[2] + z;
                let row = frame.row(y, k, like.dims);
                for (x, (out, &v)) in out.data[row].iter_mut().zip(line).enumerate() {
                    let at = [frame.start[0] + x, frame.start[1] + y, k];
                    *out = u8::from(v >= f32::from(LUNG) && !found.bars(at));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::nn::params;
    use crate::volume::Affine;
    use std::convert::Infallible;

    /// A network that says the same of every pixel.
    fn saying(logit: f32) -> LungNetwork<Flex> {
        let config = LungsConfig { width: 4, side: 32 };
        let mut build = Builder::loading(Form::Folded, &Default::default());
        let Ok(net) = params::fill(network(&mut build, &config), |name, shape| {
            let value = if name == "outc.bias" { logit } else { 0.0 };
            Ok::<_, Infallible>(vec![value; shape.iter().product()])
        });
        LungNetwork {
            net,
            side: config.side,
            device: Default::default(),
        }
    }

    /// Two lungs of 20 × 40 × 20 voxels in a scan of 120 × 100 × 60.
    fn two_lungs() -> (Volume<i16>, Thresholded) {
        let affine = Affine::scale_offset([2.0, 2.0, 2.0], [0.0; 3]);
        let hu = Volume::filled(40i16, [120, 100, 60], affine);
        let mut lungs = Volume::filled(0u8, hu.dims, affine);
        for k in 20..40 {
            for j in 30..70 {
                for (start, side) in [(30, 1), (70, 2)] {
                    let at = lungs.index(start, j, k);
                    lungs.data[at..at + 20].fill(side);
                }
            }
        }
        let free = vec![0; lungs.len()];
        (hu, Thresholded::of(lungs, free))
    }

    #[test]
    fn a_network_that_sees_no_lungs_changes_nothing() {
        let (hu, found) = two_lungs();
        let drawn = saying(-9.0).refine(&hu, &found, &mut |_| ()).unwrap();
        assert!(drawn.is_none());
    }

    #[test]
    fn it_looks_around_what_the_threshold_found_and_not_further() {
        let (hu, found) = two_lungs();
        let mut last = 0.0;
        let drawn = saying(9.0).refine(&hu, &found, &mut |p| {
            assert!(p >= last);
            last = p;
        });
        let drawn = drawn.unwrap().unwrap();
        assert_eq!(last, 1.0);
        // 15 mm and 24 mm are 7.5 and 12 voxels.
        let (low, high) = bounding_box(&drawn.data, drawn.dims).unwrap();
        assert_eq!((low, high), ([22, 22, 8], [98, 78, 52]));
    }

    #[test]
    fn an_empty_volume_is_an_error() {
        let empty = Volume::filled(0i16, [0, 0, 0], Affine::from_spacing([1.0; 3]));
        let mask = Volume::filled(0u8, [0, 0, 0], empty.affine);
        let found = Thresholded::of(mask, Vec::new());
        assert!(saying(9.0).refine(&empty, &found, &mut |_| ()).is_err());
    }

    #[test]
    fn airways_and_bowel_stay_out() {
        let (hu, found) = two_lungs();
        let upper = found.lungs.index(0, 0, 30);
        let barred = (0..hu.len()).map(|at| u8::from(at >= upper)).collect();
        let found = Thresholded::of(found.lungs, barred);
        let drawn = saying(9.0).refine(&hu, &found, &mut |_| ()).unwrap();
        let drawn = drawn.unwrap();
        let (low, high) = bounding_box(&drawn.data, drawn.dims).unwrap();
        assert_eq!((low[2], high[2]), (8, 30));
    }

    #[test]
    fn blocks_come_back() {
        let square: Vec<f32> = (0..64).map(|v| v as f32).collect();
        let blocks = to_blocks(&square, 8);
        assert_eq!(blocks[..4], [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(blocks[16], 1.0);
        assert_eq!(blocks[32], 8.0);
        assert_eq!(from_blocks(&blocks, 8), square);
    }

    #[test]
    fn the_frame_keeps_to_the_scan_and_covers_every_slice() {
        let affine = Affine::scale_offset([1.0, 1.0, 1.25], [0.0; 3]);
        let mut lungs = Volume::filled(0u8, [60, 50, 41], affine);
        let at = lungs.index(5, 40, 20);
        lungs.data[at] = 1;
        let frame = Frame::around(&lungs, [1.0, 1.0, 1.25]).unwrap();
        assert_eq!((frame.start, frame.size), ([0, 25, 1], [21, 25, 39]));
        // Two slices of 1.25 mm a slab; the last has one.
        assert_eq!((frame.thick, frame.slabs), (2, 20));
        let seen: Vec<usize> = (0..20).flat_map(|s| frame.slices(s)).collect();
        assert_eq!(seen, (1..40).collect::<Vec<_>>());
        let empty = Volume::filled(0u8, [4, 4, 4], affine);
        assert!(Frame::around(&empty, [1.0; 3]).is_none());
    }
}
