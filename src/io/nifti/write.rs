//! NIfTI-1 single files of label maps and HU.

use std::io::Read;

use flate2::Compression;
use flate2::read::GzEncoder;

use crate::io::sniff::NIFTI1_HEADER;
use crate::volume::{Affine, Volume};

/// Header and the four zero bytes that say "no extensions".
const VOX_OFFSET: usize = NIFTI1_HEADER + 4;
/// Codes of the standard: datatypes, "scanner anatomical" for both transforms, mm.
const DT_UINT8: i16 = 2;
const DT_INT16: i16 = 4;
const XFORM_SCANNER: i16 = 1;
const UNITS_MM: u8 = 2;

/// A NIfTI-1 file (uint8) of a mask or label map, gzipped if `gz`; with qform and sform.
///
/// # Panics
///
/// If an axis has more than 32767 voxels, which NIfTI-1 cannot say.
pub fn write_labels(v: &Volume<u8>, gz: bool) -> Vec<u8> {
    let mut file = header(v.dims, &v.affine, DT_UINT8, 8, v.len());
    file.extend_from_slice(&v.data);
    finish(file, gz, Compression::default())
}

/// A NIfTI-1 file (int16) of HU, gzipped if `gz`; with qform and sform.
///
/// # Panics
///
/// If an axis has more than 32767 voxels, which NIfTI-1 cannot say.
pub fn write_hu(v: &Volume<i16>, gz: bool) -> Vec<u8> {
    let mut file = header(v.dims, &v.affine, DT_INT16, 16, 2 * v.len());
    for hu in &v.data {
        file.extend_from_slice(&hu.to_le_bytes());
    }
    // The noise of a CT hardly packs: the default level takes ten times as long for a fifth less.
    finish(file, gz, Compression::fast())
}

fn finish(file: Vec<u8>, gz: bool, level: Compression) -> Vec<u8> {
    if !gz {
        return file;
    }
    let mut packed = Vec::new();
    GzEncoder::new(&file[..], level)
        .read_to_end(&mut packed)
        .expect("memory to memory does not fail");
    packed
}

/// The 352 bytes before the voxels, little endian, with room for `data_bytes` more.
fn header(
    dims: [usize; 3],
    affine: &Affine,
    datatype: i16,
    bits: i16,
    data_bytes: usize,
) -> Vec<u8> {
    let dim = dims.map(|n| i16::try_from(n).expect("NIfTI-1 holds at most 32767 voxels an axis"));
    let quaternion = Quaternion::closest(affine);
    let spacing = affine.spacing().map(|s| s as f32);
    let qfac = quaternion.as_ref().map_or(1.0, |q| q.qfac);

    let mut file = Vec::with_capacity(VOX_OFFSET + data_bytes);
    file.resize(VOX_OFFSET, 0);
    let mut put = |offset: usize, bytes: &[u8]| {
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &(NIFTI1_HEADER as i32).to_le_bytes());
    put(38, b"r"); // regular
    for (n, size) in [3, dim[0], dim[1], dim[2], 1, 1, 1, 1]
        .into_iter()
        .enumerate()
    {
        put(40 + 2 * n, &size.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    put(72, &bits.to_le_bytes());
    let pixdim = [qfac, spacing[0], spacing[1], spacing[2], 1.0, 1.0, 1.0, 1.0];
    for (n, size) in pixdim.into_iter().enumerate() {
        put(76 + 4 * n, &size.to_le_bytes());
    }
    put(108, &(VOX_OFFSET as f32).to_le_bytes());
    put(112, &1_f32.to_le_bytes()); // scl_slope
    put(123, &[UNITS_MM]);
    put(148, b"Pleura"); // descrip
    if let Some(q) = &quaternion {
        put(252, &XFORM_SCANNER.to_le_bytes());
        let offset = affine.0.map(|row| row[3] as f32);
        for (n, value) in q.bcd.into_iter().chain(offset).enumerate() {
            put(256 + 4 * n, &value.to_le_bytes());
        }
    }
    put(254, &XFORM_SCANNER.to_le_bytes());
    for (n, value) in affine.0.iter().flatten().enumerate() {
        put(280 + 4 * n, &(*value as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    file
}

/// The rotation of a qform: b, c and d of a unit quaternion whose a is not negative.
struct Quaternion {
    bcd: [f32; 3],
    /// -1 if the third axis has to be turned round to make the rest a rotation.
    qfac: f32,
}

impl Quaternion {
    /// The rotation closest to an affine's axes; `None` for an affine without an inverse.
    fn closest(affine: &Affine) -> Option<Self> {
        let spacing = affine.spacing();
        let qfac = if affine.determinant() < 0.0 {
            -1.0
        } else {
            1.0
        };
        let axes = Affine(
            affine
                .0
                .map(|[i, j, k, _]| [i / spacing[0], j / spacing[1], qfac * k / spacing[2], 0.0]),
        );
        let bcd = quaternion(&nearest_rotation(axes)?);
        Some(Self {
            bcd: bcd.map(|x| x as f32),
            qfac: qfac as f32,
        })
    }
}

/// Orthogonal factor of the polar decomposition by Newton's iteration (Higham 1986): the mean of
/// the matrix and its inverse transpose, until they agree.
fn nearest_rotation(mut m: Affine) -> Option<Affine> {
    // It converges quadratically; even a nearly flat grid needs some ten rounds.
    const ROUNDS: usize = 30;
    for _ in 0..ROUNDS {
        let inverse = m.inverse()?.0;
        let mut change = 0.0_f64;
        for (r, row) in m.0.iter_mut().enumerate() {
            for (value, inverse_row) in row.iter_mut().zip(&inverse) {
                let mean = (*value + inverse_row[r]) / 2.0;
                change = change.max((mean - *value).abs());
                *value = mean;
            }
        }
        if change < 1e-14 {
            break;
        }
    }
    Some(m)
}

/// b, c, d of the unit quaternion of a rotation, with a ≥ 0; from the largest component, so that
/// no division is by a small number.
fn quaternion(rotation: &Affine) -> [f64; 3] {
    let m = &rotation.0;
    let trace = m[0][0] + m[1][1] + m[2][2];
    if trace > 0.0 {
        let a = (1.0 + trace).sqrt() / 2.0;
        return [
            (m[2][1] - m[1][2]) / (4.0 * a),
            (m[0][2] - m[2][0]) / (4.0 * a),
            (m[1][0] - m[0][1]) / (4.0 * a),
        ];
    }
    let mut x = 0;
    for axis in 1..3 {
        if m[axis][axis] > m[x][x] {
            x = axis;
        }
    }
    let (y, z) = ((x + 1) % 3, (x + 2) % 3);
    let largest = (1.0 + m[x][x] - m[y][y] - m[z][z]).max(0.0).sqrt() / 2.0;
    let mut bcd = [0.0; 3];
    bcd[x] = largest;
    bcd[y] = (m[x][y] + m[y][x]) / (4.0 * largest);
    bcd[z] = (m[x][z] + m[z][x]) / (4.0 * largest);
    // The sign of a; a half turn has none.
    if m[z][y] < m[y][z] {
        bcd = bcd.map(|v| -v);
    }
    bcd
}
