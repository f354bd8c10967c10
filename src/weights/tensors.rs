//! Weight files: named tensors in the safetensors format.
//!
//! A tensor is f32, f16 or int8. An int8 tensor `x` is stored as I8 under its own name, beside an
//! F32 tensor `x.scale` of the same rank that has the tensor's length along the axis of the output
//! channels and 1 elsewhere: it multiplies the integers by broadcasting, and its shape says
//! which axis the channels are.
//!
//! Quantization is symmetric: value = integer · scale, scale = max |value| / 127 in each output
//! channel, rounded to nearest. −128 is not used, so that a weight and its negative are stored
//! alike.

use std::borrow::Cow;
use std::collections::BTreeMap;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, View};

use super::WeightsError;

/// Added to an int8 tensor's name, it names the tensor of its scales.
const SCALE_SUFFIX: &str = ".scale";

/// The largest integer that a weight is stored as.
const INT8_MAX: f32 = 127.0;

/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// Integers with one scale an output channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8 {
    /// Lengths of the axes, the last one fastest.
    pub shape: Vec<usize>,
    /// value / scale, rounded; row-major.
    pub data: Vec<i8>,
    /// One factor an output channel, `shape[axis]` in all.
    pub scale: Vec<f32>,
    /// The axis of the output channels: 0 for convolutions, 1 for transposed ones.
    pub axis: usize,
}

impl Int8 {
    /// The closest int8 tensor to some values.
    ///
    /// # Errors
    ///
    /// If the values are not as many as the shape says, are not all finite, or there is no such
    /// axis.
    pub fn quantize(shape: &[usize], values: &[f32], axis: usize) -> Result<Self, WeightsError> {
        let fail = |problem| WeightsError::Quantize {
            shape: shape.to_vec(),
            axis,
            len: values.len(),
            problem,
        };
        if elements(shape) != Some(values.len()) {
            return Err(fail("the numbers differ"));
        }
        let channels = *shape
            .get(axis)
            .ok_or_else(|| fail("there is no such axis"))?;
        if !values.iter().all(|v| v.is_finite()) {
            return Err(fail("some are not finite"));
        }
        let mut scale = vec![0f32; channels];
        for (value, channel) in values.iter().zip(channel_of(shape, axis)) {
            scale[channel] = scale[channel].max(value.abs());
        }
        for s in &mut scale {
            let step = *s / INT8_MAX;
            // A channel of zeros takes any scale; 1 divides.
            *s = if step.is_normal() { step } else { 1.0 };
        }
        let rounded =
            |(v, c): (&f32, usize)| (v / scale[c]).round().clamp(-INT8_MAX, INT8_MAX) as i8;
        let data = values
            .iter()
            .zip(channel_of(shape, axis))
            .map(rounded)
            .collect();
        Ok(Self {
            shape: shape.to_vec(),
            data,
            scale,
            axis,
        })
    }

    /// The values that the integers stand for.
    pub fn dequantize(&self) -> Vec<f32> {
        let channels = channel_of(&self.shape, self.axis);
        let values = self.data.iter().zip(channels);
        values
            .map(|(&q, c)| f32::from(q) * self.scale.get(c).copied().unwrap_or_default())
            .collect()
    }
}

/// The channel of each element of a row-major tensor, endlessly.
fn channel_of(shape: &[usize], axis: usize) -> impl Iterator<Item = usize> {
    let channels = shape.get(axis).copied().unwrap_or(1).max(1);
    // A tensor without elements may have sides whose product does not fit, and then it is not used.
    let inner = elements(shape.get(axis + 1..).unwrap_or_default()).unwrap_or(1);
    let inner = inner.max(1);
    (0..channels)
        .flat_map(move |c| std::iter::repeat_n(c, inner))
        .cycle()
}

/// The number of elements, if it can be counted.
fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &side| n.checked_mul(side))
}

/// A tensor as it lies in a file, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Floats.
    F32 {
        /// Lengths of the axes.
        shape: Vec<usize>,
        /// Elements.
        data: Vec<f32>,
    },
    /// Half floats.
    F16 {
        /// Lengths of the axes.
        shape: Vec<usize>,
        /// Elements.
        data: Vec<f16>,
    },
    /// Integers with scales.
    Int8(Int8),
}

impl Stored {
    /// Half floats from floats.
    pub fn to_f16(shape: &[usize], values: &[f32]) -> Self {
        Self::F16 {
            shape: shape.to_vec(),
            data: values.iter().map(|&v| f16::from_f32(v)).collect(),
        }
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32 { shape, .. } | Self::F16 { shape, .. } => shape,
            Self::Int8(tensor) => &tensor.shape,
        }
    }

    /// The elements as floats.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32 { data, .. } => data.clone(),
            Self::F16 { data, .. } => data.iter().map(|v| v.to_f32()).collect(),
            Self::Int8(tensor) => tensor.dequantize(),
        }
    }

    /// The number of elements at hand.
    fn len(&self) -> usize {
        match self {
            Self::F32 { data, .. } => data.len(),
            Self::F16 { data, .. } => data.len(),
            Self::Int8(tensor) => tensor.data.len(),
        }
    }
}

/// The tensors of a weight file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TensorFile {
    /// The file's name, for errors.
    pub file: String,
    /// The tensors by name.
    pub tensors: BTreeMap<String, Stored>,
}

impl TensorFile {
    /// A file without tensors yet.
    pub fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            tensors: BTreeMap::new(),
        }
    }

    /// Reads a file's bytes. Safe for any bytes: sizes, offsets and shapes are checked before
    /// anything is allocated from them.
    pub fn from_bytes(file: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let mut raw = views(bytes).map_err(|problem| WeightsError::Container {
            file: file.into(),
            problem,
        })?;
        let mut out = Self::new(file);
        let integers: Vec<String> = raw
            .iter()
            .filter(|(_, view)| view.dtype == Dtype::I8)
            .map(|(name, _)| name.clone())
            .collect();
        for name in integers {
            let scale = raw.remove(&(name.clone() + SCALE_SUFFIX));
            let tensor = raw
                .remove(&name)
                .ok_or("is missing")
                .and_then(|data| read_int8(&data, scale.as_ref()));
            let tensor = tensor.map_err(|problem| out.bad(&name, problem))?;
            out.tensors.insert(name, Stored::Int8(tensor));
        }
        for (name, view) in raw {
            let tensor = read_float(&view).map_err(|problem| out.bad(&name, &problem))?;
            out.tensors.insert(name, tensor);
        }
        Ok(out)
    }

    /// The file's bytes: the same tensors always give the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let mut views = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            if elements(tensor.shape()) != Some(tensor.len()) {
                return Err(self.bad(name, "does not have as many elements as its shape says"));
            }
            views.insert(name.clone(), OwnedView::of(tensor));
            if let Stored::Int8(int8) = tensor {
                let scale = scale_view(int8).map_err(|problem| self.bad(name, problem))?;
                if self.tensors.contains_key(&(name.clone() + SCALE_SUFFIX)) {
                    return Err(self.bad(name, "has scales under a name that another tensor has"));
                }
                views.insert(name.clone() + SCALE_SUFFIX, scale);
            }
        }
        safetensors::serialize(views, None).map_err(|e| WeightsError::Container {
            file: self.file.clone(),
            problem: e.to_string(),
        })
    }

    /// A tensor's values as floats, whatever it is stored as.
    pub fn f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        self.get(name, shape).map(Stored::to_f32)
    }

    /// A tensor that must be stored as integers.
    pub fn int8(&self, name: &str, shape: &[usize]) -> Result<&Int8, WeightsError> {
        match self.get(name, shape)? {
            Stored::Int8(tensor) => Ok(tensor),
            _ => Err(self.bad(name, "is not stored as int8, which its precision promises")),
        }
    }

    /// As [`int8`](Self::int8), with its scales along a given axis.
    pub fn channel_int8(
        &self,
        name: &str,
        shape: &[usize],
        axis: usize,
    ) -> Result<&Int8, WeightsError> {
        let tensor = self.int8(name, shape)?;
        // A single scale says nothing about its axis.
        match tensor.axis == axis || tensor.scale.len() == 1 {
            true => Ok(tensor),
            false => Err(self.bad(
                name,
                "has its scales along another axis than its output channels",
            )),
        }
    }

    /// A tensor of a given shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Stored, WeightsError> {
        let tensor = self.tensors.get(name);
        let tensor =
            tensor.ok_or_else(|| self.bad(name, "is not in the file, but the network needs it"))?;
        if tensor.shape() != shape {
            return Err(WeightsError::Shape {
                file: self.file.clone(),
                tensor: name.into(),
                expected: shape.to_vec(),
                found: tensor.shape().to_vec(),
            });
        }
        Ok(tensor)
    }

    fn bad(&self, tensor: &str, problem: &str) -> WeightsError {
        WeightsError::Tensor {
            file: self.file.clone(),
            tensor: tensor.into(),
            problem: problem.into(),
        }
    }
}

/// A tensor's place in a file's bytes.
struct RawView<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: &'a [u8],
}

/// Splits a file into its tensors.
///
/// `SafeTensors::deserialize` adds up sizes that the file chooses without checking for overflow;
/// so the header is parsed by the crate, and the bounds are checked here.
fn views(bytes: &[u8]) -> Result<BTreeMap<String, RawView<'_>>, String> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or("it is too short to have a header")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok();
    let (header, data) = length
        .and_then(|length| rest.split_at_checked(length))
        .ok_or("its header is longer than the file")?;
    let metadata: Metadata = serde_json::from_slice(header).map_err(|e| e.to_string())?;
    let end = metadata
        .tensors()
        .values()
        .map(|info| info.data_offsets.1)
        .max();
    if end.unwrap_or(0) != data.len() {
        return Err("its tensors do not end where the file ends; was it cut short?".into());
    }
    let mut views = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (from, to) = info.data_offsets;
        let data = data.get(from..to).ok_or("a tensor lies outside the file")?;
        let view = RawView {
            dtype: info.dtype,
            shape: info.shape.clone(),
            data,
        };
        views.insert(name, view);
    }
    Ok(views)
}

fn read_float(view: &RawView) -> Result<Stored, String> {
    let shape = view.shape.clone();
    match view.dtype {
        Dtype::F32 => Ok(Stored::F32 {
            shape,
            data: floats(view.data),
        }),
        Dtype::F16 => Ok(Stored::F16 {
            shape,
            data: view
                .data
                .as_chunks()
                .0
                .iter()
                .map(|b| f16::from_le_bytes(*b))
                .collect(),
        }),
        other => Err(format!(
            "is of type {other}, which is none of F32, F16 and I8"
        )),
    }
}

fn read_int8(view: &RawView, scale: Option<&RawView>) -> Result<Int8, &'static str> {
    let scale = scale.ok_or("is int8 but has no scales")?;
    if scale.dtype != Dtype::F32 || scale.shape.len() != view.shape.len() {
        return Err("has scales of another type or rank");
    }
    // A single scale belongs to an axis with a single channel.
    let many = scale.shape.iter().position(|&side| side != 1);
    let axis = many.or_else(|| view.shape.iter().position(|&side| side == 1));
    let axis = axis.ok_or("has one scale for several output channels")?;
    let sides = scale.shape.iter().zip(&view.shape).enumerate();
    let mut expected =
        sides.map(|(at, (&scales, &side))| (scales, if at == axis { side } else { 1 }));
    if !expected.all(|(found, expected)| found == expected) {
        return Err("has scales that are not one an output channel");
    }
    let values = floats(scale.data);
    if !values.iter().all(|v| v.is_finite() && *v > 0.0) {
        return Err("has scales that are not above 0");
    }
    Ok(Int8 {
        shape: view.shape.clone(),
        data: view.data.iter().map(|&b| b.cast_signed()).collect(),
        scale: values,
        axis,
    })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

/// A tensor on its way into a file.
struct OwnedView {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl OwnedView {
    /// The view of a tensor; of an int8 tensor, its integers.
    fn of(tensor: &Stored) -> Self {
        let (dtype, data) = match tensor {
            Stored::F32 { data, .. } => (Dtype::F32, float_bytes(data)),
            Stored::F16 { data, .. } => {
                let bytes = data.iter().flat_map(|v| v.to_le_bytes()).collect();
                (Dtype::F16, bytes)
            }
            Stored::Int8(int8) => {
                let bytes = int8.data.iter().map(|v| v.cast_unsigned()).collect();
                (Dtype::I8, bytes)
            }
        };
        Self {
            dtype,
            shape: tensor.shape().to_vec(),
            data,
        }
    }
}

/// The scales of an int8 tensor, shaped to multiply it by broadcasting.
fn scale_view(tensor: &Int8) -> Result<OwnedView, &'static str> {
    let mut shape = vec![1; tensor.shape.len()];
    let channels = shape.get_mut(tensor.axis);
    *channels.ok_or("has scales along an axis that it does not have")? = tensor.scale.len();
    if tensor.shape.get(tensor.axis) != Some(&tensor.scale.len()) {
        return Err("has scales that are not one an output channel");
    }
    Ok(OwnedView {
        dtype: Dtype::F32,
        shape,
        data: float_bytes(&tensor.scale),
    })
}

fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl View for OwnedView {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> TensorFile {
        let mut file = TensorFile::new("sample.safetensors");
        let values: Vec<f32> = (0..24).map(|i| (i as f32 - 11.5) / 7.0).collect();
        let float = Stored::F32 {
            shape: vec![2, 3],
            data: vec![0.0, -1.5, 2.0, f32::MIN_POSITIVE, 4.0, 1e30],
        };
        file.tensors.insert("norm.gamma".into(), float);
        file.tensors
            .insert("half".into(), Stored::to_f16(&[4], &[0.5, -2.0, 0.1, 6e4]));
        for (name, axis) in [("conv.weight", 0), ("up.weight", 1)] {
            let tensor = Int8::quantize(&[3, 4, 2], &values, axis).unwrap();
            file.tensors.insert(name.into(), Stored::Int8(tensor));
        }
        file
    }

    fn read(bytes: &[u8]) -> Result<TensorFile, WeightsError> {
        TensorFile::from_bytes("sample.safetensors", bytes)
    }

    /// A safetensors file with this header, and this many bytes of data.
    fn with_header(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 1);
        bytes
    }

    #[test]
    fn reads_what_it_writes() {
        let file = sample();
        let bytes = file.to_bytes().unwrap();
        assert_eq!(bytes, file.to_bytes().unwrap());
        assert_eq!(read(&bytes).unwrap(), file);
        let empty = TensorFile::new("sample.safetensors");
        assert_eq!(read(&empty.to_bytes().unwrap()).unwrap(), empty);
    }

    #[test]
    fn quantizes_each_output_channel() {
        let values = [1.27, -0.01, 0.0, 127.0, -127.0, 63.4, 0.0, 0.0, 0.0];
        let tensor = Int8::quantize(&[3, 3], &values, 0).unwrap();
        assert_eq!(tensor.data, [127, -1, 0, 127, -127, 63, 0, 0, 0]);
        assert!((tensor.scale[0] - 0.01).abs() < 1e-9);
        assert_eq!(tensor.scale[1..], [1.0, 1.0]);
        let tiny = Int8::quantize(&[1], &[1e-44], 0).unwrap();
        assert_eq!((tiny.data[0], tiny.scale[0]), (0, 1.0));
        let columns = Int8::quantize(&[2, 2], &[1.0, 100.0, 0.5, -200.0], 1).unwrap();
        assert_eq!(columns.data, [127, 64, 64, -127]);
        for (a, b) in columns.dequantize().iter().zip([1.0, 100.0, 0.5, -200.0]) {
            assert!((a - b).abs() <= columns.scale[1] / 2.0);
        }
    }

    #[test]
    fn error_of_quantizing_is_half_a_step() {
        let shape = [5, 2, 3];
        let values: Vec<f32> = (0..30)
            .map(|i| (i as f32 * 1.7).sin() * (1 + i % 7) as f32)
            .collect();
        for axis in 0..3 {
            let tensor = Int8::quantize(&shape, &values, axis).unwrap();
            let channels = channel_of(&shape, axis);
            for ((v, q), c) in values.iter().zip(tensor.dequantize()).zip(channels) {
                assert!((v - q).abs() <= tensor.scale[c] * 0.5001, "axis {axis}");
            }
        }
    }

    #[test]
    fn refuses_to_quantize_what_does_not_fit() {
        assert!(Int8::quantize(&[2, 2], &[0.0; 3], 0).is_err());
        assert!(Int8::quantize(&[2, 2], &[0.0; 4], 2).is_err());
        assert!(Int8::quantize(&[], &[0.0], 0).is_err());
        assert!(Int8::quantize(&[2], &[0.0, f32::NAN], 0).is_err());
        assert!(Int8::quantize(&[usize::MAX, 2], &[], 0).is_err());
    }

    #[test]
    fn loaders_name_the_file_the_tensor_and_both_shapes() {
        let file = sample();
        assert_eq!(file.f32("half", &[4]).unwrap()[1], -2.0);
        assert_eq!(file.f32("conv.weight", &[3, 4, 2]).unwrap().len(), 24);
        assert_eq!(file.int8("up.weight", &[3, 4, 2]).unwrap().axis, 1);
        assert!(file.int8("half", &[4]).is_err());
        let shape = file.f32("norm.gamma", &[6]).unwrap_err().to_string();
        for part in ["sample.safetensors", "norm.gamma", "[2, 3]", "[6]"] {
            assert!(shape.contains(part), "{shape}");
        }
        let missing = file.f32("norm.beta", &[6]).unwrap_err().to_string();
        assert!(missing.contains("norm.beta") && missing.contains("sample.safetensors"));
    }

    #[test]
    fn refuses_to_write_nonsense() {
        let mut file = sample();
        let clash = Stored::F32 {
            shape: vec![1],
            data: vec![1.0],
        };
        file.tensors.insert("conv.weight.scale".into(), clash);
        assert!(file.to_bytes().is_err());
        let mut file = sample();
        if let Some(Stored::Int8(tensor)) = file.tensors.get_mut("conv.weight") {
            tensor.scale.pop();
        }
        assert!(file.to_bytes().is_err());
        let mut file = sample();
        if let Some(Stored::F32 { data, .. }) = file.tensors.get_mut("norm.gamma") {
            data.pop();
        }
        assert!(file.to_bytes().is_err());
    }

    #[test]
    fn refuses_broken_files() {
        let bytes = sample().to_bytes().unwrap();
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        assert!(read(&[&bytes[..], b"x"].concat()).is_err());
        assert!(read(&[0xff; 40]).is_err());
    }

    #[test]
    fn hostile_headers_end_in_errors() {
        let max = usize::MAX;
        let headers = [
            // Offsets that overflow, run backwards, overlap or lie outside.
            format!(r#"{{"a":{{"dtype":"I8","shape":[{max}],"data_offsets":[0,{max}]}}}}"#),
            format!(r#"{{"a":{{"dtype":"F32","shape":[{max},{max}],"data_offsets":[0,8]}}}}"#),
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.into(),
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#.into(),
            r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#.into(),
            // Types that this container does not have.
            r#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#.into(),
            // Integers without scales, or with wrong ones.
            r#"{"a":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}}"#.into(),
            r#"{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},
                "a.scale":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
                .into(),
            r#"{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},
                "a.scale":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}"#
                .into(),
            r#"{"a":{"dtype":"I8","shape":[1,4],"data_offsets":[0,4]},
                "a.scale":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#
                .into(),
        ];
        for header in &headers {
            assert!(read(&with_header(header, 8)).is_err(), "{header}");
        }
        let deep = "[".repeat(100_000);
        assert!(read(&with_header(&deep, 8)).is_err());
    }

    #[test]
    fn a_tensor_of_nothing_may_have_a_long_side() {
        let header = format!(
            r#"{{"a":{{"dtype":"I8","shape":[0,{},2],"data_offsets":[0,0]}},
                "a.scale":{{"dtype":"F32","shape":[0,1,1],"data_offsets":[0,0]}}}}"#,
            usize::MAX
        );
        let file = read(&with_header(&header, 0)).unwrap();
        assert!(file.tensors["a"].to_f32().is_empty());
    }

    #[test]
    fn flipped_bytes_never_panic() {
        let bytes = sample().to_bytes().unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[at] ^= 1 << bit;
                if let Ok(file) = read(&broken) {
                    for tensor in file.tensors.values() {
                        assert_eq!(tensor.to_f32().len(), elements(tensor.shape()).unwrap());
                    }
                }
            }
        }
    }
}
