//! What the kernels share: run-time extents, unpacking, the activation at the store.

use super::super::Activation;
use cubecl::prelude::*;

/// Shapes and strides of one convolution on the device, depth first.
#[derive(CubeLaunch, CubeType, Clone, Copy)]
pub(super) struct Extents {
    /// Samples.
    pub batch: u32,
    /// Input channels.
    pub channels_in: u32,
    /// Output channels.
    pub channels_out: u32,
    /// Words of one row of codes.
    pub words: u32,
    /// Input depth.
    pub in_d: u32,
    /// Input height.
    pub in_h: u32,
    /// Input width.
    pub in_w: u32,
    /// Output depth.
    pub out_d: u32,
    /// Output height.
    pub out_h: u32,
    /// Output width.
    pub out_w: u32,
    /// Stride along depth.
    pub stride_d: u32,
    /// Stride along height.
    pub stride_h: u32,
    /// Stride along width.
    pub stride_w: u32,
    /// Padding along depth.
    pub pad_d: u32,
    /// Padding along height.
    pub pad_h: u32,
    /// Padding along width.
    pub pad_w: u32,
    /// Dilation along depth.
    pub dil_d: u32,
    /// Dilation along height.
    pub dil_h: u32,
    /// Dilation along width.
    pub dil_w: u32,
}

/// Four floats.
pub(super) type Quad = Vector<f32, Const<4>>;

/// Turns the signed bytes of a word into bytes that are 128 too large, as [`unpack`] takes them.
#[cube]
pub(super) fn raise(word: i32) -> u32 {
    u32::reinterpret(word) ^ 0x8080_8080u32
}

/// Code `lane` (0…3, lowest byte first) of a raised word, as a float.
///
/// The byte becomes the mantissa of 2²³ + byte: GPUs convert integers at a fraction of the rate
/// at which they add.
#[cube]
pub(super) fn unpack(raised: u32, #[comptime] lane: u32) -> f32 {
    let byte = (raised >> comptime!(8 * lane)) & 0xffu32;
    f32::reinterpret(byte | 0x4b00_0000u32) - 8_388_736.0f32
}

/// The four codes of a word.
#[cube]
pub(super) fn unpack_quad(word: i32) -> Quad {
    let raised = raise(word);
    let mut four = Quad::new(0.0f32);
    #[unroll]
    for lane in 0..4u32 {
        four[lane as usize] = unpack(raised, lane);
    }
    four
}

/// A copy in a register: otherwise each use reads the buffer of run-time arguments again.
#[cube]
#[allow(unused_mut, clippy::let_and_return)]
pub(super) fn keep(value: u32) -> u32 {
    let mut copy = value;
    copy
}

/// The activation at the store.
#[cube]
pub(super) fn activate(value: f32, #[comptime] activation: Activation) -> f32 {
    match comptime!(activation) {
        Activation::None => value,
        Activation::Relu => max(value, 0.0f32),
        Activation::Relu6 => min(max(value, 0.0f32), 6.0f32),
    }
}
