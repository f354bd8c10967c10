//! The layouts of packed codes, made once when weights are loaded.

use super::super::geometry::Geometry;

/// How codes lie in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[tap][ci][co/4]`: a word holds four consecutive output channels.
    Dense,
    /// `[channel][tap/4]`: a word holds four consecutive taps of a filter.
    Depthwise,
}

impl Layout {
    /// The layout of a convolution's codes.
    ///
    /// # Panics
    /// With several groups that are not one a channel.
    pub(super) fn of(g: &Geometry) -> Self {
        let depthwise = g.groups == g.channels_in && g.groups == g.channels_out;
        match (g.groups, depthwise) {
            (1, _) => Layout::Dense,
            (_, true) => Layout::Depthwise,
            _ => panic!("{} groups: only depthwise groups are packed", g.groups),
        }
    }
    /// Words of one row: of a tap and input channel, or of a filter.
    pub(super) fn row(self, g: &Geometry) -> usize {
        match self {
            // An even number, for threads of eight channels.
            Layout::Dense if g.channels_out > 4 => g.channels_out.div_ceil(8) * 2,
            Layout::Dense => 1,
            Layout::Depthwise => taps(g).div_ceil(4),
        }
    }
    /// Words of the whole.
    pub(super) fn words(self, g: &Geometry) -> usize {
        match self {
            Layout::Dense => taps(g) * g.channels_in * self.row(g),
            Layout::Depthwise => g.channels_out * self.row(g),
        }
    }
}

fn taps(g: &Geometry) -> usize {
    g.kernel.iter().product()
}

/// Puts a code into byte `lane` of a word.
fn put(word: &mut i32, lane: usize, code: i8) {
    *word |= i32::from(code as u8) << (8 * lane);
}

/// Codes `[co, ci/groups, kd, kh, kw]` as [`super::conv_packed`] takes them.
///
/// # Panics
/// If there are not as many codes as the geometry says, or with several groups that are not one a
/// channel.
pub fn arrange(g: &Geometry, codes: &[i8]) -> Vec<i32> {
    let layout = Layout::of(g);
    let (taps, ci, row) = (taps(g), g.channels_in / g.groups, layout.row(g));
    assert_eq!(codes.len(), g.channels_out * ci * taps, "codes");
    let mut words = vec![0; layout.words(g)];
    for (i, &code) in codes.iter().enumerate() {
        let (o, c, tap) = (i / (ci * taps), i / taps % ci, i % taps);
        let (word, lane) = match layout {
            Layout::Dense => ((tap * ci + c) * row + o / 4, o % 4),
            Layout::Depthwise => (o * row + tap / 4, tap % 4),
        };
        put(&mut words[word], lane, code);
    }
    words
}

/// Codes `[ci, co, 3, 3, 3]` as [`super::conv_transposed_packed`] takes them: `[ci][tap][co/4]`.
///
/// # Panics
/// If there are not as many codes as the geometry says, or it is not one of a doubling.
pub fn arrange_transposed(g: &Geometry, codes: &[i8]) -> Vec<i32> {
    assert_doubling(g);
    let (ci, co, taps) = (g.channels_out, g.channels_in, taps(g));
    assert_eq!(codes.len(), ci * co * taps, "codes");
    let row = co.div_ceil(4);
    let mut words = vec![0; ci * taps * row];
    for (i, &code) in codes.iter().enumerate() {
        let (c, o, tap) = (i / (co * taps), i / taps % co, i % taps);
        put(&mut words[(c * taps + tap) * row + o / 4], o % 4, code);
    }
    words
}

/// The one kind of transposed convolution that there is a kernel for.
pub(super) fn assert_doubling(g: &Geometry) {
    let kind = (g.groups, g.kernel, g.stride, g.padding, g.dilation);
    assert_eq!(
        kind,
        (1, [3; 3], [2; 3], [1; 3], [1; 3]),
        "transposed convolutions double each side by 3×3×3 kernels"
    );
    let doubled = |a: usize| 2 * g.output[a] - 1..=2 * g.output[a];
    assert!(
        (0..3).all(|a| doubled(a).contains(&g.input[a])),
        "{:?} from {:?}",
        g.input,
        g.output
    );
}
