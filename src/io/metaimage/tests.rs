#![allow(clippy::unwrap_used)]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::*;
use crate::io::testing::{assert_close, mutations, oblique, volume};
use crate::io::{Warning, open};
use crate::volume::Volume;

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A .mha file as ITK writes it.
fn write(v: &Volume<i16>, compressed: bool, big: bool) -> Vec<u8> {
    let spacing = v.spacing();
    let axis = |c: usize| [0, 1, 2].map(|r| v.affine.0[r][c] * LPS[r] / spacing[c]);
    let join = |values: Vec<f64>| {
        let texts: Vec<String> = values.iter().map(f64::to_string).collect();
        texts.join(" ")
    };
    let directions = join((0..3).flat_map(axis).collect());
    let offset = join((0..3).map(|r| v.affine.0[r][3] * LPS[r]).collect());
    let [nx, ny, nz] = v.dims;
    let voxels: Vec<u8> = v
        .data
        .iter()
        .flat_map(|x| {
            if big {
                x.to_be_bytes()
            } else {
                x.to_le_bytes()
            }
        })
        .collect();
    let voxels = if compressed { zlib(&voxels) } else { voxels };
    let flag = |on: bool| if on { "True" } else { "False" };
    let size = match compressed {
        true => format!("CompressedDataSize = {}\n", voxels.len()),
        false => String::new(),
    };
    let mut file = format!(
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = {}\n\
         CompressedData = {}\n{size}TransformMatrix = {directions}\nOffset = {offset}\n\
         CenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\nElementSpacing = {}\n\
         DimSize = {nx} {ny} {nz}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
        flag(big),
        flag(compressed),
        join(spacing.to_vec()),
    )
    .into_bytes();
    file.extend(voxels);
    file
}

fn opened(bytes: &[u8]) -> Result<Scan, IoError> {
    read("scan.mha", bytes, &Limits::default())
}

#[test]
fn volumes_come_back() {
    let v = volume(oblique());
    for compressed in [false, true] {
        for big in [false, true] {
            let bytes = write(&v, compressed, big);
            let scan = opened(&bytes).unwrap();
            assert_eq!((scan.hu.dims, &scan.hu.data), (v.dims, &v.data));
            assert_close(&scan.hu.affine, &v.affine, 1e-9);
            assert!(!scan.warnings.contains(&Warning::NoOrientation));
            let input = open("scan.nii", &bytes, &Limits::default()).unwrap();
            assert!(matches!(input, crate::io::Input::Volume(s) if s.hu == scan.hu));
        }
    }
}

#[test]
fn broken_fields_are_named() {
    let v = volume(oblique());
    let file = write(&v, false, false);
    let header = String::from_utf8_lossy(&file[..file.len() - 120]).into_owned();
    for (from, to, says) in [
        ("MET_SHORT", "MET_SHORT_ARRAY", "ElementType"),
        ("DimSize = 5 4 3", "DimSize = 5 4 0", "DimSize"),
        ("DimSize = 5 4 3", "DimSize = 5 4 3 2", "2 volumes"),
        ("DimSize = 5 4 3", "DimSize = 32767 32767 9", "too large"),
        ("DimSize = 5 4 3", "DimSize = 50 40 30", "ends early"),
        ("LOCAL", "scan.raw", "another file"),
        ("LOCAL", "LIST", "another file"),
        ("BinaryData = True", "BinaryData = False", "BinaryData"),
        ("NDims = 3", "HeaderSize = -1", "HeaderSize"),
        (
            "NDims = 3",
            "ElementNumberOfChannels = 3",
            "ElementNumberOfChannels",
        ),
        ("Offset = ", "Offset = inf ", "Offset"),
        ("NDims = 3", "no equals sign", "without ="),
    ] {
        assert!(header.contains(from), "{from}");
        let mut file = header.replace(from, to).into_bytes();
        file.extend(vec![0; 120]);
        let text = opened(&file).unwrap_err().to_string();
        assert!(
            text.contains(says) && text.contains("scan.mha"),
            "{to}: {text}"
        );
    }
}

#[test]
fn without_directions_there_is_a_warning() {
    let file = write(&volume(oblique()), false, false);
    let text = String::from_utf8_lossy(&file[..file.len() - 120]).into_owned();
    let mut file = text.replace("TransformMatrix", "Nothing").into_bytes();
    file.extend(vec![0; 120]);
    let scan = opened(&file).unwrap();
    assert!(scan.warnings.contains(&Warning::NoOrientation));
    assert!(!scan.warnings.contains(&Warning::NoVoxelSize));
}

#[test]
fn cuts_and_bombs_give_errors() {
    let v = volume(oblique());
    for compressed in [false, true] {
        let whole = write(&v, compressed, false);
        for cut in 0..whole.len() {
            assert!(opened(&whole[..cut]).is_err(), "cut at {cut}");
        }
        mutations(&whole, |bytes| drop(opened(bytes)));
    }
    let mut bomb = b"ObjectType = Image\nCompressedData = True\nDimSize = 1000 1000 1000\n\
                     ElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        .to_vec();
    bomb.extend(zlib(&vec![0; 1 << 16]));
    let error = opened(&bomb).unwrap_err();
    assert!(matches!(error, IoError::Truncated { .. }), "{error}");
}
