//! The shapes of a convolution, which the kernels of every backend are told.

/// The shapes of one convolution, depth first: `[d, h, w]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Samples.
    pub batch: usize,
    /// Input channels.
    pub channels_in: usize,
    /// Output channels.
    pub channels_out: usize,
    /// Groups; both channel counts are multiples of it.
    pub groups: usize,
    /// Input extent.
    pub input: [usize; 3],
    /// Kernel extent.
    pub kernel: [usize; 3],
    /// Stride.
    pub stride: [usize; 3],
    /// Zero padding on both sides.
    pub padding: [usize; 3],
    /// Dilation.
    pub dilation: [usize; 3],
    /// Output extent.
    pub output: [usize; 3],
}

impl Geometry {
    /// The geometry of a convolution, with its output extent.
    ///
    /// # Panics
    /// If the kernel is larger than the padded input.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        batch: usize,
        channels_in: usize,
        channels_out: usize,
        groups: usize,
        input: [usize; 3],
        kernel: [usize; 3],
        stride: [usize; 3],
        padding: [usize; 3],
        dilation: [usize; 3],
    ) -> Self {
        let output = std::array::from_fn(|a| {
            let reach = dilation[a] * (kernel[a] - 1) + 1;
            (input[a] + 2 * padding[a] - reach) / stride[a] + 1
        });
        Geometry {
            batch,
            channels_in,
            channels_out,
            groups,
            input,
            kernel,
            stride,
            padding,
            dilation,
            output,
        }
    }

    /// The geometry on another input.
    pub fn on(&self, batch: usize, input: [usize; 3]) -> Self {
        Self::new(
            batch,
            self.channels_in,
            self.channels_out,
            self.groups,
            input,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
        )
    }

    /// The geometry of a convolution that is known but for its extent: on the smallest input.
    pub fn pattern(
        [channels_in, channels_out, groups]: [usize; 3],
        kernel: [usize; 3],
        stride: [usize; 3],
        padding: [usize; 3],
        dilation: [usize; 3],
    ) -> Self {
        let reach = std::array::from_fn(|a| dilation[a] * (kernel[a] - 1) + 1);
        Self::new(
            1,
            channels_in,
            channels_out,
            groups,
            reach,
            kernel,
            stride,
            padding,
            dilation,
        )
    }

    pub(crate) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }
    pub(crate) fn inputs(&self) -> usize {
        self.input.iter().product()
    }
    pub(crate) fn outputs(&self) -> usize {
        self.output.iter().product()
    }
    pub(crate) fn in_group(&self) -> usize {
        self.channels_in / self.groups
    }
    pub(crate) fn out_group(&self) -> usize {
        self.channels_out / self.groups
    }
    pub(crate) fn is_pointwise(&self) -> bool {
        self.taps() == 1 && self.stride == [1; 3] && self.padding == [0; 3]
    }
    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups == self.channels_in && self.groups == self.channels_out
    }
    /// Where output row `row` reads for kernel tap `(a, b)`: the input row's start, or none in
    /// the padding.
    #[inline(always)]
    pub(crate) fn input_row(&self, row: usize, a: usize, b: usize) -> Option<usize> {
        let z = (row / self.output[1]) * self.stride[0] + a * self.dilation[0];
        let y = (row % self.output[1]) * self.stride[1] + b * self.dilation[1];
        let z = z
            .checked_sub(self.padding[0])
            .filter(|&z| z < self.input[0])?;
        let y = y
            .checked_sub(self.padding[1])
            .filter(|&y| y < self.input[1])?;
        Some((z * self.input[1] + y) * self.input[2])
    }
    /// Outputs of a row whose input at tap `c` is inside: `start..end`, and the first input.
    #[inline(always)]
    pub(crate) fn columns(&self, c: usize) -> (usize, usize, usize) {
        let (stride, width) = (self.stride[2], self.input[2] as isize);
        let offset = (c * self.dilation[2]) as isize - self.padding[2] as isize;
        let start = if offset < 0 {
            (offset.unsigned_abs()).div_ceil(stride)
        } else {
            0
        };
        let end = if width > offset {
            ((width - offset) as usize)
                .div_ceil(stride)
                .min(self.output[2])
        } else {
            0
        };
        if start >= end {
            return (0, 0, 0);
        }
        (start, end, ((start * stride) as isize + offset) as usize)
    }
}
