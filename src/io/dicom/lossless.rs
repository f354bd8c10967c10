//! Lossless JPEG (ITU-T T.81 annex H) of one component, as DICOM's process 14 has it (PS3.5
//! section 8.2.1): all seven predictors, 2 to 16 bits, point transform and restart intervals.

/// Precision of the first prediction and range of samples.
const MAX_PRECISION: u8 = 16;
/// Codes have up to 16 bits, so a table with an entry for each prefix of 16 bits decodes at once.
const CODE_BITS: u32 = 16;
const TABLES: usize = 4;

const SHORT: &str = "the JPEG stream ends early";
const BROKEN: &str = "the JPEG stream is damaged";

/// What the frame header says (section B.2.2).
struct Frame {
    precision: u8,
    rows: usize,
    columns: usize,
}

/// What the scan header says (section B.2.3).
struct Scan {
    table: usize,
    predictor: u8,
    point_transform: u8,
}

/// Symbol and length in bits for every 16 bits that can lie ahead; length 0 is no code.
struct Huffman(Vec<(u8, u8)>);

impl Huffman {
    /// From the number of codes of each length and the symbols in order (section C.2).
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, &'static str> {
        let mut table = vec![(0, 0); 1 << CODE_BITS];
        let mut symbols = symbols.iter();
        let mut next = 0_usize;
        for (length, &count) in (1_u8..).zip(counts) {
            let width = 1_usize << (CODE_BITS - u32::from(length));
            for _ in 0..count {
                let symbol = *symbols.next().ok_or(BROKEN)?;
                let places = table.get_mut(next..next + width).ok_or(BROKEN)?;
                places.fill((symbol, length));
                next += width;
            }
        }
        Ok(Self(table))
    }
}

/// The bits of the entropy-coded data, with stuffed zeros taken out (section F.1.2.3).
struct Bits<'a> {
    rest: &'a [u8],
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            buffer: 0,
            count: 0,
        }
    }

    /// Loads whole bytes up to the next marker.
    fn fill(&mut self) {
        while self.count <= u64::BITS - 8 {
            let (byte, after) = match self.rest {
                [0xFF, 0, after @ ..] => (0xFF, after),
                [0xFF, ..] | [] => return,
                [byte, after @ ..] => (*byte, after),
            };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.count += 8;
            self.rest = after;
        }
    }

    /// The next 16 bits, with zeros behind the last one.
    fn peek(&mut self) -> usize {
        if self.count < CODE_BITS {
            self.fill();
        }
        let bits = if self.count >= CODE_BITS {
            self.buffer >> (self.count - CODE_BITS)
        } else {
            self.buffer << (CODE_BITS - self.count)
        };
        (bits & 0xFFFF) as usize
    }

    fn skip(&mut self, bits: u32) -> Result<(), &'static str> {
        self.count = self.count.checked_sub(bits).ok_or(SHORT)?;
        Ok(())
    }

    /// One difference (section H.1.2.2).
    fn difference(&mut self, table: &Huffman) -> Result<i32, &'static str> {
        let ahead = self.peek();
        let (category, length) = table.0.get(ahead).copied().unwrap_or_default();
        if length == 0 {
            return Err(if self.count < CODE_BITS {
                SHORT
            } else {
                BROKEN
            });
        }
        self.skip(u32::from(length))?;
        match category {
            0 => Ok(0),
            1..=15 => {
                let size = u32::from(category);
                let value = (self.peek() >> (CODE_BITS - size)) as i32;
                self.skip(size)?;
                // Values of the lower half are negative (section F.2.2.1, EXTEND).
                let negative = value < 1 << (size - 1);
                Ok(if negative {
                    value - (1 << size) + 1
                } else {
                    value
                })
            }
            16 => Ok(1 << 15),
            _ => Err(BROKEN),
        }
    }

    /// Goes behind the restart marker `number` modulo 8.
    fn restart(&mut self, number: usize) -> Result<(), &'static str> {
        (self.buffer, self.count) = (0, 0);
        match self.rest {
            [0xFF, marker, after @ ..] if usize::from(*marker) == 0xD0 + number % 8 => {
                self.rest = after;
                Ok(())
            }
            [] => Err(SHORT),
            _ => Err(BROKEN),
        }
    }
}

/// Unpacks an image of one component that has to be of `rows` × `columns` samples.
///
/// `Err` says what is wrong with it.
pub(super) fn unpack(stream: &[u8], rows: usize, columns: usize) -> Result<Vec<u16>, &'static str> {
    let mut rest = stream.strip_prefix(&[0xFF, 0xD8]).ok_or(BROKEN)?;
    let mut tables: [Option<Huffman>; TABLES] = Default::default();
    let (mut frame, mut interval) = (None, 0);
    loop {
        let (marker, segment, after) = segment(rest)?;
        rest = after;
        match marker {
            0xC3 => frame = Some(frame_header(segment)?),
            0xC4 => huffman_tables(segment, &mut tables)?,
            0xC0..=0xCF => return Err("the JPEG stream is not lossless with Huffman codes"),
            0xDD => {
                let lines = segment.first_chunk::<2>().ok_or(BROKEN)?;
                interval = usize::from(u16::from_be_bytes(*lines));
            }
            0xDA => {
                let frame = frame.ok_or(BROKEN)?;
                if (frame.rows, frame.columns) != (rows, columns) {
                    return Err("the JPEG stream has another size than the image");
                }
                let scan = scan_header(segment, &frame)?;
                let table = tables.get(scan.table).and_then(Option::as_ref);
                return samples(&frame, &scan, table.ok_or(BROKEN)?, interval, rest);
            }
            _ => {}
        }
    }
}

/// A marker, what belongs to it, and what follows (section B.1.1).
fn segment(rest: &[u8]) -> Result<(u8, &[u8], &[u8]), &'static str> {
    let rest = rest.strip_prefix(&[0xFF]).ok_or(match rest {
        [] => SHORT,
        _ => BROKEN,
    })?;
    let fill = rest.iter().take_while(|byte| **byte == 0xFF).count();
    let rest = rest.get(fill..).unwrap_or_default();
    let (&marker, rest) = rest.split_first().ok_or(SHORT)?;
    let length = rest.first_chunk::<2>().ok_or(SHORT)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (segment, after) = rest.split_at_checked(length).ok_or(SHORT)?;
    Ok((marker, segment.get(2..).ok_or(BROKEN)?, after))
}

fn frame_header(segment: &[u8]) -> Result<Frame, &'static str> {
    let &[precision, y1, y0, x1, x0, components, ..] = segment else {
        return Err(BROKEN);
    };
    if components != 1 {
        return Err("the JPEG stream is in colour");
    }
    if !(2..=MAX_PRECISION).contains(&precision) {
        return Err(BROKEN);
    }
    Ok(Frame {
        precision,
        rows: usize::from(u16::from_be_bytes([y1, y0])),
        columns: usize::from(u16::from_be_bytes([x1, x0])),
    })
}

/// The tables of a segment (section B.2.4.2).
fn huffman_tables(
    mut segment: &[u8],
    tables: &mut [Option<Huffman>; TABLES],
) -> Result<(), &'static str> {
    while let Some((&place, rest)) = segment.split_first() {
        let (counts, rest) = rest.split_first_chunk::<16>().ok_or(BROKEN)?;
        let total = counts.iter().map(|&n| usize::from(n)).sum();
        let (symbols, after) = rest.split_at_checked(total).ok_or(BROKEN)?;
        // The class, in the upper bits, is 0 in lossless images.
        let table = tables.get_mut(usize::from(place)).ok_or(BROKEN)?;
        *table = Some(Huffman::new(counts, symbols)?);
        segment = after;
    }
    Ok(())
}

fn scan_header(segment: &[u8], frame: &Frame) -> Result<Scan, &'static str> {
    let &[1, _, table, predictor, _, approximation, ..] = segment else {
        return Err(BROKEN);
    };
    let point_transform = approximation & 0x0F;
    if !(1..=7).contains(&predictor) || point_transform >= frame.precision {
        return Err(BROKEN);
    }
    Ok(Scan {
        table: usize::from(table >> 4),
        predictor,
        point_transform,
    })
}

/// Decodes the samples line by line (section H.2).
fn samples(
    frame: &Frame,
    scan: &Scan,
    table: &Huffman,
    interval: usize,
    data: &[u8],
) -> Result<Vec<u16>, &'static str> {
    if !interval.is_multiple_of(frame.columns) {
        return Err("the JPEG stream restarts within a line");
    }
    let lines = match interval / frame.columns {
        0 => frame.rows,
        lines => lines,
    };
    // The shortest code has a bit, so the data say how many samples there can be.
    let count = frame.rows * frame.columns;
    if count.div_ceil(8) > data.len() {
        return Err(SHORT);
    }
    let first = 1_u16 << (frame.precision - scan.point_transform - 1);
    let mut bits = Bits::new(data);
    let mut out = Vec::with_capacity(count);
    let mut above: Vec<u16> = Vec::new();
    let mut line: Vec<u16> = Vec::with_capacity(frame.columns);
    for row in 0..frame.rows {
        if row > 0 && row.is_multiple_of(lines) {
            bits.restart(row / lines - 1)?;
            above.clear();
        }
        line.clear();
        // Without a line above: `first`, then the left neighbour. With one: its first sample.
        let mut left = above.first().copied().unwrap_or(first);
        let mut corner = left;
        let predictor = if above.is_empty() { 1 } else { scan.predictor };
        for column in 0..frame.columns {
            let over = above.get(column).copied().unwrap_or(left);
            let prediction = if column == 0 {
                i32::from(left)
            } else {
                predict(predictor, left, over, corner)
            };
            let value = prediction.wrapping_add(bits.difference(table)?) as u16;
            line.push(value);
            (left, corner) = (value, over);
        }
        out.extend(line.iter().map(|value| value << scan.point_transform));
        std::mem::swap(&mut above, &mut line);
    }
    Ok(out)
}

/// Table H.1, with Ra to the left, Rb over and Rc in the corner.
fn predict(predictor: u8, left: u16, over: u16, corner: u16) -> i32 {
    let [ra, rb, rc] = [left, over, corner].map(i32::from);
    match predictor {
        1 => ra,
        2 => rb,
        3 => rc,
        4 => ra + rb - rc,
        5 => ra + ((rb - rc) >> 1),
        6 => rb + ((ra - rc) >> 1),
        _ => (ra + rb) >> 1,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::io::dicom::testing::{Lossless, lossless_jpeg};

    fn image(rows: usize, columns: usize, bits: u32) -> Vec<u16> {
        let top = (1_u32 << bits) - 1;
        (0..rows * columns)
            .map(|n| ((n * n * 7919 + n * 31) as u32 % (top + 1)) as u16)
            .collect()
    }

    #[test]
    fn every_predictor_and_precision_comes_back() {
        for predictor in 1..=7 {
            for precision in [2, 8, 12, 16] {
                let options = Lossless {
                    predictor,
                    precision,
                    ..Lossless::default()
                };
                let plain = image(13, 17, u32::from(precision));
                let stream = lossless_jpeg(&plain, 13, 17, options);
                let back = unpack(&stream, 13, 17).unwrap();
                assert_eq!(back, plain, "predictor {predictor}, {precision} bits");
            }
        }
    }

    #[test]
    fn restarts_and_point_transforms_come_back() {
        let plain: Vec<u16> = image(12, 9, 12).iter().map(|v| v & !3).collect();
        for (restart_lines, point_transform) in [(1, 0), (5, 0), (0, 2), (3, 2)] {
            for predictor in 1..=7 {
                let options = Lossless {
                    predictor,
                    precision: 12,
                    point_transform,
                    restart_lines,
                };
                let stream = lossless_jpeg(&plain, 12, 9, options);
                assert_eq!(unpack(&stream, 12, 9).unwrap(), plain, "{options:?}");
            }
        }
    }

    /// Holds the streams of these tests against another reader of the standard.
    #[test]
    fn another_decoder_agrees() {
        for predictor in 1..=7 {
            let options = Lossless {
                predictor,
                precision: 16,
                ..Lossless::default()
            };
            let plain = image(20, 30, 16);
            let stream = lossless_jpeg(&plain, 20, 30, options);
            let decoded = jpeg_decoder::Decoder::new(&stream[..]).decode().unwrap();
            let (samples, _) = decoded.as_chunks::<2>();
            let samples: Vec<u16> = samples.iter().map(|b| u16::from_ne_bytes(*b)).collect();
            assert_eq!(samples, plain, "predictor {predictor}");
        }
    }

    #[test]
    fn damage_gives_errors_or_values_but_no_panic() {
        let options = Lossless {
            restart_lines: 2,
            ..Lossless::default()
        };
        let whole = lossless_jpeg(&image(10, 11, 12), 10, 11, options);
        for cut in 0..whole.len() - 2 {
            assert!(unpack(&whole[..cut], 10, 11).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut broken = whole.clone();
                broken[at] ^= flip;
                let _ = unpack(&broken, 10, 11);
            }
        }
        assert!(unpack(&whole, 11, 10).is_err());
        assert!(unpack(&[], 1, 1).is_err());
    }
}
