//! A variational autoencoder of healthy lung slices: the kind of baseline that NormNet's paper
//! compares with. It never ships.
//!
//! It learns to draw healthy lungs from a few numbers; what of a slice is brighter than its
//! drawing is taken for lesion. Kingma and Welling 2014 (arXiv 1312.6114); the layers are ours,
//! because the paper does not describe its baselines where we can read it.

use crate::engine::EngineError;
use crate::grid::{self, Dims};
use crate::nn::Builder;
use crate::nn::conv::{Conv2d, ConvShape, ConvUnit, Init};
use crate::nn::kernels::{Activation, Kernels};
use crate::nn::resize::{Align, scale};
use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// What a [`Vae`] is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaeConfig {
    /// Channels of the levels, each of which halves both sides.
    pub widths: Vec<usize>,
    /// Numbers that a slice is drawn from.
    pub latents: usize,
    /// Side of the square input, a multiple of 2^levels.
    pub side: usize,
}

impl VaeConfig {
    /// The baseline: slices of the shipped NormNets' grid.
    pub fn web() -> Self {
        VaeConfig {
            widths: vec![16, 32, 64, 64, 64],
            latents: 128,
            side: 256,
        }
    }

    /// Side and values of the deepest level.
    fn bottom(&self) -> [usize; 2] {
        let side = self.side >> self.widths.len();
        [side, side * side * self.widths.last().copied().unwrap_or(1)]
    }
}

/// The network. Convolutions with batch norm and ReLU down and, behind bilinear enlarging, up.
#[derive(Module, Debug)]
pub struct Vae<B: Backend> {
    down: Vec<ConvUnit<B>>,
    code: Conv2d<B>,
    seed: Conv2d<B>,
    up: Vec<ConvUnit<B>>,
    last: Conv2d<B>,
    #[module(skip)]
    bottom: [usize; 2],
}

impl<B: Backend> Vae<B> {
    /// A network of the given make.
    pub fn new(build: &mut Builder<B>, config: &VaeConfig) -> Self {
        let w = &config.widths;
        let [side, values] = config.bottom();
        let relu = Activation::Relu;
        let down = (0..w.len()).map(|k| {
            let input = if k == 0 { 1 } else { w[k - 1] };
            ConvUnit::new(build, ConvShape::new(input, w[k], 3).stride(2), relu)
        });
        let down = down.collect();
        let dense = |build: &mut _, input, output| {
            Conv2d::new(build, ConvShape::new(input, output, 1), true, Init::Default)
        };
        let code = dense(build, values, 2 * config.latents);
        let seed = dense(build, config.latents, values);
        let up = (1..w.len())
            .rev()
            .map(|k| ConvUnit::new(build, ConvShape::new(w[k], w[k - 1], 3), relu))
            .collect();
        let shape = ConvShape::new(w.first().copied().unwrap_or(1), 1, 3);
        let last = Conv2d::new(build, shape, true, Init::Default);
        let channels = values / (side * side).max(1);
        Vae {
            down,
            code,
            seed,
            up,
            last,
            bottom: [side, channels],
        }
    }
}

/// Bound of the logarithm of the variance: keeps its exponential finite.
const LOG_VARIANCE: f32 = 10.0;

impl<B: Kernels> Vae<B> {
    /// Intensities `[n, 1, side, side]` in [0, 1] → mean and logarithm of the variance of each
    /// latent, both `[n, latents, 1, 1]`.
    pub fn encode(&self, x: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let n = x.dims()[0];
        let deep = self.down.iter().fold(x, |x, unit| unit.forward(x));
        let code = self.code.forward(deep.reshape([n as i32, -1, 1, 1]));
        let latents = code.dims()[1] / 2;
        let mean = code.clone().narrow(1, 0, latents);
        let log_variance = code.narrow(1, latents, latents);
        [mean, log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE)]
    }

    /// Latents `[n, latents, 1, 1]` → intensities `[n, 1, side, side]`.
    pub fn decode(&self, latents: Tensor<B, 4>) -> Tensor<B, 4> {
        let n = latents.dims()[0];
        let [side, channels] = self.bottom;
        let seed = self.seed.forward(latents);
        let mut x = seed.reshape([n, channels, side, side]);
        for unit in &self.up {
            x = unit.forward(scale(x, (2, 1), Align::Centers));
        }
        sigmoid(self.last.forward(scale(x, (2, 1), Align::Centers)))
    }

    /// The likeliest healthy slice for each slice `[n, 1, side, side]`.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [mean, _] = self.encode(x);
        self.decode(mean)
    }
}

/// Slices drawn at once.
const BATCH: usize = 8;
/// Kernel of the mean that quietens the difference, in voxels.
const KERNEL: Dims = [3; 3];

/// How much brighter than its drawing each voxel is: max(0, x − drawing) in the lungs, averaged
/// over 3 × 3 × 3 voxels.
///
/// `h` holds intensities in [0, 1], 0 outside `lungs`, on `[z, side, side]`.
///
/// # Errors
/// If the arrays are not whole slices of the network's side, or the device gives no result.
pub fn residual<B: Kernels>(
    net: &Vae<B>,
    side: usize,
    h: &[f32],
    lungs: &[u8],
    device: &B::Device,
) -> Result<Vec<f32>, EngineError> {
    let plane = side * side;
    let slices = h.len() / plane.max(1);
    if h.len() != slices * plane || lungs.len() != h.len() {
        return Err(EngineError::Input {
            network: "the autoencoder",
            expected: slices * plane,
            found: lungs.len(),
        });
    }
    let mut out = Vec::with_capacity(h.len());
    for (h, lungs) in h.chunks(BATCH * plane).zip(lungs.chunks(BATCH * plane)) {
        let data = TensorData::new(h.to_vec(), [h.len() / plane, 1, side, side]);
        let drawn = net.forward(Tensor::<B, 4>::from_data(data, device));
        let drawn = drawn.into_data().convert::<f32>().to_vec::<f32>();
        let drawn = drawn.map_err(|e| EngineError::Device {
            problem: format!("{e:?}"),
        })?;
        let voxels = h.iter().zip(&drawn).zip(lungs);
        out.extend(voxels.map(
            |((h, r), &lung)| {
                if lung != 0 { (h - r).max(0.0) } else { 0.0 }
            },
        ));
    }
    Ok(grid::box_mean(&out, [side, side, slices], KERNEL))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use burn::backend::Flex;

    fn small() -> (VaeConfig, Vae<Flex>) {
        let config = VaeConfig {
            widths: vec![4, 6, 8],
            latents: 5,
            side: 32,
        };
        let net = Vae::new(&mut Builder::training(3, &Default::default()), &config);
        (config, net)
    }

    #[test]
    fn shapes_go_down_to_the_latents_and_back() {
        let (_, net) = small();
        let x = Tensor::<Flex, 4>::ones([2, 1, 32, 32], &Default::default());
        let [mean, log_variance] = net.encode(x.clone());
        assert_eq!(mean.dims(), [2, 5, 1, 1]);
        assert_eq!(log_variance.dims(), [2, 5, 1, 1]);
        let drawn = net.forward(x);
        assert_eq!(drawn.dims(), [2, 1, 32, 32]);
        let drawn = drawn.into_data().to_vec::<f32>().unwrap();
        assert!(drawn.iter().all(|v| (0.0..=1.0).contains(v)));
    }

    #[test]
    fn only_what_is_brighter_in_the_lungs_counts() {
        let (config, net) = small();
        let device = Default::default();
        // Ten slices: more than a batch. Ones are brighter than any drawing, zeros never.
        let n = 10 * 32 * 32;
        let mut lungs = vec![1u8; n];
        lungs[..n / 2].fill(0);
        let found = residual(&net, config.side, &vec![1.0; n], &lungs, &device).unwrap();
        assert_eq!(found[0], 0.0);
        assert!(found[n - 16 * 33] > 0.0);
        let dark = residual(&net, config.side, &vec![0.0; n], &lungs, &device).unwrap();
        assert!(dark.iter().all(|&v| v == 0.0));
        let short = residual(&net, config.side, &[0.0; 99], &[0; 99], &device);
        assert!(matches!(short, Err(EngineError::Input { .. })));
    }
}
