//! Voxels that a program has in memory, without a file around them.

use super::samples::{Datatype, Layout, MAX_DIM, to_hu};
use super::stream::{Packing, Source};
use super::{IoError, Limits, Scan};
use crate::volume::Affine;

/// Takes voxels for a CT volume.
///
/// `bytes` hold them in the machine's byte order, the first axis fastest. `datatype` is what NumPy
/// calls them: `"i2"`, `"f4"` and the like. Values are rounded and clamped to `i16`; NaN becomes
/// -1024. `affine` maps voxel centres to RAS+ mm.
///
/// # Errors
///
/// If the voxels are no real numbers, are not as many as `dims` say or more than the limits allow,
/// or `affine` gives them no volume.
pub fn read(
    name: &str,
    bytes: &[u8],
    datatype: &str,
    dims: [usize; 3],
    affine: Affine,
    limits: &Limits,
) -> Result<Scan, IoError> {
    let wrong = |problem: String| IoError::Array {
        file: name.to_owned(),
        problem,
    };
    let datatype = match datatype {
        "u1" => Datatype::U8,
        "i1" => Datatype::I8,
        "u2" => Datatype::U16,
        "i2" => Datatype::I16,
        "u4" => Datatype::U32,
        "i4" => Datatype::I32,
        "u8" => Datatype::U64,
        "i8" => Datatype::I64,
        "f4" => Datatype::F32,
        "f8" => Datatype::F64,
        other => {
            let problem = format!("holds {other} values, which cannot be HU: convert it to int16");
            return Err(wrong(problem));
        }
    };
    if !dims.iter().all(|side| (1..=MAX_DIM).contains(side)) {
        let problem = format!("has the shape {dims:?}: each side should be 1 to {MAX_DIM}");
        return Err(wrong(problem));
    }
    if affine.inverse().is_none() {
        let problem = "has an affine that gives its voxels no volume: give the map from voxels to RAS \
                       millimetres";
        return Err(wrong(problem.into()));
    }
    let layout = Layout {
        dims,
        datatype,
        big_endian: cfg!(target_endian = "big"),
        offset: 0,
        slope: 1.0,
        inter: 0.0,
    };
    layout.check(name, bytes.len(), false, limits)?;
    let voxels = layout.decode(&mut Source::packed(name, bytes, Packing::Plain), to_hu)?;
    Ok(layout.scan(voxels, affine, Vec::new()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::io::Warning;

    fn read_floats(values: &[f32], dims: [usize; 3], affine: Affine) -> Result<Scan, IoError> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_ne_bytes()).collect();
        read("array", &bytes, "f4", dims, affine, &Limits::default())
    }

    #[test]
    fn floats_become_hu_as_in_files() {
        let affine = Affine::from_spacing([0.7, 0.8, 6.0]);
        let values = [-1000.5, 40.5, f32::NAN, 1e9, -1e9, 0.4];
        let scan = read_floats(&values, [3, 2, 1], affine).unwrap();
        assert_eq!(scan.hu.data, [-1001, 41, -1024, i16::MAX, i16::MIN, 0]);
        assert_eq!(scan.hu.affine, affine);
        assert!(matches!(
            scan.warnings[..],
            [Warning::ThickSlices { .. }, ..]
        ));
    }

    #[test]
    fn bytes_are_never_taken_for_a_packed_file() {
        // The first two are gzip's.
        let bytes = [0x1f, 0x8b, 8, 0];
        let affine = Affine::from_spacing([1.0; 3]);
        let scan = read("array", &bytes, "u1", [2, 2, 1], affine, &Limits::default()).unwrap();
        assert_eq!(scan.hu.data, [0x1f, 0x8b, 8, 0]);
        assert!(scan.warnings.contains(&Warning::EightBit));
    }

    #[test]
    fn what_is_no_scan_is_refused() {
        let affine = Affine::from_spacing([1.0; 3]);
        let error = |result: Result<Scan, IoError>| result.unwrap_err().to_string();
        let flat = Affine([[1.0, 1.0, 0.0, 0.0]; 3]);
        assert!(error(read_floats(&[0.0; 6], [3, 2, 1], flat)).contains("affine"));
        assert!(error(read_floats(&[0.0; 5], [3, 2, 1], affine)).contains("24 bytes"));
        assert!(error(read_floats(&[], [3, 0, 1], affine)).contains("[3, 0, 1]"));
        assert!(error(read_floats(&[], [40_000, 2, 2], affine)).contains("32767"));
        assert!(error(read_floats(&[], [30_000; 3], affine)).contains("too large"));
        let complex = read(
            "array",
            &[0; 16],
            "c8",
            [2, 1, 1],
            affine,
            &Limits::default(),
        );
        assert!(error(complex).contains("c8"));
    }
}
