//! Inf-Net and Semi-Inf-Net (Fan et al. 2020, "Inf-Net: Automatic COVID-19 Lung Infection
//! Segmentation from CT Images").
//!
//! One axial slice in, five logit maps out (six with the fine branch). An encoder gives features f2…f5 at strides 4…32;
//! f2 feeds [edge attention](edge); f3…f5 pass [receptive-field blocks](rfb) into the
//! [parallel partial decoder](decoder), whose global map S_g the three
//! [reverse-attention branches](reverse) refine, coarse to fine: S_5, S_4, and S_3, which is the
//! paper's prediction. The network that ships has a fourth branch on f2, whose S_2 draws outlines
//! twice as fine.

pub mod classes;
pub mod decoder;
pub mod edge;
#[cfg(feature = "train")]
pub mod head;
pub mod lite0;
pub mod res2net;
pub mod reverse;
pub mod rfb;
pub mod slices;

#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod import;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod rounds;
#[cfg(feature = "train")]
pub mod semi;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod train_classes;

use crate::nn::Builder;
use crate::nn::kernels::Kernels;
use crate::nn::resize::{Align, bilinear, scale};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// Which encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backbone {
    /// Res2Net-50 v1b 26w4s, the paper's.
    Res2net50,
    /// EfficientNet-Lite0, the browser's.
    EfficientnetLite0,
}

impl Backbone {
    /// Channels of f2…f5.
    pub fn channels(self) -> [usize; 4] {
        match self {
            Backbone::Res2net50 => res2net::CHANNELS,
            Backbone::EfficientnetLite0 => lite0::CHANNELS,
        }
    }
}

/// Channel counts behind the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// The published widths: RFB 32, edge 64, RA5 256 with 5×5, RA4 and RA3 64.
    Paper,
    /// RFB 16, edge 32, RA5 64 with 3×3, RA4 and RA3 32: a tenth of the arithmetic.
    Light,
}

/// What an Inf-Net is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InfNetConfig {
    /// Encoder.
    pub backbone: Backbone,
    /// Widths of the head.
    pub head: Head,
    /// Side of the square input in pixels, a multiple of 32. Default 352.
    #[serde(default = "default_side")]
    pub side: usize,
    /// Parts of the network that are switched on; all by default.
    #[serde(default)]
    pub parts: Parts,
}

fn default_side() -> usize {
    352
}

/// The parts that the paper's ablation (its Table IV) switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Edge attention.
    pub edge: bool,
    /// The parallel partial decoder; without it S_g is a 1×1 convolution on f5's block.
    pub decoder: bool,
    /// Reverse attention.
    pub reverse: bool,
    /// A batch norm on each branch's one channel of logits, as published. A folded network is the
    /// same with and without.
    #[serde(default = "yes")]
    pub logit_norm: bool,
    /// Beyond the paper: a fourth reverse-attention branch, on f2 at stride 4.
    #[serde(default)]
    pub fine: bool,
}

fn yes() -> bool {
    true
}

impl Default for Parts {
    fn default() -> Self {
        Parts {
            edge: true,
            decoder: true,
            reverse: true,
            logit_norm: true,
            fine: false,
        }
    }
}

impl InfNetConfig {
    /// The published network.
    pub fn paper() -> Self {
        InfNetConfig {
            backbone: Backbone::Res2net50,
            head: Head::Paper,
            side: default_side(),
            parts: Parts::default(),
        }
    }

    /// The network that ships to the browser.
    pub fn web() -> Self {
        InfNetConfig {
            backbone: Backbone::EfficientnetLite0,
            head: Head::Light,
            parts: Parts {
                logit_norm: false,
                fine: true,
                ..Parts::default()
            },
            ..Self::paper()
        }
    }
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Encoder<B: Backend> {
    Res2Net(res2net::Res2Net<B>),
    Lite0(lite0::Lite0<B>),
}

/// The network.
#[derive(Module, Debug)]
pub struct InfNet<B: Backend> {
    encoder: Encoder<B>,
    rfb2: rfb::Rfb<B>,
    rfb3: rfb::Rfb<B>,
    rfb4: rfb::Rfb<B>,
    decoder: decoder::PartialDecoder<B>,
    edge: edge::EdgeBranch<B>,
    ra5: reverse::ReverseAttention<B>,
    ra4: reverse::ReverseAttention<B>,
    ra3: reverse::ReverseAttention<B>,
    ra2: Option<reverse::ReverseAttention<B>>,
    #[module(skip)]
    parts: Parts,
}

/// The logit maps, `[n, 1, h, w]` at the input's size.
#[derive(Clone, Debug)]
pub struct Maps<B: Backend> {
    /// S_g, the global map.
    pub global: Tensor<B, 4>,
    /// S_5.
    pub s5: Tensor<B, 4>,
    /// S_4.
    pub s4: Tensor<B, 4>,
    /// S_3: the paper's prediction.
    pub s3: Tensor<B, 4>,
    /// S_2, of a network with the fine branch.
    pub s2: Option<Tensor<B, 4>>,
    /// S_e, the edge.
    pub edge: Tensor<B, 4>,
}

impl<B: Backend> Maps<B> {
    /// The finest map: the prediction.
    pub fn prediction(self) -> Tensor<B, 4> {
        self.s2.unwrap_or(self.s3)
    }
}

/// Receives named intermediate tensors; golden tests and the teaching view share the names.
pub type Tap<'a, B> = &'a mut dyn FnMut(&str, &Tensor<B, 4>);

impl<B: Backend> InfNet<B> {
    /// A network of the given make.
    pub fn new(build: &mut Builder<B>, config: &InfNetConfig) -> Self {
        let [c2, c3, c4, c5] = config.backbone.channels();
        let encoder = match config.backbone {
            Backbone::Res2net50 => Encoder::Res2Net(res2net::Res2Net::new(build)),
            Backbone::EfficientnetLite0 => Encoder::Lite0(lite0::Lite0::new(build)),
        };
        let (rfb, edge, deep, shallow, kernel) = match config.head {
            Head::Paper => (32, 64, 256, 64, 5),
            Head::Light => (16, 32, 64, 32, 3),
        };
        let seen = if config.parts.edge { edge } else { 0 };
        let branch = |input| reverse::ReverseShape {
            input,
            width: shallow,
            edge: seen,
            kernel: 3,
            layers: 2,
            last: 3,
            logit_norm: config.parts.logit_norm,
        };
        let deepest = reverse::ReverseShape {
            width: deep,
            kernel,
            layers: 3,
            last: 1,
            ..branch(c5)
        };
        InfNet {
            encoder,
            rfb2: rfb::Rfb::new(build, c3, rfb),
            rfb3: rfb::Rfb::new(build, c4, rfb),
            rfb4: rfb::Rfb::new(build, c5, rfb),
            decoder: decoder::PartialDecoder::new(build, rfb),
            edge: edge::EdgeBranch::new(build, c2, edge, config.parts.logit_norm),
            ra5: reverse::ReverseAttention::new(build, deepest),
            ra4: reverse::ReverseAttention::new(build, branch(c4)),
            ra3: reverse::ReverseAttention::new(build, branch(c3)),
            ra2: config
                .parts
                .fine
                .then(|| reverse::ReverseAttention::new(build, branch(c2))),
            parts: config.parts,
        }
    }
}

impl<B: Kernels> InfNet<B> {
    /// `[n, 3, h, w]`, normalised as ImageNet's images are, h and w multiples of 32 → five maps.
    pub fn forward(&self, x: Tensor<B, 4>) -> Maps<B> {
        self.forward_tapped(x, &mut |_, _| {})
    }

    /// [`InfNet::forward`], handing every named intermediate to `tap`.
    pub fn forward_tapped(&self, x: Tensor<B, 4>, tap: Tap<B>) -> Maps<B> {
        let [_, _, h, w] = x.dims();
        let full = |map: Tensor<B, 4>| bilinear(map, [h, w], Align::Centers);
        let small = self.strided(x, tap);
        let maps = Maps {
            global: full(small.global),
            s5: full(small.s5),
            s4: full(small.s4),
            s3: full(small.s3),
            s2: small.s2.map(full),
            edge: full(small.edge),
        };
        for (name, map) in [
            ("S_g", &maps.global),
            ("S_5", &maps.s5),
            ("S_4", &maps.s4),
            ("S_3", &maps.s3),
            ("S_e", &maps.edge),
        ] {
            tap(name, map);
        }
        if let Some(s2) = &maps.s2 {
            tap("S_2", s2);
        }
        maps
    }

    /// The [prediction](Maps::prediction) of [`InfNet::forward`] alone.
    pub fn predict(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, h, w] = x.dims();
        let map = self.strided(x, &mut |_, _| {}).prediction();
        bilinear(map, [h, w], Align::Centers)
    }

    /// The maps at the strides of the features that they come from.
    fn strided(&self, x: Tensor<B, 4>, tap: Tap<B>) -> Maps<B> {
        let [f2, f3, f4, f5] = match &self.encoder {
            Encoder::Res2Net(encoder) => encoder.forward(x),
            Encoder::Lite0(encoder) => encoder.forward(x),
        };
        for (name, f) in [("f2", &f2), ("f3", &f3), ("f4", &f4), ("f5", &f5)] {
            tap(name, f);
        }
        let (edges, edge_logits) = self.edge.forward(f2.clone());
        tap("edge_features", &edges);
        let b3 = self.rfb2.forward(f3.clone());
        let b4 = self.rfb3.forward(f4.clone());
        let b5 = self.rfb4.forward(f5.clone());
        tap("rfb3", &b3);
        tap("rfb5", &b5);
        let global = if self.parts.decoder {
            self.decoder.forward(b5, b4, b3)
        } else {
            scale(b5.mean_dim(1), (4, 1), Align::Centers)
        };
        tap("global", &global);

        let down = |by| {
            self.parts
                .edge
                .then(|| scale(edges.clone(), (1, by), Align::Centers))
        };
        let reverse = self.parts.reverse;
        let coarse = scale(global.clone(), (1, 4), Align::Centers);
        let (r5, s5) = self
            .ra5
            .forward(f5, coarse, down(8), reverse, |a| tap("A_5", a));
        let coarse = scale(s5.clone(), (2, 1), Align::Centers);
        let (r4, s4) = self
            .ra4
            .forward(f4, coarse, down(4), reverse, |a| tap("A_4", a));
        let coarse = scale(s4.clone(), (2, 1), Align::Centers);
        let (r3, s3) = self
            .ra3
            .forward(f3, coarse, down(2), reverse, |a| tap("A_3", a));
        for (name, r) in [("ra5", &r5), ("ra4", &r4), ("ra3", &r3)] {
            tap(name, r);
        }
        let s2 = self.ra2.as_ref().map(|ra2| {
            let coarse = scale(s3.clone(), (2, 1), Align::Centers);
            let edges = self.parts.edge.then(|| edges.clone());
            let (r2, s2) = ra2.forward(f2, coarse, edges, reverse, |a| tap("A_2", a));
            tap("ra2", &r2);
            s2
        });

        Maps {
            global,
            s5,
            s4,
            s3,
            s2,
            edge: edge_logits,
        }
    }
}
