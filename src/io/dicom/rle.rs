//! RLE compression (PS3.5 annex G).

/// Bytes of the header of a frame: a count and fifteen offsets.
const HEADER: usize = 64;
/// Most segments of a frame.
const MAX_SEGMENTS: usize = 15;
/// A run packs at most 128 bytes into two (section G.3.1).
const MAX_RATIO: usize = 64;

const SHORT: &str = "an RLE segment is too short";

/// Unpacks one frame of `pixels` samples of `bytes` bytes each, little endian.
///
/// `Err` says what is wrong with it.
pub(super) fn unpack(frame: &[u8], pixels: usize, bytes: usize) -> Result<Vec<u8>, &'static str> {
    let header = frame.get(..HEADER).ok_or("an RLE frame has no header")?;
    let (words, _) = header.as_chunks::<4>();
    let words: Vec<usize> = words
        .iter()
        .map(|word| u32::from_le_bytes(*word) as usize)
        .collect();
    let (count, offsets) = words.split_first().ok_or("an RLE frame has no header")?;
    if *count != bytes || *count > MAX_SEGMENTS {
        return Err("an RLE frame does not have a segment for each byte of a sample");
    }
    if pixels.div_ceil(MAX_RATIO) > frame.len() {
        return Err(SHORT);
    }
    let mut out = vec![0; pixels * bytes];
    for segment in 0..*count {
        let from = offsets.get(segment).copied().unwrap_or(usize::MAX);
        let to = match offsets.get(segment + 1) {
            Some(&next) if segment + 1 < *count => next,
            _ => frame.len(),
        };
        let packed = frame
            .get(from..to)
            .ok_or("an RLE segment lies outside its frame")?;
        // The first segment has the most significant byte (section G.2).
        let place = bytes - 1 - segment;
        unpack_segment(packed, out.iter_mut().skip(place).step_by(bytes))?;
    }
    Ok(out)
}

/// The PackBits scheme of section G.3.1.
fn unpack_segment<'a>(
    packed: &[u8],
    mut out: impl ExactSizeIterator<Item = &'a mut u8>,
) -> Result<(), &'static str> {
    let mut rest = packed;
    while out.len() > 0 {
        let (&control, after) = rest.split_first().ok_or(SHORT)?;
        rest = after;
        match control as i8 {
            literal @ 0.. => {
                let count = literal as usize + 1;
                let (values, after) = rest.split_at_checked(count).ok_or(SHORT)?;
                rest = after;
                // A run may be padded beyond the last pixel.
                for (value, place) in values.iter().zip(out.by_ref()) {
                    *place = *value;
                }
            }
            // No operation.
            i8::MIN => {}
            repeated => {
                let count = 1 - isize::from(repeated);
                let (&value, after) = rest.split_first().ok_or(SHORT)?;
                rest = after;
                for place in out.by_ref().take(count.unsigned_abs()) {
                    *place = value;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::io::dicom::testing::rle_frame;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn frames_come_back() {
        let mut random = StdRng::seed_from_u64(5);
        for pixels in [1, 2, 127, 128, 129, 130, 1000] {
            // Runs and noise in turn.
            let samples: Vec<u16> = (0..pixels)
                .map(|n| match n / 40 % 2 {
                    0 => 0xF0A1,
                    _ => random.random(),
                })
                .collect();
            let plain: Vec<u8> = samples.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(unpack(&rle_frame(&plain, 2), pixels, 2).unwrap(), plain);
            let bytes = &plain[..pixels];
            assert_eq!(unpack(&rle_frame(bytes, 1), pixels, 1).unwrap(), bytes);
        }
    }

    #[test]
    fn the_standard_s_segment_unpacks() {
        // A no-operation, three literals, four times 0xAA.
        let mut frame = vec![0; HEADER];
        frame[0] = 1;
        frame[4] = 64;
        frame.extend([0x80, 2, 1, 2, 3, 0xFD, 0xAA]);
        let out = unpack(&frame, 7, 1).unwrap();
        assert_eq!(out, [1, 2, 3, 0xAA, 0xAA, 0xAA, 0xAA]);
        assert!(unpack(&frame, 8, 1).is_err());
        assert!(unpack(&frame, 7, 2).is_err());
    }

    #[test]
    fn damage_gives_errors_or_values_but_no_panic() {
        let whole = rle_frame(&[7; 600], 2);
        for cut in 0..whole.len() {
            assert!(unpack(&whole[..cut], 300, 2).is_err(), "cut at {cut}");
        }
        assert!(unpack(&whole, usize::MAX / 2, 2).is_err());
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 0xFF;
            let _ = unpack(&broken, 300, 2);
        }
    }
}
